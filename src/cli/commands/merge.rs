//! `graft merge`: brings another history into the current branch.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use super::checked_out::{self, File};
use super::merge_file::How;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::conflicts::{self, Conflict, Renumbered};
use crate::cli::render::size::count;
use crate::cli::render::view;
use crate::cli::{json, revs};
use crate::repo::Repository;
use crate::repo::ops::merge::{Forward, MergeRequest, MergeResult, Merged, Mixed};

/// Bring another branch into the current one.
///
/// Where the other branch has all commits of the current one, the branch just moves forward. Where both went on, what the other did
/// since they parted is done to the databases of this one: rows cell by cell, schema, settings; and a commit with both as its parents
/// is made. What cannot be decided is a conflict: all conflicts are named (exit code 1), and nothing is changed. The worktree changes as
/// with 'graft switch': in place, all files or none, and changes of yours in other files come along. 'graft undo' takes a merge back.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft merge prices\n  graft merge --dry-run origin/main\n  graft merge -X theirs prices"
)]
pub struct Args {
    /// Only move forward; if that is not possible nothing happens.
    #[arg(long, overrides_with_all = ["ff", "no_ff"])]
    pub ff_only: bool,

    /// Make a merge commit even where the branch could move forward.
    #[arg(long, overrides_with_all = ["ff", "ff_only"])]
    pub no_ff: bool,

    /// Move forward where that is possible; so it is anyway.
    #[arg(long, overrides_with_all = ["no_ff", "ff_only"])]
    pub ff: bool,

    /// Stage the result, and make no commit; the next commit then has one parent.
    #[arg(long, conflicts_with_all = ["no_ff", "ff_only", "message"])]
    pub squash: bool,

    /// The message of the merge commit.
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,

    /// Only say what would happen: nothing is written.
    #[arg(short = 'n', long, conflicts_with = "squash")]
    pub dry_run: bool,

    /// Merge histories that have no commit in common.
    #[arg(long)]
    pub allow_unrelated_histories: bool,

    /// How rows are merged.
    #[command(flatten)]
    pub how: How,

    /// The branch or commit.
    #[arg(value_name = "COMMIT", required = true)]
    pub commits: Vec<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    result: &'static str,
    from: Option<String>,
    to: String,
    commit: Option<String>,
    bases: Vec<String>,
    files: Vec<File<'a>>,
    conflicts: Vec<Conflict<'a>>,
    renumbered: Vec<Renumbered<'a>>,
    dry_run: bool,
    warnings: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let [name] = args.commits.as_slice() else {
        return Err(Failure::usage("only one branch can be merged at a time").help("merge one after the other"));
    };
    let repo = ctx.repository()?;
    let commit = revs::commit(&repo, name)?;
    let forward = match (args.ff_only, args.no_ff) {
        (true, _) => Forward::Only,
        (_, true) => Forward::Never,
        _ => Forward::Auto,
    };
    let result = match (args.squash, args.dry_run) {
        (true, _) => MergeResult::Stage,
        (_, true) => MergeResult::Nothing,
        _ => MergeResult::Commit,
    };
    let request = MergeRequest {
        name: name.clone(),
        commit,
        message: args.message.clone(),
        forward,
        rows: args.how.options(),
        unrelated: args.allow_unrelated_histories,
        result,
        reason: format!("merge {name}"),
    };
    let merged = repo.merge(&request)?;
    warn(&merged, ctx);
    if ctx.out.json {
        let head = repo.head_commit()?;
        let answer = answer(&merged, head, commit, &args);
        json::write(&mut ctx.out, "merge/1", &answer)?;
        return Ok(code(&merged));
    }
    tell(&repo, &merged, commit, result, ctx)
}

/// Says what the user should know of what was written.
pub fn warn(merged: &Merged, ctx: &Context) {
    checkout(merged).map_or(&[][..], |d| &d.warnings).iter().for_each(|w| ctx.say.warning(w));
}

/// Returns what was written.
pub fn checkout(merged: &Merged) -> Option<&crate::repo::worktree::checkout::CheckoutOutcome> {
    match merged {
        Merged::UpToDate => None,
        Merged::FastForward { done, .. } => Some(done),
        Merged::Merged(mixed) => Some(&mixed.done),
    }
}

/// Returns the word for what happened.
pub fn word(merged: &Merged, squash: bool) -> &'static str {
    match merged {
        Merged::UpToDate => "up-to-date",
        Merged::FastForward { .. } => "fast-forward",
        Merged::Merged(mixed) if mixed.conflict_count() > 0 => "conflicts",
        Merged::Merged(_) if squash => "squashed",
        Merged::Merged(_) => "merged",
    }
}

/// Returns the exit code.
pub fn code(merged: &Merged) -> u8 {
    match merged {
        Merged::Merged(mixed) if mixed.conflict_count() > 0 => exit::NO,
        _ => exit::DONE,
    }
}

fn answer<'a>(
    merged: &'a Merged,
    head: Option<crate::model::ObjectId>,
    to: crate::model::ObjectId,
    args: &Args,
) -> Answer<'a> {
    let (from, mixed) = match merged {
        Merged::UpToDate => (head, None),
        Merged::FastForward { from, .. } => (*from, None),
        Merged::Merged(mixed) => (Some(mixed.from), Some(&**mixed)),
    };
    let done = checkout(merged);
    let warnings = done.map_or(&[][..], |d| &d.warnings);
    Answer {
        result: word(merged, args.squash),
        from: from.map(|id| id.to_string()),
        to: to.to_string(),
        commit: mixed.and_then(|m| m.commit).map(|id| id.to_string()),
        bases: mixed.iter().flat_map(|m| &m.bases).map(ToString::to_string).collect(),
        files: done.iter().flat_map(|d| &d.files).map(checked_out::file).collect(),
        conflicts: mixed.map(|m| conflicts::all(&m.conflicts, &m.databases)).unwrap_or_default(),
        renumbered: mixed.map(all_renumbered).unwrap_or_default(),
        dry_run: args.dry_run,
        warnings: view::warnings(warnings),
    }
}

fn all_renumbered(mixed: &Mixed) -> Vec<Renumbered<'_>> {
    mixed.databases.iter().flat_map(|d| d.merged.renumbered.iter().map(conflicts::renumbered)).collect()
}

/// Says what happened.
pub fn tell(
    repo: &Repository,
    merged: &Merged,
    to: crate::model::ObjectId,
    result: MergeResult,
    ctx: &mut Context,
) -> Outcome {
    let quiet = ctx.globals.quiet;
    match merged {
        Merged::UpToDate if !quiet => writeln!(ctx.out, "Already up to date.")?,
        Merged::FastForward { from: None, .. } if !quiet => {
            writeln!(ctx.out, "Fast-forward to {}", revs::short(repo, &to))?
        }
        Merged::FastForward { from: Some(old), .. } if !quiet => {
            writeln!(ctx.out, "Updating {}..{}", revs::short(repo, old), revs::short(repo, &to))?;
            writeln!(ctx.out, "Fast-forward")?;
        }
        Merged::UpToDate | Merged::FastForward { .. } => {}
        Merged::Merged(mixed) => return tell_mixed(repo, mixed, result, ctx),
    }
    Ok(exit::DONE)
}

fn tell_mixed(repo: &Repository, mixed: &Mixed, result: MergeResult, ctx: &mut Context) -> Outcome {
    let quiet = ctx.globals.quiet;
    conflicts::show_all(&mixed.conflicts, &mixed.databases, !quiet, &mut ctx.out)?;
    let n = mixed.conflict_count();
    if n > 0 {
        let with = |d: &&crate::repo::ops::three_way::MergedDatabase| !d.merged.conflicts.is_empty();
        let files = mixed.conflicts.len() + mixed.databases.iter().filter(with).count();
        let (n, files) = (count(n as u64, "conflict"), count(files as u64, "file"));
        let message = match result {
            MergeResult::Nothing => format!("a merge would leave {n} in {files}"),
            _ => format!("automatic merge failed: {n} in {files}; nothing was changed"),
        };
        let help = "'-X ours', '-X theirs' or '-X union' settles rows in conflict; or change one of the branches, and merge again";
        return Err(Failure::new(message).exit(exit::NO).help(help));
    }
    if quiet {
        return Ok(exit::DONE);
    }
    match (result, &mixed.commit) {
        (MergeResult::Nothing, _) => writeln!(ctx.out, "A merge would go well; nothing was changed.")?,
        (_, None) => writeln!(
            ctx.out,
            "Squash commit -- not updating HEAD\nThe merged files are staged; 'graft commit' records them."
        )?,
        (_, Some(id)) => {
            writeln!(ctx.out, "Merge made by the 'rows' strategy: {}", revs::short(repo, id))?;
        }
    }
    Ok(exit::DONE)
}
