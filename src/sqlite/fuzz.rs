//! Mutated inputs for what reads SQL scripts, changesets and the header of a database.

use std::time::Duration;

use rusqlite::Connection;

use super::apply::{ApplyOptions, apply_changeset, apply_script};
use super::attach::Busy;
use super::{session, sql::split};
use crate::util::fuzz;

const BUSY: Busy<'static> = Busy { timeout: Duration::from_secs(5), on_wait: &|_| () };
const SCRIPT: &str = "-- a script\nBEGIN IMMEDIATE;\nCREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT ';'; END;\n\
                      INSERT INTO \"t\" VALUES (1, 'a''b', x'00ff'); /* end; */ COMMIT;\n";

#[test]
fn scripts_are_cut_without_a_panic() {
    fuzz::text("script", 3000, &[SCRIPT, "EXPLAIN CREATE TRIGGER [a] BEGIN `x`; END", "'", "/*", "--"], |text| {
        let mut rest = text;
        while !rest.is_empty() {
            split::completeness(rest);
            split::terminator(rest);
            assert!(split::skip_space(rest) <= rest.len());
            let end = split::first(rest);
            assert!(end <= rest.len(), "within the text");
            if end == 0 {
                break;
            }
            rest = &rest[end..];
        }
    });
}

/// A changeset in SQLite's form: a table of three columns, and a change of each kind.
fn changeset() -> Vec<u8> {
    let text = |text: &str| [&[3, text.len() as u8], text.as_bytes()].concat();
    let number = |n: i64| [&[1][..], &n.to_be_bytes()].concat();
    let mut out = b"T\x03\x01\x00\x00t\0".to_vec();
    out.extend([&[18, 0][..], &number(5), &text("five"), &[5]].concat());
    out.extend([&[9, 0][..], &number(1), &text("one"), &[5]].concat());
    out.extend([&[23, 0][..], &number(2), &text("two"), &[0], &[0], &text("zwei"), &[0]].concat());
    out
}

#[test]
fn changesets_are_read_and_applied_without_a_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("app.db");
    let conn = Connection::open(&path).expect("a database");
    conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, b BLOB); INSERT INTO t VALUES (1,'one',NULL),(2,'two',NULL)")
        .expect("a table");
    let mut count = 0;
    fuzz::run(
        "changeset",
        1500,
        &[changeset()],
        |_| (),
        |bytes| {
            let _ = session::each_change(bytes, &mut |_, _| ());
            count += 1;
            if count % 16 == 1 {
                let options = ApplyOptions { busy: BUSY, check: true, verify: true };
                let _ = apply_changeset(&path, bytes, &options);
            }
        },
    );
    let rows: i64 = conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("a count");
    assert_eq!(rows, 2, "a check changes nothing");
}

#[test]
fn scripts_are_checked_without_a_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("app.db");
    let conn = Connection::open(&path).expect("a database");
    conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)").expect("a table");
    fuzz::text("apply", 60, &[SCRIPT], |text| {
        let options = ApplyOptions { busy: BUSY, check: true, verify: true };
        let _ = apply_script(&path, text, &options);
    });
    let rows: i64 = conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("a count");
    assert_eq!(rows, 0, "a check changes nothing");
}
