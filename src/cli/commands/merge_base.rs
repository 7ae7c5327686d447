//! `graft merge-base`: the commits that two histories have in common.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{json, revs};
use crate::model::ObjectId;
use crate::repo::RepoError;
use crate::repo::history::walk;

/// Find the best common ancestors of commits.
///
/// A best one is reached from the first commit and from any of the others, and from no better one. Ends with 1 if there is none.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft merge-base main prices\n  graft merge-base --is-ancestor v1.0 main && echo yes"
)]
pub struct Args {
    /// Show all of them, not only the newest.
    #[arg(short, long)]
    pub all: bool,

    /// Show nothing; end with 0 if the second commit has the first one in its history, with 1 if not.
    #[arg(long, conflicts_with = "all")]
    pub is_ancestor: bool,

    /// The commits.
    #[arg(value_name = "COMMIT", required = true, num_args = 2..)]
    pub commits: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    is_ancestor: Option<bool>,
    bases: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let ids: Vec<ObjectId> = args.commits.iter().map(|word| revs::commit(&repo, word)).collect::<Result<_, _>>()?;
    if args.is_ancestor {
        let [ancestor, descendant] = ids.as_slice() else {
            return Err(Failure::usage("--is-ancestor wants two commits"));
        };
        let answer = walk::is_ancestor(&repo, *ancestor, *descendant).map_err(RepoError::from)?;
        if ctx.out.json {
            json::write(&mut ctx.out, "merge-base/1", &Answer { is_ancestor: Some(answer), bases: Vec::new() })?;
        }
        return Ok(if answer { exit::DONE } else { exit::NO });
    }
    let (first, others) = ids.split_first().ok_or_else(|| Failure::usage("name two commits"))?;
    let mut bases = match others {
        [] => vec![*first],
        _ => walk::merge_bases(&repo, *first, others).map_err(RepoError::from)?,
    };
    if !args.all {
        bases.truncate(1);
    }
    if ctx.out.json {
        let answer = Answer { is_ancestor: None, bases: bases.iter().map(ToString::to_string).collect() };
        json::write(&mut ctx.out, "merge-base/1", &answer)?;
    } else {
        for id in &bases {
            writeln!(ctx.out, "{id}")?;
        }
    }
    Ok(if bases.is_empty() { exit::NO } else { exit::DONE })
}
