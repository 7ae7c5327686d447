//! Volumes of the store as SQL opens them: one storage commit per transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::model::{FileKind, PAGE_SIZE, PageIdx, PageSource, RepoPath, Snapshot, SourceError, VolumeId};
use crate::repo::Repository;
use crate::repo::volume::autosync::Autosync;
use crate::repo::worktree::unmaterialized::Unmaterialized;
use crate::sqlite::sql::volumes::{DirtyPages, VolumeFile, Volumes};
use crate::store::{OpenSnapshot, PageRuns, Store, VolumeError};
use crate::util::lock::FileLock;

/// Pages handed on in one piece.
const RUN: usize = 64;

/// The volumes of one repository: those that are no files, by id or tag, and tracked files that are not materialized, by path.
pub struct StoreVolumes {
    repo: Arc<Repository>,
    autosync: Arc<Autosync>,
}

impl StoreVolumes {
    /// Serves the volumes of a repository, and says to `autosync` what is written.
    pub fn new(repo: Arc<Repository>, autosync: Arc<Autosync>) -> Self {
        Self { repo, autosync }
    }
}

/// How the names begin under which files that are not materialized are served; no tag has a colon.
const PATH: &str = "path:";

/// Returns the name under which a file that is not materialized is served.
pub fn name_of(path: &RepoPath) -> String {
    format!("{PATH}{path}")
}

impl Volumes for StoreVolumes {
    fn open(&self, name: &str) -> Result<Box<dyn VolumeFile>, SourceError> {
        let store = self.repo.store().clone();
        let (id, of) = match name.strip_prefix(PATH) {
            Some(path) => {
                let path = RepoPath::new(path)?;
                (self.repo.newest_of(&path)?.volume, Some((Arc::clone(&self.repo), path)))
            }
            None => (store.find_volume(name)?.id, None),
        };
        let autosync = Arc::clone(&self.autosync);
        Ok(Box::new(StoreVolume { store, id, of, autosync, seen: None, lock: None }))
    }
}

/// Why a file that is not materialized cannot be used as a volume.
#[derive(Debug, thiserror::Error)]
enum NotAVolume {
    #[error("'{0}' is an ordinary file by now")]
    Materialized(RepoPath),
    #[error("another state of '{0}' was brought there")]
    Moved(RepoPath),
}

impl Repository {
    /// Returns what a file holds that is not materialized.
    fn newest_of(&self, path: &RepoPath) -> Result<Snapshot, SourceError> {
        match self.unmaterialized(path)? {
            Some(Unmaterialized { snapshot, .. }) => Ok(snapshot),
            None => Err(NotAVolume::Materialized(path.clone()).into()),
        }
    }

    /// Writes to a file that is not materialized as [`Store::write_volume`] does.
    fn write_unmaterialized(
        &self,
        path: &RepoPath,
        seen: &Snapshot,
        byte_len: u64,
        runs: PageRuns,
    ) -> Result<Snapshot, SourceError> {
        let lock = self.lock()?;
        if self.newest_of(path)? != *seen {
            return Err(NotAVolume::Moved(path.clone()).into());
        }
        let snapshot = self.store().write_upon(&lock, seen, FileKind::Sqlite, byte_len, runs)?;
        self.store().set_head(path, &snapshot, &lock)?;
        Ok(snapshot)
    }
}

struct StoreVolume {
    store: Store,
    id: VolumeId,
    /// The file that it is the content of.
    of: Option<(Arc<Repository>, RepoPath)>,
    /// Is told what is written to other volumes.
    autosync: Arc<Autosync>,
    /// The state that the connection sees.
    seen: Option<(Snapshot, Arc<Released>)>,
    /// Held while a transaction writes.
    lock: Option<FileLock>,
}

impl StoreVolume {
    fn newest(&self) -> Result<Snapshot, SourceError> {
        if let Some((repo, path)) = &self.of {
            return repo.newest_of(path);
        }
        let state = self.store.volume_state(self.id)?;
        Ok(state.ok_or_else(|| VolumeError::NotFound(self.id.to_string()))?.snapshot)
    }

    fn see(&mut self, snapshot: Snapshot) -> Result<Arc<dyn PageSource>, SourceError> {
        let open = match &self.seen {
            Some((seen, open)) if *seen == snapshot => Arc::clone(open),
            _ => {
                let open = Arc::new(self.store.open_snapshot(snapshot.clone())?);
                self.store.release();
                Arc::new(Released::new(open, self.store.clone()))
            }
        };
        self.seen = Some((snapshot, Arc::clone(&open)));
        Ok(open)
    }
}

impl VolumeFile for StoreVolume {
    fn refresh(&mut self) -> Result<Arc<dyn PageSource>, SourceError> {
        let newest = self.newest()?;
        self.see(newest)
    }

    fn reserve(&mut self) -> Result<bool, SourceError> {
        let lock = match &self.of {
            Some((_, path)) => self.store.try_lock_head(path)?,
            None => self.store.try_lock_volume(self.id)?,
        };
        let Some(lock) = lock else { return Ok(false) };
        // A transaction that has read an older state must not write on top of a newer one.
        if self.seen.as_ref().is_none_or(|(seen, _)| self.newest().is_ok_and(|newest| newest != *seen)) {
            return Ok(false);
        }
        self.lock = Some(lock);
        Ok(true)
    }

    fn release(&mut self) {
        self.lock = None;
    }

    fn commit(&mut self, byte_len: u64, pages: DirtyPages) -> Result<Arc<dyn PageSource>, SourceError> {
        let Some((seen, _)) = self.seen.as_ref().filter(|_| self.lock.is_some()) else {
            return Err("the volume is not reserved".into());
        };
        let mut runs: PageRuns = Vec::new();
        for (idx, page) in pages {
            match runs.last_mut() {
                Some((first, bytes)) if follows(*first, bytes, idx) => bytes.extend_from_slice(page.as_slice()),
                _ => runs.push((idx, page.to_vec())),
            }
        }
        let written = match &self.of {
            Some((repo, path)) => repo.write_unmaterialized(path, seen, byte_len, runs)?,
            None => {
                let written = self.store.write_volume(seen, FileKind::Sqlite, byte_len, runs)?;
                self.autosync.note(self.id);
                written
            }
        };
        self.see(written)
    }
}

/// Tells whether a page comes next in a run that may grow.
fn follows(first: PageIdx, bytes: &[u8], next: PageIdx) -> bool {
    let count = bytes.len() / PAGE_SIZE;
    count < RUN && u64::from(first.get()) + count as u64 == u64::from(next.get())
}

/// Reads after which it pays to know where every page lies.
const MANY: u32 = 64;

/// A snapshot that keeps the store's index open for no longer than one read: a user may leave a session as it is.
pub(in crate::repo) struct Released {
    open: Arc<OpenSnapshot>,
    store: Store,
    reads: AtomicU32,
}

impl Released {
    pub fn new(open: Arc<OpenSnapshot>, store: Store) -> Self {
        Self { open, store, reads: AtomicU32::new(0) }
    }
}

impl PageSource for Released {
    fn byte_len(&self) -> u64 {
        self.open.byte_len()
    }

    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
        if self.reads.fetch_add(1, Ordering::Relaxed) == MANY {
            self.open.prepare_scan()?;
        }
        let done = self.open.read(first, out);
        self.store.release();
        Ok(done?)
    }
}
