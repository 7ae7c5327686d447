//! What of a comparison is wanted: some tables, some kinds of rows, rows for which a condition holds, not too many of them.

use globset::{GlobBuilder, GlobMatcher};

use crate::model::{RowCounts, RowOp};

/// Names of tables, as a pattern with `*`, `?` and `[…]`, whatever their case.
#[derive(Clone, Debug)]
pub struct TablePattern(GlobMatcher);

impl TablePattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, globset::Error> {
        Ok(Self(GlobBuilder::new(text).case_insensitive(true).build()?.compile_matcher()))
    }

    /// Returns the pattern as it was typed.
    pub fn as_str(&self) -> &str {
        self.0.glob().glob()
    }

    /// Tells whether a table is called so.
    pub fn matches(&self, table: &str) -> bool {
        self.0.is_match(table)
    }
}

/// Kinds of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKinds {
    /// New ones.
    pub inserted: bool,
    /// Those that are gone.
    pub deleted: bool,
    /// Those that are others.
    pub updated: bool,
}

impl RowKinds {
    /// Every kind.
    pub const ALL: Self = Self { inserted: true, deleted: true, updated: true };

    /// Tells whether rows to which this happened are wanted.
    pub fn take(self, op: RowOp) -> bool {
        match op {
            RowOp::Insert => self.inserted,
            RowOp::Delete => self.deleted,
            RowOp::Update => self.updated,
        }
    }

    /// Returns the counts of the kinds wanted, nothing for the others.
    pub(super) fn of(self, counts: RowCounts) -> RowCounts {
        let of = |wanted: bool, n: u64| if wanted { n } else { 0 };
        RowCounts {
            inserted: of(self.inserted, counts.inserted),
            deleted: of(self.deleted, counts.deleted),
            updated: of(self.updated, counts.updated),
        }
    }
}

impl Default for RowKinds {
    fn default() -> Self {
        Self::ALL
    }
}

/// What of a comparison is wanted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these tables.
    pub tables: Option<TablePattern>,
    /// Only these kinds of rows.
    pub kinds: RowKinds,
    /// Only rows for which this SQL expression holds, as they were or as they are.
    pub condition: Option<String>,
    /// At most so many rows of each table.
    pub limit: Option<u64>,
}

impl Selection {
    /// Tells whether only some tables or rows are wanted; the limit aside.
    pub fn is_narrowed(&self) -> bool {
        self.tables.is_some() || self.wants_rows_only()
    }

    /// Tells whether only rows are wanted, and neither the schema nor other changes of the file.
    pub fn wants_rows_only(&self) -> bool {
        self.condition.is_some() || self.kinds != RowKinds::ALL
    }

    /// Tells whether a table is wanted.
    pub fn wants(&self, table: &str) -> bool {
        self.tables.as_ref().is_none_or(|pattern| pattern.matches(table))
    }
}
