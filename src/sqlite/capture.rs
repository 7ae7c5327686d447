//! Capture: streams the bytes of a database as one read transaction sees them.
//!
//! What comes out is what the file would hold with every committed transaction in it: WAL frames included, hot journals
//! rolled back, nothing of transactions still running. Where no WAL is pending these are the bytes of the file: also
//! those behind the last page, which SQLite ignores and some programs preallocate. The lock-byte page reads as zeros.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use super::attach::{Attached, Busy, Purpose};
use super::error::{CaptureError, DatabaseError};
use super::holders::{LockHolders, sidecar};
use crate::model::{PAGE_SIZE, PageIdx};
use crate::util::interrupt;

/// Bytes handed out at a time; a multiple of every page size.
pub const CHUNK_LEN: usize = 256 << 10;

/// Bytes of a WAL without frames.
const WAL_HEADER_LEN: u64 = 32;

/// How to scan.
#[derive(Clone, Copy)]
pub struct ScanOptions<'a> {
    /// How long to wait for a lock.
    pub busy_timeout: Duration,
    /// Called once, after a second of waiting, with those who hold the file.
    pub on_wait: &'a dyn Fn(&LockHolders),
}

/// What a scan hands out.
#[derive(Debug)]
pub enum ScanChunk<'a> {
    /// Comes first.
    Start {
        /// Bytes of the database in this state.
        byte_len: u64,
        /// SQLite's page size in bytes.
        page_size: u32,
    },
    /// Comes in order, without gaps, until the end.
    Pages {
        /// The first page.
        first: PageIdx,
        /// Whole pages; the last page of the database padded with zeros. The receiver may take the buffer and leave
        /// any other in its place, whose capacity is used again.
        bytes: &'a mut Vec<u8>,
    },
}

/// What a scan has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Bytes of the database.
    pub byte_len: u64,
    /// SQLite's page size in bytes.
    pub page_size: u32,
    /// Everything was handed out; false if the receiver stopped early.
    pub complete: bool,
}

/// Streams the current state of a database to `sink`, which may stop early.
///
/// Takes no lock that keeps others from reading or writing, except that in rollback mode a writer waits with its commit
/// until the scan is over. Leaves the file, its `-wal` and its `-shm` as they were.
pub fn scan(
    path: &Path,
    opts: &ScanOptions<'_>,
    sink: &mut dyn FnMut(ScanChunk<'_>) -> ControlFlow<()>,
) -> Result<Scanned, CaptureError> {
    let busy = Busy { timeout: opts.busy_timeout, on_wait: opts.on_wait };
    let db = Attached::open(path, Purpose::Read, busy)?;
    let mut tail = None;
    let result = scan_attached(&db, path, busy, sink, &mut tail);
    // Closes the database before the descriptor in `tail`: the other way round would drop SQLite's locks.
    db.close();
    drop(tail);
    result
}

fn scan_attached(
    db: &Attached,
    path: &Path,
    busy: Busy<'_>,
    sink: &mut dyn FnMut(ScanChunk<'_>) -> ControlFlow<()>,
    tail: &mut Option<File>,
) -> Result<Scanned, CaptureError> {
    db.execute("BEGIN; SELECT 1 FROM g.sqlite_schema LIMIT 1", busy)?;
    scan_transaction(db, path, sink, tail)
}

/// Streams what the open transaction of a connection sees. `tail` gets a descriptor on the file if one had to be opened, which
/// must outlive the connection: closing it would drop SQLite's locks.
pub(super) fn scan_transaction(
    db: &Attached,
    path: &Path,
    sink: &mut dyn FnMut(ScanChunk<'_>) -> ControlFlow<()>,
    tail: &mut Option<File>,
) -> Result<Scanned, CaptureError> {
    let page_size = db.page_size()?;
    let database_len = u64::from(db.page_count()?) * u64::from(page_size);
    let byte_len = byte_len(path, database_len)?;
    let mut out = Chunks { buf: Vec::with_capacity(CHUNK_LEN), next: PageIdx::FIRST, sink };
    let mut scanned = Scanned { byte_len, page_size, complete: false };
    if (out.sink)(ScanChunk::Start { byte_len, page_size }).is_break() {
        return Ok(scanned);
    }
    let mut statement =
        db.conn().prepare("SELECT data FROM sqlite_dbpage WHERE schema = 'g'").map_err(|e| db.error(e))?;
    let mut rows = statement.query([]).map_err(|e| db.error(e))?;
    let mut len = 0;
    while let Some(row) = rows.next().map_err(|e| db.error(e))? {
        let page = row.get_ref(0).and_then(|v| Ok(v.as_blob()?)).map_err(|e| db.error(e))?;
        len += page.len() as u64;
        if len % CHUNK_LEN as u64 == 0 {
            interrupt::check()?;
        }
        if out.push(page).is_break() {
            return Ok(scanned);
        }
    }
    if len != database_len {
        let detail = format!("{len} bytes of pages instead of {database_len}");
        return Err(DatabaseError::Malformed { path: path.into(), detail });
    }
    if byte_len > database_len {
        let file = File::open(path).map_err(|e| DatabaseError::io(path, e))?;
        if copy_tail(tail.insert(file), database_len..byte_len, &mut out)
            .map_err(|e| DatabaseError::io(path, e))?
            .is_break()
        {
            return Ok(scanned);
        }
    }
    scanned.complete = out.finish().is_continue();
    Ok(scanned)
}

/// Returns the length of what is captured; fails if the file lacks pages.
///
/// While a WAL has frames the file may be shorter or longer than the database, and only the pages count.
pub(super) fn byte_len(path: &Path, database_len: u64) -> Result<u64, CaptureError> {
    let file_len = fs::metadata(path).map_err(|e| DatabaseError::io(path, e))?.len();
    if fs::metadata(sidecar(path, "-wal")).is_ok_and(|m| m.len() > WAL_HEADER_LEN) {
        return Ok(database_len);
    }
    if file_len < database_len {
        return Err(DatabaseError::Truncated { path: path.into(), expected: database_len, found: file_len });
    }
    Ok(file_len)
}

fn copy_tail(file: &mut File, range: std::ops::Range<u64>, out: &mut Chunks<'_>) -> io::Result<ControlFlow<()>> {
    file.seek(SeekFrom::Start(range.start))?;
    let mut buf = vec![0; PAGE_SIZE];
    let mut left = range.end - range.start;
    while left > 0 {
        let part = &mut buf[..left.min(PAGE_SIZE as u64) as usize];
        file.read_exact(part)?;
        left -= part.len() as u64;
        if out.push(part).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Cuts a stream of bytes into runs of whole pages.
struct Chunks<'a> {
    buf: Vec<u8>,
    next: PageIdx,
    sink: &'a mut dyn FnMut(ScanChunk<'_>) -> ControlFlow<()>,
}

impl Chunks<'_> {
    /// Takes bytes of any number: those behind the last page begin anywhere in one of ours.
    fn push(&mut self, mut bytes: &[u8]) -> ControlFlow<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_LEN - self.buf.len()));
            self.buf.extend_from_slice(now);
            bytes = later;
            if self.buf.len() == CHUNK_LEN && self.flush().is_break() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let pages = self.buf.len() / PAGE_SIZE;
        let flow = (self.sink)(ScanChunk::Pages { first: self.next, bytes: &mut self.buf });
        self.next = PageIdx::new(self.next.get() + pages as u32).expect("it only grows");
        self.buf.clear();
        self.buf.reserve(CHUNK_LEN);
        flow
    }

    fn finish(&mut self) -> ControlFlow<()> {
        if self.buf.is_empty() {
            return ControlFlow::Continue(());
        }
        self.buf.resize(self.buf.len().next_multiple_of(PAGE_SIZE), 0);
        self.flush()
    }
}
