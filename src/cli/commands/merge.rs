//! `graft merge`: brings another history into the current branch, as far as that is just moving forward.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use super::checked_out::{self, File};
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::render::view;
use crate::cli::{json, revs};
use crate::repo::ops::merge::Merged;

/// Move the current branch forward to another one.
///
/// Possible when the other branch has all commits of the current one. The worktree changes as with 'graft switch': in place, all
/// files or none, and changes of yours come along where they are not in the way.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft merge --ff-only prices\n  graft merge origin/main")]
pub struct Args {
    /// Only move forward, as is always done now; for scripts that want to be sure.
    #[arg(long)]
    pub ff_only: bool,

    /// The branch or commit.
    #[arg(value_name = "COMMIT")]
    pub commit: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    result: &'static str,
    from: Option<String>,
    to: String,
    files: Vec<File<'a>>,
    warnings: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let id = revs::commit(&repo, &args.commit)?;
    let merged = repo.fast_forward(id, &args.commit, &format!("merge {}", args.commit))?;
    let (from, done) = match &merged {
        Merged::UpToDate => (repo.head_commit()?, None),
        Merged::FastForward { from, done } => (*from, Some(done)),
    };
    let warnings = done.map_or(&[][..], |d| &d.warnings);
    warnings.iter().for_each(|w| ctx.say.warning(w));
    if ctx.out.json {
        let answer = Answer {
            result: if done.is_some() { "fast-forward" } else { "up-to-date" },
            from: from.map(|id| id.to_string()),
            to: id.to_string(),
            files: done.iter().flat_map(|d| &d.files).map(checked_out::file).collect(),
            warnings: view::warnings(warnings),
        };
        json::write(&mut ctx.out, "merge/1", &answer)?;
    } else if !ctx.globals.quiet {
        match (done, from) {
            (None, _) => writeln!(ctx.out, "Already up to date.")?,
            (Some(_), None) => writeln!(ctx.out, "Fast-forward to {}", revs::short(&repo, &id))?,
            (Some(_), Some(old)) => {
                writeln!(ctx.out, "Updating {}..{}", revs::short(&repo, &old), revs::short(&repo, &id))?;
                writeln!(ctx.out, "Fast-forward")?;
            }
        }
    }
    Ok(exit::DONE)
}
