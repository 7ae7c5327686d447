//! Volumes of the store as SQL opens them: one storage commit per transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::model::{FileKind, PAGE_SIZE, PageIdx, PageSource, Snapshot, SourceError, VolumeId};
use crate::sqlite::sql::volumes::{DirtyPages, VolumeFile, Volumes};
use crate::store::{OpenSnapshot, PageRuns, Store, VolumeError};
use crate::util::lock::FileLock;

/// Pages handed on in one piece.
const RUN: usize = 64;

/// The volumes of one store.
pub struct StoreVolumes {
    store: Store,
}

impl StoreVolumes {
    /// Serves the volumes of a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Volumes for StoreVolumes {
    fn open(&self, name: &str) -> Result<Box<dyn VolumeFile>, SourceError> {
        let id = self.store.find_volume(name)?.id;
        Ok(Box::new(StoreVolume { store: self.store.clone(), id, seen: None, lock: None }))
    }
}

struct StoreVolume {
    store: Store,
    id: VolumeId,
    /// The state that the connection sees.
    seen: Option<(Snapshot, Arc<OpenSnapshot>)>,
    /// Held while a transaction writes.
    lock: Option<FileLock>,
}

impl StoreVolume {
    fn newest(&self) -> Result<Snapshot, VolumeError> {
        let state = self.store.volume_state(self.id)?;
        Ok(state.ok_or_else(|| VolumeError::NotFound(self.id.to_string()))?.snapshot)
    }

    fn see(&mut self, snapshot: Snapshot) -> Result<Arc<dyn PageSource>, SourceError> {
        let open = match &self.seen {
            Some((seen, open)) if *seen == snapshot => Arc::clone(open),
            _ => Arc::new(self.store.open_snapshot(snapshot.clone())?),
        };
        self.store.release();
        self.seen = Some((snapshot, Arc::clone(&open)));
        Ok(Arc::new(Released::new(open, self.store.clone())))
    }
}

impl VolumeFile for StoreVolume {
    fn refresh(&mut self) -> Result<Arc<dyn PageSource>, SourceError> {
        let newest = self.newest()?;
        self.see(newest)
    }

    fn reserve(&mut self) -> Result<bool, SourceError> {
        let Some(lock) = self.store.try_lock_volume(self.id)? else { return Ok(false) };
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
        let written = self.store.write_volume(seen, FileKind::Sqlite, byte_len, runs)?;
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
pub(super) struct Released {
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
