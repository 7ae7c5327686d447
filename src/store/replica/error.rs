//! What keeps a volume from being replicated.

use crate::model::Lsn;
use crate::store::remote::RemoteError;
use crate::store::{StoreError, VolumeError};
use crate::util::lock::LockError;

/// An error of replicating a volume.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The volume here.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The remote.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The volume goes with no remote.
    #[error("the volume '{0}' has no remote")]
    NotPaired(String),
    /// The volume goes with another remote.
    #[error("the volume '{volume}' goes with '{name}' of {remote}")]
    OtherRemote {
        /// The volume.
        volume: String,
        /// The remote that it goes with.
        remote: String,
        /// Its name there.
        name: String,
    },
    /// The name is taken on the remote.
    #[error("{url} has another volume '{name}' already")]
    Taken {
        /// The remote.
        url: String,
        /// The name.
        name: String,
    },
    /// A volume cannot be called that on a remote.
    #[error("'{0}' cannot be the name of a volume on a remote: letters, digits and . _ - only")]
    Name(String),
    /// The remote has no such volume.
    #[error("{url} has no volume '{name}'")]
    NoVolume {
        /// The remote.
        url: String,
        /// The name.
        name: String,
    },
    /// Somebody else has pushed in the meantime.
    #[error("'{name}' at {url} has LSN {lsn} already (fetch first)")]
    Moved {
        /// The remote.
        url: String,
        /// The name of the volume there.
        name: String,
        /// The position that was taken.
        lsn: Lsn,
    },
    /// Both sides have changed.
    #[error("'{volume}' and '{name}' of the remote have diverged: {ahead} and {behind} storage commits of their own")]
    Diverged {
        /// The volume.
        volume: String,
        /// Its name on the remote.
        name: String,
        /// Storage commits that only the volume has.
        ahead: u64,
        /// Storage commits that only the remote has.
        behind: u64,
    },
    /// A transaction is being written.
    #[error("a transaction is writing to the volume '{0}'")]
    Writing(String),
}

impl From<StoreError> for ReplicaError {
    fn from(error: StoreError) -> Self {
        Self::Volume(error.into())
    }
}

impl From<LockError> for ReplicaError {
    fn from(error: LockError) -> Self {
        StoreError::from(error).into()
    }
}
