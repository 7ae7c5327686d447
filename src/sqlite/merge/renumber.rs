//! New rows of theirs whose integer key ours gave to another row get the next free one, and what refers to them follows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::cells::{Cell, Row, integer_key, same_row};
use super::changes::{BASE, OURS};
use super::definition::Definition;
use super::plan::{Pairing, Plan};
use super::references::Reference;
use super::spool::Unit;
use super::{Merge, Renumber, Renumbered, Result};
use crate::model::Value;
use crate::sqlite::diff::encode::encode;
use crate::sqlite::diff::side::quoted;

/// New keys by old ones, by table in lower case.
type Numbers = BTreeMap<String, BTreeMap<i64, i64>>;

/// Cells that were given another number already: table, key of the row, column.
type Done = HashSet<(i64, Vec<u8>, usize)>;

impl Merge<'_> {
    /// Fills in what ours has, and gives new keys where theirs are taken.
    pub(super) fn renumber(&mut self) -> Result<()> {
        let names: Vec<String> =
            self.plans.values().filter(|p| p.merged().is_some() && !p.is_virtual()).map(|p| p.lower.clone()).collect();
        if self.options.renumber != Renumber::Never {
            let references: BTreeMap<String, Vec<Reference>> =
                names.iter().map(|n| Ok((n.clone(), self.references(&self.plans[n])?))).collect::<Result<_>>()?;
            let order = parents_first(&names, &references);
            let mut numbers = Numbers::new();
            let mut done = Done::new();
            for name in &order {
                self.follow_numbers(name, &references[name], &numbers, &mut done)?;
                self.number_anew(name, &references, &mut numbers, &mut done)?;
                let own: Vec<Reference> = references[name].iter().filter(|r| r.parent == *name).cloned().collect();
                self.follow_numbers(name, &own, &numbers, &mut done)?;
            }
            // Circles: what came before its parent had its numbers.
            for name in &order {
                self.follow_numbers(name, &references[name], &numbers, &mut done)?;
            }
        }
        self.fill_in_ours()
    }

    /// Looks up the rows of ours that theirs changed too.
    fn fill_in_ours(&self) -> Result<()> {
        for plan in self.plans.values() {
            let Some(merged) = plan.merged() else { continue };
            if merged.pairing != Pairing::Key || merged.rekeyed || merged.layouts[OURS].is_none() {
                continue;
            }
            self.spool.each(plan.number, &mut |mut unit| {
                let Some((place, row)) = self.look_up(OURS, plan, &unit.key)? else { return Ok(()) };
                (unit.ours, unit.place) = (Some(row), place);
                self.spool.put(plan.number, &unit)
            })?;
        }
        Ok(())
    }

    /// Gives new numbers to the new rows of theirs in one table.
    fn number_anew(
        &mut self,
        name: &str,
        references: &BTreeMap<String, Vec<Reference>>,
        numbers: &mut Numbers,
        done: &mut Done,
    ) -> Result<()> {
        let plan = &self.plans[name];
        let (Some(merged), Some(at)) = (plan.merged(), plan.rowid_column()) else { return Ok(()) };
        let key = plan.table.columns[at].name.to_ascii_lowercase();
        let is_reference = references[name].iter().any(|r| r.columns.contains(&key));
        let counts_up = plan.definition.as_ref().is_some_and(Definition::is_autoincrement);
        if merged.pairing != Pairing::Key || merged.rekeyed || is_reference {
            return Ok(());
        }
        if self.options.renumber == Renumber::Auto && !counts_up {
            return Ok(());
        }
        let mut taken = BTreeSet::new();
        self.spool.each(plan.number, &mut |unit| {
            if unit.base.is_none() && unit.theirs.is_some() {
                let ours = self.look_up(OURS, plan, &unit.key)?.map(|(_, row)| row);
                if ours.is_some() && !same_row(ours.as_ref(), unit.theirs.as_ref()) {
                    taken.extend(integer_key(&unit.key));
                }
            }
            Ok(())
        })?;
        if self.options.renumber == Renumber::Auto && !taken.is_empty() {
            for meant in self.mentioned(&taken, references)? {
                taken.remove(&meant);
            }
        }
        let mut top = self.highest_number(plan)?;
        let plan = &self.plans[name];
        for old in taken {
            let Some(new) = top.checked_add(1) else { break };
            top = new;
            let old_key = encode([&Value::Integer(old)]);
            let Some(unit) = self.spool.get(plan.number, &old_key)? else { continue };
            self.spool.remove(plan.number, &old_key)?;
            let mut row = unit.theirs.unwrap_or_default();
            row[at] = Cell::Value(Value::Integer(new));
            let key = encode([&Value::Integer(new)]);
            let moved: Vec<usize> =
                (0..row.len()).filter(|i| done.contains(&(plan.number, old_key.clone(), *i))).collect();
            done.extend(moved.into_iter().map(|i| (plan.number, key.clone(), i)));
            self.spool.put(plan.number, &Unit { key, theirs: Some(row), ..Unit::default() })?;
            numbers.entry(name.to_owned()).or_default().insert(old, new);
            self.renumbered.push(Renumbered { table: plan.name.clone(), old, new });
        }
        Ok(())
    }

    /// Returns the highest number that a row of any state has, or had as far as counters tell.
    fn highest_number(&self, plan: &Plan) -> Result<i64> {
        let mut top = 0;
        for state in [&self.b, &self.o, &self.t] {
            let Some(table) = state.tables.get(&plan.lower) else { continue };
            let rowid = table.real.rowid_name().unwrap_or("rowid");
            let sql = format!("SELECT max({rowid}) FROM {}", quoted(&table.real.name));
            let highest: Option<i64> = state.conn.query_row(&sql, [], |row| row.get(0))?;
            top = top.max(highest.unwrap_or(0));
            if let Some(Value::Integer(counter)) = state.sequence.get(&plan.lower) {
                top = top.max(*counter);
            }
        }
        Ok(top)
    }

    /// Finds the numbers that something of theirs mentions, other than references and integer keys.
    fn mentioned(&self, numbers: &BTreeSet<i64>, references: &BTreeMap<String, Vec<Reference>>) -> Result<Vec<i64>> {
        let mut found = BTreeSet::new();
        for plan in self.plans.values().filter(|p| p.merged().is_some() && p.has_content) {
            let refer: HashSet<&String> =
                references.get(&plan.lower).into_iter().flatten().flat_map(|r| &r.columns).collect();
            let skipped: Vec<bool> = (plan.table.columns.iter().enumerate())
                .map(|(i, c)| refer.contains(&c.name.to_ascii_lowercase()) || Some(i) == plan.rowid_column())
                .collect();
            self.spool.each(plan.number, &mut |unit| {
                for (i, cell) in unit.theirs.iter().flatten().enumerate() {
                    let kept = unit.base.as_ref().is_some_and(|b| b[i].is_same(cell));
                    if skipped[i] || kept {
                        continue;
                    }
                    let number = match cell.value() {
                        Some(Value::Integer(n)) => Some(*n),
                        Some(Value::Text(text)) => number_in(text),
                        _ => None,
                    };
                    found.extend(number.filter(|n| numbers.contains(n)));
                }
                Ok(())
            })?;
        }
        Ok(found.into_iter().collect())
    }

    /// Lets cells that theirs wrote refer to the new numbers.
    fn follow_numbers(&self, name: &str, references: &[Reference], numbers: &Numbers, done: &mut Done) -> Result<()> {
        let plan = &self.plans[name];
        let mut rewritten: Vec<(usize, &BTreeMap<i64, i64>)> = Vec::new();
        for reference in references {
            let (Some(map), Some(parent)) = (numbers.get(&reference.parent), self.plans.get(&reference.parent)) else {
                continue;
            };
            let key = parent.table.rowid_column.as_ref().map(|c| c.to_ascii_lowercase());
            if let ([to], [column]) = (&reference.to[..], &reference.columns[..])
                && Some(to) == key.as_ref()
                && let Some(at) = plan.column(column)
            {
                rewritten.push((at, map));
            }
        }
        if rewritten.is_empty() {
            return Ok(());
        }
        let mut changed: Vec<(Vec<u8>, Row)> = Vec::new();
        self.spool.each(plan.number, &mut |unit| {
            let Some(theirs) = &unit.theirs else { return Ok(()) };
            let mut row = theirs.clone();
            for (at, map) in &rewritten {
                let Some(Value::Integer(old)) = theirs[*at].value() else { continue };
                let kept = unit.base.as_ref().is_some_and(|b| b[*at].is_same(&theirs[*at]));
                if let Some(new) = map.get(old).filter(|_| !kept)
                    && done.insert((plan.number, unit.key.clone(), *at))
                {
                    row[*at] = Cell::Value(Value::Integer(*new));
                }
            }
            if !same_row(Some(&row), Some(theirs)) {
                changed.push((unit.key, row));
            }
            Ok(())
        })?;
        for (key, row) in changed {
            self.rewrite(plan, key, row, done)?;
        }
        Ok(())
    }

    /// Puts a row of theirs in the place of one whose references changed, which may be parts of its key.
    fn rewrite(&self, plan: &Plan, key: Vec<u8>, row: Row, done: &mut Done) -> Result<()> {
        let by_key = plan.merged().is_some_and(|m| m.pairing == Pairing::Key);
        let new_key = plan.key_of(&row).filter(|_| by_key).map(|k| encode(&k));
        let Some(mut unit) = self.spool.get(plan.number, &key)? else { return Ok(()) };
        match new_key.filter(|new| *new != key) {
            None => {
                unit.theirs = Some(row);
                self.spool.put(plan.number, &unit)
            }
            Some(new) => {
                match unit.base {
                    Some(_) => {
                        unit.theirs = None;
                        self.spool.put(plan.number, &unit)?;
                    }
                    None => self.spool.remove(plan.number, &key)?,
                }
                let base = self.look_up(BASE, plan, &new)?.map(|(_, row)| row);
                let moved: Vec<usize> =
                    (0..row.len()).filter(|at| done.contains(&(plan.number, key.clone(), *at))).collect();
                done.extend(moved.into_iter().map(|at| (plan.number, new.clone(), at)));
                self.spool.put(plan.number, &Unit { key: new, base, theirs: Some(row), ..Unit::default() })
            }
        }
    }
}

/// Orders tables such that those that others refer to come first, as far as there are no circles.
fn parents_first(names: &[String], references: &BTreeMap<String, Vec<Reference>>) -> Vec<String> {
    fn visit<'a>(
        name: &'a String,
        references: &'a BTreeMap<String, Vec<Reference>>,
        path: &mut Vec<&'a String>,
        order: &mut Vec<String>,
    ) {
        if order.contains(name) || path.contains(&name) {
            return;
        }
        path.push(name);
        for reference in &references[name] {
            if let Some((parent, _)) = references.get_key_value(&reference.parent).filter(|(p, _)| *p != name) {
                visit(parent, references, path, order);
            }
        }
        path.pop();
        order.push(name.clone());
    }
    let mut order = Vec::new();
    for name in names {
        visit(name, references, &mut Vec::new(), &mut order);
    }
    order
}

/// Returns the number that a text is, written as SQLite writes it.
fn number_in(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<i64>().ok().filter(|n| n.to_string() == text)
}
