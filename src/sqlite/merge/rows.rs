//! One row after the other: what theirs did to it is done to ours, or is a conflict.

use super::carry::Undecided;
use super::cells::{Cell, Row, same_row};
use super::plan::{Pairing, Plan};
use super::spool::Unit;
use super::{Conflict, ConflictKind, Favor, Merge, MergeOptions, Result, RowKey};
use crate::model::Value;
use crate::sqlite::diff::encode::decode;

/// What becomes of a row.
enum Decided {
    /// It is this in the result.
    Row(Option<Row>),
    /// It stays as in ours, and is a conflict of these columns.
    Conflict(ConflictKind, Vec<usize>),
}

impl Merge<'_> {
    /// Merges the rows of all tables.
    pub(super) fn merge_rows(&mut self) -> Result<()> {
        let plans: Vec<String> =
            self.plans.values().filter(|p| p.merged().is_some()).map(|p| p.lower.clone()).collect();
        for name in plans {
            let plan = &self.plans[&name];
            let bag = plan.merged().is_some_and(|m| m.pairing == Pairing::Bag);
            let mut conflicts = Vec::new();
            self.spool.each(plan.number, &mut |unit| match bag {
                true => self.merge_count(plan, unit, &mut conflicts),
                false => self.merge_row(plan, unit, &mut conflicts),
            })?;
            for (key, conflict) in conflicts {
                let kind = conflict.kind;
                let at = self.add_conflict(conflict);
                if kind != ConflictKind::Count {
                    self.undecided.push(Undecided { conflict: at, table: name.clone(), key });
                }
            }
        }
        Ok(())
    }

    fn merge_row(&self, plan: &Plan, mut unit: Unit, conflicts: &mut Vec<(Vec<u8>, Conflict)>) -> Result<()> {
        match decide(&unit, self.options) {
            Decided::Row(merged) => {
                if same_row(merged.as_ref(), unit.ours.as_ref()) {
                    return self.spool.remove(plan.number, &unit.key);
                }
                unit.merged = merged;
                self.spool.put(plan.number, &unit)
            }
            Decided::Conflict(kind, columns) => {
                let columns = columns.into_iter().map(|i| plan.table.columns[i].name.to_ascii_lowercase()).collect();
                let key = Some(plan.shown_key(&unit));
                let conflict = Conflict { table: Some(plan.name.clone()), key, columns, ..Conflict::new(kind) };
                conflicts.push((unit.key.clone(), conflict));
                unit.held = true;
                unit.merged.clone_from(&unit.ours);
                self.spool.put(plan.number, &unit)
            }
        }
    }

    /// Merges how many rows like one there are.
    fn merge_count(&self, plan: &Plan, mut unit: Unit, conflicts: &mut Vec<(Vec<u8>, Conflict)>) -> Result<()> {
        let (theirs, ours) = unit.more;
        unit.added = match self.options.favor {
            _ if theirs == ours || theirs == 0 => 0,
            _ if ours == 0 => theirs,
            Some(Favor::Theirs) => theirs - ours,
            Some(Favor::Union) => theirs,
            Some(Favor::Ours) => 0,
            None => {
                let detail = Some(format!("{ours:+} here, {theirs:+} there"));
                let key = Some(plan.shown_key(&unit));
                let conflict =
                    Conflict { table: Some(plan.name.clone()), key, detail, ..Conflict::new(ConflictKind::Count) };
                conflicts.push((unit.key.clone(), conflict));
                unit.held = true;
                0
            }
        };
        unit.merged.clone_from(&unit.theirs);
        match unit.added == 0 && !unit.held {
            true => self.spool.remove(plan.number, &unit.key),
            false => self.spool.put(plan.number, &unit),
        }
    }
}

/// Applies the rules for one row.
fn decide(unit: &Unit, options: MergeOptions) -> Decided {
    let (base, ours, theirs) = (unit.base.as_ref(), unit.ours.as_ref(), unit.theirs.as_ref());
    let filled = |a: &Row, b: &Row| -> Row {
        a.iter().zip(b).map(|(x, y)| if x.is_absent() { y.clone() } else { x.clone() }).collect()
    };
    let settled = |kind: ConflictKind| match options.favor {
        None => Decided::Conflict(kind, Vec::new()),
        Some(Favor::Theirs) => Decided::Row(theirs.cloned()),
        Some(Favor::Ours | Favor::Union) => Decided::Row(ours.cloned()),
    };
    if same_row(ours, theirs) || same_row(theirs, base) {
        return Decided::Row(match (ours, theirs) {
            (Some(o), Some(t)) => Some(filled(o, t)),
            _ => ours.cloned(),
        });
    }
    if same_row(ours, base) {
        return Decided::Row(match (ours, theirs) {
            (Some(o), Some(t)) => Some(filled(t, o)),
            _ => theirs.cloned(),
        });
    }
    match (ours, theirs) {
        (None, _) => settled(ConflictKind::DeleteUpdate),
        (_, None) => settled(ConflictKind::UpdateDelete),
        (Some(o), Some(t)) => by_cells(base, o, t, options),
    }
}

/// Merges a row that both changed, cell by cell.
fn by_cells(base: Option<&Row>, ours: &Row, theirs: &Row, options: MergeOptions) -> Decided {
    let mut row = Row::new();
    let (mut differing, mut clashing) = (Vec::new(), Vec::new());
    for (i, (o, t)) in ours.iter().zip(theirs).enumerate() {
        let b = base.map(|b| &b[i]).filter(|_| !options.by_row);
        let cell = match b {
            _ if o.is_absent() => t,
            _ if t.is_absent() || o.is_same(t) => o,
            Some(b) if !b.is_absent() && t.is_same(b) => o,
            Some(b) if b.is_absent() || o.is_same(b) => t,
            _ => {
                differing.push(i);
                match options.favor {
                    Some(Favor::Theirs) => t,
                    Some(Favor::Union) if is_null(o) => t,
                    Some(Favor::Union) if is_null(t) => o,
                    _ => {
                        clashing.push(i);
                        o
                    }
                }
            }
        };
        row.push(cell.clone());
    }
    let columns = match options.favor {
        Some(Favor::Ours | Favor::Theirs) => Vec::new(),
        Some(Favor::Union) => clashing,
        None => differing,
    };
    if columns.is_empty() {
        return Decided::Row(Some(row));
    }
    let kind = if base.is_some() { ConflictKind::UpdateUpdate } else { ConflictKind::InsertInsert };
    Decided::Conflict(kind, columns)
}

fn is_null(cell: &Cell) -> bool {
    matches!(cell.value(), Some(Value::Null))
}

impl Plan {
    /// Returns by what a row is shown.
    pub fn shown_key(&self, unit: &Unit) -> RowKey {
        let pairing = self.merged().map_or(Pairing::Key, |m| m.pairing);
        match pairing {
            Pairing::Key => self.key_shown(decode(&unit.key).unwrap_or_default()),
            Pairing::Rowid => RowKey::Rowid(unit.shown.unwrap_or_default()),
            Pairing::Bag => self.row_shown(unit.theirs.iter().flatten().filter_map(Cell::value).cloned()),
        }
    }

    /// Returns a key with the names of its columns.
    pub fn key_shown(&self, values: Vec<Value>) -> RowKey {
        let names = match self.is_virtual() {
            true => vec!["rowid".to_owned()],
            false => self.table.key.clone(),
        };
        RowKey::Values(names.into_iter().zip(values).collect())
    }

    /// Returns a row with the names of its columns.
    pub fn row_shown(&self, values: impl IntoIterator<Item = Value>) -> RowKey {
        RowKey::Row(self.table.columns.iter().map(|c| c.name.clone()).zip(values).collect())
    }
}
