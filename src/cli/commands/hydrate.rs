//! `graft hydrate`: brings what a lazy clone left on its remote.

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::render::size::{bytes, count};

/// Bring everything that a lazy clone left on its remote.
///
/// Everything is verified. What an interruption left is used when it is run again.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft hydrate\n  graft hydrate -n")]
pub struct Args {
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
    let before = match args.dry_run {
        true => repo.store().presence().map_err(crate::repo::RepoError::from)?,
        false => repo.hydrate()?,
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
