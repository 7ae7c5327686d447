//! Rows from a text file into a table, in one transaction.

use super::{RunError, Session, Stage};
use crate::sqlite::diff::side::quoted;
use crate::sqlite::vfs;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// Rows inserted.
    pub rows: u64,
    /// Whether the table was made for it.
    pub created: bool,
    /// Rows that had fewer or more values than the table has columns, with their numbers of values.
    pub uneven: Vec<(u64, usize)>,
}

/// How many uneven rows are named.
const MAX_UNEVEN: usize = 100;

impl Session {
    /// Inserts records into a table. If there is none, it is made, its columns named by the first record.
    ///
    /// Missing values become NULL, surplus ones are left out. All rows go in, or none.
    pub fn import<E: From<RunError>>(
        &self,
        table: &str,
        mut records: impl Iterator<Item = Result<Vec<Vec<u8>>, E>>,
    ) -> Result<Import, E> {
        let own = !self.in_transaction();
        self.before("BEGIN", false);
        self.execute(if own { "BEGIN" } else { "SAVEPOINT graft_import" })?;
        let done = self.import_now(table, &mut records);
        let (end, undo) = match own {
            true => ("COMMIT", "ROLLBACK"),
            false => ("RELEASE graft_import", "ROLLBACK TO graft_import; RELEASE graft_import"),
        };
        let done = done.and_then(|done| Ok(self.execute(end).map(|()| done)?));
        if done.is_err() {
            // What failed is told; that it was undone goes without saying.
            let _ = self.execute(undo);
        }
        self.after();
        done
    }

    fn import_now<E: From<RunError>>(
        &self,
        table: &str,
        records: &mut dyn Iterator<Item = Result<Vec<Vec<u8>>, E>>,
    ) -> Result<Import, E> {
        let failed = |e| E::from(RunError::of(e, Stage::Step, 0, vfs::take_error()));
        let mut done = Import::default();
        let mut width = self.columns("main", table)?.len();
        if width == 0 {
            let Some(names) = records.next().transpose()? else { return Ok(done) };
            let names: Vec<String> = unique(names.iter().map(|n| String::from_utf8_lossy(n).into_owned()));
            let columns: Vec<String> = names.iter().map(|n| format!("{} TEXT", quoted(n))).collect();
            self.execute(&format!("CREATE TABLE {} ({})", quoted(table), columns.join(", ")))?;
            (width, done.created) = (names.len(), true);
        }
        let places = vec!["?"; width].join(",");
        let sql = format!("INSERT INTO {} VALUES ({places})", quoted(table));
        let mut insert = self.conn.prepare(&sql).map_err(failed)?;
        for (number, record) in (1..).zip(records) {
            let record = record?;
            if record.len() != width && done.uneven.len() < MAX_UNEVEN {
                done.uneven.push((number, record.len()));
            }
            for i in 0..width {
                let text = record.get(i).map(|bytes| rusqlite::types::ValueRef::Text(bytes));
                let text = text.unwrap_or(rusqlite::types::ValueRef::Null);
                insert.raw_bind_parameter(i + 1, rusqlite::types::ToSqlOutput::Borrowed(text)).map_err(failed)?;
            }
            insert.raw_execute().map_err(failed)?;
            done.rows += 1;
        }
        Ok(done)
    }
}

/// Makes names unique by numbers behind those that come again.
fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (i, name) in names.enumerate() {
        let base = if name.trim().is_empty() { format!("column{}", i + 1) } else { name };
        let taken = |n: &str| out.iter().any(|o| o.eq_ignore_ascii_case(n));
        let name = match taken(&base) {
            true => (2..).map(|n| format!("{base}_{n}")).find(|n| !taken(n)).expect("numbers do not end"),
            false => base,
        };
        out.push(name);
    }
    out
}
