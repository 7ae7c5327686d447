//! Applies a changeset of SQLite's session extension.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, Error, OptionalExtension, ffi};

use super::constraints::{Judge, judged};
use super::{Applied, ApplyError, ApplyOptions, Conflict, MAX_CONFLICTS, finish, impossible, open, shortened};
use crate::sqlite::diff::side::quoted;
use crate::sqlite::session::{self, Misfit, Op, Shape};
use crate::util::interrupt;

/// Applies a changeset.
pub fn apply_changeset(path: &Path, changes: &[u8], options: &ApplyOptions<'_>) -> Result<Applied, ApplyError> {
    let mut wanted = Applied::default();
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let counted = session::each_change(changes, &mut |op, shape| {
        let table = tables.entry(shape.table.clone()).or_insert_with(|| Table { shape, gained: 0 });
        match op {
            Op::Insert => (wanted.inserted += 1, table.gained += 1),
            Op::Delete => (wanted.deleted += 1, table.gained -= 1),
            Op::Update => (wanted.updated += 1, ()),
        };
    });
    counted.map_err(|_| ApplyError::NotChanges)?;
    judged(|judge| run(path, changes, options, wanted, &tables, judge))
}

/// What a changeset does to a table.
struct Table {
    shape: Shape,
    /// How many rows more it has afterwards.
    gained: i64,
}

fn run(
    path: &Path,
    changes: &[u8],
    options: &ApplyOptions<'_>,
    wanted: Applied,
    tables: &BTreeMap<String, Table>,
    judge: &mut Judge,
) -> Result<Option<Applied>, ApplyError> {
    let failed = |e| impossible(path, None, &e);
    let conn = open(path, false, options.verify)?;
    options.busy.retry(path, || conn.execute_batch("BEGIN IMMEDIATE"))?;
    interrupt::check()?;
    judge.begin(&conn).map_err(failed)?;
    let mut conflicts: Vec<Conflict> = Vec::new();
    let mut counted = Vec::new();
    for table in tables.values() {
        conflicts.extend(misfit(&conn, &table.shape).map_err(failed)?);
        judge.touched.add(&table.shape.table);
        if conflicts.is_empty() && replaces(&conn, &table.shape.table).map_err(failed)? {
            counted.push((table, count(&conn, &table.shape.table).map_err(failed)?));
        }
    }
    if !conflicts.is_empty() {
        finish(&conn, path, options, conflicts)?;
        return Ok(Some(Applied::default()));
    }
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
        conflicts.push(Conflict { table: Some(refused.table), row, reason: reason.into(), constraint: false });
        conflicts.len() < MAX_CONFLICTS
    });
    if !conflicts.is_empty() {
        finish(&conn, path, options, conflicts)?;
        return Ok(Some(Applied::default()));
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
    for (table, rows) in counted {
        let name = &table.shape.table;
        if count(&conn, name).map_err(failed)? != rows + table.gained {
            let reason = "the table would replace rows, or leave some out, by its ON CONFLICT clause".to_owned();
            conflicts.push(Conflict { table: Some(name.clone()), row: "other rows".into(), reason, constraint: false });
        }
    }
    // SQLite passes over what it finds unfit.
    if conflicts.is_empty() && conn.total_changes() - before != wanted.inserted + wanted.deleted + wanted.updated {
        let detail = "SQLite left out some of the changes";
        return Err(ApplyError::Impossible { path: path.into(), what: None, detail: detail.into() });
    }
    if conflicts.is_empty() && options.verify {
        match judge.judge(&conn).map_err(failed)? {
            Some(found) => conflicts = found,
            None => return Ok(None),
        }
    }
    finish(&conn, path, options, conflicts)?;
    Ok(Some(wanted))
}

/// Says why a table cannot take changes of this shape.
fn misfit(conn: &Connection, shape: &Shape) -> rusqlite::Result<Option<Conflict>> {
    let name = &shape.table;
    let kind = "SELECT type FROM main.sqlite_master WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
    let kind: Option<String> = conn.query_row(kind, [name], |row| row.get(0)).optional()?;
    let reason = match kind.as_deref() {
        None => format!("there is no table {name}"),
        Some("table") => {
            let sql = "SELECT pk > 0 FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid";
            let mut statement = conn.prepare(sql)?;
            let mut key: Vec<bool> = statement.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            if !key.contains(&true) {
                key.insert(0, true);
            }
            if key.len() < shape.key.len() {
                format!("table {name} has fewer columns than in the changes")
            } else if key.iter().take(shape.key.len()).ne(&shape.key) {
                format!("table {name} has another key")
            } else {
                return Ok(None);
            }
        }
        Some(kind) => format!("{name} is a {kind}"),
    };
    Ok(Some(Conflict { table: None, row: name.clone(), reason, constraint: false }))
}

/// Tells whether a table may itself replace rows, or leave some out, where new ones are not unique.
fn replaces(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE \
               AND sql LIKE '%on%conflict%')";
    conn.query_row(sql, [table], |row| row.get(0))
}

fn count(conn: &Connection, table: &str) -> rusqlite::Result<i64> {
    conn.query_row(&format!("SELECT count(*) FROM main.{}", quoted(table)), [], |row| row.get(0))
}
