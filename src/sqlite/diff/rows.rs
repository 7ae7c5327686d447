//! The rows of one table that differ: paired by where they lie, then by the identity asked for.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use rusqlite::{Connection, Rows, Statement};

use super::changed::Roots;
use super::matcher::{Adding, Matcher, Of, Sink};
use super::side::{Side, quoted, set, value};
use super::table::{Table, TableKind};
use super::{Diff, DiffError, Identity, TablePair};
use crate::model::{CellChange, RowChange, RowIdentity, Value};
use crate::util::interrupt;

/// Columns asked for in one statement; SQLite returns 2000 at most.
const COLUMNS_AT_ONCE: usize = 1500;

/// How the rows of a table are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableChanges {
    /// The table.
    pub name: String,
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
        if self.surely_same(pair)? {
            return Ok(());
        }
        let identity = self.identity(pair)?;
        let mapping = self.mapping(pair)?;
        let place = self.place(pair);
        let direct = match identity {
            RowIdentity::Rowid => true,
            RowIdentity::Bag => false,
            RowIdentity::Key => place == Some(Place::Key) || pair.any().rowid_column.is_some(),
        };
        let mut walk = Walk { diff: self, pair, mapping: &mapping, place };
        if direct {
            return walk.direct(identity, sink);
        }
        let matcher = Matcher::new().map_err(DiffError::Sqlite)?;
        walk.gather(identity, &mut matcher.adding().map_err(DiffError::Sqlite)?)?;
        match identity {
            RowIdentity::Bag if !mapping.same_columns => matcher.as_bag(&mut |change| sink(without_mark(change))),
            RowIdentity::Bag => matcher.as_bag(sink),
            _ => matcher.by_key(&mapping, sink),
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
        if let (Some(a), Some(b)) = (&pair.old, &pair.new)
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

    fn key_holds_null(&self, pair: &TablePair) -> Result<bool, DiffError> {
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
    fn place(&self, pair: &TablePair) -> Option<Place> {
        if pair.both().all(|(_, t)| t.rowid_name.is_some()) {
            return Some(Place::Rowid);
        }
        // In UTF-16 SQLite sorts by other bytes than those that are compared here.
        let sorts_alike = [&self.old, &self.new].into_iter().all(|side| {
            side.empty
                || side.conn.query_row("PRAGMA encoding", [], |row| row.get(0)).is_ok_and(|e: String| e == "UTF-8")
        });
        let same_key = match (&pair.old, &pair.new) {
            (Some(a), Some(b)) => a.key == b.key,
            _ => true,
        };
        let keyed = pair.both().all(|(_, t)| t.kind == TableKind::WithoutRowid);
        (keyed && same_key && sorts_alike).then_some(Place::Key)
    }

    fn mapping(&self, pair: &TablePair) -> Result<Mapping, DiffError> {
        let mut mapping = Mapping { common: Vec::new(), added: Vec::new(), same_columns: true };
        let (Some(old), Some(new)) = (&pair.old, &pair.new) else { return Ok(mapping) };
        for (i, column) in new.columns.iter().enumerate() {
            match old.position(&column.name) {
                Some(j) => mapping.common.push((j, i)),
                None => mapping.added.push((i, default_value(&column.decl_type, column.default.as_deref()))),
            }
        }
        mapping.same_columns = old.columns.len() == new.columns.len() && mapping.common.iter().all(|(i, j)| i == j);
        mapping.same_columns &= mapping.added.is_empty();
        Ok(mapping)
    }

    pub(super) fn side(&self, of: Of) -> &Side {
        match of {
            Of::Old => &self.old,
            Of::New => &self.new,
        }
    }
}

impl TablePair {
    fn any(&self) -> &Table {
        self.new.as_ref().or(self.old.as_ref()).expect("a pair has at least one table")
    }

    /// Returns the kind of a table that both states define alike: then equal bytes mean equal values.
    fn same_kind(&self) -> Option<TableKind> {
        match (&self.old, &self.new) {
            (Some(a), Some(b)) if a.sql == b.sql && a.kind == b.kind => Some(a.kind),
            _ => None,
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

    fn both(&self) -> impl Iterator<Item = (Of, &Table)> {
        self.old.iter().map(|t| (Of::Old, t)).chain(self.new.iter().map(|t| (Of::New, t)))
    }
}

/// In what order both states of a table are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Rowid,
    /// The key of a WITHOUT ROWID table, compared by bytes.
    Key,
}

/// Which old column is which new one.
pub(super) struct Mapping {
    /// Positions of a column in the old and in the new table.
    common: Vec<(usize, usize)>,
    /// Positions of columns that the old table has not, and what old rows hold there.
    added: Vec<(usize, Value)>,
    /// The names are the same, in the same order.
    same_columns: bool,
}

impl Mapping {
    /// Returns the cells in which two rows differ; an added column that holds its default does not.
    fn cells(&self, old: &[Value], new: &[Value]) -> Vec<CellChange> {
        let common = (self.common.iter()).filter(|(i, j)| !old[*i].is_same(&new[*j])).map(|(i, j)| CellChange {
            column: *j,
            old: Some(old[*i].clone()),
            new: new[*j].clone(),
        });
        let added = (self.added.iter()).filter(|(j, default)| !default.is_same(&new[*j])).map(|(j, _)| CellChange {
            column: *j,
            old: None,
            new: new[*j].clone(),
        });
        let mut cells: Vec<CellChange> = common.chain(added).collect();
        cells.sort_by_key(|c| c.column);
        cells
    }

    /// Returns the change of a row that both states have; `None` if nothing differs.
    pub(super) fn update(&self, key: Vec<Value>, old: &[Value], new: &[Value]) -> Option<RowChange> {
        let cells = self.cells(old, new);
        (!cells.is_empty()).then_some(RowChange::Update { key, cells })
    }

    fn equal(&self, old: &[Value], new: &[Value]) -> bool {
        self.common.iter().all(|(i, j)| old[*i].is_same(&new[*j]))
            && self.added.iter().all(|(j, default)| default.is_same(&new[*j]))
    }
}

/// One walk over both states of a table.
struct Walk<'d> {
    diff: &'d Diff,
    pair: &'d TablePair,
    mapping: &'d Mapping,
    place: Option<Place>,
}

impl Walk<'_> {
    /// Hands out what differs where the rows' place is their identity.
    fn direct(&mut self, identity: RowIdentity, sink: &mut Sink<'_>) -> Result<(), DiffError> {
        let (old_key, new_key) = (self.key_of(Of::Old, identity), self.key_of(Of::New, identity));
        let mapping = self.mapping;
        self.merge(&mut |old, new| {
            let change = match (old, new) {
                (Some(a), Some(b)) if mapping.equal(a.values, b.values) => None,
                (Some(a), Some(b)) => mapping.update(new_key.of(b), a.values, b.values),
                (Some(a), None) => Some(RowChange::Delete { key: old_key.of(a), row: a.values.to_vec(), count: 1 }),
                (None, Some(b)) => Some(RowChange::Insert { key: new_key.of(b), row: b.values.to_vec(), count: 1 }),
                (None, None) => None,
            };
            Ok(change.map_or(ControlFlow::Continue(()), &mut *sink))
        })
    }

    /// Gathers the rows that differ in their place, to be paired by another identity.
    fn gather(&mut self, identity: RowIdentity, to: &mut Adding<'_>) -> Result<(), DiffError> {
        let (old_key, new_key) = (self.key_of(Of::Old, identity), self.key_of(Of::New, identity));
        let mapping = self.mapping;
        let mut put = |of: Of, row: At<'_>| match identity {
            RowIdentity::Bag if mapping.same_columns => to.whole(of, row.values),
            RowIdentity::Bag => to.whole(of, &with_mark(of, row.values)),
            _ => {
                let key = if of == Of::Old { &old_key } else { &new_key };
                to.keyed(of, &key.of(row), row.values)
            }
        };
        self.merge(&mut |old, new| {
            if let (Some(a), Some(b)) = (old, new)
                && (mapping.same_columns || identity != RowIdentity::Bag)
                && mapping.equal(a.values, b.values)
                && same(&old_key.of(a), &new_key.of(b))
            {
                return Ok(ControlFlow::Continue(()));
            }
            old.map_or(Ok(()), |row| put(Of::Old, row))?;
            new.map_or(Ok(()), |row| put(Of::New, row))?;
            Ok(ControlFlow::Continue(()))
        })
    }

    fn key_of(&self, of: Of, identity: RowIdentity) -> KeyOf {
        let table = if of == Of::Old { self.pair.old.as_ref() } else { self.pair.new.as_ref() };
        match (identity, table) {
            (RowIdentity::Rowid, _) => KeyOf::Rowid,
            (RowIdentity::Key, Some(table)) => KeyOf::Columns(table.key_positions()),
            _ => KeyOf::Columns(Vec::new()),
        }
    }

    /// Finds the rows that differ in their place: by the pages, or by reading both states in full.
    fn merge(&mut self, on: &mut On<'_>) -> Result<(), DiffError> {
        if self.place == Some(Place::Rowid)
            && let (Some(changed), Some(roots)) = (&self.diff.changed, self.pair.table_roots())
            && let Some(leaves) = changed.leaves(roots)?
        {
            let (Some(old), Some(new)) = (&self.pair.old, &self.pair.new) else { return Ok(()) };
            let (old, new) = (self.lookup(Of::Old, old)?, self.lookup(Of::New, new)?);
            let (mut old, mut new) = (old, new);
            return changed.suspects(leaves, &mut |rowid, in_old, in_new| {
                let old = if in_old { old.find(rowid)? } else { None };
                let new = if in_new { new.find(rowid)? } else { None };
                on(old, new)
            });
        }
        self.merge_all(on)
    }

    /// Prepares to read single rows.
    fn lookup<'w>(&'w self, of: Of, table: &'w Table) -> Result<Lookup<'w>, DiffError> {
        let columns: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
        let rowid = table.rowid_name.as_deref().expect("rowids were seen to have a name");
        let side = self.diff.side(of);
        let parts = (columns.chunks(COLUMNS_AT_ONCE))
            .map(|part| {
                let sql =
                    format!("SELECT {} FROM {} NOT INDEXED WHERE {rowid} = ?1", part.join(", "), quoted(&table.name));
                side.conn.prepare(&sql).map_err(|e| side.table_error(&table.name, e))
            })
            .collect::<Result<_, _>>()?;
        let row = vec![Value::Null; columns.len()];
        Ok(Lookup { side, table, parts, row, rowid: Value::Null })
    }

    /// Reads both states, side by side where their order allows it.
    fn merge_all(&mut self, on: &mut On<'_>) -> Result<(), DiffError> {
        let mut statements = Vec::new();
        for (of, table) in self.pair.both() {
            statements.push((of, table, self.prepare(of, table)?));
        }
        let mut cursors = Vec::new();
        for (of, table, parts) in &mut statements {
            let side = self.diff.side(*of);
            let key = if self.place == Some(Place::Key) { table.key_positions() } else { Vec::new() };
            let mut cursor = Cursor {
                side,
                table,
                parts: Vec::new(),
                row: vec![Value::Null; table.columns.len()],
                rowid: Value::Null,
                has_rowid: self.place == Some(Place::Rowid),
                key,
                at_row: false,
            };
            for part in parts {
                cursor.parts.push(part.query([]).map_err(|e| side.table_error(&table.name, e))?);
            }
            cursor.advance()?;
            cursors.push((*of, cursor));
        }
        match (&mut cursors[..], self.place) {
            ([(_, old), (_, new)], Some(place)) => merge_sorted(old, new, place, on),
            (one_by_one, _) => {
                for (of, cursor) in one_by_one {
                    while cursor.at_row {
                        let flow =
                            if *of == Of::Old { on(Some(cursor.at()), None)? } else { on(None, Some(cursor.at()))? };
                        if flow.is_break() {
                            return Ok(());
                        }
                        cursor.advance()?;
                    }
                }
                Ok(())
            }
        }
    }

    fn prepare(&self, of: Of, table: &Table) -> Result<Vec<Statement<'_>>, DiffError> {
        let mut columns: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
        let order = match self.place {
            Some(Place::Rowid) => {
                let rowid = table.rowid_name.clone().expect("rowids were seen to have a name");
                columns.insert(0, rowid.clone());
                format!(" ORDER BY {rowid}")
            }
            Some(Place::Key) => {
                let terms: Vec<String> = table.key.iter().map(|k| format!("{} COLLATE BINARY", quoted(k))).collect();
                format!(" ORDER BY {}", terms.join(", "))
            }
            None => String::new(),
        };
        // An index may be sorted by a collation that only the application has.
        let not_indexed = if table.kind == TableKind::Virtual { "" } else { " NOT INDEXED" };
        let side = self.diff.side(of);
        (columns.chunks(COLUMNS_AT_ONCE))
            .map(|part| {
                let sql = format!("SELECT {} FROM {}{not_indexed}{order}", part.join(", "), quoted(&table.name));
                side.conn.prepare(&sql).map_err(|e| side.table_error(&table.name, e))
            })
            .collect()
    }
}

/// What a walk calls with a row of the old state, of the new one, or with two that lie in the same place.
type On<'a> = dyn FnMut(Option<At<'_>>, Option<At<'_>>) -> Result<ControlFlow<()>, DiffError> + 'a;

/// A row under a cursor.
#[derive(Clone, Copy)]
struct At<'r> {
    rowid: &'r Value,
    values: &'r [Value],
}

/// Where a row's key is found.
enum KeyOf {
    Rowid,
    Columns(Vec<usize>),
}

impl KeyOf {
    fn of(&self, row: At<'_>) -> Vec<Value> {
        match self {
            Self::Rowid => vec![row.rowid.clone()],
            Self::Columns(columns) => columns.iter().map(|i| row.values[*i].clone()).collect(),
        }
    }
}

fn merge_sorted(
    old: &mut Cursor<'_, '_>,
    new: &mut Cursor<'_, '_>,
    place: Place,
    on: &mut On<'_>,
) -> Result<(), DiffError> {
    loop {
        let order = match (old.at_row, new.at_row) {
            (false, false) => return Ok(()),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) => match place {
                Place::Rowid => compare(&old.rowid, &new.rowid),
                Place::Key => (old.key.iter().zip(&new.key))
                    .map(|(i, j)| compare(&old.row[*i], &new.row[*j]))
                    .find(|o| o.is_ne())
                    .unwrap_or(Ordering::Equal),
            },
        };
        // Equal in order need not be the same: 1 and 1.0 lie in the same place.
        let same_key = place == Place::Rowid
            || order.is_eq() && old.key.iter().zip(&new.key).all(|(i, j)| old.row[*i].is_same(&new.row[*j]));
        let flow = match order {
            Ordering::Less => on(Some(old.at()), None)?,
            Ordering::Greater => on(None, Some(new.at()))?,
            Ordering::Equal if same_key => on(Some(old.at()), Some(new.at()))?,
            Ordering::Equal => match on(Some(old.at()), None)? {
                ControlFlow::Continue(()) => on(None, Some(new.at()))?,
                stop => stop,
            },
        };
        if flow.is_break() {
            return Ok(());
        }
        if order.is_le() {
            old.advance()?;
        }
        if order.is_ge() {
            new.advance()?;
        }
    }
}

/// The rows of one state, one at a time.
struct Cursor<'s, 'd> {
    side: &'d Side,
    table: &'d Table,
    parts: Vec<Rows<'s>>,
    row: Vec<Value>,
    rowid: Value,
    has_rowid: bool,
    key: Vec<usize>,
    at_row: bool,
}

impl Cursor<'_, '_> {
    fn at(&self) -> At<'_> {
        At { rowid: &self.rowid, values: &self.row }
    }

    fn advance(&mut self) -> Result<(), DiffError> {
        interrupt::check()?;
        self.at_row = self.read().map_err(|e| self.side.table_error(&self.table.name, e))?;
        Ok(())
    }

    fn read(&mut self) -> rusqlite::Result<bool> {
        let rowid = self.has_rowid.then_some(&mut self.rowid);
        let mut targets = rowid.into_iter().chain(&mut self.row);
        for part in &mut self.parts {
            let Some(row) = part.next()? else { return Ok(false) };
            for (i, target) in targets.by_ref().take(row.as_ref().column_count()).enumerate() {
                set(target, row.get_ref(i)?);
            }
        }
        Ok(true)
    }
}

/// Reads single rows of one state.
struct Lookup<'s> {
    side: &'s Side,
    table: &'s Table,
    parts: Vec<Statement<'s>>,
    row: Vec<Value>,
    rowid: Value,
}

impl Lookup<'_> {
    fn find(&mut self, rowid: i64) -> Result<Option<At<'_>>, DiffError> {
        let found = self.read(rowid).map_err(|e| self.side.table_error(&self.table.name, e))?;
        Ok(found.then_some(At { rowid: &self.rowid, values: &self.row }))
    }

    fn read(&mut self, rowid: i64) -> rusqlite::Result<bool> {
        self.rowid = Value::Integer(rowid);
        let mut targets = self.row.iter_mut();
        for part in &mut self.parts {
            let columns = part.column_count();
            let mut rows = part.query([rowid])?;
            let Some(row) = rows.next()? else { return Ok(false) };
            for (i, target) in targets.by_ref().take(columns).enumerate() {
                set(target, row.get_ref(i)?);
            }
        }
        Ok(true)
    }
}

/// Compares as SQLite sorts with the BINARY collation: NULL, numbers by size, text, blobs.
fn compare(a: &Value, b: &Value) -> Ordering {
    let class = |v: &Value| match v {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    };
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (Value::Integer(a), Value::Real(b)) => compare_mixed(*a, *b),
        (Value::Real(a), Value::Integer(b)) => compare_mixed(*b, *a).reverse(),
        (Value::Text(a), Value::Text(b)) | (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        (a, b) => class(a).cmp(&class(b)),
    }
}

fn compare_mixed(int: i64, real: f64) -> Ordering {
    if real >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if real < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    let whole = real.trunc();
    int.cmp(&(whole as i64)).then(0.0.partial_cmp(&(real - whole)).unwrap_or(Ordering::Equal))
}

fn same(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b))
}

/// Keeps rows of tables with different columns from being counted as equal.
fn with_mark(of: Of, row: &[Value]) -> Vec<Value> {
    let mark = Value::Integer(i64::from(of == Of::New));
    std::iter::once(mark).chain(row.iter().cloned()).collect()
}

fn without_mark(mut change: RowChange) -> RowChange {
    if let RowChange::Insert { row, .. } | RowChange::Delete { row, .. } = &mut change {
        row.remove(0);
    }
    change
}

/// Finds out what rows that are older than a column hold there.
fn default_value(decl_type: &str, default: Option<&str>) -> Value {
    let Some(default) = default else { return Value::Null };
    let decl_type = if decl_type.is_empty() { String::new() } else { quoted(decl_type) };
    let evaluate = || -> rusqlite::Result<Value> {
        let scratch = Connection::open_in_memory()?;
        scratch.execute_batch(&format!(
            "CREATE TABLE t (k, c {decl_type} DEFAULT ({default})); INSERT INTO t (k) VALUES (1)"
        ))?;
        scratch.query_row("SELECT c FROM t", [], |row| Ok(value(row.get_ref(0)?)))
    };
    // A default that only the application can evaluate was never given to an existing row by SQLite.
    evaluate().unwrap_or(Value::Null)
}
