//! Which column of the old table is which of the new one, and the rows of both paired by it.

use rusqlite::Connection;

use super::TablePair;
use super::side::{quoted, value};
use crate::model::{CellChange, RowChange, RowOp, Value};

/// Which old column is which new one.
pub(super) struct Mapping {
    /// Positions of a column in the old and in the new table.
    pub common: Vec<(usize, usize)>,
    /// Positions of columns that the old table has not, and what old rows hold there.
    pub added: Vec<(usize, Value)>,
    /// The names are the same, in the same order.
    pub same_columns: bool,
}

impl Mapping {
    /// Pairs columns by the name that they have now.
    pub fn of(pair: &TablePair) -> Self {
        let mut mapping = Self { common: Vec::new(), added: Vec::new(), same_columns: true };
        let (Some(old), Some(new)) = (pair.old_renamed(), &pair.new) else { return mapping };
        for (i, column) in new.columns.iter().enumerate() {
            match old.position(&column.name) {
                Some(j) => mapping.common.push((j, i)),
                None => mapping.added.push((i, default_value(&column.decl_type, column.default.as_deref()))),
            }
        }
        mapping.same_columns = old.columns.len() == new.columns.len() && mapping.common.iter().all(|(i, j)| i == j);
        mapping.same_columns &= mapping.added.is_empty();
        mapping
    }

    /// Returns the cells in which two rows differ; an added column that holds its default does not.
    pub fn cells(&self, old: &[Value], new: &[Value]) -> Vec<CellChange> {
        let common = (self.common.iter()).filter(|(i, j)| !old[*i].is_same(&new[*j])).map(|(i, j)| CellChange {
            column: *j,
            old: Some(old[*i].clone()),
            new: new[*j].clone(),
        });
        let added = (self.added.iter()).filter(|(j, default)| !default.is_same(&new[*j])).map(|(j, _)| CellChange {
            column: *j,
            old: None,
            new: new[*j].clone(),
        });
        let mut cells: Vec<CellChange> = common.chain(added).collect();
        cells.sort_by_key(|c| c.column);
        cells
    }

    /// Tells whether two rows are the same.
    pub fn equal(&self, old: &[Value], new: &[Value]) -> bool {
        self.common.iter().all(|(i, j)| old[*i].is_same(&new[*j]))
            && self.added.iter().all(|(j, default)| default.is_same(&new[*j]))
    }
}

/// A row that differs, with all of its values.
pub struct RowPair<'r> {
    /// The values it is known by, none in a bag.
    pub key: &'r [Value],
    /// It as it was; `None` if it is new.
    pub old: Option<&'r [Value]>,
    /// It as it is; `None` if it is gone.
    pub new: Option<&'r [Value]>,
    /// How many such rows; 1 except in a bag.
    pub count: u64,
    pub(super) mapping: &'r Mapping,
}

impl RowPair<'_> {
    /// Returns what happened to the row.
    pub fn op(&self) -> RowOp {
        match (self.old, self.new) {
            (Some(_), Some(_)) => RowOp::Update,
            (None, _) => RowOp::Insert,
            (_, None) => RowOp::Delete,
        }
    }

    /// Returns the cells that differ, in the order of the new columns; none if only one state has the row.
    pub fn cells(&self) -> Vec<CellChange> {
        match (self.old, self.new) {
            (Some(old), Some(new)) => self.mapping.cells(old, new),
            _ => Vec::new(),
        }
    }

    /// Returns the change without the cells that are the same.
    pub fn change(&self) -> RowChange {
        let (key, count) = (self.key.to_vec(), self.count);
        match (self.old, self.new) {
            (Some(old), Some(new)) => RowChange::Update { key, cells: self.mapping.cells(old, new) },
            (None, Some(row)) => RowChange::Insert { key, row: row.to_vec(), count },
            (old, None) => RowChange::Delete { key, row: old.unwrap_or_default().to_vec(), count },
        }
    }
}

/// Finds out what rows that are older than a column hold there.
fn default_value(decl_type: &str, default: Option<&str>) -> Value {
    // A default that only the application can evaluate was never given to an existing row by SQLite.
    default.and_then(|default| evaluated(decl_type, default)).unwrap_or(Value::Null)
}

/// Returns what the default of a column of this type is as it is stored; `None` if SQLite alone cannot tell.
pub(in crate::sqlite) fn evaluated(decl_type: &str, default: &str) -> Option<Value> {
    let decl_type = if decl_type.is_empty() { String::new() } else { quoted(decl_type) };
    let evaluate = || -> rusqlite::Result<Value> {
        let scratch = Connection::open_in_memory()?;
        scratch.execute_batch(&format!(
            "CREATE TABLE t (k, c {decl_type} DEFAULT ({default})); INSERT INTO t (k) VALUES (1)"
        ))?;
        scratch.query_row("SELECT c FROM t", [], |row| Ok(value(row.get_ref(0)?)))
    };
    evaluate().ok()
}
