//! What `switch` and `checkout` say of where HEAD was and is.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use super::checked_out::{self, File};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::hooks::Hook;
use crate::cli::ref_format::distance;
use crate::cli::render::change::letter;
use crate::cli::render::path::{Quote, seen};
use crate::cli::render::size::count;
use crate::cli::render::tracking;
use crate::cli::render::view;
use crate::cli::{json, revs};
use crate::model::{ObjectId, RefName};
use crate::repo::ops::switch::{Goal, SwitchOptions, Switched};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::Head;
use crate::repo::worktree::status::StatusOptions;
use crate::repo::{RepoError, Repository};

/// How many commits left behind are listed.
const LISTED: usize = 4;

#[derive(Serialize)]
struct Answer<'a> {
    branch: Option<&'a str>,
    commit: Option<String>,
    previous_branch: Option<&'a str>,
    previous_commit: Option<String>,
    created: bool,
    upstream: Option<&'a str>,
    files: Vec<File<'a>>,
    warnings: Vec<String>,
}

/// Switches and says what became of it; `schema` is that of the command.
pub fn run(options: &SwitchOptions, schema: &str, repo: &Repository, ctx: &mut Context) -> Outcome {
    let switched = repo.switch(options)?;
    let warnings = &switched.done.warnings;
    warnings.iter().for_each(|w| ctx.say.warning(w));
    let created = matches!(options.goal, Goal::New { .. } | Goal::Orphan(_)) && switched.reset_from.is_none();
    if ctx.out.json {
        let answer = Answer {
            branch: branch(&switched.to.0).map(RefName::short),
            commit: switched.to.1.map(|id| id.to_string()),
            previous_branch: branch(&switched.from.0).map(RefName::short),
            previous_commit: switched.from.1.map(|id| id.to_string()),
            created,
            upstream: switched.upstream.as_ref().map(RefName::as_str),
            files: switched.done.files.iter().map(checked_out::file).collect(),
            warnings: view::warnings(warnings),
        };
        json::write(&mut ctx.out, schema, &answer)?;
        return post_checkout(switched.from.1, switched.to.1, true, repo, ctx);
    }
    checked_out::say_saved(&switched.done, repo, ctx);
    if !ctx.globals.quiet {
        carried(repo, ctx)?;
        say(&switched, created, options, repo, ctx)?;
    }
    post_checkout(switched.from.1, switched.to.1, true, repo, ctx)
}

/// Runs the hook after the worktree has changed, as Git does: it gets the commits before and afterwards, and whether another
/// branch or commit was gone to. Its exit code is that of the command.
pub fn post_checkout(
    old: Option<ObjectId>,
    new: Option<ObjectId>,
    moved: bool,
    repo: &Repository,
    ctx: &mut Context,
) -> Outcome {
    let Some(hook) = Hook::find("post-checkout", repo, ctx) else { return Ok(exit::DONE) };
    // What was said so far comes before what the hook says.
    ctx.out.flush()?;
    let id = |id: Option<ObjectId>| id.unwrap_or(ObjectId::from_bytes([0; 32])).to_string();
    hook.arg(id(old)).arg(id(new)).arg(if moved { "1" } else { "0" }).code()
}

fn branch(head: &Head) -> Option<&RefName> {
    match head {
        Head::Branch(name) => Some(name),
        Head::Detached(_) => None,
    }
}

/// Lists the user's own changes that came along.
fn carried(repo: &Repository, ctx: &mut Context) -> Result<(), Failure> {
    let status = repo.status(&StatusOptions { no_untracked: true, ..StatusOptions::default() })?;
    let from = ctx.prefix(repo);
    let mut files: Vec<_> = status.staged.iter().chain(&status.unstaged).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    for file in files {
        writeln!(ctx.out, "{}\t{}", letter(file.change), seen(file.path.as_str(), &from, Quote::Scripts))?;
    }
    Ok(())
}

fn say(
    switched: &Switched,
    created: bool,
    options: &SwitchOptions,
    repo: &Repository,
    ctx: &Context,
) -> Result<(), Failure> {
    if let (Head::Detached(_), Some(old)) = &switched.from
        && switched.to.1 != Some(*old)
    {
        left_behind(*old, repo, ctx)?;
    }
    match (&switched.to, &switched.from.0) {
        ((Head::Detached(id), _), from) => {
            if branch(from).is_some() {
                ctx.say.note(format_args!("Note: switching to '{}'.", options.typed));
                ctx.say.hint(
                    "HEAD is on no branch now; 'graft switch -c <name>' makes one here, 'graft switch -' goes back",
                );
            }
            ctx.say.note(format_args!("HEAD is now at {}", titled(*id, repo)?));
        }
        ((Head::Branch(name), _), Head::Branch(old)) if name == old && switched.reset_from.is_none() => {
            ctx.say.note(format_args!("Already on '{}'", name.short()));
        }
        ((Head::Branch(name), _), _) => {
            let what = match (created, switched.reset_from) {
                (true, _) => "Switched to a new branch",
                (_, Some(_)) => "Switched to and reset branch",
                _ => "Switched to branch",
            };
            ctx.say.note(format_args!("{what} '{}'", name.short()));
        }
    }
    if let Some(upstream) = &switched.upstream {
        let name = branch(&switched.to.0).map_or("", RefName::short);
        ctx.say.note(format_args!("branch '{name}' set up to track '{}'.", upstream.short()));
    } else if let (Head::Branch(name), Some(id)) = &switched.to
        && let Some(upstream) = name.as_branch().and_then(|branch| repo.resolver(repo.top()).upstream_of(branch))
        && let Some(apart) = distance(repo, *id, &upstream)?
    {
        ctx.say.note(tracking::sentence(upstream.short(), apart).trim_end());
    }
    Ok(())
}

fn titled(id: ObjectId, repo: &Repository) -> Result<String, Failure> {
    let commit = repo.commit(&id).map_err(RepoError::from)?;
    Ok(format!("{} {}", revs::short(repo, &id), commit.subject()))
}

/// Says where a detached HEAD was, and warns if commits can be found in the reflog only from now on.
fn left_behind(old: ObjectId, repo: &Repository, ctx: &Context) -> Result<(), Failure> {
    let lost = repo.left_behind(old)?;
    if lost.is_empty() {
        ctx.say.note(format_args!("Previous HEAD position was {}", titled(old, repo)?));
        return Ok(());
    }
    let mut text = format!("you are leaving {} behind, which no branch has:", count(lost.len() as u64, "commit"));
    for id in lost.iter().take(LISTED) {
        text += &format!("\n  {}", titled(*id, repo)?);
    }
    if lost.len() > LISTED {
        text += &format!("\n  … and {} more", lost.len() - LISTED);
    }
    ctx.say.warning(text);
    ctx.say.hint(format_args!("keep them with 'graft branch <name> {}'", revs::short(repo, &old)));
    Ok(())
}
