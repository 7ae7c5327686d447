//! Materialize: makes a file hold a given state, in place through SQLite or as a new file that takes the old one's name.

mod copy;
mod in_place;
mod replace;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use in_place::{InPlace, Locked, Unsuited, write_in_place};
pub use replace::{Published, Written, export, export_to, refuse_open, remove, settle, write_new};

use super::attach::Busy;
use super::error::DatabaseError;
use super::holders::LockHolders;
use crate::model::SourceError;
use crate::util::attributes::Attributes;
use crate::util::interrupt::Interrupted;

/// How to write.
#[derive(Clone, Copy)]
pub struct WriteOptions<'a> {
    /// How long to wait for a lock.
    pub busy_timeout: Duration,
    /// Called once, after a second of waiting, with those who hold the file.
    pub on_wait: &'a dyn Fn(&LockHolders),
    /// Called when nobody else can write any more; if it says no, nothing is written.
    pub still_expected: &'a dyn Fn() -> bool,
    /// Looks at the database from outside, once it has the new state. Then [`InPlace::was_seen`] tells whether it had just that
    /// state at the time; to make sure, its log is folded in first.
    pub look: Option<&'a dyn Fn()>,
    /// Called with the number of bytes done since the last call.
    pub on_progress: &'a dyn Fn(u64),
    /// A folder for temporary files; where it lies on another file system, the folder of the file is used.
    pub tmp: &'a Path,
    /// Wait until the new file is on disk before it takes its name.
    pub durable: bool,
    /// What the file had when there was one; a new one has what the system gives it.
    pub attributes: Option<&'a Attributes>,
}

impl MaterializeError {
    /// Explains why a file cannot take or lose its name.
    fn name(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::ResourceBusy => Self::Mounted { path: path.into() },
            _ => Self::Io { path: path.into(), source },
        }
    }
}

impl<'a> WriteOptions<'a> {
    /// Waits 5 seconds for locks, asks and tells nobody, and makes durable.
    pub fn new(tmp: &'a Path) -> Self {
        Self {
            busy_timeout: Duration::from_secs(5),
            on_wait: &|_| {},
            still_expected: &|| true,
            look: None,
            on_progress: &|_| {},
            tmp,
            durable: true,
            attributes: None,
        }
    }

    pub(super) fn busy(&self) -> Busy<'a> {
        Busy { timeout: self.busy_timeout, on_wait: self.on_wait }
    }
}

/// Why a file could not be brought into a state.
#[derive(Debug, thiserror::Error)]
pub enum MaterializeError {
    /// The database there cannot be opened or locked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The file is not in the state any more that the caller expected; nothing was written.
    #[error("{} was changed by another program meanwhile", .path.display())]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
    },
    /// The file has to be replaced or removed as a whole, but a program has it open and would not notice.
    #[error("{} cannot be replaced or removed while it is open in {by}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The programs.
        by: String,
    },
    /// The file has to be replaced or removed as a whole, but something is mounted on its name.
    #[error("{} cannot be replaced or removed: it is mounted there by itself", .path.display())]
    Mounted {
        /// The file.
        path: PathBuf,
    },
    /// The pages cannot be written in place; [`write_new`] can.
    #[error("{} cannot be written in place: {reason}", .path.display())]
    Unsuited {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: Unsuited,
    },
    /// The user asked to stop; nothing was written.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The state to write cannot be read.
    #[error("cannot read the pages to write into {}", .path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: SourceError,
    },
    /// Writing failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}
