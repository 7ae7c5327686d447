//! What is done to each table, and which other objects of the schema go and come.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use rusqlite::Connection;

use super::ScriptError;
use super::counters::Counter;
use super::definition::creation;
use super::expected::{Expectations, What};
use super::literal::Literals;
use crate::model::{RowIdentity, Value};
use crate::sqlite::diff::side::{quoted, value};
use crate::sqlite::diff::{Column, Compared, Diff, DiffError, Selected, Selection, TableKind, TablePair};
use crate::sqlite::error::message;

/// What is done to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing.
    Same,
    /// Rows change.
    Rows,
    /// It is made anew around the rows that stay.
    Alter,
    /// It is made anew with all of its rows, as there is no way to name single ones.
    Replace,
    /// It is made.
    Create,
    /// It goes.
    Drop,
    /// It cannot be read.
    Unreadable,
}

impl Plan {
    /// Tells whether its indexes go with the table and must be made again.
    pub fn makes_anew(self) -> bool {
        matches!(self, Self::Alter | Self::Replace | Self::Create | Self::Drop)
    }
}

impl Plan {
    /// Tells whether a table that is made anew may then hold less than it did, whatever rows it has.
    pub fn loses(self, pair: &TablePair) -> bool {
        let (Some(old), Some(new)) = (&pair.old, &pair.new) else { return self == Self::Drop };
        let stays = |c: &Column| new.columns.iter().any(|n| (&n.name, &n.decl_type) == (&c.name, &c.decl_type));
        let same_keys = (old.kind, &old.key, &old.rowid_column) == (new.kind, &new.key, &new.rowid_column);
        match self {
            Self::Replace => true,
            Self::Alter => !same_keys || !old.columns.iter().all(stays),
            _ => false,
        }
    }
}

/// A table and what is done to it.
pub(super) struct Planned<'d> {
    pub pair: &'d TablePair,
    pub plan: Plan,
    /// It is an index over the content of another table, which is to be made again.
    pub rebuild: bool,
}

/// Decides for all wanted tables.
pub(super) fn of_tables<'d>(selected: Selected<'_>, tables: &'d [TablePair]) -> Result<Vec<Planned<'d>>, ScriptError> {
    let Selected { diff, selection } = selected;
    let mut plans = Vec::new();
    for pair in tables.iter().filter(|t| selection.wants(&t.name)) {
        let both = || pair.old.iter().chain(&pair.new);
        let plan = match (&pair.old, &pair.new, pair.compared) {
            (.., Compared::Shadow) => Plan::Same,
            (.., Compared::Unreadable) => Plan::Unreadable,
            (None, ..) => Plan::Create,
            (_, None, _) => Plan::Drop,
            (Some(a), Some(b), Compared::NoContent) if a.sql == b.sql => Plan::Same,
            (Some(_), Some(_), Compared::NoContent) => Plan::Replace,
            (Some(a), Some(b), Compared::Rows) => {
                if a.sql == b.sql && diff.surely_same(pair)? {
                    Plan::Same
                } else {
                    let bag = diff.table_changes(pair)?.identity == RowIdentity::Bag;
                    let nameless = both().any(|t| t.rowid_name().is_none());
                    match a.sql == b.sql {
                        true if bag && nameless => Plan::Replace,
                        true => Plan::Rows,
                        false if bag || both().any(|t| t.kind == TableKind::Virtual) => Plan::Replace,
                        false => Plan::Alter,
                    }
                }
            }
        };
        let plan = if selection.wants_rows_only() { rows_only(plan, pair, selected)? } else { plan };
        let indexes_other = pair.new.as_ref().is_some_and(|t| t.indexes_other_content());
        let rebuild =
            indexes_other && is_complete(diff, &pair.name) && (plan != Plan::Same || !diff.surely_same(pair)?);
        plans.push(Planned { pair, plan, rebuild });
    }
    Ok(plans)
}

/// Decides for a table of which single rows are wanted.
fn rows_only(plan: Plan, pair: &TablePair, selected: Selected<'_>) -> Result<Plan, ScriptError> {
    let reason = match plan {
        Plan::Same | Plan::Rows | Plan::Unreadable => return Ok(plan),
        Plan::Create | Plan::Drop => "the table is only in one of the states",
        Plan::Alter => "its definition differs",
        Plan::Replace => "nothing but their values tells them apart",
    };
    match selected.any_row(pair)? {
        true => Err(ScriptError::Inexpressible { table: pair.name.clone(), reason }),
        false => Ok(Plan::Same),
    }
}

/// Tells whether the content that a full-text index is about is there; what lacks it cannot be made again.
fn is_complete(diff: &Diff, table: &str) -> bool {
    let sql = format!("SELECT * FROM {} LIMIT 1", quoted(table));
    match diff.connections().1.query_row(&sql, [], |_| Ok(())) {
        Ok(()) | Err(rusqlite::Error::QueryReturnedNoRows) => true,
        Err(_) => false,
    }
}

/// Tells whether rows of a table may be in each other's way by other columns than those they are known by.
pub(in crate::sqlite) fn has_unique_columns(
    diff: &Diff,
    pair: &TablePair,
    identity: RowIdentity,
) -> Result<bool, DiffError> {
    let Some(table) = pair.old.as_ref().filter(|t| t.kind != TableKind::Virtual) else { return Ok(true) };
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE \"unique\" AND NOT (?2 AND origin = 'pk'))";
    let by_key = identity == RowIdentity::Key;
    let asked = diff.connections().0.query_row(sql, (&table.name, by_key), |row| row.get(0));
    asked.map_err(|e| DiffError::Unreadable { table: table.name.clone(), detail: message(&e) })
}

/// An index, a view or a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

/// The objects of both schemas other than tables, and the counters of AUTOINCREMENT.
pub(super) struct Objects {
    old: Vec<Object>,
    new: Vec<Object>,
    old_sequences: Option<BTreeMap<String, (Value, Value)>>,
    new_sequences: Option<BTreeMap<String, (Value, Value)>>,
    autoincrement: Vec<String>,
    encodings: (String, String),
    /// The old state is a file without a byte.
    pub from_nothing: bool,
}

impl Objects {
    /// Reads both schemas; with `rows_only`, as if the new one were the old.
    pub fn read(diff: &Diff, rows_only: bool) -> Result<Self, DiffError> {
        let (old, new) = diff.connections();
        let encoding = |conn: &Connection| conn.query_row("PRAGMA encoding", [], |row| row.get(0));
        let read = || -> rusqlite::Result<Self> {
            Ok(Self {
                old: objects(old)?,
                new: objects(new)?,
                old_sequences: sequences(old)?,
                new_sequences: sequences(new)?,
                autoincrement: diff
                    .tables()
                    .iter()
                    .filter_map(|t| t.new.as_ref())
                    .filter(|t| t.sql.to_ascii_lowercase().contains("autoincrement"))
                    .map(|t| t.name.clone())
                    .collect(),
                encodings: (encoding(old)?, encoding(new)?),
                from_nothing: diff.is_old_empty(),
            })
        };
        let mut found = read().map_err(DiffError::Sqlite)?;
        let shadow = |table: &str| {
            diff.tables().iter().any(|t| t.compared == Compared::Shadow && t.name.eq_ignore_ascii_case(table))
        };
        found.old.retain(|o| !shadow(&o.table));
        found.new.retain(|o| !shadow(&o.table));
        if rows_only {
            found.new = found.old.clone();
            (found.old_sequences, found.new_sequences) = (None, None);
        }
        Ok(found)
    }

    /// Returns the encoding that the database has when the script has run.
    pub fn encoding(&self) -> String {
        if self.from_nothing { self.encodings.1.clone() } else { self.encodings.0.clone() }
    }

    fn changed<'o>(&self, of: &'o [Object], other: &[Object], object: &Object) -> Option<&'o Object> {
        of.iter().find(|o| *o == object).filter(|o| !other.contains(o))
    }

    /// Returns the triggers, views and indexes that go.
    fn going<'o>(&'o self, scope: &'o Scope<'_>) -> impl Iterator<Item = &'o Object> {
        let goes = move |o: &&Object| {
            let differs = self.changed(&self.old, &self.new, o).is_some();
            match o.kind.as_str() {
                // Triggers of a view go with it.
                "trigger" => {
                    (differs || (scope.touched)(&o.table)) && !self.is_changed_view(&self.old, &self.new, &o.table)
                }
                "view" => differs,
                _ => differs && !(scope.made_anew)(&o.table),
            }
        };
        let of_kind = move |kind| self.old.iter().filter(move |o| o.kind == kind && scope.selection.wants(&o.table));
        ["trigger", "view", "index"].into_iter().flat_map(of_kind).filter(goes)
    }

    /// Returns the indexes, views and triggers that come.
    fn coming<'o>(&'o self, scope: &'o Scope<'_>) -> impl Iterator<Item = &'o Object> {
        let comes = move |o: &&Object| {
            let differs = self.changed(&self.new, &self.old, o).is_some();
            match o.kind.as_str() {
                "trigger" => {
                    differs || (scope.touched)(&o.table) || self.is_changed_view(&self.new, &self.old, &o.table)
                }
                "view" => differs,
                _ => differs || (scope.made_anew)(&o.table),
            }
        };
        let of_kind = move |kind| self.new.iter().filter(move |o| o.kind == kind && scope.selection.wants(&o.table));
        ["index", "view", "trigger"].into_iter().flat_map(of_kind).filter(comes)
    }

    /// States what is expected of what goes, and of the names of what comes.
    pub fn expect(&self, scope: &Scope<'_>, expected: &mut Expectations<'_>) -> rusqlite::Result<()> {
        for o in self.going(scope) {
            expected.object(&o.kind, &o.name)?;
            if o.kind == "view" {
                expected.belongings(What::Belongings, &o.name)?;
            }
        }
        self.coming(scope).try_for_each(|o| expected.free(&o.name))
    }

    /// Writes what drops triggers, views and indexes.
    pub fn drops(&self, scope: &Scope<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.going(scope).try_for_each(|o| writeln!(out, "DROP {} {};", o.kind.to_ascii_uppercase(), quoted(&o.name)))
    }

    /// Writes what makes indexes, views and triggers.
    pub fn creates(&self, scope: &Scope<'_>, literals: &Literals, out: &mut dyn Write) -> io::Result<()> {
        self.coming(scope)
            .try_for_each(|o| out.write_all(creation(&o.kind, &o.name, &o.sql, &o.sql, literals).as_bytes()))
    }

    fn is_changed_view(&self, of: &[Object], other: &[Object], name: &str) -> bool {
        of.iter().any(|o| o.kind == "view" && o.name.eq_ignore_ascii_case(name) && !other.contains(o))
    }

    /// Returns the counters to set, and those to take away.
    pub fn counters(&self, scope: &Scope<'_>) -> Vec<Counter> {
        if self.old_sequences.is_none() && (self.new_sequences.is_none() || self.autoincrement.is_empty()) {
            return Vec::new();
        }
        let empty = BTreeMap::new();
        let (old, new) = (self.old_sequences.as_ref().unwrap_or(&empty), self.new_sequences.as_ref().unwrap_or(&empty));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).chain(&self.autoincrement).collect();
        let mut out = Vec::new();
        for name in names.into_iter().filter(|n| scope.selection.wants(n)) {
            let (a, b) = (old.get(name), new.get(name));
            let same = match (a, b) {
                (Some(a), Some(b)) => a.1.is_same(&b.1),
                (a, b) => a.is_none() && b.is_none(),
            };
            if !same || (scope.touched)(name) {
                let key = a.or(b).map_or_else(|| Value::Text(name.as_bytes().to_vec()), |(key, _)| key.clone());
                let seq = |of: Option<&(Value, Value)>| of.map(|(_, seq)| seq.clone());
                out.push(Counter { table: key, old: seq(a), new: seq(b) });
            }
        }
        out
    }

    /// Tells whether the old state has counters.
    pub fn had_counters(&self) -> bool {
        self.old_sequences.is_some()
    }
}

/// Which tables a script is about.
pub(super) struct Scope<'a> {
    pub selection: &'a Selection,
    pub touched: &'a dyn Fn(&str) -> bool,
    pub made_anew: &'a dyn Fn(&str) -> bool,
}

fn objects(conn: &Connection) -> rusqlite::Result<Vec<Object>> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema \
               WHERE type <> 'table' AND sql IS NOT NULL AND lower(substr(name, 1, 7)) <> 'sqlite_' ORDER BY rowid";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let text = |i| row.get_ref(i).map(|v| String::from_utf8_lossy(v.as_bytes().unwrap_or_default()).into_owned());
        Ok(Object { kind: text(0)?, name: text(1)?, table: text(2)?, sql: text(3)? })
    })?;
    rows.collect()
}

fn sequences(conn: &Connection) -> rusqlite::Result<Option<BTreeMap<String, (Value, Value)>>> {
    let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence' AND type = 'table')";
    if !conn.query_row(exists, [], |row| row.get(0))? {
        return Ok(None);
    }
    let mut statement = conn.prepare("SELECT name, seq FROM sqlite_sequence")?;
    let rows = statement.query_map([], |row| {
        let name: Value = value(row.get_ref(0)?);
        let key = match &name {
            Value::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => format!("{other:?}"),
        };
        Ok((key, (name, value(row.get_ref(1)?))))
    })?;
    rows.collect::<rusqlite::Result<_>>().map(Some)
}
