//! Conflicts of a merge, for people and as JSON.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::diff::value::{self, Named};
use crate::model::Value;
use crate::repo::ops::three_way::{FileConflict, FileConflictKind, MergedDatabase};
use crate::sqlite::merge::{self, ConflictKind, Member, Merged, RowKey};

/// Conflicts that are shown, at most.
const SHOWN: usize = 20;

/// A conflict as JSON.
#[derive(Serialize)]
pub struct Conflict<'a> {
    n: usize,
    path: &'a str,
    kind: &'static str,
    reason: Option<&'static str>,
    table: Option<&'a str>,
    key: Option<Key<'a>>,
    columns: &'a [String],
    members: Vec<Row<'a>>,
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct Row<'a> {
    table: &'a str,
    key: Key<'a>,
}

/// By what a row is known, as JSON: values by column, `{"rowid": 3}` or `{"row": {…}}`.
#[derive(Serialize)]
#[serde(untagged)]
enum Key<'a> {
    Values(Named<'a>),
    Rowid { rowid: i64 },
    Row { row: Named<'a> },
}

/// A row with a new key, as JSON.
#[derive(Serialize)]
pub struct Renumbered<'a> {
    table: &'a str,
    old: i64,
    new: i64,
}

/// Returns a conflict as JSON.
pub fn conflict<'a>(n: usize, path: &'a str, conflict: &'a merge::Conflict) -> Conflict<'a> {
    Conflict {
        n,
        path,
        kind: conflict.kind.word(),
        reason: conflict.reason,
        table: conflict.table.as_deref(),
        key: conflict.key.as_ref().map(key),
        columns: &conflict.columns,
        members: conflict.members.iter().map(|m| Row { table: &m.table, key: key(&m.key) }).collect(),
        detail: conflict.detail.as_deref(),
    }
}

/// Returns a file that cannot be decided as a whole, as JSON.
fn file(conflict: &FileConflict) -> Conflict<'_> {
    let is_content = conflict.kind == FileConflictKind::Content;
    Conflict {
        n: 0,
        path: conflict.path.as_str(),
        kind: if is_content { "content" } else { "file" },
        reason: (!is_content).then(|| conflict.kind.word()),
        table: None,
        key: None,
        columns: &[],
        members: Vec::new(),
        detail: None,
    }
}

/// Says in words what is in conflict about a file as a whole.
fn about_file(conflict: &FileConflict) -> &'static str {
    match conflict.kind {
        FileConflictKind::Content => "both changed it, and it is no database in all three states",
        FileConflictKind::DeleteModify => "deleted here, changed there",
        FileConflictKind::ModifyDelete => "changed here, deleted there",
        FileConflictKind::RenameRename => "both gave it another name",
        FileConflictKind::NameTaken => "a file that one side renamed would get the name of another one",
    }
}

/// Returns a row with a new key as JSON.
pub fn renumbered(row: &merge::Renumbered) -> Renumbered<'_> {
    Renumbered { table: &row.table, old: row.old, new: row.new }
}

fn key(key: &RowKey) -> Key<'_> {
    match key {
        RowKey::Values(values) => Key::Values(Named(values.iter().map(|(n, v)| (n.as_str(), v)).collect())),
        RowKey::Rowid(rowid) => Key::Rowid { rowid: *rowid },
        RowKey::Row(values) => Key::Row { row: Named(values.iter().map(|(n, v)| (n.as_str(), v)).collect()) },
    }
}

/// Returns the conflicts of all files, as JSON.
pub fn all<'a>(files: &'a [FileConflict], databases: &'a [MergedDatabase]) -> Vec<Conflict<'a>> {
    let whole = files.iter().map(file);
    let rows = databases.iter().flat_map(|d| d.merged.conflicts.iter().map(|c| conflict(0, d.path.as_str(), c)));
    whole.chain(rows).enumerate().map(|(i, conflict)| Conflict { n: i + 1, ..conflict }).collect()
}

/// Writes the conflicts of all files; with `names`, also which databases were merged.
pub fn show_all(
    files: &[FileConflict],
    databases: &[MergedDatabase],
    names: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    for conflict in files {
        writeln!(out, "CONFLICT ({}): {}: {}", conflict.kind.word(), conflict.path, about_file(conflict))?;
    }
    for database in databases {
        if names {
            writeln!(out, "Auto-merging {}", database.path)?;
        }
        show(database.path.as_str(), &database.merged, out)?;
    }
    Ok(())
}

/// Writes what a merge of a file could not decide, and what it gave other keys.
pub fn show(path: &str, merged: &Merged, out: &mut dyn Write) -> io::Result<()> {
    let mut tables: Vec<(&str, Vec<String>)> = Vec::new();
    for row in &merged.renumbered {
        let moved = format!("{}→{}", row.old, row.new);
        match tables.iter_mut().find(|(table, _)| *table == row.table) {
            Some((_, all)) => all.push(moved),
            None => tables.push((&row.table, vec![moved])),
        }
    }
    for (table, moved) in tables {
        let rows = crate::cli::render::size::count(moved.len() as u64, "row");
        let dots = if moved.len() > SHOWN { ", …" } else { "" };
        let first: Vec<&str> = moved.iter().take(SHOWN).map(String::as_str).collect();
        writeln!(out, "Renumbered {rows} of {} in {path}: {}{dots}", value::name(table), first.join(", "))?;
    }
    for note in &merged.notes {
        writeln!(out, "{path}: {}", value::escaped(note))?;
    }
    for conflict in merged.conflicts.iter().take(SHOWN) {
        writeln!(out, "CONFLICT ({}): {path}: {}", conflict.kind.word(), line(conflict))?;
    }
    if merged.conflicts.len() > SHOWN {
        writeln!(out, "… and {} more", merged.conflicts.len() - SHOWN)?;
    }
    Ok(())
}

/// Says in words what is in conflict.
fn line(conflict: &merge::Conflict) -> String {
    let table = conflict.table.as_deref().map(value::name).unwrap_or_default();
    let row = conflict.key.as_ref().map(|k| format!("{table} {}", key_text(k))).unwrap_or_else(|| table.to_string());
    let columns = conflict.columns.iter().map(|c| value::name(c).to_string()).collect::<Vec<_>>().join(", ");
    let detail = conflict.detail.as_deref().map(value::escaped).unwrap_or_default();
    let with = match conflict.members.len() {
        0 => String::new(),
        _ => format!(" (together with {})", members(&conflict.members)),
    };
    let what = match conflict.kind {
        ConflictKind::UpdateUpdate => format!("{row}: both changed {columns}"),
        ConflictKind::InsertInsert => format!("{row}: both inserted it, with other values of {columns}"),
        ConflictKind::DeleteUpdate => format!("{row}: deleted here, changed there"),
        ConflictKind::UpdateDelete => format!("{row}: changed here, deleted there"),
        ConflictKind::Count => format!("{row}: {detail}"),
        ConflictKind::Unique => format!("{row} has the same unique value as another row"),
        ConflictKind::Check => format!("{row} violates a CHECK once merged"),
        ConflictKind::NotNull => format!("{row} has NULL in {columns} once merged"),
        ConflictKind::Datatype => format!("{row} has a value of the wrong type once merged"),
        ConflictKind::ForeignKey => {
            format!("{row} refers by {columns} to a row of {detail} that is not there once merged")
        }
        ConflictKind::Schema => {
            let about = if columns.is_empty() { String::new() } else { format!(", {columns}") };
            let more = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
            format!("{table}{about}: {}{more}", conflict.reason.unwrap_or("definition"))
        }
        ConflictKind::Setting => format!("both changed {detail}"),
        ConflictKind::Virtual => format!("{table}: both changed it"),
    };
    format!("{what}{with}")
}

fn key_text(key: &RowKey) -> String {
    let pairs = |values: &[(String, Value)]| {
        let all: Vec<String> = values.iter().map(|(n, v)| format!("{}={}", value::name(n), value::text(v))).collect();
        all.join(" ")
    };
    match key {
        RowKey::Values(values) => pairs(values),
        RowKey::Rowid(rowid) => format!("rowid={rowid}"),
        RowKey::Row(values) => format!("({})", pairs(values)),
    }
}

fn members(all: &[Member]) -> String {
    let shown: Vec<String> =
        all.iter().take(5).map(|m| format!("{} {}", value::name(&m.table), key_text(&m.key))).collect();
    let more = if all.len() > 5 { format!(" and {} more", all.len() - 5) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
