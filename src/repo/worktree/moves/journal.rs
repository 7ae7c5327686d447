//! The journal of a move, `.graft/moving`: JSON, there only while a move is going on or was interrupted.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::Signature;
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::operations::{Change, Named};
use crate::repo::state::refs::RefEdit;
use crate::util::fs as durable;

/// How far a move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Files are being written: an interrupted move is put back.
    Writing,
    /// All files are written: an interrupted move is completed.
    Written,
}

/// A move that is going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// How far it has come.
    pub phase: Phase,
    /// The operation that it belongs to.
    pub operation: Named,
    /// Who stands in the reflogs.
    pub who: Signature,
    /// The files that are written, in this order.
    pub files: Vec<Change>,
    /// What becomes of the index.
    pub index: Vec<Change>,
    /// What becomes of refs, in this order.
    pub refs: Vec<RefEdit>,
}

impl Repository {
    /// Reads the journal of the move that is going on or was interrupted; `None` if there is none.
    pub(super) fn read_journal(&self) -> Result<Option<Journal>> {
        let path = self.journal_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(RepoError::file("read", &path)(e)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| RepoError::file("read", &path)(e.into()))
    }

    /// Tells whether a move is going on or was interrupted.
    pub(super) fn is_moving(&self) -> bool {
        self.journal_path().exists()
    }

    pub(super) fn write_journal(&self, journal: &Journal) -> Result<()> {
        let path = self.journal_path();
        let bytes = serde_json::to_vec(journal).expect("plain data is always JSON");
        durable::replace(&path, &self.tmp(), &bytes).map_err(RepoError::file("write", &path))
    }

    pub(super) fn remove_journal(&self) -> Result<()> {
        let path = self.journal_path();
        durable::remove(&path).map_err(RepoError::file("remove", &path))
    }

    fn journal_path(&self) -> PathBuf {
        self.dir().join("moving")
    }
}
