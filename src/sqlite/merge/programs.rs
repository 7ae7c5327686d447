//! Views and triggers: what works in the sides that have it works in the result, or is not taken.

use rusqlite::Connection;

use super::plan::Rows;
use super::settle::merged_schema;
use super::{Conflict, Merge, Result};
use crate::sqlite::diff::side::{all_rows, quoted};
use crate::sqlite::error::message;

impl Merge<'_> {
    /// Finds views and triggers that the merge breaks; tells whether anything changed.
    pub(super) fn check_programs(&mut self) -> Result<bool> {
        let scratch = merged_schema(self.plans.values())?;
        for kind in ["view", "trigger"] {
            for object in self.objects.iter().filter(|(key, _)| key.0 == kind).map(|(_, o)| o) {
                let _ = scratch.execute_batch(&object.sql);
            }
        }
        let programs: Vec<_> = self
            .objects
            .iter()
            .filter(|(key, _)| key.0 == "view" || key.0 == "trigger")
            .map(|(k, o)| (k.clone(), o.clone()))
            .collect();
        for (key, object) in programs {
            if works(&scratch, &key.0, &object.name, &object.table) {
                continue;
            }
            let broken_there = |state: &super::State<'_>| {
                let known = state.objects.get(&key).filter(|o| o.tokens == object.tokens);
                let table = state.tables.get(&object.table).map_or(&object.table, |t| &t.real.name);
                known.is_some_and(|o| !works(state.conn, &key.0, &o.name, table))
            };
            if broken_there(&self.o) || broken_there(&self.t) {
                continue;
            }
            let detail = Some(key.0.clone());
            self.add_conflict(Conflict { table: Some(object.name.clone()), detail, ..Conflict::schema("broken") });
            if self.from_theirs.contains(&key) {
                self.objects.remove(&key);
                if let Some(ours) = self.o.objects.get(&key) {
                    self.objects.insert(key.clone(), ours.clone());
                    self.from_theirs.remove(&key);
                }
            } else {
                self.restore_tables_of(&object.tokens)?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes the tables as in ours that a program names and whose definitions are those of theirs.
    fn restore_tables_of(&mut self, tokens: &[String]) -> Result<()> {
        let named = |table: &String| tokens.contains(table);
        let changed: Vec<String> = (self.plans.values())
            .filter(|p| (p.by_theirs || matches!(p.rows, Rows::Theirs)) && self.o.tables.contains_key(&p.lower))
            .map(|p| p.lower.clone())
            .filter(named)
            .collect();
        for table in changed {
            self.waiting.insert(table.clone());
            self.restore(&table)?;
        }
        let gone: Vec<String> =
            self.o.tables.keys().filter(|t| !self.plans.contains_key(*t)).filter(|t| named(t)).cloned().collect();
        for table in gone {
            self.dropped.retain(|t| *t != table);
            self.waiting.insert(table.clone());
            self.plan_as_ours(&table);
        }
        Ok(())
    }
}

/// Tells whether a view can be read, or the table of a trigger written.
fn works(conn: &Connection, kind: &str, name: &str, table: &str) -> bool {
    let prepared = |sql: &str| match conn.prepare(sql) {
        Ok(_) => true,
        Err(e) => ["cannot modify", "generated"].iter().any(|words| message(&e).contains(words)),
    };
    if kind == "view" {
        return prepared(&format!("SELECT * FROM {} LIMIT 0", quoted(name)));
    }
    let columns = all_rows(conn, "SELECT name FROM pragma_table_info(?1)", [table], |row| row.get::<_, String>(0));
    let sets: Vec<String> = columns.unwrap_or_default().iter().map(|c| format!("{0} = {0}", quoted(c))).collect();
    let table = quoted(table);
    prepared(&format!("INSERT INTO {table} DEFAULT VALUES"))
        && prepared(&format!("DELETE FROM {table}"))
        && (sets.is_empty() || prepared(&format!("UPDATE {table} SET {}", sets.join(", "))))
}
