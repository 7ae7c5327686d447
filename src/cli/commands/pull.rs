//! `graft pull`: fetches, and moves the current branch forward.

use serde::Serialize;

use super::checked_out::{self, File};
use super::{Outcome, fetch, merge, remote};
use crate::cli::context::Context;
use crate::cli::json;
use crate::cli::render::conflicts::{self, Conflict};
use crate::cli::render::traffic::TrafficJson;
use crate::cli::render::view;
use crate::repo::ops::merge::{MergeResult, Merged};
use crate::repo::ops::pull::PullOptions;

/// Fetch, and move the current branch and the worktree forward.
///
/// Brings what the remote has and moves the current branch to the one that it follows, if that has all commits of the current
/// one. The worktree changes as with 'graft merge'. A branch with commits of its own is left as it is, unless --no-rebase says to merge.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft pull\n  graft pull --no-rebase origin main")]
pub struct Args {
    /// Only move forward, as is done unless something else is said; for scripts that want to be sure.
    #[arg(long)]
    pub ff_only: bool,

    /// Merge where the branch has commits of its own.
    #[arg(long, conflicts_with = "ff_only")]
    pub no_rebase: bool,

    /// Remove refs here that follow branches which the remote does not have any more.
    #[arg(short, long)]
    pub prune: bool,

    /// Which tags.
    #[command(flatten)]
    pub tags: fetch::TagArgs,

    /// The remote, by name or URL; that of the current branch if not given.
    pub remote: Option<String>,

    /// The branch of the remote; the one that the current branch follows if not given.
    pub branch: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    result: &'static str,
    url: &'a str,
    from: Option<String>,
    to: String,
    files: Vec<File<'a>>,
    conflicts: Vec<Conflict<'a>>,
    warnings: Vec<String>,
    traffic: TrafficJson,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let options = PullOptions {
        remote: args.remote.as_ref().map(|text| remote::typed(text, &repo, ctx)).transpose()?,
        branch: args.branch,
        prune: args.prune,
        tags: args.tags.into(),
        merge: args.no_rebase,
    };
    let pulled = repo.pull(&options)?;
    let done = merge::checkout(&pulled.merged);
    let warnings = done.map_or(&[][..], |d| &d.warnings);
    merge::warn(&pulled.merged, ctx);
    if ctx.out.json {
        let answer = Answer {
            result: merge::word(&pulled.merged, false),
            url: &pulled.fetched.url,
            from: pulled.old.map(|id| id.to_string()),
            to: pulled.new.to_string(),
            files: done.iter().flat_map(|d| &d.files).map(checked_out::file).collect(),
            conflicts: match &pulled.merged {
                Merged::Merged(mixed) => conflicts::all(&mixed.conflicts, &mixed.databases),
                _ => Vec::new(),
            },
            warnings: view::warnings(warnings),
            traffic: pulled.fetched.traffic.into(),
        };
        json::write(&mut ctx.out, "pull/1", &answer)?;
        return Ok(merge::code(&pulled.merged));
    }
    fetch::tell(&repo, &pulled.fetched, ctx);
    merge::tell(&repo, &pulled.merged, pulled.new, MergeResult::Commit, ctx)
}
