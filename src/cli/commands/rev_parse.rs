//! `graft rev-parse`: revisions as ids, and facts about the repository, for scripts.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{json, revs};
use crate::model::RefName;
use crate::repo::refs::Head;
use crate::repo::{RepoError, Repository};

/// Show the ids of revisions, and facts about the repository.
///
/// Made for scripts. Options that ask about the repository are answered in this order, before the revisions.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft rev-parse HEAD\n  graft rev-parse --short HEAD~2\n  graft rev-parse --abbrev-ref HEAD\n  graft \
                        rev-parse --show-toplevel"
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

    /// Fail without a message if it is not exactly one revision (with -q), and show its id.
    #[arg(long)]
    pub verify: bool,

    /// Abbreviate ids, to this many digits at least.
    #[arg(long, value_name = "DIGITS", num_args = 0..=1, require_equals = true, default_missing_value = "7")]
    pub short: Option<usize>,

    /// Show the short name of a ref instead of its id; the branch for HEAD.
    #[arg(long)]
    pub abbrev_ref: bool,

    /// Show the full name of a ref instead of its id.
    #[arg(long)]
    pub symbolic_full_name: bool,

    /// The revisions.
    #[arg(value_name = "REV")]
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
    if args.verify && args.revs.len() != 1 {
        return Err(Failure::new("--verify wants exactly one revision"));
    }
    for rev in &args.revs {
        values.push(value(args, repo, rev)?);
    }
    Ok(values)
}

fn value(args: &Args, repo: &Repository, rev: &str) -> Result<String, Failure> {
    let id = revs::object(repo, rev)?;
    if args.abbrev_ref || args.symbolic_full_name {
        let name = full_name(repo, rev)?;
        return Ok(match name {
            Some(name) if args.abbrev_ref => name.short().to_owned(),
            Some(name) => name.to_string(),
            None => rev.to_owned(),
        });
    }
    Ok(match args.short {
        Some(digits) if digits > 7 => id.to_hex_with_len(digits.min(64).max(revs::short(repo, &id).len())),
        Some(_) => revs::short(repo, &id),
        None => id.to_string(),
    })
}

/// Returns the ref that a revision is the name of; for HEAD the branch it stands for.
fn full_name(repo: &Repository, rev: &str) -> Result<Option<RefName>, Failure> {
    if rev == "HEAD" || rev == "@" {
        return Ok(match repo.refs().head().map_err(RepoError::from)? {
            Head::Branch(name) => Some(name),
            Head::Detached(_) => Some(RefName::head()),
        });
    }
    for folder in ["", "refs/tags/", "refs/heads/", "refs/remotes/"] {
        if let Ok(name) = RefName::new(&format!("{folder}{rev}"))
            && repo.refs().resolve(&name).map_err(RepoError::from)?.is_some()
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
