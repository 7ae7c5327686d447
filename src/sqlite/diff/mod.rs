//! Row diff: what differs between two states of a database, in rows, schema and settings.
//!
//! All values come from SQLite, which reads both states through the virtual file system. Rows are paired twice: first
//! by where they lie (rowid, or the key of a WITHOUT ROWID table), which needs no memory; what differs there is paired
//! again by the identity asked for (a declared key, or as a bag of equal rows) in a temporary database on disk. Keys
//! and cells are compared exactly, by storage class and bytes, whatever the collation.
//!
//! Changes are handed to a sink one by one, which may stop early. They are no `Iterator`: it would have to own cursors
//! together with the statements and connections that these borrow from.

mod ahead;
mod btree;
mod changed;
mod condition;
mod cursor;
pub(in crate::sqlite) mod encode;
mod mapping;
mod matcher;
mod pages;
mod record;
mod renames;
mod rows;
mod schema;
mod selected;
mod selection;
pub(in crate::sqlite) mod side;
pub(in crate::sqlite) mod table;
mod unshown;
mod walk;

use std::sync::Arc;

use ahead::Ahead;
pub use condition::Condition;
pub(in crate::sqlite) use encode::encode;
pub use mapping::RowPair;
pub(in crate::sqlite) use mapping::evaluated;
pub use matcher::Sink;
pub(in crate::sqlite) use rows::KeptColumns;
pub use rows::TableChanges;
pub use selected::{Beyond, Selected, Stopped, TableRows};
pub use selection::{RowKinds, Selection, TablePattern};
pub use table::{Column, Table, TableKind};
pub use unshown::Unshown;

use crate::model::{PageSet, PageSource, SchemaChange, SequenceChange, SettingChange, SourceError};
use crate::util::interrupt::Interrupted;
use changed::{Changed, Roots};
use side::Side;

/// How rows without an INTEGER PRIMARY KEY are paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// By a declared key that holds no NULL in either state, otherwise by rowid.
    #[default]
    Auto,
    /// By rowid wherever there is one.
    Rowid,
    /// By a declared key that holds no NULL in either state, otherwise as a bag of equal rows.
    Bag,
}

/// What to compare, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiffOptions {
    /// How rows are paired.
    pub identity: Identity,
    /// Also list the shadow tables of virtual tables.
    pub shadow: bool,
}

/// Why two states cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// SQLite cannot read the table, as it needs a function, a collation or a module that only the application has.
    #[error("table {table} cannot be read: {detail}")]
    Unreadable {
        /// The table.
        table: String,
        /// SQLite's words.
        detail: String,
    },
    /// A condition of the user's fails for a row.
    #[error("the condition cannot be evaluated for a row of {table}: {detail}")]
    Condition {
        /// The table.
        table: String,
        /// SQLite's words.
        detail: String,
    },
    /// The pages cannot be read.
    #[error("cannot read the pages of a state")]
    Source(#[source] SourceError),
    /// A page of a table is not what its place says.
    #[error("page {page} is malformed")]
    Malformed {
        /// SQLite's number of the page, in one of the states.
        page: u32,
    },
    /// SQLite failed otherwise: the database is malformed.
    #[error("SQLite cannot read a state: {0}")]
    Sqlite(#[source] rusqlite::Error),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Whether the rows of a table are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// They are.
    Rows,
    /// The virtual table keeps no rows of its own.
    NoContent,
    /// The table belongs to a virtual table, which shows its content.
    Shadow,
    /// SQLite cannot read its definition.
    Unreadable,
}

/// A table in the old state, the new one, or both; under two names if it was renamed.
#[derive(Clone, Debug)]
pub struct TablePair {
    /// Its name; the new one if it was renamed.
    pub name: String,
    /// It as it was.
    pub old: Option<Table>,
    /// It as it is.
    pub new: Option<Table>,
    /// It as it was, with the names that its columns have now; `None` if none was renamed.
    aligned: Option<Table>,
    /// Whether its rows are compared.
    pub compared: Compared,
}

/// Two states of a database, open side by side.
pub struct Diff {
    old: Side,
    new: Side,
    options: DiffOptions,
    tables: Vec<TablePair>,
    /// Which rows may differ, where it can be told from pages.
    changed: Option<Changed>,
}

impl Diff {
    /// Opens two states; `differing` names the 4 KiB pages in which they differ, if the caller knows.
    pub fn open(
        old: Arc<dyn PageSource>,
        new: Arc<dyn PageSource>,
        differing: Option<PageSet>,
        options: DiffOptions,
    ) -> Result<Self, DiffError> {
        Self::open_with(old, new, differing, options, changed::MAX_DESCENTS)
    }

    /// As [`Diff::open`], with the number of steps to take from roots towards differing pages.
    pub(super) fn open_with(
        old: Arc<dyn PageSource>,
        new: Arc<dyn PageSource>,
        differing: Option<PageSet>,
        options: DiffOptions,
        max_descents: usize,
    ) -> Result<Self, DiffError> {
        let sources = (Ahead::new(old), Ahead::new(new));
        let (old, new) = (Side::open(sources.0.clone())?, Side::open(sources.1.clone())?);
        let read = |side: &Side| table::read_all(&side.conn).map_err(|e| side.error(e));
        let tables = pair_tables(read(&old)?, read(&new)?, options.shadow);
        let roots = possible_roots(&tables);
        let changed = match differing {
            Some(pages) if !old.empty && !new.empty => {
                Changed::open(sources.0, sources.1, pages, &roots, max_descents)?
            }
            _ => None,
        };
        let mut diff = Self { old, new, options, tables, changed };
        diff.find_renames()?;
        Ok(diff)
    }

    /// Returns all tables of both states in the order of their names; those of SQLite's own aside.
    pub fn tables(&self) -> &[TablePair] {
        &self.tables
    }

    /// As [`Diff::tables`], with a renamed table as one that is gone and one that is new.
    pub fn tables_by_name(&self) -> Vec<TablePair> {
        let mut tables: Vec<TablePair> = self.tables.iter().flat_map(TablePair::by_name).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        tables
    }

    /// Returns the connections that read the old state and the new one.
    pub(in crate::sqlite) fn connections(&self) -> (&rusqlite::Connection, &rusqlite::Connection) {
        (&self.old.conn, &self.new.conn)
    }

    /// Tells whether the old state is a file without a byte.
    pub(in crate::sqlite) fn is_old_empty(&self) -> bool {
        self.old.empty
    }

    /// Returns the schema objects that differ, in the order of kind and name.
    pub fn schema(&self) -> Result<Vec<SchemaChange>, DiffError> {
        schema::changes(&self.old, &self.new, &self.tables)
    }

    /// Returns the settings that differ.
    pub fn settings(&self) -> Result<Vec<SettingChange>, DiffError> {
        schema::settings(&self.old, &self.new)
    }

    /// Names the tables of ANALYZE (`sqlite_stat1` …) whose content differs.
    pub fn statistics(&self) -> Result<Vec<String>, DiffError> {
        schema::statistics(&self.old, &self.new)
    }

    /// Returns the counters of AUTOINCREMENT that differ.
    pub fn sequences(&self) -> Result<Vec<SequenceChange>, DiffError> {
        schema::sequences(&self.old, &self.new)
    }
}

/// Returns the roots of the tables whose pages can be compared, if what may have been renamed was.
fn possible_roots(tables: &[TablePair]) -> Vec<Roots> {
    let mut roots: Vec<Roots> = tables.iter().filter_map(TablePair::possible_roots).collect();
    // A renamed table keeps its root.
    for gone in tables.iter().filter(|t| t.new.is_none()).filter_map(|t| t.old.as_ref()) {
        let come = tables.iter().filter(|t| t.old.is_none()).filter_map(|t| t.new.as_ref());
        if gone.root > 1 && come.into_iter().any(|t| t.root == gone.root) {
            roots.push(Roots { old: gone.root, new: gone.root });
        }
    }
    roots
}

fn pair_tables(old: Vec<table::Found>, new: Vec<table::Found>, shadow: bool) -> Vec<TablePair> {
    let mut gone: Vec<Option<table::Found>> = old.into_iter().map(Some).collect();
    let mut tables = Vec::new();
    for new in new {
        // SQLite takes names that differ in case only for the same.
        let same = |t: &&mut Option<table::Found>| t.as_ref().is_some_and(|t| t.name.eq_ignore_ascii_case(&new.name));
        let old = gone.iter_mut().find(same).and_then(Option::take);
        tables.push(pair_up(old, Some(new), shadow));
    }
    tables.extend(gone.into_iter().flatten().map(|old| pair_up(Some(old), None, shadow)));
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables
}

fn pair_up(old: Option<table::Found>, new: Option<table::Found>, shadow: bool) -> TablePair {
    let both = || old.iter().chain(&new);
    let compared = if both().any(|t| t.table.is_none()) {
        Compared::Unreadable
    } else if both().any(|t| t.table.as_ref().is_some_and(|t| t.shadow && !shadow)) {
        Compared::Shadow
    } else if both().any(|t| t.table.as_ref().is_some_and(|t| !t.has_content)) {
        Compared::NoContent
    } else {
        Compared::Rows
    };
    let name = new.as_ref().or(old.as_ref()).map(|t| t.name.clone()).unwrap_or_default();
    TablePair { name, old: old.and_then(|t| t.table), new: new.and_then(|t| t.table), aligned: None, compared }
}
