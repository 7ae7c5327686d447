//! `--json`: one object per line, schema `graft.diff/1`; `type` says what a line is about.

use std::io::{self, Write};

use serde::Serialize;

use super::each_row;
use crate::cli::diff::value::{Named, Typed};
use crate::cli::diff::{DiffWriter, Differs};
use crate::cli::error::Failure;
use crate::cli::json;
use crate::cli::render::view;
use crate::model::{ColumnChange, RowChange, RowCounts, RowIdentity, Value};
use crate::repo::worktree::diff::{SelectedFile, SelectedRows};
use crate::sqlite::diff::{Beyond, Selected, TableChanges, TablePair, TableRows, Unshown};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    File {
        #[serde(flatten)]
        change: &'a view::Change<'a>,
        /// Bytes before and afterwards.
        old_bytes: Option<u64>,
        new_bytes: Option<u64>,
    },
    Schema {
        path: &'a str,
        kind: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        renamed_from: Option<&'a str>,
        table: &'a str,
        old_sql: Option<&'a str>,
        new_sql: Option<&'a str>,
        columns: Vec<Column<'a>>,
    },
    Setting {
        path: &'a str,
        name: &'a str,
        old: Typed<'a>,
        new: Typed<'a>,
    },
    Sequence {
        path: &'a str,
        table: Typed<'a>,
        old: Option<Typed<'a>>,
        new: Option<Typed<'a>>,
    },
    /// A table of ANALYZE differs.
    Statistics {
        path: &'a str,
        name: &'a str,
    },
    /// A full-text index without rows of its own differs.
    Unshown {
        path: &'a str,
        table: &'a str,
        /// It indexes another table.
        of_other: bool,
    },
    Table {
        path: &'a str,
        table: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        renamed_from: Option<&'a str>,
        identity: &'static str,
        key: &'a [String],
        old_columns: Option<&'a [String]>,
        new_columns: Option<&'a [String]>,
    },
    Row {
        path: &'a str,
        table: &'a str,
        op: &'static str,
        key: Named<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        old: Option<Named<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        new: Option<Named<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
    },
    TableEnd {
        path: &'a str,
        table: &'a str,
        inserted: u64,
        deleted: u64,
        updated: u64,
        /// Rows left out by `--limit`.
        omitted: u64,
    },
}

#[derive(Serialize)]
struct Column<'a> {
    change: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
}

fn put(out: &mut dyn Write, line: &Line<'_>) -> io::Result<()> {
    json::write(out, "diff/1", line)
}

/// Writes a line for each file, and one for each thing in it that differs.
pub struct Json;

impl DiffWriter for Json {
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, warnings: &mut Vec<String>) -> Differs {
        if !file.differs()? {
            return Ok(false);
        }
        let rows = file.rows();
        let mut change = file.file.change.clone();
        if let Some(rows) = rows {
            change.pages_changed = rows.both().pages.as_ref().map(|p| p.len());
        }
        let views = view::changes(std::slice::from_ref(&change));
        let (old_bytes, new_bytes) = file.lengths().unzip();
        put(out, &Line::File { change: &views[0], old_bytes, new_bytes })?;
        if let Some(rows) = rows {
            beside_rows(change.path.as_str(), rows, out)?;
            for pair in rows.selected().tables() {
                table(change.path.as_str(), rows, pair, out, warnings)?;
            }
            for Unshown { table, of_other } in rows.ask(Selected::unshown)? {
                put(out, &Line::Unshown { path: change.path.as_str(), table: &table, of_other })?;
            }
        }
        Ok(true)
    }
}

fn beside_rows(path: &str, rows: &SelectedRows, out: &mut dyn Write) -> Result<(), Failure> {
    for change in rows.ask(Selected::schema)? {
        let line = Line::Schema {
            path,
            kind: &change.kind,
            name: &change.name,
            renamed_from: change.renamed_from.as_deref(),
            table: &change.table,
            old_sql: change.old_sql.as_deref(),
            new_sql: change.new_sql.as_deref(),
            columns: change.columns.iter().map(column).collect(),
        };
        put(out, &line)?;
    }
    for change in rows.ask(Selected::settings)? {
        let (old, new) = (Typed(&change.old), Typed(&change.new));
        put(out, &Line::Setting { path, name: change.name, old, new })?;
    }
    for change in rows.ask(Selected::sequences)? {
        let (old, new) = (change.old.as_ref().map(Typed), change.new.as_ref().map(Typed));
        put(out, &Line::Sequence { path, table: Typed(&change.name), old, new })?;
    }
    for name in rows.ask(Selected::statistics)? {
        put(out, &Line::Statistics { path, name: &name })?;
    }
    Ok(())
}

fn column(change: &ColumnChange) -> Column<'_> {
    match change {
        ColumnChange::Added(name) => Column { change: "added", name, to: None },
        ColumnChange::Dropped(name) => Column { change: "dropped", name, to: None },
        ColumnChange::Renamed { from, to } => Column { change: "renamed", name: from, to: Some(to) },
        ColumnChange::Altered(name) => Column { change: "altered", name, to: None },
    }
}

fn table(
    path: &str,
    rows: &SelectedRows,
    pair: &TablePair,
    out: &mut dyn Write,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let mut is_begun = false;
    let mut begin = |table: &TableChanges, out: &mut dyn Write| match std::mem::replace(&mut is_begun, true) {
        true => Ok(()),
        false => put(out, &start(path, table)),
    };
    let written = each_row(rows, pair, Beyond::Count, warnings, &mut |table, change| {
        begin(table, out)?;
        put(out, &row(path, table, change))
    })?;
    if let TableRows { table: Some(table), counts, omitted, .. } = written {
        begin(&table, out)?;
        let RowCounts { inserted, deleted, updated } = counts;
        put(out, &Line::TableEnd { path, table: &pair.name, inserted, deleted, updated, omitted })?;
    }
    Ok(())
}

fn start<'a>(path: &'a str, table: &'a TableChanges) -> Line<'a> {
    Line::Table {
        path,
        table: &table.name,
        renamed_from: table.renamed_from.as_deref(),
        identity: match table.identity {
            RowIdentity::Key => "key",
            RowIdentity::Rowid => "rowid",
            RowIdentity::Bag => "bag",
        },
        key: &table.key,
        old_columns: table.old_columns.as_deref(),
        new_columns: table.new_columns.as_deref(),
    }
}

fn row<'a>(path: &'a str, table: &'a TableChanges, change: &'a RowChange) -> Line<'a> {
    fn named<'a>(columns: &'a [String], values: &'a [Value]) -> Named<'a> {
        Named(columns.iter().map(String::as_str).zip(values).collect())
    }
    let more = |count: u64| (count > 1).then_some(count);
    let (old_columns, new_columns) =
        (table.old_columns.as_deref().unwrap_or_default(), table.new_columns.as_deref().unwrap_or_default());
    let (old, new, count) = match change {
        RowChange::Insert { row, count, .. } => (None, Some(named(new_columns, row)), more(*count)),
        RowChange::Delete { row, count, .. } => (Some(named(old_columns, row)), None, more(*count)),
        RowChange::Update { cells, .. } => {
            let name = |i: usize| new_columns.get(i).map_or("", String::as_str);
            let old = cells.iter().filter_map(|c| Some((name(c.column), c.old.as_ref()?))).collect();
            let new = cells.iter().map(|c| (name(c.column), &c.new)).collect();
            (Some(Named(old)), Some(Named(new)), None)
        }
    };
    let (op, key) = (change.op().word(), named(&table.key, change.key()));
    Line::Row { path, table: &table.name, op, key, old, new, count }
}
