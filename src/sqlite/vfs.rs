//! The read-only virtual file system `graft`: lets SQLite open any [`PageSource`] as a database.
//!
//! A [`Mount`] gives a source a name that SQLite can open, as the main database or by `ATTACH`, several at once. A path with
//! the parameter `rev` opens a revision of that file (`file:app.db?vfs=graft&rev=HEAD~3`), see [`super::sql::revisions`].
//! Files opened keep their source alive, so a mount may go as soon as everything is open. They claim to be immutable: SQLite
//! takes no locks, looks for no journal, and reads databases whose header says WAL. Temporary files, for sorting, are
//! left to the system's own file system. Apart from the `vfs` files and the calls of SQLite's session extension (changesets), nothing
//! in Graft is `unsafe`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use rusqlite::{Connection, OpenFlags, ffi};

use super::sql::{revisions, volumes};
use super::vfs_volume;
use crate::model::{PAGE_SIZE, PageIdx, PageSource, SourceError};

const NAME: &CStr = c"graft";
/// How the names of mounted sources begin; no path does.
const PREFIX: &str = "graft-snapshot:";

type LastError = Arc<Mutex<Option<SourceError>>>;

struct Entry {
    source: Arc<dyn PageSource>,
    last_error: LastError,
}

static MOUNTED: LazyLock<Mutex<HashMap<String, Entry>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// Why something could not be opened or read on this thread.
    static LAST_ERROR: RefCell<Option<SourceError>> = const { RefCell::new(None) };
}

/// Takes why a revision could last not be opened or read on this thread: SQLite knows only that it could not.
pub(super) fn take_error() -> Option<SourceError> {
    LAST_ERROR.take()
}

/// Keeps why SQLite will be told that something failed.
pub(super) fn keep_error(error: SourceError) {
    LAST_ERROR.set(Some(error));
}

/// Forgets an error that nobody asked for.
pub(super) fn forget_error() {
    drop(LAST_ERROR.take());
}

/// Returns the revision that a database of a connection was opened at; `None` for other files.
pub(super) fn revision_of(conn: &Connection, schema: &str) -> Option<String> {
    let schema = CString::new(schema).ok()?;
    // SAFETY: the handle is that of the open connection; the name found lives as long as the database stays attached, and
    // is one that SQLite made, as looking for parameters demands.
    unsafe {
        let name = ffi::sqlite3_db_filename(conn.handle(), schema.as_ptr());
        if name.is_null() {
            return None;
        }
        let vfs = ffi::sqlite3_uri_parameter(name, c"vfs".as_ptr());
        let rev = ffi::sqlite3_uri_parameter(name, c"rev".as_ptr());
        if vfs.is_null() || rev.is_null() || CStr::from_ptr(vfs) != NAME {
            return None;
        }
        Some(CStr::from_ptr(rev).to_string_lossy().into_owned())
    }
}

/// A source under a name that SQLite can open; the name is valid until this is dropped.
pub struct Mount {
    name: String,
    last_error: LastError,
}

impl Mount {
    /// Gives `source` a name.
    pub fn new(source: Arc<dyn PageSource>) -> rusqlite::Result<Self> {
        register()?;
        let name = format!("{PREFIX}{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let last_error = LastError::default();
        mounted().insert(name.clone(), Entry { source, last_error: last_error.clone() });
        Ok(Self { name, last_error })
    }

    /// Returns the URI to open or to attach.
    pub fn uri(&self) -> String {
        format!("file:{}?vfs=graft&mode=ro", self.name)
    }

    /// Attaches the source to a connection, which must have been opened with URIs on and must have the same encoding.
    pub fn attach(&self, conn: &Connection, schema: &str) -> rusqlite::Result<()> {
        conn.execute("ATTACH ?1 AS ?2", [self.uri().as_str(), schema]).map(drop)
    }

    /// Takes what the source last failed with: the cause of an I/O error that SQLite reported.
    pub fn take_error(&self) -> Option<SourceError> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        mounted().remove(&self.name);
    }
}

/// Opens a source as the main database of a new read-only connection.
pub fn open(source: Arc<dyn PageSource>) -> rusqlite::Result<Connection> {
    open_mounted(&Mount::new(source)?)
}

/// Opens a mounted source as the main database of a new read-only connection.
pub fn open_mounted(mount: &Mount) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(
        mount.uri(),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
}

fn mounted() -> std::sync::MutexGuard<'static, HashMap<String, Entry>> {
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the file system known to SQLite, once.
pub(super) fn register() -> rusqlite::Result<()> {
    static DONE: OnceLock<c_int> = OnceLock::new();
    register_above(&DONE, |parent| ffi::sqlite3_vfs {
        szOsFile: parent.szOsFile.max(size_of::<File>().max(vfs_volume::FILE_SIZE) as c_int),
        zName: NAME.as_ptr(),
        xOpen: Some(x_open),
        xDelete: Some(x_delete),
        xAccess: Some(x_access),
        xFullPathname: Some(x_full_pathname),
        ..*parent
    })
}

/// Makes a file system above the system's own known to SQLite, once.
pub(super) fn register_above(
    done: &OnceLock<c_int>,
    make: impl FnOnce(&ffi::sqlite3_vfs) -> ffi::sqlite3_vfs,
) -> rusqlite::Result<()> {
    let code = *done.get_or_init(|| {
        // SAFETY: null asks for the default file system; the result lives as long as the process, or is null.
        let parent = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        // SAFETY: what is registered does not change, apart from the link to the next one, which is copied and not used.
        let Some(copy) = (unsafe { parent.as_ref() }).copied() else { return ffi::SQLITE_ERROR };
        // The functions taken over (time, randomness, sleep, loading) do not look at the structure they are called with.
        let vfs = ffi::sqlite3_vfs { pNext: ptr::null_mut(), pAppData: parent.cast(), ..make(&copy) };
        // SAFETY: the structure is leaked, so it lives as long as SQLite may use it.
        unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0) }
    });
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// The system's own file system, which gets what is not taken over.
///
/// # Safety
/// `vfs` is a structure made in [`register_above`].
pub(super) unsafe fn parent(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: pAppData was set to the default file system, which is never freed. Others use it at the same time, so it is no reference.
    unsafe { (*vfs).pAppData.cast() }
}

/// Runs what SQLite called; a panic must not cross into C, and is the error `otherwise`.
pub(super) fn caught(otherwise: c_int, work: impl FnOnce() -> c_int) -> c_int {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

/// Returns the name if it is one of a mounted source or of a file beside it.
///
/// # Safety
/// `name` is null or a C string that outlives `'a`.
unsafe fn own_name<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    let is_own = |n: &&str| n.starts_with(PREFIX) || n.starts_with(vfs_volume::PREFIX);
    // SAFETY: by the contract of this function.
    unsafe { CStr::from_ptr(name) }.to_str().ok().filter(is_own)
}

/// Returns file and revision if that is what SQLite is to open.
///
/// # Safety
/// `name` is what SQLite hands to `xOpen` with `flags`: for a main database, a name that parameters can be looked for in,
/// alive as long as the file is open.
unsafe fn revision<'a>(name: *const c_char, flags: c_int) -> Option<(&'a CStr, &'a CStr)> {
    // SAFETY: by the contract of this function; a name that has a parameter is not null.
    unsafe { main_parameter(name, flags, c"rev").map(|rev| (CStr::from_ptr(name), rev)) }
}

/// Returns a parameter of the URI of a main database.
///
/// # Safety
/// As for [`revision`].
unsafe fn main_parameter<'a>(name: *const c_char, flags: c_int, parameter: &CStr) -> Option<&'a CStr> {
    if name.is_null() || flags & ffi::SQLITE_OPEN_MAIN_DB == 0 {
        return None;
    }
    // SAFETY: by the contract of this function.
    unsafe {
        let value = ffi::sqlite3_uri_parameter(name, parameter.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}

/// Opens a revision, or keeps why it cannot be opened.
fn open_revision(path: &CStr, rev: &CStr) -> Option<Arc<dyn PageSource>> {
    let open = || -> Result<Arc<dyn PageSource>, SourceError> {
        let path = path.to_str().map_err(|_| "the name of the file is not UTF-8")?;
        let rev = rev.to_str().map_err(|_| "the revision is not UTF-8")?;
        revisions::open(Path::new(path), rev)
    };
    // A panic must not cross into C.
    let result = catch_unwind(AssertUnwindSafe(open));
    match result.unwrap_or_else(|_| Err("opening a revision failed unexpectedly".into())) {
        Ok(source) => Some(source),
        Err(e) => {
            LAST_ERROR.set(Some(e));
            None
        }
    }
}

/// An open source. SQLite allocates it and sees only `base`.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    state: *mut State,
}

struct State {
    source: Arc<dyn PageSource>,
    last_error: LastError,
    /// The page last read for the sake of a part of it, for headers and for SQLite pages below 4096 bytes.
    page: [u8; PAGE_SIZE],
    page_idx: Option<PageIdx>,
}

impl State {
    fn read(&mut self, out: &mut [u8], offset: u64) -> Result<(), SourceError> {
        if offset.is_multiple_of(PAGE_SIZE as u64) && out.len().is_multiple_of(PAGE_SIZE) {
            return self.source.read_pages(page_at(offset)?, out);
        }
        let mut done = 0;
        while done < out.len() {
            let at = offset + done as u64;
            let (idx, within) = (page_at(at)?, (at % PAGE_SIZE as u64) as usize);
            if self.page_idx != Some(idx) {
                self.page_idx = None;
                self.source.read_pages(idx, &mut self.page)?;
                self.page_idx = Some(idx);
            }
            let len = (PAGE_SIZE - within).min(out.len() - done);
            out[done..done + len].copy_from_slice(&self.page[within..within + len]);
            done += len;
        }
        Ok(())
    }
}

fn page_at(offset: u64) -> Result<PageIdx, SourceError> {
    PageIdx::of_offset(offset).ok_or_else(|| format!("no page at byte {offset}").into())
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
    xUnlock: Some(x_lock),
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

unsafe extern "C" fn x_open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    caught(ffi::SQLITE_CANTOPEN, || {
        // SAFETY: SQLite passes the registered structure, a file of szOsFile bytes, which is enough for either kind, and a
        // name that is null or a C string; the parent gets its own structure and otherwise the same.
        unsafe {
            let revision = revision(name, flags);
            let own = own_name(name);
            if own.is_none() && revision.is_none() {
                let parent = parent(vfs);
                return match (*parent).xOpen {
                    Some(open) => open(parent, name, file, flags, out_flags),
                    None => ffi::SQLITE_CANTOPEN,
                };
            }
            (*file).pMethods = ptr::null();
            if let Some(own) = own.filter(|n| n.starts_with(vfs_volume::PREFIX)) {
                let served_by = main_parameter(name, flags, volumes::SERVED_BY);
                return vfs_volume::open(own, served_by, file, flags, out_flags);
            }
            let found = match (own, revision) {
                (Some(own), _) => mounted().get(own).map(|e| (e.source.clone(), e.last_error.clone())),
                (None, Some((path, rev))) => open_revision(path, rev).map(|source| (source, LastError::default())),
                (None, None) => None,
            };
            let Some((source, last_error)) = found.filter(|_| flags & ffi::SQLITE_OPEN_MAIN_DB != 0) else {
                return ffi::SQLITE_CANTOPEN;
            };
            let state = State { source, last_error, page: [0; PAGE_SIZE], page_idx: None };
            let file: *mut File = file.cast();
            (*file).state = Box::into_raw(Box::new(state));
            (*file).base.pMethods = &METHODS;
            if !out_flags.is_null() {
                *out_flags = ffi::SQLITE_OPEN_READONLY | ffi::SQLITE_OPEN_MAIN_DB;
            }
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn x_delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    caught(ffi::SQLITE_IOERR_DELETE, || {
        // SAFETY: as in `x_open`.
        unsafe {
            if let Some(own) = own_name(name) {
                // A volume's journal lives no longer than it is open.
                let is_volume = own.starts_with(vfs_volume::PREFIX);
                return if is_volume { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_DELETE };
            }
            let parent = parent(vfs);
            (*parent).xDelete.map_or(ffi::SQLITE_IOERR_DELETE, |delete| delete(parent, name, sync_dir))
        }
    })
}

unsafe extern "C" fn x_access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    result: *mut c_int,
) -> c_int {
    caught(ffi::SQLITE_IOERR_ACCESS, || {
        // SAFETY: as in `x_open`; `result` points to a number that SQLite owns.
        unsafe {
            match own_name(name) {
                Some(own) => {
                    *result = c_int::from(flags == ffi::SQLITE_ACCESS_EXISTS && mounted().contains_key(own));
                    ffi::SQLITE_OK
                }
                None => {
                    let parent = parent(vfs);
                    (*parent).xAccess.map_or(ffi::SQLITE_IOERR, |access| access(parent, name, flags, result))
                }
            }
        }
    })
}

unsafe extern "C" fn x_full_pathname(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    len: c_int,
    out: *mut c_char,
) -> c_int {
    caught(ffi::SQLITE_CANTOPEN_FULLPATH, || {
        // SAFETY: as in `x_open`; `out` has room for `len` bytes.
        unsafe {
            let Some(own) = own_name(name) else {
                let parent = parent(vfs);
                return (*parent).xFullPathname.map_or(ffi::SQLITE_IOERR, |full| full(parent, name, len, out));
            };
            let Some(full) = CString::new(own).ok().filter(|f| f.as_bytes_with_nul().len() <= len as usize) else {
                return ffi::SQLITE_CANTOPEN;
            };
            ptr::copy_nonoverlapping(full.as_ptr(), out, full.as_bytes_with_nul().len());
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    caught(ffi::SQLITE_IOERR_CLOSE, || {
        // SAFETY: SQLite closes only what `x_open` opened, once; the state came from a box.
        unsafe {
            let file: *mut File = file.cast();
            drop(Box::from_raw((*file).state));
            (*file).state = ptr::null_mut();
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn x_read(file: *mut ffi::sqlite3_file, out: *mut c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: the file is open, no other call uses it at the same time, and `out` has room for `len` bytes, which are
    // plain memory of SQLite's page cache.
    let (state, out) = unsafe {
        let state = &mut *(*file.cast::<File>()).state;
        (state, slice::from_raw_parts_mut(out.cast::<u8>(), len as usize))
    };
    let (Ok(offset), end) = (u64::try_from(offset), offset.saturating_add(i64::from(len))) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // A panic must not cross into C.
    let read = || state.read(out, offset).map(|()| end as u64 <= state.source.byte_len());
    let result =
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("reading a page failed unexpectedly".into()));
    match result {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(e) => {
            LAST_ERROR.set(Some(e.to_string().into()));
            *state.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
            ffi::SQLITE_IOERR_READ
        }
    }
}

unsafe extern "C" fn x_file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    caught(ffi::SQLITE_IOERR_FSTAT, || {
        // SAFETY: the file is open, and `size` points to a number that SQLite owns.
        unsafe {
            *size = (*(*file.cast::<File>()).state).source.byte_len() as i64;
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn x_write(_: *mut ffi::sqlite3_file, _: *const c_void, _: c_int, _: i64) -> c_int {
    ffi::SQLITE_READONLY
}

unsafe extern "C" fn x_truncate(_: *mut ffi::sqlite3_file, _: i64) -> c_int {
    ffi::SQLITE_READONLY
}

unsafe extern "C" fn x_sync(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_lock(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_check_reserved_lock(_: *mut ffi::sqlite3_file, result: *mut c_int) -> c_int {
    // SAFETY: `result` points to a number that SQLite owns.
    unsafe { *result = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn x_sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    PAGE_SIZE as c_int
}

unsafe extern "C" fn x_device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_IMMUTABLE
}
