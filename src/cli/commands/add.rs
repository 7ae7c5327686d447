//! `graft add`: stages files for the next commit.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::render::path::{Quote, seen};
use crate::cli::render::view;
use crate::repo::ops::add::AddOptions;
use crate::repo::state::types::ChangeKind;

/// Add file contents to the index.
///
/// Takes the present state of files into the repository and marks it for the next commit. A database is read through SQLite
/// in one transaction, with everything committed to its -wal or -journal, while its application keeps using it. Any other file
/// is taken byte for byte. Files matched by .graftignore or .gitignore are passed over, unless they are tracked already.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft add app.db\n  graft add .\n  graft add -u")]
pub struct Args {
    /// Add new, changed and removed files, of the whole worktree if no path is given.
    #[arg(short = 'A', long)]
    pub all: bool,

    /// Add changed and removed files that are tracked already, of the whole worktree if no path is given.
    #[arg(short, long, conflicts_with = "all")]
    pub update: bool,

    /// Add ignored files too.
    #[arg(short, long)]
    pub force: bool,

    /// Take the files byte for byte, even if they look like databases.
    #[arg(long)]
    pub opaque: bool,

    /// Only say what would be added.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Files, folders or patterns.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    dry_run: bool,
    files: Vec<view::Change<'a>>,
    warnings: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let options = AddOptions {
        pathspecs: args.paths,
        cwd: ctx.cwd.clone(),
        all: args.all,
        update: args.update,
        force: args.force,
        opaque: args.opaque,
        dry_run: args.dry_run,
    };
    let done = repo.add(&options)?;
    done.warnings.iter().for_each(|w| ctx.say.warning(w));
    if ctx.out.json {
        let (files, warnings) = (view::changes(&done.files), view::warnings(&done.warnings));
        json::write(&mut ctx.out, "add/1", &Answer { dry_run: args.dry_run, files, warnings })?;
    } else if args.dry_run || ctx.globals.verbose > 0 {
        let from = ctx.prefix(&repo);
        for file in done.files.iter().filter(|f| f.change != ChangeKind::Unchanged) {
            let what = if file.change == ChangeKind::Deleted { "remove" } else { "add" };
            writeln!(ctx.out, "{what} '{}'", seen(file.path.as_str(), &from, Quote::People))?;
        }
    }
    Ok(exit::DONE)
}
