//! What is in the databases of a session: files, tables, definitions, and the names that a prompt completes.

use std::collections::BTreeSet;

use rusqlite::Row;

use super::split::terminator;
use super::{RunError, Session, Stage};
use crate::sqlite::diff::side::quoted;
use crate::sqlite::vfs;
use crate::sqlite::vfs_collations::BUILT_IN;

/// An attached database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The name it is attached as.
    pub name: String,
    /// Its file; empty in memory.
    pub file: String,
    /// The revision, if it is one.
    pub rev: Option<String>,
    /// Whether it cannot be written.
    pub read_only: bool,
}

/// Names that may be typed.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Tables and views.
    pub tables: Vec<String>,
    /// Columns of all of them, each once.
    pub columns: Vec<String>,
    /// Functions of SQLite.
    pub functions: Vec<String>,
}

impl Session {
    /// Runs a query of Graft's own.
    pub(super) fn query<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, RunError> {
        let rows = || -> rusqlite::Result<Vec<T>> { self.conn.prepare(sql)?.query_map(params, read)?.collect() };
        let rows = rows().map_err(|e| RunError::of(e, Stage::Step, 0, vfs::take_error()))?;
        self.check_unlocked()?;
        Ok(rows)
    }

    /// Names the tables that are sorted, or have an index that is, by a collation which only the application has.
    pub fn unknown_collations(&self) -> Result<Vec<(String, String)>, RunError> {
        let sql = "SELECT DISTINCT t.name, x.coll FROM pragma_table_list AS t, pragma_index_list(t.name, 'main') AS i, \
                   pragma_index_xinfo(i.name, 'main') AS x WHERE t.schema = 'main' AND x.coll IS NOT NULL \
                   AND upper(x.coll) NOT IN (?1, ?2, ?3) ORDER BY 1, 2";
        self.query(sql, BUILT_IN, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Lists the databases in the order in which they were attached; without the temporary one.
    pub fn databases(&self) -> Result<Vec<Database>, RunError> {
        let listed = self.query("PRAGMA database_list", [], |row| {
            Ok((row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?.unwrap_or_default()))
        })?;
        let described = listed.into_iter().filter(|(name, _)| name != "temp").map(|(name, file)| {
            let rev = vfs::revision_of(&self.conn, &name);
            let read_only = self.conn.is_readonly(name.as_str()).unwrap_or(false);
            Database { name, file, rev, read_only }
        });
        Ok(described.collect())
    }

    /// Lists tables and views of all databases whose names match a LIKE pattern, those of SQLite's own aside.
    /// Names in other databases than `main` begin with the name of theirs.
    pub fn tables(&self, pattern: &str) -> Result<Vec<String>, RunError> {
        self.objects("type IN ('table', 'view')", pattern)
    }

    /// Lists the indexes of tables that match a LIKE pattern.
    pub fn indexes(&self, pattern: &str) -> Result<Vec<String>, RunError> {
        let mut names = Vec::new();
        for db in self.schemas()? {
            let sql = format!(
                "SELECT name FROM {}.sqlite_schema WHERE type = 'index' AND tbl_name LIKE ?1 ESCAPE '\\'",
                quoted(&db)
            );
            names.extend(self.query(&sql, [pattern], |row| row.get::<_, String>(0))?);
        }
        names.sort();
        Ok(names)
    }

    fn objects(&self, which: &str, pattern: &str) -> Result<Vec<String>, RunError> {
        let mut names = Vec::new();
        for db in self.schemas()? {
            let sql = format!(
                "SELECT name FROM {}.sqlite_schema WHERE {which} AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                 AND name LIKE ?1 ESCAPE '\\'",
                quoted(&db)
            );
            let prefix = if db == "main" { String::new() } else { format!("{db}.") };
            names.extend(self.query(&sql, [pattern], |row| Ok(format!("{prefix}{}", row.get::<_, String>(0)?)))?);
        }
        names.sort();
        Ok(names)
    }

    /// Returns the definitions of the tables that match a LIKE pattern, and of what belongs to them, as statements.
    pub fn definitions(&self, pattern: Option<&str>) -> Result<Vec<String>, RunError> {
        let mut out = Vec::new();
        for db in self.schemas()? {
            let sql = format!(
                "SELECT sql, type, name FROM {}.sqlite_schema WHERE sql IS NOT NULL AND (?1 IS NULL \
                 OR lower(tbl_name) LIKE lower(?1) ESCAPE '\\') ORDER BY rowid",
                quoted(&db)
            );
            let found = self.query(&sql, [pattern], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            for (sql, kind, name) in found {
                let prefixed = if db == "main" { sql } else { with_schema(&sql, &db) };
                let shows_columns = kind == "view" || prefixed.to_ascii_uppercase().starts_with("CREATE VIRTUAL");
                let columns = match shows_columns {
                    true => self.columns(&db, &name).unwrap_or_default(),
                    false => Vec::new(),
                };
                let end = terminator(&prefixed);
                out.push(match columns.is_empty() {
                    true => format!("{prefixed}{end}"),
                    false => format!(
                        "{prefixed}{}\n/* {name}({}) */;",
                        end.trim_end_matches(';').trim_end(),
                        columns.join(",")
                    ),
                });
            }
        }
        Ok(out)
    }

    /// Returns the names of a table's columns, without hidden ones.
    pub fn columns(&self, db: &str, table: &str) -> Result<Vec<String>, RunError> {
        self.query("SELECT name FROM pragma_table_info(?1, ?2)", [table, db], |row| row.get(0))
    }

    /// Gathers the names that a prompt completes; what cannot be read at once is left out. A transaction gets none, as reading would
    /// begin it in earnest.
    pub fn names(&self) -> Names {
        if self.in_transaction() {
            return Names::default();
        }
        // Nobody waits for a prompt.
        let unlocked = self.conn.busy_timeout(std::time::Duration::ZERO);
        let names = self.names_now();
        let _ = unlocked.and_then(|()| self.conn.busy_timeout(self.busy.get()));
        names
    }

    fn names_now(&self) -> Names {
        let text = |sql: &str| self.query(sql, [], |row| row.get::<_, String>(0)).unwrap_or_default();
        let tables = self.tables("%").unwrap_or_default();
        let mut columns = BTreeSet::new();
        for db in self.schemas().unwrap_or_default() {
            let sql = format!(
                "SELECT DISTINCT c.name FROM {}.sqlite_schema AS s, pragma_table_info(s.name, ?1) AS c \
                 WHERE s.type IN ('table', 'view')",
                quoted(&db)
            );
            columns.extend(self.query(&sql, [&db], |row| row.get::<_, String>(0)).unwrap_or_default());
        }
        let functions = text("SELECT DISTINCT name FROM pragma_function_list ORDER BY name");
        Names { tables, columns: columns.into_iter().collect(), functions }
    }

    fn schemas(&self) -> Result<Vec<String>, RunError> {
        self.query("PRAGMA database_list", [], |row| row.get(1))
    }
}

/// Puts the name of a database before that of the object which a statement creates.
fn with_schema(sql: &str, db: &str) -> String {
    let words = ["TABLE ", "INDEX ", "VIEW ", "TRIGGER "];
    let upper = sql.to_ascii_uppercase();
    let found = words.iter().filter_map(|w| upper.find(w).map(|at| at + w.len())).min();
    let at = found.map(|at| if upper[at..].starts_with("IF NOT EXISTS ") { at + 14 } else { at });
    match at {
        Some(at) => format!("{}{}.{}", &sql[..at], quoted_if_needed(db), &sql[at..]),
        None => sql.to_owned(),
    }
}

fn quoted_if_needed(name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
    if plain { name.to_owned() } else { quoted(name) }
}
