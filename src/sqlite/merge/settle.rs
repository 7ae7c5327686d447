//! The result is written until nothing of theirs violates anything: what does, waits, and all is written again.

use rusqlite::Connection;

use super::changes::sorts_unknown;
use super::plan::Plan;
use super::state::empty_scratch;
use super::{Conflict, ConflictKind, Merge, Result};

impl Merge<'_> {
    /// Writes the result, and commits it.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.spool.conn().execute_batch("CREATE INDEX IF NOT EXISTS u_by_place ON u (t, place)")?;
        self.prepare_output()?;
        loop {
            if self.check_indexes()? {
                continue;
            }
            self.out.execute_batch("BEGIN IMMEDIATE")?;
            match self.write_and_check() {
                Ok(false) => break,
                Ok(true) => self.out.execute_batch("ROLLBACK")?,
                Err(e) => {
                    // The first error is the one that is told.
                    let _ = self.out.execute_batch("ROLLBACK");
                    return Err(e);
                }
            }
        }
        self.out.execute_batch("COMMIT")?;
        Ok(())
    }

    /// Writes the result; tells whether something has to wait that did not before.
    fn write_and_check(&mut self) -> Result<bool> {
        self.spool.forget_places()?;
        if self.write_tables()? || self.check_references()? || self.check_programs()? {
            return Ok(true);
        }
        self.write_rest()?;
        Ok(false)
    }

    /// Lets tables wait whose rows SQLite cannot keep sorted, as only the application knows how.
    pub(super) fn check_writable(&mut self) -> Result<()> {
        let mut unwritable = Vec::new();
        for plan in self.plans.values().filter(|p| p.merged().is_some() && !p.is_virtual()) {
            if !self.spool.takes_any(plan.number)? {
                continue;
            }
            let scratch = empty_scratch()?;
            let indexes = self.indexes(plan);
            if std::iter::once(&plan.sql)
                .chain(indexes.iter().map(|(_, sql)| sql))
                .any(|sql| scratch.execute_batch(sql).is_err())
            {
                continue;
            }
            if sorts_unknown(&scratch, &plan.name)? {
                unwritable.push(plan.lower.clone());
            }
        }
        for table in unwritable {
            self.give_up(&table, "unwritable", Vec::new(), None)?;
        }
        Ok(())
    }

    /// Returns the merged indexes of a table: their keys among the objects, and their definitions.
    pub(super) fn indexes(&self, plan: &Plan) -> Vec<((String, String), String)> {
        let own = self.objects.iter().filter(|((kind, _), o)| kind == "index" && o.table == plan.lower);
        own.map(|(key, o)| (key.clone(), o.sql.clone())).collect()
    }

    /// Lets a table wait, as in ours, as its merged definition cannot hold the merged rows.
    pub(super) fn give_up(
        &mut self,
        table: &str,
        reason: &'static str,
        columns: Vec<String>,
        detail: Option<String>,
    ) -> Result<()> {
        let name = self.plans[table].name.clone();
        self.add_conflict(Conflict { table: Some(name), columns, detail, ..Conflict::schema(reason) });
        self.waiting.insert(table.to_owned());
        self.restore(table)
    }

    /// Takes a table, and what belongs to it, as in ours.
    pub(super) fn restore(&mut self, table: &str) -> Result<()> {
        if let Some(plan) = self.plans.remove(table) {
            self.spool.clear(plan.number)?;
            let is_other = |c: &Conflict| {
                let here = c.table.as_ref().is_some_and(|t| t.eq_ignore_ascii_case(table));
                !here || matches!(c.kind, ConflictKind::Schema | ConflictKind::Setting)
            };
            self.conflicts.retain(is_other);
            self.renumbered.retain(|r| !r.table.eq_ignore_ascii_case(table));
            if let Some(ours) = self.o.tables.get(table).cloned() {
                let restored = Plan { number: plan.number, ..self.as_ours(table, &ours) };
                self.plans.insert(table.to_owned(), restored);
            }
        }
        self.forget_belongings(table);
        self.restore_belongings(table);
        Ok(())
    }

    /// Takes the indexes and triggers of a table as in ours.
    pub(super) fn restore_belongings(&mut self, table: &str) {
        for (key, object) in &self.o.objects {
            if (key.0 == "index" || key.0 == "trigger") && object.table == table {
                self.objects.insert(key.clone(), object.clone());
            }
        }
    }

    /// Finds indexes that cannot be made on the merged tables; tells whether anything changed.
    fn check_indexes(&mut self) -> Result<bool> {
        let plans: Vec<String> = self.plans.values().filter(|p| !p.is_virtual()).map(|p| p.lower.clone()).collect();
        for table in plans {
            let plan = &self.plans[&table];
            let indexes = self.indexes(plan);
            if indexes.is_empty() {
                continue;
            }
            let scratch = empty_scratch()?;
            if scratch.execute_batch(&plan.sql).is_err() {
                continue;
            }
            let broken = indexes.into_iter().find(|(_, sql)| scratch.execute_batch(sql).is_err());
            let Some((key, sql)) = broken else { continue };
            // What SQLite alone cannot make was there before as it is.
            if self.o.objects.get(&key).is_some_and(|o| o.sql == sql) && !plan.by_theirs && plan.merged().is_some() {
                let as_ours = empty_scratch()?;
                let known = self.o.tables.get(&table).map(|t| t.now.sql.clone()).unwrap_or_default();
                if as_ours.execute_batch(&known).is_err() || as_ours.execute_batch(&sql).is_err() {
                    continue;
                }
            }
            if self.from_theirs.contains(&key) || plan.merged().is_none() {
                let name = self.objects[&key].name.clone();
                let detail = Some(key.0.clone());
                self.add_conflict(Conflict { table: Some(name), detail, ..Conflict::schema("broken") });
                self.objects.remove(&key);
            } else {
                let detail = Some(self.objects[&key].name.clone());
                self.give_up(&table, "broken", Vec::new(), detail)?;
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// Makes the merged tables, without rows, in a scratch database, as far as SQLite alone can.
pub(super) fn merged_schema<'p>(plans: impl Iterator<Item = &'p Plan>) -> rusqlite::Result<Connection> {
    let scratch = empty_scratch()?;
    for plan in plans {
        let _ = scratch.execute_batch(&plan.sql);
    }
    Ok(scratch)
}
