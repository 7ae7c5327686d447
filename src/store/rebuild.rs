//! Finds everything again by reading the indexes of all segments and packs.
//!
//! A process that stopped between writing a segment and recording it leaves a storage commit that nobody refers to,
//! and the position may have been given again later. So where two files claim one position of a log, the commit that
//! a snapshot object names wins.
//!
//! Where volumes end is not found again: among the logs in the files may be those of other repositories, fetched from
//! remotes, and a log has one writer. The next change of each volume starts a new log, which costs nothing.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::container::Section;
use super::entries::{Entry, LogEntry, MapPlace, ObjectPlace, Placement};
use super::error::{Result, StoreError};
use super::segment::Segment;
use super::{pack, paths};
use crate::model::gid::PackId;
use crate::model::{CommitHash, LogId, Lsn, ObjectId, ObjectKind, SegmentId, Snapshot};

/// Returns the index entries that the files under `dir` (`.graft`) give, sorted and unique. Damaged files are passed over.
pub fn entries(dir: &Path) -> Result<Vec<Entry>> {
    let mut out = Vec::new();
    let packs = read_packs(dir, &mut out)?;
    let claims = read_segments(dir, &mut out)?;
    let named = match claims.values().any(|c| c.len() > 1) {
        true => commits_named_by_snapshots(&packs)?,
        false => HashSet::new(),
    };
    for mut claim in claims.into_values() {
        // Newest segment last: of equal commits its copy is the one written to replace a damaged one.
        claim.sort_by_key(|e| (named.contains(&e.commit.hash()), e.placement.segment));
        out.extend(claim.pop().map(|entry| Entry::log(&entry)));
    }
    // Of two copies of one thing the newer file's counts, which comes last.
    out.sort_by(|a, b| (a.keyspace, &a.key).cmp(&(b.keyspace, &b.key)));
    out.reverse();
    out.dedup_by(|a, b| (a.keyspace, &a.key) == (b.keyspace, &b.key));
    out.reverse();
    Ok(out)
}

/// Tells whether there are files that an index would find things in.
pub fn has_files(dir: &Path) -> Result<bool> {
    Ok(!files_in(&dir.join(paths::PACKS))?.is_empty() || !files_in(&dir.join(paths::SEGMENTS))?.is_empty())
}

/// A pack and where its objects lie in it.
type FoundPack = (PathBuf, Vec<(ObjectId, Section)>);

fn read_packs(dir: &Path, out: &mut Vec<Entry>) -> Result<Vec<FoundPack>> {
    let mut packs = Vec::new();
    for path in files_in(&dir.join(paths::PACKS))? {
        let Some(id) = file_id::<PackId>(&path) else { continue };
        match pack::index(&path) {
            Ok(Some(index)) => {
                out.extend(index.objects.iter().map(|(object, s)| Entry::object(*object, ObjectPlace(id, *s))));
                packs.push((path, index.objects));
            }
            Ok(None) | Err(StoreError::Damaged { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(packs)
}

type Claims = BTreeMap<(LogId, Lsn), Vec<LogEntry>>;

fn read_segments(dir: &Path, out: &mut Vec<Entry>) -> Result<Claims> {
    let mut claims = Claims::new();
    // Of segments in pieces the part is here that tells what is in them.
    let folders = files_in(&dir.join(paths::SEGMENTS))?.into_iter().chain([dir.join(paths::LAZY)]);
    for folder in folders {
        for path in files_in(&folder)? {
            let Some(id) = file_id::<SegmentId>(&path) else { continue };
            let segment = match Segment::open(id, &path) {
                Ok(Some(segment)) => segment,
                Ok(None) | Err(StoreError::Damaged { .. }) => continue,
                Err(e) => return Err(e),
            };
            let index = segment.index();
            out.extend(index.maps.iter().map(|(map, s)| Entry::map(map, MapPlace(id, *s))));
            for part in &index.commits {
                claims.entry((part.commit.log, part.commit.lsn)).or_default().push(LogEntry {
                    commit: part.commit.clone(),
                    volume: part.volume,
                    placement: Placement { segment: id, first_rank: part.first_rank },
                });
            }
        }
    }
    Ok(claims)
}

fn commits_named_by_snapshots(packs: &[FoundPack]) -> Result<HashSet<CommitHash>> {
    let mut named = HashSet::new();
    for (path, objects) in packs {
        for (id, section) in objects {
            let object = match pack::read(path, *id, *section) {
                Ok(Some(object)) if object.kind() == ObjectKind::Snapshot => object,
                Ok(_) | Err(StoreError::Damaged { .. }) => continue,
                Err(e) => return Err(e),
            };
            if let Ok(snapshot) = object.decode::<Snapshot>() {
                named.extend(snapshot.commits_newest_first().map(|(_, _, hash)| hash));
            }
        }
    }
    Ok(named)
}

/// Lists a folder in name order; a missing folder is empty.
pub fn files_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let list = match fs::read_dir(dir) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        other => other.map_err(StoreError::io("list", dir))?,
    };
    let mut files = list
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(StoreError::io("list", dir))?;
    files.sort();
    Ok(files)
}

/// Returns the id that a file is named after.
pub fn file_id<T: std::str::FromStr>(path: &Path) -> Option<T> {
    path.file_name()?.to_str()?.parse().ok()
}
