//! `graft rev-parse`: revisions as ids, and facts about the repository, for scripts.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{json, revs};
use crate::repo::history::revspec::{Resolver, RevItem};
use crate::repo::{RepoError, Repository};

/// Show the ids of revisions, and facts about the repository.
///
/// Made for scripts. Options that ask about the repository are answered in this order, before the revisions. Of a range or
/// another set, shows every end, with '^' before what is left out.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft rev-parse HEAD\n  graft rev-parse --short HEAD~2\n  graft rev-parse --abbrev-ref HEAD\n  graft \
                        rev-parse v1..main\n  graft rev-parse --show-toplevel"
)]
pub struct Args {
    /// Show the top of the worktree.
    #[arg(long)]
    pub show_toplevel: bool,

    /// Show where you stand, relative to the top of the worktree.
    #[arg(long)]
    pub show_prefix: bool,

    /// Show the repository folder.
    #[arg(long, alias = "git-dir")]
    pub graft_dir: bool,

    /// Show whether you stand in a worktree.
    #[arg(long)]
    pub is_inside_work_tree: bool,

    /// Show whether the history is cut off, as 'clone --depth' does.
    #[arg(long)]
    pub is_shallow_repository: bool,

    /// Fail if it is not exactly one revision (with -q without a message).
    #[arg(long)]
    pub verify: bool,

    /// Abbreviate ids, to this many digits at least.
    #[arg(long, value_name = "DIGITS", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub short: Option<usize>,

    /// Show the short name of a ref instead of its id; the branch for HEAD. Other revisions are left out.
    #[arg(long, conflicts_with = "short")]
    pub abbrev_ref: bool,

    /// Show the full name of a ref instead of its id. Other revisions are left out.
    #[arg(long, conflicts_with_all = ["short", "abbrev_ref"])]
    pub symbolic_full_name: bool,

    /// The revisions; also --not, --all, --branches[=PATTERN], --tags, --remotes, --glob=PATTERN, --exclude=PATTERN.
    #[arg(value_name = "REV", allow_hyphen_values = true)]
    pub revs: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    values: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let found = ctx.repository();
    if args.is_inside_work_tree && found.is_err() {
        writeln!(ctx.out, "false")?;
        return Ok(exit::DONE);
    }
    let repo = found?;
    let values = match values(&args, &repo, ctx) {
        Err(_) if args.verify && ctx.globals.quiet => return Ok(exit::NO),
        other => other?,
    };
    if ctx.out.json {
        json::write(&mut ctx.out, "rev-parse/1", &Answer { values })?;
    } else {
        for value in values {
            writeln!(ctx.out, "{value}")?;
        }
    }
    Ok(exit::DONE)
}

fn values(args: &Args, repo: &Repository, ctx: &Context) -> Result<Vec<String>, Failure> {
    let mut values = Vec::new();
    if args.show_toplevel {
        values.push(repo.top().display().to_string());
    }
    if args.show_prefix {
        let prefix = ctx.prefix(repo);
        values.push(if prefix.is_empty() { prefix } else { format!("{prefix}/") });
    }
    if args.graft_dir {
        values.push(repo.dir().display().to_string());
    }
    if args.is_inside_work_tree {
        values.push((!ctx.cwd.starts_with(repo.dir())).to_string());
    }
    if args.is_shallow_repository {
        values.push(repo.is_shallow()?.to_string());
    }
    let named = revs::with(repo, |revs| {
        let set = revs.set(&args.revs)?;
        if args.verify && set.items.len() != 1 {
            return Err(Failure::new("--verify wants exactly one revision"));
        }
        // Git leaves HEAD out of --all here.
        let items = set.items.iter().filter(|item| !(item.is_one_of_many && item.name.as_deref() == Some("HEAD")));
        items.filter_map(|item| value(args, revs, item).transpose()).collect::<Result<Vec<_>, _>>()
    })?;
    values.extend(named);
    Ok(values)
}

/// Returns what to print for a revision; nothing if names of refs are asked for and it is not one.
fn value(args: &Args, revs: &Resolver<'_>, item: &RevItem) -> Result<Option<String>, Failure> {
    let mark = if item.exclude { "^" } else { "" };
    if args.abbrev_ref || args.symbolic_full_name {
        let full = item.name.as_deref().map(|name| revs.full_name(name)).transpose()?.flatten();
        return Ok(match full {
            Some(full) if args.abbrev_ref => Some(format!("{mark}{}", revs.shorten(&full).map_err(RepoError::from)?)),
            full => full.map(|full| format!("{mark}{full}")),
        });
    }
    Ok(Some(match args.short {
        Some(0) => format!("{mark}{}", revs.abbreviate(&item.id, None)),
        Some(digits) => format!("{mark}{}", revs.abbreviate(&item.id, Some(digits))),
        None => format!("{mark}{}", item.id),
    }))
}
