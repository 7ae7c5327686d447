//! What the index holds: keys and values of its keyspaces.

use serde::{Deserialize, Serialize};

use super::container::Section;
use crate::model::gid::PackId;
use crate::model::{LogId, Lsn, ObjectId, SegmentId, StorageCommit, VolumeId, cbor};

/// The keyspaces of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyspace {
    /// Object id → pack and place.
    Objects,
    /// LogId ‖ LSN → storage commit and placement.
    Log,
    /// Page map or chunk id → segment and place.
    Maps,
    /// VolumeId → its log and head.
    Volumes,
    /// Storage tag → VolumeId.
    Tags,
}

impl Keyspace {
    /// All keyspaces; the position is the number used in files.
    pub const ALL: [Self; 5] = [Self::Objects, Self::Log, Self::Maps, Self::Volumes, Self::Tags];

    /// Returns the name that the keyspace has in fjall.
    pub fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Log => "log",
            Self::Maps => "maps",
            Self::Volumes => "volumes",
            Self::Tags => "tags",
        }
    }
}

/// One key and value of a keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The keyspace.
    pub keyspace: Keyspace,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// Where a repository object lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPlace(pub PackId, pub Section);

/// Where a page map or a chunk of one lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapPlace(pub SegmentId, pub Section);

/// Where the pages of a storage commit lie; replaceable without touching any hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// The segment.
    pub segment: SegmentId,
    /// The rank of the commit's first page among all pages of the segment.
    pub first_rank: u32,
}

/// A storage commit as the index knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// The commit.
    pub commit: StorageCommit,
    /// The volume it was made for.
    pub volume: VolumeId,
    /// Where its pages lie.
    pub placement: Placement,
}

/// The writable end of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRecord {
    /// The log that this repository appends to.
    pub log: LogId,
    /// The newest commit of it.
    pub head: Lsn,
}

/// Returns the key of a storage commit.
pub fn log_key(log: LogId, lsn: Lsn) -> Vec<u8> {
    [log.as_bytes().as_slice(), &lsn.get().to_be_bytes()].concat()
}

impl Entry {
    /// Says where an object lies.
    pub fn object(id: ObjectId, place: ObjectPlace) -> Self {
        Self { keyspace: Keyspace::Objects, key: id.as_bytes().to_vec(), value: cbor::encode(&place) }
    }

    /// Says what a storage commit is.
    pub fn log(entry: &LogEntry) -> Self {
        let key = log_key(entry.commit.log, entry.commit.lsn);
        Self { keyspace: Keyspace::Log, key, value: cbor::encode(entry) }
    }

    /// Says where a page map or chunk lies.
    pub fn map(id: &[u8; 32], place: MapPlace) -> Self {
        Self { keyspace: Keyspace::Maps, key: id.to_vec(), value: cbor::encode(&place) }
    }

    /// Says where a volume ends.
    pub fn volume(id: VolumeId, record: VolumeRecord) -> Self {
        Self { keyspace: Keyspace::Volumes, key: id.as_bytes().to_vec(), value: cbor::encode(&record) }
    }
}
