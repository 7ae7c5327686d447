//! `--textconv`: a database as text, one line per row, for programs that compare lines.
//!
//! The text depends on what the database holds, not on how it lies in the file: objects in the order of their names, rows in
//! the order of their keys, each line with the name of its table.

use std::io::{self, Write};

use super::each_row;
use crate::cli::diff::{DiffWriter, Differs, value};
use crate::model::{RowChange, RowIdentity};
use crate::repo::worktree::diff::{Content, SelectedFile};
use crate::sqlite::diff::{Beyond, Selected, TableChanges};

/// Writes a database that is compared with nothing.
pub struct TextConv;

impl DiffWriter for TextConv {
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, warnings: &mut Vec<String>) -> Differs {
        let rows = match &file.content {
            Content::Rows(rows) => rows,
            Content::Aside => return Ok(false),
            Content::Bytes { new_len, .. } => {
                writeln!(out, "{}: no database, {new_len} bytes", file.file.change.path)?;
                return Ok(true);
            }
        };
        for setting in rows.ask(Selected::settings)? {
            writeln!(out, "setting {}: {}", setting.name, value::whole(&setting.new))?;
        }
        for object in rows.ask(Selected::schema)? {
            writeln!(out, "{} {}", object.kind, value::name(&object.name))?;
            for line in object.new_sql.iter().flat_map(|sql| sql.lines()) {
                writeln!(out, "  {line}")?;
            }
        }
        for sequence in rows.ask(Selected::sequences)? {
            let seq = sequence.new.as_ref().map_or("none".to_owned(), value::whole);
            writeln!(out, "sequence {}: {seq}", value::whole(&sequence.name))?;
        }
        for pair in rows.selected().tables() {
            each_row(rows, pair, Beyond::Stop, warnings, &mut |table, change| row(out, table, change))?;
        }
        Ok(true)
    }
}

fn row(out: &mut dyn Write, table: &TableChanges, change: &RowChange) -> io::Result<()> {
    let RowChange::Insert { key, row, count } = change else { return Ok(()) };
    let rowid = key.iter().filter(|_| table.identity == RowIdentity::Rowid).map(|v| ("rowid", v));
    let cells = rowid.chain(table.new_columns.iter().flatten().map(String::as_str).zip(row));
    let text: String = cells.map(|(name, v)| format!(" {}={}", value::name(name), value::whole(v))).collect();
    (0..*count).try_for_each(|_| writeln!(out, "{}{text}", value::name(&table.name)))
}
