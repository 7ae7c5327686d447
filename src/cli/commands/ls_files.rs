//! `graft ls-files`: the index, and what the worktree has beside it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::change::kind;
use crate::cli::render::path::{Quote, relative, seen};
use crate::repo::Repository;
use crate::repo::state::index::IndexEntry;
use crate::repo::state::types::ChangeKind;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::status::StatusOptions;

/// List the tracked files.
///
/// Shows the files below the folder where you stand, by default those in the index.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft ls-files\n  graft ls-files -s\n  graft ls-files -o -z")]
pub struct Args {
    /// Show mode, snapshot id and stage of each file.
    #[arg(short, long)]
    pub stage: bool,

    /// Show the tracked files; the default.
    #[arg(short, long)]
    pub cached: bool,

    /// Show tracked files that are gone from the worktree.
    #[arg(short, long, conflicts_with = "stage")]
    pub deleted: bool,

    /// Show tracked files that have changed in the worktree, gone ones among them.
    #[arg(short, long, conflicts_with = "stage")]
    pub modified: bool,

    /// Show files that are not tracked.
    #[arg(short, long, conflicts_with = "stage")]
    pub others: bool,

    /// End entries with NUL instead of newline, and quote nothing.
    #[arg(short = 'z')]
    pub nul: bool,

    /// Only these files, folders or patterns.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    path: &'a str,
    mode: &'static str,
    snapshot: String,
    volume: String,
    kind: &'static str,
    bytes: u64,
    materialized: bool,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let from = ctx.prefix(&repo);
    let here = if args.paths.is_empty() && !from.is_empty() { vec![PathBuf::from(".")] } else { args.paths.clone() };
    let end = if args.nul { '\0' } else { '\n' };
    let shown = |path: &str| match args.nul {
        true => relative(path, &from),
        false => seen(path, &from, Quote::Scripts),
    };
    if args.deleted || args.modified || args.others {
        let paths = from_worktree(&repo, &args, here, ctx)?;
        return list(&paths, &shown, end, ctx);
    }
    let specs =
        Pathspecs::new(repo.top(), &ctx.cwd, &here).map_err(|e| Failure::from(crate::repo::RepoError::from(e)))?;
    let index = repo.index()?;
    for entry in index.entries().iter().filter(|e| specs.matches(&e.path)) {
        if ctx.out.json {
            json::write(&mut ctx.out, "ls-files/1", &answer(entry, &repo))?;
        } else if args.stage {
            write!(ctx.out, "{} {} 0\t{}{end}", entry.mode.octal(), entry.snapshot, shown(entry.path.as_str()))?;
        } else {
            write!(ctx.out, "{}{end}", shown(entry.path.as_str()))?;
        }
    }
    Ok(exit::DONE)
}

fn from_worktree(
    repo: &Repository,
    args: &Args,
    pathspecs: Vec<PathBuf>,
    ctx: &Context,
) -> Result<BTreeSet<String>, Failure> {
    let options = StatusOptions {
        pathspecs,
        cwd: ctx.cwd.clone(),
        no_untracked: !args.others,
        all_untracked: true,
        ignored: false,
    };
    let status = repo.status(&options)?;
    let wanted = |change| args.modified || (args.deleted && change == ChangeKind::Deleted);
    let mut paths: BTreeSet<String> =
        status.unstaged.iter().filter(|f| wanted(f.change)).map(|f| f.path.to_string()).collect();
    paths.extend(status.untracked);
    if args.cached {
        paths.extend(repo.index()?.entries().iter().map(|e| e.path.to_string()));
    }
    Ok(paths)
}

fn list(paths: &BTreeSet<String>, shown: &dyn Fn(&str) -> String, end: char, ctx: &mut Context) -> Outcome {
    #[derive(Serialize)]
    struct Path<'a> {
        path: &'a str,
    }
    for path in paths {
        match ctx.out.json {
            true => json::write(&mut ctx.out, "ls-files/1", &Path { path })?,
            false => write!(ctx.out, "{}{end}", shown(path))?,
        }
    }
    Ok(exit::DONE)
}

fn answer<'e>(entry: &'e IndexEntry, repo: &Repository) -> Answer<'e> {
    Answer {
        path: entry.path.as_str(),
        mode: entry.mode.octal(),
        snapshot: entry.snapshot.to_string(),
        volume: entry.volume.to_string(),
        kind: kind(entry.kind),
        bytes: entry.byte_len,
        materialized: !repo.is_unmaterialized(entry),
    }
}
