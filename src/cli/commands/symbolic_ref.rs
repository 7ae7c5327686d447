//! `graft symbolic-ref`: refs that name other refs, such as HEAD.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{json, revs};
use crate::model::RefName;
use crate::repo::RepoError;
use crate::repo::state::refs::{Expected, Target};

/// Show, set or remove a ref that names another ref.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft symbolic-ref HEAD\n  graft symbolic-ref --short HEAD\n  graft symbolic-ref HEAD \
                        refs/heads/prices"
)]
pub struct Args {
    /// Shorten what is shown, as in 'main'.
    #[arg(long)]
    pub short: bool,

    /// Remove the ref.
    #[arg(short, long, conflicts_with = "target")]
    pub delete: bool,

    /// What the reflog says.
    #[arg(short, value_name = "REASON", default_value = "", hide_default_value = true)]
    pub message: String,

    /// The ref.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The full name of the ref that it shall name.
    #[arg(value_name = "REF")]
    pub target: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    target: &'a str,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let full = |text: &str| {
        RefName::new(text).map_err(|e| Failure::new(e.to_string()).help("give the full name, as in refs/heads/main"))
    };
    let name = full(&args.name)?;
    if let Some(target) = &args.target {
        repo.point_ref(&name, &full(target)?, &args.message)?;
        return Ok(exit::DONE);
    }
    let Some(Target::Symbolic(target)) = repo.refs().read(&name).map_err(RepoError::from)? else {
        let failure = Failure::new(format!("'{name}' is not a symbolic ref"));
        return Err(if ctx.globals.quiet { Failure::silent(exit::NO) } else { failure });
    };
    if args.delete {
        repo.remove_ref(&name, Expected::Any, false)?;
    } else if ctx.out.json {
        json::write(&mut ctx.out, "symbolic-ref/1", &Answer { name: name.as_str(), target: target.as_str() })?;
    } else {
        let shown = match args.short {
            true => revs::with(&repo, |revs| revs.shorten(&target).map_err(RepoError::from))?,
            false => target.to_string(),
        };
        writeln!(ctx.out, "{shown}")?;
    }
    Ok(exit::DONE)
}
