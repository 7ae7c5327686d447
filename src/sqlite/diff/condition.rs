//! A condition of the user's over rows, such as `total > 100`, which SQLite evaluates.

use rusqlite::{Connection, params_from_iter};

use super::mapping::RowPair;
use super::side::{param, quoted};
use super::table::{Table, TableKind};
use super::{DiffError, TablePair};
use crate::model::Value;
use crate::sqlite::error::message;
use crate::sqlite::vfs_collations::accept_any_collation;

/// A condition, ready for the rows of one table.
pub struct Condition {
    old: Option<OneSide>,
    new: Option<OneSide>,
}

/// An empty table like that of one state, into which rows are put one at a time.
struct OneSide {
    conn: Connection,
    insert: String,
    ask: String,
    table: String,
}

impl Condition {
    /// Prepares a condition for a table; fails with SQLite's words if it is none, or names what the table has not.
    pub fn new(pair: &TablePair, expression: &str) -> Result<Self, String> {
        let side = |table: &Option<Table>| table.as_ref().map(|table| OneSide::new(table, expression)).transpose();
        match (side(&pair.old), side(&pair.new)) {
            (Ok(old), Ok(new)) => Ok(Self { old, new }),
            // A column may have come or gone.
            (Ok(old), Err(_)) if pair.old.is_some() => Ok(Self { old, new: None }),
            (Err(_), Ok(new)) if pair.new.is_some() => Ok(Self { old: None, new }),
            (Err(e), _) | (_, Err(e)) => Err(e),
        }
    }

    /// Tells whether it holds for a row as it was or as it is.
    pub fn holds(&self, row: &RowPair<'_>) -> Result<bool, DiffError> {
        for (side, values) in [(&self.old, row.old), (&self.new, row.new)] {
            if let (Some(side), Some(values)) = (side, values)
                && side.holds(values)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl OneSide {
    fn new(table: &Table, expression: &str) -> Result<Self, String> {
        let prepare = || -> rusqlite::Result<Self> {
            let conn = Connection::open_in_memory()?;
            accept_any_collation(&conn)?;
            conn.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")?;
            let name = quoted(&table.name);
            if table.kind == TableKind::Virtual || conn.execute_batch(&table.sql).is_err() {
                let columns: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
                conn.execute_batch(&format!("CREATE TABLE {name} ({})", columns.join(", ")))?;
            }
            let columns: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
            let places = vec!["?"; columns.len()].join(", ");
            let insert = format!("INSERT OR REPLACE INTO {name} ({}) VALUES ({places})", columns.join(", "));
            let ask = format!("SELECT EXISTS (SELECT 1 FROM {name} WHERE ({expression}\n))");
            conn.prepare(&ask)?;
            Ok(Self { conn, insert, ask, table: table.name.clone() })
        };
        // SQLite repeats the whole statement, which the user did not write.
        prepare().map_err(|e| message(&e).split(" in SELECT EXISTS").next().unwrap_or_default().to_owned())
    }

    fn holds(&self, row: &[Value]) -> Result<bool, DiffError> {
        let ask = || -> rusqlite::Result<bool> {
            self.conn.prepare_cached(&format!("DELETE FROM {}", quoted(&self.table)))?.execute([])?;
            self.conn.prepare_cached(&self.insert)?.execute(params_from_iter(row.iter().map(param)))?;
            self.conn.prepare_cached(&self.ask)?.query_row([], |row| row.get(0))
        };
        ask().map_err(|e| DiffError::Condition { table: self.table.clone(), detail: message(&e) })
    }
}
