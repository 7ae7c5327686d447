//! SQLite's change group: takes changes one by one and returns them as the bytes of a changeset.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use rusqlite::{Connection, Error, ffi};

use crate::model::Value;

/// Gathers changes.
pub(super) struct Group {
    group: *mut ffi::sqlite3_changegroup,
    /// Bytes of the values taken since the last output.
    pub taken: usize,
}

/// One change of a row; values stand in the order of the table's columns, the rowid first where it is the key.
pub(super) enum Change<'v> {
    Insert(Vec<&'v Value>),
    Delete(Vec<&'v Value>),
    /// Old and new values by column: the key has only old ones, cells that stay have none.
    Update(Vec<(Option<&'v Value>, Option<&'v Value>)>),
}

impl Group {
    /// Makes a group for the tables of a database.
    pub fn new(conn: &Connection) -> rusqlite::Result<Self> {
        let mut group = ptr::null_mut();
        // SAFETY: the pointer is written before the call returns without an error.
        check(unsafe { ffi::sqlite3changegroup_new(&mut group) })?;
        let group = Self { group, taken: 0 };
        // SAFETY: both handles are open; SQLite only reads the schema.
        check(unsafe { ffi::sqlite3changegroup_schema(group.group, conn.handle(), c"main".as_ptr()) })?;
        Ok(group)
    }

    /// Takes a change.
    pub fn add(&mut self, table: &CStr, change: &Change<'_>) -> rusqlite::Result<()> {
        let op = match change {
            Change::Insert(_) => ffi::SQLITE_INSERT,
            Change::Delete(_) => ffi::SQLITE_DELETE,
            Change::Update(_) => ffi::SQLITE_UPDATE,
        };
        let mut words = Words(ptr::null_mut());
        // SAFETY: the group is open, the name ends with NUL and outlives the call.
        let begun = unsafe { ffi::sqlite3changegroup_change_begin(self.group, op, table.as_ptr(), 0, &mut words.0) };
        words.check(begun)?;
        let put = match change {
            Change::Insert(row) => self.row(1, row),
            Change::Delete(row) => self.row(0, row),
            Change::Update(cells) => cells.iter().enumerate().try_for_each(|(i, (old, new))| {
                old.map_or(Ok(()), |v| self.value(0, i, v))?;
                new.map_or(Ok(()), |v| self.value(1, i, v))
            }),
        };
        let mut words = Words(ptr::null_mut());
        // SAFETY: a change was begun on this group.
        let done =
            unsafe { ffi::sqlite3changegroup_change_finish(self.group, c_int::from(put.is_err()), &mut words.0) };
        put?;
        words.check(done)
    }

    /// Returns all changes taken as a changeset.
    pub fn output(&self) -> rusqlite::Result<Vec<u8>> {
        let (mut len, mut bytes): (c_int, *mut c_void) = (0, ptr::null_mut());
        // SAFETY: the group is open; both pointers are written.
        check(unsafe { ffi::sqlite3changegroup_output(self.group, &mut len, &mut bytes) })?;
        let out = match (bytes.is_null(), len) {
            (true, _) | (_, ..=0) => Vec::new(),
            // SAFETY: SQLite says that there are so many bytes.
            _ => unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len as usize) }.to_vec(),
        };
        // SAFETY: the buffer was made by SQLite for the caller, and is not used any more.
        unsafe { ffi::sqlite3_free(bytes) };
        Ok(out)
    }

    fn row(&mut self, new: c_int, row: &[&Value]) -> rusqlite::Result<()> {
        row.iter().enumerate().try_for_each(|(i, v)| self.value(new, i, v))
    }

    fn value(&mut self, new: c_int, column: usize, value: &Value) -> rusqlite::Result<()> {
        let (group, i) = (self.group, column as c_int);
        let len = |bytes: &[u8]| c_int::try_from(bytes.len()).map_err(|_| failure(ffi::SQLITE_TOOBIG, None));
        self.taken += 16;
        // SAFETY: a change was begun on the open group; texts and blobs are copied before the call returns.
        check(unsafe {
            match value {
                Value::Null => ffi::sqlite3changegroup_change_null(group, new, i),
                Value::Integer(n) => ffi::sqlite3changegroup_change_int64(group, new, i, *n),
                Value::Real(n) => ffi::sqlite3changegroup_change_double(group, new, i, *n),
                Value::Text(bytes) => {
                    self.taken += bytes.len();
                    ffi::sqlite3changegroup_change_text(group, new, i, bytes.as_ptr().cast::<c_char>(), len(bytes)?)
                }
                Value::Blob(bytes) => {
                    self.taken += bytes.len();
                    ffi::sqlite3changegroup_change_blob(group, new, i, bytes.as_ptr().cast::<c_void>(), len(bytes)?)
                }
            }
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: the group was made by SQLite and is not used any more.
        unsafe { ffi::sqlite3changegroup_delete(self.group) }
    }
}

/// SQLite's words about an error.
struct Words(*mut c_char);

impl Words {
    fn check(&self, code: c_int) -> rusqlite::Result<()> {
        if code == ffi::SQLITE_OK {
            return Ok(());
        }
        let text = match self.0.is_null() {
            true => None,
            // SAFETY: SQLite wrote a text that ends with NUL.
            false => Some(unsafe { CStr::from_ptr(self.0) }.to_string_lossy().into_owned()),
        };
        Err(failure(code, text))
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: null, or made by SQLite for the caller.
        unsafe { ffi::sqlite3_free(self.0.cast()) }
    }
}

/// Returns a name for SQLite.
pub(super) fn c_name(name: &str) -> rusqlite::Result<CString> {
    Ok(CString::new(name)?)
}

fn check(code: c_int) -> rusqlite::Result<()> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(failure(code, None)) }
}

fn failure(code: c_int, text: Option<String>) -> Error {
    Error::SqliteFailure(ffi::Error::new(code), text)
}
