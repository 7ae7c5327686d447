//! Pairs rows by a declared key, or counts equal rows, in a temporary database on disk: memory stays bounded.

use std::ops::ControlFlow;

use rusqlite::{Connection, Statement, params};

use super::DiffError;
use super::encode::{decode, encode};
use super::mapping::{Mapping, RowPair};
use crate::model::Value;
use crate::util::interrupt;

/// Which state a row belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Old,
    New,
}

/// A temporary database of rows that may differ.
pub(super) struct Matcher(Connection);

impl Matcher {
    pub fn new() -> rusqlite::Result<Self> {
        // A nameless database lives in a file of the system's folder for such, and goes with the connection.
        let conn = Connection::open("")?;
        conn.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE c (k BLOB, new INTEGER, r BLOB); BEGIN",
        )?;
        Ok(Self(conn))
    }

    /// Returns what adds rows to it.
    pub fn adding(&self) -> rusqlite::Result<Adding<'_>> {
        Ok(Adding(self.0.prepare("INSERT INTO c VALUES (?1, ?2, ?3)")?))
    }

    /// Hands out what differs, paired by key.
    pub fn by_key(&self, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), DiffError> {
        self.paired(&mut |key, old, new| match (old, new) {
            (Some(a), Some(b)) if mapping.equal(a, b) => ControlFlow::Continue(()),
            (old, new) => sink(&RowPair { key, old, new, count: 1, mapping }),
        })
    }

    /// Hands out all rows, paired by key.
    pub fn paired(&self, on: &mut OnPair<'_>) -> Result<(), DiffError> {
        let mut statement = self.0.prepare("SELECT k, new, r FROM c ORDER BY k, new").map_err(DiffError::Sqlite)?;
        let mut rows = statement.query([]).map_err(DiffError::Sqlite)?;
        let mut waiting: Option<(Vec<u8>, Vec<Value>)> = None;
        loop {
            interrupt::check()?;
            let next = match rows.next().map_err(DiffError::Sqlite)? {
                None => None,
                Some(row) => {
                    let read = || Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, bool>(1)?, row.get::<_, Vec<u8>>(2)?));
                    Some(read().map_err(DiffError::Sqlite)?)
                }
            };
            let paired = matches!((&waiting, &next), (Some((k, _)), Some((key, true, _))) if k == key);
            if let Some((k, old)) = waiting.take() {
                let new = next.as_ref().filter(|_| paired).map(|(_, _, new)| values(new));
                if on(&values(&k), Some(&old), new.as_deref()).is_break() {
                    return Ok(());
                }
            }
            match next {
                None => return Ok(()),
                Some(_) if paired => {}
                Some((k, false, row)) => waiting = Some((k, values(&row))),
                Some((k, true, row)) => {
                    if on(&values(&k), None, Some(&values(&row))).is_break() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Hands out the rows of which one state has more than the other.
    pub fn as_bag(&self, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), DiffError> {
        let sql = "SELECT k, sum(new) - sum(1 - new) AS more FROM c GROUP BY k HAVING more <> 0";
        let mut statement = self.0.prepare(sql).map_err(DiffError::Sqlite)?;
        let mut rows = statement.query([]).map_err(DiffError::Sqlite)?;
        while let Some(row) = rows.next().map_err(DiffError::Sqlite)? {
            interrupt::check()?;
            let k: Vec<u8> = row.get(0).map_err(DiffError::Sqlite)?;
            let more: i64 = row.get(1).map_err(DiffError::Sqlite)?;
            let row = values(&k);
            // What keeps rows of tables with different columns apart stands in front of them.
            let row = if mapping.same_columns { &row[..] } else { &row[1..] };
            let (old, new) = if more > 0 { (None, Some(row)) } else { (Some(row), None) };
            let change = RowPair { key: &[], old, new, count: more.unsigned_abs(), mapping };
            if sink(&change).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// What receives the key of a row, and the row in both states.
type OnPair<'a> = dyn FnMut(&[Value], Option<&[Value]>, Option<&[Value]>) -> ControlFlow<()> + 'a;

/// What receives changes.
pub type Sink<'a> = dyn FnMut(&RowPair<'_>) -> ControlFlow<()> + 'a;

/// Adds rows to a [`Matcher`].
pub(super) struct Adding<'m>(Statement<'m>);

impl Adding<'_> {
    /// Adds a row to be paired by `key`.
    pub fn keyed<'a>(
        &mut self,
        of: Of,
        key: impl IntoIterator<Item = &'a Value>,
        row: &[Value],
    ) -> Result<(), DiffError> {
        self.0.execute(params![encode(key), of == Of::New, encode(row)]).map_err(DiffError::Sqlite)?;
        Ok(())
    }

    /// Adds a row to be counted.
    pub fn whole(&mut self, of: Of, row: &[Value]) -> Result<(), DiffError> {
        self.0.execute(params![encode(row), of == Of::New, None::<&[u8]>]).map_err(DiffError::Sqlite)?;
        Ok(())
    }
}

fn values(bytes: &[u8]) -> Vec<Value> {
    decode(bytes).expect("the temporary database holds what was encoded")
}
