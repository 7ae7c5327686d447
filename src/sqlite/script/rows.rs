//! The statements for single rows: each finds the row as it was, or changes nothing.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::literal::Literals;
use super::{HASH, WAS};
use crate::model::{RowIdentity, Value};
use crate::sqlite::diff::side::quoted;
use crate::sqlite::diff::{RowPair, Table, encode};

/// Bytes of a text or blob that is compared whole; of a longer one, its length, and by `apply` its hash.
const WHOLE: usize = 256;

/// Writes statements for the rows of one table.
pub(super) struct RowStatements<'t> {
    pub table: &'t Table,
    pub identity: RowIdentity,
    pub literals: &'t Literals,
}

impl RowStatements<'_> {
    /// Appends what inserts a row; `key` holds the rowid where rows go by it.
    pub fn insert(&self, out: &mut String, key: &[Value], row: &[Value]) {
        let rowid = (self.identity == RowIdentity::Rowid).then(|| self.table.rowid_name()).flatten();
        let columns = self.table.columns.iter().map(|c| quoted(&c.name));
        let columns: Vec<String> = rowid.map(str::to_owned).into_iter().chain(columns).collect();
        let (or, name) = (or_abort(self.table), quoted(&self.table.name));
        let _ = write!(out, "INSERT{or} INTO {name} ({}) VALUES (", columns.join(", "));
        let values = key.iter().filter(|_| rowid.is_some()).chain(row);
        for (i, value) in values.enumerate() {
            out.push_str(if i == 0 { "" } else { ", " });
            self.literals.put(out, value);
        }
        out.push_str(");\n");
    }

    /// Appends what deletes a row.
    pub fn delete(&self, out: &mut String, row: &RowPair<'_>) {
        let old = row.old.unwrap_or_default();
        let table = quoted(&self.table.name);
        if self.identity == RowIdentity::Bag {
            let rowid = self.table.rowid_name().unwrap_or("rowid");
            let all = conjunction(&self.checks(old, 0..old.len(), usize::MAX));
            for _ in 0..row.count {
                let _ = writeln!(
                    out,
                    "DELETE FROM {table} WHERE {rowid} = (SELECT {rowid} FROM {table} WHERE {all} LIMIT 1){WAS};"
                );
            }
            return;
        }
        let keys: BTreeSet<&String> = self.table.key.iter().collect();
        let others = (0..old.len()).filter(|i| !keys.contains(&self.table.columns[*i].name));
        let checks = self.checks(old, others, WHOLE);
        let _ = write!(out, "DELETE FROM {table} WHERE {}{WAS}", self.place(row.key));
        finish(out, &checks);
    }

    /// Appends what updates a row.
    pub fn update(&self, out: &mut String, row: &RowPair<'_>) {
        let cells = row.cells();
        let _ = write!(out, "UPDATE{} {} SET ", or_abort(self.table), quoted(&self.table.name));
        for (i, cell) in cells.iter().enumerate() {
            let _ =
                write!(out, "{}{} = ", if i == 0 { "" } else { ", " }, quoted(&self.table.columns[cell.column].name));
            self.literals.put(out, &cell.new);
        }
        let _ = write!(out, " WHERE {}{WAS}", self.place(row.key));
        let old = row.old.unwrap_or_default();
        finish(out, &self.checks(old, cells.iter().map(|c| c.column), WHOLE));
    }

    /// Returns the condition that a row's key fulfils alone.
    fn place(&self, key: &[Value]) -> String {
        if self.identity == RowIdentity::Rowid {
            let rowid = self.table.rowid_name().unwrap_or("rowid");
            return format!("{rowid} = {}", self.literals.text(&key[0]));
        }
        let terms: Vec<String> = (self.table.key.iter().zip(key))
            .map(|(name, value)| {
                let (name, literal) = (quoted(name), self.literals.text(value));
                // The first finds it by the index, the second is exact whatever the collation.
                match value {
                    Value::Text(_) => format!("{name} = {literal} AND {name} COLLATE BINARY = {literal}"),
                    _ => format!("{name} = {literal}"),
                }
            })
            .collect();
        terms.join(" AND ")
    }

    /// Returns conditions that cells hold what they held; texts and blobs over `whole` bytes go by their length, and by a
    /// hash in a comment.
    fn checks(&self, row: &[Value], columns: impl IntoIterator<Item = usize>, whole: usize) -> Vec<String> {
        let check = |i: usize| {
            let (name, value) = (quoted(&self.table.columns[i].name), &row[i]);
            let hashed = |condition: String| format!("{condition}{HASH}{} {name}*/", hash(value));
            match value {
                Value::Blob(bytes) | Value::Text(bytes) if bytes.len() > whole && !name.contains("*/") => match value {
                    Value::Blob(_) => hashed(format!("length({name}) = {}", bytes.len())),
                    _ => hashed(match std::str::from_utf8(bytes) {
                        Ok(text) => format!("length({name}) = {}", text.chars().take_while(|c| *c != '\0').count()),
                        Err(_) => format!("typeof({name}) = 'text'"),
                    }),
                },
                Value::Text(_) => format!("{name} COLLATE BINARY IS {}", self.literals.text(value)),
                _ => format!("{name} IS {}", self.literals.text(value)),
            }
        };
        columns.into_iter().map(check).collect()
    }
}

/// Returns the hash of a long value in a comment.
pub(in crate::sqlite) fn hash(value: &Value) -> String {
    blake3::hash(&encode([value])).to_hex().to_string()
}

/// Returns what keeps the table's own ways with constraints from replacing or leaving out rows.
pub(super) fn or_abort(table: &Table) -> &'static str {
    if table.sql.to_ascii_lowercase().contains("conflict") { " OR ABORT" } else { "" }
}

fn finish(out: &mut String, checks: &[String]) {
    if !checks.is_empty() {
        let _ = write!(out, " AND {}", conjunction(checks));
    }
    out.push_str(";\n");
}

/// Joins conditions in a balanced way, as SQLite limits how deep expressions are nested.
fn conjunction(terms: &[String]) -> String {
    match terms {
        [] => "1".to_owned(),
        [one] => one.clone(),
        few if few.len() <= 100 => few.join(" AND "),
        many => {
            let (a, b) = many.split_at(many.len() / 2);
            format!("({}) AND ({})", conjunction(a), conjunction(b))
        }
    }
}
