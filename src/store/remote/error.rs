//! What can go wrong with a remote: the remote, the reason and, by its kind, the way out.

use std::path::PathBuf;

use super::url::UrlError;
use crate::model::object::ObjectError;
use crate::store::error::StoreError;
use crate::util::interrupt::Interrupted;
use crate::util::lock::LockError;

/// An error of a remote.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The URL or an option of it.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Nothing says who we are.
    #[error("no credentials for {url}")]
    NoCredentials {
        /// The remote.
        url: String,
        /// What would be one: variables of the environment and settings.
        wanted: &'static str,
    },
    /// The place refuses us.
    #[error("{url} refuses access to {key}")]
    Denied {
        /// The remote.
        url: String,
        /// What was asked for.
        key: String,
        /// What it says.
        source: Source,
    },
    /// The bucket, container or folder is not there.
    #[error("{url} does not exist")]
    NoPlace {
        /// The remote.
        url: String,
        /// What the place says, if anything.
        source: Option<Source>,
    },
    /// Nobody answers.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The remote.
        url: String,
        /// Why.
        source: Source,
    },
    /// The answer is an error.
    #[error("{url} fails on {key}")]
    Failed {
        /// The remote.
        url: String,
        /// What was asked for.
        key: String,
        /// What it says.
        source: Source,
    },
    /// An object that others need is not there.
    #[error("{url} has lost {key}")]
    Missing {
        /// The remote.
        url: String,
        /// The object.
        key: String,
    },
    /// An object is not what it should be.
    #[error("{key} at {url} is damaged: {what}")]
    Damaged {
        /// The remote.
        url: String,
        /// The object.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// There are objects, but none of Graft's.
    #[error("{url} is not a Graft remote: it holds {example} and no '{}'", super::ROOT)]
    NotARemote {
        /// The remote.
        url: String,
        /// The key of one of the objects.
        example: String,
    },
    /// It is a repository.
    #[error("{url} is a repository, not a remote")]
    Repository {
        /// The folder.
        url: String,
    },
    /// It was written by a newer Graft.
    #[error("{url} has format version {version}; this graft reads up to version {supported}")]
    NewerVersion {
        /// The remote.
        url: String,
        /// Its version.
        version: String,
        /// The newest version known here.
        supported: u32,
    },
    /// Others changed the remote again and again in the meantime.
    #[error("{url} keeps changing: gave up after {tries} tries")]
    Busy {
        /// The remote.
        url: String,
        /// How often was tried.
        tries: usize,
    },
    /// The refs of the remote would take more than a root may.
    #[error("the refs of {url} would take more than {limit} bytes, and nobody could read them")]
    TooManyRefs {
        /// The remote.
        url: String,
        /// How many bytes there may be.
        limit: u64,
    },
    /// The local store.
    #[error(transparent)]
    Store(#[from] Box<StoreError>),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The lock of a directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file, of a directory remote or read for an upload.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl From<StoreError> for RemoteError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<ObjectError> for RemoteError {
    fn from(error: ObjectError) -> Self {
        StoreError::Object(error).into()
    }
}

/// What lies behind an error.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// The result of an operation on a remote.
pub type Result<T, E = RemoteError> = std::result::Result<T, E>;
