//! What can go wrong in the storage log.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::object::ObjectError;
use crate::model::{CommitHash, LogId, Lsn, ObjectId, PageIdx, SegmentId};
use crate::util::lock::LockError;

/// An error of the storage log.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the store is not what it should be.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file of the store was written by a newer Graft.
    #[error("{} has format version {version}; this graft reads up to version {supported}", path.display())]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
        /// The newest version known here.
        supported: u16,
    },
    /// No file holds the object.
    #[error("object {0} is missing")]
    MissingObject(ObjectId),
    /// The object is there but wrong.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The storage log does not have the commit.
    #[error("storage commit {log}:{lsn} is missing")]
    MissingCommit {
        /// The log.
        log: LogId,
        /// The position.
        lsn: Lsn,
    },
    /// The storage log has another commit at that position.
    #[error("storage commit {log}:{lsn} has hash {found}, but {wanted} is wanted")]
    OtherCommit {
        /// The log.
        log: LogId,
        /// The position.
        lsn: Lsn,
        /// The hash that a snapshot or page map names.
        wanted: CommitHash,
        /// The hash of what is there.
        found: CommitHash,
    },
    /// A chunk of a page map is not there.
    #[error("page map {0} is missing")]
    MissingMap(String),
    /// The file of a segment is not there.
    #[error("segment {segment} is missing (storage commit {log}:{lsn} lies in it)")]
    MissingSegment {
        /// The segment.
        segment: SegmentId,
        /// The log of the commit that was read.
        log: LogId,
        /// The position of the commit that was read.
        lsn: Lsn,
    },
    /// A piece of a segment was left on the remote and cannot be fetched.
    #[error("a part of segment {segment} was left on a remote and cannot be fetched: {why}")]
    NotHere {
        /// The segment.
        segment: SegmentId,
        /// What failed, the remote named.
        why: String,
    },
    /// A page is not what its storage commit says.
    #[error("page {page} of storage commit {log}:{lsn} is damaged in segment {segment}: {what}")]
    DamagedPage {
        /// The page.
        page: PageIdx,
        /// The log of the commit that wrote it.
        log: LogId,
        /// The position of that commit.
        lsn: Lsn,
        /// The segment that should hold it.
        segment: SegmentId,
        /// What is wrong.
        what: String,
    },
    /// Another process holds the index or the repository.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another process held the fjall store the whole time.
    #[error("the index {} is in use by another graft process (waited {seconds} s)", path.display())]
    IndexBusy {
        /// The fjall folder.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The fjall store does not work.
    #[error("the index {} cannot be used: {what}", path.display())]
    Index {
        /// The fjall folder.
        path: PathBuf,
        /// What fjall says.
        what: String,
    },
    /// A file would be larger than pages can be numbered.
    #[error("a file of {byte_len} bytes is too large (the limit is 16 TiB)")]
    TooLarge {
        /// Bytes of the file.
        byte_len: u64,
    },
}

impl StoreError {
    /// Wraps an I/O error with the file and what was tried.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Tells whether this user may not write, or nobody may: then what only makes later look-ups quicker can be done without.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Lock(LockError::Io { source, .. }) => is_refusal(source),
            _ => false,
        }
    }

    /// Tells whether stored data is missing or damaged.
    pub fn is_damage(&self) -> bool {
        !matches!(
            self,
            Self::Io { .. } | Self::Lock(_) | Self::IndexBusy { .. } | Self::TooLarge { .. } | Self::NotHere { .. }
        )
    }

    /// Says that a file is not what it should be.
    pub fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// Tells whether the system refuses access.
pub fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// The result of a storage operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
