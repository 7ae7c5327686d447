//! What changes volumes: `new`, `write-pages`, `tag`, `fork`, `rm`.

use std::io::{IsTerminal, Read};

use serde::Serialize;

use super::{Volume, WritePages, announce, find_at, own};
use crate::cli::commands::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::size::count;
use crate::cli::sql;
use crate::model::{FileKind, PAGE_SIZE, PageIdx};
use crate::repo::Repository;
use crate::store::page_run;

pub fn new(repo: &Repository, tag: Option<&str>, ctx: &mut Context) -> Outcome {
    let id = repo.store().create_volume(FileKind::Opaque)?;
    name(repo, tag, id)?;
    announce(id, tag, ctx)
}

pub fn fork(repo: &Repository, from: &Volume, tag: Option<&str>, ctx: &mut Context) -> Outcome {
    let found = find_at(repo, &ctx.cwd, from)?;
    let id = repo.store().fork_volume(&found.snapshot)?;
    name(repo, tag, id)?;
    announce(id, tag, ctx)
}

/// Names a volume that was just made; one that cannot be named is not kept.
fn name(repo: &Repository, tag: Option<&str>, id: crate::model::VolumeId) -> Result<(), Failure> {
    let Some(tag) = tag else { return Ok(()) };
    repo.store().tag_volume(tag, id, false).map_err(|e| {
        // The name is what the user has to mend first.
        let _ = repo.store().remove_volume(id);
        Failure::from(e)
    })
}

pub fn tag(repo: &Repository, name: &str, volume: &str, force: bool, ctx: &mut Context) -> Outcome {
    let snapshot = own(repo, &ctx.cwd, volume)?;
    repo.store().tag_volume(name, snapshot.volume, force)?;
    if ctx.out.json {
        return announce(snapshot.volume, Some(name), ctx);
    }
    ctx.say.note(format_args!("'{name}' names the volume {}", snapshot.volume));
    Ok(exit::DONE)
}

pub fn remove(repo: &Repository, volume: &str, ctx: &mut Context) -> Outcome {
    let snapshot = own(repo, &ctx.cwd, volume)?;
    repo.store().remove_volume(snapshot.volume)?;
    if ctx.out.json {
        return announce(snapshot.volume, None, ctx);
    }
    ctx.say.note(format_args!("Forgot the volume {}", snapshot.volume));
    Ok(exit::DONE)
}

pub fn write_pages(repo: &Repository, args: &WritePages, ctx: &mut Context) -> Outcome {
    let state = own(repo, &ctx.cwd, &args.volume)?;
    let first = PageIdx::new(args.first).ok_or_else(|| Failure::usage("pages count from 1"))?;
    if std::io::stdin().is_terminal() {
        return Err(Failure::usage("pages come from standard input").help("as in 'graft volume write-pages V < file'"));
    }
    let mut bytes = Vec::new();
    let unreadable = |e: std::io::Error| Failure::new("cannot read standard input").because(&e);
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(unreadable)?;
    let end = first.byte_offset() + bytes.len() as u64;
    let kind = match first == PageIdx::FIRST && !bytes.is_empty() {
        true if bytes.starts_with(b"SQLite format 3\0") => FileKind::Sqlite,
        true => FileKind::Opaque,
        false => state.kind,
    };
    // A short last page ends the volume, unless it lies within what is there: then the rest of it stays.
    if !bytes.len().is_multiple_of(PAGE_SIZE) && end < state.byte_len && !args.truncate {
        let last = PageIdx::of_offset(end).ok_or_else(|| Failure::usage("a volume holds 16 TiB at the most"))?;
        let open = repo.store().open_snapshot(state.clone()).map_err(crate::repo::RepoError::from)?;
        let page = crate::store::read_page(&open, last).map_err(crate::repo::RepoError::Source)?;
        bytes.extend_from_slice(&page[(end % PAGE_SIZE as u64) as usize..]);
    }
    let byte_len = if args.truncate { end } else { end.max(state.byte_len) };
    let written = repo.store().write_volume(&state, kind, byte_len, page_run(first, bytes))?;
    let head = written.head().filter(|head| state.head() != Some(*head));
    if head.is_some() {
        let autosync = repo.autosync()?;
        autosync.note(written.volume);
        sql::unsynced(ctx, &autosync.finish(false));
    }
    if ctx.out.json {
        #[derive(Serialize)]
        struct Answer {
            volume: String,
            log: Option<String>,
            lsn: Option<u64>,
            bytes: u64,
            pages: u32,
        }
        let answer = Answer {
            volume: written.volume.to_string(),
            log: head.map(|h| h.0.to_string()),
            lsn: head.map(|h| h.1.get()),
            bytes: written.byte_len,
            pages: written.page_count,
        };
        json::write(&mut ctx.out, "volume-write/1", &answer)?;
        return Ok(exit::DONE);
    }
    match head {
        Some((log, lsn, _)) => {
            ctx.say.note(format_args!("Wrote LSN {log}:{lsn}, {} now", count(written.page_count.into(), "page")));
        }
        None => ctx.say.note("Nothing differs; nothing was written"),
    }
    Ok(exit::DONE)
}
