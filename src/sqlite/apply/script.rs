//! Applies a script of `graft diff --sql`, statement by statement.

use std::path::Path;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, Error, ffi};

use super::allowed::Allowed;
use super::constraints::{self, Judge, Touched};
use super::expected::Expected;
use super::mending::{Mending, Refused};
use super::{Applied, ApplyError, ApplyOptions, Conflict, MAX_CONFLICTS, finish, impossible, open, shortened};
use crate::sqlite::diff::side::value;
use crate::sqlite::error::{code, message};
use crate::sqlite::script::expected::{self, EXPECT, TAKE_BACK};
use crate::sqlite::script::rows::hash;
use crate::sqlite::script::{HASH, MAGIC, UNCHECKED, WAS};
use crate::util::interrupt;

/// What is said of a script that does more than scripts do.
const BEYOND: &str = "it does what no script of 'graft diff --sql' does";
/// What is said of a script that does more to the schema than to put definitions right.
const WRITES_SCHEMA: &str = "the script writes the schema itself, which only SQLite may";
/// What is said of a script without an end.
const CUT_OFF: &str = "the script is cut off: its end is missing";
/// The last line of a script.
const CHECKED: &str = "PRAGMA ignore_check_constraints = OFF";

/// Applies a script; a database that is not there is made.
pub fn apply_script(path: &Path, script: &str, options: &ApplyOptions<'_>) -> Result<Applied, ApplyError> {
    if !script.starts_with(MAGIC) {
        return Err(ApplyError::NotChanges);
    }
    let existed = path.exists();
    let done = constraints::judged(|before| run(path, script, options, !existed, before));
    if !existed && (done.is_err() || options.check) && std::fs::metadata(path).is_ok_and(|meta| meta.len() == 0) {
        // What SQLite made of nothing holds nothing; what holds something another program has made meanwhile.
        let _ = crate::util::fs::remove(path);
    }
    done
}

/// Runs a script. `None` says that some rows refer to nothing, and that it must be known which did so before.
fn run(
    path: &Path,
    script: &str,
    options: &ApplyOptions<'_>,
    create: bool,
    judge: &mut Judge,
) -> Result<Option<Applied>, ApplyError> {
    let mut conn = open(path, create, options.verify)?;
    let allowed = Allowed::watch(&mut conn).map_err(|e| impossible(path, None, &e))?;
    let mut ended = false;
    let mut applied = Applied::default();
    let mut conflicts = Vec::new();
    let mut expected: Option<Expected> = None;
    let mut mending = Mending::default();
    let mut batch = Batch::new(&conn, script);
    loop {
        interrupt::check()?;
        let mut statement = match allowed.prepare(|| batch.next()) {
            Ok(Some(statement)) => statement,
            Ok(None) => break,
            Err(e) => {
                if let Some(what) = allowed.refused() {
                    return Err(impossible_script(path, &format!("{BEYOND}: {what}")));
                }
                // What is amiss was named already, and statements that follow build on this one.
                if !conflicts.is_empty() {
                    break;
                }
                let sql = match &e {
                    Error::SqlInputError { sql, .. } => first_line(sql),
                    _ => None,
                };
                if is_misfit(&message(&e)) {
                    conflicts.push(other_schema(sql.filter(|sql| !sql.starts_with(EXPECT)).unwrap_or_default(), &e));
                    break;
                }
                return Err(impossible(path, sql, &e));
            }
        };
        let whole = statement.expanded_sql().unwrap_or_default();
        let sql = without_comment(&whole);
        if !conn.is_autocommit() && !ended && sql.trim_end_matches(';') == CHECKED {
            return Err(impossible_script(path, CUT_OFF));
        }
        if let Some(fault) = allowed.fault(sql, !conn.is_autocommit() && !ended) {
            return Err(impossible_script(path, &format!("{BEYOND}: {fault}")));
        }
        if ended && sql.trim_end_matches(';') != CHECKED {
            return Err(impossible_script(path, &format!("{BEYOND}: it goes on after its transaction")));
        }
        match sql.trim_end_matches(';') {
            "BEGIN IMMEDIATE" if !conn.is_autocommit() => {
                return Err(impossible_script(path, &format!("{BEYOND}: it begins a second transaction")));
            }
            "BEGIN IMMEDIATE" => {
                options.busy.retry(path, || conn.execute_batch("BEGIN IMMEDIATE"))?;
                judge.begin(&conn).map_err(|e| impossible(path, None, &e))?;
                continue;
            }
            // What is beyond the end must be known before anything is made durable.
            "COMMIT" if mending.is_open() => return Err(impossible_script(path, WRITES_SCHEMA)),
            "COMMIT" if !conn.is_autocommit() => {
                ended = true;
                continue;
            }
            CHECKED if ended => continue,
            UNCHECKED if options.verify => {
                conn.execute_batch("PRAGMA ignore_check_constraints = OFF").map_err(|e| impossible(path, None, &e))?;
                continue;
            }
            _ if sql.starts_with(TAKE_BACK) => continue,
            expected::BEGIN if !conn.is_autocommit() => expected = Some(Expected::default()),
            _ if conn.is_autocommit() && !sql.starts_with("PRAGMA ") => {
                return Err(impossible_script(path, "the script has statements outside of its transaction"));
            }
            _ if conn.is_autocommit() => {}
            _ => {
                let Some(expected) = &mut expected else {
                    return Err(impossible_script(path, "the script does not say what it was made from"));
                };
                match expected.check(&conn, sql, &mut conflicts) {
                    Some(Ok(())) => continue,
                    Some(Err(e)) => return Err(impossible(path, None, &e)),
                    None if expected.is_open() => {
                        // What follows would only fail where it meets what is not as expected.
                        if !conflicts.is_empty() {
                            break;
                        }
                        expected.close();
                    }
                    None => {}
                }
            }
        }
        match mending.turn(&conn, sql) {
            Ok(true) => continue,
            Ok(false) => {}
            Err(Refused::Sqlite(e)) => return Err(impossible(path, Some(sql), &e)),
            Err(Refused::Other) => {
                return Err(impossible_script(path, WRITES_SCHEMA));
            }
        }
        let kind = Kind::of(sql);
        let is_checked = kind.is_checked(sql);
        if is_checked
            && sql.contains(HASH)
            && !long_values_are_as_expected(&conn, sql).map_err(|e| impossible(path, Some(sql), &e))?
        {
            conflicts.push(not_as_expected(&conn, sql));
            continue;
        }
        let ran = {
            let mut rows = statement.raw_query();
            loop {
                match rows.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(()),
                    Err(e) => break Err(e),
                }
            }
        };
        match kind {
            Kind::Other if is_about_schema(sql) => judge.touched = Touched::All,
            Kind::Other => {}
            Kind::Insert | Kind::Delete | Kind::Update => judge.touched.add(&plain(table(sql))),
        }
        match ran {
            Err(e) if code(&e) == Some(ffi::SQLITE_CONSTRAINT) => conflicts.push(in_the_way(sql, &e)),
            Err(e) => return Err(impossible(path, Some(sql), &e)),
            Ok(()) if is_checked && conn.changes() != 1 => conflicts.push(not_as_expected(&conn, sql)),
            Ok(()) => match kind {
                Kind::Insert => applied.inserted += 1,
                Kind::Delete => applied.deleted += 1,
                Kind::Update => applied.updated += 1,
                Kind::Other => applied.others += 1,
            },
        }
        if conflicts.len() >= MAX_CONFLICTS {
            finish(&conn, path, options, std::mem::take(&mut conflicts))?;
        }
    }
    if !conflicts.is_empty() {
        finish(&conn, path, options, conflicts)?;
    } else if ended {
        let found = match options.verify {
            true => judge.judge(&conn).map_err(|e| impossible(path, None, &e))?,
            false => Some(Vec::new()),
        };
        let Some(found) = found else { return Ok(None) };
        finish(&conn, path, options, found)?;
    } else if !conn.is_autocommit() {
        return Err(impossible_script(path, CUT_OFF));
    }
    Ok(Some(applied))
}

/// Tells whether a statement makes, alters or drops something of the database.
fn is_about_schema(sql: &str) -> bool {
    let mut words = sql.split(' ');
    let verb = words.next().is_some_and(|verb| ["CREATE", "DROP", "ALTER"].contains(&verb));
    verb && words.next() != Some("TEMP")
}

fn impossible_script(path: &Path, detail: &str) -> ApplyError {
    ApplyError::Impossible { path: path.into(), what: None, detail: detail.into() }
}

/// Tells by SQLite's words whether a statement does not fit the schema.
fn is_misfit(message: &str) -> bool {
    let lacks = ["table: ", "column: ", "index: ", "view: ", "trigger: "]
        .into_iter()
        .any(|what| message.strip_prefix("no such ").is_some_and(|rest| rest.starts_with(what)));
    lacks || message.ends_with(" already exists") || message.contains(" has no column named ")
}

/// Returns the first line of the first statement.
fn first_line(sql: &str) -> Option<&str> {
    without_comment(sql).lines().next().filter(|line| !line.is_empty())
}

fn other_schema(sql: &str, e: &Error) -> Conflict {
    Conflict { table: None, row: shortened(sql.trim_end_matches(';')), reason: message(e), constraint: false }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Insert,
    Delete,
    Update,
    Other,
}

impl Kind {
    fn of(sql: &str) -> Self {
        match sql.split(' ').next() {
            Some("INSERT") if sql.contains(" VALUES (") && table(sql).starts_with('"') => Self::Insert,
            Some("DELETE") if place(sql).is_some() => Self::Delete,
            Some("UPDATE") if table(sql).starts_with('"') => Self::Update,
            _ => Self::Other,
        }
    }

    fn is_checked(self, sql: &str) -> bool {
        matches!(self, Self::Delete | Self::Update) && place(sql).is_some()
    }
}

/// Skips the comment lines before a statement.
fn without_comment(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start();
        match sql.strip_prefix("--") {
            Some(comment) => sql = comment.split_once('\n').map_or("", |(_, rest)| rest),
            None => return sql,
        }
    }
}

/// Returns the table of a statement and the condition by which it finds its row.
fn place(sql: &str) -> Option<(&str, &str)> {
    let (start, end) = (outside(sql, " WHERE ")?, outside(sql, WAS)?);
    Some((table(sql), sql.get(start + " WHERE ".len()..end)?))
}

/// Finds where a word stands outside of texts and names.
fn outside(sql: &str, word: &str) -> Option<usize> {
    let mut at = 0;
    let mut quote = None;
    while let Some(byte) = sql.as_bytes().get(at) {
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(*byte),
            (Some(q), b) if q == *b => quote = None,
            (None, _) if sql[at..].starts_with(word) => return Some(at),
            _ => {}
        }
        at += 1;
        while !sql.is_char_boundary(at) {
            at += 1;
        }
    }
    None
}

/// Tells whether the long values of the row hold what they held, as far as a statement has hashes of them.
fn long_values_are_as_expected(conn: &Connection, sql: &str) -> rusqlite::Result<bool> {
    let (Some((table, place)), Some(checks)) = (place(sql), outside(sql, WAS)) else { return Ok(true) };
    let mut rest = &sql[checks + WAS.len()..];
    while let Some(at) = outside(rest, HASH) {
        rest = &rest[at + HASH.len()..];
        let Some((wanted, column)) = rest.split_once("*/").and_then(|(comment, _)| comment.split_once(' ')) else {
            return Ok(false);
        };
        let held = format!("SELECT {column} FROM {table} WHERE {place}");
        match conn.query_row(&held, [], |row| Ok(hash(&value(row.get_ref(0)?)) == wanted)) {
            Ok(true) | Err(Error::QueryReturnedNoRows) => {}
            other => return other,
        }
        rest = &rest[wanted.len() + 1 + column.len() + 2..];
    }
    Ok(true)
}

/// Returns the name of the table, quoted as it stands.
fn table(sql: &str) -> &str {
    let verbs = ["UPDATE OR ABORT ", "UPDATE ", "DELETE FROM ", "INSERT OR ABORT INTO ", "INSERT INTO "];
    let rest = verbs.iter().find_map(|verb| sql.strip_prefix(verb)).unwrap_or("");
    let mut end = 0;
    let mut quoted = false;
    for (i, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => break,
            _ => {}
        }
        end = i + c.len_utf8();
    }
    &rest[..end]
}

fn not_as_expected(conn: &Connection, sql: &str) -> Conflict {
    let (table, place) = place(sql).unwrap_or((table(sql), ""));
    let found = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {place})");
    let reason = match conn.query_row(&found, [], |row| row.get::<_, bool>(0)) {
        Ok(true) => "the row holds other values",
        _ => "there is no such row",
    };
    Conflict { table: Some(plain(table)), row: shortened(place), reason: reason.into(), constraint: false }
}

fn in_the_way(sql: &str, e: &Error) -> Conflict {
    let row = match place(sql) {
        Some((_, place)) => place,
        None if Kind::of(sql) == Kind::Insert => sql.split_once(" (").map_or(sql, |(_, rest)| rest),
        None => sql,
    };
    let is_check = matches!(e, Error::SqliteFailure(e, _) if e.extended_code == ffi::SQLITE_CONSTRAINT_CHECK);
    let table = Some(plain(table(sql))).filter(|table| !table.is_empty());
    Conflict { table, row: shortened(row), reason: message(e), constraint: is_check }
}

/// Takes the quotes off a name.
fn plain(name: &str) -> String {
    match name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_name_their_row() {
        let sql =
            "UPDATE \"a \"\" b\" SET \"x WHERE \" = ' /*was*/ '' WHERE ' WHERE \"id\" = 3 /*was*/ AND \"x\" IS 1;";
        assert_eq!(place(sql), Some(("\"a \"\" b\"", "\"id\" = 3")));
        assert_eq!(plain(table(sql)), "a \" b");
        assert_eq!(place("DELETE FROM sqlite_sequence WHERE name IS 't';"), None);
        assert_eq!(without_comment("-- a\n-- b\nCOMMIT"), "COMMIT");
    }
}
