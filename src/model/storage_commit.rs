//! One atomic change of a volume: which pages changed, to what, and after which commit.

use serde::{Deserialize, Serialize};

use super::{CommitHash, ContentHash, LogId, Lsn, PageMapId, PageSet, cbor};

const CONTEXT: &str = "graft 1 storage commit";

/// A storage commit. Its identity covers what the pages are, not where or how they are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageCommit {
    /// The log it belongs to.
    pub log: LogId,
    /// Its position in the log.
    pub lsn: Lsn,
    /// The commit it follows: the one before in its log, or the one a fork started from.
    pub parent: Option<CommitHash>,
    /// Pages of the file afterwards.
    pub page_count: u32,
    /// Bytes of the file afterwards.
    pub byte_len: u64,
    /// The pages it wrote, all within `page_count`.
    pub pages: PageSet,
    /// Hash over the hashes of those pages, see [`crate::model::content`].
    pub content: ContentHash,
    /// The full page map as of this commit, if it is a checkpoint.
    pub checkpoint: Option<PageMapId>,
    /// When it was made, Unix milliseconds.
    pub time: i64,
}

impl StorageCommit {
    /// Returns the commit's identity.
    pub fn hash(&self) -> CommitHash {
        CommitHash::from_bytes(blake3::derive_key(CONTEXT, &cbor::encode(self)))
    }

    /// Tells whether a reader needs nothing older: a checkpoint, or a commit that wrote every page.
    pub fn is_base(&self) -> bool {
        self.checkpoint.is_some() || self.pages.len() == self.page_count
    }
}
