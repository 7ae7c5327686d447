//! Rows that SQLite refuses: they wait, with what they collide with.

use rusqlite::{params, params_from_iter};

use super::carry::add_member;
use super::cells::{Cell, Row, cells, pack};
use super::plan::Plan;
use super::references::unchanged_member;
use super::spool::Unit;
use super::tokens::{folded, parts, tokens};
use super::write::Refused;
use super::{Conflict, ConflictKind, Member, Merge, Result};
use crate::model::Value;
use crate::sqlite::diff::side::{all_rows, param, quoted, value};

/// A rule that no two rows may have the same of something.
struct Unique {
    /// What, as expressions.
    terms: Vec<String>,
    /// For which rows, if not for all.
    condition: Option<String>,
}

/// A row of the result: its rowid where it has one, its values.
type Placed = (Option<i64>, Vec<Value>);

impl Merge<'_> {
    /// Lets a row wait that SQLite refuses, and adds the conflict.
    pub(super) fn refuse(&mut self, table: &str, unit: &Unit, said: Refused) -> Result<()> {
        let plan = &self.plans[table];
        let mut members = Vec::new();
        if said.kind == ConflictKind::Unique
            && let Some(row) = &unit.merged
        {
            for (place, values) in self.colliding(plan, row)? {
                let key = self.key_in_result(plan, place, &values)?;
                match &key {
                    Some(key) if self.spool.get(plan.number, key)?.is_some() => {
                        add_member(&mut members, self.member(plan, key)?);
                        if self.spool.hold(plan.number, key)? {
                            self.carry(table, key, &mut members)?;
                        }
                    }
                    _ => add_member(&mut members, unchanged_member(plan, place, &values)),
                }
            }
        }
        self.spool.hold(plan.number, &unit.key)?;
        self.carry(table, &unit.key, &mut members)?;
        let own = Member { table: plan.name.clone(), key: plan.shown_key(unit) };
        members.retain(|m| *m != own);
        let columns = match said.kind {
            ConflictKind::NotNull => columns_in(&said.message),
            _ => Vec::new(),
        };
        let (table, key) = (Some(plan.name.clone()), Some(own.key));
        self.add_conflict(Conflict { table, key, columns, members, ..Conflict::new(said.kind) });
        Ok(())
    }

    /// Finds the rows of the result that a row would collide with.
    fn colliding(&self, plan: &Plan, row: &Row) -> Result<Vec<Placed>> {
        let mut found: Vec<Placed> = Vec::new();
        let names: Vec<String> = plan.table.columns.iter().map(|c| quoted(&c.name)).collect();
        let place = plan.table.rowid_name.as_deref().unwrap_or("NULL");
        let given: Vec<String> = (1..=names.len()).map(|i| format!("?{i} AS {}", names[i - 1])).collect();
        for unique in self.uniques(plan)? {
            let condition = unique.condition.map(|c| format!("({c}) AND ")).unwrap_or_default();
            let equal: Vec<String> =
                (0..unique.terms.len()).map(|i| format!("({}) = w.t{i}", unique.terms[i])).collect();
            let aliased: Vec<String> = unique.terms.iter().enumerate().map(|(i, t)| format!("({t}) AS t{i}")).collect();
            let sql = format!(
                "WITH n AS MATERIALIZED (SELECT {}), w AS MATERIALIZED (SELECT {} FROM n) \
                 SELECT {place}, {} FROM main.{}, w WHERE {condition}{}",
                given.join(", "),
                aliased.join(", "),
                names.iter().map(|n| format!("{}.{n}", quoted(&plan.name))).collect::<Vec<_>>().join(", "),
                quoted(&plan.name),
                equal.join(" AND ")
            );
            let null = Value::Null;
            let values = row.iter().map(|cell| param(cell.value().unwrap_or(&null)));
            let rows = all_rows(self.out, &sql, params_from_iter(values), |row| {
                let values =
                    (1..=names.len()).map(|i| row.get_ref(i).map(value)).collect::<rusqlite::Result<Vec<_>>>()?;
                Ok((row.get::<_, Option<i64>>(0)?, values))
            })?;
            for row in rows {
                let same = |(p, v): &Placed| *p == row.0 && pack(&cells(v)) == pack(&cells(&row.1));
                if !found.iter().any(same) {
                    found.push(row);
                }
            }
        }
        Ok(found)
    }

    /// Lists what no two rows of a table may have the same of.
    fn uniques(&self, plan: &Plan) -> Result<Vec<Unique>> {
        let mut found = Vec::new();
        if let Some(key) = &plan.table.rowid_column {
            found.push(Unique { terms: vec![quoted(key)], condition: None });
        }
        let sql = "SELECT l.name, l.partial, s.sql FROM pragma_index_list(?1, 'main') l \
                   LEFT JOIN main.sqlite_schema s ON s.type = 'index' AND s.name = l.name WHERE l.\"unique\"";
        let indexes = all_rows(self.out, sql, [&plan.name], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?, row.get::<_, Option<String>>(2)?))
        })?;
        for (name, partial, sql) in indexes {
            let sql = sql.unwrap_or_default();
            let all = tokens(&sql);
            let written = parts(&all);
            let columns = "SELECT name, coll FROM pragma_index_xinfo(?1, 'main') WHERE key ORDER BY seqno";
            let columns = all_rows(self.out, columns, [&name], |row| {
                Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
            })?;
            let term = |(i, (column, collation)): (usize, (Option<String>, Option<String>))| {
                let collation = collation.map(|c| format!(" COLLATE {}", quoted(&c))).unwrap_or_default();
                match column {
                    Some(column) => format!("{}{collation}", quoted(&column)),
                    None => {
                        let words = written.as_ref().and_then(|(parts, _)| parts.get(i).copied()).unwrap_or_default();
                        let order = words.last().is_some_and(|w| ["asc", "desc"].contains(&folded(w).as_str()));
                        words[..words.len() - usize::from(order)].join(" ")
                    }
                }
            };
            let terms = columns.into_iter().enumerate().map(term).collect();
            let condition = written.as_ref().filter(|_| partial).map(|(_, rest)| rest[1..].join(" "));
            found.push(Unique { terms, condition });
        }
        Ok(found)
    }

    /// Lets the result have more, or fewer, rows like one.
    pub(super) fn write_count(&self, plan: &Plan, unit: &Unit) -> Result<Option<Refused>> {
        let Some(row) = &unit.merged else { return Ok(None) };
        if unit.added >= 0 {
            for _ in 0..unit.added {
                let known = || self.fails_anyway(plan, row, None, Some(row));
                if let Err(refused) = self.insert_checked(plan, None, row, &known)? {
                    return Ok(Some(refused));
                }
            }
            return Ok(None);
        }
        let names: Vec<String> = plan.table.columns.iter().map(|c| quoted(&c.name)).collect();
        let conditions: Vec<String> = names.iter().map(|n| format!("{n} IS ?")).collect();
        let place = plan.table.rowid_name.as_deref().unwrap_or("NULL");
        let table = quoted(&plan.name);
        let condition = conditions.join(" AND ");
        let values: Vec<Value> = row.iter().filter_map(Cell::value).cloned().collect();
        let sql = format!("SELECT {place}, {} FROM main.{table} WHERE {condition}", names.join(", "));
        let alike: Vec<Placed> = all_rows(self.out, &sql, params_from_iter(values.iter().map(param)), |row| {
            let values = (1..=names.len()).map(|i| row.get_ref(i).map(value)).collect::<rusqlite::Result<Vec<_>>>()?;
            Ok((row.get(0)?, values))
        })?;
        // SQLite finds more rows alike than are the same.
        let (same, other): (Vec<Placed>, Vec<Placed>) =
            alike.into_iter().partition(|(_, found)| found.iter().zip(&values).all(|(a, b)| a.is_same(b)));
        let fewer = usize::try_from(unit.added.unsigned_abs()).unwrap_or(usize::MAX).min(same.len());
        if plan.table.rowid_name.is_some() {
            for (rowid, _) in &same[..fewer] {
                self.out
                    .prepare_cached(&format!("DELETE FROM main.{table} WHERE {place} = ?1"))?
                    .execute(params![rowid])?;
            }
            return Ok(None);
        }
        let sql = format!("DELETE FROM main.{table} WHERE {condition}");
        self.out.prepare_cached(&sql)?.execute(params_from_iter(values.iter().map(param)))?;
        self.ignore_checks(true)?;
        for (_, kept) in same[fewer..].iter().chain(&other) {
            self.insert(plan, None, &cells(kept))?;
        }
        self.ignore_checks(false)?;
        Ok(None)
    }
}

/// Finds the columns in SQLite's words, such as `NOT NULL constraint failed: t.a`.
fn columns_in(message: &str) -> Vec<String> {
    let names = message.rsplit_once(": ").map_or("", |(_, names)| names);
    names.split(", ").filter_map(|n| n.rsplit_once('.')).map(|(_, column)| column.to_ascii_lowercase()).collect()
}
