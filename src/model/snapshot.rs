//! The snapshot object: the LSN ranges that make up one state of one file, with the hash of every commit in them.

use serde::{Deserialize, Serialize};

use super::{CommitHash, LogId, Lsn, VolumeId};

/// What a tracked file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// An SQLite database: captured through SQLite, diffed by row.
    Sqlite,
    /// Any other file: captured byte for byte.
    Opaque,
}

/// Neighbouring commits of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRange {
    /// The log.
    pub log: LogId,
    /// Its first commit in the range.
    pub start: Lsn,
    /// Its last commit in the range.
    pub end: Lsn,
    /// The hashes of the commits, `start` first.
    pub commits: Vec<CommitHash>,
}

/// One immutable state of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The volume, the lasting identity of the file.
    pub volume: VolumeId,
    /// What the file is.
    pub kind: FileKind,
    /// Pages of the file.
    pub page_count: u32,
    /// Bytes of the file.
    pub byte_len: u64,
    /// The ranges, newest first; empty only for an empty file that was never written.
    pub ranges: Vec<LogRange>,
}

impl Snapshot {
    /// Returns the newest storage commit.
    pub fn head(&self) -> Option<(LogId, Lsn, CommitHash)> {
        let range = self.ranges.first()?;
        Some((range.log, range.end, *range.commits.last()?))
    }

    /// Iterates over all storage commits, newest first.
    pub fn commits_newest_first(&self) -> impl Iterator<Item = (LogId, Lsn, CommitHash)> + '_ {
        self.ranges.iter().flat_map(|r| {
            r.commits
                .iter()
                .enumerate()
                .rev()
                .filter_map(move |(i, hash)| Some((r.log, Lsn::new(r.start.get().checked_add(i as u64)?)?, *hash)))
        })
    }

    /// Returns the number of storage commits listed.
    pub fn commit_count(&self) -> usize {
        self.ranges.iter().map(|r| r.commits.len()).sum()
    }

    /// Tells whether the parts agree: every range lists one hash per LSN.
    pub fn is_consistent(&self) -> bool {
        self.ranges.iter().all(|r| {
            r.end.get().checked_sub(r.start.get()).is_some_and(|n| n.checked_add(1) == Some(r.commits.len() as u64))
        }) && super::page::pages_for(self.byte_len) == Some(self.page_count)
    }

    /// Returns the ranges of a state that adds one commit on top of these, as a range of its own or by
    /// lengthening the newest one.
    pub fn ranges_with(&self, log: LogId, lsn: Lsn, hash: CommitHash) -> Vec<LogRange> {
        let mut ranges = self.ranges.clone();
        match ranges.first_mut() {
            Some(r) if r.log == log && r.end.next() == Some(lsn) => {
                r.end = lsn;
                r.commits.push(hash);
            }
            _ => ranges.insert(0, LogRange { log, start: lsn, end: lsn, commits: vec![hash] }),
        }
        ranges
    }
}
