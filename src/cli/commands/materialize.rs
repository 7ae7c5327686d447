//! `graft materialize`: writes databases of a lazy clone into the worktree.

use std::path::PathBuf;

use clap::ValueHint;

use super::{Outcome, checked_out};
use crate::cli::context::Context;
use crate::repo::worktree::materialize::MaterializeOptions;

/// Write databases of a lazy clone into the worktree, as ordinary files.
///
/// A lazy clone has its databases in the repository only, where 'graft sql' reads and writes them. This fetches what is missing of
/// them and writes the files, with changes that are not added yet; from then on any program can use them. Files that are there
/// already stay as they are.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft materialize\n  graft materialize big.db")]
pub struct Args {
    /// Only these files, folders or patterns.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let done = repo.materialize(&MaterializeOptions { pathspecs: args.paths, cwd: ctx.cwd.clone() })?;
    checked_out::show(&done, "materialize/1", &repo, ctx)
}
