//! Writing a stored state to a file outside the worktree, or to a stream.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{ObjectId, PageSource, Snapshot};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::monitor::Work;
use crate::repo::state::objects::ObjectReader;
use crate::sqlite::materialize::{self, WriteOptions};
use crate::store::OpenSnapshot;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOutcome {
    /// Bytes of the file.
    pub byte_len: u64,
    /// Its pages.
    pub page_count: u32,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is something at the destination.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The destination is a folder.
    #[error("{} is a folder", .0.display())]
    IsFolder(PathBuf),
}

impl Repository {
    /// Opens the snapshot with an id for reading.
    pub fn open_snapshot(&self, id: &ObjectId) -> Result<Arc<OpenSnapshot>> {
        Ok(Arc::new(self.store().open_snapshot(self.snapshot(id)?)?))
    }

    /// Writes a snapshot, byte for byte, as a new file; with `force` over what is there.
    pub fn export(&self, snapshot: &ObjectId, to: &Path, force: bool) -> Result<ExportOutcome> {
        self.export_state(self.snapshot(snapshot)?, to, force)
    }

    /// As [`Repository::export`], of a state that need not be an object, as that of a volume.
    pub fn export_state(&self, state: Snapshot, to: &Path, force: bool) -> Result<ExportOutcome> {
        let open = || -> Result<OpenSnapshot> { Ok(self.store().open_snapshot(state)?) };
        if to.is_dir() {
            return Err(ExportError::IsFolder(to.to_owned()).into());
        }
        if fs::metadata(to).is_ok_and(|m| !m.is_file()) {
            // A device or a pipe is written into; there is nothing to replace.
            let mut out = OpenOptions::new().write(true).open(to).map_err(RepoError::file("open", to))?;
            return self.export_open(&open()?, to, &mut out);
        }
        if !force && to.symlink_metadata().is_ok() {
            return Err(ExportError::Exists(to.to_owned()).into());
        }
        let open = open()?;
        self.store().release();
        let _work = Work::start(self.monitor(), &format!("Exporting {}", to.display()), Some(open.byte_len()));
        let tmp = self.tmp();
        let on_progress = |n| self.monitor().advance(n);
        let options = WriteOptions {
            busy_timeout: self.settings().busy_timeout,
            on_progress: &on_progress,
            ..WriteOptions::new(&tmp)
        };
        let written = materialize::export(&open, to, &options)?;
        Ok(ExportOutcome { byte_len: written.byte_len, page_count: open.page_count() })
    }

    /// Writes a snapshot, byte for byte, to a stream; `name` is what errors call it.
    pub fn export_to(&self, snapshot: &ObjectId, name: &Path, out: &mut dyn Write) -> Result<ExportOutcome> {
        self.export_open(self.open_snapshot(snapshot)?.as_ref(), name, out)
    }

    fn export_open(&self, open: &OpenSnapshot, name: &Path, out: &mut dyn Write) -> Result<ExportOutcome> {
        self.store().release();
        let byte_len = materialize::export_to(open, name, out)?;
        Ok(ExportOutcome { byte_len, page_count: open.page_count() })
    }
}
