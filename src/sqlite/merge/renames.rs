//! What either side renamed gets its new name in all three states, by SQLite's own ALTER in copies of their schemas.

use std::collections::BTreeMap;

use super::{Conflict, Merge, Of, Result};
use crate::sqlite::diff::side::quoted;
use crate::sqlite::diff::{Diff, Table, TableKind, TablePair};

/// New names by old ones in lower case.
type Renames = BTreeMap<String, String>;

impl Merge<'_> {
    /// Brings all three states to the merged names.
    pub(super) fn merge_renames(&mut self) -> Result<()> {
        let columns = (column_renames(self.ours), column_renames(self.theirs));
        self.rename_tables()?;
        let both = |m: &Self, n: &String| m.o.tables.contains_key(n) && m.t.tables.contains_key(n);
        let names: Vec<String> =
            self.b.tables.keys().filter(|n| both(self, n) && !self.waiting.contains(*n)).cloned().collect();
        for name in names {
            let of =
                |all: &BTreeMap<String, Renames>| all.get(&self.b.tables[&name].real.name).cloned().unwrap_or_default();
            let (ours, theirs) = (of(&columns.0), of(&columns.1));
            self.rename_columns(&name, &ours, &theirs)?;
        }
        Ok(())
    }

    fn rename_tables(&mut self) -> Result<()> {
        let (ours, theirs) = (table_renames(self.ours), table_renames(self.theirs));
        let mut old: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
        old.sort();
        old.dedup();
        for old in old {
            let (no, nt) = (ours.get(old), theirs.get(old));
            let base = self.b.tables.get(old).map_or_else(|| old.clone(), |t| t.now.name.clone());
            let conflict = |detail: String| Conflict {
                table: Some(base.clone()),
                detail: Some(detail),
                ..Conflict::schema("rename")
            };
            let new = match (no, nt) {
                (Some(no), Some(nt)) if !no.eq_ignore_ascii_case(nt) => {
                    self.add_conflict(conflict(format!("{no} / {nt}")));
                    // Ours stays; the table of theirs waits under its name.
                    rename_table(&mut self.t, nt, no);
                    rename_table(&mut self.b, &base, no);
                    self.waiting.insert(no.to_ascii_lowercase());
                    continue;
                }
                (Some(new), _) | (None, Some(new)) => new.clone(),
                (None, None) => continue,
            };
            let lower = new.to_ascii_lowercase();
            if no.is_none() || nt.is_none() {
                let other = if no.is_none() { &self.o } else { &self.t };
                if other.tables.contains_key(&lower) {
                    self.add_conflict(conflict(format!("{new} is taken")));
                    self.waiting.extend([old.clone(), lower]);
                    continue;
                }
                if !other.tables.contains_key(old) {
                    let name = if no.is_none() { old.clone() } else { lower };
                    self.add_schema_conflict(&name, "drop/modify", Vec::new(), None);
                    if no.is_some() {
                        rename_table(&mut self.b, &base, &new);
                    }
                    continue;
                }
            }
            let mut renamed = true;
            for state in [&mut self.b, &mut self.t] {
                if let Some(name) = state.tables.get(old).map(|t| t.now.name.clone()) {
                    renamed &= rename_table(state, &name, &new);
                }
            }
            if let Some(name) = self.o.tables.get(old).map(|t| t.now.name.clone()) {
                let done = rename_table(&mut self.o, &name, &new);
                renamed &= done;
                if done && !name.eq_ignore_ascii_case(&new) {
                    self.renames.push(table_statement(&name, &new));
                }
            }
            if !renamed {
                self.add_schema_conflict(old, "rename", Vec::new(), Some(format!("{new} is taken")));
            }
        }
        Ok(())
    }

    fn rename_columns(&mut self, table: &str, ours: &Renames, theirs: &Renames) -> Result<()> {
        let mut old: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
        old.sort();
        old.dedup();
        for old in old {
            let (no, nt) = (ours.get(old), theirs.get(old));
            let columns = || vec![old.clone()];
            let new = match (no, nt) {
                (Some(no), Some(nt)) if !no.eq_ignore_ascii_case(nt) => {
                    self.add_schema_conflict(table, "rename", columns(), Some(format!("{no} / {nt}")));
                    return Ok(());
                }
                (Some(new), _) | (None, Some(new)) => new.clone(),
                (None, None) => continue,
            };
            if no.is_none() || nt.is_none() {
                let other = if no.is_some() { &self.t } else { &self.o };
                let has = |name: &str| {
                    let columns = &other.tables[table].definition.columns;
                    columns.iter().any(|c| c.name.eq_ignore_ascii_case(name))
                };
                if !has(old) {
                    self.add_schema_conflict(table, "rename/drop", columns(), Some(new));
                    return Ok(());
                }
                if has(&new) {
                    self.add_schema_conflict(table, "rename", columns(), Some(format!("{new} is taken")));
                    return Ok(());
                }
            }
            let mut failed = None;
            for (is_ours, state) in [(false, &mut self.b), (true, &mut self.o), (false, &mut self.t)] {
                let Some(known) = state.tables.get(table) else { continue };
                if !known.definition.columns.iter().any(|c| c.name.eq_ignore_ascii_case(old)) {
                    continue;
                }
                let name = quoted(&known.now.name);
                let statement = format!("ALTER TABLE {name} RENAME COLUMN {} TO {}", quoted(old), plain(&new));
                if let Err(e) = state.rename(&statement) {
                    failed = Some(e.to_string());
                } else if is_ours {
                    self.renames.push(statement);
                }
            }
            if let Some(detail) = failed {
                self.add_schema_conflict(table, "rename", columns(), Some(detail));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Returns the diff of one side, and the pair in it that is a table of the merge.
    pub(super) fn pair(&self, of: Of, table: &str) -> Option<(&Diff, TablePair)> {
        let (diff, state) = match of {
            Of::Ours => (self.ours, &self.o),
            Of::Theirs => (self.theirs, &self.t),
        };
        Some((
            diff,
            find_pair(
                diff,
                self.b.tables.get(table).map(|t| &t.real.name),
                state.tables.get(table).map(|t| &t.real.name),
            )?,
        ))
    }
}

/// Finds the pair of two tables by the names that they have in their states. A table that a side renamed may be one that is gone and
/// one that is new for the merge.
pub(super) fn find_pair(diff: &Diff, old: Option<&String>, new: Option<&String>) -> Option<TablePair> {
    let is = |name: Option<&String>, table: &Option<Table>| name == table.as_ref().map(|t| &t.name);
    let both = |pair: &TablePair| is(old, &pair.old) && is(new, &pair.new);
    diff.tables().iter().find(|pair| both(pair)).cloned().or_else(|| diff.tables_by_name().into_iter().find(both))
}

fn rename_table(state: &mut super::State<'_>, old: &str, new: &str) -> bool {
    let known = state.tables.contains_key(&old.to_ascii_lowercase());
    if !known || old.eq_ignore_ascii_case(new) {
        return true;
    }
    state.rename(&table_statement(old, new)).is_ok()
}

fn table_statement(old: &str, new: &str) -> String {
    format!("ALTER TABLE {} RENAME TO {}", quoted(old), quoted(new))
}

/// Quotes a name only where need be: SQLite keeps the quotes.
fn plain(name: &str) -> String {
    let plain =
        name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !super::tokens::is_keyword(name) { name.to_owned() } else { quoted(name) }
}

fn table_renames(diff: &Diff) -> Renames {
    let renamed = |pair: &TablePair| {
        let (old, new) = (pair.old.as_ref()?, pair.new.as_ref()?);
        let other = !old.name.eq_ignore_ascii_case(&new.name) && old.kind != TableKind::Virtual;
        other.then(|| (old.name.to_ascii_lowercase(), new.name.clone()))
    };
    diff.tables().iter().filter_map(renamed).collect()
}

/// Returns the renamed columns of tables by the name that the table has in the base.
fn column_renames(diff: &Diff) -> BTreeMap<String, Renames> {
    let mut found = BTreeMap::new();
    for pair in diff.tables() {
        let (Some(old), Some(now)) = (&pair.old, pair.old_renamed()) else { continue };
        let renames: Renames = (old.columns.iter().zip(&now.columns))
            .filter(|(a, b)| !a.name.eq_ignore_ascii_case(&b.name))
            .map(|(a, b)| (a.name.to_ascii_lowercase(), b.name.clone()))
            .collect();
        if !renames.is_empty() {
            found.insert(old.name.clone(), renames);
        }
    }
    found
}
