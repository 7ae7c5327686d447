//! Objects and tables, merged as definitions: what becomes of each table.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::definition::Definition;
use super::layout::Layout;
use super::plan::{MergedRows, Pairing, Plan, Rows};
use super::renames::find_pair;
use super::state::{State, StateTable, empty_scratch};
use super::{Conflict, Merge, Of, Result};
use crate::sqlite::diff::table::read_all;
use crate::sqlite::diff::{Compared, Identity, Table};
use crate::sqlite::error::message;

impl Merge<'_> {
    /// Merges indexes, views and triggers by their definitions, absence included.
    pub(super) fn merge_objects(&mut self) {
        let all: BTreeSet<(String, String)> =
            [&self.b, &self.o, &self.t].into_iter().flat_map(|s| s.objects.keys().cloned()).collect();
        for key in all {
            let of = |s: &State<'_>| s.objects.get(&key).cloned();
            let (b, o, t) = (of(&self.b), of(&self.o), of(&self.t));
            let Some(known) = o.as_ref().or(t.as_ref()).or(b.as_ref()) else { continue };
            let belongs = key.0 == "index" || key.0 == "trigger";
            if belongs && self.waiting.contains(&known.table) {
                if let Some(o) = o {
                    self.objects.insert(key, o);
                }
                continue;
            }
            let tokens = |x: &Option<super::state::Object>| x.as_ref().map(|x| x.tokens.clone());
            let (eb, eo, et) = (tokens(&b), tokens(&o), tokens(&t));
            let merged = if eo == et || et == eb {
                o
            } else if eo == eb {
                self.from_theirs.insert(key.clone());
                t
            } else {
                // A table that is gone on one side takes its indexes and triggers along: decided with the table.
                let gone = |s: &State<'_>| {
                    belongs && self.b.tables.contains_key(&known.table) && !s.tables.contains_key(&known.table)
                };
                if !gone(&self.o) && !gone(&self.t) {
                    let reason = match (eb.is_some(), eo.is_some() && et.is_some()) {
                        (false, _) => "add/add",
                        (true, false) => "drop/modify",
                        (true, true) => "definition",
                    };
                    let (name, kind) = (known.name.clone(), key.0.clone());
                    self.add_conflict(Conflict { table: Some(name), detail: Some(kind), ..Conflict::schema(reason) });
                }
                o
            };
            if let Some(merged) = merged {
                self.objects.insert(key, merged);
            }
        }
    }

    /// Decides what becomes of each table.
    pub(super) fn merge_tables(&mut self) -> Result<()> {
        let all: BTreeSet<String> =
            [&self.b, &self.o, &self.t].into_iter().flat_map(|s| s.tables.keys().cloned()).collect();
        for name in all {
            let of = |s: &State<'_>| s.tables.get(&name).cloned();
            let (b, o, t) = (of(&self.b), of(&self.o), of(&self.t));
            if self.waiting.contains(&name) {
                self.plan_as_ours(&name);
                continue;
            }
            match (b, o, t) {
                (None, Some(o), None) => self.plan_rows(&name, Some(o.definition), false)?,
                (None, None, Some(t)) => self.plan_rows(&name, Some(t.definition), false)?,
                (None, Some(o), Some(t)) => match o.defined_like(&t) {
                    true => self.plan_rows(&name, Some(o.definition), false)?,
                    false => self.wait(&name, "add/add", Vec::new(), None),
                },
                (_, None, None) => {}
                (Some(_), Some(_), None) => match self.is_unchanged(Of::Ours, &name)? {
                    true => {
                        self.forget_belongings(&name);
                        self.dropped.push(name);
                    }
                    false => self.wait(&name, "drop/modify", Vec::new(), None),
                },
                (Some(_), None, Some(_)) => {
                    if !self.is_unchanged(Of::Theirs, &name)? {
                        self.add_schema_conflict(&name, "drop/modify", Vec::new(), None);
                    }
                    self.forget_belongings(&name);
                }
                (Some(b), Some(o), Some(t)) if [&b, &o, &t].into_iter().any(StateTable::is_virtual) => {
                    self.merge_virtual(&name, &b, &o, &t)?;
                }
                (Some(b), Some(o), Some(t)) => self.merge_table(&name, &b, &o, &t)?,
            }
        }
        Ok(())
    }

    fn merge_table(&mut self, name: &str, b: &StateTable, o: &StateTable, t: &StateTable) -> Result<()> {
        if b.shape() != o.shape() || b.shape() != t.shape() {
            // A side that left the table alone has nothing to lose.
            if self.is_unchanged(Of::Ours, name)? {
                return self.plan_as_theirs(name);
            }
            if self.is_unchanged(Of::Theirs, name)? {
                self.plan_as_ours(name);
                return Ok(());
            }
        }
        match Definition::merged(&b.definition, &o.definition, &t.definition) {
            Ok(merged) => {
                let by_theirs = !merged.is_same(&o.definition);
                self.plan_rows(name, Some(merged), by_theirs)?;
            }
            Err(clash) => self.wait(name, clash.reason, clash.columns, clash.detail.map(str::to_owned)),
        }
        Ok(())
    }

    fn merge_virtual(&mut self, name: &str, b: &StateTable, o: &StateTable, t: &StateTable) -> Result<()> {
        let (same_o, same_t) = (b.defined_like(o), b.defined_like(t));
        if !o.defined_like(t) && !same_o && !same_t {
            self.wait(name, "definition", Vec::new(), None);
        } else if ![b, o, t].into_iter().all(|x| x.real.has_content) {
            match same_o && !same_t {
                true => self.plan_as_theirs(name)?,
                false => self.plan_as_ours(name),
            }
        } else if same_o && same_t {
            self.plan_rows(name, None, false)?;
        } else if self.is_unchanged(Of::Ours, name)? {
            self.plan_as_theirs(name)?;
        } else if self.is_unchanged(Of::Theirs, name)? {
            self.plan_as_ours(name);
        } else {
            self.wait(name, "definition", Vec::new(), None);
        }
        Ok(())
    }

    /// Lets a table wait, as in ours, until a conflict of its definition is settled.
    fn wait(&mut self, name: &str, reason: &'static str, columns: Vec<String>, detail: Option<String>) {
        self.add_schema_conflict(name, reason, columns, detail);
        self.plan_as_ours(name);
    }

    /// Tells whether one side left a table as it was: definition, rows, indexes, triggers.
    pub(super) fn is_unchanged(&self, of: Of, name: &str) -> Result<bool> {
        let state = if of == Of::Ours { &self.o } else { &self.t };
        let (Some(b), Some(x)) = (self.b.tables.get(name), state.tables.get(name)) else {
            return Ok(!self.b.tables.contains_key(name) && !state.tables.contains_key(name));
        };
        if !b.defined_like(x) || self.b.belongings(name) != state.belongings(name) {
            return Ok(false);
        }
        if !b.real.has_content || !x.real.has_content {
            return Ok(true);
        }
        self.has_same_rows(of, name)
    }

    /// Tells whether one side has the rows of the base, wherever they lie.
    fn has_same_rows(&self, of: Of, name: &str) -> Result<bool> {
        let Some((diff, pair)) = self.pair(of, name) else { return Ok(false) };
        let mut same = true;
        diff.row_pairs(&pair, &mut |_| {
            same = false;
            ControlFlow::Break(())
        })?;
        if same || pair.old.as_ref().is_some_and(|t| !t.key.is_empty() || t.rowid_name().is_none()) {
            return Ok(same);
        }
        let bags = (self.again)(of, Identity::Bag)?;
        let pair = find_pair(&bags, pair.old.as_ref().map(|t| &t.name), pair.new.as_ref().map(|t| &t.name));
        let Some(pair) = pair else { return Ok(false) };
        let mut same = true;
        bags.row_pairs(&pair, &mut |_| {
            same = false;
            ControlFlow::Break(())
        })?;
        Ok(same)
    }

    /// Leaves the indexes and triggers of a table out of the result.
    pub(super) fn forget_belongings(&mut self, name: &str) {
        self.objects.retain(|(kind, _), o| !((kind == "index" || kind == "trigger") && o.table == name));
    }

    /// Takes a table as ours has it, if it has it.
    pub(super) fn plan_as_ours(&mut self, name: &str) {
        if let Some(table) = self.o.tables.get(name).cloned() {
            let plan = self.new_plan(name, &table, Rows::Ours);
            self.plans.insert(name.to_owned(), plan);
        }
    }

    /// Takes a table as theirs has it.
    fn plan_as_theirs(&mut self, name: &str) -> Result<()> {
        if let Some(table) = self.t.tables.get(name).cloned() {
            let plan = self.new_plan(name, &table, Rows::Theirs);
            self.plans.insert(name.to_owned(), plan);
        }
        Ok(())
    }

    pub(super) fn as_ours(&self, name: &str, of: &StateTable) -> Plan {
        self.new_plan(name, of, Rows::Ours)
    }

    fn new_plan(&self, name: &str, of: &StateTable, rows: Rows) -> Plan {
        Plan {
            number: self.plans.get(name).map_or(self.plans.len() as i64 + 1, |known| known.number),
            name: of.now.name.clone(),
            lower: name.to_owned(),
            sql: of.now.sql.clone(),
            definition: (!of.is_virtual()).then(|| of.definition.clone()),
            table: of.now.clone(),
            has_content: of.real.has_content,
            by_theirs: false,
            is_new: !self.o.tables.contains_key(name),
            rows,
        }
    }

    /// Merges the rows of a table one by one, in the layout of the merged definition.
    fn plan_rows(&mut self, name: &str, merged: Option<Definition>, by_theirs: bool) -> Result<()> {
        let states = [self.b.tables.get(name), self.o.tables.get(name), self.t.tables.get(name)].map(|t| t.cloned());
        let Some(first) = states[1].as_ref().or(states[2].as_ref()) else { return Ok(()) };
        let mut plan = self.new_plan(name, first, Rows::Ours);
        plan.by_theirs = by_theirs && states[1].is_some();
        if !plan.has_content {
            plan.rows = if states[1].is_some() { Rows::Ours } else { Rows::Theirs };
            self.plans.insert(name.to_owned(), plan);
            return Ok(());
        }
        if let Some(merged) = merged.filter(|_| plan.definition.is_some()) {
            plan.sql = merged.sql(&plan.name);
            plan.definition = Some(merged);
            match made(&plan.sql) {
                Ok(Some(mut table)) => {
                    table.name.clone_from(&plan.name);
                    plan.table = table;
                }
                Ok(None) => {}
                Err(e) => {
                    self.wait(name, "definition", Vec::new(), Some(message(&e)));
                    return Ok(());
                }
            }
            if self.loses_edited_cells(&plan)? {
                self.plan_as_ours(name);
                return Ok(());
            }
        }
        let strict = plan.definition.as_ref().is_some_and(Definition::is_strict);
        let mut layouts = [None, None, None];
        for (layout, state) in layouts.iter_mut().zip(&states) {
            *layout = state.as_ref().map(|state| Layout::new(state, &plan.table, strict)).transpose()?;
        }
        let mut shapes = states.iter().flatten().map(StateTable::shape);
        let shape = shapes.next();
        let rekeyed = shapes.any(|other| Some(other) != shape);
        let pairing = match rekeyed {
            true => Pairing::Key,
            false => self.pairing(&plan, &states)?,
        };
        plan.rows = Rows::Merged(Box::new(MergedRows { pairing, rekeyed, layouts }));
        if rekeyed && !self.gather_rekeyed(&plan)? {
            self.wait(name, "key", Vec::new(), None);
            return Ok(());
        }
        self.plans.insert(name.to_owned(), plan);
        Ok(())
    }

    fn pairing(&self, plan: &Plan, states: &[Option<StateTable>; 3]) -> Result<Pairing> {
        let table = &plan.table;
        if plan.is_virtual()
            || table.kind == crate::sqlite::diff::TableKind::WithoutRowid
            || table.rowid_column.is_some()
        {
            return Ok(Pairing::Key);
        }
        let both = |of: Of| -> Result<Option<bool>> {
            let Some((diff, pair)) = self.pair(of, &plan.lower).filter(|(_, p)| p.compared == Compared::Rows) else {
                return Ok(None);
            };
            Ok(Some(diff.key_holds_null(&pair)?))
        };
        if !table.key.is_empty() && both(Of::Ours)? != Some(true) && both(Of::Theirs)? != Some(true) {
            return Ok(Pairing::Key);
        }
        let has_rowid = states.iter().flatten().all(|s| s.real.rowid_name().is_some());
        Ok(if self.options.bags || !has_rowid { Pairing::Bag } else { Pairing::Rowid })
    }

    /// Finds columns that one side dropped and in which the other changed cells of rows that both have.
    fn loses_edited_cells(&mut self, plan: &Plan) -> Result<bool> {
        let name = &plan.lower;
        let Some(base) = self.b.tables.get(name).cloned() else { return Ok(false) };
        let mut lost = Vec::new();
        for (of, other) in [(Of::Ours, &self.t), (Of::Theirs, &self.o)] {
            let state = if of == Of::Ours { &self.o } else { &self.t };
            let (Some(x), Some(other)) = (state.tables.get(name), other.tables.get(name)) else { continue };
            let has = |table: &Table, column: &str| table.columns.iter().any(|c| c.name.eq_ignore_ascii_case(column));
            let dropped: Vec<(usize, usize)> = (base.now.columns.iter().enumerate())
                .filter(|(_, c)| plan.column(&c.name).is_none() && has(&x.now, &c.name) && !has(&other.now, &c.name))
                .filter_map(|(i, c)| {
                    Some((i, x.now.columns.iter().position(|d| d.name.eq_ignore_ascii_case(&c.name))?))
                })
                .collect();
            if dropped.is_empty() {
                continue;
            }
            let Some((diff, pair)) = self.pair(of, name) else { continue };
            let mut edited = BTreeSet::new();
            diff.row_pairs(&pair, &mut |row| {
                if let (Some(old), Some(new)) = (row.old, row.new) {
                    edited.extend(dropped.iter().filter(|(i, j)| !old[*i].is_same(&new[*j])).map(|(i, _)| *i));
                }
                ControlFlow::Continue(())
            })?;
            lost.extend(edited.into_iter().map(|i| base.now.columns[i].name.to_ascii_lowercase()));
        }
        for column in &lost {
            self.add_schema_conflict(name, "drop/update", vec![column.clone()], None);
        }
        Ok(!lost.is_empty())
    }
}

/// Makes a table of this definition in a scratch database.
fn made(sql: &str) -> rusqlite::Result<Option<Table>> {
    let scratch = empty_scratch()?;
    scratch.execute_batch(sql)?;
    Ok(read_all(&scratch)?.into_iter().find_map(|found| found.table))
}
