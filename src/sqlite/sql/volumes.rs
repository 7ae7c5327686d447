//! Volumes as databases: `file:graft-volume:NAME?vfs=graft`, read and written without a file.
//!
//! Whoever knows the storage log serves them here. Every transaction that SQLite commits is one call of [`VolumeFile::commit`], which
//! returns when it is durable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{PageBuf, PageIdx, PageSource, SourceError};

/// The pages that a transaction wrote.
pub type DirtyPages = BTreeMap<PageIdx, Box<PageBuf>>;

/// Opens volumes by name.
pub trait Volumes: Send + Sync {
    /// Opens a volume.
    fn open(&self, name: &str) -> Result<Box<dyn VolumeFile>, SourceError>;
}

/// An open volume. Its state changes only where that is said.
pub trait VolumeFile: Send {
    /// Moves to the newest state and returns it: the same source as before if nobody has written. A reader keeps what it got, whatever
    /// others commit.
    fn refresh(&mut self) -> Result<Arc<dyn PageSource>, SourceError>;

    /// Keeps all other writers out; `false` if one is at work, or has committed since the last refresh.
    fn reserve(&mut self) -> Result<bool, SourceError>;

    /// Lets other writers in.
    fn release(&mut self);

    /// Makes pages the next state, all or nothing, durably, and moves to it. The volume is reserved.
    fn commit(&mut self, byte_len: u64, pages: DirtyPages) -> Result<Arc<dyn PageSource>, SourceError>;
}

static SERVED: Mutex<Vec<Arc<dyn Volumes>>> = Mutex::new(Vec::new());

/// Volumes that can be opened as long as this lives.
pub struct Serving(Arc<dyn Volumes>);

/// Serves volumes; those served last come first.
pub fn serve(volumes: Arc<dyn Volumes>) -> Serving {
    served().push(Arc::clone(&volumes));
    Serving(volumes)
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut served = served();
        if let Some(at) = served.iter().rposition(|v| Arc::ptr_eq(v, &self.0)) {
            served.remove(at);
        }
    }
}

fn served() -> MutexGuard<'static, Vec<Arc<dyn Volumes>>> {
    SERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens what a name says.
pub(in crate::sqlite) fn open(name: &str) -> Result<Box<dyn VolumeFile>, SourceError> {
    let all: Vec<Arc<dyn Volumes>> = served().iter().rev().cloned().collect();
    let mut failed: SourceError = "no repository is open".into();
    for volumes in all {
        match volumes.open(name) {
            Ok(file) => return Ok(file),
            Err(e) => failed = e,
        }
    }
    Err(failed)
}

/// Returns the URI of a volume.
pub fn uri(name: &str) -> String {
    let mut uri = format!("file:{}", crate::sqlite::vfs_volume::PREFIX);
    crate::sqlite::attach::escape(&mut uri, name.as_bytes());
    uri + "?vfs=graft"
}
