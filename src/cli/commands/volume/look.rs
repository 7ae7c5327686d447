//! What only looks at volumes: `list`, `info`, `log`, `snapshot`, `read-page`, `tags`, `checksum`.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::{Found, ReadPage, Volume, find, find_at, kind, state_at, tracked};
use crate::cli::commands::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::model::value_json::Typed;
use crate::model::{PAGE_SIZE, PageIdx, PageSource, Value};
use crate::repo::{RepoError, Repository};

/// A volume, as `list` and `info` show it.
#[derive(Serialize)]
struct Shown {
    volume: String,
    tags: Vec<String>,
    path: Option<String>,
    kind: &'static str,
    bytes: u64,
    pages: u32,
    log: Option<String>,
    lsn: Option<u64>,
    commit: Option<String>,
}

fn shown(repo: &Repository, found: &Found) -> Result<Shown, Failure> {
    let s = &found.snapshot;
    let tags = repo.store().volume_tags()?;
    let head = s.head();
    Ok(Shown {
        volume: s.volume.to_string(),
        tags: tags.into_iter().filter(|(_, id)| *id == s.volume).map(|(name, _)| name).collect(),
        path: found.path.clone(),
        kind: kind(s.kind),
        bytes: s.byte_len,
        pages: s.page_count,
        log: head.map(|h| h.0.to_string()),
        lsn: head.map(|h| h.1.get()),
        commit: head.map(|h| h.2.to_string()),
    })
}

pub fn list(repo: &Repository, ctx: &mut Context) -> Outcome {
    let files = tracked(repo)?;
    let is_file = |id| files.iter().any(|f| f.snapshot.volume == id);
    let own = repo.store().volumes()?.into_iter().filter(|v| !is_file(v.id));
    let mut all: Vec<Found> = own.map(|v| Found { snapshot: v.snapshot, path: None }).collect();
    all.extend(files);
    for found in &all {
        let one = shown(repo, found)?;
        if ctx.out.json {
            json::write(&mut ctx.out, "volume/1", &one)?;
            continue;
        }
        let name = one.path.clone().unwrap_or_else(|| one.tags.join(","));
        let lsn = one.lsn.map_or("-".to_owned(), |n| n.to_string());
        writeln!(ctx.out, "{}  {:>8} pages  LSN {lsn:>5}  {name}", one.volume, one.pages)?;
    }
    Ok(exit::DONE)
}

pub fn info(repo: &Repository, volume: &Volume, ctx: &mut Context) -> Outcome {
    let one = shown(repo, &find_at(repo, &ctx.cwd, volume)?)?;
    if ctx.out.json {
        json::write(&mut ctx.out, "volume/1", &one)?;
        return Ok(exit::DONE);
    }
    let none = || "-".to_owned();
    writeln!(ctx.out, "volume:  {}", one.volume)?;
    writeln!(ctx.out, "tags:    {}", if one.tags.is_empty() { none() } else { one.tags.join(", ") })?;
    writeln!(ctx.out, "file:    {}", one.path.unwrap_or_else(none))?;
    writeln!(ctx.out, "kind:    {}", one.kind)?;
    writeln!(ctx.out, "bytes:   {}", one.bytes)?;
    writeln!(ctx.out, "pages:   {}", one.pages)?;
    writeln!(ctx.out, "log:     {}", one.log.unwrap_or_else(none))?;
    writeln!(ctx.out, "LSN:     {}", one.lsn.map_or_else(none, |n| n.to_string()))?;
    writeln!(ctx.out, "commit:  {}", one.commit.unwrap_or_else(none))?;
    Ok(exit::DONE)
}

/// A storage commit, as `log` shows it.
#[derive(Serialize)]
struct Logged {
    log: String,
    lsn: u64,
    pages: u32,
    changed: u32,
    bytes: u64,
    checkpoint: bool,
    time: Option<String>,
    segment: String,
    commit: String,
}

pub fn log(repo: &Repository, volume: &Volume, ctx: &mut Context) -> Outcome {
    let found = find_at(repo, &ctx.cwd, volume)?;
    let all = repo.store().storage_log().map_err(RepoError::from)?;
    let Some((log, lsn, hash)) = found.snapshot.head() else { return Ok(exit::DONE) };
    // From the state down, whatever else was written on the way.
    let mut next = all.get(log, lsn);
    if next.is_none_or(|c| c.hash != hash) {
        repo.store().storage_commit(log, lsn, hash).map_err(RepoError::from)?;
    }
    while let Some(c) = next {
        let one = Logged {
            log: c.commit.log.to_string(),
            lsn: c.commit.lsn.get(),
            pages: c.commit.page_count,
            changed: c.commit.pages.len(),
            bytes: c.commit.byte_len,
            checkpoint: c.commit.checkpoint.is_some(),
            time: jiff::Timestamp::from_millisecond(c.commit.time).ok().map(|t| t.to_string()),
            segment: c.placement.segment.to_string(),
            commit: c.hash.to_string(),
        };
        if ctx.out.json {
            json::write(&mut ctx.out, "volume-log/1", &one)?;
        } else {
            let mark = if one.checkpoint { " checkpoint" } else { "" };
            let time = one.time.as_deref().unwrap_or("-");
            writeln!(
                ctx.out,
                "{}:{} {} {} of {} pages{mark} {}",
                one.log,
                one.lsn,
                time,
                one.changed,
                one.pages,
                &one.commit[..16]
            )?;
        }
        next = c.commit.parent.and_then(|parent| all.by_hash(&parent));
    }
    Ok(exit::DONE)
}

pub fn snapshot(repo: &Repository, volume: &Volume, ctx: &mut Context) -> Outcome {
    #[derive(Serialize)]
    struct Range {
        log: String,
        start: u64,
        end: u64,
        commits: Vec<String>,
    }
    #[derive(Serialize)]
    struct Answer {
        volume: String,
        kind: &'static str,
        bytes: u64,
        pages: u32,
        ranges: Vec<Range>,
    }
    let s = find_at(repo, &ctx.cwd, volume)?.snapshot;
    // Every storage commit is checked against the hash that the state names.
    for (log, lsn, hash) in s.commits_newest_first() {
        repo.store().storage_commit(log, lsn, hash).map_err(RepoError::from)?;
    }
    let ranges = s.ranges.iter().map(|r| Range {
        log: r.log.to_string(),
        start: r.start.get(),
        end: r.end.get(),
        commits: r.commits.iter().map(ToString::to_string).collect(),
    });
    let answer = Answer {
        volume: s.volume.to_string(),
        kind: kind(s.kind),
        bytes: s.byte_len,
        pages: s.page_count,
        ranges: ranges.collect(),
    };
    if ctx.out.json {
        json::write(&mut ctx.out, "volume-snapshot/1", &answer)?;
        return Ok(exit::DONE);
    }
    writeln!(ctx.out, "{} {} bytes, {} pages", answer.volume, answer.bytes, answer.pages)?;
    for range in &answer.ranges {
        writeln!(ctx.out, "{}:{}-{}", range.log, range.start, range.end)?;
        for (n, hash) in range.commits.iter().enumerate().rev() {
            writeln!(ctx.out, "  {} {hash}", range.start + n as u64)?;
        }
    }
    Ok(exit::DONE)
}

pub fn read_page(repo: &Repository, args: ReadPage, ctx: &mut Context) -> Outcome {
    let mut found = find(repo, &ctx.cwd, &args.volume)?;
    if let Some(at) = &args.at {
        found.snapshot = state_at(repo, &found.snapshot, at)?;
    }
    let page = PageIdx::new(args.page).ok_or_else(|| Failure::usage("pages count from 1"))?;
    if args.page > found.snapshot.page_count {
        let has = found.snapshot.page_count;
        return Err(Failure::new(format!("there is no page {page}: the volume has {has}")));
    }
    let open = found.open(repo)?;
    let bytes = crate::store::read_page(&open, page).map_err(RepoError::Source)?;
    if ctx.out.json {
        #[derive(Serialize)]
        struct Answer<'a> {
            volume: String,
            page: u32,
            log: Option<String>,
            lsn: Option<u64>,
            bytes: Typed<'a>,
        }
        let origin = open.origin(page).map_err(RepoError::from)?;
        let answer = Answer {
            volume: found.snapshot.volume.to_string(),
            page: args.page,
            log: origin.as_ref().map(|c| c.commit.log.to_string()),
            lsn: origin.as_ref().map(|c| c.commit.lsn.get()),
            bytes: Typed(&Value::Blob(bytes.to_vec())),
        };
        json::write(&mut ctx.out, "volume-page/1", &answer)?;
        return Ok(exit::DONE);
    }
    if std::io::stdout().is_terminal() {
        return Err(Failure::usage("a terminal cannot show a page").help("as in '… | xxd'"));
    }
    ctx.out.write_all(&bytes)?;
    Ok(exit::DONE)
}

pub fn tags(repo: &Repository, ctx: &mut Context) -> Outcome {
    #[derive(Serialize)]
    struct Tag<'a> {
        tag: &'a str,
        volume: String,
    }
    for (tag, id) in &repo.store().volume_tags()? {
        match ctx.out.json {
            true => json::write(&mut ctx.out, "volume-tag/1", &Tag { tag, volume: id.to_string() })?,
            false => writeln!(ctx.out, "{tag}\t{id}")?,
        }
    }
    Ok(exit::DONE)
}

pub fn checksum(repo: &Repository, volume: &Volume, ctx: &mut Context) -> Outcome {
    let found = find_at(repo, &ctx.cwd, volume)?;
    let hash = hash_of(&found, repo)?;
    match ctx.out.json {
        true => {
            #[derive(Serialize)]
            struct Answer {
                volume: String,
                blake3: String,
                bytes: u64,
            }
            let s = &found.snapshot;
            let answer = Answer { volume: s.volume.to_string(), blake3: hash, bytes: s.byte_len };
            json::write(&mut ctx.out, "volume-checksum/1", &answer)?;
        }
        false => writeln!(ctx.out, "{hash}")?,
    }
    Ok(exit::DONE)
}

/// Reads every page of a state and returns the BLAKE3 hash of its bytes.
pub fn hash_of(found: &Found, repo: &Repository) -> Result<String, Failure> {
    const RUN: usize = 64 * PAGE_SIZE;
    let open = found.open(repo)?;
    let (mut hasher, mut at, end) = (blake3::Hasher::new(), 0u64, open.byte_len());
    let mut buffer = vec![0; RUN];
    while at < end {
        crate::util::interrupt::check().map_err(RepoError::from)?;
        let len = (end - at).min(RUN as u64) as usize;
        let first = PageIdx::of_offset(at).expect("a state holds 16 TiB at the most");
        open.read(first, &mut buffer[..len.next_multiple_of(PAGE_SIZE)]).map_err(RepoError::from)?;
        hasher.update(&buffer[..len]);
        at += len as u64;
    }
    Ok(hasher.finalize().to_hex().to_string())
}
