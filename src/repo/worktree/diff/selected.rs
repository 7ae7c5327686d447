//! What of the files that differ is wanted, and what that is of each.

use super::{FileDiff, FileDiffError, Filter, Opened, Rows, Side};
use crate::model::{RowChange, RowCounts};
use crate::repo::error::{RepoError, Result};
use crate::sqlite::diff::{
    Beyond, DiffError, DiffOptions, RowKinds, Selected, Selection, Stopped, TableChanges, TablePair, TablePattern,
    TableRows,
};

/// How a file is opened.
pub type Open<'a> = dyn Fn(&FileDiff, DiffOptions) -> Result<Opened> + 'a;

/// What of the files that differ is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only these kinds of change.
    pub filter: Filter,
    /// Only these tables.
    pub tables: Option<TablePattern>,
    /// Only rows for which this holds, as they were or as they are.
    pub condition: Option<String>,
    /// At most so many rows per table.
    pub limit: Option<u64>,
    /// How rows are paired.
    pub options: DiffOptions,
}

impl Wanted {
    /// Opens a file and returns what of it is wanted; `None` if that is nothing. Where its name is all that counts (`by_name`), a
    /// file that differs for certain is not opened.
    pub fn of<'f>(&self, file: &'f FileDiff, by_name: bool, open: &Open<'_>) -> Result<Option<SelectedFile<'f>>> {
        let change = &file.change;
        let takes_file = self.filter.takes_file(change.change);
        let is_certain = matches!(
            (&file.old, &file.new),
            (Side::Absent, _) | (_, Side::Absent) | (Side::Stored(_), Side::Stored(_))
        );
        if by_name && is_certain && self.tables.is_none() && self.condition.is_none() {
            return Ok(takes_file.then_some(SelectedFile { file, content: Content::Aside }));
        }
        let kinds = match by_name {
            true => takes_file.then_some(RowKinds::ALL),
            false => self.filter.for_rows_of(change.change),
        };
        let Some(kinds) = kinds else { return Ok(None) };
        let selection = self.rows(kinds);
        let is_moved = change.old_mode != change.new_mode || change.renamed_from.is_some();
        let opened = open(file, self.options)?;
        let is_wanted = match &opened {
            Opened::Same => takes_file && is_moved && !selection.is_narrowed(),
            Opened::Bytes { .. } => takes_file && self.tables.is_none() && self.condition.is_none(),
            Opened::Rows(_) => true,
        };
        Ok(is_wanted.then(|| SelectedFile::new(file, opened, selection)))
    }

    /// Returns what of the rows of a file is wanted.
    pub fn rows(&self, kinds: RowKinds) -> Selection {
        Selection { tables: self.tables.clone(), kinds, condition: self.condition.clone(), limit: self.limit }
    }
}

/// A file that differs, and what of it is wanted.
pub struct SelectedFile<'f> {
    /// The file.
    pub file: &'f FileDiff,
    /// Its content.
    pub content: Content,
}

/// What is wanted of the content of a file.
pub enum Content {
    /// Nothing: it is the same, or only the name counts.
    Aside,
    /// All of it, but the bytes of a file that is no database are not shown.
    Bytes {
        /// Bytes of the old side.
        old_len: u64,
        /// Bytes of the new side.
        new_len: u64,
    },
    /// What was selected in a database.
    Rows(Box<SelectedRows>),
}

impl<'f> SelectedFile<'f> {
    /// Describes a file that was opened.
    pub fn new(file: &'f FileDiff, opened: Opened, selection: Selection) -> Self {
        let content = match opened {
            Opened::Same => Content::Aside,
            Opened::Bytes { old_len, new_len } => Content::Bytes { old_len, new_len },
            Opened::Rows(rows) => {
                Content::Rows(Box::new(SelectedRows { path: file.change.path.to_string(), rows: *rows, selection }))
            }
        };
        Self { file, content }
    }

    /// Returns what was selected, if it is a database.
    pub fn rows(&self) -> Option<&SelectedRows> {
        match &self.content {
            Content::Rows(rows) => Some(rows),
            Content::Aside | Content::Bytes { .. } => None,
        }
    }

    /// Returns the numbers of bytes of both sides, if they were compared.
    pub fn lengths(&self) -> Option<(u64, u64)> {
        match &self.content {
            Content::Aside => None,
            Content::Bytes { old_len, new_len } => Some((*old_len, *new_len)),
            Content::Rows(rows) => Some((rows.rows.old_len, rows.rows.new_len)),
        }
    }

    /// Tells whether anything that is wanted differs.
    pub fn differs(&self) -> Result<bool> {
        self.rows().map_or(Ok(true), SelectedRows::differs)
    }

    /// Counts the rows that are wanted; `None` if nothing differs that is wanted.
    pub fn count(&self) -> Result<Option<RowCounts>> {
        let mut counts = RowCounts::default();
        if let Some(rows) = self.rows() {
            rows.counts()?.into_iter().for_each(|(_, of_table)| counts += of_table);
        }
        Ok((counts.total() > 0 || self.differs()?).then_some(counts))
    }
}

/// Two databases, open side by side, and what of them is wanted.
pub struct SelectedRows {
    path: String,
    rows: Rows,
    selection: Selection,
}

impl SelectedRows {
    /// Returns both sides.
    pub fn both(&self) -> &Rows {
        &self.rows
    }

    /// Returns the comparison and what of it is wanted.
    pub fn selected(&self) -> Selected<'_> {
        Selected { diff: &self.rows.diff, selection: &self.selection }
    }

    /// Says of which file an error of the comparison is.
    pub fn error(&self, source: DiffError) -> RepoError {
        FileDiffError::Rows { path: self.path.clone(), source }.into()
    }

    /// Asks the comparison for what is wanted.
    pub fn ask<'s, T>(&'s self, question: impl FnOnce(&Selected<'s>) -> Result<T, DiffError>) -> Result<T> {
        question(&self.selected()).map_err(|e| self.error(e))
    }

    /// Counts the wanted rows of every table in which some are.
    pub fn counts(&self) -> Result<Vec<(&TablePair, RowCounts)>> {
        let mut counts = Vec::new();
        for pair in self.selected().tables() {
            counts.push((pair, self.ask(|selected| selected.count(pair))?));
        }
        counts.retain(|(_, of_table)| of_table.total() > 0);
        Ok(counts)
    }

    /// Hands the wanted rows of a table to `sink`, up to the limit.
    pub fn each<E: From<RepoError>>(
        &self,
        pair: &TablePair,
        beyond: Beyond,
        sink: &mut dyn FnMut(&TableChanges, &RowChange) -> Result<(), E>,
    ) -> Result<TableRows, E> {
        self.selected().rows(pair, beyond, sink).map_err(|e| match e {
            Stopped::Diff(e) => self.error(e).into(),
            Stopped::Sink(e) => e,
        })
    }

    /// Tells whether anything that is wanted differs.
    pub fn differs(&self) -> Result<bool> {
        let pages_differ = self.rows.pages.as_ref().is_some_and(|pages| !pages.is_empty());
        Ok(pages_differ && !self.selection.is_narrowed() || self.ask(Selected::differs)?)
    }
}
