//! `graft remote show`: what a remote has, and how branches here stand to it.

use std::io::Write;

use serde::Serialize;

use crate::cli::commands::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::ref_format::{distance, track};
use crate::model::RefName;
use crate::repo::RepoError;

/// Ask a remote for its branches, and show how branches here stand to them.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Its name or URL.
    pub name: String,
}

#[derive(Serialize)]
struct Answer {
    name: String,
    url: String,
    head: Option<String>,
    branches: Vec<Branch>,
    followers: Vec<Follower>,
}

#[derive(Serialize)]
struct Branch {
    name: String,
    id: String,
    /// `tracked`, `new` (the next fetch brings it) or `stale` (gone on the remote).
    state: &'static str,
}

#[derive(Serialize)]
struct Follower {
    branch: String,
    follows: String,
    ahead: Option<usize>,
    behind: Option<usize>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let named = repo.named_remote(&super::typed(&args.name, &repo, ctx)?)?;
    let found = repo.remote_refs(&named)?;
    let mut branches = Vec::new();
    for (name, id, _) in found.refs.iter().filter(|(name, ..)| name.as_branch().is_some()) {
        let tracking = named.fetch.iter().find_map(|spec| spec.map(name));
        let known = match tracking {
            Some(name) => repo.refs().resolve(&name).map_err(RepoError::from)?.is_some(),
            None => false,
        };
        let state = if known { "tracked" } else { "new" };
        branches.push(Branch { name: name.short().to_owned(), id: id.to_string(), state });
    }
    if let Some(name) = &named.name {
        let folder = format!("refs/remotes/{name}/");
        for here in repo.refs().list(&folder).map_err(RepoError::from)?.refs {
            let short = &here.name.as_str()[folder.len()..];
            if here.symbolic.is_none() && !branches.iter().any(|b| b.name == short) {
                branches.push(Branch { name: short.to_owned(), id: here.id.to_string(), state: "stale" });
            }
        }
    }
    let mut followers = Vec::new();
    for branch in named.name.as_ref().map(|name| repo.followers(name)).unwrap_or_default() {
        let Some(upstream) = repo.resolver(&ctx.cwd).upstream_of(&branch) else { continue };
        let full = RefName::branch(&branch).ok();
        let id = full.and_then(|name| repo.refs().resolve(&name).ok().flatten());
        let counts = match id {
            Some(id) => distance(&repo, id, &upstream)?,
            None => None,
        };
        let follows = upstream.short().split_once('/').map_or("", |(_, rest)| rest).to_owned();
        followers.push(Follower { branch, follows, ahead: counts.map(|c| c.0), behind: counts.map(|c| c.1) });
    }
    let head = found.head.as_ref().map(|head| head.short().to_owned());
    let answer = Answer { name: named.label(), url: named.url.to_string(), head, branches, followers };
    if ctx.out.json {
        json::write(&mut ctx.out, "remote-show/1", &answer)?;
        return Ok(exit::DONE);
    }
    writeln!(ctx.out, "* remote {}", answer.name)?;
    writeln!(ctx.out, "  URL: {}", answer.url)?;
    writeln!(ctx.out, "  HEAD branch: {}", answer.head.as_deref().unwrap_or("(none)"))?;
    if !answer.branches.is_empty() {
        writeln!(ctx.out, "  Remote branches:")?;
    }
    let width = answer.branches.iter().map(|b| b.name.len()).max().unwrap_or(0);
    for branch in &answer.branches {
        let state = match branch.state {
            "new" => "new (the next fetch brings it)",
            "stale" => "stale ('graft remote prune' removes it)",
            other => other,
        };
        writeln!(ctx.out, "    {:width$} {state}", branch.name)?;
    }
    if !answer.followers.is_empty() {
        writeln!(ctx.out, "  Branches here that follow it:")?;
    }
    for one in &answer.followers {
        let counts = one.ahead.zip(one.behind);
        let state = if counts == Some((0, 0)) { "[up to date]".to_owned() } else { track(counts) };
        writeln!(ctx.out, "    {} follows {} {state}", one.branch, one.follows)?;
    }
    Ok(exit::DONE)
}
