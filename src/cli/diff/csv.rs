//! `--csv`: one line per cell of the rows that differ (RFC 4180). NULL is an empty field, empty text `""`.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::{Database, unreadable, value};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::model::{RowChange, Value};
use crate::repo::worktree::diff::FileDiff;
use crate::sqlite::diff::TableChanges;

/// Writes the names of the fields.
pub(super) fn header(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"file,table,op,key,column,old,new\r\n")
}

/// Writes the rows that differ in one file.
pub(super) fn file(ctx: &mut Context, file: &FileDiff, database: Option<&Database<'_>>) -> Result<bool, Failure> {
    let Some(db) = database else { return Ok(true) };
    for pair in db.tables() {
        let mut known: Option<TableChanges> = None;
        let mut failed: Option<Failure> = None;
        let mut left = db.view.limit.unwrap_or(u64::MAX);
        let out = &mut ctx.out;
        let unread = db.each_row(pair, &mut |change| {
            let mut write = || -> Result<(), Failure> {
                if known.is_none() {
                    known = Some(db.rows.diff.table_changes(pair).map_err(|e| db.error(e))?);
                }
                Ok(row(out, file.change.path.as_str(), known.as_ref().expect("set above"), &change)?)
            };
            failed = write().err();
            left -= 1;
            if failed.is_none() && left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if let Some(e) = failed {
            return Err(e);
        }
        if let Some(why) = unread {
            unreadable(ctx, &pair.name, &why);
        }
    }
    db.differs()
}

fn row(out: &mut dyn Write, path: &str, table: &TableChanges, change: &RowChange) -> io::Result<()> {
    let (op, key) = match change {
        RowChange::Insert { key, .. } => ("insert", key),
        RowChange::Delete { key, .. } => ("delete", key),
        RowChange::Update { key, .. } => ("update", key),
    };
    let keys: Vec<String> = (table.key.iter().zip(key))
        .map(|(name, v)| format!("{}={}", value::name(name), String::from_utf8_lossy(&plain(v))))
        .collect();
    let key = keys.join(" ");
    let mut cell = |column: &str, old: Option<&Value>, new: Option<&Value>| -> io::Result<()> {
        for text in [path, &table.name, op, &key, column] {
            quoted(out, text.as_bytes())?;
            out.write_all(b",")?;
        }
        field(out, old)?;
        out.write_all(b",")?;
        field(out, new)?;
        out.write_all(b"\r\n")
    };
    match change {
        RowChange::Insert { row, count, .. } => {
            let columns = table.new_columns.iter().flatten();
            (0..*count).try_for_each(|_| columns.clone().zip(row).try_for_each(|(c, v)| cell(c, None, Some(v))))
        }
        RowChange::Delete { row, count, .. } => {
            let columns = table.old_columns.iter().flatten();
            (0..*count).try_for_each(|_| columns.clone().zip(row).try_for_each(|(c, v)| cell(c, Some(v), None)))
        }
        RowChange::Update { cells, .. } => cells.iter().try_for_each(|c| {
            let name = table.new_columns.as_ref().and_then(|n| n.get(c.column)).map_or("", String::as_str);
            cell(name, c.old.as_ref(), Some(&c.new))
        }),
    }
}

/// Returns a value as bytes: numbers so that they read back as the same, text as it is, blobs as `x'…'`.
fn plain(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::Integer(n) => n.to_string().into_bytes(),
        Value::Real(n) => value::real(*n).into_bytes(),
        Value::Text(bytes) => bytes.clone(),
        Value::Blob(bytes) => {
            let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            format!("x'{digits}'").into_bytes()
        }
    }
}

fn field(out: &mut dyn Write, value: Option<&Value>) -> io::Result<()> {
    match value {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Text(text)) if text.is_empty() => out.write_all(b"\"\""),
        Some(value) => quoted(out, &plain(value)),
    }
}

fn quoted(out: &mut dyn Write, text: &[u8]) -> io::Result<()> {
    if !text.iter().any(|b| b",\"\r\n".contains(b)) {
        return out.write_all(text);
    }
    out.write_all(b"\"")?;
    for part in text.split_inclusive(|b| *b == b'"') {
        out.write_all(part)?;
        if part.ends_with(b"\"") {
            out.write_all(b"\"")?;
        }
    }
    out.write_all(b"\"")
}
