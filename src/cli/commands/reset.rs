//! `graft reset`: moves the current branch, or takes files back out of the index.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use super::checked_out::{self, File};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::change::letter;
use crate::cli::render::path::{Quote, quoted};
use crate::cli::render::view;
use crate::cli::{json, ranges, revs};
use crate::repo::ops::reset::ResetMode;
use crate::repo::state::objects::ObjectReader;
use crate::repo::worktree::checkout::CheckoutOutcome;
use crate::repo::worktree::status::StatusOptions;
use crate::repo::{RepoError, Repository};

/// Move the current branch to a commit, or take files back out of the index.
///
/// Without paths moves the branch that HEAD is on, and sets the index back to the commit unless --soft is given; the files in the
/// worktree stay as they are unless --hard or --keep is given. What HEAD was is kept as ORIG_HEAD and in the reflog, and 'graft
/// undo' takes all of it back. With paths sets just these back in the index.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft reset [--soft | --mixed | --hard | --keep] [COMMIT]\n       graft reset [COMMIT] [--] <PATH>...",
    after_help = "Examples:\n  graft reset app.db\n  graft reset --soft HEAD~1\n  graft reset --hard HEAD~1\n  graft reset ORIG_HEAD"
)]
pub struct Args {
    /// Leave the index as it is: all that the commits changed is staged.
    #[arg(long, group = "mode")]
    pub soft: bool,

    /// Set the index back, as without any option.
    #[arg(long, group = "mode")]
    pub mixed: bool,

    /// Set index and worktree back; what files hold that was never added is kept in the repository.
    #[arg(long, group = "mode")]
    pub hard: bool,

    /// Set back the index, and the files that the commits changed; refuse if one of these has changes of yours.
    #[arg(long, group = "mode")]
    pub keep: bool,

    /// The commit, HEAD if none is named; then files, folders or patterns.
    #[arg(value_name = "COMMIT|PATH")]
    pub words: Vec<PathBuf>,

    /// Files, folders or patterns.
    #[arg(last = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    head: Option<String>,
    files: Vec<File<'a>>,
    warnings: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let asked = args.mode();
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
        if asked.is_some() {
            return Err(Failure::usage("paths are set back in the index only")
                .help("leave out the option; 'graft restore --source' gives files the state of a commit"));
        }
        let from = match rev {
            Some(rev) => Some(revs::object(&repo, rev)?),
            None => head,
        };
        repo.reset_paths(from.as_ref(), &ctx.cwd, &paths)?;
        return answer(&CheckoutOutcome::default(), &repo, ctx, true);
    }
    let text = rev.unwrap_or("HEAD");
    let mode = asked.unwrap_or(ResetMode::Mixed);
    let to = match (rev, head, mode) {
        // A branch without commits has an index and files all the same.
        (None, None, ResetMode::Mixed | ResetMode::Hard) => None,
        _ => Some(revs::commit(&repo, text)?),
    };
    let done = repo.reset(to, text, mode)?;
    done.warnings.iter().for_each(|w| ctx.say.warning(w));
    if let (ResetMode::Hard, Some(id), false) = (mode, to, ctx.out.json) {
        let commit = repo.commit(&id).map_err(RepoError::from)?;
        ctx.say.note(format_args!("HEAD is now at {} {}", revs::short(&repo, &id), commit.subject()));
    }
    answer(&done, &repo, ctx, mode == ResetMode::Mixed)
}

impl Args {
    fn mode(&self) -> Option<ResetMode> {
        let all = [
            (self.soft, ResetMode::Soft),
            (self.mixed, ResetMode::Mixed),
            (self.hard, ResetMode::Hard),
            (self.keep, ResetMode::Keep),
        ];
        all.into_iter().find(|(is, _)| *is).map(|(_, mode)| mode)
    }
}

fn answer(done: &CheckoutOutcome, repo: &Repository, ctx: &mut Context, lists: bool) -> Outcome {
    if ctx.out.json {
        let head = repo.head_commit()?.map(|id| id.to_string());
        let files = done.files.iter().map(checked_out::file).collect();
        let warnings = view::warnings(&done.warnings);
        json::write(&mut ctx.out, "reset/1", &Answer { head, files, warnings })?;
        return Ok(exit::DONE);
    }
    checked_out::say_saved(done, repo, ctx);
    if lists && !ctx.globals.quiet {
        unstaged(repo, ctx)?;
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
