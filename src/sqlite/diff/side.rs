//! One state of the two: a connection that reads it through the virtual file system.

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Params, Row, ffi};

use super::DiffError;
use crate::model::{PageSource, Value};
use crate::sqlite::error::{code, message};
use crate::sqlite::vfs::{self, Mount};
use crate::sqlite::vfs_collations;

/// An open state.
pub(super) struct Side {
    pub conn: Connection,
    /// A file of 0 bytes, which SQLite takes for an empty database.
    pub empty: bool,
    mount: Mount,
}

impl Side {
    pub fn open(source: Arc<dyn PageSource>) -> Result<Self, DiffError> {
        let empty = source.byte_len() == 0;
        let mount = Mount::new(source).map_err(DiffError::Sqlite)?;
        let conn = if empty { Connection::open_in_memory() } else { vfs::open_mounted(&mount) };
        let side = Self { conn: conn.map_err(DiffError::Sqlite)?, empty, mount };
        vfs_collations::accept_any_collation(&side.conn).map_err(|e| side.error(e))?;
        // Reading the schema finds out whether the file is readable at all.
        side.conn.execute_batch("PRAGMA cache_size = -2000; SELECT 1 FROM sqlite_schema").map_err(|e| side.error(e))?;
        Ok(side)
    }

    /// Explains an error that concerns the whole state.
    pub fn error(&self, e: rusqlite::Error) -> DiffError {
        match self.mount.take_error() {
            Some(cause) => DiffError::Source(cause),
            None => DiffError::Sqlite(e),
        }
    }

    /// Explains an error while reading a table.
    pub fn table_error(&self, table: &str, e: rusqlite::Error) -> DiffError {
        match code(&e) {
            Some(ffi::SQLITE_ERROR) => DiffError::Unreadable { table: table.into(), detail: message(&e) },
            _ => self.error(e),
        }
    }

    /// Reads all rows of a small query.
    pub fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        all_rows(&self.conn, sql, params, read)
    }
}

/// Reads all rows of a small query.
pub(in crate::sqlite) fn all_rows<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    conn.prepare(sql)?.query_map(params, read)?.collect()
}

/// Copies a value that SQLite holds, using the memory of the one that is replaced.
pub(super) fn set(to: &mut Value, from: ValueRef<'_>) {
    let mut reuse = match to {
        Value::Text(buf) | Value::Blob(buf) => std::mem::take(buf),
        _ => Vec::new(),
    };
    *to = match from {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Integer(n),
        ValueRef::Real(n) => Value::Real(n),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            reuse.clear();
            reuse.extend_from_slice(bytes);
            match from {
                ValueRef::Text(_) => Value::Text(reuse),
                _ => Value::Blob(reuse),
            }
        }
    };
}

/// Copies a value that SQLite holds.
pub(in crate::sqlite) fn value(from: ValueRef<'_>) -> Value {
    let mut to = Value::Null;
    set(&mut to, from);
    to
}

/// Returns a value to bind, exactly as it is.
pub(in crate::sqlite) fn param(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Integer(n) => ValueRef::Integer(*n),
        Value::Real(n) => ValueRef::Real(*n),
        Value::Text(bytes) => ValueRef::Text(bytes),
        Value::Blob(bytes) => ValueRef::Blob(bytes),
    })
}

/// Quotes a name.
pub(in crate::sqlite) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
