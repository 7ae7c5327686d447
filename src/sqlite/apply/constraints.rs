//! What SQLite does not check while changes are applied: whether rows refer to rows that are there.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, OptionalExtension};

use super::{Conflict, MAX_CONFLICTS, shortened};
use crate::sqlite::diff::side::quoted;

/// Tables whose references are to be looked at.
pub(super) enum Touched {
    /// Those of the whole database.
    All,
    /// Those of and to these tables, in lower case.
    Tables(HashSet<String>),
}

impl Touched {
    /// Adds a table.
    pub fn add(&mut self, table: &str) {
        if let Self::Tables(names) = self {
            names.insert(table.to_ascii_lowercase());
        }
    }

    fn holds(&self, table: &str) -> bool {
        match self {
            Self::All => true,
            Self::Tables(names) => names.contains(&table.to_ascii_lowercase()),
        }
    }
}

/// Decides whether rows that refer to nothing are a matter of the changes.
///
/// All that dangles is found at the end, which is nothing as a rule. Only if something is, the changes are applied once more
/// with a look at the beginning, as what dangled before is none of their business.
pub(super) struct Judge {
    /// What was touched so far.
    pub touched: Touched,
    before: Option<References>,
    look: bool,
}

impl Judge {
    /// Looks at what dangles before anything changes, if that is asked for.
    pub fn begin(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if self.look {
            self.before = Some(References::read(conn, &Touched::All)?);
        }
        Ok(())
    }

    /// Names what dangles now and did not before; `None` if it must be known what did.
    pub fn judge(&self, conn: &Connection) -> rusqlite::Result<Option<Vec<Conflict>>> {
        let found = References::read(conn, &self.touched)?;
        Ok(match &self.before {
            _ if found.0.is_empty() => Some(Vec::new()),
            None => None,
            Some(before) => Some(found.beyond(before).conflicts(conn)),
        })
    }
}

/// Applies changes by `run`, a second time if they have to be judged by what was before.
pub(super) fn judged<T, E>(mut run: impl FnMut(&mut Judge) -> Result<Option<T>, E>) -> Result<T, E> {
    loop {
        for look in [false, true] {
            let mut judge = Judge { touched: Touched::Tables(HashSet::new()), before: None, look };
            if let Some(done) = run(&mut judge)? {
                return Ok(done);
            }
        }
    }
}

/// A row that refers to one that is not there: its table, its rowid where it has one, the table it refers to.
type Dangling = (String, Option<i64>, String);

/// Rows that refer to rows that are not there, each with how often and by which of its foreign keys.
#[derive(Default)]
pub(super) struct References(BTreeMap<Dangling, (u64, i64)>);

impl References {
    /// Finds those of the tables that were touched, and of those that refer to them.
    pub fn read(conn: &Connection, touched: &Touched) -> rusqlite::Result<Self> {
        let sql = "SELECT DISTINCT m.name, f.\"table\" FROM main.sqlite_master m, pragma_foreign_key_list(m.name, 'main') f \
                   WHERE m.type = 'table' AND m.sql LIKE '%references%'";
        let mut statement = conn.prepare(sql)?;
        let pairs = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let pairs: Vec<(String, String)> = pairs.collect::<rusqlite::Result<_>>()?;
        let mut children: Vec<&String> =
            pairs.iter().filter(|(a, b)| touched.holds(a) || touched.holds(b)).map(|(child, _)| child).collect();
        children.dedup();
        let mut found = Self::default();
        for child in children {
            // What SQLite cannot check, as a parent has no such key, or a collation is unknown, no program checks.
            match found.add(conn, child) {
                Err(error) if cannot_be_checked(&error) => {}
                other => other?,
            }
        }
        Ok(found)
    }

    fn add(&mut self, conn: &Connection, child: &str) -> rusqlite::Result<()> {
        let sql = "SELECT \"table\", rowid, parent, fkid FROM pragma_foreign_key_check(?1, 'main')";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([child])?;
        while let Some(row) = rows.next()? {
            let entry = self.0.entry((row.get(0)?, row.get(1)?, row.get(2)?)).or_insert((0, row.get(3)?));
            entry.0 += 1;
        }
        Ok(())
    }

    /// Returns those that were not there before.
    pub fn beyond(self, before: &Self) -> Self {
        let is_new = |at: &Dangling, n: u64| n > before.0.get(at).map_or(0, |(n, _)| *n);
        Self(self.0.into_iter().filter(|(at, (n, _))| is_new(at, *n)).collect())
    }

    /// Describes them, with the values that refer.
    pub fn conflicts(&self, conn: &Connection) -> Vec<Conflict> {
        let of = |((table, rowid, parent), (_, key)): (&Dangling, &(u64, i64))| {
            let row = rowid.and_then(|rowid| described(conn, table, rowid, *key).ok().flatten());
            let reason = format!("it refers to a row of {parent} that is not there");
            let row = shortened(&row.unwrap_or_else(|| "a row".to_owned()));
            Conflict { table: Some(table.clone()), row, reason, constraint: true }
        };
        self.0.iter().take(MAX_CONFLICTS).map(of).collect()
    }
}

/// Tells whether SQLite says of a foreign key itself that it cannot be checked.
fn cannot_be_checked(error: &rusqlite::Error) -> bool {
    const SAID: [&str; 4] =
        ["foreign key mismatch", "no such collation sequence", "no such function", "no such module"];
    match error {
        rusqlite::Error::SqliteFailure(e, Some(said)) => {
            e.extended_code & 0xff == rusqlite::ffi::SQLITE_ERROR && SAID.iter().any(|start| said.starts_with(start))
        }
        _ => false,
    }
}

fn described(conn: &Connection, table: &str, rowid: i64, key: i64) -> rusqlite::Result<Option<String>> {
    let mut statement =
        conn.prepare("SELECT \"from\" FROM pragma_foreign_key_list(?1, 'main') WHERE id = ?2 ORDER BY seq")?;
    let columns = statement.query_map((table, key), |row| row.get::<_, String>(0))?;
    let columns: Vec<String> = columns.collect::<rusqlite::Result<_>>()?;
    let shown: Vec<String> =
        columns.iter().map(|c| format!("'{} = ' || quote({})", quoted(c).replace('\'', "''"), quoted(c))).collect();
    let sql = format!("SELECT {} FROM main.{} WHERE rowid = ?1", shown.join(" || ', ' || "), quoted(table));
    let values: Option<String> = conn.query_row(&sql, [rowid], |row| row.get(0)).optional()?;
    Ok(values.map(|values| format!("rowid {rowid}, {values}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &str = "CREATE TABLE p (a); CREATE TABLE c (a REFERENCES p (a)); INSERT INTO c VALUES (1);
        CREATE TABLE q (a PRIMARY KEY); CREATE TABLE d (a REFERENCES q); INSERT INTO d VALUES (1)";

    #[test]
    fn only_what_cannot_be_checked_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&format!("PRAGMA foreign_keys = OFF; {TABLES}")).unwrap();
        let found = References::read(&conn, &Touched::All).expect("a mismatch is no error");
        assert_eq!(found.0.into_keys().collect::<Vec<_>>(), [("d".to_owned(), Some(1), "q".to_owned())]);
        let root: u32 =
            conn.query_row("SELECT rootpage FROM sqlite_master WHERE name = 'd'", [], |row| row.get(0)).unwrap();
        drop(conn);
        let (mut bytes, root) = (std::fs::read(&path).unwrap(), root as usize);
        bytes[(root - 1) * 4096..root * 4096].fill(0xee);
        std::fs::write(&path, bytes).unwrap();
        let conn = Connection::open(&path).unwrap();
        assert!(References::read(&conn, &Touched::All).is_err(), "what cannot be read is not passed over");
    }
}
