//! `graft stash`: sets changes aside and brings them back.

use std::io::Write;
use std::path::PathBuf;

use clap::{Subcommand, ValueHint};
use serde::Serialize;

use super::checked_out::{self, File};
use super::{Outcome, diff};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::date::rfc3339;
use crate::cli::render::path::{Quote, seen};
use crate::cli::render::view;
use crate::cli::{json, revs};
use crate::model::ObjectId;
use crate::repo::Repository;
use crate::repo::ops::stash::{PushOptions, StashEntry};
use crate::repo::worktree::checkout::CheckoutOutcome;

/// Set changes aside and bring them back.
///
/// Without a command as 'graft stash push': what is staged, and what the files of the worktree hold beyond it, is kept as an
/// entry of the stash, and index and worktree go back to the last commit.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  graft stash\n  graft stash push -m 'new prices' app.db\n  graft stash show -p\n  graft stash pop"
)]
pub struct Args {
    /// What to do; 'push' if nothing is said.
    #[command(subcommand)]
    pub command: Option<StashCommand>,

    /// What is set aside.
    #[command(flatten)]
    pub push: PushArgs,
}

/// What to do with the stash.
#[derive(Subcommand, Debug)]
pub enum StashCommand {
    /// Set changes aside
    Push(PushArgs),
    /// List the entries, newest first
    List,
    /// Show what an entry holds, as 'graft diff' does
    Show(ShowArgs),
    /// Bring back what an entry holds, and remove it
    Pop(ApplyArgs),
    /// Bring back what an entry holds
    Apply(ApplyArgs),
    /// Remove an entry
    Drop(DropArgs),
    /// Remove all entries
    Clear,
}

/// What is set aside.
#[derive(clap::Args, Debug)]
pub struct PushArgs {
    /// What the entry is called.
    #[arg(short, long)]
    pub message: Option<String>,

    /// Take files that are not tracked too.
    #[arg(short = 'u', long)]
    pub include_untracked: bool,

    /// Leave what is staged as it is.
    #[arg(short, long)]
    pub keep_index: bool,

    /// Only these files, folders or patterns.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// Which entry, and how it is shown.
#[derive(clap::Args, Debug)]
pub struct ShowArgs {
    /// Show every row that differs, not just how many.
    #[arg(short, long)]
    pub patch: bool,

    /// The entry: a number or stash@{N}; the newest if none is named.
    #[arg(value_name = "ENTRY")]
    pub entry: Option<String>,
}

/// Which entry, and what of it.
#[derive(clap::Args, Debug)]
pub struct ApplyArgs {
    /// Stage again what was staged.
    #[arg(long)]
    pub index: bool,

    /// The entry: a number or stash@{N}; the newest if none is named.
    #[arg(value_name = "ENTRY")]
    pub entry: Option<String>,
}

/// Which entry.
#[derive(clap::Args, Debug)]
pub struct DropArgs {
    /// The entry: a number or stash@{N}; the newest if none is named.
    #[arg(value_name = "ENTRY")]
    pub entry: Option<String>,
}

#[derive(Serialize)]
struct Listed<'a> {
    n: usize,
    id: String,
    message: &'a str,
    date: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    action: &'static str,
    id: Option<String>,
    message: Option<&'a str>,
    files: Vec<File<'a>>,
    warnings: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    match args.command {
        None => push(args.push, &repo, ctx),
        Some(StashCommand::Push(args)) => push(args, &repo, ctx),
        Some(StashCommand::List) => list(&repo, ctx),
        Some(StashCommand::Show(args)) => show(&args, &repo, ctx),
        Some(StashCommand::Pop(args)) => bring_back(&args, true, &repo, ctx),
        Some(StashCommand::Apply(args)) => bring_back(&args, false, &repo, ctx),
        Some(StashCommand::Drop(args)) => {
            let gone = repo.stash_drop(place(args.entry.as_deref()).ok_or_else(not_a_place)?)?;
            dropped(&gone, &repo, ctx)
        }
        Some(StashCommand::Clear) => {
            repo.stash_clear()?;
            answer("cleared", None, None, None, ctx)
        }
    }
}

fn push(args: PushArgs, repo: &Repository, ctx: &mut Context) -> Outcome {
    let stashed = repo.stash_push(&PushOptions {
        message: args.message,
        untracked: args.include_untracked,
        keep_index: args.keep_index,
        pathspecs: args.paths,
        cwd: ctx.cwd.clone(),
    })?;
    let Some(stashed) = stashed else {
        ctx.say.note("No local changes to save");
        return answer("nothing", None, None, None, ctx);
    };
    stashed.warnings.iter().for_each(|w| ctx.say.warning(w));
    if !ctx.out.json && !ctx.globals.quiet {
        writeln!(ctx.out, "Saved working directory and index state {}", stashed.message)?;
    }
    answer("pushed", Some(stashed.id), Some(&stashed.message), Some(&stashed.done), ctx)
}

fn list(repo: &Repository, ctx: &mut Context) -> Outcome {
    ctx.page(ctx.pager(repo));
    for entry in repo.stash_list()? {
        let StashEntry { n, id, message, time } = &entry;
        if ctx.out.json {
            let listed = Listed { n: *n, id: id.to_string(), message, date: rfc3339(*time, 0) };
            json::write(&mut ctx.out, "stash/1", &listed)?;
        } else {
            writeln!(ctx.out, "stash@{{{n}}}: {message}")?;
        }
    }
    Ok(exit::DONE)
}

fn show(args: &ShowArgs, repo: &Repository, ctx: &mut Context) -> Outcome {
    let (_, id) = entry(args.entry.as_deref(), repo)?;
    diff::between(&format!("{id}^1"), &id.to_string(), !args.patch, ctx)
}

fn bring_back(args: &ApplyArgs, pop: bool, repo: &Repository, ctx: &mut Context) -> Outcome {
    let (n, id) = entry(args.entry.as_deref(), repo)?;
    if pop && n.is_none() {
        return Err(not_a_place());
    }
    let done = repo.stash_apply(id, args.index, n.filter(|_| pop))?;
    done.warnings.iter().for_each(|w| ctx.say.warning(w));
    if !ctx.out.json && !ctx.globals.quiet {
        let from = ctx.prefix(repo);
        for file in &done.files {
            writeln!(ctx.out, "Updated {}", seen(file.path.as_str(), &from, Quote::People))?;
        }
        if let (true, Some(n)) = (pop, n) {
            writeln!(ctx.out, "Dropped stash@{{{n}}} ({})", revs::short(repo, &id))?;
        }
    }
    answer(if pop { "popped" } else { "applied" }, Some(id), None, Some(&done), ctx)
}

fn dropped(gone: &StashEntry, repo: &Repository, ctx: &mut Context) -> Outcome {
    if !ctx.out.json && !ctx.globals.quiet {
        writeln!(ctx.out, "Dropped stash@{{{}}} ({})", gone.n, revs::short(repo, &gone.id))?;
    }
    answer("dropped", Some(gone.id), Some(&gone.message), None, ctx)
}

fn answer(
    action: &'static str,
    id: Option<ObjectId>,
    message: Option<&str>,
    done: Option<&CheckoutOutcome>,
    ctx: &mut Context,
) -> Outcome {
    if ctx.out.json {
        let files = done.iter().flat_map(|d| &d.files).map(checked_out::file).collect();
        let warnings = done.map_or_else(Vec::new, |d| view::warnings(&d.warnings));
        let answer = Answer { action, id: id.map(|id| id.to_string()), message, files, warnings };
        json::write(&mut ctx.out, "stash-change/1", &answer)?;
    }
    Ok(exit::DONE)
}

/// Reads `3` or `stash@{3}`; `None` for other revisions.
fn place(typed: Option<&str>) -> Option<usize> {
    let Some(typed) = typed else { return Some(0) };
    let inner =
        ["stash@{", "refs/stash@{"].iter().find_map(|p| typed.strip_prefix(p)).and_then(|t| t.strip_suffix('}'));
    match typed {
        "stash" | "refs/stash" => Some(0),
        _ => inner.unwrap_or(typed).parse().ok(),
    }
}

/// Returns the place of an entry, if it was named by that, and its commit.
fn entry(typed: Option<&str>, repo: &Repository) -> Result<(Option<usize>, ObjectId), Failure> {
    match place(typed) {
        Some(n) => Ok((Some(n), repo.stash_entry(n)?.id)),
        None => Ok((None, revs::commit(repo, typed.unwrap_or_default())?)),
    }
}

fn not_a_place() -> Failure {
    Failure::usage("an entry of the stash is wanted").help("as in 'graft stash drop 1'; 'graft stash list' shows them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_named_as_in_git() {
        assert_eq!(
            [place(None), place(Some("2")), place(Some("stash@{3}")), place(Some("stash"))],
            [Some(0), Some(2), Some(3), Some(0)]
        );
        assert_eq!(place(Some("1a2b3c4d5e")), None);
    }
}
