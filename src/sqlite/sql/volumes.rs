//! Volumes as databases: `file:graft-volume:NAME?vfs=graft`, read and written without a file.
//!
//! Whoever knows the storage log serves them here. Every transaction that SQLite commits is one call of [`VolumeFile::commit`], which
//! returns when it is durable. A URI made by [`uri`] says whose volume is meant: no repository answers for another one that is open in the
//! same process.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Which of the repositories that are open in this process is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedBy(u64);

#[derive(Clone)]
struct Served {
    volumes: Arc<dyn Volumes>,
    /// Only a URI of [`uri`] opens them.
    is_private: bool,
}

static SERVED: Mutex<BTreeMap<u64, Served>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Volumes that can be opened as long as this lives.
pub struct Serving(ServedBy);

/// Serves the volumes of a repository.
pub fn serve(volumes: Arc<dyn Volumes>) -> Serving {
    add(Served { volumes, is_private: false })
}

/// Serves volumes that are nobody else's: a name that does not say whose it is never means one of them.
pub fn serve_private(volumes: Arc<dyn Volumes>) -> Serving {
    add(Served { volumes, is_private: true })
}

fn add(volumes: Served) -> Serving {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    served().insert(id, volumes);
    Serving(ServedBy(id))
}

impl Serving {
    /// Returns what names these volumes and no others.
    pub fn served_by(&self) -> ServedBy {
        self.0
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        served().remove(&self.0.0);
    }
}

fn served() -> MutexGuard<'static, BTreeMap<u64, Served>> {
    SERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The parameter of a URI that says whose volume it is.
pub(in crate::sqlite) const SERVED_BY: &CStr = c"repository";

/// Opens what a name says. Without a word on whose it is, there must be one repository only.
pub(in crate::sqlite) fn open(name: &str, by: Option<&str>) -> Result<Box<dyn VolumeFile>, SourceError> {
    let found = match by {
        Some(id) => served().get(&id.parse()?).cloned().ok_or("the repository of the volume is not open")?,
        None => {
            let served = served();
            let mut all = served.values().filter(|s| !s.is_private);
            match (all.next(), all.next()) {
                (Some(only), None) => only.clone(),
                (None, _) => return Err("no repository is open".into()),
                (Some(_), Some(_)) => {
                    return Err("several repositories are open, and the name does not say which".into());
                }
            }
        }
    };
    found.volumes.open(name)
}

/// Returns the URI of a volume.
pub fn uri(name: &str, by: ServedBy) -> String {
    let mut uri = format!("file:{}", crate::sqlite::vfs_volume::PREFIX);
    crate::sqlite::attach::escape(&mut uri, name.as_bytes());
    format!("{uri}?vfs=graft&repository={}", by.0)
}
