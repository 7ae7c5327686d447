//! `graft checkout`: goes to a branch or commit, or brings files back from one.

use std::path::PathBuf;

use clap::ValueHint;

use super::switch::{self, Make};
use super::{Outcome, checked_out, switched};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::revs;
use crate::repo::ops::switch::{Goal, SwitchOptions};
use crate::repo::worktree::checkout::{CheckoutPaths, Source};

/// Go to a branch or commit, or bring files back from one.
///
/// Without paths does what 'graft switch' does, and goes to anything that names a commit: on a branch HEAD stays attached to it, on
/// anything else it is detached. With paths gives files the state they have in a commit, in the index and in the worktree; without a commit, the state that was last
/// added. A database that programs have open is changed in one SQLite transaction, so they can stay connected. Changes
/// that were never added are overwritten only with --force, and then kept in the repository.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft checkout [OPTIONS] [BRANCH | COMMIT]\n       graft checkout [OPTIONS] (-b | -B) <NEW> [START]\n       \
                      graft checkout [OPTIONS] [REV] [--] <PATH>...",
    after_help = "Examples:\n  graft checkout prices\n  graft checkout -b fix v1.0\n  graft checkout HEAD~1 -- app.db\n  graft checkout v1 .\n  graft checkout -- app.db"
)]
pub struct Args {
    /// Overwrite changes that were never added.
    #[arg(short, long)]
    pub force: bool,

    /// Remove tracked files that the commit does not have.
    #[arg(long)]
    pub no_overlay: bool,

    /// Make a branch and go to it.
    #[arg(short = 'b', value_name = "NEW", group = "goal")]
    pub create: Option<String>,

    /// Make a branch, or set it back if it is there, and go to it.
    #[arg(short = 'B', value_name = "NEW", group = "goal")]
    pub force_create: Option<String>,

    /// Go to the commit itself, even if a branch was named.
    #[arg(short, long, group = "goal")]
    pub detach: bool,

    /// Let the new branch follow the branch that it begins at.
    #[arg(short, long, conflicts_with = "no_track")]
    pub track: bool,

    /// Let the new branch follow nothing, even if it begins at a branch of a remote.
    #[arg(long)]
    pub no_track: bool,

    /// The commit, then files, folders or patterns.
    #[arg(value_name = "REV|PATH")]
    pub words: Vec<PathBuf>,

    /// Files, folders or patterns.
    #[arg(last = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let is_rev = |word: &str| revs::object(&repo, switch::previous(word)).is_ok();
    let is_branch = |word: &str| switch::branch(&repo, switch::previous(word), true, false).is_ok_and(|g| g.is_some());
    let new = args.create.as_ref().or(args.force_create.as_ref());
    if new.is_some() || args.detach {
        let typed = whole(&args.words, &args.paths)?;
        let goal = match new {
            Some(name) => {
                let make = Make { force: args.force_create.is_some(), track: args.track, no_track: args.no_track };
                make.goal(&repo, name, typed.as_deref())?
            }
            None => Goal::Commit(revs::commit(&repo, typed.as_deref().unwrap_or("HEAD"))?),
        };
        let typed = new.cloned().or(typed).unwrap_or_else(|| "HEAD".to_owned());
        return switched::run(&SwitchOptions { goal, typed, force: args.force }, "checkout-branch/1", &repo, ctx);
    }
    let (rev, paths) = split(args.words, args.paths, &|word| is_rev(word) || is_branch(word))?;
    if paths.is_empty() {
        let typed = rev.as_deref().map_or("HEAD", switch::previous);
        let goal = match switch::branch(&repo, typed, true, args.no_track)? {
            Some(goal) => goal,
            // Nothing to go to: HEAD stays where it is.
            None if rev.is_none() => match repo.current_branch()? {
                Some(branch) => Goal::Branch(branch),
                None => Goal::Commit(revs::commit(&repo, "HEAD")?),
            },
            None => Goal::Commit(revs::commit(&repo, typed)?),
        };
        let typed = match &goal {
            Goal::Branch(name) => name.short().to_owned(),
            _ => typed.to_owned(),
        };
        return switched::run(&SwitchOptions { goal, typed, force: args.force }, "checkout-branch/1", &repo, ctx);
    }
    let source = match rev {
        Some(rev) => Source::Rev(revs::object(&repo, &rev)?),
        None => Source::Index,
    };
    let done = repo.checkout_paths(&CheckoutPaths {
        source,
        pathspecs: paths,
        cwd: ctx.cwd.clone(),
        staged: source != Source::Index,
        worktree: true,
        force: args.force,
        no_overlay: args.no_overlay,
    })?;
    checked_out::show(&done, "checkout/1", &repo, ctx)
}

/// Returns the one word that may stand where no paths are wanted.
fn whole(words: &[PathBuf], paths: &[PathBuf]) -> Result<Option<String>, Failure> {
    match (words, paths) {
        ([], []) => Ok(None),
        ([rev], []) => Ok(Some(switch::previous(&rev.to_string_lossy()).to_owned())),
        _ => Err(Failure::usage("paths cannot be combined with -b, -B and --detach")
            .help("go to the branch first, then bring files back")),
    }
}

/// Tells the revision from the paths. Before `--` stands at most a revision; without `--` the first word is a revision if
/// it names one, unless it is a file too.
fn split(
    words: Vec<PathBuf>,
    paths: Vec<PathBuf>,
    is_rev: &dyn Fn(&str) -> bool,
) -> Result<(Option<String>, Vec<PathBuf>), Failure> {
    let text = |word: &PathBuf| word.to_string_lossy().into_owned();
    match (words.as_slice(), paths.is_empty()) {
        ([], true) => Ok((None, Vec::new())),
        ([], false) => Ok((None, paths)),
        ([rev], false) => Ok((Some(text(rev)), paths)),
        ([_, extra, ..], false) => {
            let help = "write 'graft checkout <rev> -- <path>...'";
            Err(Failure::usage(format!("'{}' stands before '--' but only one revision can", extra.display()))
                .help(help))
        }
        ([first], true) if is_rev(&text(first)) && first.symlink_metadata().is_ok() => {
            let name = text(first);
            Err(Failure::new(format!("'{name}' is both a revision and a file"))
                .help(format!("write '-- {name}' for the file, 'graft switch {name}' for the branch")))
        }
        ([first, rest @ ..], true) if is_rev(&text(first)) => Ok((Some(text(first)), rest.to_vec())),
        (_, true) => Ok((None, words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_may_be_a_revision() {
        let split = |words: &[&str], paths: &[&str]| {
            let own = |list: &[&str]| list.iter().map(PathBuf::from).collect();
            super::split(own(words), own(paths), &|w| w == "HEAD~1")
        };
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(split(&["HEAD~1"], &["a"]), Ok((Some("HEAD~1".to_owned()), paths(&["a"]))));
        assert_eq!(split(&["HEAD~1", "a"], &[]), Ok((Some("HEAD~1".to_owned()), paths(&["a"]))));
        assert_eq!(split(&["a", "b"], &[]), Ok((None, paths(&["a", "b"]))));
        assert_eq!(split(&[], &["HEAD~1"]), Ok((None, paths(&["HEAD~1"]))));
        assert_eq!(split(&["HEAD~1"], &[]), Ok((Some("HEAD~1".to_owned()), paths(&[]))));
        assert_eq!(split(&["a", "b"], &["c"]).map_err(|f| f.code()), Err(2));
    }
}
