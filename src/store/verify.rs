//! Verification of stored pages, for `fsck`.

use std::collections::HashMap;

use super::Store;
use super::error::StoreError;
use super::open_snapshot::OpenSnapshot;
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
    /// Reads and verifies every page of a snapshot, but for those in `done`, and adds them to it.
    ///
    /// Pages that newer commits of the snapshot overwrote belong to older snapshots, which verify them in turn.
    /// `progress` is told the bytes passed.
    pub fn verify_snapshot(
        &self,
        open: &OpenSnapshot,
        done: &mut HashMap<CommitHash, PageSet>,
        progress: &dyn Fn(u64),
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
            progress(PAGE_SIZE as u64);
        }
        Ok(findings.into_values().collect())
    }
}
