//! `graft init`: creates a repository.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::repo::Repository;
use crate::repo::ops::init::InitOptions;

/// Create a repository.
///
/// Makes the folder .graft, which holds the history, in a folder of your choice; the files there stay as they are. In an
/// existing repository nothing is changed.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft init\n  graft init -b trunk ~/shop")]
pub struct Args {
    /// Name of the first branch; `main` if not given.
    #[arg(short = 'b', long, value_name = "NAME")]
    pub initial_branch: Option<String>,

    /// The folder; created if need be.
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    dir: String,
    branch: String,
    reinitialized: bool,
    inside: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let options = InitOptions { initial_branch: args.initial_branch };
    let made = Repository::init(&ctx.resolve(&args.directory), &options, &ctx.settings())?;
    let inside = made.inside.as_ref().map(|p| p.display().to_string());
    if let Some(outer) = &inside {
        ctx.say.warning(format_args!("this lies inside the repository {outer}, which passes over it from now on"));
    }
    if let Some(reason) = &made.untrusted {
        ctx.unrecorded(reason);
    }
    let dir = made.dir.display().to_string();
    if ctx.out.json {
        let branch = made.branch.short().to_owned();
        json::write(&mut ctx.out, "init/1", &Answer { dir, branch, reinitialized: made.reinitialized, inside })?;
    } else if !ctx.globals.quiet {
        let what = if made.reinitialized { "Reinitialized existing" } else { "Initialized empty" };
        writeln!(ctx.out, "{what} Graft repository in {dir}/")?;
    }
    Ok(exit::DONE)
}
