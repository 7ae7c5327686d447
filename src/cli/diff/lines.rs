//! `--json`: one object per line, schema `graft.diff/1`; `type` says what a line is about.

use std::io;
use std::ops::ControlFlow;

use serde::Serialize;

use super::value::{Named, Typed};
use super::{Database, Tally, unreadable};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::json;
use crate::cli::output::Output;
use crate::cli::render::view;
use crate::model::{ColumnChange, RowChange, RowIdentity, Value};
use crate::repo::worktree::diff::{FileDiff, Opened};
use crate::sqlite::diff::{TableChanges, Unshown};

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

fn put(out: &mut Output, line: &Line<'_>) -> io::Result<()> {
    json::write(out, "diff/1", line)
}

/// Writes one file and what differs in it.
pub(super) fn file(
    ctx: &mut Context,
    file: &FileDiff,
    opened: &Opened,
    database: Option<&Database<'_>>,
) -> Result<bool, Failure> {
    if let Some(db) = database
        && !db.differs()?
    {
        return Ok(false);
    }
    let path = file.change.path.as_str();
    let (old_bytes, new_bytes) = match opened {
        Opened::Same => (None, None),
        Opened::Bytes { old_len, new_len } => (Some(*old_len), Some(*new_len)),
        Opened::Rows(rows) => (Some(rows.old_len), Some(rows.new_len)),
    };
    let mut change = file.change.clone();
    if let Opened::Rows(rows) = opened {
        change.pages_changed = rows.pages.as_ref().map(|p| p.len());
    }
    let views = view::changes(std::slice::from_ref(&change));
    put(&mut ctx.out, &Line::File { change: &views[0], old_bytes, new_bytes })?;
    let Some(db) = database else { return Ok(true) };
    for change in db.schema()? {
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
        put(&mut ctx.out, &line)?;
    }
    for change in db.settings()? {
        let (old, new) = (Typed(&change.old), Typed(&change.new));
        put(&mut ctx.out, &Line::Setting { path, name: change.name, old, new })?;
    }
    for change in db.sequences()? {
        let (old, new) = (change.old.as_ref().map(Typed), change.new.as_ref().map(Typed));
        put(&mut ctx.out, &Line::Sequence { path, table: Typed(&change.name), old, new })?;
    }
    for name in db.statistics()? {
        put(&mut ctx.out, &Line::Statistics { path, name: &name })?;
    }
    for pair in db.tables() {
        table(ctx, db, pair)?;
    }
    for Unshown { table, of_other } in db.unshown()? {
        put(&mut ctx.out, &Line::Unshown { path, table: &table, of_other })?;
    }
    Ok(true)
}

fn column(change: &ColumnChange) -> Column<'_> {
    match change {
        ColumnChange::Added(name) => Column { change: "added", name, to: None },
        ColumnChange::Dropped(name) => Column { change: "dropped", name, to: None },
        ColumnChange::Renamed { from, to } => Column { change: "renamed", name: from, to: Some(to) },
        ColumnChange::Altered(name) => Column { change: "altered", name, to: None },
    }
}

fn table(ctx: &mut Context, db: &Database<'_>, pair: &crate::sqlite::diff::TablePair) -> Result<(), Failure> {
    let path = db.file.change.path.as_str();
    let limit = db.view.limit.unwrap_or(u64::MAX);
    let mut known: Option<TableChanges> = None;
    let mut failed: Option<Failure> = None;
    let (mut tally, mut lines) = (Tally::default(), 0);
    let out = &mut ctx.out;
    let unread = db.each_row(pair, &mut |change| {
        tally.add(&change);
        let mut write = || -> Result<(), Failure> {
            if known.is_none() {
                let found = db.rows.diff.table_changes(pair).map_err(|e| db.error(e))?;
                put(out, &start(path, &found))?;
                known = Some(found);
            }
            if lines < limit {
                lines += 1;
                put(out, &row(path, known.as_ref().expect("set above"), &change))?;
            }
            Ok(())
        };
        match write() {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                failed = Some(e);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(e) = failed {
        return Err(e);
    }
    if known.is_some() {
        let Tally { inserted, deleted, updated } = tally;
        let omitted = if lines == limit { tally.total().saturating_sub(lines) } else { 0 };
        put(&mut ctx.out, &Line::TableEnd { path, table: &pair.name, inserted, deleted, updated, omitted })?;
    }
    if let Some(why) = unread {
        unreadable(ctx, &pair.name, &why);
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
    let (op, key, old, new, count) = match change {
        RowChange::Insert { key, row, count } => ("insert", key, None, Some(named(new_columns, row)), more(*count)),
        RowChange::Delete { key, row, count } => ("delete", key, Some(named(old_columns, row)), None, more(*count)),
        RowChange::Update { key, cells } => {
            let name = |i: usize| new_columns.get(i).map_or("", String::as_str);
            let old = cells.iter().filter_map(|c| Some((name(c.column), c.old.as_ref()?))).collect();
            let new = cells.iter().map(|c| (name(c.column), &c.new)).collect();
            ("update", key, Some(Named(old)), Some(Named(new)), None)
        }
    };
    Line::Row { path, table: &table.name, op, key: named(&table.key, key), old, new, count }
}
