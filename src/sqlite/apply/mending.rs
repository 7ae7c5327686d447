//! Definitions that a script puts right: the one place where it may write the schema itself, and nothing but line ends.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::sqlite::script::definition::{CLOSE_SCHEMA, MEND, OPEN_SCHEMA, is_same_but_for_line_ends};

/// Kind, name, table, root and definition.
type Object = (String, String, String, Option<i64>, String);

/// Whether a script is putting definitions right.
#[derive(Default)]
pub(super) struct Mending {
    before: Option<Vec<Object>>,
}

impl Mending {
    /// Tells whether the schema is open.
    pub fn is_open(&self) -> bool {
        self.before.is_some()
    }

    /// Opens the schema for the next statement, or closes it. Tells whether the statement was about that; an error says
    /// that the statement before did something else to the schema than to put a definition right.
    pub fn turn(&mut self, conn: &Connection, sql: &str) -> Result<bool, Refused> {
        let sql = sql.trim_end_matches(';');
        match self.before.take() {
            None if sql == OPEN_SCHEMA => {
                self.before = Some(objects(conn)?);
                conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
                conn.execute_batch(OPEN_SCHEMA)?;
                Ok(true)
            }
            None => Ok(false),
            Some(before) if sql == CLOSE_SCHEMA => {
                conn.execute_batch(CLOSE_SCHEMA)?;
                conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
                let after = objects(conn)?;
                let same = |(a, b): (&Object, &Object)| {
                    (&a.0, &a.1, &a.2, a.3) == (&b.0, &b.1, &b.2, b.3) && is_same_but_for_line_ends(&a.4, &b.4)
                };
                match before.len() == after.len() && before.iter().zip(&after).all(same) {
                    true => Ok(true),
                    false => Err(Refused::Other),
                }
            }
            Some(before) if sql.starts_with(MEND) => {
                self.before = Some(before);
                Ok(false)
            }
            Some(_) => Err(Refused::Other),
        }
    }
}

/// Why a statement is not run.
pub(super) enum Refused {
    /// SQLite failed.
    Sqlite(rusqlite::Error),
    /// The schema was written in another way.
    Other,
}

impl From<rusqlite::Error> for Refused {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(e)
    }
}

fn objects(conn: &Connection) -> rusqlite::Result<Vec<Object>> {
    let sql = "SELECT type, name, tbl_name, rootpage, coalesce(sql, '') FROM main.sqlite_master ORDER BY rowid";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    rows.collect()
}
