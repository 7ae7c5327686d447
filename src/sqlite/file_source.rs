//! A database file as a page source: the state that one read transaction sees, for as long as the source lives.
//!
//! WAL frames are included, transactions still running are not. In rollback mode a writer waits with its commit until the
//! source is dropped. No descriptor of the file may be closed by this process meanwhile (see [`super::attach`]).

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::attach::{Attached, Busy, Purpose, READ};
use super::capture::CHUNK_LEN;
use super::error::DatabaseError;
use crate::model::{PAGE_SIZE, PageIdx, PageSource, SourceError};
use crate::util::interrupt;

/// A database file in an open read transaction.
pub struct FileSource {
    db: Mutex<Option<Attached>>,
    path: PathBuf,
    page_size: u32,
    sqlite_pages: u32,
}

impl FileSource {
    /// Opens the file and begins to read, waiting as `busy` says when it is locked.
    pub fn open(path: &Path, busy: Busy<'_>) -> Result<Self, DatabaseError> {
        let db = Attached::begin(path, Purpose::Read, READ, busy)?;
        let (page_size, sqlite_pages) = (db.page_size()?, db.page_count()?);
        Ok(Self { db: Mutex::new(Some(db)), path: path.to_owned(), page_size, sqlite_pages })
    }

    /// Hands out all pages in order, as runs of whole 4 KiB pages, the last one padded with zeros.
    pub fn for_each_run(&self, sink: &mut dyn FnMut(PageIdx, Vec<u8>) -> ControlFlow<()>) -> Result<(), DatabaseError> {
        let guard = self.lock();
        let db = guard.as_ref().expect("it is open until dropped");
        let mut statement =
            db.conn().prepare("SELECT data FROM sqlite_dbpage WHERE schema = 'g'").map_err(|e| db.error(e))?;
        let mut rows = statement.query([]).map_err(|e| db.error(e))?;
        let mut run = Vec::with_capacity(CHUNK_LEN);
        let mut first = PageIdx::FIRST;
        while let Some(row) = rows.next().map_err(|e| db.error(e))? {
            let page = row.get_ref(0).and_then(|v| Ok(v.as_blob()?)).map_err(|e| db.error(e))?;
            run.extend_from_slice(page);
            if run.len() >= CHUNK_LEN {
                interrupt::check()?;
                let next = PageIdx::new(first.get() + (run.len() / PAGE_SIZE) as u32).expect("it only grows");
                db.check_unlocked()?;
                if sink(first, std::mem::replace(&mut run, Vec::with_capacity(CHUNK_LEN))).is_break() {
                    return Ok(());
                }
                first = next;
            }
        }
        db.check_unlocked()?;
        if !run.is_empty() {
            run.resize(run.len().next_multiple_of(PAGE_SIZE), 0);
            let _ = sink(first, run);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Attached>> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, first: PageIdx, out: &mut [u8]) -> Result<(), DatabaseError> {
        let guard = self.lock();
        let db = guard.as_ref().expect("it is open until dropped");
        let mut statement = db
            .conn()
            .prepare_cached("SELECT data FROM sqlite_dbpage WHERE schema = 'g' AND pgno = ?1")
            .map_err(|e| db.error(e))?;
        out.fill(0);
        let size = u64::from(self.page_size);
        let start = first.byte_offset();
        let end = (start + out.len() as u64).min(self.byte_len());
        let mut at = start;
        while at < end {
            let number = at / size;
            let within = (at % size) as usize;
            let mut rows = statement.query([(number + 1) as i64]).map_err(|e| db.error(e))?;
            let Some(row) = rows.next().map_err(|e| db.error(e))? else {
                let detail = format!("page {} is missing", number + 1);
                return Err(DatabaseError::Malformed { path: self.path.clone(), detail });
            };
            let page = row.get_ref(0).and_then(|v| Ok(v.as_blob()?)).map_err(|e| db.error(e))?;
            let len = (page.len() - within).min((end - at) as usize);
            let to = (at - start) as usize;
            out[to..to + len].copy_from_slice(&page[within..within + len]);
            at += len as u64;
        }
        db.check_unlocked()
    }
}

impl PageSource for FileSource {
    fn byte_len(&self) -> u64 {
        u64::from(self.page_size) * u64::from(self.sqlite_pages)
    }

    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
        Ok(self.read(first, out)?)
    }
}

impl Drop for FileSource {
    fn drop(&mut self) {
        if let Some(db) = self.lock().take() {
            db.close();
        }
    }
}

/// The state of a file that is not there, or has no bytes.
pub struct EmptySource;

impl PageSource for EmptySource {
    fn byte_len(&self) -> u64 {
        0
    }

    fn read_pages(&self, _: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
        out.fill(0);
        Ok(())
    }
}
