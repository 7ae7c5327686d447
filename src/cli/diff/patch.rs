//! The default view: what differs in a file, as lines that begin with `+`, `-` and `~`.

use std::io::{self, Seek, SeekFrom, Write};
use std::ops::ControlFlow;

use tempfile::SpooledTempFile;

use super::{Database, Format, Tally, View, unreadable, value, words};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::render::path::{Quote, quoted};
use crate::cli::render::size::{bytes, count};
use crate::cli::style::Theme;
use crate::model::{CellChange, ColumnChange, FileMode, RowChange, RowIdentity, SchemaChange, Value};
use crate::repo::state::types::ChangeKind;
use crate::repo::worktree::diff::{FileDiff, Opened};
use crate::sqlite::diff::{TableChanges, TablePair, Unshown};

/// Bytes of text of a table that are kept in memory; more goes into a temporary file.
const KEPT: usize = 1 << 20;

/// Writes one file; returns whether anything was written.
pub(super) fn file(
    ctx: &mut Context,
    file: &FileDiff,
    opened: &Opened,
    database: Option<&Database<'_>>,
    view: &View,
) -> Result<bool, Failure> {
    let theme = ctx.out.theme;
    let mut head = Head { text: Some(header(file, &theme)) };
    if !view.is_narrowed() && view.format != Format::Schema {
        let whole_file = file.change.change != ChangeKind::Modified || file.change.old_mode != file.change.new_mode;
        if whole_file || matches!(opened, Opened::Bytes { .. }) {
            head.write(&mut ctx.out)?;
        }
    }
    if let Opened::Bytes { old_len, new_len } = opened {
        writeln!(ctx.out, "the bytes differ: {} → {}", bytes(*old_len), bytes(*new_len))?;
        return Ok(true);
    }
    let Some(db) = database else { return Ok(head.text.is_none()) };
    let mut any = false;
    for change in db.schema()? {
        any = true;
        // What follows the renames of others says nothing of its own.
        if change.follows_renames && change.kind != "table" {
            continue;
        }
        head.write(&mut ctx.out)?;
        schema(&mut ctx.out, &change, &theme)?;
    }
    for change in db.settings()? {
        head.write(&mut ctx.out)?;
        let (old, new) = (value::text(&change.old), value::text(&change.new));
        writeln!(ctx.out, "setting {}: {}", change.name, arrow(&old, &new, &theme))?;
        any = true;
    }
    if view.format == Format::Schema {
        return Ok(any);
    }
    for change in db.sequences()? {
        head.write(&mut ctx.out)?;
        let text = |v: &Option<Value>| v.as_ref().map_or("none".to_owned(), value::text);
        let name = match &change.name {
            Value::Text(name) => value::name(&String::from_utf8_lossy(name)),
            other => value::text(other),
        };
        let seq = arrow(&text(&change.old), &text(&change.new), &theme);
        writeln!(ctx.out, "sequence of {name} (sqlite_sequence): {seq}")?;
        any = true;
    }
    for name in db.statistics()? {
        head.write(&mut ctx.out)?;
        writeln!(ctx.out, "statistics of ANALYZE ({name}) differ")?;
        any = true;
    }
    for pair in db.tables() {
        any |= table(ctx, db, pair, &mut head)?;
    }
    for Unshown { table, of_other } in db.unshown()? {
        // An index of rows that are shown changes with them.
        if of_other && any {
            continue;
        }
        head.write(&mut ctx.out)?;
        let name = value::name(&table);
        writeln!(ctx.out, "what {name} indexes differs; it keeps no rows of its own that could be shown")?;
        any = true;
    }
    if !any
        && !view.is_narrowed()
        && file.change.change == ChangeKind::Modified
        && let Some(pages) = db.rows.pages.as_ref().filter(|p| !p.is_empty())
    {
        head.write(&mut ctx.out)?;
        writeln!(ctx.out, "no rows differ, {} do", count(pages.len().into(), "page"))?;
    }
    Ok(any || head.text.is_none())
}

/// The lines before the first difference, written when there is one.
struct Head {
    text: Option<String>,
}

impl Head {
    fn write(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match self.text.take() {
            Some(text) => out.write_all(text.as_bytes()),
            None => Ok(()),
        }
    }
}

fn header(file: &FileDiff, theme: &Theme) -> String {
    let change = &file.change;
    let new = change.path.as_str();
    let was = change.renamed_from.as_ref().map(|p| p.as_str());
    let old = was.or(file.old_name.as_deref()).unwrap_or(new);
    let side = |letter: char, path: &str| quoted(&format!("{letter}/{path}"), Quote::People);
    let bold = theme.heading;
    let mut text = format!("{bold}diff --graft {} {}{bold:#}\n", side('a', old), side('b', new));
    let mode = |m: Option<FileMode>| m.map_or("100644", FileMode::octal);
    let mut line = |words: String| text.push_str(&format!("{bold}{words}{bold:#}\n"));
    match change.change {
        ChangeKind::Added => line(format!("new file mode {}", mode(change.new_mode))),
        ChangeKind::Deleted => line(format!("deleted file mode {}", mode(change.old_mode))),
        _ if change.old_mode != change.new_mode && change.old_mode.is_some() && change.new_mode.is_some() => {
            line(format!("old mode {}", mode(change.old_mode)));
            line(format!("new mode {}", mode(change.new_mode)));
        }
        _ => {}
    }
    if change.renamed_from.is_some() {
        line(format!("rename from {}", quoted(old, Quote::People)));
        line(format!("rename to {}", quoted(new, Quote::People)));
    }
    text
}

fn schema(out: &mut dyn Write, change: &SchemaChange, theme: &Theme) -> io::Result<()> {
    let (removed, added) = (theme.removed, theme.added);
    let name = value::name(change.renamed_from.as_ref().unwrap_or(&change.name));
    let what = match (&change.old_sql, &change.new_sql, &change.renamed_from) {
        (None, ..) => "created".to_owned(),
        (_, None, _) => "dropped".to_owned(),
        (.., Some(_)) => format!("renamed to {}", value::name(&change.name)),
        _ => "altered".to_owned(),
    };
    let columns: Vec<String> = change.columns.iter().map(column).collect();
    let details = if columns.is_empty() { String::new() } else { format!(": {}", columns.join(", ")) };
    let bold = theme.heading;
    writeln!(out, "{bold}{} {name} {what}{bold:#}{details}", change.kind)?;
    if change.follows_renames {
        return Ok(());
    }
    for line in change.old_sql.iter().flat_map(|sql| sql.lines()) {
        writeln!(out, "{removed}-{}{removed:#}", plain(line))?;
    }
    for line in change.new_sql.iter().flat_map(|sql| sql.lines()) {
        writeln!(out, "{added}+{}{added:#}", plain(line))?;
    }
    Ok(())
}

/// Keeps control characters of a definition from the terminal.
fn plain(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn column(change: &ColumnChange) -> String {
    match change {
        ColumnChange::Added(name) => format!("column {} added", value::name(name)),
        ColumnChange::Dropped(name) => format!("column {} dropped", value::name(name)),
        ColumnChange::Renamed { from, to } => format!("column {} renamed to {}", value::name(from), value::name(to)),
        ColumnChange::Altered(name) => format!("column {} altered", value::name(name)),
    }
}

fn arrow(old: &str, new: &str, theme: &Theme) -> String {
    let (removed, added) = (theme.removed, theme.added);
    format!("{removed}{old}{removed:#} → {added}{new}{added:#}")
}

fn table(ctx: &mut Context, db: &Database<'_>, pair: &TablePair, head: &mut Head) -> Result<bool, Failure> {
    let theme = ctx.out.theme;
    let limit = db.view.limit.unwrap_or(u64::MAX);
    let mut names: Option<TableChanges> = None;
    let mut failed: Option<Failure> = None;
    let mut tally = Tally::default();
    // The counts stand above the rows.
    let mut text = SpooledTempFile::new(KEPT);
    let (mut line, mut lines) = (Vec::new(), 0);
    let unread = db.each_row(pair, &mut |change| {
        tally.add(&change);
        let mut write = || -> Result<(), Failure> {
            if names.is_none() {
                names = Some(db.rows.diff.table_changes(pair).map_err(|e| db.error(e))?);
            }
            if lines < limit {
                lines += 1;
                line.clear();
                row(&mut line, &change, names.as_ref().expect("found above"), &theme)?;
                text.write_all(&line)?;
            }
            Ok(())
        };
        failed = write().err();
        if failed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if let Some(e) = failed {
        return Err(e);
    }
    if let Some(why) = unread {
        unreadable(ctx, &pair.name, &why);
    }
    let Some(known) = names else { return Ok(false) };
    head.write(&mut ctx.out)?;
    writeln!(ctx.out, "{}", title(&known, tally, &theme))?;
    text.seek(SeekFrom::Start(0))?;
    io::copy(&mut text, &mut ctx.out)?;
    if tally.total() > lines && lines == limit {
        let dim = theme.dim;
        let more = count(tally.total() - lines, "more row");
        writeln!(ctx.out, "{dim}… {more} not shown (--limit {limit}){dim:#}")?;
    }
    Ok(true)
}

fn title(table: &TableChanges, tally: Tally, theme: &Theme) -> String {
    let keys: Vec<String> = table.key.iter().map(|k| value::name(k)).collect();
    let by = match table.identity {
        RowIdentity::Key => format!("key {}", keys.join(", ")),
        RowIdentity::Rowid => "by rowid".to_owned(),
        RowIdentity::Bag => "as a bag of rows".to_owned(),
    };
    let style = theme.head;
    format!("{style}@@ {} ({by}): {} @@{style:#}", value::name(&table.name), tally.text())
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
