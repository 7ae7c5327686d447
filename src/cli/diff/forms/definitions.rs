//! Schema objects and settings that differ, as the patch and `--schema` show them.

use std::io::{self, Write};

use super::head::Head;
use crate::cli::diff::value;
use crate::cli::error::Failure;
use crate::cli::style::Theme;
use crate::model::{ColumnChange, SchemaChange};
use crate::repo::worktree::diff::SelectedRows;
use crate::sqlite::diff::Selected;

/// Writes the schema objects and the settings that differ; tells whether any do.
pub(super) fn write(rows: &SelectedRows, head: &mut Head, theme: &Theme, out: &mut dyn Write) -> Result<bool, Failure> {
    let mut any = false;
    for change in rows.ask(Selected::schema)? {
        any = true;
        // What follows the renames of others says nothing of its own.
        if change.follows_renames && change.kind != "table" {
            continue;
        }
        head.write(out)?;
        schema(out, &change, theme)?;
    }
    for change in rows.ask(Selected::settings)? {
        head.write(out)?;
        let (old, new) = (value::text(&change.old), value::text(&change.new));
        writeln!(out, "setting {}: {}", change.name, arrow(&old, &new, theme))?;
        any = true;
    }
    Ok(any)
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

/// Writes two values, the old one and the new one.
pub(super) fn arrow(old: &str, new: &str, theme: &Theme) -> String {
    let (removed, added) = (theme.removed, theme.added);
    format!("{removed}{old}{removed:#} → {added}{new}{added:#}")
}
