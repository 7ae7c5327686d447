//! A comparison, of which only what was selected is looked at.

use std::ops::ControlFlow;

use super::{Compared, Condition, Diff, DiffError, RowPair, Selection, TableChanges, TablePair, Unshown};
use crate::model::{RowChange, RowCounts, SchemaChange, SequenceChange, SettingChange, Value};

/// A comparison and what of it is wanted.
#[derive(Clone, Copy)]
pub struct Selected<'a> {
    /// The comparison.
    pub diff: &'a Diff,
    /// What of it is wanted.
    pub selection: &'a Selection,
}

/// Why the rows of a table were not all handed out.
#[derive(Debug)]
pub enum Stopped<E> {
    /// They cannot be compared.
    Diff(DiffError),
    /// Whoever takes them failed.
    Sink(E),
}

impl<E: From<DiffError>> Stopped<E> {
    /// Returns the error as one of whoever takes the rows.
    pub fn into_error(self) -> E {
        match self {
            Self::Diff(e) => e.into(),
            Self::Sink(e) => e,
        }
    }
}

/// What is done with rows beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// They are counted.
    Count,
    /// They are not even looked for.
    Stop,
}

/// What the wanted rows of a table were.
#[derive(Debug, Default)]
pub struct TableRows {
    /// How they are compared; `None` if there are none.
    pub table: Option<TableChanges>,
    /// How many there are.
    pub counts: RowCounts,
    /// How many of them were not handed out, as they are beyond the limit.
    pub omitted: u64,
    /// Why SQLite cannot read the table, if it cannot.
    pub unreadable: Option<String>,
}

impl<'a> Selected<'a> {
    /// Tells whether a table is wanted, by the name that it has or by the one that it had.
    fn wants_pair(&self, pair: &TablePair) -> bool {
        self.selection.wants(&pair.name) || pair.renamed_from().is_some_and(|from| self.selection.wants(from))
    }

    fn wanted(self, compared: Compared) -> impl Iterator<Item = &'a TablePair> {
        self.diff.tables().iter().filter(move |t| t.compared == compared && self.wants_pair(t))
    }

    /// Returns the wanted tables whose rows are compared.
    pub fn tables(&self) -> impl Iterator<Item = &'a TablePair> {
        self.wanted(Compared::Rows)
    }

    /// Returns the wanted tables that SQLite cannot read.
    pub fn unreadable(&self) -> impl Iterator<Item = &'a TablePair> {
        self.wanted(Compared::Unreadable)
    }

    /// Returns the schema objects that differ.
    pub fn schema(&self) -> Result<Vec<SchemaChange>, DiffError> {
        if self.selection.wants_rows_only() {
            return Ok(Vec::new());
        }
        let shadow = |name: &str| {
            self.diff.tables().iter().any(|t| t.compared == Compared::Shadow && t.name.eq_ignore_ascii_case(name))
        };
        let wanted = |c: &SchemaChange| {
            self.selection.wants(&c.table) || c.renamed_from.as_deref().is_some_and(|from| self.selection.wants(from))
        };
        Ok(self.diff.schema()?.into_iter().filter(|c| wanted(c) && !shadow(&c.table)).collect())
    }

    /// Returns the settings that differ.
    pub fn settings(&self) -> Result<Vec<SettingChange>, DiffError> {
        if self.selection.is_narrowed() { Ok(Vec::new()) } else { self.diff.settings() }
    }

    /// Names the statistics that differ.
    pub fn statistics(&self) -> Result<Vec<String>, DiffError> {
        if self.selection.wants_rows_only() {
            return Ok(Vec::new());
        }
        Ok(self.diff.statistics()?.into_iter().filter(|name| self.selection.wants(name)).collect())
    }

    /// Returns the counters that differ.
    pub fn sequences(&self) -> Result<Vec<SequenceChange>, DiffError> {
        if self.selection.wants_rows_only() {
            return Ok(Vec::new());
        }
        let wanted = |c: &SequenceChange| match &c.name {
            Value::Text(name) => self.selection.wants(&String::from_utf8_lossy(name)),
            _ => self.selection.tables.is_none(),
        };
        Ok(self.diff.sequences()?.into_iter().filter(wanted).collect())
    }

    /// Names the tables in which something differs that cannot be shown.
    pub fn unshown(&self) -> Result<Vec<Unshown>, DiffError> {
        if self.selection.wants_rows_only() {
            return Ok(Vec::new());
        }
        Ok(self.diff.unshown()?.into_iter().filter(|t| self.selection.wants(&t.table)).collect())
    }

    /// Hands the wanted rows of a table to `sink`, whatever the limit; it may stop early.
    pub fn row_pairs<E>(
        &self,
        pair: &TablePair,
        sink: &mut dyn FnMut(&RowPair<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), Stopped<E>> {
        let condition = match self.selection.condition.as_deref().map(|text| Condition::new(pair, text)) {
            None => None,
            Some(Ok(condition)) => Some(condition),
            // The table has no such columns, so none of its rows is meant. Some other table has them.
            Some(Err(_)) => return Ok(()),
        };
        let mut take = |row: &RowPair<'_>| {
            let holds = condition.as_ref().map_or(Ok(true), |c| c.holds(row)).map_err(Stopped::Diff)?;
            match holds && self.selection.kinds.take(row.op()) {
                true => sink(row).map_err(Stopped::Sink),
                false => Ok(ControlFlow::Continue(())),
            }
        };
        let mut failed = None;
        let walked = self.diff.row_pairs(pair, &mut |row| {
            take(row).unwrap_or_else(|e| {
                failed = Some(e);
                ControlFlow::Break(())
            })
        });
        walked.map_err(Stopped::Diff)?;
        failed.map_or(Ok(()), Err)
    }

    /// Hands the wanted rows of a table to `sink`, up to the limit.
    pub fn rows<E>(
        &self,
        pair: &TablePair,
        beyond: Beyond,
        sink: &mut dyn FnMut(&TableChanges, &RowChange) -> Result<(), E>,
    ) -> Result<TableRows, Stopped<E>> {
        let mut rows = TableRows::default();
        let mut left = self.selection.limit.unwrap_or(u64::MAX);
        let is_enough = |left: u64| left == 0 && beyond == Beyond::Stop;
        if is_enough(left) {
            return Ok(rows);
        }
        let walked = self.row_pairs(pair, &mut |row| -> Result<_, Stopped<E>> {
            let table = match rows.table.take() {
                Some(table) => table,
                None => self.diff.table_changes(pair).map_err(Stopped::Diff)?,
            };
            rows.counts.add(row.op(), row.count);
            match left {
                0 => rows.omitted += row.count,
                _ => sink(&table, &row.change()).map_err(Stopped::Sink)?,
            }
            left = left.saturating_sub(1);
            rows.table = Some(table);
            Ok(if is_enough(left) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        match walked {
            Ok(()) => Ok(rows),
            Err(Stopped::Sink(e)) => Err(e),
            Err(Stopped::Diff(DiffError::Unreadable { detail, .. })) => {
                rows.unreadable = Some(detail);
                Ok(rows)
            }
            Err(Stopped::Diff(e)) => Err(Stopped::Diff(e)),
        }
    }

    /// Counts the wanted rows of a table, whatever the limit; of one that SQLite cannot read none.
    pub fn count(&self, pair: &TablePair) -> Result<RowCounts, DiffError> {
        let mut counts = RowCounts::default();
        let counted = match self.selection.condition {
            None => self.diff.count_rows(pair).map(|all| counts = self.selection.kinds.of(all)),
            Some(_) => self
                .row_pairs(pair, &mut |row| {
                    counts.add(row.op(), row.count);
                    Ok(ControlFlow::Continue(()))
                })
                .map_err(Stopped::into_error),
        };
        match counted {
            Ok(()) | Err(DiffError::Unreadable { .. }) => Ok(counts),
            Err(e) => Err(e),
        }
    }

    /// Tells whether any row of a table is wanted.
    pub fn any_row(&self, pair: &TablePair) -> Result<bool, DiffError> {
        let mut any = false;
        if pair.compared == Compared::Rows {
            self.row_pairs(pair, &mut |_| {
                any = true;
                Ok(ControlFlow::Break(()))
            })
            .map_err(Stopped::<DiffError>::into_error)?;
        }
        Ok(any)
    }

    /// Tells whether anything that is wanted differs.
    pub fn differs(&self) -> Result<bool, DiffError> {
        if !self.schema()?.is_empty()
            || !self.settings()?.is_empty()
            || !self.sequences()?.is_empty()
            || !self.statistics()?.is_empty()
            || !self.unshown()?.is_empty()
        {
            return Ok(true);
        }
        for pair in self.tables() {
            match self.any_row(pair) {
                Ok(true) => return Ok(true),
                Ok(false) | Err(DiffError::Unreadable { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }

    /// Fails with SQLite's words if the condition fits none of the wanted tables, though there are some.
    pub fn check_condition(&self) -> Result<(), String> {
        let Some(text) = &self.selection.condition else { return Ok(()) };
        let mut first = None;
        for pair in self.tables() {
            match Condition::new(pair, text) {
                Ok(_) => return Ok(()),
                Err(e) => first = first.or(Some(e)),
            }
        }
        first.map_or(Ok(()), Err)
    }
}
