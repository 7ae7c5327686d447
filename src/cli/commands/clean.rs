//! `graft clean`: removes what is not tracked.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::path::{Quote, seen};
use crate::cli::render::view;
use crate::model::RepoPath;
use crate::repo::worktree::clean::{CleanOptions, Ignored};

/// Remove files that are not tracked.
///
/// What is removed was never recorded, so nothing brings it back: look first with -n. Begins at the folder that you stand in. A
/// database goes with its -wal, -shm and -journal; one that a program has open is not removed, nor is anything else then.
/// Left alone: tracked files, symbolic links, repositories inside this one, and anything in .graft and .git.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft clean -n\n  graft clean -fd scratch\n  graft clean -nx -- ':!keep.db'")]
pub struct Args {
    /// Only say what would be removed.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Remove; without it and -n nothing happens, unless the setting clean.requireForce is false.
    #[arg(short, long)]
    pub force: bool,

    /// Also go into folders in which nothing is tracked, and remove those that are empty then.
    #[arg(short)]
    pub directories: bool,

    /// Also remove what is ignored.
    #[arg(short = 'x')]
    pub ignored_too: bool,

    /// Remove only what is ignored.
    #[arg(short = 'X', conflicts_with = "ignored_too")]
    pub ignored_only: bool,

    /// Only these files, folders or patterns.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    dry_run: bool,
    paths: &'a [String],
    files: Vec<&'a str>,
    warnings: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let needs_force = repo.config().get("clean.requireForce").is_none_or(|e| e.value.parse().unwrap_or(true));
    if !args.dry_run && !args.force && needs_force {
        return Err(Failure::new("nothing is removed without -f")
            .help("'graft clean -n' shows what would be removed, -f removes it; nothing brings it back"));
    }
    let options = CleanOptions {
        pathspecs: args.paths,
        cwd: ctx.cwd.clone(),
        folders: args.directories,
        ignored: match (args.ignored_only, args.ignored_too) {
            (true, _) => Ignored::Only,
            (_, true) => Ignored::Too,
            _ => Ignored::Keep,
        },
        dry_run: args.dry_run,
    };
    let cleaned = repo.clean(&options)?;
    if ctx.out.json {
        let files = cleaned.files.iter().map(RepoPath::as_str).collect();
        let warnings = view::warnings(&cleaned.warnings);
        let answer = Answer { dry_run: args.dry_run, paths: &cleaned.paths, files, warnings };
        json::write(&mut ctx.out, "clean/1", &answer)?;
        return Ok(exit::DONE);
    }
    let from = ctx.prefix(&repo);
    let what = if args.dry_run { "Would remove" } else { "Removing" };
    for path in cleaned.paths.iter().filter(|_| args.dry_run || !ctx.globals.quiet) {
        writeln!(ctx.out, "{what} {}", seen(path, &from, Quote::People))?;
    }
    Ok(exit::DONE)
}
