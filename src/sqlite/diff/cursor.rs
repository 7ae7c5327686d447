//! Reads rows of one state: all of them in order, or single ones.

use std::cmp::Ordering;

use rusqlite::{Rows, Statement};

use super::DiffError;
use super::side::{Side, quoted, set};
use super::table::{Table, TableKind};
use crate::model::Value;
use crate::util::interrupt;

/// Columns asked for in one statement; SQLite returns 2000 at most.
const COLUMNS_AT_ONCE: usize = 1500;

/// In what order both states of a table are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Rowid,
    /// The key of a WITHOUT ROWID table, compared by bytes.
    Key,
}

/// A row under a cursor.
#[derive(Clone, Copy)]
pub(super) struct At<'r> {
    pub rowid: &'r Value,
    pub values: &'r [Value],
}

/// The statements that read all rows of a table, some columns each.
pub(super) struct Reader<'d> {
    side: &'d Side,
    table: &'d Table,
    place: Option<Place>,
    parts: Vec<Statement<'d>>,
}

impl<'d> Reader<'d> {
    /// Prepares to read a table in the order of `place`.
    pub fn new(side: &'d Side, table: &'d Table, place: Option<Place>) -> Result<Self, DiffError> {
        let mut columns: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
        let order = match place {
            Some(Place::Rowid) => {
                let rowid = table.rowid_name.clone().expect("rowids were seen to have a name");
                columns.insert(0, rowid.clone());
                format!(" ORDER BY {rowid}")
            }
            Some(Place::Key) => {
                let terms: Vec<String> = table.key.iter().map(|k| format!("{} COLLATE BINARY", quoted(k))).collect();
                format!(" ORDER BY {}", terms.join(", "))
            }
            None => String::new(),
        };
        // An index may be sorted by a collation that only the application has.
        let not_indexed = if table.kind == TableKind::Virtual { "" } else { " NOT INDEXED" };
        let parts = (columns.chunks(COLUMNS_AT_ONCE))
            .map(|part| {
                let sql = format!("SELECT {} FROM {}{not_indexed}{order}", part.join(", "), quoted(&table.name));
                side.conn.prepare(&sql).map_err(|e| side.table_error(&table.name, e))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { side, table, place, parts })
    }

    /// Begins to read.
    pub fn start(&mut self) -> Result<Cursor<'_>, DiffError> {
        let Self { side, table, place, parts } = self;
        let mut cursor = Cursor {
            side,
            table,
            parts: Vec::new(),
            row: vec![Value::Null; table.columns.len()],
            rowid: Value::Null,
            has_rowid: *place == Some(Place::Rowid),
            key: if *place == Some(Place::Key) { table.key_positions() } else { Vec::new() },
            at_row: false,
        };
        for part in parts {
            cursor.parts.push(part.query([]).map_err(|e| side.table_error(&table.name, e))?);
        }
        cursor.advance()?;
        Ok(cursor)
    }
}

/// The rows of one state, one at a time.
pub(super) struct Cursor<'s> {
    side: &'s Side,
    table: &'s Table,
    parts: Vec<Rows<'s>>,
    row: Vec<Value>,
    rowid: Value,
    has_rowid: bool,
    key: Vec<usize>,
    pub at_row: bool,
}

impl Cursor<'_> {
    /// Returns the row that it stands on.
    pub fn at(&self) -> At<'_> {
        At { rowid: &self.rowid, values: &self.row }
    }

    /// Goes on to the next row.
    pub fn advance(&mut self) -> Result<(), DiffError> {
        interrupt::check()?;
        self.at_row = self.read().map_err(|e| self.side.table_error(&self.table.name, e))?;
        Ok(())
    }

    /// Compares the places of two rows of two states, and tells whether they have the same key indeed: equal in order
    /// need not be the same, as 1 and 1.0 lie in the same place.
    pub fn order(&self, other: &Self) -> (Ordering, bool) {
        if self.has_rowid {
            return (compare(&self.rowid, &other.rowid), true);
        }
        let keys = || self.key.iter().zip(&other.key).map(|(i, j)| (&self.row[*i], &other.row[*j]));
        let order = keys().map(|(a, b)| compare(a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal);
        (order, order.is_eq() && keys().all(|(a, b)| a.is_same(b)))
    }

    fn read(&mut self) -> rusqlite::Result<bool> {
        let rowid = self.has_rowid.then_some(&mut self.rowid);
        let mut targets = rowid.into_iter().chain(&mut self.row);
        for part in &mut self.parts {
            let Some(row) = part.next()? else { return Ok(false) };
            for (i, target) in targets.by_ref().take(row.as_ref().column_count()).enumerate() {
                set(target, row.get_ref(i)?);
            }
        }
        Ok(true)
    }
}

/// Reads single rows of one state.
pub(super) struct Lookup<'s> {
    side: &'s Side,
    table: &'s Table,
    parts: Vec<Statement<'s>>,
    row: Vec<Value>,
    rowid: Value,
}

impl<'s> Lookup<'s> {
    /// Prepares to read rows of a table by rowid.
    pub fn new(side: &'s Side, table: &'s Table) -> Result<Self, DiffError> {
        let columns: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
        let rowid = table.rowid_name.as_deref().expect("rowids were seen to have a name");
        let parts = (columns.chunks(COLUMNS_AT_ONCE))
            .map(|part| {
                let sql =
                    format!("SELECT {} FROM {} NOT INDEXED WHERE {rowid} = ?1", part.join(", "), quoted(&table.name));
                side.conn.prepare(&sql).map_err(|e| side.table_error(&table.name, e))
            })
            .collect::<Result<_, _>>()?;
        let row = vec![Value::Null; columns.len()];
        Ok(Lookup { side, table, parts, row, rowid: Value::Null })
    }
}

impl Lookup<'_> {
    /// Reads a row.
    pub fn find(&mut self, rowid: i64) -> Result<Option<At<'_>>, DiffError> {
        let found = self.read(rowid).map_err(|e| self.side.table_error(&self.table.name, e))?;
        Ok(found.then_some(At { rowid: &self.rowid, values: &self.row }))
    }

    fn read(&mut self, rowid: i64) -> rusqlite::Result<bool> {
        self.rowid = Value::Integer(rowid);
        let mut targets = self.row.iter_mut();
        for part in &mut self.parts {
            let columns = part.column_count();
            let mut rows = part.query([rowid])?;
            let Some(row) = rows.next()? else { return Ok(false) };
            for (i, target) in targets.by_ref().take(columns).enumerate() {
                set(target, row.get_ref(i)?);
            }
        }
        Ok(true)
    }
}

/// Compares as SQLite sorts with the BINARY collation: NULL, numbers by size, text, blobs.
fn compare(a: &Value, b: &Value) -> Ordering {
    let class = |v: &Value| match v {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    };
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (Value::Integer(a), Value::Real(b)) => compare_mixed(*a, *b),
        (Value::Real(a), Value::Integer(b)) => compare_mixed(*b, *a).reverse(),
        (Value::Text(a), Value::Text(b)) | (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        (a, b) => class(a).cmp(&class(b)),
    }
}

fn compare_mixed(int: i64, real: f64) -> Ordering {
    if real >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if real < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    let whole = real.trunc();
    int.cmp(&(whole as i64)).then(0.0.partial_cmp(&(real - whole)).unwrap_or(Ordering::Equal))
}
