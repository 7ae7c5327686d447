//! What becomes of one table.

use super::definition::Definition;
use super::layout::Layout;
use crate::sqlite::diff::Table;

/// How rows of the three states are paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pairing {
    /// By the declared key, which holds no NULL in any state; rows of virtual tables by their rowid.
    Key,
    /// By following the rows of the base.
    Rowid,
    /// As bags of equal rows.
    Bag,
}

/// Where the rows of a table come from.
#[derive(Debug)]
pub(super) enum Rows {
    /// All from ours: the table is not touched.
    Ours,
    /// All from theirs: the table is made anew.
    Theirs,
    /// From both, one by one.
    Merged(Box<MergedRows>),
}

/// How the rows of a table are merged.
#[derive(Debug)]
pub(super) struct MergedRows {
    /// How they are paired.
    pub pairing: Pairing,
    /// The key is another one than in one of the states, so all rows are compared.
    pub rekeyed: bool,
    /// How rows of the base, ours and theirs get into the merged layout, where the states have the table.
    pub layouts: [Option<Layout>; 3],
}

/// A table of the result.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its number in the spool.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Its name in lower case.
    pub lower: String,
    /// Its definition as SQL.
    pub sql: String,
    /// Its definition; `None` for virtual tables.
    pub definition: Option<Definition>,
    /// Its columns and key.
    pub table: Table,
    /// It keeps rows of its own.
    pub has_content: bool,
    /// Ours has the table, and its definition is not this one.
    pub by_theirs: bool,
    /// Ours has no such table.
    pub is_new: bool,
    /// Where its rows come from.
    pub rows: Rows,
}

impl Plan {
    /// Tells whether it is a virtual table.
    pub fn is_virtual(&self) -> bool {
        self.definition.is_none()
    }

    /// Returns how rows are merged, if they are.
    pub fn merged(&self) -> Option<&MergedRows> {
        match &self.rows {
            Rows::Merged(rows) => Some(rows),
            Rows::Ours | Rows::Theirs => None,
        }
    }

    /// Returns the place of a column, whatever the case of its name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.table.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name))
    }

    /// Returns the places of columns, if all are there.
    pub fn columns(&self, names: &[String]) -> Option<Vec<usize>> {
        names.iter().map(|name| self.column(name)).collect()
    }

    /// Returns the column that stands for the rowid, if there is one.
    pub fn rowid_column(&self) -> Option<usize> {
        self.table.rowid_column.as_ref().and_then(|name| self.column(name))
    }
}
