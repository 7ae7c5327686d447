//! Applies a script of `graft diff --sql`, statement by statement.

use std::path::Path;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, Error, ffi};

use super::{Applied, ApplyError, ApplyOptions, Conflict, MAX_CONFLICTS, finish, impossible, open, shortened};
use crate::sqlite::error::{code, message};
use crate::sqlite::script::{MAGIC, WAS};
use crate::util::interrupt;

/// Applies a script; a database that is not there is made.
pub fn apply_script(path: &Path, script: &str, options: &ApplyOptions<'_>) -> Result<Applied, ApplyError> {
    if !script.starts_with(MAGIC) {
        return Err(ApplyError::NotChanges);
    }
    let existed = path.exists();
    let done = run(path, script, options, !existed);
    if !existed && (done.is_err() || options.check) {
        // What SQLite made of nothing holds nothing.
        let _ = crate::util::fs::remove(path);
    }
    done
}

fn run(path: &Path, script: &str, options: &ApplyOptions<'_>, create: bool) -> Result<Applied, ApplyError> {
    let conn = open(path, create)?;
    let mut applied = Applied::default();
    let mut conflicts = Vec::new();
    let mut batch = Batch::new(&conn, script);
    loop {
        interrupt::check()?;
        let mut statement = match batch.next() {
            Ok(Some(statement)) => statement,
            Ok(None) => break,
            Err(e) => {
                let sql = match &e {
                    Error::SqlInputError { sql, .. } => first_line(sql),
                    _ => None,
                };
                // Statements that follow build on this one.
                if let Some(sql) = sql.filter(|_| is_misfit(&message(&e))) {
                    conflicts.push(other_schema(sql, &e));
                    break;
                }
                return Err(impossible(path, sql, &e));
            }
        };
        let whole = statement.expanded_sql().unwrap_or_default();
        let sql = without_comment(&whole);
        match sql.trim_end_matches(';') {
            "BEGIN IMMEDIATE" => {
                options.busy.retry(path, || conn.execute_batch("BEGIN IMMEDIATE"))?;
                continue;
            }
            "COMMIT" => {
                finish(&conn, path, options, std::mem::take(&mut conflicts))?;
                continue;
            }
            _ if conn.is_autocommit() && !sql.starts_with("PRAGMA ") => {
                return Err(impossible_script(path, "the script has statements outside of its transaction"));
            }
            _ => {}
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
        let kind = Kind::of(sql);
        match ran {
            Err(e) if code(&e) == Some(ffi::SQLITE_CONSTRAINT) && kind != Kind::Other => {
                conflicts.push(in_the_way(sql, &e));
            }
            Err(e) => return Err(impossible(path, Some(sql), &e)),
            Ok(()) if kind.is_checked(sql) && conn.changes() != 1 => conflicts.push(not_as_expected(&conn, sql)),
            Ok(()) => match kind {
                Kind::Insert => applied.inserted += 1,
                Kind::Delete => applied.deleted += 1,
                Kind::Update => applied.updated += 1,
                Kind::Other => applied.others += 1,
            },
        }
        if conflicts.len() == MAX_CONFLICTS {
            finish(&conn, path, options, std::mem::take(&mut conflicts))?;
        }
    }
    if !conflicts.is_empty() {
        finish(&conn, path, options, conflicts)?;
    }
    if !conn.is_autocommit() {
        return Err(impossible_script(path, "the script is cut off: its end is missing"));
    }
    Ok(applied)
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
    Conflict { table: None, row: shortened(sql), reason: message(e) }
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
            Some("INSERT") if sql.contains(" VALUES (") && !sql.starts_with("INSERT INTO sqlite_") => Self::Insert,
            Some("DELETE") if place(sql).is_some() => Self::Delete,
            Some("UPDATE") => Self::Update,
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
    let outside = |word: &str| {
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
    };
    let (start, end) = (outside(" WHERE ")?, outside(WAS)?);
    Some((table(sql), sql.get(start + " WHERE ".len()..end)?))
}

/// Returns the name of the table, quoted as it stands.
fn table(sql: &str) -> &str {
    let rest = ["UPDATE ", "DELETE FROM ", "INSERT INTO "].iter().find_map(|verb| sql.strip_prefix(verb)).unwrap_or("");
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
    Conflict { table: Some(plain(table)), row: shortened(place), reason: reason.into() }
}

fn in_the_way(sql: &str, e: &Error) -> Conflict {
    let row = match place(sql) {
        Some((_, place)) => place,
        None => sql.split_once(" (").map_or(sql, |(_, rest)| rest),
    };
    Conflict { table: Some(plain(table(sql))), row: shortened(row), reason: message(e) }
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
