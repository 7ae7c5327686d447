//! The tables of a state: columns, keys, and what kind of table it is.

use std::collections::{BTreeMap, HashSet};

use rusqlite::Connection;

use super::side::{all_rows, quoted};

/// What kind of table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table with rowids.
    Rowid,
    /// A WITHOUT ROWID table.
    WithoutRowid,
    /// A virtual table.
    Virtual,
}

/// A column that stores something: neither generated nor hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its declared type; may be empty.
    pub decl_type: String,
    /// It has a NOT NULL constraint.
    pub not_null: bool,
    /// The expression of its default.
    pub default: Option<String>,
}

/// A table of one state.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What kind of table it is.
    pub kind: TableKind,
    /// A virtual table keeps its content here.
    pub shadow: bool,
    /// Its definition.
    pub sql: String,
    /// Its columns, generated and hidden ones aside.
    pub columns: Vec<Column>,
    /// The columns of its declared primary key, in their order.
    pub key: Vec<String>,
    /// The column that is another name for the rowid.
    pub rowid_column: Option<String>,
    /// A name by which the rowid can be asked for.
    pub(in crate::sqlite) rowid_name: Option<String>,
    /// It keeps rows of its own; false for some virtual tables.
    pub(in crate::sqlite) has_content: bool,
    /// The page of its root; 0 for virtual tables.
    pub(super) root: u32,
    /// It has no generated or hidden columns: records hold the columns in their order.
    pub(super) plain: bool,
}

/// A table and its name; without the table if SQLite cannot read the definition.
pub(in crate::sqlite) struct Found {
    pub name: String,
    pub table: Option<Table>,
}

impl Table {
    /// Returns the names of the columns.
    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.name.clone()).collect()
    }

    /// Returns a name by which the rowid can be asked for, quoted where need be; `None` if columns hide all of them.
    pub fn rowid_name(&self) -> Option<&str> {
        self.rowid_name.as_deref()
    }

    /// Tells whether it is a full-text index over the content of another table.
    pub(in crate::sqlite) fn indexes_other_content(&self) -> bool {
        let sql = self.sql.to_ascii_lowercase();
        let mut contents = sql.match_indices("content").filter_map(|(at, word)| {
            let value = sql[at + word.len()..].trim_start().strip_prefix('=')?.trim_start();
            Some(!["''", "\"\"", ",", ")"].iter().any(|nothing| value.starts_with(nothing)))
        });
        self.kind == TableKind::Virtual && !self.has_content && contents.any(|other| other)
    }

    /// Tells whether the bytes of a record of `self` mean the same in `new`: their definitions are the same, or `new` has
    /// only more columns at its end, which old records lack.
    pub(super) fn reads_like(&self, new: &Self) -> bool {
        let extended = || {
            self.kind == TableKind::Rowid
                && (self.plain && new.plain)
                && (&self.key, &self.rowid_column) == (&new.key, &new.rowid_column)
                && new.columns.starts_with(&self.columns)
        };
        let same_columns = || {
            self.kind == TableKind::WithoutRowid
                && (self.plain && new.plain)
                && (&self.key, &self.columns) == (&new.key, &new.columns)
        };
        self.kind == new.kind && (self.sql == new.sql || extended() || same_columns())
    }

    /// Returns where a column is.
    pub(in crate::sqlite) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// Returns where the columns of the key are.
    pub(in crate::sqlite) fn key_positions(&self) -> Vec<usize> {
        self.key.iter().filter_map(|k| self.position(k)).collect()
    }
}

/// Reads all tables in the order of their names, those of SQLite's own aside.
pub(in crate::sqlite) fn read_all(conn: &Connection) -> rusqlite::Result<Vec<Found>> {
    let sql = "SELECT name, coalesce(sql, ''), rootpage FROM sqlite_schema WHERE type = 'table'";
    let found = all_rows(conn, sql, [], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2).unwrap_or(0)))))?;
    let definitions: BTreeMap<String, (String, u32)> = found.into_iter().collect();
    let sql = "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'";
    let mut listed: Vec<(String, String, bool)> =
        all_rows(conn, sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    listed.sort();
    let mut tables = Vec::new();
    for (name, kind, without_rowid) in listed {
        let Some((sql, root)) = definitions.get(&name) else { continue };
        if name.to_ascii_lowercase().starts_with("sqlite_") {
            continue;
        }
        let (kind, shadow) = match (kind.as_str(), without_rowid) {
            ("virtual", _) => (TableKind::Virtual, false),
            ("table" | "shadow", true) => (TableKind::WithoutRowid, kind == "shadow"),
            ("table" | "shadow", false) => (TableKind::Rowid, kind == "shadow"),
            _ => continue,
        };
        let table = read(conn, &name, kind, sql.clone(), *root).ok().map(|table| Table { shadow, ..table });
        tables.push(Found { name, table });
    }
    Ok(tables)
}

struct Info {
    column: Column,
    key: u32,
    hidden: bool,
}

fn read(conn: &Connection, name: &str, kind: TableKind, sql: String, root: u32) -> rusqlite::Result<Table> {
    let info = all_rows(
        conn,
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)",
        [name],
        |row| {
            Ok(Info {
                column: Column {
                    name: row.get(0)?,
                    decl_type: row.get(1)?,
                    not_null: row.get(2)?,
                    default: row.get(3)?,
                },
                key: row.get(4)?,
                hidden: row.get::<_, u32>(5)? != 0,
            })
        },
    )?;
    let names: HashSet<String> = info.iter().map(|i| i.column.name.to_ascii_lowercase()).collect();
    let mut keys: Vec<(u32, String)> =
        info.iter().filter(|i| !i.hidden && i.key > 0).map(|i| (i.key, i.column.name.clone())).collect();
    keys.sort();
    let mut table = Table {
        name: name.into(),
        kind,
        shadow: false,
        plain: info.iter().all(|i| !i.hidden),
        columns: info.into_iter().filter(|i| !i.hidden).map(|i| i.column).collect(),
        key: keys.into_iter().map(|(_, name)| name).collect(),
        rowid_column: None,
        rowid_name: None,
        has_content: kind != TableKind::Virtual || keeps_content(&sql),
        sql,
        root,
    };
    match kind {
        TableKind::Virtual => {
            table.key.clear();
            table.rowid_name = Some("rowid".into());
        }
        TableKind::WithoutRowid => {}
        TableKind::Rowid => {
            let named = ["rowid", "_rowid_", "oid"].into_iter().find(|n| !names.contains(*n));
            table.rowid_name = named.map(str::to_owned);
            if let [key] = &table.key[..] {
                let indexes = "SELECT count(*) FROM pragma_index_list(?1) WHERE origin = 'pk'";
                if conn.query_row(indexes, [name], |row| row.get::<_, u32>(0))? == 0 {
                    table.rowid_column = Some(key.clone());
                    table.rowid_name = Some(quoted(key));
                }
            }
        }
    }
    Ok(table)
}

/// Tells whether a virtual table stores what it shows: not so for vocabularies, and full-text indexes of other content.
fn keeps_content(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    let module: String = sql
        .split_once("using")
        .map(|(_, rest)| rest.trim_start().trim_start_matches(['"', '[', '`']))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .unwrap_or_default();
    let external = sql.match_indices("content").any(|(at, word)| sql[at + word.len()..].trim_start().starts_with('='));
    !external && !["fts5vocab", "fts4aux", "fts3tokenize", "dbstat", "sqlite_dbpage"].contains(&module.as_str())
}
