//! Verification of stored pages, for `fsck`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use super::Store;
use super::entries::{Keyspace, LogEntry, MapPlace, ObjectPlace};
use super::error::StoreError;
use super::open_snapshot::OpenSnapshot;
use super::segment::Segment;
use super::{pack, paths, rebuild};
use crate::model::{CommitHash, PAGE_SIZE, PageIdx, PageSet, SegmentId};
use crate::util::fs as durable;
use crate::util::lock::FileLock;

/// A storage commit whose pages cannot all be read.
#[derive(Debug)]
pub struct Finding {
    /// The commit.
    pub commit: CommitHash,
    /// How many of its pages that the snapshot needs are damaged.
    pub pages: u32,
    /// The first of them.
    pub first: PageIdx,
    /// What is wrong with it.
    pub error: StoreError,
}

/// Pages of one storage commit that have been read already.
#[derive(Debug, Default)]
pub struct Verified {
    seen: PageSet,
    damaged: PageSet,
}

impl Store {
    /// Checks that the segments behind a snapshot's listed storage commits are there and whole but for their pages.
    ///
    /// Cheap: reads their indexes, no page. Damage inside a page shows when the page is read.
    pub fn check_segments(&self, open: &OpenSnapshot) -> Result<(), StoreError> {
        for commit in open.commits() {
            self.segment(commit)?.part(&commit.commit, commit.placement.first_rank)?;
        }
        Ok(())
    }

    /// Opens every segment and pack and returns those that are damaged. Reads their indexes, no page and no object.
    pub fn damaged_files(&self) -> Result<Vec<(PathBuf, StoreError)>, StoreError> {
        let mut out = Vec::new();
        for path in rebuild::files_in(&self.dir().join(paths::PACKS))? {
            let opened = pack::index(&path);
            out.extend(opened.err().map(|e| (path, e)));
        }
        for folder in rebuild::files_in(&self.dir().join(paths::SEGMENTS))? {
            for path in rebuild::files_in(&folder)? {
                let Some(id) = rebuild::file_id(&path) else { continue };
                let opened = Segment::open(id, &path).map(|_| ());
                out.extend(opened.err().map(|e| (path, e)));
            }
        }
        Ok(out)
    }

    /// Returns the packs that are not there although the index knows objects in them, and how many.
    pub fn missing_packs(&self) -> Result<BTreeMap<PathBuf, usize>, StoreError> {
        let mut packs: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for (_, value) in self.index().all(Keyspace::Objects)? {
            *packs.entry(paths::pack(self.dir(), self.index_value::<ObjectPlace>(&value)?.0)).or_default() += 1;
        }
        packs.retain(|path, _| !path.exists());
        Ok(packs)
    }

    /// Moves damaged segments and packs that nothing refers to any more into the folder `damaged`.
    pub fn set_damage_aside(&self, _lock: &FileLock) -> Result<(), StoreError> {
        let damaged = self.damaged_files()?;
        if damaged.is_empty() {
            return Ok(());
        }
        let mut needed = HashSet::new();
        for (_, value) in self.index().all(Keyspace::Objects)? {
            needed.insert(paths::pack(self.dir(), self.index_value::<ObjectPlace>(&value)?.0));
        }
        for (_, value) in self.index().all(Keyspace::Log)? {
            needed.insert(paths::segment(self.dir(), self.index_value::<LogEntry>(&value)?.placement.segment));
        }
        for (_, value) in self.index().all(Keyspace::Maps)? {
            needed.insert(paths::segment(self.dir(), self.index_value::<MapPlace>(&value)?.0));
        }
        let aside = self.dir().join("damaged");
        for (path, _) in damaged.into_iter().filter(|(path, _)| !needed.contains(path)) {
            let to = aside.join(path.file_name().unwrap_or_default());
            durable::create_dir_all(&aside).map_err(StoreError::io("create", &aside))?;
            durable::rename(&path, &to).map_err(StoreError::io("move", &path))?;
        }
        Ok(())
    }

    /// Verifies every page of a snapshot; those in `done` are not read again, the others are added to it.
    ///
    /// Pages that newer commits of the snapshot overwrote belong to older snapshots, which verify them in turn.
    /// `progress` is told the bytes passed, and stops the verification by saying no.
    pub fn verify_snapshot(
        &self,
        open: &OpenSnapshot,
        done: &mut HashMap<CommitHash, Verified>,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Vec<Finding>, StoreError> {
        let mut findings: HashMap<CommitHash, Finding> = HashMap::new();
        open.prepare_scan()?;
        let mut partial: HashMap<SegmentId, bool> = HashMap::new();
        let mut page = [0; PAGE_SIZE];
        for n in 1..=open.snapshot().page_count {
            let idx = PageIdx::new(n).expect("pages count from 1");
            let Some(commit) = open.origin(idx)? else { continue };
            // What was left on a remote is verified when it comes.
            if *partial.entry(commit.placement.segment).or_insert_with_key(|id| self.is_in_pieces(*id)) {
                continue;
            }
            let verified = done.entry(commit.hash).or_default();
            let is_new = verified.seen.insert(idx);
            if !is_new && !verified.damaged.contains(idx) {
                continue;
            }
            if let Err(error) = open.read(idx, &mut page) {
                verified.damaged.insert(idx);
                let new = Finding { commit: commit.hash, pages: 0, first: idx, error };
                findings.entry(commit.hash).or_insert(new).pages += 1;
            }
            if !progress(PAGE_SIZE as u64) {
                break;
            }
        }
        Ok(findings.into_values().collect())
    }
}
