//! `graft trust`: which repositories may name programs to run.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{env, json};
use crate::repo::{DIR, Repository};

/// Say which repositories may name programs to run.
///
/// Hooks, aliases, the pager and the editor that a repository names run as you. So they count only in repositories that you made or
/// cloned here, and in those that you trust. Look into .graft/hooks and .graft/config.toml before you do. A repository that is
/// copied or moved has to be trusted again.
///
/// What is trusted is written down in your own folders, not in the repository. With GRAFT_TRUST=1 in the environment every
/// repository is trusted.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft trust\n  graft trust --list\n  graft trust --revoke ~/shop")]
pub struct Args {
    /// Trust the repository no more.
    #[arg(long)]
    pub revoke: bool,

    /// List what is trusted.
    #[arg(short, long, conflicts_with_all = ["revoke", "directory"])]
    pub list: bool,

    /// The worktree of the repository; the one that you stand in if not given.
    #[arg(value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    dir: String,
    trusted: bool,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let trust = env::trust(&env::var);
    if args.list {
        for (dir, trusted) in trust.list()? {
            let dir = dir.display().to_string();
            if ctx.out.json {
                json::write(&mut ctx.out, "trust/1", &Answer { dir, trusted })?;
            } else {
                let remark = if trusted { "" } else { " (gone, or another one now)" };
                writeln!(ctx.out, "{dir}{remark}")?;
            }
        }
        return Ok(exit::DONE);
    }
    let dir = match &args.directory {
        None => Repository::find(&ctx.cwd)?,
        Some(named) => {
            let place = ctx.resolve(named);
            let top = if place.ends_with(DIR) { place.parent().unwrap_or(&place).to_owned() } else { place };
            // What was removed can be forgotten, too.
            if args.revoke && !top.exists() { top.join(DIR) } else { Repository::find(&top)? }
        }
    };
    let shown = dir.display().to_string();
    if args.revoke {
        let was_trusted = trust.revoke(&dir)?;
        if !was_trusted && !ctx.out.json {
            ctx.say.note(format_args!("'{shown}' was not trusted"));
        }
    } else if !trust.give(&dir)? {
        return Err(Failure::new("there is no folder to write down what you trust").help("set HOME, or GRAFT_TRUST=1"));
    }
    if ctx.out.json {
        json::write(&mut ctx.out, "trust/1", &Answer { dir: shown, trusted: !args.revoke })?;
    } else {
        let does = if args.revoke { "do not run" } else { "run" };
        ctx.say.note(format_args!("Hooks, aliases, pager and editor of '{shown}' {does} from now on"));
    }
    Ok(exit::DONE)
}
