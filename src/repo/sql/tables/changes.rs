//! `graft_diff`, `graft_diff_stat`, `graft_history` and `graft_at`: rows as they changed, and as they were.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use super::{CallError, Function, Send, Shared, boxed, of_date, of_number, of_text, stream, text};
use crate::model::value_json::Named;
use crate::model::{ObjectId, RepoPath, RowIdentity, SourceError, Value};
use crate::repo::history::walk::WalkOptions;
use crate::repo::state::objects::ObjectReader;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::diff::{Opened, Rows as OpenRows, Side};
use crate::sqlite::diff::{Compared, DiffOptions, RowPair, TableChanges, TablePair};
use crate::sqlite::sql::functions::{Signature, TableFunction};
use crate::sqlite::sql::rows;

const DIFF: Signature = Signature {
    name: "graft_diff",
    columns: &[("table", "TEXT"), ("op", "TEXT"), ("key", "TEXT"), ("column", "TEXT"), ("old", ""), ("new", "")],
    arguments: &["from_rev", "to_rev", "table_name", "file"],
    required: 2,
};

const STAT: Signature = Signature {
    name: "graft_diff_stat",
    columns: &[("table", "TEXT"), ("inserted", "INTEGER"), ("deleted", "INTEGER"), ("updated", "INTEGER")],
    arguments: &["from_rev", "to_rev", "file"],
    required: 2,
};

const HISTORY: Signature = Signature {
    name: "graft_history",
    columns: &[
        ("commit_id", "TEXT"),
        ("author_name", "TEXT"),
        ("author_email", "TEXT"),
        ("date", "TEXT"),
        ("time", "INTEGER"),
        ("subject", "TEXT"),
        ("op", "TEXT"),
        ("key", "TEXT"),
        ("row", "TEXT"),
    ],
    arguments: &["table_name", "wanted_key", "rev", "file"],
    required: 1,
};

const AT: Signature = Signature {
    name: "graft_at",
    columns: &[("key", "TEXT"), ("row", "TEXT")],
    arguments: &["rev", "table_name", "file"],
    required: 2,
};

pub(super) fn add(shared: &Arc<Shared>, all: &mut Vec<Arc<dyn TableFunction>>) {
    type Make = fn(&Shared, Vec<Value>, Send<'_>) -> Result<(), SourceError>;
    let of = |signature, make: Make| {
        let shared = Arc::clone(shared);
        let rows = move |arguments: &[Value]| {
            let (shared, arguments) = (Arc::clone(&shared), arguments.to_vec());
            Ok(stream(move |send| make(&shared, arguments, send)))
        };
        Arc::new(Function { signature, rows }) as Arc<dyn TableFunction>
    };
    all.extend([of(DIFF, diff), of(STAT, stat), of(HISTORY, history), of(AT, at)]);
}

/// Opens two states of a file side by side; `None` if they are the same.
fn open(
    shared: &Shared,
    path: &RepoPath,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
) -> Result<Option<Box<OpenRows>>, SourceError> {
    let side = |id: Option<ObjectId>| id.map_or(Side::Absent, Side::Stored);
    let opened = shared.repo.open_sides(path.as_str(), &side(old), &side(new), DiffOptions::default());
    shared.repo.store().give_way();
    match opened.map_err(boxed)? {
        Opened::Same => Ok(None),
        Opened::Bytes { .. } => Err(CallError::Argument(format!("'{path}' is no database in both states")).into()),
        Opened::Rows(rows) => Ok(Some(rows)),
    }
}

/// Opens the states that two arguments name.
fn open_revs(shared: &Shared, from: &Value, to: &Value, file: &Value) -> Result<Option<Box<OpenRows>>, SourceError> {
    let rev = |value: &Value| text(value).ok_or_else(|| CallError::Argument("a revision is a text".to_owned()));
    let (from, to, path) = (rev(from)?, rev(to)?, shared.file(file)?);
    let (old, new) = (shared.state(&path, &from).map_err(boxed)?, shared.state(&path, &to).map_err(boxed)?);
    if old.is_none() && new.is_none() && !is_known(shared, &path, None, &[&from, &to])? {
        return Err(CallError::NoPath { path, from, to }.into());
    }
    open(shared, &path, old, new)
}

/// Tells whether a commit before the revisions, or before HEAD, has a file, or a table in it. What a join asks of a time
/// before or after has no rows then; what never was is a mistake.
fn is_known(shared: &Shared, path: &RepoPath, table: Option<&str>, revs: &[&str]) -> Result<bool, SourceError> {
    let wanted = (path.clone(), table.map(str::to_ascii_lowercase));
    let known = || shared.known.lock().unwrap_or_else(PoisonError::into_inner);
    if known().contains(&wanted) {
        return Ok(true);
    }
    let resolver = shared.repo.resolver(&shared.cwd);
    let mut tips: Vec<ObjectId> = shared.repo.head_commit().map_err(boxed)?.into_iter().collect();
    tips.extend(revs.iter().filter_map(|rev| resolver.commit(rev).ok()));
    let options = WalkOptions { tips, paths: Pathspecs::of_paths([path]), ..WalkOptions::default() };
    for entry in shared.repo.walk(options).map_err(boxed)? {
        let entry = entry.map_err(boxed)?;
        let tree = shared.repo.tree(&entry.commit.tree).map_err(boxed)?;
        let Some(state) = tree.get(path).map(|e| e.snapshot) else { continue };
        let found = match table {
            None => true,
            Some(table) => match open(shared, path, None, Some(state))? {
                Some(rows) => rows.diff.tables().iter().any(|pair| pair.is_called(table)),
                None => false,
            },
        };
        if found {
            known().insert(wanted);
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the tables whose rows are compared; only the one that is wanted, if one is.
fn tables<'r>(rows: &'r OpenRows, wanted: Option<&str>) -> Vec<&'r TablePair> {
    let is_wanted = |pair: &&TablePair| wanted.is_none_or(|w| pair.is_called(w));
    rows.diff.tables().iter().filter(is_wanted).filter(|pair| pair.compared == Compared::Rows).collect()
}

/// Fails if a table that is wanted is neither here nor in any commit before.
fn check_table(
    shared: &Shared,
    rows: &OpenRows,
    (table, file): (&Value, &Value),
    revs: &[&Value],
) -> Result<(), SourceError> {
    let Some(name) = text(table).filter(|name| !rows.diff.tables().iter().any(|t| t.is_called(name))) else {
        return Ok(());
    };
    let revs: Vec<String> = revs.iter().filter_map(|rev| text(rev)).collect();
    let revs: Vec<&str> = revs.iter().map(String::as_str).collect();
    match is_known(shared, &shared.file(file)?, Some(&name), &revs)? {
        true => Ok(()),
        false => Err(CallError::NoTable(name).into()),
    }
}

fn json(names: &[String], values: &[Value]) -> Value {
    let named = Named(names.iter().map(String::as_str).zip(values).collect());
    of_text(serde_json::to_string(&named).expect("names and values can be written"))
}

/// Returns the key of a row as JSON. Where keys of two kinds cannot be compared, it is the one that the row's own state has.
fn key_of(pair: &TablePair, table: &TableChanges, row: &RowPair<'_>) -> Value {
    let (names, values) = own_key(pair, table, row);
    json(&names, &values)
}

fn own_key(pair: &TablePair, table: &TableChanges, row: &RowPair<'_>) -> (Vec<String>, Vec<Value>) {
    let (own, values) = if row.new.is_some() { (&pair.new, row.new) } else { (&pair.old, row.old) };
    match (table.identity, own, values) {
        (RowIdentity::Bag, Some(own), Some(values)) => own
            .columns
            .iter()
            .zip(values)
            .filter(|(c, _)| own.key.contains(&c.name))
            .map(|(c, v)| (c.name.clone(), v.clone()))
            .unzip(),
        _ => (table.key.clone(), row.key.to_vec()),
    }
}

fn diff(shared: &Shared, arguments: Vec<Value>, send: Send<'_>) -> Result<(), SourceError> {
    let [from, to, table, file] = &arguments[..] else { return Ok(()) };
    let Some(rows) = open_revs(shared, from, to, file)? else { return Ok(()) };
    check_table(shared, &rows, (table, file), &[from, to])?;
    let mut more = ControlFlow::Continue(());
    for pair in tables(&rows, text(table).as_deref()) {
        let table = rows.diff.table_changes(pair)?;
        rows.diff.row_pairs(pair, &mut |row| {
            more = cells(pair, &table, row, send);
            more
        })?;
        if more.is_break() {
            break;
        }
    }
    Ok(())
}

/// Gives one row per cell: those that differ, or all of a row that only one state has.
fn cells(pair: &TablePair, table: &TableChanges, row: &RowPair<'_>, send: Send<'_>) -> ControlFlow<()> {
    let (op, key) = (row.op().word(), key_of(pair, table, row));
    let mut cell = |column: &String, old: Value, new: Value| {
        send(vec![of_text(&table.name), of_text(op), key.clone(), of_text(column), old, new])
    };
    let (old_names, new_names) = (table.old_columns.as_deref(), table.new_columns.as_deref());
    match (row.old, row.new) {
        (Some(_), Some(_)) => {
            for change in row.cells() {
                let name = new_names.and_then(|n| n.get(change.column)).expect("a column of the new state");
                cell(name, change.old.unwrap_or(Value::Null), change.new)?;
            }
        }
        (Some(old), None) => {
            for (name, value) in old_names.unwrap_or_default().iter().zip(old) {
                cell(name, value.clone(), Value::Null)?;
            }
        }
        (_, new) => {
            for (name, value) in new_names.unwrap_or_default().iter().zip(new.unwrap_or_default()) {
                cell(name, Value::Null, value.clone())?;
            }
        }
    }
    ControlFlow::Continue(())
}

fn stat(shared: &Shared, arguments: Vec<Value>, send: Send<'_>) -> Result<(), SourceError> {
    let [from, to, file] = &arguments[..] else { return Ok(()) };
    let Some(rows) = open_revs(shared, from, to, file)? else { return Ok(()) };
    for pair in tables(&rows, None) {
        let counts = rows.diff.count_rows(pair)?;
        if counts.total() == 0 {
            continue;
        }
        let numbers = [counts.inserted, counts.deleted, counts.updated].map(of_number);
        let row: Vec<Value> = std::iter::once(of_text(&pair.name)).chain(numbers).collect();
        if send(row).is_break() {
            break;
        }
    }
    Ok(())
}

fn at(shared: &Shared, arguments: Vec<Value>, send: Send<'_>) -> Result<(), SourceError> {
    let [rev, table, file] = &arguments[..] else { return Ok(()) };
    let asked = text(rev).ok_or_else(|| CallError::Argument("a revision is a text".to_owned()))?;
    let path = shared.file(file)?;
    let state = match shared.repo.snapshot_at(&shared.cwd, &path, &asked).map_err(boxed) {
        Err(_)
            if shared.state(&path, &asked).is_ok_and(|state| state.is_none())
                && is_known(shared, &path, None, &[&asked])? =>
        {
            return Ok(());
        }
        state => state?,
    };
    let Some(rows) = open(shared, &path, None, Some(state))? else { return Ok(()) };
    check_table(shared, &rows, (table, file), &[rev])?;
    for pair in tables(&rows, text(table).as_deref()) {
        let table = rows.diff.table_changes(pair)?;
        let columns = table.new_columns.clone().unwrap_or_default();
        rows.diff.row_pairs(pair, &mut |row| {
            send(vec![key_of(pair, &table, row), json(&columns, row.new.unwrap_or_default())])
        })?;
    }
    Ok(())
}

/// Tells whether a row is the one that is asked for: by its key as an object, or by the one value of it.
fn is_key(wanted: &Value, (names, values): &(Vec<String>, Vec<Value>)) -> bool {
    match (wanted, &values[..]) {
        (Value::Null, _) => true,
        (wanted, [one]) if wanted.is_same(one) => true,
        (Value::Integer(_) | Value::Real(_), _) => false,
        (wanted, _) => json(names, values) == *wanted,
    }
}

fn history(shared: &Shared, arguments: Vec<Value>, send: Send<'_>) -> Result<(), SourceError> {
    let [table, key, rev, file] = &arguments[..] else { return Ok(()) };
    let wanted = text(table).ok_or_else(|| CallError::Argument("a table has a name".to_owned()))?;
    let path = shared.file(file)?;
    let rev = text(rev).unwrap_or_else(|| "HEAD".to_owned());
    let tip = shared.repo.resolver(&shared.cwd).commit(&rev).map_err(boxed)?;
    let options = WalkOptions { tips: vec![tip], paths: Pathspecs::of_paths([&path]), ..WalkOptions::default() };
    let mut known = false;
    for entry in shared.repo.walk(options).map_err(boxed)? {
        let entry = entry.map_err(boxed)?;
        let state = |id: &ObjectId| -> Result<Option<ObjectId>, SourceError> {
            let tree = shared.repo.tree(&shared.repo.commit(id).map_err(boxed)?.tree).map_err(boxed)?;
            Ok(tree.get(&path).map(|e| e.snapshot))
        };
        let new = state(&entry.id)?;
        let parents = entry.commit.parents.iter().map(state).collect::<Result<Vec<_>, _>>()?;
        let (first, others) = parents.split_first().map_or((None, &[][..]), |(first, others)| (*first, others));
        // What a merge took over as it is was made by another commit.
        let mut made_here: Option<HashSet<Vec<u8>>> = None;
        for other in others {
            let mut differing = HashSet::new();
            changed(shared, &path, &wanted, (*other, new), &mut |pair, table, row| {
                differing.insert(bytes(key_of(pair, table, row)));
                ControlFlow::Continue(())
            })?;
            made_here = Some(match made_here {
                Some(so_far) => so_far.intersection(&differing).cloned().collect(),
                None => differing,
            });
        }
        let mut more = ControlFlow::Continue(());
        let (author, when) = (&entry.commit.author, &entry.commit.committer);
        // A file that is new has every row new: the one that is asked for is looked up.
        if let (None, Some(id), []) = (first, new, others)
            && let Some((table, rows)) = looked_up(shared, &path, &wanted, id, key)?
        {
            known = true;
            for row in rows {
                let columns = table.new_columns.as_deref().unwrap_or_default();
                let sent = send(vec![
                    of_text(entry.id.to_string()),
                    of_text(&author.name),
                    of_text(&author.email),
                    of_date(when.time, when.offset),
                    Value::Integer(when.time),
                    of_text(entry.commit.subject()),
                    of_text("insert"),
                    json(&table.key, std::slice::from_ref(key)),
                    json(columns, &row),
                ]);
                if sent.is_break() {
                    return Ok(());
                }
            }
            continue;
        }
        known |= changed(shared, &path, &wanted, (first, new), &mut |pair, table, row| {
            let named = own_key(pair, table, row);
            let row_key = json(&named.0, &named.1);
            let here = made_here.as_ref().is_none_or(|set| set.contains(&bytes(row_key.clone())));
            if !here || !is_key(key, &named) {
                return ControlFlow::Continue(());
            }
            let columns = if row.new.is_some() { &table.new_columns } else { &table.old_columns };
            let values = row.new.or(row.old).unwrap_or_default();
            more = send(vec![
                of_text(entry.id.to_string()),
                of_text(&author.name),
                of_text(&author.email),
                of_date(when.time, when.offset),
                Value::Integer(when.time),
                of_text(entry.commit.subject()),
                of_text(row.op().word()),
                row_key,
                json(columns.as_deref().unwrap_or_default(), values),
            ]);
            more
        })?;
        if more.is_break() {
            return Ok(());
        }
    }
    match known {
        true => Ok(()),
        false => Err(CallError::Argument(format!("no commit of '{rev}' has a table '{wanted}' in '{path}'")).into()),
    }
}

/// A table, and the rows of it that have the key.
type LookedUp = (TableChanges, Vec<Vec<Value>>);

/// Looks a row up by the value of its key; `None` where that is not enough to find it.
fn looked_up(
    shared: &Shared,
    path: &RepoPath,
    wanted: &str,
    state: ObjectId,
    key: &Value,
) -> Result<Option<LookedUp>, SourceError> {
    if matches!(key, Value::Null) {
        return Ok(None);
    }
    let Some(rows) = open(shared, path, None, Some(state))? else { return Ok(None) };
    let Some(pair) = rows.diff.tables().iter().find(|t| t.name.eq_ignore_ascii_case(wanted)) else { return Ok(None) };
    if pair.compared != Compared::Rows {
        return Ok(None);
    }
    let table = rows.diff.table_changes(pair)?;
    let ([column], Some(columns)) = (table.key.as_slice(), &table.new_columns) else { return Ok(None) };
    let source = shared.repo.open_snapshot(&state).map_err(boxed)?;
    let found = rows::find(source, &pair.name, columns, column, key);
    shared.repo.store().give_way();
    // The key may also be written as JSON, and then nothing is found.
    Ok(found.ok().filter(|found| !found.is_empty()).map(|found| (table, found)))
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::Text(bytes) => bytes,
        _ => Vec::new(),
    }
}

/// Hands on the rows of a table that differ between two states; returns whether either has the table.
fn changed(
    shared: &Shared,
    path: &RepoPath,
    wanted: &str,
    (old, new): (Option<ObjectId>, Option<ObjectId>),
    sink: &mut dyn FnMut(&TablePair, &TableChanges, &RowPair<'_>) -> ControlFlow<()>,
) -> Result<bool, SourceError> {
    if old == new {
        return Ok(false);
    }
    let Some(rows) = open(shared, path, old, new)? else { return Ok(false) };
    let Some(pair) = rows.diff.tables().iter().find(|t| t.is_called(wanted)) else { return Ok(false) };
    if pair.compared != Compared::Rows {
        return Err(
            CallError::Argument(format!("the rows of '{wanted}' are not compared: it keeps none of its own")).into()
        );
    }
    // Most commits leave most tables alone, which their pages tell.
    if rows.diff.surely_same(pair)? {
        return Ok(true);
    }
    let table = rows.diff.table_changes(pair)?;
    rows.diff.row_pairs(pair, &mut |row| sink(pair, &table, row))?;
    Ok(true)
}
