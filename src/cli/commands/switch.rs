//! `graft switch`: goes to another branch.

use super::{Outcome, switched};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::revs;
use crate::model::{ObjectId, RefName};
use crate::repo::ops::switch::{Goal, SwitchError, SwitchOptions};
use crate::repo::state::refs::{Head, RefError};
use crate::repo::{RepoError, Repository};

/// Go to another branch.
///
/// The databases of the worktree change in place, each in one SQLite transaction that writes just the pages which differ, so
/// programs can stay connected. Either all of them change or none. Changes of yours come along in files that both branches
/// have in the same state; where they are in the way nothing happens.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft switch [OPTIONS] <BRANCH>\n       graft switch [OPTIONS] (-c | -C) <NEW> [START]\n       graft switch \
                      [OPTIONS] --detach [COMMIT]\n       graft switch [OPTIONS] --orphan <NEW>",
    after_help = "Examples:\n  graft switch prices\n  graft switch -c prices\n  graft switch -\n  graft switch --detach HEAD~3"
)]
pub struct Args {
    /// Make the branch first.
    #[arg(short, long, value_name = "NEW", group = "goal")]
    pub create: Option<String>,

    /// Make the branch first, or set it back if it is there.
    #[arg(short = 'C', long, value_name = "NEW", group = "goal")]
    pub force_create: Option<String>,

    /// Go to a commit itself, on no branch.
    #[arg(short, long, group = "goal")]
    pub detach: bool,

    /// Begin a branch without commits, with nothing in the index and the worktree.
    #[arg(long, value_name = "NEW", group = "goal", conflicts_with = "target")]
    pub orphan: Option<String>,

    /// Give up changes that were never committed; what the files hold is kept in the repository.
    #[arg(short, long, visible_alias = "discard-changes")]
    pub force: bool,

    /// Let the new branch follow the branch that it begins at.
    #[arg(short, long, conflicts_with = "no_track")]
    pub track: bool,

    /// Let the new branch follow nothing, even if it begins at a branch of a remote.
    #[arg(long)]
    pub no_track: bool,

    /// Do not make a branch of the name of one that a remote has.
    #[arg(long)]
    pub no_guess: bool,

    /// The branch, '-' for the one before; with -c the commit to begin at.
    #[arg(value_name = "BRANCH|START")]
    pub target: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let typed = args.target.as_deref().map(previous);
    let new = args.create.as_ref().or(args.force_create.as_ref());
    let (goal, typed) = match (new, &args.orphan, args.detach, typed) {
        (Some(name), ..) => {
            let make = Make { force: args.force_create.is_some(), track: args.track, no_track: args.no_track };
            (make.goal(&repo, name, typed)?, name.clone())
        }
        (_, Some(name), ..) => (Goal::Orphan(repo.branch_name(name)?), name.clone()),
        (.., true, typed) => {
            let typed = typed.unwrap_or("HEAD");
            (Goal::Commit(revs::commit(&repo, typed)?), typed.to_owned())
        }
        (.., Some(typed)) => {
            let goal =
                branch(&repo, typed, !args.no_guess, args.no_track)?.ok_or_else(|| not_a_branch(&repo, typed))?;
            let shown = match &goal {
                Goal::Branch(name) => name.short().to_owned(),
                _ => typed.to_owned(),
            };
            (goal, shown)
        }
        (.., None) => {
            return Err(Failure::usage("which branch?").help("as in 'graft switch main', or 'graft switch -c <new>'"));
        }
    };
    switched::run(&SwitchOptions { goal, typed, force: args.force }, "switch/1", &repo, ctx)
}

/// Reads `-` as the branch before.
pub fn previous(typed: &str) -> &str {
    if typed == "-" { "@{-1}" } else { typed }
}

/// How a branch is made.
#[derive(Clone, Copy, Debug)]
pub struct Make {
    /// Set it back if it is there.
    pub force: bool,
    /// Let it follow where it begins.
    pub track: bool,
    /// Let it follow nothing.
    pub no_track: bool,
}

impl Make {
    /// Returns the goal to make a branch at a revision, HEAD if none is given, and go there.
    pub fn goal(self, repo: &Repository, name: &str, start: Option<&str>) -> Result<Goal, Failure> {
        let name = repo.branch_name(name)?;
        let (id, begin) = match start {
            Some(text) => (Some(revs::commit(repo, text)?), revs::with(repo, |revs| revs.full_name(text))?),
            None => (repo.head_commit()?, Some(RefName::head())),
        };
        let is_remote = begin.as_ref().is_some_and(|name| name.as_str().starts_with("refs/remotes/"));
        let follows = self.track || (is_remote && !self.no_track);
        let upstream = begin.filter(|name| follows && (is_remote || name.as_branch().is_some()));
        let start_text = start.unwrap_or("HEAD").to_owned();
        Ok(Goal::New { name, start: id, start_text, upstream, force: self.force })
    }
}

/// Returns the goal to go to a branch of that name; where there is none but exactly one remote has it, to make it.
pub fn branch(repo: &Repository, typed: &str, guess: bool, no_track: bool) -> Result<Option<Goal>, Failure> {
    let Ok(name) = repo.branch_name(typed) else { return Ok(None) };
    let is_current = repo.refs().head().map_err(RepoError::from)? == Head::Branch(name.clone());
    match repo.refs().read(&name) {
        Ok(None) if !is_current => {}
        Ok(_) | Err(RefError::Damaged { .. }) => return Ok(Some(Goal::Branch(name))),
        Err(e) => return Err(RepoError::from(e).into()),
    }
    match repo.remote_branch(typed)?.filter(|_| guess) {
        Some(remote) => {
            let make = Make { force: false, track: true, no_track };
            Ok(Some(make.goal(repo, typed, Some(remote.as_str()))?))
        }
        None => Ok(None),
    }
}

fn not_a_branch(repo: &Repository, typed: &str) -> Failure {
    let found: Result<ObjectId, Failure> = revs::commit(repo, typed);
    match found {
        Ok(_) => RepoError::from(SwitchError::NotABranch(typed.to_owned())).into(),
        Err(failure) => failure,
    }
}
