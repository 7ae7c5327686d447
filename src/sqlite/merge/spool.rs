//! The rows that theirs changed, in a temporary database on disk: memory stays bounded.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use super::Result;
use super::cells::{Row, pack, unpack};
use crate::util::interrupt;

/// How many rows are read at once.
const BATCH: i64 = 512;

/// A row that theirs changed, with what the other states have.
#[derive(Clone, Debug, Default)]
pub(super) struct Unit {
    /// What it is paired by, as bytes that sort like it.
    pub key: Vec<u8>,
    /// The rowid by which a row without a key is shown.
    pub shown: Option<i64>,
    /// It in the base.
    pub base: Option<Row>,
    /// It in ours.
    pub ours: Option<Row>,
    /// It in theirs.
    pub theirs: Option<Row>,
    /// It in the result.
    pub merged: Option<Row>,
    /// Its rowid in ours.
    pub place: Option<i64>,
    /// It stays as in ours.
    pub held: bool,
    /// Of a bag: how many more such rows theirs has than the base, and ours.
    pub more: (i64, i64),
    /// Of a bag: how many more such rows the result has than ours.
    pub added: i64,
}

/// The temporary database.
pub(super) struct Spool(Connection);

const COLUMNS: &str = "k, shown, b, o, th, m, place, held, more_t, more_o, added";

impl Spool {
    pub fn new() -> Result<Self> {
        // A nameless database lives in a file of the system's folder for such, and goes with the connection.
        let conn = Connection::open("")?;
        conn.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8000;
             CREATE TABLE u (t INTEGER, k BLOB, shown INTEGER, b BLOB, o BLOB, th BLOB, m BLOB, place INTEGER,
                             held INTEGER NOT NULL DEFAULT 0, more_t INTEGER NOT NULL DEFAULT 0,
                             more_o INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (t, k)) WITHOUT ROWID;
             CREATE TABLE now (t INTEGER, place INTEGER, k BLOB, PRIMARY KEY (t, place)) WITHOUT ROWID;
             CREATE TABLE d (t INTEGER, k BLOB, shown INTEGER, b BLOB, x BLOB, PRIMARY KEY (t, k)) WITHOUT ROWID;
             CREATE TABLE w (side INTEGER, rid INTEGER, old BLOB, new BLOB, k BLOB, PRIMARY KEY (side, rid)) WITHOUT ROWID;
             CREATE TABLE e (s INTEGER, k BLOB, r BLOB, place INTEGER, PRIMARY KEY (s, k)) WITHOUT ROWID;
             CREATE TABLE r (side INTEGER, child INTEGER, fk INTEGER, gone INTEGER, v BLOB, k BLOB);
             CREATE INDEX r_by_value ON r (side, child, fk, gone, v);
             BEGIN",
        )?;
        Ok(Self(conn))
    }

    /// Returns the connection, for tables of other rooms.
    pub fn conn(&self) -> &Connection {
        &self.0
    }

    /// Adds a row, or replaces it.
    pub fn put(&self, table: i64, unit: &Unit) -> Result<()> {
        let row = |row: &Option<Row>| row.as_ref().map(pack);
        let sql = format!(
            "INSERT OR REPLACE INTO u (t, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        );
        self.0.prepare_cached(&sql)?.execute(params![
            table,
            unit.key,
            unit.shown,
            row(&unit.base),
            row(&unit.ours),
            row(&unit.theirs),
            row(&unit.merged),
            unit.place,
            unit.held,
            unit.more.0,
            unit.more.1,
            unit.added,
        ])?;
        Ok(())
    }

    /// Returns a row.
    pub fn get(&self, table: i64, key: &[u8]) -> Result<Option<Unit>> {
        let sql = format!("SELECT {COLUMNS} FROM u WHERE t = ?1 AND k = ?2");
        Ok(self.0.prepare_cached(&sql)?.query_row(params![table, key], read).optional()?)
    }

    /// Removes a row.
    pub fn remove(&self, table: i64, key: &[u8]) -> Result<()> {
        self.0.prepare_cached("DELETE FROM u WHERE t = ?1 AND k = ?2")?.execute(params![table, key])?;
        Ok(())
    }

    /// Removes all rows of a table.
    pub fn clear(&self, table: i64) -> Result<()> {
        for of in ["u", "d", "now"] {
            self.0.execute(&format!("DELETE FROM {of} WHERE t = ?1"), [table])?;
        }
        Ok(())
    }

    /// Hands out the rows of a table in the order of their keys; each may be changed meanwhile.
    pub fn each(&self, table: i64, on: &mut dyn FnMut(Unit) -> Result<()>) -> Result<()> {
        let sql = format!("SELECT {COLUMNS} FROM u WHERE t = ?1 AND k > ?2 ORDER BY k LIMIT {BATCH}");
        let mut last = Vec::new();
        loop {
            interrupt::check()?;
            let units: Vec<Unit> =
                self.0.prepare_cached(&sql)?.query_map(params![table, last], read)?.collect::<rusqlite::Result<_>>()?;
            let Some(end) = units.last() else { return Ok(()) };
            last.clone_from(&end.key);
            for unit in units {
                on(unit)?;
            }
        }
    }

    /// Hands out the rows that the result does not take from ours.
    pub fn each_taken(&self, table: i64, on: &mut dyn FnMut(Unit) -> Result<()>) -> Result<()> {
        self.each(table, &mut |unit| if unit.held { Ok(()) } else { on(unit) })
    }

    /// Tells whether the result takes any row of a table not from ours.
    pub fn takes_any(&self, table: i64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM u WHERE t = ?1 AND NOT held)";
        Ok(self.0.prepare_cached(sql)?.query_row([table], |row| row.get(0))?)
    }

    /// Lets a row stay as in ours; tells whether that changes anything.
    pub fn hold(&self, table: i64, key: &[u8]) -> Result<bool> {
        let sql = "UPDATE u SET held = 1 WHERE t = ?1 AND k = ?2 AND NOT held";
        Ok(self.0.prepare_cached(sql)?.execute(params![table, key])? > 0)
    }

    /// Tells whether a row stays as in ours although theirs changed it.
    pub fn is_held(&self, table: i64, key: &[u8]) -> Result<bool> {
        let sql = "SELECT held FROM u WHERE t = ?1 AND k = ?2";
        Ok(self.0.prepare_cached(sql)?.query_row(params![table, key], |row| row.get(0)).optional()?.unwrap_or(false))
    }

    /// Notes where a new row lies in the result.
    pub fn note_place(&self, table: i64, place: i64, key: &[u8]) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO now VALUES (?1, ?2, ?3)";
        self.0.prepare_cached(sql)?.execute(params![table, place, key])?;
        Ok(())
    }

    /// Returns the key of what lies there in the result: a row that theirs inserted, or one of ours that theirs changed.
    pub fn key_at(&self, table: i64, place: i64) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT k FROM now WHERE t = ?1 AND place = ?2";
        Ok(self.0.prepare_cached(sql)?.query_row(params![table, place], |row| row.get(0)).optional()?)
    }

    /// Forgets where new rows lie.
    pub fn forget_places(&self) -> Result<()> {
        self.0.execute("DELETE FROM now", [])?;
        Ok(())
    }
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Unit> {
    let unpacked = |i| row.get::<_, Option<Vec<u8>>>(i).map(|bytes| bytes.map(|bytes| unpack(&bytes)));
    Ok(Unit {
        key: row.get(0)?,
        shown: row.get(1)?,
        base: unpacked(2)?,
        ours: unpacked(3)?,
        theirs: unpacked(4)?,
        merged: unpacked(5)?,
        place: row.get(6)?,
        held: row.get(7)?,
        more: (row.get(8)?, row.get(9)?),
        added: row.get(10)?,
    })
}
