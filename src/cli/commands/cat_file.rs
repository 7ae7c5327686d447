//! `graft cat-file`: shows an object of the repository.

use std::io::Write;

use clap::ArgGroup;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::object;
use crate::cli::{json, revs};
use crate::model::{ObjectKind, RawObject};
use crate::repo::state::objects::ObjectReader;
use crate::repo::{RepoError, Repository};

/// Show the type, the size or the contents of an object.
///
/// Objects are commits, trees, snapshots and annotated tags. The size is that of the stored object, not of the file that a
/// snapshot describes; 'graft export' writes that file.
#[derive(clap::Args, Debug)]
#[command(
    group(ArgGroup::new("what").required(true).args(["type", "pretty", "size", "exists"])),
    after_help = "Examples:\n  graft cat-file -p HEAD\n  graft cat-file -t 1a2b3c4\n  graft cat-file -p HEAD:app.db"
)]
pub struct Args {
    /// Show its type.
    #[arg(short)]
    pub r#type: bool,

    /// Show its contents.
    #[arg(short)]
    pub pretty: bool,

    /// Show its size in bytes.
    #[arg(short)]
    pub size: bool,

    /// Show nothing, and exit with 1 if there is no such object.
    #[arg(short)]
    pub exists: bool,

    /// The object: an id, or any revision.
    pub object: String,
}

#[derive(Serialize)]
struct Answer {
    id: String,
    r#type: &'static str,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    if args.exists {
        let found = revs::object(&repo, &args.object).is_ok_and(|id| repo.kind(&id).is_ok());
        return Ok(if found { exit::DONE } else { exit::NO });
    }
    let id = revs::object(&repo, &args.object)?;
    let raw = repo.raw(&id).map_err(RepoError::from)?;
    if ctx.out.json {
        let text = args.pretty.then(|| contents(&repo, &raw)).transpose()?;
        let answer = Answer { id: id.to_string(), r#type: raw.kind().name(), size: raw.body().len(), text };
        json::write(&mut ctx.out, "cat-file/1", &answer)?;
    } else if args.r#type {
        writeln!(ctx.out, "{}", raw.kind())?;
    } else if args.size {
        writeln!(ctx.out, "{}", raw.body().len())?;
    } else {
        let text = contents(&repo, &raw)?;
        ctx.out.write_all(text.as_bytes())?;
    }
    Ok(exit::DONE)
}

fn contents(repo: &Repository, raw: &RawObject) -> Result<String, Failure> {
    let id = raw.id();
    let text = match raw.kind() {
        ObjectKind::Commit => repo.commit(&id).map(|c| object::commit(&c)),
        ObjectKind::Tree => repo.tree(&id).map(|t| object::tree(&t)),
        ObjectKind::Snapshot => repo.snapshot(&id).map(|s| object::snapshot(&s)),
        ObjectKind::Tag => repo.tag(&id).map(|t| object::tag(&t)),
    };
    Ok(text.map_err(RepoError::from)?)
}
