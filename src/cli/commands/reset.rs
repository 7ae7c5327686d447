//! `graft reset`: moves the current branch, or takes files back out of the index.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::change::letter;
use crate::cli::render::path::{Quote, quoted};
use crate::cli::{json, ranges, revs};
use crate::repo::Repository;
use crate::repo::reset::ResetMode;
use crate::repo::status::StatusOptions;

/// Move the current branch to a commit, or take files back out of the index.
///
/// The files in the worktree stay as they are. Without paths moves the branch that HEAD is on, and sets the index back to the
/// commit unless --soft is given; what HEAD was is kept as ORIG_HEAD and in the reflog. With paths sets just these back in the
/// index.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft reset [--soft | --mixed] [COMMIT]\n       graft reset [COMMIT] [--] <PATH>...",
    after_help = "Examples:\n  graft reset app.db\n  graft reset --soft HEAD~1\n  graft reset ORIG_HEAD"
)]
pub struct Args {
    /// Leave the index as it is: all that the commits changed is staged.
    #[arg(long, conflicts_with = "mixed")]
    pub soft: bool,

    /// Set the index back, as without any option.
    #[arg(long)]
    pub mixed: bool,

    /// The commit, HEAD if none is named; then files, folders or patterns.
    #[arg(value_name = "COMMIT|PATH")]
    pub words: Vec<PathBuf>,

    /// Files, folders or patterns.
    #[arg(last = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    head: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let (words, paths) = match args.paths.is_empty() {
        true => {
            let exists = |path: &Path| ctx.resolve(path).symlink_metadata().is_ok();
            ranges::split(args.words, &|word| revs::object(&repo, word).map(drop), &exists)?
        }
        false => (args.words.iter().map(|w| w.to_string_lossy().into_owned()).collect(), args.paths),
    };
    let rev = match words.as_slice() {
        [] => None,
        [rev] => Some(rev.as_str()),
        _ => return Err(Failure::usage("one commit at most is wanted")),
    };
    let head = repo.head_commit()?;
    if !paths.is_empty() {
        if args.soft || args.mixed {
            return Err(Failure::usage("paths are set back in the index only").help("leave out --soft and --mixed"));
        }
        let from = match rev {
            Some(rev) => Some(revs::object(&repo, rev)?),
            None => head,
        };
        repo.reset_paths(from.as_ref(), &ctx.cwd, &paths)?;
    } else if rev.is_none() && head.is_none() && !args.soft {
        repo.reset_unborn()?;
    } else {
        let text = rev.unwrap_or("HEAD");
        let mode = if args.soft { ResetMode::Soft } else { ResetMode::Mixed };
        repo.reset(revs::commit(&repo, text)?, text, mode)?;
    }
    if ctx.out.json {
        let head = repo.head_commit()?.map(|id| id.to_string());
        json::write(&mut ctx.out, "reset/1", &Answer { head })?;
    } else if !args.soft && !ctx.globals.quiet {
        unstaged(&repo, ctx)?;
    }
    Ok(exit::DONE)
}

/// Lists the files whose present state the index does not have.
fn unstaged(repo: &Repository, ctx: &mut Context) -> Result<(), Failure> {
    let changes = repo.status(&StatusOptions::default())?.unstaged;
    if !changes.is_empty() {
        writeln!(ctx.out, "Unstaged changes after reset:")?;
    }
    for file in changes {
        writeln!(ctx.out, "{}\t{}", letter(file.change), quoted(file.path.as_str(), Quote::Scripts))?;
    }
    Ok(())
}
