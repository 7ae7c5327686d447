//! Writes the result into the database that holds ours, within a transaction.

use rusqlite::config::DbConfig;
use rusqlite::{ErrorCode, ffi, params, params_from_iter};

use super::cells::{Cell, Row, integer_key, same_row};
use super::plan::{Pairing, Plan, Rows};
use super::spool::Unit;
use super::state::{SETTINGS, State, empty_scratch, read_objects};
use super::{Conflict, ConflictKind, Merge, Result, RowMergeError};
use crate::model::Value;
use crate::sqlite::diff::TableKind;
use crate::sqlite::diff::encode::decode;
use crate::sqlite::diff::side::{all_rows, param, quoted, value};
use crate::sqlite::error::message;

/// What SQLite says of a row that it does not take.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// Which kind of constraint.
    pub kind: ConflictKind,
    /// SQLite's words.
    pub message: String,
}

impl Refused {
    /// Understands an error of a statement that writes a row; `None` if it is no constraint.
    fn of(e: &rusqlite::Error) -> Option<Self> {
        let rusqlite::Error::SqliteFailure(code, _) = e else { return None };
        let kind = match code.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                ConflictKind::Unique
            }
            ffi::SQLITE_CONSTRAINT_CHECK => ConflictKind::Check,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ConflictKind::NotNull,
            ffi::SQLITE_CONSTRAINT_DATATYPE => ConflictKind::Datatype,
            _ if code.code == ErrorCode::TypeMismatch => ConflictKind::Datatype,
            _ => return None,
        };
        Some(Self { kind, message: message(e) })
    }
}

impl Merge<'_> {
    /// Sets the connection such that what is written is just what is meant.
    pub(super) fn prepare_output(&self) -> Result<()> {
        self.out.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        self.out.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
        self.out.execute_batch(
            "PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF; PRAGMA ignore_check_constraints = OFF",
        )?;
        Ok(())
    }

    /// Writes tables, rows and indexes; tells whether something has to wait that did not before.
    pub(super) fn write_tables(&mut self) -> Result<bool> {
        for statement in &self.renames {
            self.out.execute_batch(statement)?;
        }
        self.drop_objects()?;
        for table in &self.dropped {
            let name = &self.o.tables[table].now.name;
            self.out.execute_batch(&format!("DROP TABLE main.{}", quoted(name)))?;
        }
        let tables: Vec<String> = self.plans.keys().cloned().collect();
        for table in &tables {
            let plan = &self.plans[table];
            match &plan.rows {
                Rows::Ours => {}
                Rows::Theirs => self.copy_theirs(plan)?,
                Rows::Merged(_) if plan.is_new => self.out.execute_batch(&plan.sql)?,
                Rows::Merged(_) if plan.by_theirs => {
                    if let Some(refused) = self.rebuild(plan)? {
                        self.give_up(table, refused.kind.word(), Vec::new(), None)?;
                        return Ok(true);
                    }
                }
                Rows::Merged(_) => {}
            }
        }
        let mut changed = false;
        for table in &tables {
            if self.plans[table].merged().is_some() {
                match self.write_rows(table)? {
                    Wrote::All => {}
                    Wrote::Some => changed = true,
                    Wrote::Nothing => return Ok(true),
                }
            }
        }
        if changed {
            return Ok(true);
        }
        self.create_objects("index")
    }

    /// Drops the objects that the result has not, or has otherwise.
    fn drop_objects(&self) -> Result<()> {
        for (key, object) in read_objects(self.out)? {
            if self.objects.get(&key).is_none_or(|merged| merged.tokens != object.tokens) {
                self.out.execute_batch(&format!("DROP {} main.{}", key.0, quoted(&object.name)))?;
            }
        }
        Ok(())
    }

    /// Makes the objects of a kind that the result lacks; tells whether one cannot be made and is left out from now on.
    fn create_objects(&mut self, kind: &str) -> Result<bool> {
        let there = read_objects(self.out)?;
        let missing: Vec<_> = self
            .objects
            .iter()
            .filter(|(key, _)| key.0 == kind && !there.contains_key(*key))
            .map(|(k, o)| (k.clone(), o.clone()))
            .collect();
        for (key, object) in missing {
            let Err(e) = self.out.execute_batch(&object.sql) else { continue };
            if !self.from_theirs.contains(&key) {
                return Err(e.into());
            }
            let (reason, detail) = match Refused::of(&e).is_some() {
                true => ("unique", "index"),
                false => ("broken", kind),
            };
            self.add_conflict(Conflict {
                table: Some(object.name),
                detail: Some(detail.into()),
                ..Conflict::schema(reason)
            });
            self.objects.remove(&key);
            return Ok(true);
        }
        Ok(false)
    }

    /// Writes the merged rows of a table.
    fn write_rows(&mut self, table: &str) -> Result<Wrote> {
        let plan = &self.plans[table];
        let bag = plan.merged().is_some_and(|m| m.pairing == Pairing::Bag);
        let in_place = !bag && self.may_update(plan)?;
        if !bag {
            self.spool.each_taken(plan.number, &mut |unit| match unit.ours.is_some()
                && (unit.merged.is_none() || !in_place)
            {
                true => self.delete(plan, &unit),
                false => Ok(()),
            })?;
        }
        if self.create_unique_indexes(table)? {
            return Ok(Wrote::Nothing);
        }
        let plan = &self.plans[table];
        let mut refused: Vec<(Unit, Refused)> = Vec::new();
        // New rows must not take the places of those that are about to come back.
        let mut next = self.last_place(plan)?;
        self.spool.each_taken(plan.number, &mut |unit| {
            let said =
                if bag { self.write_count(plan, &unit)? } else { self.write_row(plan, &unit, in_place, &mut next)? };
            refused.extend(said.map(|said| (unit, said)));
            Ok(())
        })?;
        let any = !refused.is_empty();
        for (unit, said) in refused {
            self.refuse(table, &unit, said)?;
        }
        Ok(if any { Wrote::Some } else { Wrote::All })
    }

    /// Returns the highest rowid that ours has given, if rows have places that are no column.
    fn last_place(&self, plan: &Plan) -> Result<Option<i64>> {
        let Some(table) = self.o.tables.get(&plan.lower).filter(|_| plan.keeps_places() && !plan.is_virtual()) else {
            return Ok(None);
        };
        let Some(rowid) = table.real.rowid_name() else { return Ok(None) };
        let sql = format!("SELECT coalesce(max({rowid}), 0) FROM {}", quoted(&table.real.name));
        Ok(self.o.conn.query_row(&sql, [], |row| row.get(0))?)
    }

    /// Tells whether changed rows can be updated where they are, as nothing can be in their way.
    fn may_update(&self, plan: &Plan) -> Result<bool> {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE \"unique\" AND NOT (?2 AND origin = 'pk'))";
        let by_key = plan.table.kind == TableKind::WithoutRowid;
        let free: bool = self.out.query_row(sql, params![plan.name, by_key], |row| row.get(0))?;
        let unique = self.objects.iter().any(|(key, o)| key.0 == "index" && o.table == plan.lower && o.is_unique());
        Ok(free && !unique && !plan.is_virtual() && !plan.by_theirs)
    }

    /// Makes unique indexes before rows come, so that SQLite says which of theirs collide.
    fn create_unique_indexes(&mut self, table: &str) -> Result<bool> {
        let there = read_objects(self.out)?;
        let plan = &self.plans[table];
        for (key, sql) in self.indexes(plan) {
            if there.contains_key(&key) || !self.objects[&key].is_unique() {
                continue;
            }
            let Err(e) = self.out.execute_batch(&sql) else { continue };
            let refused = Refused::of(&e);
            if refused.is_none() && !self.from_theirs.contains(&key) {
                return Err(e.into());
            }
            if self.from_theirs.contains(&key) {
                let name = self.objects[&key].name.clone();
                let reason = if refused.is_some() { "unique" } else { "broken" };
                self.add_conflict(Conflict {
                    table: Some(name),
                    detail: Some("index".into()),
                    ..Conflict::schema(reason)
                });
                self.objects.remove(&key);
            } else {
                self.give_up(table, "unique", Vec::new(), None)?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Writes one merged row.
    fn write_row(&self, plan: &Plan, unit: &Unit, in_place: bool, next: &mut Option<i64>) -> Result<Option<Refused>> {
        let Some(row) = &unit.merged else { return Ok(None) };
        let known = || self.fails_anyway(plan, row, unit.ours.as_ref(), unit.theirs.as_ref());
        let done = match unit.ours.is_some() && in_place {
            true => self.checked(&known, &|| self.update(plan, unit, row))?,
            false => {
                let place = match (plan.is_virtual(), unit.ours.is_some()) {
                    (true, _) => integer_key(&unit.key),
                    (false, true) => unit.place,
                    (false, false) => {
                        *next = next.and_then(|n| n.checked_add(1));
                        *next
                    }
                };
                self.insert_checked(plan, place.filter(|_| plan.keeps_places()), row, &known)?
            }
        };
        if done.is_ok() && plan.merged().is_some_and(|m| m.pairing == Pairing::Rowid) {
            let place = match unit.ours.is_some() {
                true => unit.place.unwrap_or_default(),
                false => self.out.last_insert_rowid(),
            };
            self.spool.note_place(plan.number, place, &unit.key)?;
        }
        Ok(done.err())
    }

    /// Inserts a row; a CHECK that it violates in its own state already is no obstacle.
    pub(super) fn insert_checked(
        &self,
        plan: &Plan,
        place: Option<i64>,
        row: &Row,
        known: &dyn Fn() -> Result<bool>,
    ) -> Result<std::result::Result<(), Refused>> {
        self.checked(known, &|| self.insert(plan, place, row))
    }

    fn checked(
        &self,
        known: &dyn Fn() -> Result<bool>,
        write: &dyn Fn() -> rusqlite::Result<()>,
    ) -> Result<std::result::Result<(), Refused>> {
        let Err(e) = write() else { return Ok(Ok(())) };
        let refused = Refused::of(&e);
        if refused.as_ref().is_none_or(|r| r.kind == ConflictKind::Check) && known()? {
            self.ignore_checks(true)?;
            let again = write();
            self.ignore_checks(false)?;
            return match again {
                Ok(()) => Ok(Ok(())),
                Err(e) => Refused::of(&e).map_or_else(|| Err(RowMergeError::Sqlite(e)), |refused| Ok(Err(refused))),
            };
        }
        refused.map_or_else(|| Err(RowMergeError::Sqlite(e)), |refused| Ok(Err(refused)))
    }

    pub(super) fn ignore_checks(&self, ignore: bool) -> Result<()> {
        let value = if ignore { "ON" } else { "OFF" };
        self.out.execute_batch(&format!("PRAGMA ignore_check_constraints = {value}"))?;
        Ok(())
    }

    /// Tells whether ours or theirs has just this row and it violates a CHECK there, too.
    pub(super) fn fails_anyway(
        &self,
        plan: &Plan,
        row: &Row,
        ours: Option<&Row>,
        theirs: Option<&Row>,
    ) -> Result<bool> {
        for (state, known) in [(&self.o, ours), (&self.t, theirs)] {
            if known.is_some() && same_row(known, Some(row)) && fails_in(state, plan, row)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Inserts a row, at its place if it is given one.
    pub(super) fn insert(&self, plan: &Plan, place: Option<i64>, row: &Row) -> rusqlite::Result<()> {
        let mut names = Vec::new();
        let mut values: Vec<&Value> = Vec::new();
        let rowid = Value::Integer(place.unwrap_or_default());
        if place.is_some() {
            names.push(plan.table.rowid_name.clone().unwrap_or_else(|| "rowid".to_owned()));
            values.push(&rowid);
        }
        for (column, cell) in plan.table.columns.iter().zip(row) {
            if let Cell::Value(value) = cell {
                names.push(quoted(&column.name));
                values.push(value);
            }
        }
        let table = quoted(&plan.name);
        let sql = match names.is_empty() {
            true => format!("INSERT INTO main.{table} DEFAULT VALUES"),
            false => {
                let marks = vec!["?"; names.len()].join(", ");
                format!("INSERT INTO main.{table} ({}) VALUES ({marks})", names.join(", "))
            }
        };
        self.out.prepare_cached(&sql)?.execute(params_from_iter(values.into_iter().map(param)))?;
        Ok(())
    }

    /// Updates the cells of a row that differ from ours.
    fn update(&self, plan: &Plan, unit: &Unit, row: &Row) -> rusqlite::Result<()> {
        let Some(ours) = &unit.ours else { return Ok(()) };
        let (mut sets, mut values) = (Vec::new(), Vec::new());
        for ((column, old), new) in plan.table.columns.iter().zip(ours).zip(row) {
            if let Some(value) = new.value().filter(|_| !old.is_same(new)) {
                sets.push(format!("{} = ?", quoted(&column.name)));
                values.push(value.clone());
            }
        }
        let (condition, place) = locate(plan, unit);
        values.extend(place);
        let sql = format!("UPDATE main.{} SET {} WHERE {condition}", quoted(&plan.name), sets.join(", "));
        self.out.prepare_cached(&sql)?.execute(params_from_iter(values.iter().map(param)))?;
        Ok(())
    }

    fn delete(&self, plan: &Plan, unit: &Unit) -> Result<()> {
        if plan.by_theirs {
            // The table was made anew without it.
            return Ok(());
        }
        let (condition, place) = locate(plan, unit);
        let sql = format!("DELETE FROM main.{} WHERE {condition}", quoted(&plan.name));
        self.out.prepare_cached(&sql)?.execute(params_from_iter(place.iter().map(param)))?;
        Ok(())
    }

    /// Writes views, triggers, counters and settings.
    pub(super) fn write_rest(&mut self) -> Result<()> {
        self.refresh_indexes_of_content()?;
        self.create_objects("view")?;
        self.create_objects("trigger")?;
        self.write_sequences()?;
        // Setting what is set already would write a page.
        let changed = SETTINGS.into_iter().zip(self.settings).zip(self.o.settings).filter(|((_, new), old)| new != old);
        for ((name, value), _) in changed {
            self.out.pragma_update(None, name, value)?;
        }
        Ok(())
    }

    /// Lets full-text indexes of other tables read these again, where theirs changed them.
    fn refresh_indexes_of_content(&self) -> Result<()> {
        for plan in self.plans.values().filter(|p| p.is_virtual() && p.table.indexes_other_content()) {
            let tokens = super::tokens::folded_all(&plan.sql);
            let mut changed = matches!(plan.rows, Rows::Theirs);
            for content in self.plans.values().filter(|c| c.merged().is_some()) {
                let named = tokens.iter().any(|t| t.trim_matches('\'').eq_ignore_ascii_case(&content.lower));
                changed |= named && (content.by_theirs || self.spool.takes_any(content.number)?);
            }
            if changed {
                let name = quoted(&plan.name);
                self.out.execute_batch(&format!("INSERT INTO main.{name} ({name}) VALUES ('rebuild')"))?;
            }
        }
        Ok(())
    }

    /// Sets the counters of AUTOINCREMENT: the larger one where both moved it, and never below a key that was given.
    fn write_sequences(&self) -> Result<()> {
        for plan in self.plans.values() {
            if !plan.definition.as_ref().is_some_and(super::definition::Definition::is_autoincrement) {
                continue;
            }
            let of = |s: &State<'_>| s.sequence.get(&plan.lower).cloned();
            let same = |a: &Option<Value>, b: &Option<Value>| match (a, b) {
                (Some(a), Some(b)) => a.is_same(b),
                (a, b) => a.is_none() && b.is_none(),
            };
            let (b, o, t) = (of(&self.b), of(&self.o), of(&self.t));
            let number = |v: &Option<Value>| match v {
                Some(Value::Integer(n)) => Some(*n),
                _ => None,
            };
            let mut counter = if matches!(plan.rows, Rows::Ours) || same(&t, &b) || same(&o, &t) {
                o
            } else if same(&o, &b) {
                t
            } else {
                [number(&o), number(&t)].into_iter().flatten().max().map(Value::Integer).or(o)
            };
            let given = self.renumbered.iter().filter(|r| r.table == plan.name).map(|r| r.new).max();
            if let Some(given) = given {
                counter = Some(Value::Integer(number(&counter).unwrap_or(0).max(given)));
            }
            let now = "SELECT seq FROM main.sqlite_sequence WHERE name = ?1";
            let now = all_rows(self.out, now, [&plan.name], |row| Ok(value(row.get_ref(0)?)))?;
            if same(&now.first().cloned(), &counter) && now.len() < 2 {
                continue;
            }
            self.out.execute("DELETE FROM main.sqlite_sequence WHERE name = ?1", [&plan.name])?;
            if let Some(counter) = counter {
                let sql = "INSERT INTO main.sqlite_sequence (name, seq) VALUES (?1, ?2)";
                self.out.execute(sql, params![plan.name, param(&counter)])?;
            }
        }
        Ok(())
    }
}

/// How far the rows of a table were written.
enum Wrote {
    /// All of them.
    All,
    /// Some were refused, and wait from now on.
    Some,
    /// Nothing, as something of the schema waits from now on.
    Nothing,
}

/// Writes a condition that finds a row of ours, and the values that it needs.
fn locate(plan: &Plan, unit: &Unit) -> (String, Vec<Value>) {
    match plan.table.kind {
        TableKind::WithoutRowid => {
            let names: Vec<String> = plan.table.key.iter().map(|k| format!("{} = ?", quoted(k))).collect();
            (names.join(" AND "), decode(&unit.key).unwrap_or_default())
        }
        TableKind::Virtual => ("rowid = ?".to_owned(), decode(&unit.key).unwrap_or_default()),
        TableKind::Rowid => {
            let rowid = plan.table.rowid_name.as_deref().unwrap_or("rowid");
            (format!("{rowid} = ?"), vec![Value::Integer(unit.place.unwrap_or_default())])
        }
    }
}

/// Tells whether a row violates a CHECK of the table that a state has, or one that SQLite alone cannot evaluate.
fn fails_in(state: &State<'_>, plan: &Plan, row: &Row) -> Result<bool> {
    let Some(table) = state.tables.get(&plan.lower) else { return Ok(false) };
    let scratch = empty_scratch()?;
    if scratch.execute_batch(&table.now.sql).is_err() {
        return Ok(false);
    }
    let has = |name: &str| table.now.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
    let cells: Vec<(String, &Value)> = (plan.table.columns.iter().zip(row))
        .filter_map(|(c, cell)| Some((quoted(&c.name), cell.value()?)).filter(|_| has(&c.name)))
        .collect();
    let names: Vec<&str> = cells.iter().map(|(name, _)| name.as_str()).collect();
    let marks = vec!["?"; names.len()].join(", ");
    let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", quoted(&table.now.name), names.join(", "));
    let inserted =
        scratch.prepare(&sql).and_then(|mut s| s.execute(params_from_iter(cells.iter().map(|(_, v)| param(v)))));
    Ok(inserted.is_err_and(|e| Refused::of(&e).is_none_or(|r| r.kind == ConflictKind::Check)))
}
