//! `graft undo` and `graft redo`: take back what the last command changed, and do it again.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use super::checked_out::{self, File};
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::render::date::rfc3339;
use crate::cli::render::path::{Quote, seen};
use crate::cli::render::view;
use crate::model::RefName;
use crate::repo::ops::undo::{UndoOptions, Undone};
use crate::repo::state::operations::{Change, Direction, FileState, RefChange};
use crate::repo::state::refs::Target;

/// Take back what the last command changed.
///
/// Refs, index and worktree go back to what they were before the last command that changed any of them: a commit, a switch, a
/// reset, an add, a stash, …. What a command like 'reset --hard' overwrote was kept first, so that comes back too. Repeated, it
/// goes back further; 'graft redo' goes forward again.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft undo\n  graft undo -n\n  graft undo && graft undo && graft redo")]
pub struct Args {
    /// Only show what would be taken back.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Overwrite changes that were made since and never added; they are kept in the repository.
    #[arg(short, long)]
    pub force: bool,
}

/// Do again what 'graft undo' took back.
///
/// Possible until something else is changed.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft redo\n  graft redo -n")]
pub struct RedoArgs {
    /// Only show what would be done again.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Overwrite changes that were made since and never added; they are kept in the repository.
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    command: &'a str,
    time: Option<String>,
    refs: Vec<OneRef<'a>>,
    index: Vec<OneFile<'a>>,
    worktree: Vec<OneFile<'a>>,
    files: Vec<File<'a>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct OneRef<'a> {
    name: &'a str,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Serialize)]
struct OneFile<'a> {
    path: &'a str,
    before: Option<String>,
    after: Option<String>,
}

/// Runs `graft undo`.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    go(UndoOptions { direction: Direction::Undo, force: args.force, dry_run: args.dry_run }, "undo/1", ctx)
}

/// Runs `graft redo`.
pub fn redo(args: RedoArgs, ctx: &mut Context) -> Outcome {
    go(UndoOptions { direction: Direction::Redo, force: args.force, dry_run: args.dry_run }, "redo/1", ctx)
}

fn go(options: UndoOptions, schema: &str, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let undone = repo.undo(options)?;
    undone.done.warnings.iter().for_each(|w| ctx.say.warning(w));
    if ctx.out.json {
        json::write(&mut ctx.out, schema, &answer(&undone))?;
        return Ok(exit::DONE);
    }
    let word = match (options.direction, options.dry_run) {
        (Direction::Undo, false) => "Took back",
        (Direction::Undo, true) => "Would take back",
        (Direction::Redo, false) => "Did again",
        (Direction::Redo, true) => "Would do again",
    };
    ctx.say.note(format_args!("{word}: graft {}", undone.operation.command));
    checked_out::say_saved(&undone.done, &repo, ctx);
    if !ctx.globals.quiet {
        let is_shown = |c: &&RefChange| c.name == RefName::head() || c.name.as_str().starts_with("refs/");
        for RefChange { name, after, .. } in undone.refs.iter().filter(is_shown) {
            let to = match after {
                Some(Target::Object(id)) => repo.abbreviate(id),
                Some(Target::Symbolic(to)) => to.short().to_owned(),
                None => "gone".to_owned(),
            };
            writeln!(ctx.out, "{name}: {to}")?;
        }
        let from = ctx.prefix(&repo);
        let lists = [(&undone.index, "in the index"), (&undone.files, "in the worktree")];
        for (path, place) in lists.iter().flat_map(|(list, place)| list.iter().map(move |c| (&c.path, place))) {
            writeln!(ctx.out, "{}: {place}", seen(path.as_str(), &from, Quote::People))?;
        }
    }
    Ok(exit::DONE)
}

fn answer(undone: &Undone) -> Answer<'_> {
    Answer {
        command: &undone.operation.command,
        time: rfc3339(undone.operation.time, 0),
        refs: undone
            .refs
            .iter()
            .map(|c| OneRef {
                name: c.name.as_str(),
                before: c.before.clone().map(String::from),
                after: c.after.clone().map(String::from),
            })
            .collect(),
        index: undone.index.iter().map(file).collect(),
        worktree: undone.files.iter().map(file).collect(),
        files: undone.done.files.iter().map(checked_out::file).collect(),
        warnings: view::warnings(&undone.done.warnings),
    }
}

fn file(change: &Change) -> OneFile<'_> {
    let id = |state: Option<FileState>| state.map(|s| s.snapshot.to_string());
    OneFile { path: change.path.as_str(), before: id(change.before), after: id(change.after) }
}
