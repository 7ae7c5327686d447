//! `graft mv`: moves or renames tracked files.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::render::path::{Quote, quoted};
use crate::repo::ops::remove::MvOptions;

/// Move or rename a file or a folder.
///
/// The file moves in the worktree and in the index; it stays the same volume, so its history goes on under the new name. The
/// files that SQLite keeps beside a database move with it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft mv app.db shop.db\n  graft mv jan.db feb.db archive/")]
pub struct Args {
    /// Overwrite what is at the destination.
    #[arg(short, long)]
    pub force: bool,

    /// Only say what would be moved.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// What to move, then where to: a new name, or a folder.
    #[arg(value_name = "PATH", required = true, num_args = 2.., value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    dry_run: bool,
    renames: Vec<Rename<'a>>,
}

#[derive(Serialize)]
struct Rename<'a> {
    from: &'a str,
    to: &'a str,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let mut sources = args.paths;
    let destination = sources.pop().expect("the definition wants two paths at least");
    let options = MvOptions { sources, destination, cwd: ctx.cwd.clone(), force: args.force, dry_run: args.dry_run };
    let moved = repo.rename(&options)?;
    if ctx.out.json {
        let renames = moved.iter().map(|(from, to)| Rename { from: from.as_str(), to: to.as_str() }).collect();
        json::write(&mut ctx.out, "mv/1", &Answer { dry_run: args.dry_run, renames })?;
    } else if args.dry_run || ctx.globals.verbose > 0 {
        for (from, to) in &moved {
            let (from, to) = (quoted(from.as_str(), Quote::People), quoted(to.as_str(), Quote::People));
            writeln!(ctx.out, "Renaming {from} to {to}")?;
        }
    }
    Ok(exit::DONE)
}
