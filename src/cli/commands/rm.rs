//! `graft rm`: stops tracking files.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::render::path::{Quote, quoted};
use crate::model::RepoPath;
use crate::repo::RepoError;
use crate::repo::ops::remove::{RemoveError, RmOptions};

/// Remove files from the worktree and from the index.
///
/// The next commit will be without them; earlier commits keep them. A file with changes that no commit has stays, unless
/// forced.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft rm old.db\n  graft rm --cached scratch.db\n  graft rm -r archive")]
pub struct Args {
    /// Leave the worktree alone, and only stop tracking.
    #[arg(long)]
    pub cached: bool,

    /// Remove files even if they hold changes that no commit has.
    #[arg(short, long)]
    pub force: bool,

    /// Allow folders.
    #[arg(short)]
    pub recursive: bool,

    /// Only say what would be removed.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Succeed even if nothing matches.
    #[arg(long)]
    pub ignore_unmatch: bool,

    /// Files, folders or patterns.
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    dry_run: bool,
    files: Vec<&'a str>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let options = RmOptions {
        pathspecs: args.paths,
        cwd: ctx.cwd.clone(),
        cached: args.cached,
        force: args.force,
        recursive: args.recursive,
        dry_run: args.dry_run,
    };
    let removed = match repo.remove(&options) {
        Err(RepoError::Remove(RemoveError::NoMatch(_))) if args.ignore_unmatch => Vec::new(),
        other => other?,
    };
    if ctx.out.json {
        let files = removed.iter().map(RepoPath::as_str).collect();
        json::write(&mut ctx.out, "rm/1", &Answer { dry_run: args.dry_run, files })?;
    } else if !ctx.globals.quiet {
        for path in &removed {
            writeln!(ctx.out, "rm '{}'", quoted(path.as_str(), Quote::People))?;
        }
    }
    Ok(exit::DONE)
}
