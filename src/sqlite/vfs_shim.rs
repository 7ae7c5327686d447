//! A thin layer over the platform's file system that notes which pages of a database a connection writes.
//!
//! Everything is handed on to the file system below; locks, shared memory and memory mapping are its own, so other programs see an
//! ordinary SQLite. Only the database itself and its write-ahead log are looked at: writes to the database file, and the headers of
//! frames appended to the log, each of which names its page. What is noted is at least what was written: also what was
//! rolled back later. While a log is open, writes to the database file are those of a checkpoint, which changes nothing.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::{Connection, ffi};

use super::vfs::{self, caught, parent};
use crate::model::{PAGE_SIZE, PageIdx, PageSet};

/// The name under which SQLite knows it.
pub(super) const NAME: &CStr = c"graft-noting";

const WAL_HEADER: i64 = 32;
const FRAME_HEADER: i64 = 24;

/// What a connection wrote to one database.
#[derive(Default)]
pub(super) struct Written(Mutex<Notes>);

#[derive(Default)]
struct Notes {
    /// Pages of 4096 bytes.
    pages: PageSet,
    /// Something was written that cannot be told.
    unclear: bool,
    /// A transaction was committed.
    committed: bool,
    /// Logs that are open: none or one.
    logs: u32,
}

impl Written {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the pages written since they were last taken; `None` if not all of them are known.
    pub fn take(&self) -> Option<PageSet> {
        let mut notes = self.notes();
        let pages = std::mem::take(&mut notes.pages);
        (!std::mem::take(&mut notes.unclear)).then_some(pages)
    }

    /// Tells whether a transaction has been committed since this was last asked.
    pub fn take_committed(&self) -> bool {
        std::mem::take(&mut self.notes().committed)
    }

    /// Tells whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        let notes = self.notes();
        notes.pages.is_empty() && !notes.unclear
    }

    /// Tells whether the connection reads through a write-ahead log.
    pub fn has_log(&self) -> bool {
        self.notes().logs > 0
    }
}

impl Notes {
    fn bytes(&mut self, offset: i64, len: i64) {
        let page = |at: i64| u64::try_from(at).ok().and_then(PageIdx::of_offset);
        match (page(offset), page(offset.saturating_add(len.max(1) - 1))) {
            (Some(first), Some(last)) => self.pages.insert_range(first..=last),
            _ => self.unclear = true,
        }
    }
}

/// Returns what a connection wrote to one of its databases; `None` if that is not opened through this layer.
pub(super) fn written(conn: &Connection, schema: &CStr) -> Option<Arc<Written>> {
    // SAFETY: the file, if there is one, is open as long as the borrowed connection has the database.
    unsafe {
        let file = database_file(conn, schema)?;
        match &*(*file).role {
            Role::Database(written) => Some(Arc::clone(written)),
            Role::Log { .. } => None,
        }
    }
}

/// Reads bytes of the database file, by the descriptor that SQLite has; beyond its end come zeros. Returns false if that fails.
///
/// They are those of the committed state while a read transaction is open and there is no write-ahead log.
pub(super) fn read(conn: &Connection, schema: &CStr, offset: u64, out: &mut [u8]) -> bool {
    let (Ok(offset), Ok(len)) = (i64::try_from(offset), c_int::try_from(out.len())) else { return false };
    // SAFETY: as in `written`; `out` has room for `len` bytes.
    let code = unsafe {
        let Some(file) = database_file(conn, schema) else { return false };
        let below = below(file.cast());
        match (*(*below).pMethods).xRead {
            Some(read) => read(below, out.as_mut_ptr().cast(), len, offset),
            None => ffi::SQLITE_IOERR,
        }
    };
    // What a short read lacks, it fills with zeros.
    matches!(code, ffi::SQLITE_OK | ffi::SQLITE_IOERR_SHORT_READ)
}

/// Tells whether the file that a connection has open no longer lies under its name.
pub(super) fn has_moved(conn: &Connection, schema: &CStr) -> bool {
    let mut moved: c_int = 0;
    // SAFETY: the handle is that of the open connection, and the answer a number.
    let asked = unsafe {
        ffi::sqlite3_file_control(
            conn.handle(),
            schema.as_ptr(),
            ffi::SQLITE_FCNTL_HAS_MOVED,
            ptr::from_mut(&mut moved).cast(),
        )
    };
    asked != ffi::SQLITE_OK || moved != 0
}

/// Returns the open file of a database, if it is one of this layer.
///
/// # Safety
/// The result must not be used when the database is detached or the connection closed.
unsafe fn database_file(conn: &Connection, schema: &CStr) -> Option<*mut File> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the handle is that of the open connection, and the answer a pointer.
    unsafe {
        let asked = ffi::sqlite3_file_control(
            conn.handle(),
            schema.as_ptr(),
            ffi::SQLITE_FCNTL_FILE_POINTER,
            ptr::from_mut(&mut file).cast(),
        );
        (asked == ffi::SQLITE_OK && !file.is_null() && is_own((*file).pMethods)).then(|| file.cast())
    }
}

fn is_own(methods: *const ffi::sqlite3_io_methods) -> bool {
    ptr::eq(methods, &METHODS) || ptr::eq(methods, &SIMPLE_METHODS)
}

/// An open file. SQLite allocates it and sees only `base`; behind it lies the file of the file system below.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    role: *mut Role,
}

enum Role {
    Database(Arc<Written>),
    Log { written: Arc<Written>, page_size: Option<i64> },
}

/// Makes the layer known to SQLite, once.
pub(super) fn register() -> rusqlite::Result<()> {
    static DONE: OnceLock<c_int> = OnceLock::new();
    vfs::register_above(&DONE, |parent| ffi::sqlite3_vfs {
        szOsFile: parent.szOsFile + size_of::<File>() as c_int,
        zName: NAME.as_ptr(),
        xOpen: Some(x_open),
        xDelete: Some(x_delete),
        xAccess: Some(x_access),
        xFullPathname: Some(x_full_pathname),
        ..*parent
    })
}

/// The file below one of this layer.
///
/// # Safety
/// `file` was allocated by SQLite for a file of this layer, with room for both.
unsafe fn below(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: by the contract of this function; File has the alignment of a pointer, which is all that the other needs.
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

unsafe extern "C" fn x_open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    caught(ffi::SQLITE_CANTOPEN, || {
        // SAFETY: SQLite passes the registered structure, a file of szOsFile bytes, and a name; a log's name is one in which SQLite finds
        // the database that it belongs to. The parent gets its own structure and otherwise the same.
        unsafe {
            let parent = parent(vfs);
            let Some(open) = (*parent).xOpen else { return ffi::SQLITE_CANTOPEN };
            let role = if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
                Some(Role::Database(Arc::default()))
            } else if flags & ffi::SQLITE_OPEN_WAL != 0 && !name.is_null() {
                let database = ffi::sqlite3_database_file_object(name);
                match is_own((*database).pMethods).then(|| &*(*database.cast::<File>()).role) {
                    Some(Role::Database(written)) => Some(Role::Log { written: Arc::clone(written), page_size: None }),
                    _ => None,
                }
            } else {
                None
            };
            // Journals and temporary files need nobody in between.
            let Some(role) = role else { return open(parent, name, file, flags, out_flags) };
            let under = below(file);
            (*under).pMethods = ptr::null();
            let code = open(parent, name, under, flags, out_flags);
            let methods = (*under).pMethods;
            if methods.is_null() {
                (*file).pMethods = ptr::null();
                return code;
            }
            if code != ffi::SQLITE_OK {
                // SQLite closes only what has methods, and there is nothing of ours to close.
                if let Some(close) = (*methods).xClose {
                    close(under);
                }
                (*file).pMethods = ptr::null();
                return code;
            }
            if let Role::Log { written, .. } = &role {
                written.notes().logs += 1;
            }
            let full = (*methods).iVersion >= 3 && (*methods).xShmMap.is_some();
            let own: *mut File = file.cast();
            (*own).role = Box::into_raw(Box::new(role));
            (*own).base.pMethods = if full { &METHODS } else { &SIMPLE_METHODS };
            code
        }
    })
}

unsafe extern "C" fn x_delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: handed on as SQLite passed it.
    unsafe {
        let parent = parent(vfs);
        (*parent).xDelete.map_or(ffi::SQLITE_IOERR_DELETE, |delete| delete(parent, name, sync))
    }
}

unsafe extern "C" fn x_access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    result: *mut c_int,
) -> c_int {
    // SAFETY: handed on as SQLite passed it.
    unsafe {
        let parent = parent(vfs);
        (*parent).xAccess.map_or(ffi::SQLITE_IOERR_ACCESS, |access| access(parent, name, flags, result))
    }
}

unsafe extern "C" fn x_full_pathname(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    len: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: handed on as SQLite passed it.
    unsafe {
        let parent = parent(vfs);
        (*parent).xFullPathname.map_or(ffi::SQLITE_CANTOPEN, |full| full(parent, name, len, out))
    }
}

/// Makes functions that hand a call on to the file below.
macro_rules! handed_on {
    ($($name:ident = $method:ident ( $($arg:ident : $type:ty),* ) or $otherwise:expr;)*) => { $(
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $arg: $type)*) -> c_int {
            // SAFETY: the file is open and so is the one below, which gets what SQLite passed.
            unsafe {
                let under = below(file);
                match (*(*under).pMethods).$method {
                    Some(method) => method(under $(, $arg)*),
                    None => $otherwise,
                }
            }
        }
    )* };
}

handed_on! {
    x_read = xRead(out: *mut c_void, len: c_int, offset: i64) or ffi::SQLITE_IOERR_READ;
    x_sync = xSync(flags: c_int) or ffi::SQLITE_OK;
    x_file_size = xFileSize(size: *mut i64) or ffi::SQLITE_IOERR_FSTAT;
    x_lock = xLock(wanted: c_int) or ffi::SQLITE_OK;
    x_unlock = xUnlock(wanted: c_int) or ffi::SQLITE_OK;
    x_check_reserved_lock = xCheckReservedLock(result: *mut c_int) or ffi::SQLITE_OK;
    x_sector_size = xSectorSize() or PAGE_SIZE as c_int;
    x_device_characteristics = xDeviceCharacteristics() or 0;
    x_shm_map = xShmMap(region: c_int, len: c_int, extend: c_int, out: *mut *mut c_void) or ffi::SQLITE_IOERR_SHMMAP;
    x_shm_lock = xShmLock(offset: c_int, n: c_int, flags: c_int) or ffi::SQLITE_IOERR_SHMLOCK;
    x_shm_unmap = xShmUnmap(delete: c_int) or ffi::SQLITE_OK;
    x_fetch = xFetch(offset: i64, len: c_int, out: *mut *mut c_void) or ffi::SQLITE_OK;
    x_unfetch = xUnfetch(offset: i64, page: *mut c_void) or ffi::SQLITE_OK;
}

unsafe extern "C" fn x_file_control(file: *mut ffi::sqlite3_file, op: c_int, argument: *mut c_void) -> c_int {
    caught(ffi::SQLITE_IOERR, || {
        // SAFETY: as for the functions above.
        unsafe {
            // Comes when a transaction is committed and the file still locked, in every journal mode and after VACUUM as well.
            if op == ffi::SQLITE_FCNTL_COMMIT_PHASETWO
                && let Role::Database(written) = &*(*file.cast::<File>()).role
            {
                written.notes().committed = true;
            }
            let under = below(file);
            (*(*under).pMethods).xFileControl.map_or(ffi::SQLITE_NOTFOUND, |control| control(under, op, argument))
        }
    })
}

unsafe extern "C" fn x_shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: as for the functions above.
    unsafe {
        let under = below(file);
        if let Some(barrier) = (*(*under).pMethods).xShmBarrier {
            barrier(under);
        }
    }
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    caught(ffi::SQLITE_IOERR_CLOSE, || {
        // SAFETY: SQLite closes what was opened, once; the role came from a box.
        unsafe {
            let own: *mut File = file.cast();
            let role = Box::from_raw((*own).role);
            (*own).role = ptr::null_mut();
            if let Role::Log { written, .. } = &*role {
                written.notes().logs -= 1;
            }
            let under = below(file);
            (*(*under).pMethods).xClose.map_or(ffi::SQLITE_OK, |close| close(under))
        }
    })
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    caught(ffi::SQLITE_IOERR_TRUNCATE, || {
        // SAFETY: the file is open. What is cut off needs no note: the number of pages says it; a last page that is cut in two does.
        unsafe {
            if let Role::Database(written) = &*(*file.cast::<File>()).role
                && len % PAGE_SIZE as i64 != 0
                && !written.has_log()
            {
                written.notes().bytes(len, 1);
            }
            let under = below(file);
            (*(*under).pMethods).xTruncate.map_or(ffi::SQLITE_IOERR_TRUNCATE, |truncate| truncate(under, len))
        }
    })
}

unsafe extern "C" fn x_write(file: *mut ffi::sqlite3_file, bytes: *const c_void, len: c_int, offset: i64) -> c_int {
    caught(ffi::SQLITE_IOERR_WRITE, || {
        // SAFETY: the file is open, `bytes` are `len` bytes, and SQLite uses a file from one thread at a time.
        unsafe {
            let under = below(file);
            // Before the write: one that fails may have written a part.
            match &mut *(*file.cast::<File>()).role {
                Role::Database(written) => {
                    let mut notes = written.notes();
                    if notes.logs == 0 {
                        notes.bytes(offset, i64::from(len));
                    }
                }
                Role::Log { written, page_size } => {
                    let bytes = std::slice::from_raw_parts(bytes.cast::<u8>(), len as usize);
                    if offset == 0 {
                        *page_size = page_size_of(bytes);
                    } else if page_size.is_none() {
                        let mut header = [0u8; WAL_HEADER as usize];
                        let read = (*(*under).pMethods).xRead;
                        let done = read.map(|read| read(under, header.as_mut_ptr().cast(), WAL_HEADER as c_int, 0));
                        *page_size = (done == Some(ffi::SQLITE_OK)).then(|| page_size_of(&header)).flatten();
                    }
                    if offset > 0 {
                        frame(&mut written.notes(), *page_size, offset, bytes);
                    }
                }
            }
            (*(*under).pMethods).xWrite.map_or(ffi::SQLITE_IOERR_WRITE, |write| write(under, bytes, len, offset))
        }
    })
}

/// Notes the page of a frame, if its header is what is written to a log (SQLite file format, section 4.1).
fn frame(notes: &mut Notes, page_size: Option<i64>, offset: i64, bytes: &[u8]) {
    let Some(page_size) = page_size else {
        notes.unclear = true;
        return;
    };
    match ((offset - WAL_HEADER) % (FRAME_HEADER + page_size), bytes.first_chunk::<4>()) {
        (0, Some(number)) => {
            let number = i64::from(u32::from_be_bytes(*number));
            notes.bytes((number - 1) * page_size, page_size);
        }
        // A number that is written in two parts.
        (0, None) | (1..4, _) => notes.unclear = true,
        _ => {}
    }
}

/// Reads SQLite's page size from the header of a log.
fn page_size_of(header: &[u8]) -> Option<i64> {
    let size = u32::from_be_bytes(header.get(8..12)?.try_into().ok()?);
    (size.is_power_of_two() && (512..=65536).contains(&size)).then_some(i64::from(size))
}

const fn methods(full: bool) -> ffi::sqlite3_io_methods {
    ffi::sqlite3_io_methods {
        iVersion: if full { 3 } else { 1 },
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
        xShmMap: Some(x_shm_map),
        xShmLock: Some(x_shm_lock),
        xShmBarrier: Some(x_shm_barrier),
        xShmUnmap: Some(x_shm_unmap),
        xFetch: Some(x_fetch),
        xUnfetch: Some(x_unfetch),
    }
}

static METHODS: ffi::sqlite3_io_methods = methods(true);
/// For file systems without shared memory.
static SIMPLE_METHODS: ffi::sqlite3_io_methods = methods(false);
