//! `graft pull`: fetches, and moves the current branch forward.

use std::io::Write;

use serde::Serialize;

use super::checked_out::{self, File};
use super::{Outcome, fetch, remote};
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::render::traffic::TrafficJson;
use crate::cli::render::view;
use crate::cli::{json, revs};
use crate::repo::ops::merge::Merged;
use crate::repo::ops::pull::PullOptions;

/// Fetch, and move the current branch and the worktree forward.
///
/// Brings what the remote has and moves the current branch to the one that it follows, if that has all commits of the current
/// one. The worktree changes as with 'graft merge'. A branch with commits of its own is left as it is.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft pull\n  graft pull --ff-only origin main")]
pub struct Args {
    /// Only move forward, as is always done now; for scripts that want to be sure.
    #[arg(long)]
    pub ff_only: bool,

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
    };
    let pulled = repo.pull(&options)?;
    let done = match &pulled.merged {
        Merged::UpToDate => None,
        Merged::FastForward { done, .. } => Some(done),
    };
    let warnings = done.map_or(&[][..], |d| &d.warnings);
    warnings.iter().for_each(|w| ctx.say.warning(w));
    if ctx.out.json {
        let answer = Answer {
            result: if done.is_some() { "fast-forward" } else { "up-to-date" },
            url: &pulled.fetched.url,
            from: pulled.old.map(|id| id.to_string()),
            to: pulled.new.to_string(),
            files: done.iter().flat_map(|d| &d.files).map(checked_out::file).collect(),
            warnings: view::warnings(warnings),
            traffic: pulled.fetched.traffic.into(),
        };
        json::write(&mut ctx.out, "pull/1", &answer)?;
        return Ok(exit::DONE);
    }
    fetch::tell(&repo, &pulled.fetched, ctx);
    if ctx.globals.quiet {
        return Ok(exit::DONE);
    }
    match (done, pulled.old) {
        (None, _) => writeln!(ctx.out, "Already up to date.")?,
        (Some(_), None) => writeln!(ctx.out, "Fast-forward to {}", revs::short(&repo, &pulled.new))?,
        (Some(_), Some(old)) => {
            writeln!(ctx.out, "Updating {}..{}", revs::short(&repo, &old), revs::short(&repo, &pulled.new))?;
            writeln!(ctx.out, "Fast-forward")?;
        }
    }
    Ok(exit::DONE)
}
