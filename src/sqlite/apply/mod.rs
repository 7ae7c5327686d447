//! Applies recorded changes to a database file, all of them in one transaction or none.
//!
//! A change whose row is not as the change expects it, or whose new row another one is in the way of, is a conflict:
//! all conflicts are gathered and named, and the database stays as it was. So is what a script takes away of which the
//! database has more than the script was made from. Triggers do not fire, and foreign keys do nothing, as what they did is
//! part of the changes; but rows that come must fulfil what the tables of this database ask of them.

mod allowed;
mod changeset;
mod constraints;
mod expected;
mod mending;
mod script;

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

pub use changeset::apply_changeset;
pub use script::apply_script;

use super::attach::Busy;
use super::error::{DatabaseError, message};
use super::script::UNCHECKED;
use crate::util::interrupt::Interrupted;

/// Conflicts named before the search for more is given up.
const MAX_CONFLICTS: usize = 100;

/// How to apply changes.
#[derive(Clone, Copy)]
pub struct ApplyOptions<'a> {
    /// How to behave when somebody else holds the file.
    pub busy: Busy<'a>,
    /// Only find out whether the changes fit.
    pub check: bool,
    /// Refuse rows that violate a CHECK, or refer to rows that are not there and did not do so before.
    pub verify: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Inserted rows.
    pub inserted: u64,
    /// Deleted rows.
    pub deleted: u64,
    /// Updated rows.
    pub updated: u64,
    /// Other statements: of the schema and settings.
    pub others: u64,
}

/// A row, or the schema, that is in the way of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The table; `None` if it is the schema that does not fit.
    pub table: Option<String>,
    /// The row, by its key; or the beginning of the statement.
    pub row: String,
    /// What is wrong.
    pub reason: String,
    /// Only a CHECK or a foreign key is in the way, which is not asked without [`ApplyOptions::verify`].
    pub constraint: bool,
}

/// Why changes were not applied. The database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Rows are not as the changes expect them.
    #[error("{} does not fit: {} of the rows to change are not as expected", path.display(), conflicts.len())]
    Conflicts {
        /// The database.
        path: PathBuf,
        /// The rows.
        conflicts: Vec<Conflict>,
    },
    /// The changes are not what graft writes.
    #[error("this is neither a script of 'graft diff --sql' nor a changeset")]
    NotChanges,
    /// SQLite cannot carry out a change.
    #[error("{} cannot be changed: {detail}", path.display())]
    Impossible {
        /// The database.
        path: PathBuf,
        /// The beginning of the statement, in a script.
        what: Option<String>,
        /// SQLite's words.
        detail: String,
    },
    /// The database cannot be opened, locked or written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Opens a database for changes.
fn open(path: &Path, create: bool, verify: bool) -> Result<Connection, ApplyError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let prepare = || -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(std::time::Duration::from_millis(100))?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        // Changes may come from somebody else: they have no business outside of the database.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        conn.execute_batch("PRAGMA foreign_keys = OFF")?;
        if !verify {
            conn.execute_batch(UNCHECKED)?;
        }
        Ok(conn)
    };
    let conn = prepare().map_err(|e| DatabaseError::sqlite(path, e))?;
    // SQLite opens what it may not write for reading, and stumbles at the first change.
    match conn.is_readonly("main").unwrap_or(false) {
        true => Err(DatabaseError::NotPermitted { path: path.into() }.into()),
        false => Ok(conn),
    }
}

/// Ends the transaction as it turned out.
fn finish(
    conn: &Connection,
    path: &Path,
    options: &ApplyOptions<'_>,
    conflicts: Vec<Conflict>,
) -> Result<(), ApplyError> {
    if conflicts.is_empty() && !options.check {
        return Ok(options.busy.retry(path, || conn.execute_batch("COMMIT"))?);
    }
    conn.execute_batch("ROLLBACK").map_err(|e| impossible(path, None, &e))?;
    if conflicts.is_empty() { Ok(()) } else { Err(ApplyError::Conflicts { path: path.into(), conflicts }) }
}

fn impossible(path: &Path, what: Option<&str>, e: &rusqlite::Error) -> ApplyError {
    ApplyError::Impossible { path: path.into(), what: what.map(shortened), detail: message(e) }
}

/// Returns the beginning of a text, on one line.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
