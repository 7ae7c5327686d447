//! `graft show-ref`: refs and what they name, for scripts.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{json, revs};
use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::state::objects::ObjectReader;
use crate::repo::{RepoError, Repository};

/// List refs with the ids of the objects that they name.
///
/// A pattern selects refs that end with it, whole parts of the name at a time. Ends with 1 if there are none.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft show-ref\n  graft show-ref main\n  graft show-ref --verify -q refs/heads/main"
)]
pub struct Args {
    /// Show HEAD too.
    #[arg(long)]
    pub head: bool,

    /// Only branches.
    #[arg(long, visible_alias = "heads")]
    pub branches: bool,

    /// Only tags.
    #[arg(long)]
    pub tags: bool,

    /// Show what annotated tags lead to as well, marked with '^{}'.
    #[arg(short, long)]
    pub dereference: bool,

    /// Show the ids only, abbreviated to so many digits if that is said.
    #[arg(short = 's', long, value_name = "DIGITS", num_args = 0..=1, require_equals = true, default_missing_value = "64")]
    pub hash: Option<usize>,

    /// Take the patterns for full names, all of which must exist.
    #[arg(long, requires = "patterns")]
    pub verify: bool,

    /// Names, or ends of names.
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    id: String,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let mut shown = Vec::new();
    if args.verify {
        for text in &args.patterns {
            let id = RefName::new(text).ok().map(|name| repo.refs().resolve(&name)).transpose();
            match id.map_err(RepoError::from)?.flatten() {
                Some(id) => shown.push((text.clone(), id)),
                None if ctx.globals.quiet => return Ok(exit::NO),
                None => {
                    return Err(
                        Failure::new(format!("'{text}' - not a valid ref")).help("'graft show-ref' lists the refs")
                    );
                }
            }
        }
    } else {
        let list = repo.refs().list("refs/").map_err(RepoError::from)?;
        for error in list.broken {
            ctx.say.warning(error);
        }
        if args.head
            && let Some(id) = repo.head_commit()?
        {
            shown.push(("HEAD".to_owned(), id));
        }
        let kinds = [(args.branches, "refs/heads/"), (args.tags, "refs/tags/")];
        for one in list.refs {
            let name = one.name.as_str();
            let is_kind =
                !(args.branches || args.tags) || kinds.iter().any(|(on, folder)| *on && name.starts_with(folder));
            let ends = |pattern: &String| {
                name.strip_suffix(pattern.as_str()).is_some_and(|r| r.is_empty() || r.ends_with('/'))
            };
            if is_kind && (args.patterns.is_empty() || args.patterns.iter().any(ends)) {
                shown.push((name.to_owned(), one.id));
            }
        }
    }
    for (name, id) in &shown {
        show(name, *id, &args, &repo, ctx)?;
        if args.dereference && repo.kind(id).map_err(RepoError::from)? == ObjectKind::Tag {
            let target = repo.peel_tags(id).map_err(RepoError::from)?.id();
            show(&format!("{name}^{{}}"), target, &args, &repo, ctx)?;
        }
    }
    Ok(if shown.is_empty() { exit::NO } else { exit::DONE })
}

fn show(name: &str, id: ObjectId, args: &Args, repo: &Repository, ctx: &mut Context) -> Result<(), Failure> {
    if ctx.globals.quiet {
        return Ok(());
    }
    if ctx.out.json {
        json::write(&mut ctx.out, "show-ref/1", &Answer { name, id: id.to_string() })?;
        return Ok(());
    }
    match args.hash {
        Some(64..) => writeln!(ctx.out, "{id}")?,
        Some(digits) => {
            let short = revs::with(repo, |revs| Ok::<_, Failure>(revs.abbreviate(&id, Some(digits))))?;
            writeln!(ctx.out, "{short}")?;
        }
        None => writeln!(ctx.out, "{id} {name}")?,
    }
    Ok(())
}
