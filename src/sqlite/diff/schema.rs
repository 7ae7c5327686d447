//! What differs besides rows: schema objects, settings, counters.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::encode::encode;
use super::side::{Side, quoted, value};
use super::{DiffError, TablePair};
use crate::model::{ColumnChange, SchemaChange, SequenceChange, SettingChange, Value};
use crate::sqlite::vfs_collations::accept_any_collation;

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
    let (mut old, new) = (definitions(old)?, definitions(new)?);
    let replayed = replayed(&old, tables);
    let table = |name: &str| ("table".to_owned(), name.to_owned());
    for pair in tables {
        if let Some(definition) = pair.renamed_from().and_then(|from| old.remove(&table(from))) {
            old.insert(table(&pair.name), definition);
        }
    }
    let all: BTreeSet<&(String, String)> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for object in all {
        let (a, b) = (old.get(object), new.get(object));
        let pair = tables.iter().find(|t| *object == table(&t.name));
        let renamed_from = pair.and_then(TablePair::renamed_from);
        if a == b && renamed_from.is_none() {
            continue;
        }
        let (kind, name) = object.clone();
        changes.push(SchemaChange {
            kind,
            name,
            renamed_from: renamed_from.map(str::to_owned),
            follows_renames: a.is_some() && b.is_some() && b == replayed.get(object),
            table: b.or(a).map(|d| d.0.clone()).unwrap_or_default(),
            old_sql: a.map(|d| d.1.clone()),
            new_sql: b.map(|d| d.1.clone()),
            columns: pair.map(column_changes).unwrap_or_default(),
        });
    }
    Ok(changes)
}

/// Returns what became of the old definitions if nothing was done but renames, which SQLite follows in all objects; what
/// it cannot tell is missing.
fn replayed(old: &Definitions, tables: &[TablePair]) -> Definitions {
    let renames: Vec<String> = tables.iter().flat_map(renames).collect();
    if renames.is_empty() {
        return Definitions::new();
    }
    let replay = || -> rusqlite::Result<Definitions> {
        let scratch = Connection::open_in_memory()?;
        accept_any_collation(&scratch)?;
        let mut objects: Vec<_> = old.iter().collect();
        objects.sort_by_key(|((kind, _), _)| ["table", "index", "trigger"].iter().position(|k| k == kind));
        // A few views that refer to each other twice can keep SQLite busy for ever.
        for (_, (_, sql)) in objects.into_iter().filter(|((kind, _), _)| kind != "view") {
            // What needs something that only the application has is left out, and so is not found to follow.
            let _ = scratch.execute_batch(sql);
        }
        scratch.execute_batch(&renames.join("; "))?;
        read_definitions(&scratch)
    };
    replay().unwrap_or_default()
}

/// Returns the statements that rename a table and its columns.
fn renames(pair: &TablePair) -> Vec<String> {
    let (Some(old), Some(aligned), Some(new)) = (&pair.old, pair.old_renamed(), &pair.new) else { return Vec::new() };
    let mut statements = Vec::new();
    if old.name != new.name {
        // SQLite refuses a name that differs in case only.
        let between = format!("{}_renamed", new.name);
        for (from, to) in [(&old.name, &between), (&between, &new.name)] {
            statements.push(format!("ALTER TABLE {} RENAME TO {}", quoted(from), quoted(to)));
        }
    }
    for (a, b) in old.columns.iter().zip(&aligned.columns).filter(|(a, b)| a.name != b.name) {
        // SQLite keeps the quotes, which people leave out where they can.
        let plain = b.name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
        let to = if plain { b.name.clone() } else { quoted(&b.name) };
        let (table, from) = (quoted(&new.name), quoted(&a.name));
        statements.push(format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}"));
    }
    statements
}

fn definitions(side: &Side) -> Result<Definitions, DiffError> {
    read_definitions(&side.conn).map_err(|e| side.error(e))
}

fn read_definitions(conn: &Connection) -> rusqlite::Result<Definitions> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL \
               AND lower(substr(name, 1, 7)) <> 'sqlite_'";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let text = |i| row.get_ref(i).map(|v| String::from_utf8_lossy(v.as_bytes().unwrap_or_default()).into_owned());
        Ok(((text(0)?, text(1)?), (text(2)?, text(3)?)))
    })?;
    rows.collect()
}

fn column_changes(pair: &TablePair) -> Vec<ColumnChange> {
    let (Some(old), Some(aligned), Some(new)) = (&pair.old, pair.old_renamed(), &pair.new) else { return Vec::new() };
    let mut changes = Vec::new();
    for (a, b) in old.columns.iter().zip(&aligned.columns).filter(|(a, b)| a.name != b.name) {
        changes.push(ColumnChange::Renamed { from: a.name.clone(), to: b.name.clone() });
    }
    for a in &aligned.columns {
        match new.position(&a.name).map(|i| &new.columns[i]) {
            None => changes.push(ColumnChange::Dropped(a.name.clone())),
            Some(b) if a != b => changes.push(ColumnChange::Altered(a.name.clone())),
            Some(_) => {}
        }
    }
    let added = new.columns.iter().filter(|c| aligned.position(&c.name).is_none());
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
        let sql = format!("SELECT * FROM {}", quoted(&name));
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
