//! What a script expects of the database, checked before anything changes; what is otherwise is named.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension};

use super::{Conflict, shortened};
use crate::sqlite::script::content::fingerprint;
use crate::sqlite::script::expected::{EXPECT, What};

/// The settings that a script may expect something of.
const SETTINGS: [&str; 3] = ["user_version", "application_id", "encoding"];

/// The expectations of a script, as far as they were looked at.
#[derive(Default)]
pub(super) struct Expected {
    known: HashSet<(String, String)>,
    closed: bool,
}

impl Expected {
    /// Tells whether more may follow.
    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// Notes that all were looked at.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Looks at one expectation, and adds what is otherwise to `conflicts`. `None` if the statement is none.
    pub fn check(
        &mut self,
        conn: &Connection,
        sql: &str,
        conflicts: &mut Vec<Conflict>,
    ) -> Option<rusqlite::Result<()>> {
        let values = sql.strip_prefix(EXPECT)?;
        Some(self.look(conn, values, conflicts))
    }

    fn look(&mut self, conn: &Connection, values: &str, conflicts: &mut Vec<Conflict>) -> rusqlite::Result<()> {
        let (word, name, mut fits, detail): (String, String, bool, Option<String>) =
            conn.query_row(values, [], |row| {
                let fits: Option<i64> = row.get(2)?;
                Ok((row.get(0)?, row.get(1)?, fits.is_some(), row.get(3)?))
            })?;
        self.known.insert((word.clone(), name.clone()));
        let what = What::of(&word);
        if what == Some(What::Rows) && fits {
            fits = Some(fingerprint(conn, &name)?.1) == detail;
        }
        if fits {
            return Ok(());
        }
        let (table, row, reason) = match what {
            Some(What::Object(kind)) => match definition(conn, "type = ?1 AND name = ?2", (kind, &name))? {
                Some((_, _, sql)) => (None, sql, format!("{kind} {name} is not what the changes were made from")),
                None => (None, name, format!("there is no such {kind}")),
            },
            Some(What::Free) => match definition(conn, "name = ?1 COLLATE NOCASE", [&name])? {
                Some((kind, found, sql)) => (None, sql, format!("{kind} {found} already exists")),
                None => (None, name, "the name is taken".to_owned()),
            },
            Some(What::Triggers | What::Belongings | What::Mentions) => {
                for (kind, other, sql) in self.others(conn, what.unwrap_or(What::Mentions), &name)? {
                    let reason = format!("{kind} {other} of {name} is not in what the changes were made from");
                    conflicts.push(Conflict { table: None, row: shortened(&sql), reason, constraint: false });
                }
                return Ok(());
            }
            Some(What::Rows) => {
                let reason = "the changes take away what they hold, and are made from other rows";
                (Some(name), "its rows".to_owned(), reason.to_owned())
            }
            Some(What::Setting) => {
                // The name is the script's.
                let found: String = match SETTINGS.contains(&name.as_str()) {
                    true => {
                        let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
                        conn.query_row(&sql, [], |row| row.get(0))?
                    }
                    false => "unknown".to_owned(),
                };
                (None, format!("{name} = {found}"), "the setting is not what the changes were made from".to_owned())
            }
            Some(What::Counter) => {
                let sql = "SELECT seq FROM main.sqlite_sequence WHERE name IS ?1";
                let found: Option<i64> = conn.query_row(sql, [&name], |row| row.get(0)).optional()?;
                let found = found.map_or("none".to_owned(), |n| n.to_string());
                let reason = "the changes set it back, and it is not what they were made from";
                (Some(name), format!("its AUTOINCREMENT counter ({found})"), reason.to_owned())
            }
            None => (None, name, "the script expects what this version of graft does not know".to_owned()),
        };
        conflicts.push(Conflict { table, row: shortened(&row), reason, constraint: false });
        Ok(())
    }

    /// Returns what goes with a table and was not named by an expectation before.
    fn others(&self, conn: &Connection, what: What, table: &str) -> rusqlite::Result<Vec<(String, String, String)>> {
        let sql = format!("SELECT type, name, sql FROM main.sqlite_master WHERE {}", what.condition());
        let mut statement = conn.prepare(&sql)?;
        let found = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut found: Vec<(String, String, String)> = found.collect::<rusqlite::Result<_>>()?;
        found.retain(|(kind, name, sql)| {
            let belongs = kind == "index" || what != What::Mentions || mentions(sql, table);
            belongs && !self.known.contains(&(kind.clone(), name.clone()))
        });
        Ok(found)
    }
}

/// Tells whether a definition has a name in it, and not only as a part of another name.
fn mentions(sql: &str, name: &str) -> bool {
    let (sql, name) = (sql.to_ascii_lowercase(), name.to_ascii_lowercase());
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    sql.match_indices(&name)
        .any(|(at, _)| !sql[..at].ends_with(is_word) && !sql[at + name.len()..].starts_with(is_word))
}

/// Finds an object of the schema: its kind, its name, its definition.
fn definition(
    conn: &Connection,
    condition: &str,
    params: impl rusqlite::Params,
) -> rusqlite::Result<Option<(String, String, String)>> {
    let sql = format!("SELECT type, name, coalesce(sql, '') FROM main.sqlite_master WHERE {condition}");
    conn.query_row(&sql, params, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_is_no_mention() {
        for (sql, is) in [
            ("CREATE VIEW v AS SELECT * FROM Cust", true),
            ("CREATE VIEW v AS SELECT * FROM \"cust\";", true),
            ("CREATE VIEW v AS SELECT cust.id FROM customer", true),
            ("CREATE VIEW v AS SELECT * FROM customer, a_cust, cust$", false),
        ] {
            assert_eq!(mentions(sql, "cust"), is, "{sql}");
        }
    }
}
