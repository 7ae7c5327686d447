//! `graft hydrate`: brings what a lazy clone left on its remote.

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::render::size::{bytes, count};

/// Bring what a lazy clone left on its remote.
///
/// Without arguments, everything. With a revision, what its files need; with paths, what these need at the revision, or as they are now.
/// Everything is verified. What an interruption left is used when it is run again. No file is written: that is 'graft materialize'.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft hydrate\n  graft hydrate -n\n  graft hydrate HEAD\n  graft hydrate v1 -- big.db"
)]
pub struct Args {
    /// What the files of this revision need.
    #[arg(value_name = "REV")]
    pub rev: Option<String>,

    /// What these files, folders or patterns need.
    #[arg(value_name = "PATH", last = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Only say how much is missing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    segments: usize,
    present: u64,
    missing: u64,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let states = match (&args.rev, args.paths.is_empty()) {
        (None, true) => None,
        (rev, _) => Some(repo.states_of(&ctx.cwd, rev.as_deref(), &args.paths)?),
    };
    let segments = repo.left_on_remote(states.as_deref())?;
    let before = match args.dry_run {
        true => repo.store().presence_of(&segments).map_err(crate::repo::RepoError::from)?,
        false => repo.hydrate(&segments)?,
    };
    let missing = before.total - before.present;
    if ctx.out.json {
        let answer = Answer { dry_run: args.dry_run, segments: before.segments, present: before.present, missing };
        json::write(&mut ctx.out, "hydrate/1", &answer)?;
    } else if before.segments == 0 {
        ctx.say.note("Everything is here.");
    } else {
        let verb = if args.dry_run { "missing of" } else { "fetched of" };
        ctx.say.note(format_args!("{} {verb} {}", bytes(missing), count(before.segments as u64, "segment")));
    }
    Ok(exit::DONE)
}
