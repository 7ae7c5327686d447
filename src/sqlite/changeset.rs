//! Changesets of SQLite's session extension: the rows that differ, in a form that other SQLite programs apply.
//!
//! A changeset holds rows of tables with a key that holds no NULL, or without a declared key by rowid; no schema, no
//! settings. It is written in parts, so that memory stays bounded, first all deletions, then what is updated, then what
//! is inserted: applied in this order nothing is in the way of anything. A row that changes in a table with unique
//! columns is deleted and inserted again.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::ControlFlow;

use super::diff::{Compared, Diff, DiffError, RowPair, Selected, Stopped, TableKind, TablePair};
use super::script::has_unique_columns;
use super::session::{Change, Group, c_name};
use crate::model::{RowIdentity, Value};

/// Bytes of values gathered before a part is written.
const PART_LEN: usize = 8 << 20;

/// Columns of a table that SQLite can apply changes to: it compares them all in one expression, whose depth is limited.
const MAX_COLUMNS: usize = 990;

/// Why no changeset can be written.
#[derive(Debug, thiserror::Error)]
pub enum ChangesetError {
    /// A table differs in a way that a changeset cannot hold.
    #[error("a changeset cannot hold what differs in {table}: {reason}")]
    Inexpressible {
        /// The table.
        table: String,
        /// Why.
        reason: &'static str,
    },
    /// The states cannot be compared.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// The output cannot be written.
    #[error("cannot write the changeset")]
    Io(#[from] io::Error),
}

/// Writes the changeset of one database, and returns what differs besides rows.
pub fn write_changeset(selected: Selected<'_>, out: &mut dyn Write) -> Result<Vec<String>, ChangesetError> {
    let Selected { diff, selection } = selected;
    let mut parts = [Part::new(diff)?, Part::new(diff)?, Part::new(diff)?];
    let tables = diff.tables_by_name();
    for pair in tables.iter().filter(|t| selection.wants(&t.name) && t.compared != Compared::Shadow) {
        table(selected, pair, &mut parts)?;
    }
    for part in parts {
        part.copy_to(out)?;
    }
    let mut left_out = Vec::new();
    if !selection.wants_rows_only() {
        let objects = diff.schema()?.into_iter().filter(|o| o.kind != "table" && selection.wants(&o.table));
        left_out.extend(objects.map(|o| format!("the {} {}", o.kind, o.name)));
    }
    left_out.extend(selected.unshown()?.into_iter().map(|t| t.left_out()));
    left_out.extend(selected.settings()?.into_iter().map(|s| format!("the setting {}", s.name)));
    Ok(left_out)
}

fn table(selected: Selected<'_>, pair: &TablePair, parts: &mut [Part; 3]) -> Result<(), ChangesetError> {
    let Selected { diff, selection } = selected;
    let inexpressible = |reason| ChangesetError::Inexpressible { table: pair.name.clone(), reason };
    let new = match (&pair.old, &pair.new) {
        (Some(old), Some(new)) if old.sql == new.sql => new,
        _ if selection.wants_rows_only() && !selected.any_row(pair)? => return Ok(()),
        (Some(_), Some(_)) => return Err(inexpressible("its definition differs")),
        _ if pair.compared == Compared::Unreadable => return Err(inexpressible("SQLite cannot read it")),
        _ => return Err(inexpressible("the table is only in one of the states")),
    };
    if pair.compared != Compared::Rows || diff.surely_same(pair)? {
        return Ok(());
    }
    let identity = diff.table_changes(pair)?.identity;
    let reason = match identity {
        _ if new.kind == TableKind::Virtual => Some("it is a virtual table"),
        _ if new.columns.len() > MAX_COLUMNS => Some("SQLite applies no changesets to so many columns"),
        RowIdentity::Bag => Some("its rows have no key"),
        RowIdentity::Rowid if !new.key.is_empty() => Some("its key holds NULL"),
        _ => None,
    };
    let again = has_unique_columns(diff, pair, identity)?;
    let name = c_name(&pair.name).map_err(DiffError::Sqlite)?;
    let keys: Vec<bool> = new.columns.iter().map(|c| new.key.contains(&c.name)).collect();
    let mut put = |row: &RowPair<'_>| match reason {
        Some(reason) => Err(inexpressible(reason)),
        None => add(row, identity, &keys, again, &name, parts).map(ControlFlow::Continue),
    };
    selected.row_pairs(pair, &mut put).map_err(Stopped::into_error)
}

fn add(
    row: &RowPair<'_>,
    identity: RowIdentity,
    keys: &[bool],
    again: bool,
    name: &CString,
    [deleted, updated, inserted]: &mut [Part; 3],
) -> Result<(), ChangesetError> {
    let rowid = if identity == RowIdentity::Rowid { row.key } else { &[] };
    let whole = |values: &'_ [Value]| -> Vec<Value> { rowid.iter().chain(values).cloned().collect() };
    if let (Some(old), Some(new), false) = (row.old, row.new, again) {
        let cells = keys.iter().zip(old.iter().zip(new)).map(|(is_key, (a, b))| match is_key {
            true => (Some(a), None),
            false if a.is_same(b) => (None, None),
            false => (Some(a), Some(b)),
        });
        let cells = rowid.iter().map(|v| (Some(v), None)).chain(cells).collect();
        return updated.add(name, &Change::Update(cells));
    }
    if let Some(old) = row.old {
        let values = whole(old);
        deleted.add(name, &Change::Delete(values.iter().collect()))?;
    }
    if let Some(new) = row.new {
        let values = whole(new);
        inserted.add(name, &Change::Insert(values.iter().collect()))?;
    }
    Ok(())
}

/// Changes of one kind, kept in a file once there are many.
struct Part<'d> {
    diff: &'d Diff,
    group: Group,
    file: Option<File>,
}

impl<'d> Part<'d> {
    fn new(diff: &'d Diff) -> Result<Self, ChangesetError> {
        let group = Group::new(diff.connections().0).map_err(DiffError::Sqlite)?;
        Ok(Self { diff, group, file: None })
    }

    fn add(&mut self, table: &CString, change: &Change<'_>) -> Result<(), ChangesetError> {
        self.group.add(table, change).map_err(DiffError::Sqlite)?;
        if self.group.taken < PART_LEN {
            return Ok(());
        }
        let bytes = self.group.output().map_err(DiffError::Sqlite)?;
        self.group = Group::new(self.diff.connections().0).map_err(DiffError::Sqlite)?;
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile()?);
        }
        Ok(self.file.as_mut().map_or(Ok(()), |file| file.write_all(&bytes))?)
    }

    fn copy_to(self, out: &mut dyn Write) -> Result<(), ChangesetError> {
        if let Some(mut file) = self.file {
            file.seek(SeekFrom::Start(0))?;
            io::copy(&mut file, out)?;
        }
        Ok(out.write_all(&self.group.output().map_err(DiffError::Sqlite)?)?)
    }
}
