//! SQLite's session extension, made safe: changes become the bytes of a changeset, which is read and applied again.
//!
//! Beside the virtual file system this is the only place that calls SQLite without rusqlite, whose own wrapper of the
//! extension cannot make changes that no session has recorded.

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::ptr;

use rusqlite::{Connection, Error, ffi};

use crate::model::Value;

/// Gathers changes.
pub(super) struct Group {
    group: *mut ffi::sqlite3_changegroup,
    /// Bytes of the values taken.
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
        self.taken += 16;
        // SAFETY: a change was begun on the open group; texts and blobs are copied before the call returns.
        check(unsafe {
            match value {
                Value::Null => ffi::sqlite3changegroup_change_null(group, new, i),
                Value::Integer(n) => ffi::sqlite3changegroup_change_int64(group, new, i, *n),
                Value::Real(n) => ffi::sqlite3changegroup_change_double(group, new, i, *n),
                Value::Text(bytes) => {
                    self.taken += bytes.len();
                    ffi::sqlite3changegroup_change_text(group, new, i, bytes.as_ptr().cast::<c_char>(), length(bytes)?)
                }
                Value::Blob(bytes) => {
                    self.taken += bytes.len();
                    ffi::sqlite3changegroup_change_blob(group, new, i, bytes.as_ptr().cast::<c_void>(), length(bytes)?)
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

/// What a change does to its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Insert,
    Delete,
    Update,
}

/// Why a change cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// The row holds other values.
    Data,
    /// There is no such row.
    NotFound,
    /// Another row has the key.
    Taken,
    /// A constraint is violated.
    Constraint,
    /// Rows refer to others that are not there.
    ForeignKeys,
}

/// A change that cannot be applied.
pub(super) struct Refused {
    pub misfit: Misfit,
    pub table: String,
    /// The values of the key, as text.
    pub key: Vec<String>,
}

/// A change of a changeset, and the shape of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub table: String,
    /// Which of the columns are of the key; a rowid that is no column is the first.
    pub key: Vec<bool>,
}

/// Hands what every change of a changeset does, and to what table, to `on`.
pub(super) fn each_change(changes: &[u8], on: &mut dyn FnMut(Op, Shape)) -> rusqlite::Result<()> {
    let mut iter = ptr::null_mut();
    // SAFETY: the bytes outlive the iterator and are only read.
    check(unsafe { ffi::sqlite3changeset_start(&mut iter, length(changes)?, bytes_of(changes)) })?;
    // SAFETY: the iterator was just made, and stands on a change whenever it says that there is a row.
    while unsafe { ffi::sqlite3changeset_next(iter) } == ffi::SQLITE_ROW {
        // SAFETY: as above.
        let (op, shape) = unsafe { (Current::of(iter).op(), shape(iter)) };
        on(op, shape);
    }
    // SAFETY: the iterator is not used any more.
    check(unsafe { ffi::sqlite3changeset_finalize(iter) })
}

/// Applies a changeset. `on_refused` tells whether to go on without a change that cannot be applied; if not, this is an
/// error. The transaction is the caller's.
pub(super) fn apply(
    conn: &Connection,
    changes: &[u8],
    mut on_refused: &mut dyn FnMut(Refused) -> bool,
) -> rusqlite::Result<()> {
    let len = length(changes)?;
    // SAFETY: the connection is open; the bytes outlive the call and are only read; what the callback is given outlives
    // the call too, and is used by nobody else meanwhile.
    let code = unsafe {
        ffi::sqlite3changeset_apply_v2(
            conn.handle(),
            len,
            bytes_of(changes),
            None,
            Some(on_conflict),
            ptr::from_mut(&mut on_refused).cast::<c_void>(),
            ptr::null_mut(),
            ptr::null_mut(),
            ffi::SQLITE_CHANGESETAPPLY_NOSAVEPOINT,
        )
    };
    if code == ffi::SQLITE_OK {
        return Ok(());
    }
    // SAFETY: the connection is open; the text is copied before it is used again.
    let words = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(conn.handle())) }.to_string_lossy().into_owned();
    Err(failure(code, Some(words)))
}

/// What an iterator stands on.
struct Current {
    table: *const c_char,
    columns: c_int,
    op: c_int,
}

impl Current {
    /// # Safety
    /// The iterator stands on a change.
    unsafe fn of(iter: *mut ffi::sqlite3_changeset_iter) -> Self {
        let (mut table, mut columns, mut op, mut indirect) = (ptr::null(), 0, 0, 0);
        // SAFETY: the caller's promise; all pointers are written.
        unsafe { ffi::sqlite3changeset_op(iter, &mut table, &mut columns, &mut op, &mut indirect) };
        Self { table, columns, op }
    }

    fn op(&self) -> Op {
        match self.op {
            ffi::SQLITE_INSERT => Op::Insert,
            ffi::SQLITE_DELETE => Op::Delete,
            _ => Op::Update,
        }
    }
}

unsafe extern "C" fn on_conflict(on: *mut c_void, kind: c_int, iter: *mut ffi::sqlite3_changeset_iter) -> c_int {
    // SAFETY: what was given to the call that is running, which nobody else uses meanwhile.
    let on = unsafe { &mut *on.cast::<&mut dyn FnMut(Refused) -> bool>() };
    let misfit = match kind {
        ffi::SQLITE_CHANGESET_DATA => Misfit::Data,
        ffi::SQLITE_CHANGESET_NOTFOUND => Misfit::NotFound,
        ffi::SQLITE_CHANGESET_CONFLICT => Misfit::Taken,
        ffi::SQLITE_CHANGESET_CONSTRAINT => Misfit::Constraint,
        _ => Misfit::ForeignKeys,
    };
    let (table, key) = match misfit {
        Misfit::ForeignKeys => (String::new(), Vec::new()),
        // SAFETY: the iterator stands on the change that conflicts.
        _ => unsafe { named(iter) },
    };
    if on(Refused { misfit, table, key }) { ffi::SQLITE_CHANGESET_OMIT } else { ffi::SQLITE_CHANGESET_ABORT }
}

/// Returns the table and the key of a change.
///
/// # Safety
/// The iterator stands on a change.
unsafe fn named(iter: *mut ffi::sqlite3_changeset_iter) -> (String, Vec<String>) {
    // SAFETY: the caller's promise.
    let (current, shape) = unsafe { (Current::of(iter), shape(iter)) };
    let mut key = Vec::new();
    for (i, _) in shape.key.iter().enumerate().filter(|(_, is_key)| **is_key) {
        let i = i as c_int;
        let mut value = ptr::null_mut();
        // SAFETY: the caller's promise; the column exists, and the pointer is written.
        unsafe {
            match current.op() {
                Op::Insert => ffi::sqlite3changeset_new(iter, i, &mut value),
                _ => ffi::sqlite3changeset_old(iter, i, &mut value),
            }
        };
        if value.is_null() {
            continue;
        }
        // SAFETY: the value lives until the iterator moves on, and its text has as many bytes as SQLite says.
        let text = unsafe {
            let bytes = ffi::sqlite3_value_text(value);
            let len = ffi::sqlite3_value_bytes(value) as usize;
            if bytes.is_null() { &[][..] } else { std::slice::from_raw_parts(bytes, len) }
        };
        key.push(String::from_utf8_lossy(text).into_owned());
    }
    (shape.table, key)
}

/// Returns the table of a change.
///
/// # Safety
/// The iterator stands on a change.
unsafe fn shape(iter: *mut ffi::sqlite3_changeset_iter) -> Shape {
    // SAFETY: the caller's promise.
    let current = unsafe { Current::of(iter) };
    let table = match current.table.is_null() {
        true => String::new(),
        // SAFETY: SQLite's name of the table ends with NUL and lives until the iterator moves on.
        false => unsafe { CStr::from_ptr(current.table) }.to_string_lossy().into_owned(),
    };
    let (mut flags, mut len): (*mut c_uchar, c_int) = (ptr::null_mut(), 0);
    // SAFETY: the caller's promise; both pointers are written.
    unsafe { ffi::sqlite3changeset_pk(iter, &mut flags, &mut len) };
    let columns = if flags.is_null() { 0 } else { current.columns.min(len) };
    // SAFETY: there is a flag for each of the columns.
    let key = (0..columns).map(|i| unsafe { *flags.add(i as usize) } != 0).collect();
    Shape { table, key }
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

/// Returns the bytes as SQLite takes them, which only reads them.
fn bytes_of(changes: &[u8]) -> *mut c_void {
    changes.as_ptr().cast_mut().cast::<c_void>()
}

fn length(bytes: &[u8]) -> rusqlite::Result<c_int> {
    c_int::try_from(bytes.len()).map_err(|_| failure(ffi::SQLITE_TOOBIG, None))
}

fn check(code: c_int) -> rusqlite::Result<()> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(failure(code, None)) }
}

fn failure(code: c_int, text: Option<String>) -> Error {
    Error::SqliteFailure(ffi::Error::new(code), text)
}
