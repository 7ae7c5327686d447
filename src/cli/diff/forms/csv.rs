//! `--csv`: one line per cell of the rows that differ (RFC 4180). NULL is an empty field, empty text `""`.

use std::io::{self, Write};

use super::each_row;
use crate::cli::diff::{DiffWriter, Differs, value};
use crate::cli::error::Failure;
use crate::model::{RowChange, Value};
use crate::repo::worktree::diff::SelectedFile;
use crate::sqlite::diff::{Beyond, TableChanges};

/// Writes the names of the fields, and a line for each cell.
pub struct Csv;

impl DiffWriter for Csv {
    fn begin(&mut self, out: &mut dyn Write) -> Result<(), Failure> {
        Ok(out.write_all(b"file,table,op,key,column,old,new\r\n")?)
    }

    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, warnings: &mut Vec<String>) -> Differs {
        let Some(rows) = file.rows() else { return Ok(true) };
        let path = file.file.change.path.as_str();
        for pair in rows.selected().tables() {
            each_row(rows, pair, Beyond::Stop, warnings, &mut |table, change| row(out, path, table, change))?;
        }
        Ok(rows.differs()?)
    }
}

fn row(out: &mut dyn Write, path: &str, table: &TableChanges, change: &RowChange) -> io::Result<()> {
    let keys: Vec<String> = (table.key.iter().zip(change.key()))
        .map(|(name, v)| format!("{}={}", value::name(name), String::from_utf8_lossy(&plain(v))))
        .collect();
    let (op, key) = (change.op().word(), keys.join(" "));
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
