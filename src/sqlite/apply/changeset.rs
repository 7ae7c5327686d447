//! Applies a changeset of SQLite's session extension.

use std::path::Path;

use rusqlite::{Error, ffi};

use super::{Applied, ApplyError, ApplyOptions, Conflict, MAX_CONFLICTS, finish, impossible, open, shortened};
use crate::sqlite::session::{self, Misfit, Op};
use crate::util::interrupt;

/// Applies a changeset.
pub fn apply_changeset(path: &Path, changes: &[u8], options: &ApplyOptions<'_>) -> Result<Applied, ApplyError> {
    let mut wanted = Applied::default();
    let counted = session::each_change(changes, &mut |op| match op {
        Op::Insert => wanted.inserted += 1,
        Op::Delete => wanted.deleted += 1,
        Op::Update => wanted.updated += 1,
    });
    counted.map_err(|_| ApplyError::NotChanges)?;
    let conn = open(path, false)?;
    options.busy.retry(path, || conn.execute_batch("BEGIN IMMEDIATE"))?;
    interrupt::check()?;
    let mut conflicts: Vec<Conflict> = Vec::new();
    let before = conn.total_changes();
    let done = session::apply(&conn, changes, &mut |refused| {
        let reason = match refused.misfit {
            Misfit::Data => "the row holds other values",
            Misfit::NotFound => "there is no such row",
            Misfit::Taken => "there is a row with this key",
            Misfit::Constraint => "a constraint of the table forbids it",
            Misfit::ForeignKeys => return true,
        };
        let row = shortened(&format!("key {}", refused.key.join(", ")));
        conflicts.push(Conflict { table: Some(refused.table), row, reason: reason.into() });
        conflicts.len() < MAX_CONFLICTS
    });
    if !conflicts.is_empty() {
        finish(&conn, path, options, conflicts)?;
        return Ok(Applied::default());
    }
    match done {
        Ok(()) => {}
        // SQLite's words about it say nothing.
        Err(Error::SqliteFailure(e, _)) if e.extended_code == ffi::SQLITE_ERROR_MISSING_COLLSEQ => {
            let detail = "no such collation sequence: it sorts by one that only its application has";
            return Err(ApplyError::Impossible { path: path.into(), what: None, detail: detail.into() });
        }
        Err(e) => return Err(impossible(path, None, &e)),
    }
    // SQLite passes over tables that are not there, or have other columns or another key.
    if conn.total_changes() - before != wanted.inserted + wanted.deleted + wanted.updated {
        let detail = "a table of the changes is not there, or has other columns";
        return Err(ApplyError::Impossible { path: path.into(), what: None, detail: detail.into() });
    }
    finish(&conn, path, options, conflicts)?;
    Ok(wanted)
}
