//! What is wanted of one database: tables, rows, schema, as the options say.

use std::ops::ControlFlow;

use super::{Filter, Tally, View};
use crate::cli::error::Failure;
use crate::model::{RowChange, SchemaChange, SequenceChange, SettingChange, Value};
use crate::repo::RepoError;
use crate::repo::worktree::diff::{FileDiff, FileDiffError, Rows};
use crate::sqlite::diff::{Compared, Condition, DiffError, RowPair, Sink, TablePair, Unshown};

/// A database whose content is shown.
pub(super) struct Database<'a> {
    pub file: &'a FileDiff,
    pub rows: &'a Rows,
    pub view: &'a View,
}

impl Database<'_> {
    /// Explains an error of the comparison.
    pub fn error(&self, source: DiffError) -> Failure {
        RepoError::from(FileDiffError::Rows { path: self.file.change.path.to_string(), source }).into()
    }

    /// Tells whether a table is wanted.
    pub fn wants(&self, table: &str) -> bool {
        self.view.tables.as_ref().is_none_or(|glob| glob.is_match(table))
    }

    /// Tells whether a table is wanted, by the name that it has or by the one that it had.
    pub fn wants_pair(&self, pair: &TablePair) -> bool {
        self.wants(&pair.name) || pair.renamed_from().is_some_and(|from| self.wants(from))
    }

    /// Returns the tables whose rows are compared.
    pub fn tables(&self) -> impl Iterator<Item = &TablePair> {
        self.rows.diff.tables().iter().filter(|t| t.compared == Compared::Rows && self.wants_pair(t))
    }

    /// Returns the schema objects that differ.
    pub fn schema(&self) -> Result<Vec<SchemaChange>, Failure> {
        let shadow = |name: &str| {
            self.rows.diff.tables().iter().any(|t| t.compared == Compared::Shadow && t.name.eq_ignore_ascii_case(name))
        };
        if self.view.wants_rows_only() {
            return Ok(Vec::new());
        }
        let all = self.rows.diff.schema().map_err(|e| self.error(e))?;
        let was_wanted = |c: &SchemaChange| c.renamed_from.as_deref().is_some_and(|from| self.wants(from));
        Ok(all.into_iter().filter(|c| (self.wants(&c.table) || was_wanted(c)) && !shadow(&c.table)).collect())
    }

    /// Returns the settings that differ.
    pub fn settings(&self) -> Result<Vec<SettingChange>, Failure> {
        if self.view.is_narrowed() {
            return Ok(Vec::new());
        }
        self.rows.diff.settings().map_err(|e| self.error(e))
    }

    /// Names the statistics that differ.
    pub fn statistics(&self) -> Result<Vec<String>, Failure> {
        let all = self.rows.diff.statistics().map_err(|e| self.error(e))?;
        Ok(all.into_iter().filter(|name| !self.view.wants_rows_only() && self.wants(name)).collect())
    }

    /// Returns the counters that differ.
    pub fn sequences(&self) -> Result<Vec<SequenceChange>, Failure> {
        if self.view.wants_rows_only() {
            return Ok(Vec::new());
        }
        let all = self.rows.diff.sequences().map_err(|e| self.error(e))?;
        let named = |c: &SequenceChange| match &c.name {
            Value::Text(name) => self.wants(&String::from_utf8_lossy(name)),
            _ => self.view.tables.is_none(),
        };
        Ok(all.into_iter().filter(named).collect())
    }

    /// Names the wanted tables in which something differs that cannot be shown.
    pub fn unshown(&self) -> Result<Vec<Unshown>, Failure> {
        if self.view.wants_rows_only() {
            return Ok(Vec::new());
        }
        let all = self.rows.diff.unshown().map_err(|e| self.error(e))?;
        Ok(all.into_iter().filter(|t| self.wants(&t.table)).collect())
    }

    /// Hands the wanted rows of a table to `sink`; a table that SQLite cannot read is returned as the reason.
    pub fn each_row(
        &self,
        pair: &TablePair,
        sink: &mut dyn FnMut(RowChange) -> ControlFlow<()>,
    ) -> Result<Option<String>, Failure> {
        self.each_pair(pair, &mut |row| sink(row.change()))
    }

    /// As [`Database::each_row`], with all values of every row.
    pub fn each_pair(
        &self,
        pair: &TablePair,
        sink: &mut dyn FnMut(&RowPair<'_>) -> ControlFlow<()>,
    ) -> Result<Option<String>, Failure> {
        match self.pairs(pair, sink) {
            Err(DiffError::Unreadable { detail, .. }) => Ok(Some(detail)),
            other => other.map(|()| None).map_err(|e| self.error(e)),
        }
    }

    /// Hands the wanted rows of a table to `sink`.
    pub fn pairs(&self, pair: &TablePair, sink: &mut Sink<'_>) -> Result<(), DiffError> {
        let filter = self.view.filter;
        let condition = match self.view.condition.as_deref().map(|text| Condition::new(pair, text)) {
            None => None,
            Some(Ok(condition)) => Some(condition),
            // The table has no such columns, so none of its rows is meant. Some other table has them.
            Some(Err(_)) => return Ok(()),
        };
        let mut failed = None;
        let result =
            self.rows.diff.row_pairs(pair, &mut |row| match condition.as_ref().map_or(Ok(true), |c| c.holds(row)) {
                Ok(true) if filter.takes(row) => sink(row),
                Ok(_) => ControlFlow::Continue(()),
                Err(e) => {
                    failed = Some(e);
                    ControlFlow::Break(())
                }
            });
        result.and(failed.map_or(Ok(()), Err))
    }

    /// Counts the wanted rows of a table.
    pub fn tally(&self, pair: &TablePair) -> Result<Tally, Failure> {
        if self.view.condition.is_none() {
            return match self.rows.diff.count_rows(pair) {
                Ok([inserted, deleted, updated]) => {
                    let Filter { added, deleted: gone, modified, .. } = self.view.filter;
                    let of = |wanted: bool, n: u64| if wanted { n } else { 0 };
                    Ok(Tally {
                        inserted: of(added, inserted),
                        deleted: of(gone, deleted),
                        updated: of(modified, updated),
                    })
                }
                Err(DiffError::Unreadable { .. }) => Ok(Tally::default()),
                Err(e) => Err(self.error(e)),
            };
        }
        let mut tally = Tally::default();
        self.each_row(pair, &mut |change| {
            tally.add(&change);
            ControlFlow::Continue(())
        })?;
        Ok(tally)
    }

    /// Fails with SQLite's words if the condition fits no table.
    pub fn check_condition(&self) -> Result<(), Failure> {
        let Some(text) = &self.view.condition else { return Ok(()) };
        let mut first = None;
        for pair in self.tables() {
            match Condition::new(pair, text) {
                Ok(_) => return Ok(()),
                Err(e) => first = first.or(Some(e)),
            }
        }
        match first {
            None => Ok(()),
            Some(why) => Err(Failure::usage(format!("'{text}' is no condition for any table that is compared: {why}"))
                .help("name columns as in 'total > 100', and the table with -t")),
        }
    }

    /// Tells whether anything that is wanted differs.
    pub fn differs(&self) -> Result<bool, Failure> {
        let narrowed = self.view.is_narrowed();
        if !narrowed && self.rows.pages.as_ref().is_some_and(|p| !p.is_empty()) {
            return Ok(true);
        }
        if !self.schema()?.is_empty()
            || !self.settings()?.is_empty()
            || !self.sequences()?.is_empty()
            || !self.statistics()?.is_empty()
            || !self.unshown()?.is_empty()
        {
            return Ok(true);
        }
        for pair in self.tables() {
            let mut any = false;
            self.each_row(pair, &mut |_| {
                any = true;
                ControlFlow::Break(())
            })?;
            if any {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
