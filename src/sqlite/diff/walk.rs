//! One walk over both states of a table: by the pages that differ, or over all rows side by side.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::changed::{Changed, Leaves, Suspect};
use super::cursor::{At, Cursor, Lookup, Place, Reader};
use super::mapping::{Mapping, RowPair};
use super::matcher::{Adding, Of, Sink};
use super::record::surely_differ;
use super::side::Side;
use super::{Diff, DiffError, TablePair};
use crate::model::{RowCounts, RowIdentity, Value};

/// One walk over both states of a table.
pub(super) struct Walk<'d> {
    pub diff: &'d Diff,
    pub pair: &'d TablePair,
    pub mapping: &'d Mapping,
    pub place: Option<Place>,
    /// Whether rows that pages tell to be the same may be passed over.
    pub by_pages: bool,
}

impl Walk<'_> {
    /// Hands out what differs where the rows' place is their identity.
    pub fn direct(&self, identity: RowIdentity, sink: &mut Sink<'_>) -> Result<(), DiffError> {
        let (old_key, new_key) = (self.key_of(Of::Old, identity), self.key_of(Of::New, identity));
        let mapping = self.mapping;
        self.merge(&mut |old, new| {
            let key = match (old, new) {
                (Some(a), Some(b)) if mapping.equal(a.values, b.values) => return Ok(ControlFlow::Continue(())),
                (_, Some(b)) => new_key.of(b),
                (Some(a), None) => old_key.of(a),
                (None, None) => return Ok(ControlFlow::Continue(())),
            };
            Ok(sink(&RowPair { key: &key, old: old.map(|a| a.values), new: new.map(|b| b.values), count: 1, mapping }))
        })
    }

    /// Counts rows that are new, gone and changed. Rows are read only where the pages leave it open.
    pub fn count(&self) -> Result<RowCounts, DiffError> {
        let mut counts = RowCounts::default();
        if let Some((changed, leaves, mut old, mut new)) = self.by_pages()? {
            // Only then are the records the rows, column by column.
            let plain = self.pair.same_sql() && self.pair.any().plain;
            let rowid_column = self.pair.any().rowid_column.as_ref().and_then(|name| self.pair.any().position(name));
            let utf8 = changed.is_utf8();
            changed.suspects(leaves, &mut |Suspect { rowid, in_old, in_new, records }| {
                match (in_old, in_new) {
                    (false, _) => counts.inserted += 1,
                    (true, false) => counts.deleted += 1,
                    _ if plain && records.is_some_and(|(a, b)| surely_differ(a, b, rowid_column, utf8)) => {
                        counts.updated += 1
                    }
                    (true, true) => {
                        let same = match (old.find(rowid)?, new.find(rowid)?) {
                            (Some(a), Some(b)) => self.mapping.equal(a.values, b.values),
                            (a, b) => a.is_none() && b.is_none(),
                        };
                        counts.updated += u64::from(!same);
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
            return Ok(counts);
        }
        self.merge_all(&mut |old, new| {
            match (old, new) {
                (Some(a), Some(b)) => counts.updated += u64::from(!self.mapping.equal(a.values, b.values)),
                (None, _) => counts.inserted += 1,
                (_, None) => counts.deleted += 1,
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(counts)
    }

    /// Gathers the rows that differ in their place, to be paired by another identity.
    pub fn gather(&self, identity: RowIdentity, to: &mut Adding<'_>) -> Result<(), DiffError> {
        let (old_key, new_key) = (self.key_of(Of::Old, identity), self.key_of(Of::New, identity));
        let mapping = self.mapping;
        let mut put = |of: Of, row: At<'_>| match identity {
            RowIdentity::Bag if mapping.same_columns => to.whole(of, row.values),
            RowIdentity::Bag => to.whole(of, &with_mark(of, row.values)),
            _ => {
                let key = if of == Of::Old { &old_key } else { &new_key };
                to.keyed(of, &key.of(row), row.values)
            }
        };
        self.merge(&mut |old, new| {
            if let (Some(a), Some(b)) = (old, new)
                && (mapping.same_columns || identity != RowIdentity::Bag)
                && mapping.equal(a.values, b.values)
                && same(&old_key.of(a), &new_key.of(b))
            {
                return Ok(ControlFlow::Continue(()));
            }
            old.map_or(Ok(()), |row| put(Of::Old, row))?;
            new.map_or(Ok(()), |row| put(Of::New, row))?;
            Ok(ControlFlow::Continue(()))
        })
    }

    fn key_of(&self, of: Of, identity: RowIdentity) -> KeyOf {
        let table = if of == Of::Old { self.pair.old.as_ref() } else { self.pair.new.as_ref() };
        match (identity, table) {
            (RowIdentity::Rowid, _) => KeyOf::Rowid,
            (RowIdentity::Key, Some(table)) => KeyOf::Columns(table.key_positions()),
            _ => KeyOf::Columns(Vec::new()),
        }
    }

    /// Finds the rows that differ in their place: by the pages, or by reading both states in full.
    fn merge(&self, on: &mut On<'_>) -> Result<(), DiffError> {
        if let Some((changed, leaves, mut old, mut new)) = self.by_pages()? {
            return changed.suspects(leaves, &mut |Suspect { rowid, in_old, in_new, .. }| {
                let old = if in_old { old.find(rowid)? } else { None };
                let new = if in_new { new.find(rowid)? } else { None };
                on(old, new)
            });
        }
        self.merge_all(on)
    }

    /// Returns the leaves that may hold differing rows, where the pages tell, and what reads those rows.
    pub(super) fn by_pages(&self) -> Result<Option<(&Changed, Leaves, Lookup<'_>, Lookup<'_>)>, DiffError> {
        match (&self.diff.changed, self.pair.table_roots(), &self.pair.old, &self.pair.new) {
            (Some(changed), Some(roots), Some(old), Some(new)) if self.by_pages && self.place == Some(Place::Rowid) => {
                let Some(leaves) = changed.leaves(roots)? else { return Ok(None) };
                let (old, new) = (Lookup::new(&self.diff.old, old)?, Lookup::new(&self.diff.new, new)?);
                Ok(Some((changed, leaves, old, new)))
            }
            _ => Ok(None),
        }
    }

    /// Opens both states without the rows that pages tell to be the same.
    fn pruned(&self) -> Result<Option<[Side; 2]>, DiffError> {
        let (Some(changed), Some(roots)) = (&self.diff.changed, self.pair.key_roots()) else { return Ok(None) };
        let Some([old, new]) = changed.prune(roots)? else { return Ok(None) };
        Ok(Some([Side::open(old)?, Side::open(new)?]))
    }

    /// Reads both states, side by side where their order allows it.
    pub(super) fn merge_all(&self, on: &mut On<'_>) -> Result<(), DiffError> {
        let pruned = self.pruned()?;
        let mut readers = Vec::new();
        for (of, table) in self.pair.both() {
            let side = match (&pruned, of) {
                (Some([old, _]), Of::Old) => old,
                (Some([_, new]), Of::New) => new,
                (None, _) => self.diff.side(of),
            };
            readers.push((of, Reader::new(side, table, self.place)?));
        }
        let mut cursors = Vec::new();
        for (of, reader) in &mut readers {
            cursors.push((*of, reader.start()?));
        }
        if let ([(_, old), (_, new)], Some(_)) = (&mut cursors[..], self.place) {
            return merge_sorted(old, new, on);
        }
        for (of, cursor) in &mut cursors {
            while cursor.at_row {
                let flow = if *of == Of::Old { on(Some(cursor.at()), None)? } else { on(None, Some(cursor.at()))? };
                if flow.is_break() {
                    return Ok(());
                }
                cursor.advance()?;
            }
        }
        Ok(())
    }
}

/// What a walk calls with a row of the old state, of the new one, or with two that lie in the same place.
type On<'a> = dyn FnMut(Option<At<'_>>, Option<At<'_>>) -> Result<ControlFlow<()>, DiffError> + 'a;

/// Where a row's key is found.
enum KeyOf {
    Rowid,
    Columns(Vec<usize>),
}

impl KeyOf {
    fn of(&self, row: At<'_>) -> Vec<Value> {
        match self {
            Self::Rowid => vec![row.rowid.clone()],
            Self::Columns(columns) => values_at(row, columns),
        }
    }
}

/// Returns the values of a row in some columns.
pub(super) fn values_at(row: At<'_>, columns: &[usize]) -> Vec<Value> {
    columns.iter().map(|i| row.values[*i].clone()).collect()
}

fn merge_sorted(old: &mut Cursor<'_>, new: &mut Cursor<'_>, on: &mut On<'_>) -> Result<(), DiffError> {
    loop {
        let (order, same_key) = match (old.at_row, new.at_row) {
            (false, false) => return Ok(()),
            (true, false) => (Ordering::Less, false),
            (false, true) => (Ordering::Greater, false),
            (true, true) => old.order(new),
        };
        let flow = match order {
            Ordering::Less => on(Some(old.at()), None)?,
            Ordering::Greater => on(None, Some(new.at()))?,
            Ordering::Equal if same_key => on(Some(old.at()), Some(new.at()))?,
            Ordering::Equal => match on(Some(old.at()), None)? {
                ControlFlow::Continue(()) => on(None, Some(new.at()))?,
                stop => stop,
            },
        };
        if flow.is_break() {
            return Ok(());
        }
        if order.is_le() {
            old.advance()?;
        }
        if order.is_ge() {
            new.advance()?;
        }
    }
}

fn same(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b))
}

/// Keeps rows of tables with different columns from being counted as equal.
fn with_mark(of: Of, row: &[Value]) -> Vec<Value> {
    let mark = Value::Integer(i64::from(of == Of::New));
    std::iter::once(mark).chain(row.iter().cloned()).collect()
}
