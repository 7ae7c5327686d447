//! `graft rev-list`: the ids of commits, for scripts.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use super::log::{Which, options, range};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::ranges::{self, Range};
use crate::cli::{json, revs};
use crate::repo::history::revspec;
use crate::repo::history::walk;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::{RepoError, Repository};

/// List the ids of commits, newest first.
///
/// Takes revisions, ranges and paths as 'graft log' does, at least one revision.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft rev-list [OPTIONS] <REV>... [--] [PATH]...",
    after_help = "Examples:\n  graft rev-list --count v1.0..main\n  graft rev-list -n 1 HEAD -- app.db\n  graft rev-list --left-right \
                  --count main...origin/main"
)]
pub struct Args {
    /// Which commits.
    #[command(flatten)]
    pub which: Which,

    /// Show how many there are instead.
    #[arg(long)]
    pub count: bool,

    /// Show the parents behind every commit.
    #[arg(long)]
    pub parents: bool,

    /// With --count and one A...B: how many only A has, and how many only B has.
    #[arg(long, requires = "count")]
    pub left_right: bool,

    /// Revisions, then files, folders or patterns.
    #[arg(value_name = "REV|PATH")]
    pub words: Vec<PathBuf>,

    /// Files, folders or patterns.
    #[arg(last = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Commit {
    id: String,
    parents: Vec<String>,
}

#[derive(Serialize)]
struct Count {
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<usize>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    if args.left_right {
        return left_right(&args, &repo, ctx);
    }
    let (words, paths) = match args.paths.is_empty() {
        true => {
            let exists = |path: &Path| ctx.resolve(path).symlink_metadata().is_ok();
            ranges::split(args.words, &|word| Range::default().add(&repo, word), &exists)?
        }
        false => (args.words.iter().map(|w| w.to_string_lossy().into_owned()).collect(), args.paths),
    };
    let which = &args.which;
    let has_refs = which.all || which.branches.is_some() || which.tags.is_some() || which.remotes.is_some();
    if words.is_empty() && which.not.is_empty() && !has_refs {
        return Err(Failure::usage("no revision named").help("as in 'graft rev-list HEAD'"));
    }
    let specs = Pathspecs::new(repo.top(), &ctx.cwd, &paths).map_err(RepoError::from)?;
    let options = options(which, false, range(which, &words, &repo)?, specs, ctx.now().timestamp().as_second())?;
    let mut count = 0;
    for entry in repo.walk(options)? {
        let entry = entry?;
        count += 1;
        let parents = || entry.parents.iter().map(ToString::to_string);
        match (args.count, ctx.out.json) {
            (true, _) => {}
            (false, true) => {
                let commit = Commit { id: entry.id.to_string(), parents: parents().collect() };
                json::write(&mut ctx.out, "rev-list/1", &commit)?;
            }
            (false, false) => {
                let behind: String = parents().filter(|_| args.parents).map(|id| format!(" {id}")).collect();
                writeln!(ctx.out, "{}{behind}", entry.id)?;
            }
        }
    }
    match (args.count, ctx.out.json) {
        (false, _) => {}
        (true, true) => {
            json::write(&mut ctx.out, "rev-list-count/1", &Count { count: Some(count), left: None, right: None })?
        }
        (true, false) => writeln!(ctx.out, "{count}")?,
    }
    Ok(exit::DONE)
}

fn left_right(args: &Args, repo: &Repository, ctx: &mut Context) -> Outcome {
    let wanted = || Failure::usage("--left-right wants one A...B, and nothing else");
    let [word] = args.words.as_slice() else { return Err(wanted()) };
    let word = word.to_string_lossy();
    let ends = revspec::Range::parse(&word).filter(|r| r.symmetric && args.paths.is_empty()).ok_or_else(wanted)?;
    let (from, to) = (revs::commit(repo, ends.from)?, revs::commit(repo, ends.to)?);
    let (left, right) = walk::ahead_behind(repo, from, to).map_err(RepoError::from)?;
    if ctx.out.json {
        json::write(&mut ctx.out, "rev-list-count/1", &Count { count: None, left: Some(left), right: Some(right) })?;
    } else {
        writeln!(ctx.out, "{left}\t{right}")?;
    }
    Ok(exit::DONE)
}
