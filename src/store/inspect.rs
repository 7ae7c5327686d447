//! The storage log laid open for diagnostics: single storage commits, segments, and what lies in them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::entries::{Keyspace, LogEntry, Placement};
use super::error::{Result, StoreError};
use super::open_snapshot::LoadedCommit;
use super::{Store, paths, rebuild};
use crate::model::page_map::Origin;
use crate::model::{CommitHash, FileKind, LogId, Lsn, SegmentId, Snapshot, StorageCommit, VolumeId};

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

/// A storage commit as the log has it.
#[derive(Clone, Debug)]
pub struct LoggedCommit {
    /// The commit.
    pub commit: StorageCommit,
    /// Its hash, made from it.
    pub hash: CommitHash,
    /// The volume it was made for.
    pub volume: VolumeId,
    /// Where its pages lie.
    pub placement: Placement,
}

/// All logs of a repository.
pub struct StorageLog {
    commits: BTreeMap<(LogId, Lsn), LoggedCommit>,
    places: HashMap<CommitHash, (LogId, Lsn)>,
}

impl StorageLog {
    /// Returns a storage commit.
    pub fn get(&self, log: LogId, lsn: Lsn) -> Option<&LoggedCommit> {
        self.commits.get(&(log, lsn))
    }

    /// Returns the storage commit with a hash.
    pub fn by_hash(&self, hash: &CommitHash) -> Option<&LoggedCommit> {
        self.commits.get(self.places.get(hash)?)
    }

    /// Returns the storage commits made for a volume, newest first.
    pub fn of_volume(&self, volume: VolumeId) -> Vec<&LoggedCommit> {
        let mut found: Vec<_> = self.commits.values().filter(|c| c.volume == volume).collect();
        found.sort_by_key(|c| std::cmp::Reverse((c.commit.log, c.commit.lsn)));
        found
    }

    /// Returns all storage commits, by log and position.
    pub fn all(&self) -> impl Iterator<Item = &LoggedCommit> {
        self.commits.values()
    }

    /// Returns the state as of a storage commit, each commit of it checked against the hash that the one after it names.
    pub fn state(&self, log: LogId, lsn: Lsn, kind: FileKind) -> Result<Snapshot> {
        let missing = || StoreError::MissingCommit { log, lsn };
        let newest = self.get(log, lsn).ok_or_else(missing)?;
        let mut snapshot = Snapshot {
            volume: newest.volume,
            kind,
            page_count: newest.commit.page_count,
            byte_len: newest.commit.byte_len,
            ranges: Vec::new(),
        };
        let mut chain = vec![newest];
        while let Some(last) = chain.last().filter(|c| !c.commit.is_base()) {
            let Some(parent) = last.commit.parent else { break };
            let before = Lsn::new(last.commit.lsn.get() - 1);
            // A commit that was changed has another hash than the one that its child names.
            if let Some(lsn) = before
                && let Some(found) = self.get(last.commit.log, lsn).filter(|c| c.hash != parent)
            {
                return Err(StoreError::OtherCommit { log: found.commit.log, lsn, wanted: parent, found: found.hash });
            }
            let place = self
                .places
                .get(&parent)
                .ok_or(StoreError::MissingCommit { log: last.commit.log, lsn: before.unwrap_or(last.commit.lsn) })?;
            chain.push(&self.commits[place]);
        }
        for commit in chain.iter().rev() {
            snapshot.ranges = snapshot.ranges_with(commit.commit.log, commit.commit.lsn, commit.hash);
        }
        Ok(snapshot)
    }
}

impl Store {
    /// Reads all logs. Takes as long as they are; for diagnostics.
    pub fn storage_log(&self) -> Result<StorageLog> {
        // What states name and the index does not know is looked for in the files first; if it is not there, reading the state says so.
        let volumes = self.volumes().unwrap_or_default();
        for (name, lsn, commit) in volumes.iter().filter_map(|volume| volume.snapshot.head()) {
            let _ = self.load_commit(&Origin { log: name, lsn, commit });
        }
        let mut log = StorageLog { commits: BTreeMap::new(), places: HashMap::new() };
        for (_, value) in self.index().all(Keyspace::Log)? {
            let LogEntry { commit, volume, placement } = self.index_value(&value)?;
            let (place, hash) = ((commit.log, commit.lsn), commit.hash());
            log.places.insert(hash, place);
            log.commits.insert(place, LoggedCommit { commit, hash, volume, placement });
        }
        Ok(log)
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PageIdx;
    use crate::store::{StoreOptions, page_run};

    #[test]
    fn a_changed_storage_commit_is_found_by_the_one_after_it() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::create(dir.path(), StoreOptions::default()).expect("a store");
        let id = store.create_volume(FileKind::Opaque).expect("a volume");
        let mut state = store.volume_state(id).expect("readable").expect("there").snapshot;
        for n in 1..=4u8 {
            let first = PageIdx::new(u32::from(n)).expect("from 1");
            let bytes = vec![n; if n == 1 { 8 * 4096 } else { 4096 }];
            state = store.write_volume(&state, FileKind::Opaque, 8 * 4096, page_run(first, bytes)).expect("written");
        }
        let mut log = store.storage_log().expect("a log");
        let (name, lsn, _) = state.head().expect("written to");
        assert_eq!(log.state(name, lsn, FileKind::Opaque).expect("sound"), state);
        let second = Lsn::new(2).expect("from 1");
        let changed = log.commits.get_mut(&(name, second)).expect("there");
        changed.commit.time += 1;
        changed.hash = changed.commit.hash();
        let error = log.state(name, lsn, FileKind::Opaque).expect_err("changed");
        assert!(error.to_string().starts_with(&format!("storage commit {name}:2 has hash")), "{error}");
        assert!(log.state(name, Lsn::FIRST, FileKind::Opaque).is_ok(), "what lies before it is sound");
    }
}
