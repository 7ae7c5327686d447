//! What differs besides rows: schema objects, settings, counters.

use std::collections::{BTreeMap, BTreeSet};

use super::encode::encode;
use super::side::{Side, value};
use super::table::{Column, Table};
use super::{DiffError, TablePair};
use crate::model::{ColumnChange, SchemaChange, SequenceChange, SettingChange, Value};

/// Pragmas that belong to the database, and whether a file of 0 bytes has them.
const SETTINGS: [(&str, bool); 5] = [
    ("user_version", true),
    ("application_id", true),
    ("encoding", false),
    ("page_size", false),
    ("auto_vacuum", false),
];

type Definitions = BTreeMap<(String, String), (String, String)>;

/// Compares the definitions of all objects, those of SQLite's own aside.
pub(super) fn changes(old: &Side, new: &Side, tables: &[TablePair]) -> Result<Vec<SchemaChange>, DiffError> {
    let (old, new) = (definitions(old)?, definitions(new)?);
    let all: BTreeSet<&(String, String)> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for object in all {
        let (a, b) = (old.get(object), new.get(object));
        if a == b {
            continue;
        }
        let (kind, name) = object.clone();
        let pair = tables.iter().find(|t| kind == "table" && t.name == name);
        let columns = match pair.map(|p| (&p.old, &p.new)) {
            Some((Some(old), Some(new))) => column_changes(old, new),
            _ => Vec::new(),
        };
        changes.push(SchemaChange {
            kind,
            name,
            table: b.or(a).map(|d| d.0.clone()).unwrap_or_default(),
            old_sql: a.map(|d| d.1.clone()),
            new_sql: b.map(|d| d.1.clone()),
            columns,
        });
    }
    Ok(changes)
}

fn definitions(side: &Side) -> Result<Definitions, DiffError> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL \
               AND lower(substr(name, 1, 7)) <> 'sqlite_'";
    let rows = side.rows(sql, [], |row| {
        let text = |i| row.get_ref(i).map(|v| String::from_utf8_lossy(v.as_bytes().unwrap_or_default()).into_owned());
        Ok(((text(0)?, text(1)?), (text(2)?, text(3)?)))
    });
    Ok(rows.map_err(|e| side.error(e))?.into_iter().collect())
}

fn column_changes(old: &Table, new: &Table) -> Vec<ColumnChange> {
    let is_new = |c: &Column| old.position(&c.name).is_none();
    let is_gone = |c: &Column| new.position(&c.name).is_none();
    let mut changes = Vec::new();
    let mut renamed = BTreeSet::new();
    if old.columns.len() == new.columns.len() {
        for (a, b) in old.columns.iter().zip(&new.columns).filter(|(a, b)| is_gone(a) && is_new(b)) {
            if *b == (Column { name: b.name.clone(), ..a.clone() }) {
                changes.push(ColumnChange::Renamed { from: a.name.clone(), to: b.name.clone() });
                renamed.extend([&a.name, &b.name]);
            }
        }
    }
    for a in old.columns.iter().filter(|c| !renamed.contains(&c.name)) {
        match new.position(&a.name).map(|i| &new.columns[i]) {
            None => changes.push(ColumnChange::Dropped(a.name.clone())),
            Some(b) if a != b => changes.push(ColumnChange::Altered(a.name.clone())),
            Some(_) => {}
        }
    }
    let added = new.columns.iter().filter(|c| is_new(c) && !renamed.contains(&c.name));
    changes.extend(added.map(|c| ColumnChange::Added(c.name.clone())));
    changes
}

/// Compares the settings that are kept in the header.
pub(super) fn settings(old: &Side, new: &Side) -> Result<Vec<SettingChange>, DiffError> {
    let mut changes = Vec::new();
    for (name, when_empty) in SETTINGS {
        if !when_empty && (old.empty || new.empty) {
            continue;
        }
        let read = |side: &Side| {
            let sql = format!("PRAGMA {name}");
            side.conn.query_row(&sql, [], |row| Ok(value(row.get_ref(0)?))).map_err(|e| side.error(e))
        };
        let (old, new) = (read(old)?, read(new)?);
        if !old.is_same(&new) {
            changes.push(SettingChange { name, old, new });
        }
    }
    Ok(changes)
}

/// Compares the counters of AUTOINCREMENT.
pub(super) fn sequences(old: &Side, new: &Side) -> Result<Vec<SequenceChange>, DiffError> {
    let (old, new) = (counters(old)?, counters(new)?);
    let all: BTreeSet<&Vec<u8>> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for key in all {
        let (a, b) = (old.get(key), new.get(key));
        let same = match (a, b) {
            (Some((_, a)), Some((_, b))) => a.is_same(b),
            _ => false,
        };
        if let Some((name, _)) = a.or(b).filter(|_| !same) {
            let seq = |c: Option<&(Value, Value)>| c.map(|(_, seq)| seq.clone());
            changes.push(SequenceChange { name: name.clone(), old: seq(a), new: seq(b) });
        }
    }
    Ok(changes)
}

fn counters(side: &Side) -> Result<BTreeMap<Vec<u8>, (Value, Value)>, DiffError> {
    let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence' AND type = 'table')";
    if !side.conn.query_row(exists, [], |row| row.get(0)).map_err(|e| side.error(e))? {
        return Ok(BTreeMap::new());
    }
    let rows = side.rows("SELECT name, seq FROM sqlite_sequence", [], |row| {
        let name = value(row.get_ref(0)?);
        Ok((encode([&name]), (name, value(row.get_ref(1)?))))
    });
    Ok(rows.map_err(|e| side.error(e))?.into_iter().collect())
}

/// Names the tables of ANALYZE whose content differs.
pub(super) fn statistics(old: &Side, new: &Side) -> Result<Vec<String>, DiffError> {
    let (old, new) = (analyzed(old)?, analyzed(new)?);
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    Ok(names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect())
}

/// Returns the rows of each table of ANALYZE, sorted.
fn analyzed(side: &Side) -> Result<BTreeMap<String, Vec<Vec<u8>>>, DiffError> {
    let error = |e| side.error(e);
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'sqlite\\_stat_' ESCAPE '\\'";
    let names: Vec<String> = side.rows(names, [], |row| row.get(0)).map_err(error)?;
    let mut found = BTreeMap::new();
    for name in names {
        let sql = format!("SELECT * FROM {}", super::side::quoted(&name));
        let mut rows: Vec<Vec<u8>> = side
            .rows(&sql, [], |row| {
                let values: Vec<Value> = (0..row.as_ref().column_count())
                    .map(|i| row.get_ref(i).map(value))
                    .collect::<rusqlite::Result<_>>()?;
                Ok(encode(&values))
            })
            .map_err(error)?;
        rows.sort_unstable();
        found.insert(name, rows);
    }
    Ok(found)
}
