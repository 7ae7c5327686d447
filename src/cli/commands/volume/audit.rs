//! `graft volume audit`: how much of a volume is here.

use std::io::Write;

use serde::Serialize;

use super::{Found, Volume, find_at, hash_of};
use crate::cli::commands::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::size::{bytes, count};
use crate::repo::{RepoError, Repository};
use crate::store::PagesHere;

/// What was found out.
pub struct Audit {
    /// How much is here.
    pub here: PagesHere,
    /// The BLAKE3 hash of the bytes, if all of them are here: then every page has been read and verified.
    pub checksum: Option<String>,
}

/// Counts the pages that are here and, if all are, verifies them. Fetches nothing.
pub fn audit(found: &Found, repo: &Repository) -> Result<Audit, Failure> {
    let here = repo.store().pages_here(&found.open(repo)?).map_err(RepoError::from)?;
    let checksum = if here.is_whole() { Some(hash_of(found, repo)?) } else { None };
    Ok(Audit { here, checksum })
}

/// Runs the command.
pub fn run(repo: &Repository, volume: &Volume, ctx: &mut Context) -> Outcome {
    #[derive(Serialize)]
    struct Answer {
        volume: String,
        pages: u32,
        cached: u32,
        bytes: u64,
        cached_bytes: u64,
        checksum: Option<String>,
    }
    let found = find_at(repo, &ctx.cwd, volume)?;
    let Audit { here, checksum } = audit(&found, repo)?;
    let PagesHere { pages, cached, bytes: all, cached_bytes } = here;
    if ctx.out.json {
        let volume = found.snapshot.volume.to_string();
        let answer = Answer { volume, pages, cached, bytes: all, cached_bytes, checksum };
        json::write(&mut ctx.out, "volume-audit/1", &answer)?;
        return Ok(exit::DONE);
    }
    let total = count(pages.into(), "page");
    match checksum {
        Some(hash) => writeln!(ctx.out, "{total}, {}: all here and verified\nchecksum {hash}", bytes(all))?,
        None => writeln!(ctx.out, "{cached} of {total} here, {} of {}", bytes(cached_bytes), bytes(all))?,
    }
    Ok(exit::DONE)
}
