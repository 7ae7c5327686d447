//! Foreign keys: which row of the result refers to nothing, and whether that is a matter of the merge.

use std::collections::BTreeMap;

use rusqlite::{Connection, params_from_iter};

use super::carry::add_member;
use super::cells::{Cell, Row};
use super::changes::{BASE, OURS, THEIRS};
use super::plan::{Pairing, Plan, Rows};
use super::state::{State, empty_scratch};
use super::{Conflict, ConflictKind, Member, Merge, Result, RowKey};
use crate::model::Value;
use crate::sqlite::diff::encode::encode;
use crate::sqlite::diff::side::{all_rows, param, quoted, value};

/// A foreign key.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// The columns of the child, in lower case.
    pub columns: Vec<String>,
    /// The table that it refers to, in lower case.
    pub parent: String,
    /// The columns there, in lower case; none if they are not known.
    pub to: Vec<String>,
}

/// A row of the result that refers to nothing.
struct Dangling {
    child: String,
    /// Its rowid, where it has one.
    place: Option<i64>,
    /// It, in the merged layout.
    row: Vec<Value>,
    reference: Reference,
}

impl Merge<'_> {
    /// Returns the foreign keys of a merged definition.
    pub(super) fn references(&self, plan: &Plan) -> Result<Vec<Reference>> {
        if plan.is_virtual() || !super::tokens::folded_all(&plan.sql).iter().any(|t| t == "references") {
            return Ok(Vec::new());
        }
        let scratch = empty_scratch()?;
        if scratch.execute_batch(&plan.sql).is_err() {
            return Ok(Vec::new());
        }
        let mut found = references_of(&scratch, &plan.name)?;
        for reference in &mut found {
            if reference.to.is_empty()
                && let Some(parent) = self.plans.get(&reference.parent)
            {
                reference.to = parent.table.key.iter().map(|k| k.to_ascii_lowercase()).collect();
            }
        }
        Ok(found)
    }

    /// Finds rows that refer to nothing because of the merge, and lets what makes them wait; tells whether anything changed.
    pub(super) fn check_references(&mut self) -> Result<bool> {
        let mut changed = false;
        for dangling in self.dangling()? {
            let plan = &self.plans[&dangling.child];
            let child = plan.lower.clone();
            if self.dangles_anyway(plan, &dangling)? {
                continue;
            }
            let mut members = Vec::new();
            let mut waits = false;
            let key = self.key_in_result(plan, dangling.place, &dangling.row)?;
            let shown = match &key {
                Some(key) => self.member(plan, key)?.key,
                None => shown_row(plan, dangling.place, &dangling.row),
            };
            if plan.merged().is_some()
                && let Some(key) = &key
            {
                if self.spool.hold(plan.number, key)? {
                    changed = true;
                    self.carry(&child, key, &mut members)?;
                }
                waits = self.spool.is_held(plan.number, key)?;
            }
            let Reference { columns, parent, to } = &dangling.reference;
            let merged_parent = self.plans.get(parent);
            match merged_parent {
                Some(parent_plan) if parent_plan.merged().is_some() => {
                    for key in self.parents(parent_plan, to, &values_of(plan, columns, &dangling.row))? {
                        add_member(&mut members, self.member(parent_plan, &key)?);
                        if self.spool.hold(parent_plan.number, &key)? {
                            changed = true;
                            self.carry(parent, &key, &mut members)?;
                        }
                        waits |= self.spool.is_held(parent_plan.number, &key)?;
                    }
                }
                None if self.o.tables.contains_key(parent) => {
                    let parent = parent.clone();
                    self.keep_dropped(&parent);
                    return Ok(true);
                }
                _ => {}
            }
            let conflict = Conflict {
                table: Some(plan.name.clone()),
                key: Some(shown),
                columns: columns.clone(),
                members,
                detail: Some(parent.clone()),
                ..Conflict::new(ConflictKind::ForeignKey)
            };
            let by_theirs = |plan: &Plan| match plan.rows {
                Rows::Theirs => !plan.is_new,
                Rows::Merged(_) => plan.by_theirs,
                Rows::Ours => false,
            };
            let culprit = if by_theirs(plan) {
                Some(child)
            } else {
                merged_parent.filter(|p| matches!(p.rows, Rows::Theirs) && !p.is_new).map(|p| p.lower.clone())
            };
            self.add_conflict(conflict);
            if waits {
                continue;
            }
            match culprit {
                Some(table) => {
                    self.give_up(&table, "foreign-key", Vec::new(), None)?;
                    return Ok(true);
                }
                None => self.notes.push(format!(
                    "{}: a row refers to nothing, which neither side made so",
                    self.plans[&dangling.child].name
                )),
            }
        }
        Ok(changed)
    }

    /// Keeps a table that theirs dropped, as rows of the result refer to it.
    fn keep_dropped(&mut self, table: &str) {
        let name = self.o.tables[table].now.name.clone();
        self.waiting.insert(table.to_owned());
        let conflict = Conflict { table: Some(name), detail: Some("drop".into()), ..Conflict::schema("foreign-key") };
        self.add_conflict(conflict);
        self.dropped.retain(|t| t != table);
        self.plan_as_ours(table);
        self.restore_belongings(table);
    }

    /// Finds the rows of the result that refer to nothing, in tables that the merge touched or whose parents it touched.
    fn dangling(&self) -> Result<Vec<Dangling>> {
        let touched = |plan: &Plan| -> Result<bool> {
            Ok(match &plan.rows {
                Rows::Ours => false,
                Rows::Theirs => true,
                Rows::Merged(_) => plan.by_theirs || self.spool.takes_any(plan.number)?,
            })
        };
        let mut found = Vec::new();
        for plan in self.plans.values().filter(|p| !p.is_virtual()) {
            let references = self.references(plan)?;
            let mut any = false;
            for reference in &references {
                any |= match self.plans.get(&reference.parent) {
                    Some(parent) => touched(parent)?,
                    None => self.dropped.contains(&reference.parent) || self.o.tables.contains_key(&reference.parent),
                };
            }
            if references.is_empty() || !(any || touched(plan)?) {
                continue;
            }
            for reference in references {
                self.dangling_by(plan, reference, &mut found)?;
            }
        }
        Ok(found)
    }

    /// Finds the rows of one table that refer to nothing by one foreign key.
    fn dangling_by(&self, plan: &Plan, reference: Reference, found: &mut Vec<Dangling>) -> Result<()> {
        let columns: Vec<String> = plan.table.columns.iter().map(|c| format!("c.{}", quoted(&c.name))).collect();
        let place = match plan.table.rowid_name.as_deref() {
            Some(rowid) => format!("c.{rowid}"),
            None => "NULL".to_owned(),
        };
        let filled: Vec<String> = reference.columns.iter().map(|c| format!("c.{} IS NOT NULL", quoted(c))).collect();
        let parent = self.plans.get(&reference.parent);
        let there = match parent {
            Some(parent) => {
                // SQLite checks nothing where the parent has no such key.
                if parent.columns(&reference.to).is_none() || reference.to.len() != reference.columns.len() {
                    return Ok(());
                }
                let equal: Vec<String> = (reference.to.iter().zip(&reference.columns))
                    .map(|(to, column)| format!("p.{} = c.{}", quoted(to), quoted(column)))
                    .collect();
                format!("EXISTS (SELECT 1 FROM main.{} p WHERE {})", quoted(&parent.name), equal.join(" AND "))
            }
            None => "0".to_owned(),
        };
        if parent.is_some()
            && self
                .out
                .query_row(
                    &format!(
                        "SELECT count(*) FROM (SELECT 1 FROM pragma_foreign_key_check({}) LIMIT 1)",
                        quoted_text(&plan.name)
                    ),
                    [],
                    |_| Ok(()),
                )
                .is_err()
        {
            return Ok(());
        }
        let sql = format!(
            "SELECT {place}, {} FROM main.{} c WHERE {} AND NOT {there}",
            columns.join(", "),
            quoted(&plan.name),
            filled.join(" AND ")
        );
        let rows = all_rows(self.out, &sql, [], |row| {
            let values =
                (1..=columns.len()).map(|i| row.get_ref(i).map(value)).collect::<rusqlite::Result<Vec<_>>>()?;
            Ok((row.get::<_, Option<i64>>(0)?, values))
        })?;
        let child = &plan.lower;
        found.extend(rows.into_iter().map(|(place, row)| Dangling {
            child: child.clone(),
            place,
            row,
            reference: reference.clone(),
        }));
        Ok(())
    }

    /// Tells whether the row refers to nothing in ours or in theirs already, just so.
    fn dangles_anyway(&self, plan: &Plan, dangling: &Dangling) -> Result<bool> {
        for (which, state) in [(OURS, &self.o), (THEIRS, &self.t)] {
            let whole = matches!((&plan.rows, which), (Rows::Ours, OURS) | (Rows::Theirs, THEIRS));
            let same_cells = match plan.merged() {
                None => whole,
                Some(merged) => {
                    let key = self.key_in_result(plan, dangling.place, &dangling.row)?;
                    let known = match (&key, merged.pairing) {
                        (Some(key), _) => self.row_in(which, plan, key)?,
                        (None, Pairing::Key) => {
                            let cells = super::cells::cells(&dangling.row);
                            let key = plan.key_of(&cells).map(|k| encode(&k)).unwrap_or_default();
                            self.look_up(which, plan, &key)?.map(|(_, row)| row)
                        }
                        // A row of ours that theirs did not change is in both.
                        (None, _) => Some(super::cells::cells(&dangling.row)),
                    };
                    let places = plan.columns(&dangling.reference.columns).unwrap_or_default();
                    known.is_some_and(|row| {
                        places.iter().all(|i| row[*i].value().is_some_and(|v| v.is_same(&dangling.row[*i])))
                    })
                }
            };
            if same_cells && dangles_in(state, plan, dangling)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns a row that theirs changed, as one state has it.
    fn row_in(&self, which: usize, plan: &Plan, key: &[u8]) -> Result<Option<Row>> {
        let unit = self.spool.get(plan.number, key)?;
        match (unit, which) {
            (Some(unit), OURS) => Ok(unit.ours),
            (Some(unit), THEIRS) => Ok(unit.theirs),
            (Some(unit), _) => Ok(unit.base),
            (None, _) if plan.merged().is_some_and(|m| m.pairing == Pairing::Key) => {
                Ok(self.look_up(which, plan, key)?.map(|(_, row)| row))
            }
            (None, _) => Ok(None),
        }
    }

    /// Returns the key of a row of the result, as the spool has it; `None` for a row without a key that theirs did not change.
    pub(super) fn key_in_result(&self, plan: &Plan, place: Option<i64>, row: &[Value]) -> Result<Option<Vec<u8>>> {
        match plan.merged().map(|m| m.pairing) {
            None => Ok(None),
            Some(Pairing::Key) if plan.is_virtual() => Ok(place.map(|p| encode([&Value::Integer(p)]))),
            Some(Pairing::Key) => Ok(plan.key_of(&super::cells::cells(row)).map(|k| encode(&k))),
            Some(Pairing::Rowid) => match place {
                Some(place) => self.spool.key_at(plan.number, place),
                None => Ok(None),
            },
            Some(Pairing::Bag) => Ok(Some(super::cells::pack(&super::cells::cells(row)))),
        }
    }

    /// Finds the rows of a parent that a reference means, in any state, by what they are paired by.
    fn parents(&self, plan: &Plan, to: &[String], wanted: &[Value]) -> Result<Vec<Vec<u8>>> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        if plan.merged().is_none_or(|m| m.pairing != Pairing::Key) || plan.columns(to).is_none() {
            return Ok(found);
        }
        for (which, state) in [(OURS, &self.o), (BASE, &self.b), (THEIRS, &self.t)] {
            let Some(table) = state.tables.get(&plan.lower) else { continue };
            let real = |name: &String| table.now.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name));
            let Some(places) = to.iter().map(real).collect::<Option<Vec<usize>>>() else { continue };
            let conditions: Vec<String> =
                places.iter().map(|i| format!("{} = ?", quoted(&table.real.columns[*i].name))).collect();
            let names: Vec<String> = table.real.columns.iter().map(|c| quoted(&c.name)).collect();
            let sql = format!(
                "SELECT {} FROM {} WHERE {}",
                names.join(", "),
                quoted(&table.real.name),
                conditions.join(" AND ")
            );
            let rows = all_rows(state.conn, &sql, params_from_iter(wanted.iter().map(param)), |row| {
                (0..names.len()).map(|i| row.get_ref(i).map(value)).collect::<rusqlite::Result<Vec<_>>>()
            })?;
            let layout = plan.merged().and_then(|m| m.layouts[which].as_ref());
            for row in rows {
                let laid = layout.map(|l| l.row(&row)).transpose()?;
                if let Some(key) = laid.and_then(|row| plan.key_of(&row)).map(|k| encode(&k))
                    && !found.contains(&key)
                {
                    found.push(key);
                }
            }
        }
        Ok(found)
    }
}

/// Tells whether what a row refers to is missing in a state that has such a foreign key.
fn dangles_in(state: &State<'_>, plan: &Plan, dangling: &Dangling) -> Result<bool> {
    let Some(child) = state.tables.get(&plan.lower) else { return Ok(false) };
    let scratch = empty_scratch()?;
    if scratch.execute_batch(&child.now.sql).is_err() {
        return Ok(false);
    }
    let Reference { columns, parent, to } = &dangling.reference;
    let known = references_of(&scratch, &child.now.name)?;
    if !known.iter().any(|r| r.columns == *columns && r.parent == *parent) {
        return Ok(false);
    }
    let Some(parent) = state.tables.get(parent) else { return Ok(true) };
    let real = |name: &String| {
        let at = parent.now.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name))?;
        Some(quoted(&parent.real.columns[at].name))
    };
    let Some(names) = to.iter().map(real).collect::<Option<Vec<_>>>() else { return Ok(false) };
    let equal: Vec<String> = names.iter().map(|name| format!("{name} = ?")).collect();
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {})", quoted(&parent.real.name), equal.join(" AND "));
    let wanted = values_of(plan, columns, &dangling.row);
    let there: bool = state.conn.query_row(&sql, params_from_iter(wanted.iter().map(param)), |row| row.get(0))?;
    Ok(!there)
}

/// Reads the foreign keys of a table.
fn references_of(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Reference>> {
    let sql = "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq";
    let rows = all_rows(conn, sql, [table], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, Option<String>>(3)?,
        ))
    })?;
    let mut found: BTreeMap<i64, Reference> = BTreeMap::new();
    for (id, parent, from, to) in rows {
        let parent = parent.to_ascii_lowercase();
        let reference = found.entry(id).or_insert_with(|| Reference { columns: Vec::new(), parent, to: Vec::new() });
        reference.columns.push(from.to_ascii_lowercase());
        reference.to.extend(to.map(|to| to.to_ascii_lowercase()));
    }
    Ok(found.into_values().collect())
}

/// Returns what a row refers to, in a form in which what SQLite takes for equal is equal; `None` if it refers to nothing.
pub(super) fn refers_loosely(row: &Row, columns: &[usize]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for i in columns {
        let text = match row[*i].value()? {
            Value::Null => return None,
            Value::Integer(n) => n.to_string(),
            Value::Real(n) if n.fract() == 0.0 && n.abs() < 9e18 => (*n as i64).to_string(),
            Value::Real(n) => n.to_string(),
            Value::Text(text) => String::from_utf8_lossy(text).trim_end().to_lowercase(),
            Value::Blob(bytes) => format!("x{bytes:02x?}"),
        };
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    }
    Some(out)
}

fn values_of(plan: &Plan, columns: &[String], row: &[Value]) -> Vec<Value> {
    plan.columns(columns).unwrap_or_default().into_iter().map(|i| row[i].clone()).collect()
}

/// Returns by what a row is shown that theirs did not change.
fn shown_row(plan: &Plan, place: Option<i64>, row: &[Value]) -> RowKey {
    let key = plan.key_of(&row.iter().cloned().map(Cell::Value).collect()).filter(|key| !key.is_empty());
    match (key, place) {
        (Some(key), _) => plan.key_shown(key),
        (None, Some(place)) => RowKey::Rowid(place),
        (None, None) => plan.row_shown(row.iter().cloned()),
    }
}

/// Returns such a row as a member of a conflict.
pub(super) fn unchanged_member(plan: &Plan, place: Option<i64>, row: &[Value]) -> Member {
    Member { table: plan.name.clone(), key: shown_row(plan, place, row) }
}

/// Quotes a text.
pub(super) fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
