//! Capture: streams the bytes of a database as one read transaction sees them.
//!
//! What comes out is what the file would hold with every committed transaction in it: WAL frames included, hot journals
//! rolled back, nothing of transactions still running. Where no WAL is pending these are the bytes of the file: also
//! those behind the last page, which SQLite ignores and some programs preallocate. The lock-byte page reads as zeros.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use super::attach::{Attached, Busy, Purpose, READ, has_frames};
use super::error::{CaptureError, DatabaseError};
use super::holders::LockHolders;
use super::pin::{FileId, Look};
use crate::model::{PAGE_SIZE, PageIdx};
use crate::util::interrupt;
use crate::util::stamp::WORTH_WAITING;

/// Bytes handed out at a time; a multiple of every page size.
pub const CHUNK_LEN: usize = 256 << 10;

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
    /// The file that was read.
    pub file: FileId,
    /// The bytes are those of the file alone: no log with transactions lies beside it.
    pub is_plain: bool,
    /// Everything was handed out; false if the receiver stopped early.
    pub complete: bool,
}

/// Streams the current state of a database to `sink`, which may stop early.
///
/// Takes no lock that keeps others from reading or writing, except that in rollback mode a writer waits with its commit
/// until the scan is over. Leaves the file, its `-wal` and its `-shm` as they were. What is handed out is one state that the file
/// had if the scan succeeds: programs that replace it, or write to it without SQLite's locks, make it fail with
/// [`DatabaseError::Overwritten`], or with what SQLite says of half a file.
pub fn scan(
    path: &Path,
    opts: &ScanOptions<'_>,
    sink: &mut dyn FnMut(ScanChunk<'_>) -> ControlFlow<()>,
) -> Result<Scanned, CaptureError> {
    let busy = Busy { timeout: opts.busy_timeout, on_wait: opts.on_wait };
    let db = Attached::begin(path, Purpose::Read, READ, busy)?;
    let result = scan_steadily(&db, path, busy, sink);
    db.close();
    result
}

fn scan_steadily(
    db: &Attached,
    path: &Path,
    busy: Busy<'_>,
    sink: &mut dyn FnMut(ScanChunk<'_>) -> ControlFlow<()>,
) -> Result<Scanned, CaptureError> {
    let before = look(db, path)?;
    let scanned = scan_transaction(db, path, sink)?;
    if scanned.complete && !scanned.is_plain && look(db, path)? != before {
        // Another connection may copy its log into the file at any time, which changes nothing of what is read.
        db.execute("COMMIT", busy)?;
        if !db.was_checkpointed() {
            return Err(DatabaseError::Overwritten { path: path.into() });
        }
    }
    Ok(scanned)
}

/// Streams what the open transaction of a connection sees. Fails if the file was written to meanwhile, unless a log lies beside it.
pub(super) fn scan_transaction(
    db: &Attached,
    path: &Path,
    sink: &mut dyn FnMut(ScanChunk<'_>) -> ControlFlow<()>,
) -> Result<Scanned, CaptureError> {
    let page_size = db.page_size()?;
    let database_len = u64::from(db.page_count()?) * u64::from(page_size);
    // Without a log nobody writes to the file while it is read, unless they do without locks.
    let is_plain = !has_frames(path);
    let before = look(db, path)?;
    let byte_len = if is_plain { before.len } else { database_len };
    if database_len == 0 {
        // It began like a database a moment ago.
        return Err(DatabaseError::Overwritten { path: path.into() });
    }
    if byte_len < database_len {
        return Err(DatabaseError::Truncated { path: path.into(), expected: database_len, found: byte_len });
    }
    // Where a later write might leave the time stamp as it is, the file is read twice.
    let sum = (is_plain && !db.pin().is_settled(&before) && byte_len < WORTH_WAITING).then(blake3::Hasher::new);
    let mut out = Chunks { buf: Vec::with_capacity(CHUNK_LEN), next: PageIdx::FIRST, sum, sink };
    let mut scanned = Scanned { byte_len, page_size, file: db.pin().id(), is_plain, complete: false };
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
    let failed = |e| DatabaseError::io(path, e);
    // Those behind the last page.
    let mut flow = ControlFlow::Continue(());
    let read = db.pin().read(database_len..byte_len, &mut |bytes| {
        flow = out.push(bytes);
        flow
    });
    read.map_err(failed)?;
    if flow.is_break() {
        return Ok(scanned);
    }
    let sum = out.sum.take();
    scanned.complete = out.finish().is_continue();
    if is_plain && !(look(db, path)? == before && is_as_read(db, byte_len, sum).map_err(failed)?) {
        return Err(DatabaseError::Overwritten { path: path.into() });
    }
    Ok(scanned)
}

fn look(db: &Attached, path: &Path) -> Result<Look, DatabaseError> {
    db.pin().look().map_err(|e| DatabaseError::io(path, e))
}

/// Tells whether the bytes of the file are still those that were read, if it is not certain that a write would have shown.
fn is_as_read(db: &Attached, byte_len: u64, read: Option<blake3::Hasher>) -> io::Result<bool> {
    let Some(read) = read else { return Ok(true) };
    let mut now = blake3::Hasher::new();
    db.pin().read(0..byte_len, &mut |bytes| {
        now.update(bytes);
        ControlFlow::Continue(())
    })?;
    Ok(now.finalize() == read.finalize())
}

/// Cuts a stream of bytes into runs of whole pages.
struct Chunks<'a> {
    buf: Vec<u8>,
    next: PageIdx,
    /// What has been handed out, where that is compared with the file afterwards.
    sum: Option<blake3::Hasher>,
    sink: &'a mut dyn FnMut(ScanChunk<'_>) -> ControlFlow<()>,
}

impl Chunks<'_> {
    /// Takes bytes of any number: those behind the last page begin anywhere in one of ours.
    fn push(&mut self, mut bytes: &[u8]) -> ControlFlow<()> {
        if let Some(sum) = &mut self.sum {
            sum.update(bytes);
        }
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
