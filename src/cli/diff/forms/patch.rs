//! The default view: what differs in a file, as lines that begin with `+`, `-` and `~`.

use std::io::{self, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use super::definitions::{self, arrow};
use super::head::{Head, other_bytes};
use super::{counted, each_row, words};
use crate::cli::diff::{DiffWriter, Differs, value};
use crate::cli::error::Failure;
use crate::cli::render::size::count;
use crate::cli::style::Theme;
use crate::model::{CellChange, RowChange, RowCounts, RowIdentity, Value};
use crate::repo::state::types::ChangeKind;
use crate::repo::worktree::diff::{Content, SelectedFile, SelectedRows};
use crate::sqlite::diff::{Beyond, Selected, TableChanges, TablePair, TableRows, Unshown};

/// Bytes of text of a table that are kept in memory; more goes into a temporary file.
const KEPT: usize = 1 << 20;

/// Writes everything that differs.
pub struct Patch {
    /// The colours.
    pub theme: Theme,
}

impl DiffWriter for Patch {
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, warnings: &mut Vec<String>) -> Differs {
        let change = &file.file.change;
        let mut head = Head::new(file.file, &self.theme);
        let concerns_file = change.change != ChangeKind::Modified || change.old_mode != change.new_mode;
        match &file.content {
            Content::Aside if concerns_file => head.write(out)?,
            Content::Aside => {}
            Content::Bytes { old_len, new_len } => {
                head.write(out)?;
                other_bytes(out, *old_len, *new_len)?;
            }
            Content::Rows(rows) => {
                let is_whole = !rows.selected().selection.is_narrowed();
                if is_whole && concerns_file {
                    head.write(out)?;
                }
                let any = self.rows(rows, &mut head, out, warnings)?;
                let pages = rows.both().pages.as_ref().filter(|pages| !pages.is_empty());
                if let Some(pages) = pages.filter(|_| !any && is_whole && change.change == ChangeKind::Modified) {
                    head.write(out)?;
                    writeln!(out, "no rows differ, {} do", count(pages.len().into(), "page"))?;
                }
                return Ok(any || head.is_written());
            }
        }
        Ok(head.is_written())
    }
}

impl Patch {
    /// Writes what differs in a database; tells whether anything does.
    fn rows(
        &self,
        rows: &SelectedRows,
        head: &mut Head,
        out: &mut dyn Write,
        warnings: &mut Vec<String>,
    ) -> Result<bool, Failure> {
        let mut any = definitions::write(rows, head, &self.theme, out)?;
        for change in rows.ask(Selected::sequences)? {
            head.write(out)?;
            let text = |v: &Option<Value>| v.as_ref().map_or("none".to_owned(), value::text);
            let name = match &change.name {
                Value::Text(name) => value::name(&String::from_utf8_lossy(name)),
                other => value::text(other),
            };
            let seq = arrow(&text(&change.old), &text(&change.new), &self.theme);
            writeln!(out, "sequence of {name} (sqlite_sequence): {seq}")?;
            any = true;
        }
        for name in rows.ask(Selected::statistics)? {
            head.write(out)?;
            writeln!(out, "statistics of ANALYZE ({name}) differ")?;
            any = true;
        }
        for pair in rows.selected().tables() {
            any |= self.table(rows, pair, head, out, warnings)?;
        }
        for Unshown { table, of_other } in rows.ask(Selected::unshown)? {
            // An index of rows that are shown changes with them.
            if of_other && any {
                continue;
            }
            head.write(out)?;
            let name = value::name(&table);
            writeln!(out, "what {name} indexes differs; it keeps no rows of its own that could be shown")?;
            any = true;
        }
        Ok(any)
    }

    fn table(
        &self,
        rows: &SelectedRows,
        pair: &TablePair,
        head: &mut Head,
        out: &mut dyn Write,
        warnings: &mut Vec<String>,
    ) -> Result<bool, Failure> {
        // The counts stand above the rows.
        let mut text = SpooledTempFile::new(KEPT);
        let mut line = Vec::new();
        let written = each_row(rows, pair, Beyond::Count, warnings, &mut |table, change| {
            line.clear();
            row(&mut line, change, table, &self.theme)?;
            text.write_all(&line)
        })?;
        let TableRows { table: Some(table), counts, omitted, .. } = written else { return Ok(false) };
        head.write(out)?;
        writeln!(out, "{}", title(&table, counts, &self.theme))?;
        text.seek(SeekFrom::Start(0))?;
        io::copy(&mut text, out)?;
        if let Some(limit) = rows.selected().selection.limit.filter(|_| omitted > 0) {
            let dim = self.theme.dim;
            writeln!(out, "{dim}… {} not shown (--limit {limit}){dim:#}", count(omitted, "more row"))?;
        }
        Ok(true)
    }
}

fn title(table: &TableChanges, counts: RowCounts, theme: &Theme) -> String {
    let keys: Vec<String> = table.key.iter().map(|k| value::name(k)).collect();
    let by = match table.identity {
        RowIdentity::Key => format!("key {}", keys.join(", ")),
        RowIdentity::Rowid => "by rowid".to_owned(),
        RowIdentity::Bag => "as a bag of rows".to_owned(),
    };
    let style = theme.head;
    format!("{style}@@ {} ({by}): {} @@{style:#}", value::name(&table.name), counted(counts))
}

/// Writes one row.
fn row(out: &mut dyn Write, change: &RowChange, table: &TableChanges, theme: &Theme) -> io::Result<()> {
    let (added, removed) = (theme.added, theme.removed);
    match change {
        RowChange::Insert { key, row, count } => {
            let cells = cells(table, key, row, table.new_columns.as_deref());
            writeln!(out, "{added}+{cells}{}{added:#}", times(*count))
        }
        RowChange::Delete { key, row, count } => {
            let cells = cells(table, key, row, table.old_columns.as_deref());
            writeln!(out, "{removed}-{cells}{}{removed:#}", times(*count))
        }
        RowChange::Update { key, cells } => {
            let columns = table.new_columns.as_deref().unwrap_or_default();
            write!(out, "~{}", named(&table.key, key))?;
            for CellChange { column, old, new } in cells {
                let name = columns.get(*column).map_or_else(String::new, |c| value::name(c));
                if let Some(words) = long_text(old.as_ref(), new, theme) {
                    write!(out, " {name}: {words}")?;
                    continue;
                }
                let old = old.as_ref().map_or_else(|| "absent".to_owned(), value::text);
                write!(out, " {name}: {}", arrow(&old, &value::text(new), theme))?;
            }
            writeln!(out)
        }
    }
}

/// Shows a change within a long text word by word.
fn long_text(old: Option<&Value>, new: &Value, theme: &Theme) -> Option<String> {
    match (old, new) {
        (Some(Value::Text(old)), Value::Text(new)) => {
            words::diff(std::str::from_utf8(old).ok()?, std::str::from_utf8(new).ok()?, theme)
        }
        _ => None,
    }
}

fn times(count: u64) -> String {
    if count > 1 { format!(" ({count} times)") } else { String::new() }
}

fn cells(table: &TableChanges, key: &[Value], row: &[Value], columns: Option<&[String]>) -> String {
    let columns = columns.unwrap_or_default();
    match table.identity {
        // The rowid is part of no column.
        RowIdentity::Rowid if !columns.iter().any(|c| c == "rowid") => {
            format!("{} {}", named(&table.key, key), named(columns, row))
        }
        _ => named(columns, row),
    }
}

fn named(columns: &[String], values: &[Value]) -> String {
    let cells: Vec<String> =
        columns.iter().zip(values).map(|(c, v)| format!("{}={}", value::name(c), value::text(v))).collect();
    cells.join(" ")
}
