//! Why a database file cannot be opened, read or locked.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ffi;

use super::holders::LockHolders;
use crate::util::interrupt::Interrupted;

/// Why a database could not be captured.
pub type CaptureError = DatabaseError;

/// Why a database file cannot be opened, read or locked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file does not begin like a database.
    #[error("{} is not an SQLite database", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file has no bytes.
    #[error("{} is empty", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter than its header says.
    #[error("{} is truncated: its header says {expected} bytes, the file has {found}", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes by the header.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// SQLite says that the file is damaged.
    #[error("{} is malformed: {detail}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        detail: String,
    },
    /// The file was replaced by another one, or written to without SQLite's locks, while it was opened or read.
    #[error("{} was replaced or overwritten by another program while it was read", .path.display())]
    Overwritten {
        /// The file.
        path: PathBuf,
    },
    /// The file has no bytes, but is tracked as a database that had some.
    #[error("{} is empty, but is tracked as a database", .path.display())]
    Emptied {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the file longer than the busy time-out.
    #[error("{} is locked by {holders}; waited {:.1} s", .path.display(), .waited.as_secs_f64())]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who holds it, as far as the system tells.
        holders: LockHolders,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file or a file beside it may not be read or written.
    #[error("{}: permission denied", .path.display())]
    NotPermitted {
        /// The file.
        path: PathBuf,
    },
    /// Unfinished transactions lie beside the file, which SQLite must finish first and cannot: it may not write there.
    #[error("{} has unfinished transactions in {}, which cannot be finished in a read-only folder or by a read-only session", .path.display(), .sidecar.display())]
    NeedsRecovery {
        /// The file.
        path: PathBuf,
        /// The `-wal` or `-journal`.
        sidecar: PathBuf,
    },
    /// Reading or writing failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The system failed SQLite in reading or writing.
    #[error("{}: {detail}", .path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        detail: String,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// SQLite failed in another way.
    #[error("{}: {source}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
}

impl DatabaseError {
    /// Tells whether the file is no database that SQLite can read, rather than one that is out of reach now.
    pub fn is_unreadable(&self) -> bool {
        matches!(
            self,
            Self::NotADatabase { .. } | Self::Emptied { .. } | Self::Truncated { .. } | Self::Malformed { .. }
        )
    }

    /// Explains a failed read or write of `path`.
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotPermitted { path: path.into() }
            }
            _ => Self::Io { path: path.into(), source },
        }
    }

    /// Explains an error of SQLite on `path`; locks are explained where it is known how long they were waited for.
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match code(&source) {
            Some(ffi::SQLITE_NOTADB) => Self::NotADatabase { path },
            // A schema format of the future; to SQLite it is an error like any other.
            Some(ffi::SQLITE_ERROR) if message(&source) == "unsupported file format" => {
                Self::Malformed { path, detail: message(&source) }
            }
            Some(ffi::SQLITE_CORRUPT) => Self::Malformed { path, detail: message(&source) },
            Some(ffi::SQLITE_PERM | ffi::SQLITE_AUTH | ffi::SQLITE_READONLY) => Self::NotPermitted { path },
            Some(ffi::SQLITE_FULL) => Self::Io { path, source: io::ErrorKind::StorageFull.into() },
            Some(ffi::SQLITE_IOERR) => Self::Disk { path, detail: message(&source) },
            _ => Self::Sqlite { path, source },
        }
    }
}

/// Returns SQLite's primary result code.
pub(super) fn code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(e, _) => Some(e.extended_code & 0xff),
        rusqlite::Error::SqlInputError { error, .. } => Some(error.extended_code & 0xff),
        _ => None,
    }
}

/// Tells whether the error means that another connection stands in the way.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(code(error), Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL))
}

/// Returns SQLite's own words, without the statement.
pub(super) fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}
