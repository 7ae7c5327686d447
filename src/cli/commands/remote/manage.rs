//! `graft remote add`, `remove`, `rename`, `get-url`, `set-url` and `prune`.

use std::io::Write;

use serde::Serialize;

use super::url;
use crate::cli::commands::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;

/// Add a remote. Sends nothing; fetch or push does.
#[derive(clap::Args, Debug)]
pub struct AddArgs {
    /// Its name here, `origin` for the usual one.
    pub name: String,

    /// Where it is; see 'graft help remote' for the forms.
    pub url: String,

    /// Fetch from it at once.
    #[arg(short, long)]
    pub fetch: bool,
}

/// Remove a remote, and what was fetched of its branches.
#[derive(clap::Args, Debug)]
#[command(visible_alias = "rm")]
pub struct RemoveArgs {
    /// Its name.
    pub name: String,
}

/// Rename a remote, with what was fetched of its branches and what follows them.
#[derive(clap::Args, Debug)]
#[command(visible_alias = "mv")]
pub struct RenameArgs {
    /// Its name.
    pub old: String,

    /// Its new name.
    pub new: String,
}

/// Show the URL of a remote.
#[derive(clap::Args, Debug)]
pub struct GetUrlArgs {
    /// Its name.
    pub name: String,
}

/// Change the URL of a remote.
#[derive(clap::Args, Debug)]
pub struct SetUrlArgs {
    /// Its name.
    pub name: String,

    /// Where it is from now on.
    pub url: String,
}

/// Remove refs here that follow branches which the remote does not have any more.
#[derive(clap::Args, Debug)]
pub struct PruneArgs {
    /// Its name.
    pub name: String,

    /// Only say which.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

#[derive(Serialize)]
struct Changed<'a> {
    action: &'static str,
    name: &'a str,
    url: Option<String>,
    old: Option<String>,
}

#[derive(Serialize)]
struct Pruned<'a> {
    name: &'a str,
    refs: Vec<String>,
    dry_run: bool,
}

fn tell(ctx: &mut Context, change: &Changed<'_>) -> Outcome {
    if ctx.out.json {
        json::write(&mut ctx.out, "remote-change/1", change)?;
    }
    Ok(exit::DONE)
}

/// Adds a remote.
pub fn add(args: AddArgs, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let url = url(&args.url, ctx)?;
    repo.add_remote(&args.name, &url)?;
    tell(ctx, &Changed { action: "added", name: &args.name, url: Some(url.to_string()), old: None })?;
    if args.fetch {
        let words = vec![args.name];
        return super::super::fetch::run(super::super::fetch::Args { words, ..Default::default() }, ctx);
    }
    Ok(exit::DONE)
}

/// Removes a remote.
pub fn remove(args: RemoveArgs, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let old = repo.remote_url_text(&args.name).ok();
    repo.remove_remote(&args.name)?;
    tell(ctx, &Changed { action: "removed", name: &args.name, url: None, old })
}

/// Renames a remote.
pub fn rename(args: RenameArgs, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    repo.rename_remote(&args.old, &args.new)?;
    tell(ctx, &Changed { action: "renamed", name: &args.new, url: None, old: Some(args.old) })
}

/// Shows the URL of a remote.
pub fn get_url(args: GetUrlArgs, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let url = repo.remote_url_text(&args.name)?;
    if ctx.out.json {
        return tell(ctx, &Changed { action: "is", name: &args.name, url: Some(url), old: None });
    }
    writeln!(ctx.out, "{url}")?;
    Ok(exit::DONE)
}

/// Changes the URL of a remote.
pub fn set_url(args: SetUrlArgs, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let url = url(&args.url, ctx)?;
    let old = repo.set_remote_url(&args.name, &url)?;
    tell(ctx, &Changed { action: "changed", name: &args.name, url: Some(url.to_string()), old: Some(old) })
}

/// Removes what is gone.
pub fn prune(args: PruneArgs, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let gone = repo.prune_remote(&args.name, args.dry_run)?;
    if ctx.out.json {
        let refs = gone.iter().map(ToString::to_string).collect();
        json::write(&mut ctx.out, "remote-prune/1", &Pruned { name: &args.name, refs, dry_run: args.dry_run })?;
        return Ok(exit::DONE);
    }
    for name in gone {
        let what = if args.dry_run { "would prune" } else { "pruned" };
        writeln!(ctx.out, " * [{what}] {}", name.short())?;
    }
    Ok(exit::DONE)
}
