//! `graft export`: writes a stored state to a file or to standard output.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::size::{bytes, count};
use crate::cli::{json, revs};
use crate::model::{ObjectId, ObjectKind};
use crate::repo::state::objects::ObjectReader;
use crate::repo::{RepoError, Repository};

/// Write a stored state of a file to another place.
///
/// The state is named `<rev>:<path>` or by the id of a snapshot; what is written is byte for byte what was added. With a
/// commit alone, writes all its files into a folder. The index and the worktree stay as they are.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft export HEAD~1:app.db -o old.db\n  graft export v1:app.db -o - | sqlite3 -deserialize\n  graft \
                        export HEAD~3 -o snapshot/"
)]
pub struct Args {
    /// What to write: `<rev>:<path>`, a snapshot, or a commit.
    #[arg(value_name = "REV:PATH")]
    pub source: String,

    /// The file to write, or the folder for a whole commit; `-` is standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub output: PathBuf,

    /// Overwrite what is there.
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Serialize)]
struct Answer {
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    snapshot: String,
    file: String,
    bytes: u64,
    pages: u32,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let id = revs::object(&repo, &args.source)?;
    if repo.kind(&id).map_err(RepoError::from)? != ObjectKind::Snapshot {
        return whole_commit(&repo, &id, &args, ctx);
    }
    if args.output == Path::new("-") {
        return to_stdout(&repo, &id, ctx);
    }
    let file = one(&repo, &id, &ctx.resolve(&args.output), &args.output, args.force)?;
    finish(vec![file], ctx)
}

fn one(repo: &Repository, id: &ObjectId, to: &Path, shown: &Path, force: bool) -> Result<File, Failure> {
    let done = repo.export(id, to, force)?;
    Ok(File {
        snapshot: id.to_string(),
        file: shown.display().to_string(),
        bytes: done.byte_len,
        pages: done.page_count,
    })
}

fn whole_commit(repo: &Repository, id: &ObjectId, args: &Args, ctx: &mut Context) -> Outcome {
    let tree = repo.peel(id, ObjectKind::Tree).and_then(|tree| repo.tree(&tree)).map_err(RepoError::from)?;
    if args.output == Path::new("-") {
        let help = format!("name a file of it, as in '{}:<path>'", args.source);
        return Err(Failure::usage("only one file can go to standard output").help(help));
    }
    let mut files = Vec::new();
    for entry in tree.entries() {
        let shown = entry.path.under(&args.output);
        let to = ctx.resolve(&shown);
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|e| Failure::new(format!("cannot create the folder '{}'", folder.display())).because(&e))?;
        }
        files.push(one(repo, &entry.snapshot, &to, &shown, args.force)?);
    }
    finish(files, ctx)
}

fn to_stdout(repo: &Repository, id: &ObjectId, ctx: &mut Context) -> Outcome {
    if std::io::stdout().is_terminal() {
        let help = "send it into a file or a program, as in '-o old.db' or '-o - | gzip'";
        return Err(Failure::usage("a terminal cannot show a database").help(help));
    }
    repo.export_to(id, Path::new("standard output"), &mut ctx.out)?;
    ctx.out.flush()?;
    Ok(exit::DONE)
}

fn finish(files: Vec<File>, ctx: &mut Context) -> Outcome {
    if ctx.out.json {
        json::write(&mut ctx.out, "export/1", &Answer { files })?;
        return Ok(exit::DONE);
    }
    for file in &files {
        ctx.say.note(format_args!(
            "Wrote '{}': {}, {}",
            file.file,
            count(file.pages.into(), "page"),
            bytes(file.bytes)
        ));
    }
    Ok(exit::DONE)
}
