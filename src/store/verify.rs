//! Verification of stored pages, for `fsck`.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Store;
use super::error::StoreError;
use super::open_snapshot::OpenSnapshot;
use super::segment::Segment;
use super::{pack, paths, rebuild};
use crate::model::{CommitHash, PAGE_SIZE, PageIdx, PageSet};

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

    /// Reads and verifies every page of a snapshot, but for those in `done`, and adds them to it.
    ///
    /// Pages that newer commits of the snapshot overwrote belong to older snapshots, which verify them in turn.
    /// `progress` is told the bytes passed, and stops the verification by saying no.
    pub fn verify_snapshot(
        &self,
        open: &OpenSnapshot,
        done: &mut HashMap<CommitHash, PageSet>,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Vec<Finding>, StoreError> {
        let mut findings: HashMap<CommitHash, Finding> = HashMap::new();
        open.prepare_scan()?;
        let mut page = [0; PAGE_SIZE];
        for n in 1..=open.snapshot().page_count {
            let idx = PageIdx::new(n).expect("pages count from 1");
            let Some(commit) = open.origin(idx)? else { continue };
            if !done.entry(commit.hash).or_default().insert(idx) {
                continue;
            }
            if let Err(error) = open.read(idx, &mut page) {
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
