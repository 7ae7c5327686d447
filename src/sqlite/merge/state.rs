//! One of the three states: its tables, objects, counters and settings, under the names that the merge gives them.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::definition::Definition;
use super::tokens::folded_all;
use crate::model::Value;
use crate::sqlite::diff::side::{all_rows, value};
use crate::sqlite::diff::table::read_all;
use crate::sqlite::diff::{Table, TableKind};
use crate::sqlite::vfs_collations::accept_any_collation;

/// The settings that are merged.
pub(super) const SETTINGS: [&str; 2] = ["user_version", "application_id"];

/// An index, a view or a trigger.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Its name.
    pub name: String,
    /// The table that it belongs to, in lower case.
    pub table: String,
    /// Its definition.
    pub sql: String,
    /// Its definition as it is compared.
    pub tokens: Vec<String>,
}

impl Object {
    /// Tells whether it is an index that forbids equal rows.
    pub fn is_unique(&self) -> bool {
        self.tokens.iter().take(3).any(|t| t == "unique")
    }
}

/// The objects of a schema other than tables, by kind and name in lower case.
pub(super) type Objects = BTreeMap<(String, String), Object>;

/// A table of a state.
#[derive(Clone, Debug)]
pub(super) struct StateTable {
    /// It as the database has it: for reading.
    pub real: Table,
    /// It with the names that the merge gives to it and its columns.
    pub now: Table,
    /// Its definition, with these names; of a virtual table it only says the text.
    pub definition: Definition,
}

impl StateTable {
    /// Tells whether it is a virtual table.
    pub fn is_virtual(&self) -> bool {
        self.real.kind == TableKind::Virtual
    }

    /// Returns what its key is like: without rowids or not, the columns, the one that stands for the rowid.
    pub fn shape(&self) -> (bool, Vec<String>, Option<String>) {
        let table = &self.now;
        let key = table.key.iter().map(|k| k.to_ascii_lowercase()).collect();
        let rowid = table.rowid_column.as_ref().map(|c| c.to_ascii_lowercase());
        (table.kind == TableKind::WithoutRowid, key, rowid)
    }

    /// Tells whether two definitions say the same.
    pub fn defined_like(&self, other: &Self) -> bool {
        match self.is_virtual() || other.is_virtual() {
            true => folded_all(&self.now.sql) == folded_all(&other.now.sql),
            false => self.definition.is_same(&other.definition),
        }
    }
}

/// A state of the database.
pub(super) struct State<'d> {
    /// The connection that reads it.
    pub conn: &'d Connection,
    /// Its tables by name in lower case, those that SQLite cannot read and shadow tables aside.
    pub tables: BTreeMap<String, StateTable>,
    /// What else its schema holds.
    pub objects: Objects,
    /// Counters of AUTOINCREMENT, by table in lower case.
    pub sequence: BTreeMap<String, Value>,
    /// What [`SETTINGS`] are.
    pub settings: [i64; 2],
    /// Its schema without rows, in which names have been changed; made when first needed.
    scratch: Option<Connection>,
}

impl<'d> State<'d> {
    /// Reads the schema.
    pub fn read(conn: &'d Connection) -> rusqlite::Result<Self> {
        let tables = readable_tables(conn)?
            .into_iter()
            .map(|real| {
                let definition = Definition::parse(&real.sql);
                (real.name.to_ascii_lowercase(), StateTable { now: real.clone(), real, definition })
            })
            .collect();
        let mut settings = [0; 2];
        for (setting, name) in settings.iter_mut().zip(SETTINGS) {
            *setting = conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
        }
        let objects = read_objects(conn)?;
        Ok(Self { conn, tables, objects, sequence: read_sequence(conn)?, settings, scratch: None })
    }

    /// Does to the schema what a statement that renames something does; the rows stay where they are.
    pub fn rename(&mut self, statement: &str) -> rusqlite::Result<()> {
        if self.scratch.is_none() {
            self.scratch = Some(schema_copy(self.conn)?);
        }
        let Some(scratch) = &self.scratch else { return Ok(()) };
        let before: Vec<String> = names(scratch)?;
        scratch.execute_batch(statement)?;
        let after: Vec<String> = names(scratch)?;
        let mut now: BTreeMap<String, Table> =
            readable_tables(scratch)?.into_iter().map(|t| (t.name.to_ascii_lowercase(), t)).collect();
        // What could not be copied keeps its names. Renaming keeps the order of the schema.
        let (mut tables, mut sequence) = (BTreeMap::new(), BTreeMap::new());
        for (name, table) in std::mem::take(&mut self.tables) {
            let at = before.iter().position(|n| *n == name);
            let old = name;
            let name = at.and_then(|at| after.get(at)).cloned().unwrap_or_else(|| old.clone());
            if let Some(counter) = self.sequence.remove(&old) {
                sequence.insert(name.clone(), counter);
            }
            let table = match now.remove(&name) {
                Some(now) => StateTable { definition: Definition::parse(&now.sql), now, real: table.real },
                None => table,
            };
            tables.insert(name, table);
        }
        self.tables = tables;
        self.sequence.append(&mut sequence);
        for (key, object) in read_objects(scratch)? {
            self.objects.insert(key, object);
        }
        Ok(())
    }

    /// Returns the indexes and triggers of a table, as they are compared.
    pub fn belongings(&self, table: &str) -> BTreeMap<&(String, String), &Vec<String>> {
        let belongs = |kind: &str| kind == "index" || kind == "trigger";
        let own = self.objects.iter().filter(|((kind, _), o)| belongs(kind) && o.table == table);
        own.map(|(key, o)| (key, &o.tokens)).collect()
    }
}

fn names(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid";
    let names = all_rows(conn, sql, [], |row| row.get::<_, String>(0))?;
    Ok(names.into_iter().map(|n| n.to_ascii_lowercase()).collect())
}

/// Returns the tables that SQLite can read, shadow tables aside.
fn readable_tables(conn: &Connection) -> rusqlite::Result<Vec<Table>> {
    Ok(read_all(conn)?.into_iter().filter_map(|found| found.table).filter(|t| !t.shadow).collect())
}

/// Reads the objects of a schema other than tables, those of SQLite's own aside.
pub(super) fn read_objects(conn: &Connection) -> rusqlite::Result<Objects> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL";
    let found = all_rows(conn, sql, [], |row| {
        let text = |i| row.get_ref(i).map(|v| String::from_utf8_lossy(v.as_bytes().unwrap_or_default()).into_owned());
        let (kind, name, sql) = (text(0)?, text(1)?, text(3)?);
        let tokens = folded_all(&sql);
        Ok(((kind, name.to_ascii_lowercase()), Object { name, table: text(2)?.to_ascii_lowercase(), sql, tokens }))
    })?;
    Ok(found.into_iter().collect())
}

fn read_sequence(conn: &Connection) -> rusqlite::Result<BTreeMap<String, Value>> {
    let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence' AND type = 'table')";
    if !conn.query_row(exists, [], |row| row.get(0))? {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT name, seq FROM sqlite_sequence WHERE typeof(name) = 'text'";
    let found =
        all_rows(conn, sql, [], |row| Ok((row.get::<_, String>(0)?.to_ascii_lowercase(), value(row.get_ref(1)?))))?;
    Ok(found.into_iter().collect())
}

/// Opens a database in memory for schemas without rows.
pub(super) fn empty_scratch() -> rusqlite::Result<Connection> {
    let scratch = Connection::open_in_memory()?;
    accept_any_collation(&scratch)?;
    scratch.execute_batch("PRAGMA foreign_keys = OFF")?;
    Ok(scratch)
}

/// Copies a schema, as far as SQLite alone knows what is in it.
fn schema_copy(conn: &Connection) -> rusqlite::Result<Connection> {
    let scratch = empty_scratch()?;
    let order = "SELECT sql FROM sqlite_schema s WHERE sql IS NOT NULL AND lower(substr(name, 1, 7)) <> 'sqlite_' \
                 AND NOT EXISTS (SELECT 1 FROM pragma_table_list l WHERE l.schema = 'main' AND l.type = 'shadow' AND l.name = s.name) \
                 ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid";
    for sql in all_rows(conn, order, [], |row| row.get::<_, String>(0))? {
        // What needs something that only the application has is left out.
        let _ = scratch.execute_batch(&sql);
    }
    Ok(scratch)
}
