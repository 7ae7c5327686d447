//! The forms of a diff, each in a file of its own.

pub(super) mod changeset;
pub(super) mod csv;
mod definitions;
mod head;
pub(super) mod json;
pub(super) mod name_only;
pub(super) mod name_status;
pub(super) mod numstat;
pub(super) mod pages;
pub(super) mod patch;
pub(super) mod quiet;
pub(super) mod schema;
pub(super) mod shortstat;
pub(super) mod sql;
pub(super) mod stat;
pub(super) mod summary;
pub(super) mod textconv;
mod words;

use std::io;

use crate::cli::diff::unreadable;
use crate::cli::error::Failure;
use crate::model::{RowChange, RowCounts};
use crate::repo::worktree::diff::SelectedRows;
use crate::sqlite::diff::{Beyond, TableChanges, TablePair, TableRows};

/// Hands the wanted rows of a table to `write`, up to the limit; warns if SQLite cannot read the table.
fn each_row(
    rows: &SelectedRows,
    pair: &TablePair,
    beyond: Beyond,
    warnings: &mut Vec<String>,
    write: &mut dyn FnMut(&TableChanges, &RowChange) -> io::Result<()>,
) -> Result<TableRows, Failure> {
    let mut written = rows.each(pair, beyond, &mut |table, change| write(table, change).map_err(Failure::from))?;
    warnings.extend(written.unreadable.take().map(|why| unreadable(&pair.name, &why)));
    Ok(written)
}

/// Writes `3 inserted, 1 deleted`.
fn counted(counts: RowCounts) -> String {
    let parts = [(counts.inserted, "inserted"), (counts.deleted, "deleted"), (counts.updated, "updated")];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    said.join(", ")
}
