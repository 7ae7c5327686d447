//! The rows of one table that differ: paired by where they lie, then by the identity asked for.

use std::ops::ControlFlow;

use super::changed::Roots;
use super::cursor::Place;
use super::mapping::{Mapping, RowPair};
use super::matcher::{Matcher, Of};
use super::renames::defined_alike;
use super::side::{Side, quoted};
use super::table::{Table, TableKind};
use super::walk::Walk;
use super::{Diff, DiffError, Identity, TablePair};
use crate::model::{RowChange, RowCounts, RowIdentity, Value};

/// The columns of a new table, as far as they are read from the old one.
pub(in crate::sqlite) struct KeptColumns {
    /// Those that both have, by their old and their new names.
    pub common: Vec<(String, String)>,
    /// Those that only the new one has, and what old rows hold there.
    pub added: Vec<(String, Value)>,
}

/// How the rows of a table are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableChanges {
    /// The table; its new name if it was renamed.
    pub name: String,
    /// The name that it had, if it was renamed.
    pub renamed_from: Option<String>,
    /// By what its rows are paired.
    pub identity: RowIdentity,
    /// The columns of the key: those declared, `rowid`, or none.
    pub key: Vec<String>,
    /// The old columns; `None` if the table is new.
    pub old_columns: Option<Vec<String>>,
    /// The new columns; `None` if the table is gone.
    pub new_columns: Option<Vec<String>>,
}

impl Diff {
    /// Finds out how the rows of a table are paired.
    pub fn table_changes(&self, pair: &TablePair) -> Result<TableChanges, DiffError> {
        let table = pair.any();
        let identity = self.identity(pair)?;
        Ok(TableChanges {
            name: pair.name.clone(),
            renamed_from: pair.renamed_from().map(str::to_owned),
            identity,
            key: match identity {
                RowIdentity::Key => table.key.clone(),
                RowIdentity::Rowid => vec!["rowid".into()],
                RowIdentity::Bag => Vec::new(),
            },
            old_columns: pair.old.as_ref().map(Table::column_names),
            new_columns: pair.new.as_ref().map(Table::column_names),
        })
    }

    /// Hands the rows that differ to `sink`, which may stop early.
    ///
    /// They come in the order of the identity's key, as far as the two states agree about it. Memory is bounded. Only
    /// for tables whose rows are compared ([`super::Compared::Rows`]).
    pub fn rows(&self, pair: &TablePair, sink: &mut dyn FnMut(RowChange) -> ControlFlow<()>) -> Result<(), DiffError> {
        self.row_pairs(pair, &mut |row| sink(row.change()))
    }

    /// As [`Diff::rows`], with all values of every row.
    pub fn row_pairs(
        &self,
        pair: &TablePair,
        sink: &mut dyn FnMut(&RowPair<'_>) -> ControlFlow<()>,
    ) -> Result<(), DiffError> {
        if pair.same_sql() && self.surely_same(pair)? {
            return Ok(());
        }
        let identity = self.identity(pair)?;
        let mapping = Mapping::of(pair);
        // Rows of tables with different columns are never equal in a bag.
        let by_pages = identity != RowIdentity::Bag || mapping.same_columns;
        let walk = Walk { diff: self, pair, mapping: &mapping, place: self.place(pair), by_pages };
        if self.is_direct(pair, identity) {
            return walk.direct(identity, sink);
        }
        let matcher = Matcher::new().map_err(DiffError::Sqlite)?;
        walk.gather(identity, &mut matcher.adding().map_err(DiffError::Sqlite)?)?;
        match identity {
            RowIdentity::Bag => matcher.as_bag(&mapping, sink),
            _ => matcher.by_key(&mapping, sink),
        }
    }

    /// Counts the rows of a table that are new, gone and changed.
    pub fn count_rows(&self, pair: &TablePair) -> Result<RowCounts, DiffError> {
        if pair.same_sql() && self.surely_same(pair)? {
            return Ok(RowCounts::default());
        }
        let identity = self.identity(pair)?;
        if self.is_direct(pair, identity) {
            let mapping = Mapping::of(pair);
            return Walk { diff: self, pair, mapping: &mapping, place: self.place(pair), by_pages: true }.count();
        }
        let mut counts = RowCounts::default();
        self.row_pairs(pair, &mut |row| {
            counts.add(row.op(), row.count);
            ControlFlow::Continue(())
        })?;
        Ok(counts)
    }

    /// Tells whether rows are paired by where they lie.
    fn is_direct(&self, pair: &TablePair, identity: RowIdentity) -> bool {
        match identity {
            RowIdentity::Rowid => true,
            RowIdentity::Bag => false,
            RowIdentity::Key => self.place(pair) == Some(Place::Key) || pair.any().rowid_column.is_some(),
        }
    }

    /// Tells whether the pages show that no row of a table differs; `false` means nothing.
    pub fn surely_same(&self, pair: &TablePair) -> Result<bool, DiffError> {
        let Some(changed) = &self.changed else { return Ok(false) };
        match pair.same_kind() {
            Some(TableKind::Rowid) => Ok(match pair.table_roots() {
                Some(roots) => changed.leaves(roots)?.is_some_and(|leaves| leaves.is_empty()),
                None => false,
            }),
            Some(TableKind::WithoutRowid) => match pair.roots() {
                Some(roots) => changed.is_same_index(roots),
                None => Ok(false),
            },
            Some(TableKind::Virtual) => {
                // Its content lies in tables called like it.
                let prefix = format!("{}_", pair.name.to_ascii_lowercase());
                let mut own = self
                    .tables
                    .iter()
                    .filter(|t| {
                        let shadow = t.both().any(|(_, table)| table.shadow);
                        shadow && t.name.to_ascii_lowercase().starts_with(&prefix)
                    })
                    .peekable();
                if own.peek().is_none() {
                    return Ok(false);
                }
                for table in own {
                    if !self.surely_same(table)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn identity(&self, pair: &TablePair) -> Result<RowIdentity, DiffError> {
        let table = pair.any();
        if let (Some(a), Some(b)) = (pair.old_renamed(), &pair.new)
            && (a.kind, &a.key, &a.rowid_column) != (b.kind, &b.key, &b.rowid_column)
        {
            return Ok(RowIdentity::Bag);
        }
        let has_rowid = pair.both().all(|(_, t)| t.rowid_name.is_some());
        Ok(match (table.kind, self.options.identity) {
            (TableKind::Virtual, _) => RowIdentity::Rowid,
            (TableKind::WithoutRowid, _) => RowIdentity::Key,
            (TableKind::Rowid, Identity::Rowid) if has_rowid => match table.rowid_column {
                Some(_) => RowIdentity::Key,
                None => RowIdentity::Rowid,
            },
            (TableKind::Rowid, mode) => {
                let usable = !table.key.is_empty() && !self.key_holds_null(pair)?;
                match mode {
                    _ if usable => RowIdentity::Key,
                    Identity::Auto if has_rowid => RowIdentity::Rowid,
                    _ => RowIdentity::Bag,
                }
            }
        })
    }

    pub(in crate::sqlite) fn key_holds_null(&self, pair: &TablePair) -> Result<bool, DiffError> {
        for (of, table) in pair.both() {
            let may_be_null: Vec<String> = (table.key_positions().into_iter().map(|i| &table.columns[i]))
                .filter(|c| !c.not_null)
                .map(|c| format!("{} IS NULL", quoted(&c.name)))
                .collect();
            if may_be_null.is_empty() || table.rowid_column.is_some() {
                continue;
            }
            let sql =
                format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {})", quoted(&table.name), may_be_null.join(" OR "));
            let side = self.side(of);
            if side.conn.query_row(&sql, [], |row| row.get(0)).map_err(|e| side.table_error(&table.name, e))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds out in what order both states can be read.
    pub(super) fn place(&self, pair: &TablePair) -> Option<Place> {
        if pair.both().all(|(_, t)| t.rowid_name.is_some()) {
            return Some(Place::Rowid);
        }
        let same_key = match (pair.old_renamed(), &pair.new) {
            (Some(a), Some(b)) => a.key == b.key,
            _ => true,
        };
        let keyed = pair.both().all(|(_, t)| t.kind == TableKind::WithoutRowid);
        (keyed && same_key && self.sorts_alike()).then_some(Place::Key)
    }

    /// Tells whether both states are in UTF-8: in UTF-16 SQLite sorts by other bytes than those that are compared here.
    pub(super) fn sorts_alike(&self) -> bool {
        [&self.old, &self.new].into_iter().all(|side| {
            side.empty
                || side.conn.query_row("PRAGMA encoding", [], |row| row.get(0)).is_ok_and(|e: String| e == "UTF-8")
        })
    }

    pub(super) fn side(&self, of: Of) -> &Side {
        match of {
            Of::Old => &self.old,
            Of::New => &self.new,
        }
    }
}

impl TablePair {
    /// Returns the new table alone, as if the old state had none; `None` if it holds no rows of its own.
    pub(in crate::sqlite) fn as_created(&self) -> Option<Self> {
        let new = self.new.clone().filter(|t| t.has_content)?;
        Some(Self { name: self.name.clone(), old: None, new: Some(new), aligned: None, compared: self.compared })
    }

    /// Returns the name that the table had, if it is another.
    pub fn renamed_from(&self) -> Option<&str> {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if old.name != new.name => Some(&old.name),
            _ => None,
        }
    }

    /// Tells whether the table is or was called so, whatever the case.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.renamed_from().is_some_and(|from| from.eq_ignore_ascii_case(name))
    }

    /// Returns a renamed table as one that is gone and one that is new, any other as it is.
    pub(super) fn by_name(&self) -> Vec<Self> {
        let copy = |name: &String, old: &Option<Table>, new: &Option<Table>, aligned| Self {
            name: name.clone(),
            old: old.clone(),
            new: new.clone(),
            aligned,
            compared: self.compared,
        };
        match (self.renamed_from(), &self.old, &self.new) {
            (Some(_), Some(old), Some(new)) => {
                vec![copy(&old.name, &self.old, &None, None), copy(&new.name, &None, &self.new, None)]
            }
            _ => vec![copy(&self.name, &self.old, &self.new, self.aligned.clone())],
        }
    }

    /// Returns the old table with the names that its columns have now.
    pub(in crate::sqlite) fn old_renamed(&self) -> Option<&Table> {
        self.aligned.as_ref().or(self.old.as_ref())
    }

    /// Returns which columns both tables have and which only the new one.
    pub(in crate::sqlite) fn columns_kept(&self) -> KeptColumns {
        let mapping = Mapping::of(self);
        let name = |i: usize| self.any().columns[i].name.clone();
        let old_name = |i: usize| self.old.as_ref().map_or_else(String::new, |old| old.columns[i].name.clone());
        KeptColumns {
            common: mapping.common.iter().map(|(i, j)| (old_name(*i), name(*j))).collect(),
            added: mapping.added.into_iter().map(|(i, value)| (name(i), value)).collect(),
        }
    }

    pub(super) fn any(&self) -> &Table {
        self.new.as_ref().or(self.old.as_ref()).expect("a pair has at least one table")
    }

    pub(super) fn same_sql(&self) -> bool {
        matches!((&self.old, &self.new), (Some(a), Some(b)) if a.sql == b.sql)
    }

    /// Returns the kind of a table whose records both states read alike: then equal bytes mean equal values.
    fn same_kind(&self) -> Option<TableKind> {
        match (self.old_renamed(), &self.new) {
            // A column that is gone is no change of rows either.
            (Some(a), Some(b)) if a.reads_like(b) || b.reads_like(a) => Some(a.kind),
            _ => None,
        }
    }

    /// Returns the roots of a table whose pages can be compared, if its columns were renamed in their places.
    pub(super) fn possible_roots(&self) -> Option<Roots> {
        match (&self.old, &self.new) {
            (Some(a), Some(b)) if a.kind == TableKind::Rowid && defined_alike(a, b) => self.roots(),
            _ => self.table_roots(),
        }
    }

    fn roots(&self) -> Option<Roots> {
        let (old, new) = (self.old.as_ref()?.root, self.new.as_ref()?.root);
        (old > 1 && new > 1).then_some(Roots { old, new })
    }

    /// Returns the roots of a table with rowids whose pages can be compared.
    pub(super) fn table_roots(&self) -> Option<Roots> {
        self.same_kind().filter(|k| *k == TableKind::Rowid).and_then(|_| self.roots())
    }

    /// Returns the roots of a WITHOUT ROWID table whose pages can be compared.
    pub(super) fn key_roots(&self) -> Option<Roots> {
        self.same_kind().filter(|k| *k == TableKind::WithoutRowid).and_then(|_| self.roots())
    }

    pub(super) fn both(&self) -> impl Iterator<Item = (Of, &Table)> {
        self.old.iter().map(|t| (Of::Old, t)).chain(self.new.iter().map(|t| (Of::New, t)))
    }
}
