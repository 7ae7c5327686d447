//! The part of the file system `graft` that writes: databases that live in volumes of the storage log.
//!
//! A transaction's pages are gathered in memory and handed on when SQLite asks for them to be synced, which it does once, before it
//! counts the transaction as committed: then they are one storage commit, durable, or the commit fails and SQLite rolls back. Nothing is
//! visible before. What SQLite writes and takes back (a rollback, a savepoint) never leaves this process; the rollback journal is
//! therefore a buffer in memory, and there is never a hot one. Readers see the state of when they began. There is no shared memory,
//! hence no WAL.

use std::ffi::{CStr, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::{ptr, slice};

use rusqlite::ffi;

use super::sql::volumes::{self, DirtyPages, VolumeFile};
use super::vfs::{caught, keep_error};
use crate::model::page::ZERO_PAGE;
use crate::model::{PAGE_SIZE, PageBuf, PageIdx, PageSource, SourceError};

/// How the names of volumes begin.
pub const PREFIX: &str = "graft-volume:";
/// The bytes SQLite has to set aside for an open file.
pub const FILE_SIZE: usize = size_of::<File>();

/// An open file. SQLite allocates it and sees only `base`.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    state: *mut State,
}

enum State {
    Database(Database),
    /// A journal.
    Buffer(Vec<u8>),
}

struct Database {
    file: Box<dyn VolumeFile>,
    /// The committed state that this connection sees.
    seen: Arc<dyn PageSource>,
    /// What the open transaction wrote.
    dirty: DirtyPages,
    /// Bytes of the file as the open transaction has it.
    byte_len: u64,
    /// The least it has had: what the state holds beyond is gone.
    least: u64,
    lock: c_int,
    read_only: bool,
    /// Somebody else has moved the volume since this connection read its first page.
    is_moved: bool,
}

/// Where SQLite looks, and for how many bytes, to learn whether the pages it keeps still hold: the change counter and what follows.
const VERSION: (u64, usize) = (24, 16);

/// Where a database says which journal mode it is in: 1 is rollback, 2 is WAL.
const JOURNAL_MODE: [u64; 2] = [18, 19];

impl Database {
    fn begin(&mut self, seen: Arc<dyn PageSource>) {
        self.byte_len = seen.byte_len();
        self.least = self.byte_len;
        self.seen = seen;
        self.dirty.clear();
    }

    fn page(&self, idx: PageIdx) -> Result<PageBuf, SourceError> {
        if let Some(page) = self.dirty.get(&idx) {
            return Ok(**page);
        }
        let mut page = ZERO_PAGE;
        let start = idx.byte_offset();
        if start < self.least {
            self.seen.read_pages(idx, &mut page)?;
            let kept = (self.least - start).min(PAGE_SIZE as u64) as usize;
            page[kept..].fill(0);
        }
        Ok(page)
    }

    fn read(&mut self, out: &mut [u8], offset: u64) -> Result<bool, SourceError> {
        if self.dirty.is_empty()
            && offset.is_multiple_of(PAGE_SIZE as u64)
            && out.len() == PAGE_SIZE
            && self.least == self.byte_len
        {
            self.seen.read_pages(page_at(offset)?, out)?;
        } else {
            each_part(offset, out.len(), |idx, within, range| {
                out[range.clone()].copy_from_slice(&self.page(idx)?[within..within + range.len()]);
                Ok(())
            })?;
        }
        // There is no shared memory, so SQLite has to take a database in WAL mode for one in rollback mode.
        for at in JOURNAL_MODE {
            if let Some(byte) = at.checked_sub(offset).and_then(|n| out.get_mut(n as usize)) {
                *byte = (*byte).min(1);
            }
        }
        match (offset, out.len()) {
            // Another history may have counted the same, and SQLite would go on with the pages of this one.
            VERSION if self.is_moved => out.iter_mut().for_each(|byte| *byte = !*byte),
            (0, 512..) => self.is_moved = false,
            _ => {}
        }
        Ok(offset + out.len() as u64 <= self.byte_len)
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), SourceError> {
        each_part(offset, bytes.len(), |idx, within, range| {
            if !self.dirty.contains_key(&idx) {
                let page = if range.len() == PAGE_SIZE { ZERO_PAGE } else { self.page(idx)? };
                self.dirty.insert(idx, Box::new(page));
            }
            let page = self.dirty.get_mut(&idx).expect("just put there");
            page[within..within + range.len()].copy_from_slice(&bytes[range]);
            Ok(())
        })?;
        if JOURNAL_MODE.iter().any(|at| (offset..offset + bytes.len() as u64).contains(at)) {
            self.keep_journal_mode()?;
        }
        self.byte_len = self.byte_len.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// Gives the first page the journal mode that it had before the transaction.
    fn keep_journal_mode(&mut self) -> Result<(), SourceError> {
        if self.seen.byte_len() < PAGE_SIZE as u64 {
            return Ok(());
        }
        let mut before = ZERO_PAGE;
        self.seen.read_pages(PageIdx::FIRST, &mut before)?;
        if let Some(page) = self.dirty.get_mut(&PageIdx::FIRST) {
            for at in JOURNAL_MODE {
                page[at as usize] = before[at as usize];
            }
        }
        Ok(())
    }

    fn truncate(&mut self, byte_len: u64) -> Result<(), SourceError> {
        if byte_len < self.byte_len {
            let whole = byte_len.div_ceil(PAGE_SIZE as u64);
            self.dirty.retain(|idx, _| u64::from(idx.get()) <= whole);
            self.least = self.least.min(byte_len);
            if let (Some(idx), rest @ 1..) = (PageIdx::of_offset(byte_len), (byte_len % PAGE_SIZE as u64) as usize)
                && let Some(page) = self.dirty.get_mut(&idx)
            {
                page[rest..].fill(0);
            }
        }
        self.byte_len = byte_len;
        Ok(())
    }

    /// Makes what was written the next state.
    fn commit(&mut self) -> Result<(), SourceError> {
        if self.dirty.is_empty() && self.byte_len == self.seen.byte_len() {
            return Ok(());
        }
        // SQLite cuts a file off only after the commit; here the commit says how long it is.
        if let Some(byte_len) = self.dirty.get(&PageIdx::FIRST).and_then(|page| length_by_header(page)) {
            self.truncate(byte_len.min(self.byte_len))?;
        }
        // What lay beyond a cut and was not written again reads as zeros from now on.
        if self.least < self.byte_len.min(self.seen.byte_len()) {
            let (first, last) = (self.least / PAGE_SIZE as u64, (self.byte_len - 1) / PAGE_SIZE as u64);
            for n in first..=last {
                let idx = page_at(n * PAGE_SIZE as u64)?;
                if !self.dirty.contains_key(&idx) {
                    let page = self.page(idx)?;
                    self.dirty.insert(idx, Box::new(page));
                }
            }
        }
        let pages = std::mem::take(&mut self.dirty);
        let seen = self.file.commit(self.byte_len, pages)?;
        self.begin(seen);
        Ok(())
    }

    fn lock(&mut self, wanted: c_int) -> Result<c_int, SourceError> {
        if wanted <= self.lock {
            return Ok(ffi::SQLITE_OK);
        }
        if self.lock == ffi::SQLITE_LOCK_NONE {
            let seen = self.file.refresh()?;
            self.is_moved |= !std::ptr::addr_eq(Arc::as_ptr(&seen), Arc::as_ptr(&self.seen));
            self.begin(seen);
        }
        if wanted >= ffi::SQLITE_LOCK_RESERVED && self.lock < ffi::SQLITE_LOCK_RESERVED {
            if self.read_only {
                return Ok(ffi::SQLITE_READONLY);
            }
            if !self.file.reserve()? {
                return Ok(ffi::SQLITE_BUSY);
            }
        }
        self.lock = wanted;
        Ok(ffi::SQLITE_OK)
    }

    fn unlock(&mut self, wanted: c_int) {
        if self.lock >= ffi::SQLITE_LOCK_RESERVED && wanted < ffi::SQLITE_LOCK_RESERVED {
            // What was not committed never was.
            let seen = Arc::clone(&self.seen);
            self.begin(seen);
            self.file.release();
        }
        self.lock = self.lock.min(wanted);
    }
}

/// Returns the length that the header of a database says, if it says so reliably.
fn length_by_header(page: &PageBuf) -> Option<u64> {
    let number = |at: usize| u32::from_be_bytes(page[at..at + 4].try_into().expect("4 bytes"));
    let size = match u16::from_be_bytes([page[16], page[17]]) {
        1 => 65536,
        n => u64::from(n),
    };
    let sound = page.starts_with(b"SQLite format 3\0") && size >= 512 && number(28) > 0 && number(24) == number(92);
    sound.then(|| u64::from(number(28)) * size)
}

/// Calls `take` for each page of a run of bytes: its number, where in it the bytes begin, and which of the bytes they are.
fn each_part(
    offset: u64,
    len: usize,
    mut take: impl FnMut(PageIdx, usize, std::ops::Range<usize>) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let mut done = 0;
    while done < len {
        let at = offset + done as u64;
        let within = (at % PAGE_SIZE as u64) as usize;
        let part = (PAGE_SIZE - within).min(len - done);
        take(page_at(at)?, within, done..done + part)?;
        done += part;
    }
    Ok(())
}

fn page_at(offset: u64) -> Result<PageIdx, SourceError> {
    PageIdx::of_offset(offset).ok_or_else(|| format!("no page at byte {offset}").into())
}

/// Runs what may fail or panic, neither of which may cross into C as such.
fn guarded(code: c_int, work: impl FnOnce() -> Result<c_int, SourceError>) -> c_int {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(code)) => code,
        Ok(Err(e)) => {
            keep_error(e);
            code
        }
        Err(_) => {
            keep_error("a volume failed unexpectedly".into());
            code
        }
    }
}

/// Opens a volume or a journal of one.
///
/// # Safety
/// `file` and `out_flags` are what SQLite hands to `xOpen`; the file has [`FILE_SIZE`] bytes.
pub unsafe fn open(
    name: &str,
    served_by: Option<&CStr>,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    guarded(ffi::SQLITE_CANTOPEN, || {
        let state = if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
            let served_by = served_by.map(CStr::to_str).transpose()?;
            let mut opened = volumes::open(name.strip_prefix(PREFIX).unwrap_or(name), served_by)?;
            let seen = opened.refresh()?;
            let byte_len = seen.byte_len();
            let read_only = flags & ffi::SQLITE_OPEN_READONLY != 0;
            let (dirty, lock) = (DirtyPages::new(), ffi::SQLITE_LOCK_NONE);
            State::Database(Database {
                file: opened,
                seen,
                dirty,
                byte_len,
                least: byte_len,
                lock,
                read_only,
                is_moved: false,
            })
        } else if flags & (ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL) != 0 {
            State::Buffer(Vec::new())
        } else {
            return Ok(ffi::SQLITE_CANTOPEN);
        };
        // SAFETY: by the contract of this function.
        unsafe {
            let own: *mut File = file.cast();
            (*own).state = Box::into_raw(Box::new(state));
            (*own).base.pMethods = &METHODS;
            if !out_flags.is_null() {
                *out_flags = flags;
            }
        }
        Ok(ffi::SQLITE_OK)
    })
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 1 has neither shared memory nor memory-mapped pages.
    iVersion: 1,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Returns what stands behind an open file.
///
/// # Safety
/// The file was opened by [`open`] and is not closed; SQLite uses a file from one thread at a time.
unsafe fn state<'a>(file: *mut ffi::sqlite3_file) -> &'a mut State {
    // SAFETY: by the contract of this function.
    unsafe { &mut *(*file.cast::<File>()).state }
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    caught(ffi::SQLITE_IOERR_CLOSE, || {
        // SAFETY: SQLite closes what was opened, once; the state came from a box.
        unsafe {
            let file: *mut File = file.cast();
            drop(Box::from_raw((*file).state));
            (*file).state = ptr::null_mut();
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn x_read(file: *mut ffi::sqlite3_file, out: *mut c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: the file is open, and `out` has room for `len` bytes of plain memory.
    let (state, out) = unsafe { (state(file), slice::from_raw_parts_mut(out.cast::<u8>(), len as usize)) };
    guarded(ffi::SQLITE_IOERR_READ, || {
        let offset = u64::try_from(offset)?;
        let whole = match state {
            State::Database(db) => db.read(out, offset)?,
            State::Buffer(bytes) => {
                let from = usize::try_from(offset)?.min(bytes.len());
                let part = out.len().min(bytes.len() - from);
                out[..part].copy_from_slice(&bytes[from..from + part]);
                out[part..].fill(0);
                part == out.len()
            }
        };
        Ok(if whole { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_SHORT_READ })
    })
}

unsafe extern "C" fn x_write(file: *mut ffi::sqlite3_file, bytes: *const c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: the file is open, and `bytes` are `len` bytes.
    let (state, bytes) = unsafe { (state(file), slice::from_raw_parts(bytes.cast::<u8>(), len as usize)) };
    guarded(ffi::SQLITE_IOERR_WRITE, || {
        let offset = u64::try_from(offset)?;
        match state {
            State::Database(db) if db.lock < ffi::SQLITE_LOCK_RESERVED => return Ok(ffi::SQLITE_READONLY),
            State::Database(db) => db.write(bytes, offset)?,
            State::Buffer(buffer) => {
                let from = usize::try_from(offset)?;
                let end = from + bytes.len();
                if buffer.len() < end {
                    buffer.resize(end, 0);
                }
                buffer[from..end].copy_from_slice(bytes);
            }
        }
        Ok(ffi::SQLITE_OK)
    })
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: the file is open.
    let state = unsafe { state(file) };
    guarded(ffi::SQLITE_IOERR_TRUNCATE, || {
        let len = u64::try_from(len)?;
        match state {
            State::Database(db) => db.truncate(len)?,
            State::Buffer(buffer) => buffer.truncate(usize::try_from(len)?),
        }
        Ok(ffi::SQLITE_OK)
    })
}

/// The pages went to the storage log at SQLITE_FCNTL_SYNC, which comes just before, also with `synchronous` off.
unsafe extern "C" fn x_sync(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    caught(ffi::SQLITE_IOERR_FSTAT, || {
        // SAFETY: the file is open, and `size` points to a number that SQLite owns.
        unsafe {
            *size = match state(file) {
                State::Database(db) => db.byte_len as i64,
                State::Buffer(buffer) => buffer.len() as i64,
            };
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn x_lock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: the file is open.
    let state = unsafe { state(file) };
    guarded(ffi::SQLITE_IOERR_LOCK, || match state {
        State::Database(db) => db.lock(wanted),
        State::Buffer(_) => Ok(ffi::SQLITE_OK),
    })
}

unsafe extern "C" fn x_unlock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: the file is open.
    let state = unsafe { state(file) };
    guarded(ffi::SQLITE_IOERR_UNLOCK, || {
        if let State::Database(db) = state {
            db.unlock(wanted);
        }
        Ok(ffi::SQLITE_OK)
    })
}

unsafe extern "C" fn x_check_reserved_lock(_: *mut ffi::sqlite3_file, result: *mut c_int) -> c_int {
    // SAFETY: `result` points to a number that SQLite owns. It is asked only about hot journals, and there are none.
    unsafe { *result = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_control(file: *mut ffi::sqlite3_file, op: c_int, _: *mut c_void) -> c_int {
    if op != ffi::SQLITE_FCNTL_SYNC {
        return ffi::SQLITE_NOTFOUND;
    }
    // SAFETY: the file is open.
    let state = unsafe { state(file) };
    guarded(ffi::SQLITE_IOERR_FSYNC, || match state {
        State::Database(db) => db.commit().map(|()| ffi::SQLITE_OK),
        State::Buffer(_) => Ok(ffi::SQLITE_OK),
    })
}

unsafe extern "C" fn x_sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    PAGE_SIZE as c_int
}

unsafe extern "C" fn x_device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    // What a power cut leaves is the state before: nothing needs to be safe against half-written sectors.
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SAFE_APPEND | ffi::SQLITE_IOCAP_SEQUENTIAL
}
