//! What theirs changed, in the merged layout, with what the base and ours have.

use std::ops::ControlFlow;

use rusqlite::{Connection, params, params_from_iter};

use super::cells::{Row, pack, same_row, unpack};
use super::plan::{Pairing, Plan};
use super::renames::find_pair;
use super::spool::Unit;
use super::state::{State, StateTable};
use super::{Merge, Of, Result, RowMergeError};
use crate::model::Value;
use crate::sqlite::diff::encode;
use crate::sqlite::diff::side::{param, quoted, value};
use crate::sqlite::diff::{DiffError, Identity, RowPair};
use crate::sqlite::error::message;
use crate::util::interrupt;

/// Which state, as places in [`super::plan::MergedRows::layouts`].
pub(super) const BASE: usize = 0;
pub(super) const OURS: usize = 1;
pub(super) const THEIRS: usize = 2;

/// A row of a state, in the merged layout, and its rowid if it has one.
pub(super) type Found = (Option<i64>, Row);

impl Merge<'_> {
    /// Gathers what theirs changed in the tables whose rows are merged.
    pub(super) fn gather_changes(&mut self) -> Result<()> {
        for plan in self.plans.values() {
            let Some(merged) = plan.merged() else { continue };
            if merged.rekeyed || merged.layouts[THEIRS].is_none() {
                continue;
            }
            match merged.pairing {
                Pairing::Key => self.gather_keyed(plan)?,
                Pairing::Rowid => self.follow_rows(plan)?,
                Pairing::Bag => self.count_rows(plan)?,
            }
        }
        Ok(())
    }

    /// Gathers the changes of a table whose rows have keys.
    fn gather_keyed(&self, plan: &Plan) -> Result<()> {
        self.each_change(Of::Theirs, plan, Identity::Auto, &mut |row| {
            let key = self.key_of(plan, row.key, row.old.as_ref().or(row.new.as_ref()));
            let Some(key) = key else { return Ok(()) };
            self.spool.put(plan.number, &Unit { key, base: row.old, theirs: row.new, ..Unit::default() })
        })
    }

    /// Returns the key of a row as bytes that sort like it.
    fn key_of(&self, plan: &Plan, place: &[Value], row: Option<&Row>) -> Option<Vec<u8>> {
        match plan.is_virtual() {
            true => Some(encode(place)),
            false => Some(encode(&plan.key_of(row?)?)),
        }
    }

    /// Hands out the rows that one side changed, in the merged layout.
    pub(super) fn each_change(&self, of: Of, plan: &Plan, identity: Identity, on: &mut OnChange<'_>) -> Result<()> {
        let Some(merged) = plan.merged() else { return Ok(()) };
        let Some((diff, pair)) = self.pair(of, &plan.lower) else { return Ok(()) };
        let layouts = [&merged.layouts[BASE], &merged.layouts[if of == Of::Ours { OURS } else { THEIRS }]];
        let again;
        let (diff, pair) = match identity {
            Identity::Auto => (diff, pair),
            other => {
                again = (self.again)(of, other)?;
                let found = find_pair(&again, pair.old.as_ref().map(|t| &t.name), pair.new.as_ref().map(|t| &t.name));
                match found {
                    Some(pair) => (&again, pair),
                    None => return Ok(()),
                }
            }
        };
        let mut failed = Ok(());
        let mut handed = |row: &RowPair<'_>| -> Result<()> {
            let laid = |values: Option<&[Value]>, i: usize| -> Result<Option<Row>> {
                let Some((values, layout)) = values.zip(layouts[i].as_ref()) else { return Ok(None) };
                Ok(Some(layout.row(values)?))
            };
            let (old, new) = (laid(row.old, 0)?, laid(row.new, 1)?);
            if old.is_some() && same_row(old.as_ref(), new.as_ref()) {
                return Ok(());
            }
            on(Change { key: row.key, old, new, count: row.count })
        };
        diff.row_pairs(&pair, &mut |row| match handed(row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                failed = Err(e);
                ControlFlow::Break(())
            }
        })?;
        failed
    }

    /// Looks up a row of a state by its key, as it is kept in the spool.
    pub(super) fn look_up(&self, which: usize, plan: &Plan, key: &[u8]) -> Result<Option<Found>> {
        let state = [&self.b, &self.o, &self.t][which];
        let Some(table) = state.tables.get(&plan.lower) else { return Ok(None) };
        let Some(layout) = plan.merged().and_then(|m| m.layouts[which].as_ref()) else { return Ok(None) };
        let wanted = encode::decode(key).unwrap_or_default();
        let names: Vec<&str> = match plan.is_virtual() {
            true => vec!["rowid"],
            false => table.now.key_positions().into_iter().map(|i| table.real.columns[i].name.as_str()).collect(),
        };
        if names.len() != wanted.len() {
            return Ok(None);
        }
        // An index that is sorted by a collation of the application's must not be searched.
        let plus = if sorts_unknown(state.conn, &table.real.name)? { "+" } else { "" };
        let conditions: Vec<String> = names.iter().map(|n| format!("{plus}{} = ?", quoted(n))).collect();
        let sql = format!("{} WHERE {}", selection(table), conditions.join(" AND "));
        let mut statement = state.conn.prepare_cached(&sql).map_err(|e| unreadable(table, e))?;
        let mut rows = statement.query(params_from_iter(wanted.iter().map(param))).map_err(|e| unreadable(table, e))?;
        while let Some(row) = rows.next().map_err(|e| unreadable(table, e))? {
            let (place, values) = read_row(row)?;
            let laid = layout.row(&values)?;
            let found = match plan.is_virtual() {
                true => place.map(|rowid| encode(&[Value::Integer(rowid)])),
                false => plan.key_of(&laid).map(|key| encode(&key)),
            };
            if found.as_deref() == Some(key) {
                return Ok(Some((place, laid)));
            }
        }
        Ok(None)
    }

    /// Hands out all rows of a state's table: the rowid if there is one, and the row in the merged layout.
    pub(super) fn scan(
        &self,
        which: usize,
        plan: &Plan,
        on: &mut dyn FnMut(Option<i64>, Row) -> Result<()>,
    ) -> Result<()> {
        let state = [&self.b, &self.o, &self.t][which];
        let Some(layout) = plan.merged().and_then(|m| m.layouts[which].as_ref()) else { return Ok(()) };
        each_row(state, &plan.lower, &mut |place, values| on(place, layout.row(&values)?))
    }

    /// Gathers all rows of a table whose key is another one in some state, by the merged key; tells whether all have it, each once.
    pub(super) fn gather_rekeyed(&self, plan: &Plan) -> Result<bool> {
        if plan.table.key.is_empty() {
            return Ok(false);
        }
        let conn = self.spool.conn();
        conn.execute("DELETE FROM e", [])?;
        for which in [BASE, OURS, THEIRS] {
            let mut sound = true;
            self.scan(which, plan, &mut |place, row| {
                let key = plan.key_of(&row).filter(|key| !key.iter().any(|v| matches!(v, Value::Null)));
                let Some(key) = key else {
                    sound = false;
                    return Ok(());
                };
                let sql = "INSERT OR IGNORE INTO e VALUES (?1, ?2, ?3, ?4)";
                let added =
                    conn.prepare_cached(sql)?.execute(params![which as i64, encode(&key), pack(&row), place])?;
                sound &= added == 1;
                Ok(())
            })?;
            if !sound {
                return Ok(false);
            }
        }
        let sql = "INSERT INTO u (t, k, b, o, th, place) \
                   SELECT ?1, a.k, b.r, o.r, t.r, o.place FROM (SELECT DISTINCT k FROM e WHERE s <> 1) a \
                   LEFT JOIN e b ON b.s = 0 AND b.k = a.k LEFT JOIN e o ON o.s = 1 AND o.k = a.k LEFT JOIN e t ON t.s = 2 AND t.k = a.k \
                   WHERE b.r IS NOT t.r";
        conn.execute(sql, [plan.number])?;
        Ok(true)
    }
}

/// A row that one side changed.
pub(super) struct Change<'r> {
    /// What the diff pairs it by.
    pub key: &'r [Value],
    /// It in the base.
    pub old: Option<Row>,
    /// It in the side.
    pub new: Option<Row>,
    /// How many such rows; 1 except in a bag.
    pub count: u64,
}

/// What receives changes.
pub(super) type OnChange<'a> = dyn FnMut(Change<'_>) -> Result<()> + 'a;

/// Hands out all rows of a table of a state as they are.
pub(super) fn each_row(
    state: &State<'_>,
    table: &str,
    on: &mut dyn FnMut(Option<i64>, Vec<Value>) -> Result<()>,
) -> Result<()> {
    let Some(table) = state.tables.get(table) else { return Ok(()) };
    let indexed = if table.is_virtual() { "" } else { " NOT INDEXED" };
    let sql = format!("{}{indexed}", selection(table));
    let mut statement = state.conn.prepare(&sql).map_err(|e| unreadable(table, e))?;
    let mut rows = statement.query([]).map_err(|e| unreadable(table, e))?;
    let mut count = 0u32;
    while let Some(row) = rows.next().map_err(|e| unreadable(table, e))? {
        if count.is_multiple_of(4096) {
            interrupt::check()?;
        }
        count = count.wrapping_add(1);
        let (place, values) = read_row(row)?;
        on(place, values)?;
    }
    Ok(())
}

/// Writes the beginning of a query for whole rows: the rowid, or NULL, then the columns.
fn selection(table: &StateTable) -> String {
    let names: Vec<String> = table.real.columns.iter().map(|c| quoted(&c.name)).collect();
    let place = match table.is_virtual() {
        true => "rowid",
        false => table.real.rowid_name().unwrap_or("NULL"),
    };
    format!("SELECT {place}, {} FROM {}", names.join(", "), quoted(&table.real.name))
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Option<i64>, Vec<Value>)> {
    let count = row.as_ref().column_count();
    let values = (1..count).map(|i| row.get_ref(i).map(value)).collect::<rusqlite::Result<_>>()?;
    Ok((row.get(0)?, values))
}

fn unreadable(table: &StateTable, e: rusqlite::Error) -> RowMergeError {
    match crate::sqlite::error::code(&e) {
        Some(rusqlite::ffi::SQLITE_ERROR) => {
            DiffError::Unreadable { table: table.real.name.clone(), detail: message(&e) }.into()
        }
        _ => DiffError::Sqlite(e).into(),
    }
}

/// Tells whether a table has an index or a key that is sorted by a collation that SQLite has not.
pub(super) fn sorts_unknown(conn: &Connection, table: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1) l, pragma_index_xinfo(l.name) x \
               WHERE x.key AND x.coll IS NOT NULL AND upper(x.coll) NOT IN ('BINARY', 'NOCASE', 'RTRIM'))";
    Ok(conn.prepare_cached(sql)?.query_row([table], |row| row.get(0))?)
}

/// Reads a row of the spool, if it is there.
pub(super) fn unpacked(bytes: Option<Vec<u8>>) -> Option<Row> {
    bytes.map(|bytes| unpack(&bytes))
}
