//! Replication of volumes: a volume here and a log on a remote that any number of such volumes share.
//!
//! ```text
//! here       log X   1 ── 2 ── 3 ── 4 ── 5        every transaction a storage commit
//!                         │              │
//!            sync point   │     push     │        the pages changed since, with their newest contents
//!                         │              │
//! remote     log R   1 ── 2 ──────────── 3        every push a storage commit, appended by create-if-absent
//! ```
//!
//! A [`Pairing`] says which log of which remote a volume goes with, and at which storage commits of the two their contents were the
//! same: the *sync point*. What must hold:
//!
//! * A push is valid only on the storage commit of the remote that it was made on: whoever wrote read that state. It is
//!   appended at the next LSN, which somebody else may have taken: then nothing of it is there, and the volume has *diverged*.
//! * The segment is on the remote before the entry that names it, and the entry is recorded here, durably, before it is sent. So an
//!   unknown outcome is resolved by whoever looks next: the same bytes at that LSN are ours.
//! * Entries, then the pairing, then the state of the volume: each is durable before the next. A crash in between leaves
//!   a state that was there before or is there after.
//! * Fetching brings entries and no pages. Pages come when they are read, verified like any other.
//!
//! Replicating holds a lock of the volume for itself, and the repository lock only while it records something, so writers go on.

mod clone;
mod collapse;
mod error;
mod hydrate;
mod pairing;
mod pull;
mod push;
mod standing;
#[cfg(test)]
mod tests;

pub use clone::Cloned;
pub use error::ReplicaError;

pub use pairing::{Pairing, Pending, remotes_of_volumes};
pub use pull::{Fetched, Pulled};
pub use push::{Outcome, Pushed};
pub use standing::{Relation, Standing};

use std::collections::HashMap;

use super::Store;
use super::entries::{Entry, LogEntry, MapPlace, Placement};
use super::remote::Remote;
use super::remote::volume_log::VolumeEntry;
use crate::model::{CommitHash, Lsn, SegmentId, Snapshot};

/// The result of replicating.
pub type Result<T, E = ReplicaError> = std::result::Result<T, E>;

/// A store and a remote between which volumes are replicated.
pub struct Replicator<'a> {
    store: &'a Store,
    remote: &'a Remote,
    /// Is told bytes.
    passed: &'a (dyn Fn(u64) + Sync),
}

impl<'a> Replicator<'a> {
    /// Replicates between a store and a remote. `passed` is told bytes.
    pub fn new(store: &'a Store, remote: &'a Remote, passed: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self { store, remote, passed }
    }
}

/// How long segments are, as far as that is known.
type Lengths = HashMap<CommitHash, (SegmentId, u64)>;

/// Returns the state that an entry makes of the one before it.
fn state_after(before: Option<&Snapshot>, entry: &VolumeEntry, volume: crate::model::VolumeId) -> Snapshot {
    let commit = &entry.commit;
    let base = before.filter(|_| !commit.is_base()).map(|s| s.ranges.clone()).unwrap_or_default();
    let old = Snapshot { volume, kind: entry.kind, page_count: 0, byte_len: 0, ranges: base };
    let ranges = old.ranges_with(commit.log, commit.lsn, commit.hash());
    Snapshot { page_count: commit.page_count, byte_len: commit.byte_len, ranges, ..old }
}

/// Returns what the index is to know of an entry.
fn index_entries(entry: &VolumeEntry) -> Vec<Entry> {
    let placement = Placement { segment: entry.segment, first_rank: 0 };
    let log = LogEntry { commit: entry.commit.clone(), volume: entry.volume, placement };
    let maps = entry.maps.iter().map(|(id, section)| Entry::map(id, MapPlace(entry.segment, *section)));
    maps.chain([Entry::log(&log)]).collect()
}

/// Returns the LSN of a state of the remote.
fn lsn_of(state: Option<&Snapshot>) -> Option<Lsn> {
    state.and_then(Snapshot::head).map(|(_, lsn, _)| lsn)
}
