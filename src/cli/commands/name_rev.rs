//! `graft name-rev`: names commits by the refs that lead to them.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{json, revs};
use crate::model::ObjectId;
use crate::repo::RepoError;
use crate::repo::history::describe::name_revs;
use crate::repo::text::wildmatch::{self, Flags};

/// Name commits by the refs that lead to them, as in 'main~3^2'.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft name-rev HEAD~4\n  graft name-rev --tags --name-only 1a2b3c4")]
pub struct Args {
    /// Only by tags.
    #[arg(long)]
    pub tags: bool,

    /// Only by refs whose names match a pattern.
    #[arg(long, value_name = "PATTERN")]
    pub refs: Vec<String>,

    /// Show the names alone.
    #[arg(long)]
    pub name_only: bool,

    /// Fail if a commit has no name, instead of showing 'undefined'.
    #[arg(long)]
    pub no_undefined: bool,

    /// The commits.
    #[arg(value_name = "COMMIT", required = true)]
    pub commits: Vec<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: String,
    name: Option<&'a str>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let ids: Vec<ObjectId> = args.commits.iter().map(|word| revs::commit(&repo, word)).collect::<Result<_, _>>()?;
    let folder = if args.tags { "refs/tags/" } else { "refs/" };
    let mut refs = repo.refs().list(folder).map_err(RepoError::from)?.refs;
    let fits = |pattern: &String, name: &str| wildmatch::matches(pattern, name, Flags::default());
    refs.retain(|r| {
        args.refs.is_empty() || args.refs.iter().any(|p| fits(p, r.name.as_str()) || fits(p, r.name.short()))
    });
    let names = name_revs(&repo, &refs, &ids).map_err(RepoError::from)?;
    for (word, id) in args.commits.iter().zip(&ids) {
        // A name that is only of tags needs not say so.
        let name =
            names.get(id).map(|name| if args.tags && args.name_only { name.trim_start_matches("tags/") } else { name });
        if name.is_none() && args.no_undefined {
            return Err(Failure::new(format!("no ref leads to '{word}'")));
        }
        if ctx.out.json {
            json::write(&mut ctx.out, "name-rev/1", &Answer { id: id.to_string(), name })?;
        } else if args.name_only {
            writeln!(ctx.out, "{}", name.unwrap_or("undefined"))?;
        } else {
            writeln!(ctx.out, "{word} {}", name.unwrap_or("undefined"))?;
        }
    }
    Ok(exit::DONE)
}
