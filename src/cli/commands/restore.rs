//! `graft restore`: brings files back from the index or a commit.

use std::path::PathBuf;

use clap::ValueHint;

use super::Outcome;
use super::checked_out;
use crate::cli::context::Context;
use crate::cli::revs;
use crate::repo::worktree::checkout::{CheckoutPaths, Source};

/// Bring files back from the index or a commit.
///
/// Without options, gives files of the worktree the state that was last added; with --staged, takes what was added out of
/// the index again; with --source, brings back the state of any commit. A database that programs have open is changed in
/// one SQLite transaction, so they can stay connected. Changes that were never added are overwritten only with --force, and
/// then kept in the repository.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft restore --force app.db\n  graft restore --staged app.db\n  graft restore --source HEAD~2 app.db"
)]
pub struct Args {
    /// The commit to take the state from; the index, or HEAD with --staged, if not given.
    #[arg(short, long, value_name = "REV")]
    pub source: Option<String>,

    /// Restore the index.
    #[arg(short = 'S', long)]
    pub staged: bool,

    /// Restore the worktree; the default unless --staged is given.
    #[arg(short = 'W', long)]
    pub worktree: bool,

    /// Overwrite changes that were never added.
    #[arg(short, long)]
    pub force: bool,

    /// Leave tracked files alone that the source does not have.
    #[arg(long)]
    pub overlay: bool,

    /// Files, folders or patterns.
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let source = match (&args.source, args.staged) {
        (Some(rev), _) => Source::Rev(revs::object(&repo, rev)?),
        (None, true) => Source::Rev(revs::object(&repo, "HEAD")?),
        (None, false) => Source::Index,
    };
    let done = repo.checkout_paths(&CheckoutPaths {
        source,
        pathspecs: args.paths,
        cwd: ctx.cwd.clone(),
        staged: args.staged,
        worktree: args.worktree || !args.staged,
        force: args.force || (args.staged && !args.worktree),
        no_overlay: !args.overlay,
    })?;
    checked_out::show(&done, "restore/1", &repo, ctx)
}
