//! `graft branch`: lists, makes, renames and removes branches.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::ref_args::ListArgs;
use crate::cli::ref_format::{Scope, distance, track};
use crate::cli::render::pretty::subject;
use crate::cli::{json, revs};
use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::ops::branch::{BranchError, NewBranch};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Head, Ref, RefError};
use crate::repo::{RepoError, Repository};

/// List, make, rename or remove branches.
///
/// Without a name lists the branches, the current one marked with '*'; with -v also their commits and what they follow. With a
/// name makes a branch at HEAD or at the commit named.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft branch [OPTIONS] [PATTERN]...\n       graft branch [-f] <NAME> [START]\n       graft branch (-d | -D) \
                      <NAME>...\n       graft branch (-m | -M | -c | -C) [OLD] <NEW>\n       graft branch (-u <UPSTREAM> | \
                      --unset-upstream) [NAME]",
    after_help = "Examples:\n  graft branch prices\n  graft branch fix v1.0\n  graft branch -v --merged main\n  graft branch -m old \
                  new\n  graft branch -d prices"
)]
pub struct Args {
    /// Branches of remotes instead of local ones.
    #[arg(short, long)]
    pub remotes: bool,

    /// Local branches and those of remotes.
    #[arg(short, long, conflicts_with = "remotes")]
    pub all: bool,

    /// List branches whose names match the patterns.
    #[arg(short, long)]
    pub list: bool,

    /// Show the name of the current branch, or nothing if HEAD is on none.
    #[arg(long, group = "action")]
    pub show_current: bool,

    /// Remove branches whose commits are all in their upstream or in HEAD.
    #[arg(short, long, group = "action")]
    pub delete: bool,

    /// Remove branches even if commits are lost with them.
    #[arg(short = 'D', group = "action")]
    pub delete_force: bool,

    /// Rename a branch, with its reflog and settings.
    #[arg(short = 'm', long = "move", group = "action")]
    pub rename: bool,

    /// Rename a branch even if another one of that name is lost.
    #[arg(short = 'M', group = "action")]
    pub rename_force: bool,

    /// Copy a branch, with its reflog and settings.
    #[arg(short, long, group = "action")]
    pub copy: bool,

    /// Copy a branch even if another one of that name is lost.
    #[arg(short = 'C', group = "action")]
    pub copy_force: bool,

    /// Let a branch follow another one.
    #[arg(short = 'u', long, value_name = "UPSTREAM", group = "action")]
    pub set_upstream_to: Option<String>,

    /// Let a branch follow nothing any more.
    #[arg(long, group = "action")]
    pub unset_upstream: bool,

    /// Move the branch if it is there, or do what else is refused.
    #[arg(short, long)]
    pub force: bool,

    /// Let the new branch follow the branch that it begins at.
    #[arg(short, long, conflicts_with = "no_track")]
    pub track: bool,

    /// Let the new branch follow nothing, even if it begins at a branch of a remote.
    #[arg(long)]
    pub no_track: bool,

    /// Which ones.
    #[command(flatten)]
    pub which: ListArgs,

    /// Names, or patterns for a list.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    short: &'a str,
    id: String,
    current: bool,
    symbolic: Option<&'a str>,
    upstream: Option<String>,
    ahead: Option<usize>,
    behind: Option<usize>,
}

#[derive(Serialize)]
struct Current<'a> {
    branch: Option<&'a str>,
}

#[derive(Serialize)]
struct Changed<'a> {
    action: &'static str,
    branch: &'a str,
    id: Option<String>,
    upstream: Option<&'a str>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    if args.show_current {
        let current = repo.current_branch()?;
        let branch = current.as_ref().map(RefName::short);
        if ctx.out.json {
            json::write(&mut ctx.out, "branch-current/1", &Current { branch })?;
        } else if let Some(name) = branch {
            writeln!(ctx.out, "{name}")?;
        }
        return Ok(exit::DONE);
    }
    if args.delete || args.delete_force {
        return delete(&args, &repo, ctx);
    }
    if args.rename || args.rename_force || args.copy || args.copy_force {
        return rename(&args, &repo, ctx);
    }
    if args.set_upstream_to.is_some() || args.unset_upstream {
        return follow(&args, &repo, ctx);
    }
    if args.list || args.which.is_list() || args.names.is_empty() {
        return list(&args, &repo, ctx);
    }
    create(&args, &repo, ctx)
}

fn create(args: &Args, repo: &Repository, ctx: &mut Context) -> Outcome {
    let (name, start) = match args.names.as_slice() {
        [name] => (name, "HEAD"),
        [name, start] => (name, start.as_str()),
        _ => return Err(Failure::usage("too many names").help("as in 'graft branch <name> [<start>]'")),
    };
    let id = revs::commit(repo, start)?;
    let begin = revs::with(repo, |revs| revs.full_name(start))?;
    let is_remote = begin.as_ref().is_some_and(|name| name.as_str().starts_with("refs/remotes/"));
    let follows = args.track || (is_remote && !args.no_track);
    let upstream = begin.filter(|name| follows && (is_remote || name.as_branch().is_some()));
    if args.track && upstream.is_none() {
        return Err(RepoError::from(BranchError::NoUpstream(start.to_owned())).into());
    }
    let made = repo.create_branch(&NewBranch { name, start: id, start_text: start, upstream, force: args.force })?;
    if let Some(upstream) = &made.upstream {
        ctx.say.note(format_args!("branch '{}' set up to track '{}'.", made.name.short(), upstream.short()));
    }
    let action = if made.old.is_some() { "moved" } else { "created" };
    answer(action, &made.name, Some(made.id.to_string()), made.upstream.as_ref(), ctx)
}

fn answer(
    action: &'static str,
    name: &RefName,
    id: Option<String>,
    upstream: Option<&RefName>,
    ctx: &mut Context,
) -> Outcome {
    if ctx.out.json {
        let upstream = upstream.map(RefName::as_str);
        json::write(&mut ctx.out, "branch-change/1", &Changed { action, branch: name.short(), id, upstream })?;
    }
    Ok(exit::DONE)
}

fn delete(args: &Args, repo: &Repository, ctx: &mut Context) -> Outcome {
    if args.names.is_empty() {
        return Err(Failure::usage("no branch named").help("as in 'graft branch -d <name>'"));
    }
    let mut failure: Option<Failure> = None;
    for typed in &args.names {
        let name = match args.remotes {
            true => RefName::new(&format!("refs/remotes/{typed}")).map_err(|e| RepoError::from(BranchError::from(e))),
            false => repo.branch_name(typed),
        };
        match name.and_then(|name| repo.delete_branch(&name, args.delete_force || args.force)) {
            Ok(gone) => {
                let id = revs::short(repo, &gone.id);
                if let Some(upstream) = &gone.only_in {
                    let text =
                        format!("'{}' has been merged to '{}', but not to HEAD", gone.name.short(), upstream.short());
                    ctx.say.warning(text);
                }
                if !ctx.out.json && !ctx.globals.quiet {
                    writeln!(ctx.out, "Deleted branch {} (was {id}).", gone.name.short())?;
                }
                answer("deleted", &gone.name, Some(gone.id.to_string()), None, ctx)?;
            }
            // The others are removed all the same; what failed first is told last.
            Err(error) if failure.is_none() => failure = Some(error.into()),
            Err(error) => ctx.say.warning(error),
        }
    }
    failure.map_or(Ok(exit::DONE), Err)
}

fn current(repo: &Repository) -> Result<RefName, Failure> {
    Ok(repo.current_branch()?.ok_or(RepoError::from(BranchError::Detached))?)
}

fn rename(args: &Args, repo: &Repository, ctx: &mut Context) -> Outcome {
    let (old, new) = match args.names.as_slice() {
        [new] => (current(repo)?, new),
        [old, new] => (repo.branch_name(old)?, new),
        _ => return Err(Failure::usage("one or two names are wanted").help("as in 'graft branch -m [<old>] <new>'")),
    };
    let new = repo.branch_name(new)?;
    let force = args.force || args.rename_force || args.copy_force;
    let is_copy = args.copy || args.copy_force;
    if is_copy {
        repo.copy_branch(&old, &new, force)?
    } else {
        repo.rename_branch(&old, &new, force)?
    }
    answer(if is_copy { "copied" } else { "renamed" }, &new, None, None, ctx)
}

fn follow(args: &Args, repo: &Repository, ctx: &mut Context) -> Outcome {
    let branch = match args.names.as_slice() {
        [] => current(repo)?,
        [name] => repo.branch_name(name)?,
        _ => return Err(Failure::usage("one branch at most is wanted")),
    };
    if repo.refs().resolve(&branch).map_err(RepoError::from)?.is_none() {
        let is_current = repo.current_branch()?.as_ref() == Some(&branch);
        let short = branch.short().to_owned();
        let error = if is_current { BranchError::Unborn(short) } else { BranchError::NotFound(short) };
        return Err(RepoError::from(error).into());
    }
    let Some(text) = &args.set_upstream_to else {
        repo.unfollow(&branch)?;
        return answer("unfollowed", &branch, None, None, ctx);
    };
    let upstream = revs::with(repo, |revs| revs.full_name(text))?
        .ok_or_else(|| RepoError::from(BranchError::NoUpstream(text.clone())))?;
    if upstream == branch {
        ctx.say.warning(format_args!("not setting branch '{}' as its own upstream", branch.short()));
        return Ok(exit::DONE);
    }
    repo.follow_upstream(&branch, &upstream)?;
    ctx.say.note(format_args!("branch '{}' set up to track '{}'.", branch.short(), upstream.short()));
    answer("followed", &branch, None, Some(&upstream), ctx)
}

fn list(args: &Args, repo: &Repository, ctx: &mut Context) -> Outcome {
    let folders: &[&str] = match (args.remotes, args.all) {
        (true, _) => &["refs/remotes/"],
        (_, true) => &["refs/heads/", "refs/remotes/"],
        _ => &["refs/heads/"],
    };
    let (refs, broken) = repo.list_refs(&args.which.query(repo, folders, &args.names)?)?;
    for error in broken {
        ctx.say.warning(error);
    }
    ctx.page(ctx.pager(repo));
    let now = ctx.now();
    let cwd = ctx.cwd.clone();
    let resolver = repo.resolver(&cwd);
    let head = repo.refs().head().map_err(RepoError::from)?;
    let colored = ctx.out.theme.is_colored();
    let scope = Scope { repo, revs: &resolver, head: repo.current_branch()?, now, colored };
    let wide = refs.iter().map(|r| shown(r, args).chars().count()).max().unwrap_or(0);
    if let Head::Detached(id) = &head
        && !ctx.out.json
        && args.which.format.is_none()
        && !args.remotes
        && !args.which.is_list()
        && args.names.is_empty()
    {
        let style = ctx.out.theme.branch;
        writeln!(ctx.out, "* {style}({}){style:#}", detached(repo, *id)?)?;
    }
    for one in &refs {
        if ctx.out.json {
            let upstream = one.name.as_branch().and_then(|branch| resolver.upstream_of(branch));
            let apart = upstream.as_ref().map(|up| distance(repo, one.id, up)).transpose()?.flatten();
            let listed = Listed {
                name: one.name.as_str(),
                short: one.name.short(),
                id: one.id.to_string(),
                current: scope.head.as_ref() == Some(&one.name),
                symbolic: one.symbolic.as_ref().map(RefName::as_str),
                upstream: upstream.map(|name| name.to_string()),
                ahead: apart.map(|(ahead, _)| ahead),
                behind: apart.map(|(_, behind)| behind),
            };
            json::write(&mut ctx.out, "branch/1", &listed)?;
        } else {
            let text = match &args.which.format {
                Some(format) => format.render(one, &scope)?,
                None => line(one, args, wide, &scope, ctx)?,
            };
            writeln!(ctx.out, "{text}")?;
        }
    }
    Ok(exit::DONE)
}

/// Says where HEAD left its last branch, as Git does.
fn detached(repo: &Repository, head: ObjectId) -> Result<String, RepoError> {
    for entry in repo.refs().log(&RefName::head())? {
        let entry = entry.map_err(RefError::from)?;
        let (Some((_, to)), Some(id)) = (entry.checkout(), entry.new) else { continue };
        let named = repo.resolver(repo.top()).full_name(to).ok().flatten();
        let is_there = named.is_some_and(|name| repo.refs().resolve(&name).ok().flatten() == Some(id));
        let place = if is_there { to.to_owned() } else { revs::short(repo, &id) };
        return Ok(format!("HEAD detached {} {place}", if id == head { "at" } else { "from" }));
    }
    Ok("no branch".to_owned())
}

/// Returns the name as it is listed: branches of remotes beside local ones keep their folder.
fn shown<'r>(one: &'r Ref, args: &Args) -> &'r str {
    match args.all && one.name.as_branch().is_none() {
        true => one.name.as_str().strip_prefix("refs/").unwrap_or(one.name.as_str()),
        false => one.name.short(),
    }
}

fn line(one: &Ref, args: &Args, wide: usize, scope: &Scope<'_>, ctx: &Context) -> Result<String, Failure> {
    let theme = &ctx.out.theme;
    let is_current = scope.head.as_ref() == Some(&one.name);
    let style = match (is_current, one.name.as_branch().is_some()) {
        (true, _) => theme.branch,
        (false, true) => anstyle::Style::new(),
        (false, false) => theme.remote,
    };
    let mark = if is_current { '*' } else { ' ' };
    let name = shown(one, args);
    if ctx.globals.verbose == 0 {
        let target = one.symbolic.as_ref().map(|to| format!(" -> {}", to.short())).unwrap_or_default();
        return Ok(format!("{mark} {style}{name}{style:#}{target}"));
    }
    let gap = " ".repeat(wide.saturating_sub(name.chars().count()));
    if let Some(to) = &one.symbolic {
        return Ok(format!("{mark} {style}{name}{style:#}{gap} -> {}", to.short()));
    }
    let commit = scope.repo.peel(&one.id, ObjectKind::Commit).and_then(|id| scope.repo.commit(&id));
    let title = subject(&commit.map_err(RepoError::from)?.message);
    let mut follows = String::new();
    if let Some(upstream) = one.name.as_branch().and_then(|branch| scope.revs.upstream_of(branch)) {
        let apart = track(distance(scope.repo, one.id, &upstream)?);
        follows = match (ctx.globals.verbose > 1, apart.is_empty()) {
            (true, true) => format!("[{}] ", upstream.short()),
            (true, false) => format!("[{}: {apart}] ", upstream.short()),
            (false, true) => String::new(),
            (false, false) => format!("[{apart}] "),
        };
    }
    Ok(format!("{mark} {style}{name}{style:#}{gap} {} {follows}{title}", scope.revs.abbreviate(&one.id, None)))
}
