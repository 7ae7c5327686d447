//! Tables that are made anew: as theirs has them, or around the rows of ours that stay.

use rusqlite::params;

use super::cells::{Row, cells};
use super::changes::{OURS, each_row};
use super::plan::{Pairing, Plan};
use super::write::Refused;
use super::{Merge, Result};
use crate::sqlite::diff::TableKind;
use crate::sqlite::diff::encode::encode;
use crate::sqlite::diff::side::quoted;

/// What the old table is called while the new one is filled.
const OLD: &str = "graft_merge_old";

impl Merge<'_> {
    /// Makes a table as theirs has it, rows included.
    pub(super) fn copy_theirs(&self, plan: &Plan) -> Result<()> {
        if !plan.is_new {
            self.out.execute_batch(&format!("DROP TABLE main.{}", quoted(&plan.name)))?;
        }
        self.out.execute_batch(&plan.sql)?;
        if !plan.has_content {
            return Ok(());
        }
        self.ignore_checks(true)?;
        let copied = each_row(&self.t, &plan.lower, &mut |place, values| {
            self.insert(plan, place.filter(|_| plan.keeps_places()), &cells(&values))?;
            Ok(())
        });
        self.ignore_checks(false)?;
        copied
    }

    /// Makes a table anew by the merged definition, with the rows of ours that stay; says why they do not fit, if so.
    pub(super) fn rebuild(&self, plan: &Plan) -> Result<Option<Refused>> {
        let old = format!("{OLD}_{}", plan.number);
        self.out.execute_batch(&format!(
            "PRAGMA legacy_alter_table = ON; ALTER TABLE main.{} RENAME TO {old}; PRAGMA legacy_alter_table = OFF",
            quoted(&plan.name)
        ))?;
        self.out.execute_batch(&plan.sql)?;
        let mut refused = None;
        self.scan(OURS, plan, &mut |place, row| {
            if refused.is_some() || self.is_replaced(plan, place, &row)? {
                return Ok(());
            }
            let known = || self.fails_anyway(plan, &row, Some(&row), None);
            refused = self.insert_checked(plan, place.filter(|_| plan.keeps_places()), &row, &known)?.err();
            Ok(())
        })?;
        if refused.is_none() {
            self.out.execute_batch(&format!("DROP TABLE {old}"))?;
        }
        Ok(refused)
    }

    /// Tells whether the result has another row in place of one of ours, or none.
    fn is_replaced(&self, plan: &Plan, place: Option<i64>, row: &Row) -> Result<bool> {
        let Some(merged) = plan.merged() else { return Ok(false) };
        let conn = self.spool.conn();
        Ok(match (merged.pairing, place) {
            (Pairing::Bag, _) => false,
            (_, Some(place)) if plan.table.kind == TableKind::Rowid => {
                let sql = "SELECT EXISTS (SELECT 1 FROM u WHERE t = ?1 AND place = ?2 AND o IS NOT NULL AND NOT held)";
                conn.prepare_cached(sql)?.query_row(params![plan.number, place], |row| row.get(0))?
            }
            _ => {
                let key = plan.key_of(row).map(|k| encode(&k)).unwrap_or_default();
                let sql = "SELECT EXISTS (SELECT 1 FROM u WHERE t = ?1 AND k = ?2 AND o IS NOT NULL AND NOT held)";
                conn.prepare_cached(sql)?.query_row(params![plan.number, key], |row| row.get(0))?
            }
        })
    }
}

impl Plan {
    /// Tells whether rows keep the rowids that their state gave them: where these can be named, and are no column.
    pub(super) fn keeps_places(&self) -> bool {
        match self.table.kind {
            TableKind::Rowid => self.table.rowid_name.is_some() && self.table.rowid_column.is_none(),
            TableKind::WithoutRowid => false,
            TableKind::Virtual => !super::tokens::folded_all(&self.sql).iter().any(|t| t.starts_with("rtree")),
        }
    }
}
