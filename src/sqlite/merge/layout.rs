//! How rows of one state get into the layout of the merged definition.

use rusqlite::{Connection, params_from_iter};

use super::cells::{Cell, Row};
use super::plan::Plan;
use super::state::StateTable;
use crate::model::Value;
use crate::sqlite::diff::side::{param, quoted, value};
use crate::sqlite::diff::{Table, evaluated};

/// Where a cell comes from.
#[derive(Clone, Debug)]
enum From {
    /// A column of the state.
    Column(usize),
    /// The state has no such column: what its rows hold there.
    Default(Cell),
}

/// The way of rows of one state into the merged layout.
#[derive(Debug)]
pub(super) struct Layout {
    cells: Vec<From>,
    /// Places in the merged row whose type is another one, and a table that converts them.
    converted: Vec<usize>,
    scratch: Option<Connection>,
}

impl Layout {
    /// Finds the way from a table of a state to the merged one.
    pub fn new(of: &StateTable, merged: &Table, strict: bool) -> rusqlite::Result<Self> {
        let own = &of.now.columns;
        let at = |name: &str| own.iter().position(|c| c.name.eq_ignore_ascii_case(name));
        let mut cells = Vec::new();
        let mut converted = Vec::new();
        for (i, column) in merged.columns.iter().enumerate() {
            match at(&column.name) {
                Some(from) => {
                    cells.push(From::Column(from));
                    if !of.is_virtual() && !own[from].decl_type.eq_ignore_ascii_case(&column.decl_type) {
                        converted.push(i);
                    }
                }
                None => cells.push(From::Default(default(&column.decl_type, column.default.as_deref()))),
            }
        }
        let scratch = match converted.is_empty() {
            true => None,
            false => {
                let scratch = Connection::open_in_memory()?;
                let types: Vec<String> = converted
                    .iter()
                    .enumerate()
                    .map(|(n, i)| format!("c{n} {}", type_name(&merged.columns[*i].decl_type)))
                    .collect();
                let strict = if strict { "STRICT" } else { "" };
                scratch.execute_batch(&format!("CREATE TABLE s ({}) {strict}", types.join(", ")))?;
                Some(scratch)
            }
        };
        Ok(Self { cells, converted, scratch })
    }

    /// Brings a row into the merged layout.
    pub fn row(&self, values: &[Value]) -> rusqlite::Result<Row> {
        let mut row: Row = self
            .cells
            .iter()
            .map(|from| match from {
                From::Column(i) => Cell::Value(values[*i].clone()),
                From::Default(cell) => cell.clone(),
            })
            .collect();
        if let Some(scratch) = &self.scratch {
            let marks: Vec<&str> = self.converted.iter().map(|_| "?").collect();
            let old: Vec<&Value> = self.converted.iter().filter_map(|i| row[*i].value()).collect();
            scratch.execute("DELETE FROM s", [])?;
            let inserted = scratch
                .prepare_cached(&format!("INSERT INTO s VALUES ({})", marks.join(", ")))?
                .execute(params_from_iter(old.into_iter().map(param)));
            // What the type cannot hold stays as it is, and is found when it is written.
            if inserted.is_ok() {
                let new: Vec<Value> = scratch
                    .prepare_cached("SELECT * FROM s")?
                    .query_row([], |r| (0..self.converted.len()).map(|i| r.get_ref(i).map(value)).collect())?;
                for (i, value) in self.converted.iter().zip(new) {
                    row[*i] = Cell::Value(value);
                }
            }
        }
        Ok(row)
    }
}

impl Plan {
    /// Returns the key of a row, if it is paired by key and has all of it.
    pub fn key_of(&self, row: &Row) -> Option<Vec<Value>> {
        let key = self.table.key_positions();
        key.into_iter().map(|i| row[i].value().cloned()).collect()
    }
}

/// Returns a type as it can stand in a definition.
fn type_name(decl_type: &str) -> String {
    let plain = decl_type.chars().all(|c| c.is_ascii_alphanumeric() || " (),_+-.".contains(c));
    if plain { decl_type.to_owned() } else { quoted(decl_type) }
}

/// Finds out what rows that are older than a column hold there: nothing yet, if only an insertion can tell.
fn default(decl_type: &str, default: Option<&str>) -> Cell {
    let Some(default) = default else { return Cell::Value(Value::Null) };
    let changing = ["current_time", "current_date", "current_timestamp", "random", "now"];
    let words = super::tokens::folded_all(default);
    let lower = default.to_ascii_lowercase();
    if changing[..4].iter().any(|word| lower.contains(word)) || words.iter().any(|w| w.trim_matches('\'') == "now") {
        return Cell::Absent;
    }
    evaluated(decl_type, default).map_or(Cell::Absent, Cell::Value)
}
