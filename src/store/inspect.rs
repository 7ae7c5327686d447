//! The storage log laid open for diagnostics: single storage commits, segments, and what lies in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::entries::{Keyspace, LogEntry};
use super::error::{Result, StoreError};
use super::open_snapshot::LoadedCommit;
use super::{Store, paths, rebuild};
use crate::model::page_map::Origin;
use crate::model::{CommitHash, LogId, Lsn, SegmentId};

/// A segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its id.
    pub id: SegmentId,
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes of the file.
    pub byte_len: u64,
    /// Storage commits whose pages lie in it.
    pub commits: u64,
    /// Their pages.
    pub pages: u64,
}

impl Store {
    /// Returns a storage commit, checked against the hash that something trusted names.
    pub fn storage_commit(&self, log: LogId, lsn: Lsn, commit: CommitHash) -> Result<Arc<LoadedCommit>> {
        self.load_commit(&Origin { log, lsn, commit })
    }

    /// Lists the segment files, in the order of their ids, which is that of their times.
    pub fn segments(&self) -> Result<Vec<SegmentInfo>> {
        let mut found: BTreeMap<SegmentId, SegmentInfo> = BTreeMap::new();
        for folder in rebuild::files_in(&self.dir().join(paths::SEGMENTS))? {
            for path in rebuild::files_in(&folder)? {
                let Some(id) = rebuild::file_id(&path) else { continue };
                let byte_len = std::fs::metadata(&path).map_err(StoreError::io("read", &path))?.len();
                found.insert(id, SegmentInfo { id, path, byte_len, commits: 0, pages: 0 });
            }
        }
        for (_, value) in self.index().all(Keyspace::Log)? {
            let entry: LogEntry = self.index_value(&value)?;
            if let Some(segment) = found.get_mut(&entry.placement.segment) {
                segment.commits += 1;
                segment.pages += u64::from(entry.commit.pages.len());
            }
        }
        Ok(found.into_values().collect())
    }
}
