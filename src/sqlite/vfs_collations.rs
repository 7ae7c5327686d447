//! Stand-ins for collations that only the application has, so that tables which use one can be read.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::{ptr, slice};

use rusqlite::{Connection, ffi};

/// The collations that SQLite has itself.
pub(super) const BUILT_IN: [&str; 3] = ["BINARY", "NOCASE", "RTRIM"];

/// Gives every collation that SQLite has not a stand-in, by bytes, so that tables which use one can be read.
///
/// Rows of such tables and indexes must not be looked up by those columns: they lie in another order.
pub(super) fn accept_any_collation(conn: &Connection) -> rusqlite::Result<()> {
    // SAFETY: without a list the callback needs no state.
    unsafe { accept(conn, ptr::null_mut()) }
}

/// # Safety
///
/// `given` is null or a list of the names of stand-ins, which outlives the callback.
unsafe fn accept(conn: &Connection, given: *mut c_void) -> rusqlite::Result<()> {
    // SAFETY: the handle is that of the open connection; for the list, by the contract of this function.
    match unsafe { ffi::sqlite3_collation_needed(conn.handle(), given, Some(x_collation_needed)) } {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// Gives stand-ins to a connection for as long as this lives: afterwards it again refuses what it cannot sort.
pub(super) struct StandIns<'c> {
    conn: &'c Connection,
    given: Box<RefCell<Vec<CString>>>,
}

impl<'c> StandIns<'c> {
    /// Lets the connection read whatever collation a table needs. No statement must be running when this ends.
    pub fn give(conn: &'c Connection) -> rusqlite::Result<Self> {
        let stand_ins = Self { conn, given: Box::default() };
        // SAFETY: the list lies in a box, and the callback goes before it does.
        unsafe { accept(conn, ptr::from_ref(&*stand_ins.given).cast_mut().cast()) }?;
        Ok(stand_ins)
    }
}

impl Drop for StandIns<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is that of the open connection; without a callback SQLite asks nobody.
        unsafe { ffi::sqlite3_collation_needed(self.conn.handle(), ptr::null_mut(), None) };
        for name in self.given.borrow().iter() {
            for encoding in [ffi::SQLITE_UTF8, ffi::SQLITE_UTF16LE, ffi::SQLITE_UTF16BE] {
                // SAFETY: the handle is that of the open connection, the name ends with NUL; no function takes the collation away.
                unsafe {
                    let handle = self.conn.handle();
                    ffi::sqlite3_create_collation_v2(handle, name.as_ptr(), encoding, ptr::null_mut(), None, None);
                }
            }
        }
    }
}

unsafe extern "C" fn x_collation_needed(
    given: *mut c_void,
    db: *mut ffi::sqlite3,
    encoding: c_int,
    name: *const c_char,
) {
    // SAFETY: SQLite passes the connection and the name of the collation. A failure shows when it is used. The list, if
    // there is one, is borrowed by nobody else while SQLite runs.
    unsafe {
        ffi::sqlite3_create_collation_v2(db, name, encoding, ptr::null_mut(), Some(x_compare), None);
        if let Some(given) = given.cast::<RefCell<Vec<CString>>>().as_ref() {
            given.borrow_mut().push(CStr::from_ptr(name).to_owned());
        }
    }
}

unsafe extern "C" fn x_compare(
    _: *mut c_void,
    len_a: c_int,
    a: *const c_void,
    len_b: c_int,
    b: *const c_void,
) -> c_int {
    let text = |at: *const c_void, len: c_int| match len {
        0 => &[][..],
        // SAFETY: SQLite passes two texts with their lengths; only an empty one may be null.
        len => unsafe { slice::from_raw_parts(at.cast::<u8>(), len as usize) },
    };
    text(a, len_a).cmp(text(b, len_b)) as c_int
}
