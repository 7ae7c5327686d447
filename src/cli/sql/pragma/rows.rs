//! Pragmas about rows between storage commits.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value as Json;

use super::text::{Shown, shown};
use super::{Answer, GraftPragmas, Refusal};
use crate::model::value_json::Typed;
use crate::model::{PageSource, RowCounts, Snapshot, Value};
use crate::sqlite::diff::{Compared, Diff, DiffOptions};
use crate::sqlite::file_source::EmptySource;
use crate::store::differing_pages;

impl GraftPragmas {
    /// Rows that differ between two LSNs: counts per table, and with `rows` each of them.
    pub(super) fn volume_diff(&self, text: &str) -> Answer {
        let words: Vec<&str> = text.split(',').map(str::trim).collect();
        let (a, b, with_rows) = match words[..] {
            [a, b] => (a, b, false),
            [a, b, "rows"] => (a, b, true),
            _ => return Err(Refusal("two LSNs are compared, as in '3,5' or '3,5,rows'".to_owned(), None)),
        };
        let all = self.repo.store().storage_log()?;
        let diff = self.between(Some(self.state_of(&all, a)?), self.state_of(&all, b)?)?;
        let (mut tables, mut rows) = (Vec::new(), Vec::new());
        for pair in diff.tables().iter().filter(|p| p.compared == Compared::Rows) {
            let counts = diff.count_rows(pair)?;
            if counts.total() == 0 {
                continue;
            }
            let RowCounts { inserted, deleted, updated } = counts;
            tables.push(
                shown! { "table": pair.name.as_str(), "inserted": inserted, "deleted": deleted, "updated": updated },
            );
            if !with_rows {
                continue;
            }
            let table = diff.table_changes(pair)?;
            diff.row_pairs(pair, &mut |row| {
                let side = |names: &Option<Vec<String>>, values: Option<&[Value]>| match values {
                    Some(values) => object(names.as_deref().unwrap_or_default(), values),
                    None => Shown::Plain(Json::Null),
                };
                rows.push(Shown::Object(vec![
                    ("table".to_owned(), Shown::Plain(pair.name.as_str().into())),
                    ("op".to_owned(), Shown::Plain(row.op().word().into())),
                    ("key".to_owned(), object(&table.key, row.key)),
                    ("old".to_owned(), side(&table.old_columns, row.old)),
                    ("new".to_owned(), side(&table.new_columns, row.new)),
                ]));
                ControlFlow::Continue(())
            })?;
        }
        Ok(match with_rows {
            true => shown! { ; "tables" => tables; "rows" => rows },
            false => shown! { ; "tables" => tables },
        })
    }

    /// The storage commits that changed a table, newest first.
    pub(super) fn table_log(&self, table: &str) -> Answer {
        let (_, newest) = self.state()?;
        let all = self.repo.store().storage_log()?;
        let (mut out, mut known) = (Vec::new(), false);
        let Some((log, lsn, _)) = newest.head() else { return Ok(Shown::List(Vec::new())) };
        let mut next = all.get(log, lsn);
        while let Some(c) = next {
            let before = c.commit.parent.and_then(|parent| all.by_hash(&parent));
            let old = match before {
                Some(b) => Some(all.state(b.commit.log, b.commit.lsn, newest.kind)?),
                None => None,
            };
            let diff = self.between(old, all.state(c.commit.log, c.commit.lsn, newest.kind)?)?;
            if let Some(pair) = diff.tables().iter().find(|p| p.is_called(table)) {
                known = true;
                let counts = match pair.compared {
                    Compared::Rows => diff.count_rows(pair)?,
                    _ => RowCounts::default(),
                };
                if counts.total() > 0 {
                    out.push(shown! {
                        "log": c.commit.log.to_string(),
                        "lsn": c.commit.lsn.get(),
                        "time": jiff::Timestamp::from_millisecond(c.commit.time).ok().map(|t| t.to_string()),
                        "inserted": counts.inserted,
                        "deleted": counts.deleted,
                        "updated": counts.updated,
                    });
                }
            }
            next = before;
        }
        match known {
            true => Ok(Shown::List(out)),
            false => Err(Refusal(format!("no storage commit has a table '{table}'"), None)),
        }
    }

    fn between(&self, old: Option<Snapshot>, new: Snapshot) -> Answer<Diff> {
        let new = Arc::new(self.repo.store().open_snapshot(new)?);
        let Some(old) = old else {
            return Ok(Diff::open(Arc::new(EmptySource), new as _, None, DiffOptions::default())?);
        };
        let old = Arc::new(self.repo.store().open_snapshot(old)?);
        let pages = differing_pages(&old, &new)?;
        let (old, new): (Arc<dyn PageSource>, Arc<dyn PageSource>) = (old, new);
        Ok(Diff::open(old, new, Some(pages), DiffOptions::default())?)
    }
}

fn object(names: &[String], values: &[Value]) -> Shown {
    let json = |value: &Value| serde_json::to_value(Typed(value)).unwrap_or(Json::Null);
    Shown::Object(names.iter().zip(values).map(|(name, value)| (name.clone(), Shown::Plain(json(value)))).collect())
}
