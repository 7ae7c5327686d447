//! Which columns and tables were renamed.
//!
//! `RENAME` and `DROP` with `ADD` leave the same schema behind, so values decide: a column between the same neighbours and
//! of the same definition was renamed if at least half of its values are those of the old one, in the rows that both
//! states have; a table, if at least half of its cells are in the new one under the same keys. Where no row says anything,
//! the place does. Where pages tell that most rows are the same, hardly any row is read.

use std::ops::ControlFlow;

use super::cursor::Place;
use super::mapping::Mapping;
use super::matcher::{Matcher, Of};
use super::side::quoted;
use super::table::{Column, Table, TableKind};
use super::walk::{Walk, values_at};
use super::{Compared, Diff, DiffError, TablePair};
use crate::model::Value;

/// Tables gone and come between which a rename is looked for; beyond, only those that share their root.
const MAX_TABLE_PAIRS: usize = 100;

/// Columns gone and come between the same two columns, by position.
struct Gap {
    gone: Vec<usize>,
    come: Vec<usize>,
}

/// What may be a rename, and in how many rows the values agree.
struct Candidate {
    gap: usize,
    /// Places in the gap.
    at: (usize, usize),
    /// Positions in the tables.
    columns: (usize, usize),
    agree: u64,
}

impl Diff {
    /// Finds the tables and columns that were renamed.
    pub(super) fn find_renames(&mut self) -> Result<(), DiffError> {
        self.pair_renamed_tables()?;
        for i in 0..self.tables.len() {
            let pair = &self.tables[i];
            if pair.compared == Compared::Rows {
                let aligned = unless_unreadable(self.renamed_columns(pair), None)?;
                self.tables[i].aligned = aligned;
            }
        }
        Ok(())
    }

    /// Returns the old table with the names that its columns have now; `None` if none was renamed.
    fn renamed_columns(&self, pair: &TablePair) -> Result<Option<Table>, DiffError> {
        let (Some(old), Some(new)) = (&pair.old, &pair.new) else { return Ok(None) };
        let mut renames = other_case(old, new);
        if old.kind != TableKind::Virtual {
            let gaps = gaps(old, new);
            let one_each = |gap: &Gap| matches!((&gap.gone[..], &gap.come[..]), ([i], [j]) if may_be(old, *i, new, *j));
            let by_place = |gap: &Gap| (gap.gone[0], gap.come[0]);
            if !gaps.is_empty() && gaps.iter().all(one_each) {
                let all: Vec<_> = renames.iter().copied().chain(gaps.iter().map(by_place)).collect();
                let aligned = renamed(old, new, &all);
                if self.mostly_same(&pair.aligned_as(aligned.clone()))? {
                    return Ok(Some(aligned));
                }
            }
            renames.extend(self.by_values(pair, &gaps)?);
        }
        Ok((!renames.is_empty()).then(|| renamed(old, new, &renames)))
    }

    /// Tells whether pages show that most rows of both states are the same; `false` means nothing.
    fn mostly_same(&self, pair: &TablePair) -> Result<bool, DiffError> {
        if self.surely_same(pair)? {
            return Ok(true);
        }
        let mapping = Mapping::of(pair);
        let walk = Walk { diff: self, pair, mapping: &mapping, place: self.place(pair), by_pages: true };
        let Some((changed, leaves, ..)) = walk.by_pages()? else { return Ok(false) };
        let mut enough = 1;
        changed.suspects(leaves, &mut |suspect| {
            enough += if suspect.in_old && suspect.in_new { 2 } else { 1 };
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(self.count_up_to(pair, Of::New, enough)? == enough)
    }

    /// Counts the rows of one state, as far as is asked for.
    fn count_up_to(&self, pair: &TablePair, of: Of, enough: u64) -> Result<u64, DiffError> {
        let table = if of == Of::Old { &pair.old } else { &pair.new };
        let Some(table) = table else { return Ok(0) };
        let side = self.side(of);
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} NOT INDEXED LIMIT ?1)", quoted(&table.name));
        let enough = i64::try_from(enough).unwrap_or(i64::MAX);
        let count = side.conn.query_row(&sql, [enough], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(|e| side.table_error(&table.name, e))
    }

    /// Compares the values of what may be renamed in all rows that both states have.
    fn by_values(&self, pair: &TablePair, gaps: &[Gap]) -> Result<Vec<(usize, usize)>, DiffError> {
        let (Some(old), Some(new)) = (&pair.old, &pair.new) else { return Ok(Vec::new()) };
        let mut candidates = Vec::new();
        for (gap, Gap { gone, come }) in gaps.iter().enumerate() {
            for (a, i) in gone.iter().enumerate() {
                for (b, j) in come.iter().enumerate().filter(|(_, j)| may_be(old, *i, new, **j)) {
                    candidates.push(Candidate { gap, at: (a, b), columns: (*i, *j), agree: 0 });
                }
            }
        }
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let mut common = 0u64;
        let paired = self.each_common(pair, &mut |old, new| {
            common += 1;
            for c in &mut candidates {
                c.agree += u64::from(old[c.columns.0].is_same(&new[c.columns.1]));
            }
        })?;
        if !paired {
            return Ok(Vec::new());
        }
        candidates.retain(|c| match common {
            0 => c.at.0 == c.at.1 && gaps[c.gap].gone.len() == gaps[c.gap].come.len(),
            _ => 2 * c.agree >= common,
        });
        candidates.sort_by_key(|c| (std::cmp::Reverse(c.agree), c.gap, c.at));
        let mut renames: Vec<(usize, usize)> = Vec::new();
        for Candidate { columns: (i, j), .. } in candidates {
            if renames.iter().all(|(a, b)| *a != i && *b != j) {
                renames.push((i, j));
            }
        }
        Ok(renames)
    }

    /// Hands out the rows that both states have, by their declared key where it holds no NULL, otherwise by rowid. Tells
    /// whether rows can be paired at all.
    fn each_common(&self, pair: &TablePair, on: &mut dyn FnMut(&[Value], &[Value])) -> Result<bool, DiffError> {
        let (Some(old), Some(new)) = (&pair.old, &pair.new) else { return Ok(false) };
        let keyed = !old.key.is_empty() && old.key.len() == new.key.len() && !self.key_holds_null(pair)?;
        let by_rowid = old.rowid_column.is_some() && new.rowid_column.is_some() || !keyed;
        let ordered = [old, new].iter().all(|t| t.kind == TableKind::WithoutRowid) && self.sorts_alike();
        let place = match (by_rowid, old.rowid_name.is_some() && new.rowid_name.is_some()) {
            (true, false) => return Ok(false),
            (true, true) => Some(Place::Rowid),
            (false, _) => ordered.then_some(Place::Key),
        };
        let mapping = Mapping::of(pair);
        let walk = Walk { diff: self, pair, mapping: &mapping, place, by_pages: false };
        if place.is_some() {
            return walk
                .merge_all(&mut |old, new| {
                    if let (Some(a), Some(b)) = (old, new) {
                        on(a.values, b.values);
                    }
                    Ok(ControlFlow::Continue(()))
                })
                .map(|()| true);
        }
        let matcher = Matcher::new().map_err(DiffError::Sqlite)?;
        let mut adding = matcher.adding().map_err(DiffError::Sqlite)?;
        let keys = [old.key_positions(), new.key_positions()];
        walk.merge_all(&mut |old, new| {
            for (of, row, key) in [(Of::Old, old, &keys[0]), (Of::New, new, &keys[1])] {
                if let Some(row) = row {
                    adding.keyed(of, &values_at(row, key), row.values)?;
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        drop(adding);
        matcher.paired(&mut |_, old, new| {
            if let (Some(a), Some(b)) = (old, new) {
                on(a, b);
            }
            ControlFlow::Continue(())
        })?;
        Ok(true)
    }

    /// Makes one pair of a table that is gone and the new one that holds its rows.
    fn pair_renamed_tables(&mut self) -> Result<(), DiffError> {
        let lone = |has: fn(&TablePair) -> bool| {
            move |(i, t): (usize, &TablePair)| {
                let rows = t.compared == Compared::Rows && t.any().kind != TableKind::Virtual;
                (rows && has(t)).then_some(i)
            }
        };
        let tables = || self.tables.iter().enumerate();
        let gone: Vec<usize> = tables().filter_map(lone(|t| t.new.is_none())).collect();
        let come: Vec<usize> = tables().filter_map(lone(|t| t.old.is_none())).collect();
        let few = gone.len() * come.len() <= MAX_TABLE_PAIRS;
        let mut found = Vec::new();
        for &i in &gone {
            for &j in &come {
                let (old, new) = (&self.tables[i].old, &self.tables[j].new);
                let shares_root = matches!((old, new), (Some(a), Some(b)) if a.root == b.root);
                let pair = TablePair {
                    name: self.tables[j].name.clone(),
                    old: old.clone(),
                    new: new.clone(),
                    aligned: None,
                    compared: Compared::Rows,
                };
                if (few || shares_root)
                    && let Some(share) = unless_unreadable(self.share_of_cells(&pair), None)?
                {
                    found.push((share, i, j, pair));
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut used: Vec<usize> = Vec::new();
        let mut replaced = Vec::new();
        for (_, i, j, pair) in found {
            if !used.contains(&i) && !used.contains(&j) {
                used.extend([i, j]);
                replaced.push(pair);
            }
        }
        if !replaced.is_empty() {
            let kept = std::mem::take(&mut self.tables).into_iter().enumerate();
            self.tables = kept.filter(|(i, _)| !used.contains(i)).map(|(_, pair)| pair).chain(replaced).collect();
            self.tables.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(())
    }

    /// Tells how many of the old table's cells the new one has under the same keys, from 0.5 to 1; `None` below that.
    fn share_of_cells(&self, pair: &TablePair) -> Result<Option<f64>, DiffError> {
        let (Some(old), Some(new)) = (&pair.old, &pair.new) else { return Ok(None) };
        let by_place: Vec<(usize, usize)> = (0..old.columns.len()).map(|i| (i, i)).collect();
        let equal = defined_alike(old, new);
        let by_name = || -> Vec<(usize, usize)> {
            (0..old.columns.len()).filter_map(|i| Some((i, new.position(&old.columns[i].name)?))).collect()
        };
        let common = if equal { by_place.clone() } else { by_name() };
        let same_shape =
            (old.kind, &old.key, old.rowid_column.is_some()) == (new.kind, &new.key, new.rowid_column.is_some());
        if !equal && (!same_shape || common.len() < 2) {
            return Ok(None);
        }
        if self.count_up_to(pair, Of::Old, 1)? == 0 {
            return Ok((equal && same_shape && old.column_names() == new.column_names()).then_some(1.0));
        }
        if equal && self.mostly_same(&pair.aligned_as(renamed(old, new, &by_place)))? {
            return Ok(Some(1.0));
        }
        let rows = self.count_up_to(pair, Of::Old, u64::MAX)?;
        // With fewer rows it cannot hold half of the cells.
        let half = rows.div_ceil(2);
        if self.count_up_to(pair, Of::New, half)? < half {
            return Ok(None);
        }
        let key = old.key_positions();
        let mut cells: Vec<(usize, usize)> = common.iter().copied().filter(|(i, _)| !key.contains(i)).collect();
        if cells.is_empty() {
            cells = common;
        }
        let mut hits = 0u64;
        self.each_common(pair, &mut |old, new| {
            hits += cells.iter().filter(|(i, j)| old[*i].is_same(&new[*j])).count() as u64;
        })?;
        let share = hits as f64 / (rows as f64 * cells.len() as f64);
        Ok((share >= 0.5).then_some(share))
    }
}

/// A table that SQLite cannot read shows no rename.
fn unless_unreadable<T>(found: Result<T, DiffError>, otherwise: T) -> Result<T, DiffError> {
    match found {
        Err(DiffError::Unreadable { .. }) => Ok(otherwise),
        found => found,
    }
}

/// Pairs the columns whose names differ in case only, which SQLite takes for the same.
fn other_case(old: &Table, new: &Table) -> Vec<(usize, usize)> {
    let other = |a: &Column| {
        let at = new.columns.iter().position(|b| a.name.eq_ignore_ascii_case(&b.name))?;
        (new.columns[at].name != a.name).then_some(at)
    };
    old.columns.iter().enumerate().filter_map(|(i, a)| Some((i, other(a)?))).collect()
}

/// Finds the columns gone and come between those that both tables have.
fn gaps(old: &Table, new: &Table) -> Vec<Gap> {
    /// Returns the columns that only `table` has, under the one in front of them that both have.
    fn apart<'t>(table: &'t Table, other: &Table) -> Vec<(Option<&'t str>, Vec<usize>)> {
        let mut found = vec![(None, Vec::new())];
        for (i, column) in table.columns.iter().enumerate() {
            match other.columns.iter().any(|c| c.name.eq_ignore_ascii_case(&column.name)) {
                true => found.push((Some(column.name.as_str()), Vec::new())),
                false => found.last_mut().expect("never empty").1.push(i),
            }
        }
        found
    }
    let same = |a: Option<&str>, b: Option<&str>| match (a, b) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    };
    let come = apart(new, old);
    let of = |anchor| come.iter().find(|(a, _)| same(*a, anchor)).map(|(_, columns)| columns.clone());
    apart(old, new)
        .into_iter()
        .filter_map(|(anchor, gone)| Some(Gap { gone, come: of(anchor)? }))
        .filter(|gap| !gap.gone.is_empty() && !gap.come.is_empty())
        .collect()
}

/// Tells whether two columns have the same definition and the same part in the key.
fn may_be(old: &Table, i: usize, new: &Table, j: usize) -> bool {
    let (a, b) = (&old.columns[i], &new.columns[j]);
    let in_key = |table: &Table, name: &String| table.key.iter().position(|k| k == name);
    *b == (Column { name: b.name.clone(), ..a.clone() }) && in_key(old, &a.name) == in_key(new, &b.name)
}

/// Tells whether two tables have the same columns in the same order, names aside.
pub(super) fn defined_alike(old: &Table, new: &Table) -> bool {
    old.kind == new.kind
        && old.columns.len() == new.columns.len()
        && old.rowid_column.is_some() == new.rowid_column.is_some()
        && (0..old.columns.len()).all(|i| may_be(old, i, new, i))
}

/// Returns the old table with the new names of its columns.
fn renamed(old: &Table, new: &Table, renames: &[(usize, usize)]) -> Table {
    let mut table = old.clone();
    for (i, j) in renames {
        let (from, to) = (&old.columns[*i].name, &new.columns[*j].name);
        table.columns[*i].name.clone_from(to);
        for (name, was) in
            table.key.iter_mut().zip(&old.key).chain(table.rowid_column.iter_mut().zip(&old.rowid_column))
        {
            if was == from {
                name.clone_from(to);
            }
        }
    }
    table
}

impl TablePair {
    /// Returns the pair as if the old columns had been renamed so.
    fn aligned_as(&self, aligned: Table) -> Self {
        let (old, new) = (self.old.clone(), self.new.clone());
        Self { name: self.name.clone(), old, new, aligned: Some(aligned), compared: self.compared }
    }
}
