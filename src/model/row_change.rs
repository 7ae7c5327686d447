//! What differs between two states of a database, in rows and schema objects.

use std::ops::AddAssign;

/// A value as SQLite stores it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL; never NaN.
    Real(f64),
    /// TEXT, in UTF-8 whatever the database's encoding; may hold NUL and need not be valid.
    Text(Vec<u8>),
    /// BLOB.
    Blob(Vec<u8>),
}

impl Value {
    /// Tells whether the two are the same by storage class and bytes: `1` is not `1.0`, `0.0` is not `-0.0`.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        }
    }
}

/// By what the rows of a table are paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowIdentity {
    /// By the declared key: exactly, whatever its collation.
    Key,
    /// By rowid.
    Rowid,
    /// Not at all: equal rows are counted, and there are no updates.
    Bag,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOp {
    /// It is only in the new state.
    Insert,
    /// It is only in the old state.
    Delete,
    /// Some of its cells differ.
    Update,
}

impl RowOp {
    /// Returns `insert`, `delete` or `update`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Delete => "delete",
            Self::Update => "update",
        }
    }
}

/// How many rows differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Inserted rows.
    pub inserted: u64,
    /// Deleted rows.
    pub deleted: u64,
    /// Updated rows.
    pub updated: u64,
}

impl RowCounts {
    /// Counts `count` more rows to which `op` happened.
    pub fn add(&mut self, op: RowOp, count: u64) {
        match op {
            RowOp::Insert => self.inserted += count,
            RowOp::Delete => self.deleted += count,
            RowOp::Update => self.updated += count,
        }
    }

    /// Returns how many rows differ in all.
    pub fn total(self) -> u64 {
        self.inserted + self.deleted + self.updated
    }
}

impl AddAssign for RowCounts {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.deleted += other.deleted;
        self.updated += other.updated;
    }
}

/// One difference between the rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// The row is only in the new state.
    Insert {
        /// The values it is known by, none in a bag.
        key: Vec<Value>,
        /// All values, in the order of the new columns.
        row: Vec<Value>,
        /// How many more such rows there are; 1 except in a bag.
        count: u64,
    },
    /// The row is only in the old state.
    Delete {
        /// The values it is known by, none in a bag.
        key: Vec<Value>,
        /// All values, in the order of the old columns.
        row: Vec<Value>,
        /// How many fewer such rows there are; 1 except in a bag.
        count: u64,
    },
    /// Some cells of the row differ.
    Update {
        /// The values it is known by.
        key: Vec<Value>,
        /// The cells that differ, in the order of the new columns.
        cells: Vec<CellChange>,
    },
}

impl RowChange {
    /// Returns what happened to the row.
    pub fn op(&self) -> RowOp {
        match self {
            Self::Insert { .. } => RowOp::Insert,
            Self::Delete { .. } => RowOp::Delete,
            Self::Update { .. } => RowOp::Update,
        }
    }

    /// Returns the values that the row is known by.
    pub fn key(&self) -> &[Value] {
        match self {
            Self::Insert { key, .. } | Self::Delete { key, .. } | Self::Update { key, .. } => key,
        }
    }
}

/// One cell that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct CellChange {
    /// Position among the new columns.
    pub column: usize,
    /// The old value; `None` if the old table has no such column.
    pub old: Option<Value>,
    /// The new value.
    pub new: Value,
}

/// One object of the schema that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChange {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name; the new one if it was renamed.
    pub name: String,
    /// The name that it had, if it was renamed.
    pub renamed_from: Option<String>,
    /// The definition differs in nothing but names that were given to tables and columns.
    pub follows_renames: bool,
    /// The table that it belongs to.
    pub table: String,
    /// Its old definition; `None` if it is new.
    pub old_sql: Option<String>,
    /// Its new definition; `None` if it is gone.
    pub new_sql: Option<String>,
    /// Which columns of a table changed.
    pub columns: Vec<ColumnChange>,
}

/// One column of a table that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnChange {
    /// New.
    Added(String),
    /// Gone.
    Dropped(String),
    /// The same column under another name.
    Renamed {
        /// Its old name.
        from: String,
        /// Its new name.
        to: String,
    },
    /// The type, a default or a constraint differs.
    Altered(String),
}

/// One setting of the database that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingChange {
    /// The name of the pragma: `user_version`, `application_id`, `encoding`, `page_size`, `auto_vacuum`.
    pub name: &'static str,
    /// The old value.
    pub old: Value,
    /// The new value.
    pub new: Value,
}

/// One counter of `sqlite_sequence` (AUTOINCREMENT) that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceChange {
    /// The name of its table; any value, as the table may be written by anybody.
    pub name: Value,
    /// The old value; `None` if there was no counter.
    pub old: Option<Value>,
    /// The new value; `None` if there is none any more.
    pub new: Option<Value>,
}
