//! Which storage commits and page maps a reader of snapshots needs, less those that somebody has already.

use std::collections::HashSet;

use crate::model::page_map::{Origin, PageMap};
use crate::model::{ChunkId, CommitHash, PageMapId, Snapshot};
use crate::store::Store;
use crate::store::error::{Result, StoreError};

/// What somebody has: all that some snapshots need.
#[derive(Default)]
pub struct Known {
    commits: HashSet<CommitHash>,
    chunks: HashSet<ChunkId>,
    maps: HashSet<PageMapId>,
    /// Maps whose chunks have not been looked into.
    unread: Vec<PageMap>,
}

/// What is needed beyond that.
#[derive(Default)]
pub struct Needs {
    /// Storage commits.
    pub commits: Vec<Origin>,
    /// Page maps and chunks of them, by id.
    pub maps: Vec<[u8; 32]>,
}

impl Known {
    /// Takes note of a snapshot that somebody can read.
    pub fn add(&mut self, store: &Store, snapshot: &Snapshot) -> Result<()> {
        let mut base = None;
        for (log, lsn, commit) in snapshot.commits_newest_first() {
            base = self.commits.insert(commit).then_some(Origin { log, lsn, commit });
        }
        // What is not here cannot be told apart; it counts as unknown, and is needed by nothing that is here.
        let Some(origin) = base else { return Ok(()) };
        if let Ok(commit) = store.load_commit(&origin)
            && let Some(id) = commit.commit.checkpoint
            && self.maps.insert(id)
            && let Ok(map) = store.load_map(id)
        {
            self.chunks.extend(&map.chunks);
            self.unread.push(map);
        }
        Ok(())
    }

    /// Adds what a snapshot needs to `needs`, and counts it as known from then on.
    pub fn require(&mut self, store: &Store, snapshot: &Snapshot, needs: &mut Needs) -> Result<()> {
        let mut base = None;
        for (log, lsn, commit) in snapshot.commits_newest_first() {
            let origin = Origin { log, lsn, commit };
            base = self.commits.insert(commit).then_some(origin);
            needs.commits.extend(base);
        }
        let Some(origin) = base else { return Ok(()) };
        let Some(id) = store.load_commit(&origin)?.commit.checkpoint else { return Ok(()) };
        if !self.maps.insert(id) {
            return Ok(());
        }
        needs.maps.push(*id.as_bytes());
        for chunk in store.load_map(id)?.chunks {
            if !self.chunks.insert(chunk) {
                continue;
            }
            needs.maps.push(*chunk.as_bytes());
            for origin in store.load_chunk(chunk)?.iter().flatten() {
                if !self.commits.contains(&origin.commit) {
                    self.read_maps(store)?;
                }
                if self.commits.insert(origin.commit) {
                    needs.commits.push(*origin);
                }
            }
        }
        Ok(())
    }

    /// Takes note of the commits that the maps of known snapshots name.
    fn read_maps(&mut self, store: &Store) -> Result<()> {
        for map in std::mem::take(&mut self.unread) {
            for chunk in map.chunks {
                match store.load_chunk(chunk) {
                    Ok(origins) => self.commits.extend(origins.iter().flatten().map(|origin| origin.commit)),
                    Err(StoreError::MissingMap(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}
