//! The newest state of a worktree file that a session of `graft sql` stored: `captured/<VolumeId>`.
//!
//! It is not staged, but whoever looks at the file next need not read it: if the file looks as it did when it had this state, that
//! is the state. Where it does not, because the session was killed or another program wrote to the file, it is what the file is compared
//! with, so that only what changed since is stored again. A hint, never needed: one that is damaged or missing costs a scan.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{ObjectId, Snapshot, VolumeId, cbor};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::fingerprint::Fingerprint;
use crate::util::fs::{self as durable, TempFile};
use crate::util::lock::FileLock;

const FOLDER: &str = "captured";

/// A state and what the file looked like when it had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastState {
    /// The state that was staged when the session began.
    pub staged: ObjectId,
    /// The state.
    pub snapshot: Snapshot,
    /// What the file looked like; unknown if that was too recent to be trusted.
    pub fingerprint: Option<Fingerprint>,
}

impl Repository {
    /// Returns what is remembered of a volume's file.
    pub(in crate::repo) fn last_state(&self, volume: VolumeId) -> Option<LastState> {
        let bytes = fs::read(self.last_state_file(volume)).ok()?;
        let (sum, body) = bytes.split_at_checked(32)?;
        let state: LastState = cbor::decode(body).ok().filter(|_| blake3::hash(body).as_bytes() == sum)?;
        (state.snapshot.volume == volume && state.snapshot.is_consistent()).then_some(state)
    }

    /// Remembers a state that is published.
    pub(in crate::repo) fn remember_state(&self, state: &LastState, _lock: &FileLock) -> Result<()> {
        let path = self.last_state_file(state.snapshot.volume);
        let failed = |e: io::Error| RepoError::file("write", &path)(e);
        durable::create_dir_all(&self.dir().join(FOLDER)).map_err(failed)?;
        let body = cbor::encode(state);
        let bytes = [blake3::hash(&body).as_bytes().as_slice(), &body].concat();
        // A hint with a checksum has no need to be on disk.
        let mut file = TempFile::create_in(&self.tmp()).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.persist_relaxed(&path)).map_err(failed)
    }

    fn last_state_file(&self, volume: VolumeId) -> PathBuf {
        self.dir().join(FOLDER).join(volume.to_string())
    }
}
