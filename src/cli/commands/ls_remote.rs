//! `graft ls-remote`: the refs of a remote.

use std::io::Write;

use serde::Serialize;

use super::{Outcome, remote};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::model::{ObjectId, RefName};
use crate::repo::Repository;
use crate::repo::remote::{NamedRemote, RemoteRefs};
use crate::repo::text::wildmatch::{self, Flags};

/// List the refs of a remote.
///
/// One request; nothing is fetched. Works outside of a repository if a URL is given.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft ls-remote\n  graft ls-remote --heads origin\n  graft ls-remote s3://bucket/app 'v1.*'"
)]
pub struct Args {
    /// Branches only.
    #[arg(long, visible_alias = "branches")]
    pub heads: bool,

    /// Tags only.
    #[arg(short, long)]
    pub tags: bool,

    /// Leave out HEAD, and what annotated tags lead to.
    #[arg(long)]
    pub refs: bool,

    /// End with 1 if there is no ref to list.
    #[arg(long)]
    pub exit_code: bool,

    /// The remote, by name or URL; the usual one if not given.
    pub remote: Option<String>,

    /// Names or patterns.
    pub patterns: Vec<String>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    id: String,
    peeled: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let found = ask(&args, ctx)?;
    let wanted = |name: &RefName| {
        let kind = !args.heads && !args.tags
            || args.heads && name.as_branch().is_some()
            || args.tags && name.as_str().starts_with("refs/tags/");
        kind && matches_any(name.as_str(), &args.patterns)
    };
    let head = found.head.as_ref().and_then(|head| {
        let id = found.refs.iter().find(|(name, ..)| name == head)?.1;
        (!args.refs && !args.heads && !args.tags && matches_any("HEAD", &args.patterns)).then_some((
            RefName::head(),
            id,
            None,
        ))
    });
    let mut count = 0;
    let listed = found.refs.iter().filter(|(name, ..)| wanted(name)).cloned();
    for (name, id, peeled) in head.into_iter().chain(listed) {
        count += 1;
        line(ctx, name.as_str(), id, peeled.filter(|_| !args.refs))?;
    }
    Ok(if count == 0 && args.exit_code { exit::NO } else { exit::DONE })
}

fn line(ctx: &mut Context, name: &str, id: ObjectId, peeled: Option<ObjectId>) -> Result<(), Failure> {
    if ctx.out.json {
        let listed = Listed { name, id: id.to_string(), peeled: peeled.map(|id| id.to_string()) };
        json::write(&mut ctx.out, "remote-ref/1", &listed)?;
        return Ok(());
    }
    writeln!(ctx.out, "{id}\t{name}")?;
    if let Some(peeled) = peeled {
        writeln!(ctx.out, "{peeled}\t{name}^{{}}")?;
    }
    Ok(())
}

fn ask(args: &Args, ctx: &Context) -> Result<RemoteRefs, Failure> {
    let repo = match (ctx.repository(), &args.remote) {
        (Ok(repo), _) => repo,
        // A URL says it all.
        (Err(_), Some(text)) if text.contains([':', '/']) => {
            let url = remote::url(text, ctx)?;
            let named = NamedRemote { name: None, url, fetch: Vec::new() };
            return Ok(named.refs(&ctx.settings())?);
        }
        (Err(failure), _) => return Err(failure),
    };
    let named = match &args.remote {
        Some(text) => repo.named_remote(&remote::typed(text, &repo, ctx)?)?,
        None => default(&repo)?,
    };
    Ok(named.refs(repo.settings())?)
}

fn default(repo: &Repository) -> Result<NamedRemote, Failure> {
    Ok(repo.named_remote(&repo.default_remote()?)?)
}

/// Patterns match the end of a name, part by part, as Git's do.
fn matches_any(name: &str, patterns: &[String]) -> bool {
    let flags = Flags { ignore_case: false, by_component: false };
    patterns.is_empty() || patterns.iter().any(|p| wildmatch::matches(&format!("*/{p}"), &format!("/{name}"), flags))
}
