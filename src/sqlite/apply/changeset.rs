//! Applies a changeset of SQLite's session extension.

use std::ffi::{CStr, c_char, c_int, c_uchar, c_void};
use std::path::Path;
use std::ptr;

use rusqlite::ffi;

use super::{Applied, ApplyError, ApplyOptions, Conflict, MAX_CONFLICTS, finish, impossible, open, shortened};
use crate::util::interrupt;

/// Applies a changeset.
pub fn apply_changeset(path: &Path, changes: &[u8], options: &ApplyOptions<'_>) -> Result<Applied, ApplyError> {
    let wanted = count(changes)?;
    let conn = open(path, false)?;
    options.busy.retry(path, || conn.execute_batch("BEGIN IMMEDIATE"))?;
    interrupt::check()?;
    let mut conflicts: Vec<Conflict> = Vec::new();
    let before = conn.total_changes();
    // SAFETY: the connection is open, the bytes outlive the call and are only read, and so does the list that the
    // callback is given.
    let code = unsafe {
        ffi::sqlite3changeset_apply_v2(
            conn.handle(),
            changes.len() as c_int,
            changes.as_ptr().cast_mut().cast::<c_void>(),
            None,
            Some(on_conflict),
            ptr::from_mut(&mut conflicts).cast::<c_void>(),
            ptr::null_mut(),
            ptr::null_mut(),
            ffi::SQLITE_CHANGESETAPPLY_NOSAVEPOINT,
        )
    };
    if !conflicts.is_empty() {
        finish(&conn, path, options, conflicts)?;
        return Ok(Applied::default());
    }
    if code != ffi::SQLITE_OK {
        // SAFETY: the connection is open; the text is copied before it is used again.
        let words = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(conn.handle())) }.to_string_lossy().into_owned();
        let e = rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(words));
        return Err(impossible(path, "a changeset", &e));
    }
    // SQLite passes over tables that are not there, or have other columns or another key.
    if conn.total_changes() - before != wanted.inserted + wanted.deleted + wanted.updated {
        return Err(ApplyError::Impossible {
            path: path.into(),
            what: "a changeset".into(),
            detail: "a table of the changes is not there, or has other columns".into(),
        });
    }
    finish(&conn, path, options, conflicts)?;
    Ok(wanted)
}

/// Counts the changes.
fn count(changes: &[u8]) -> Result<Applied, ApplyError> {
    let mut counts = Applied::default();
    let Ok(len) = c_int::try_from(changes.len()) else { return Err(ApplyError::NotChanges) };
    let mut iter = ptr::null_mut();
    // SAFETY: the bytes outlive the iterator and are only read.
    let started = unsafe { ffi::sqlite3changeset_start(&mut iter, len, changes.as_ptr().cast_mut().cast::<c_void>()) };
    if started != ffi::SQLITE_OK {
        return Err(ApplyError::NotChanges);
    }
    // SAFETY: the iterator was just made, and is used until it is finalized below.
    let ended = unsafe {
        while ffi::sqlite3changeset_next(iter) == ffi::SQLITE_ROW {
            match Op::of(iter).op {
                ffi::SQLITE_INSERT => counts.inserted += 1,
                ffi::SQLITE_DELETE => counts.deleted += 1,
                _ => counts.updated += 1,
            }
        }
        ffi::sqlite3changeset_finalize(iter)
    };
    if ended == ffi::SQLITE_OK { Ok(counts) } else { Err(ApplyError::NotChanges) }
}

/// What an iterator stands on.
struct Op {
    table: *const c_char,
    columns: c_int,
    op: c_int,
}

impl Op {
    /// # Safety
    /// The iterator stands on a change.
    unsafe fn of(iter: *mut ffi::sqlite3_changeset_iter) -> Self {
        let (mut table, mut columns, mut op, mut indirect) = (ptr::null(), 0, 0, 0);
        // SAFETY: the caller's promise; all pointers are written.
        unsafe { ffi::sqlite3changeset_op(iter, &mut table, &mut columns, &mut op, &mut indirect) };
        Self { table, columns, op }
    }
}

unsafe extern "C" fn on_conflict(list: *mut c_void, kind: c_int, iter: *mut ffi::sqlite3_changeset_iter) -> c_int {
    // SAFETY: the list given to the call that is running, which nobody else uses meanwhile.
    let list = unsafe { &mut *list.cast::<Vec<Conflict>>() };
    let reason = match kind {
        ffi::SQLITE_CHANGESET_DATA => "the row holds other values",
        ffi::SQLITE_CHANGESET_NOTFOUND => "there is no such row",
        ffi::SQLITE_CHANGESET_CONFLICT => "there is a row with this key",
        ffi::SQLITE_CHANGESET_CONSTRAINT => "a constraint of the table forbids it",
        _ => return ffi::SQLITE_CHANGESET_OMIT,
    };
    // SAFETY: the iterator stands on the change that conflicts.
    let (table, row) = unsafe { named(iter) };
    list.push(Conflict { table, row, reason: reason.into() });
    if list.len() < MAX_CONFLICTS { ffi::SQLITE_CHANGESET_OMIT } else { ffi::SQLITE_CHANGESET_ABORT }
}

/// Returns the table and the key of a change.
///
/// # Safety
/// The iterator stands on a change.
unsafe fn named(iter: *mut ffi::sqlite3_changeset_iter) -> (String, String) {
    // SAFETY: the caller's promise; what SQLite returns lives until the iterator moves on.
    unsafe {
        let Op { table, columns, op } = Op::of(iter);
        let name = if table.is_null() { String::new() } else { CStr::from_ptr(table).to_string_lossy().into_owned() };
        let (mut flags, mut len): (*mut c_uchar, c_int) = (ptr::null_mut(), 0);
        ffi::sqlite3changeset_pk(iter, &mut flags, &mut len);
        let mut key = Vec::new();
        for i in (0..columns.min(len)).filter(|i| !flags.is_null() && *flags.add(*i as usize) != 0) {
            let mut value = ptr::null_mut();
            match op {
                ffi::SQLITE_INSERT => ffi::sqlite3changeset_new(iter, i, &mut value),
                _ => ffi::sqlite3changeset_old(iter, i, &mut value),
            };
            if value.is_null() {
                continue;
            }
            let bytes = ffi::sqlite3_value_text(value);
            let len = ffi::sqlite3_value_bytes(value) as usize;
            let text = if bytes.is_null() { &[][..] } else { std::slice::from_raw_parts(bytes, len) };
            key.push(String::from_utf8_lossy(text).into_owned());
        }
        (name, shortened(&format!("key {}", key.join(", "))))
    }
}
