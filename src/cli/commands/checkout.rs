//! `graft checkout`: brings files back from a commit.

use std::path::PathBuf;

use clap::ValueHint;

use super::Outcome;
use super::checked_out;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::revs;
use crate::repo::checkout::{CheckoutPaths, Source};

/// Bring files back from a commit or the index.
///
/// Gives files the state they have in a commit, in the index and in the worktree; without a commit, the state that was last
/// added. A database that programs have open is changed in one SQLite transaction, so they can stay connected. Changes
/// that were never added are overwritten only with --force, and then kept in the repository.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft checkout [OPTIONS] [REV] [--] <PATH>...",
    after_help = "Examples:\n  graft checkout HEAD~1 -- app.db\n  graft checkout v1 .\n  graft checkout -- app.db"
)]
pub struct Args {
    /// Overwrite changes that were never added.
    #[arg(short, long)]
    pub force: bool,

    /// Remove tracked files that the commit does not have.
    #[arg(long)]
    pub no_overlay: bool,

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
    let (rev, paths) = split(args.words, args.paths, &|word| revs::object(&repo, word).is_ok())?;
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

/// Tells the revision from the paths. Before `--` stands at most a revision; without `--` the first word is a revision if
/// it names one.
fn split(
    words: Vec<PathBuf>,
    paths: Vec<PathBuf>,
    is_rev: &dyn Fn(&str) -> bool,
) -> Result<(Option<String>, Vec<PathBuf>), Failure> {
    let text = |word: &PathBuf| word.to_string_lossy().into_owned();
    match (words.as_slice(), paths.is_empty()) {
        ([], true) => Err(Failure::usage("checkout wants files").help("as in 'graft checkout HEAD~1 -- app.db'")),
        ([], false) => Ok((None, paths)),
        ([rev], false) => Ok((Some(text(rev)), paths)),
        ([_, extra, ..], false) => {
            let help = "write 'graft checkout <rev> -- <path>...'";
            Err(Failure::usage(format!("'{}' stands before '--' but only one revision can", extra.display()))
                .help(help))
        }
        ([first, rest @ ..], true) if is_rev(&text(first)) => match rest {
            [] => Err(Failure::usage(format!(
                "switching to '{}' as a whole is not possible yet; checkout wants files",
                text(first)
            ))
            .help(format!("as in 'graft checkout {} -- app.db', or '-- .' for all files", text(first)))),
            _ => Ok((Some(text(first)), rest.to_vec())),
        },
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
        for (words, paths) in [(&[][..], &[][..]), (&["HEAD~1"], &[]), (&["a", "b"], &["c"])] {
            assert_eq!(split(words, paths).map_err(|f| f.code()), Err(2));
        }
    }
}
