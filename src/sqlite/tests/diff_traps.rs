//! Changes that fool a comparison of pages: each against the oracle, and at the cost of the change where that is promised.

use rusqlite::MAIN_DB;

use super::diff::{MODES, check};
use super::*;
use crate::sqlite::diff::{Diff, DiffOptions};

/// Makes a database, changes a copy of it, and compares the two.
fn trap(name: &str, before: &str, change: &str) {
    trap_with(name, before, |conn| conn.execute_batch(change).unwrap());
}

fn trap_with(name: &str, before: &str, change: impl FnOnce(&Connection)) {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.db"), dir.path().join("b.db"));
    let conn = open(&a);
    conn.execute_batch("PRAGMA page_size = 1024").unwrap();
    conn.execute_batch(before).unwrap();
    drop(conn);
    copy(&a, &b);
    let conn = open(&b);
    change(&conn);
    drop(conn);
    check(name, &a, &b, None, &MODES);
}

const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)";

fn filled(extra: &str) -> String {
    format!(
        "{extra}; CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); CREATE TABLE u (k TEXT PRIMARY KEY, v) WITHOUT ROWID; \
         CREATE TABLE keyed (k TEXT PRIMARY KEY, v); CREATE TABLE bare (x, y); CREATE INDEX ta ON t (a); \
         {NUMBERS} INSERT INTO t SELECT i, 'row ' || i, i % 7 FROM n; \
         {NUMBERS} INSERT INTO u SELECT 'key ' || i, i FROM n; {NUMBERS} INSERT INTO keyed SELECT 'key ' || i, i FROM n; \
         {NUMBERS} INSERT INTO bare SELECT i % 50, i % 3 FROM n"
    )
}

#[test]
fn pages_that_move_or_change_hands() {
    let all = filled("");
    for (name, change) in [
        ("nothing", "PRAGMA user_version = 0"),
        ("vacuum", "VACUUM"),
        ("vacuum after deletes", "DELETE FROM t WHERE id % 5 = 0; VACUUM"),
        (
            "delete all and insert again",
            "CREATE TEMP TABLE s AS SELECT * FROM t; DELETE FROM t; INSERT INTO t SELECT * FROM s",
        ),
        (
            "drop and create again",
            "CREATE TEMP TABLE s AS SELECT * FROM bare; DROP TABLE bare; CREATE TABLE bare (x, y); \
                                   INSERT INTO bare SELECT * FROM s",
        ),
        ("a column more", "ALTER TABLE t ADD COLUMN more DEFAULT 'x'; UPDATE t SET more = 'y' WHERE id = 77"),
        (
            "a column more with another key",
            "ALTER TABLE keyed ADD COLUMN more; UPDATE keyed SET more = 1 WHERE k = 'key 5'",
        ),
        ("drop", "DROP TABLE t"),
        (
            "another table takes the free pages",
            "DELETE FROM t WHERE id BETWEEN 300 AND 1500; INSERT INTO bare SELECT id, a FROM t",
        ),
        ("leaves are freed without being written", "DELETE FROM t WHERE id BETWEEN 300 AND 1500"),
        ("the tree grows a level", "INSERT INTO t SELECT id + 5000, a || a || a || a || a, b FROM t"),
        ("the tree loses a level", "DELETE FROM t WHERE id > 3"),
        ("all gone", "DELETE FROM t; DELETE FROM u; DELETE FROM keyed; DELETE FROM bare"),
        (
            "one row each",
            "UPDATE t SET b = -1 WHERE id = 1000; UPDATE u SET v = -1 WHERE k = 'key 1000'; \
                          UPDATE keyed SET v = -1 WHERE k = 'key 1000'; UPDATE bare SET y = -1 WHERE rowid = 1000",
        ),
        ("rowids of keyed rows change", "UPDATE keyed SET rowid = rowid + 100000 WHERE rowid < 500"),
        ("rows swap places", "UPDATE bare SET rowid = -rowid; UPDATE bare SET rowid = rowid + 2001"),
        (
            "a key is replaced",
            "UPDATE keyed SET k = k || '!' WHERE rowid IN (1, 700, 2000); REPLACE INTO t VALUES (5, 'five', 5)",
        ),
        (
            "two tables swap names",
            "ALTER TABLE t RENAME TO s; ALTER TABLE bare RENAME TO t; ALTER TABLE s RENAME TO bare",
        ),
        ("an index comes and goes", "DROP INDEX ta; CREATE INDEX tb ON t (b, a)"),
    ] {
        trap(name, &all, change);
        if !change.contains("VACUUM") {
            trap(&format!("{name}, auto_vacuum"), &filled("PRAGMA auto_vacuum = FULL"), change);
        }
    }
}

#[test]
fn overflow_pages_written_over_in_place() {
    let blobs = "CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB, y); CREATE TABLE u (k INTEGER PRIMARY KEY, v TEXT) WITHOUT ROWID; \
                 CREATE TABLE v (x TEXT, y); CREATE INDEX vx ON v (x); \
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) \
                 INSERT INTO t SELECT i, zeroblob(i * 400), i FROM n; \
                 INSERT INTO u SELECT id, hex(x) FROM t; INSERT INTO v SELECT hex(x), y FROM t";
    for vacuum in ["", "PRAGMA auto_vacuum = INCREMENTAL; "] {
        let before = format!("{vacuum}{blobs}");
        trap_with("blob_write", &before, |conn| {
            let mut blob = conn.blob_open(MAIN_DB, "t", "x", 50, false).unwrap();
            blob.write_all_at(b"here", 15_000).unwrap();
        });
        let poke = |table: &str, column: &str, condition: &str| {
            format!(
                "UPDATE {table} SET {column} = substr({column}, 1, 9000) || 'X' || substr({column}, 9002) WHERE {condition}"
            )
        };
        trap("an update of equal size", &before, &poke("u", "v", "k = 40"));
        trap(
            "updates of equal size",
            &before,
            &format!("{}; {}", poke("u", "v", "k IN (31, 40)"), poke("v", "x", "y IN (41, 59)")),
        );
        trap(
            "overflow pages change hands",
            &before,
            "DELETE FROM t WHERE id % 2; UPDATE v SET x = x || 'abc' WHERE y % 2 = 0",
        );
        trap("overflow pages are freed", &before, "UPDATE t SET x = 1 WHERE id BETWEEN 30 AND 50; DELETE FROM u");
    }
}

#[test]
fn bytes_that_mean_another_value_under_another_schema() {
    for (name, before, change) in [
        (
            "a default comes back with another value",
            "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); ALTER TABLE t ADD COLUMN c DEFAULT 1",
            "ALTER TABLE t DROP COLUMN c; ALTER TABLE t ADD COLUMN c DEFAULT 2",
        ),
        (
            "a column comes with its default",
            "CREATE TABLE t (a PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)",
            "ALTER TABLE t ADD COLUMN c TEXT DEFAULT 12; UPDATE t SET c = 'x' WHERE a = 2",
        ),
        (
            "a type makes reals of integers",
            "CREATE TABLE t (a INTEGER, b); INSERT INTO t VALUES (1, 2), (3, 4)",
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a REAL, b)' WHERE name = 't'",
        ),
        (
            "columns trade names",
            "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2), (3, 3)",
            "ALTER TABLE t RENAME COLUMN a TO x; ALTER TABLE t RENAME COLUMN b TO a; ALTER TABLE t RENAME COLUMN x TO b",
        ),
        (
            "a key is declared",
            "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2), (3, 3)",
            "CREATE TABLE s (a INTEGER PRIMARY KEY, b); INSERT INTO s SELECT * FROM t; DROP TABLE t; ALTER TABLE s RENAME TO t",
        ),
        (
            "equal in order but not the same",
            "CREATE TABLE t (k PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO t VALUES (1, 'a'), (2, 'b'), ('x', 'c')",
            "UPDATE t SET k = 1.0 WHERE k = 1; UPDATE t SET v = 'B' WHERE k = 2",
        ),
    ] {
        trap(name, before, change);
    }
}

#[test]
fn columns_and_tables_with_new_names() {
    let all = filled("CREATE TABLE empty (a TEXT, b); CREATE TABLE twins (a, b, c, d)")
        + "; INSERT INTO twins SELECT id, id % 3, id % 5, id FROM t";
    for (name, change) in [
        ("a column", "ALTER TABLE t RENAME COLUMN a TO x"),
        ("a column, a row", "ALTER TABLE t RENAME COLUMN a TO x; UPDATE t SET x = 'new' WHERE id = 77"),
        (
            "a column, some rows",
            "ALTER TABLE t RENAME COLUMN a TO x; UPDATE t SET x = NULL WHERE id % 3 = 0; DELETE FROM t WHERE id < 50",
        ),
        ("a column, most rows", "ALTER TABLE t RENAME COLUMN a TO x; UPDATE t SET x = NULL WHERE id % 3"),
        ("a column, half the rows", "ALTER TABLE t RENAME COLUMN a TO x; UPDATE t SET x = NULL WHERE id % 2"),
        ("a column, all rows", "ALTER TABLE t RENAME COLUMN a TO x; UPDATE t SET x = NULL"),
        ("a column, all rows gone and others come", "ALTER TABLE t RENAME COLUMN a TO x; UPDATE t SET id = id + 5000"),
        ("dropped and added", "ALTER TABLE t DROP COLUMN b; ALTER TABLE t ADD COLUMN c"),
        (
            "dropped and added with the same values",
            "ALTER TABLE t DROP COLUMN b; ALTER TABLE t ADD COLUMN c; UPDATE t SET c = id % 7",
        ),
        ("of an empty table", "ALTER TABLE empty RENAME COLUMN a TO x"),
        ("of an empty table, another type", "DROP TABLE empty; CREATE TABLE empty (x INT, b)"),
        ("case only", "ALTER TABLE t RENAME COLUMN a TO A; UPDATE t SET A = NULL"),
        ("case only, another type", "DROP TABLE empty; CREATE TABLE empty (A INT, b); INSERT INTO empty VALUES (1, 2)"),
        ("the rowid", "ALTER TABLE t RENAME COLUMN id TO nr; UPDATE t SET b = 9 WHERE nr = 5"),
        ("a key", "ALTER TABLE keyed RENAME COLUMN k TO kk; UPDATE keyed SET v = 'x' WHERE kk = 'key 5'"),
        ("a key whose rowids change", "ALTER TABLE keyed RENAME COLUMN v TO w; UPDATE keyed SET rowid = 5000 - rowid"),
        (
            "the key of a table without rowids",
            "ALTER TABLE u RENAME COLUMN k TO kk; UPDATE u SET v = 'x' WHERE kk = 'key 5'",
        ),
        ("a value in a table without rowids", "ALTER TABLE u RENAME COLUMN v TO w; DELETE FROM u WHERE k < 'key 2'"),
        ("two in one place", "ALTER TABLE twins RENAME COLUMN b TO x; ALTER TABLE twins RENAME COLUMN c TO y"),
        (
            "two that changed places",
            "CREATE TABLE s (a, y, x, d); INSERT INTO s SELECT a, c, b, d FROM twins; DROP TABLE twins; ALTER TABLE s RENAME TO twins",
        ),
        (
            "moved elsewhere",
            "CREATE TABLE s (a, c, d, x); INSERT INTO s SELECT a, c, d, b FROM twins; DROP TABLE twins; ALTER TABLE s RENAME TO twins",
        ),
        ("all columns", "ALTER TABLE bare RENAME COLUMN x TO p; ALTER TABLE bare RENAME COLUMN y TO q"),
        ("a table", "ALTER TABLE t RENAME TO s"),
        ("a table, a row", "ALTER TABLE t RENAME TO s; UPDATE s SET a = 'new' WHERE id = 77"),
        ("a table, all rows", "ALTER TABLE t RENAME TO s; UPDATE s SET a = 1, b = 2"),
        ("a table and a column", "ALTER TABLE t RENAME TO s; ALTER TABLE s RENAME COLUMN a TO x"),
        ("a table, case only", "ALTER TABLE t RENAME TO s; ALTER TABLE s RENAME TO T; UPDATE T SET a = 1, b = 2"),
        (
            "a table made anew",
            "CREATE TABLE s (id INTEGER PRIMARY KEY, a, b); INSERT INTO s SELECT * FROM t; DROP TABLE t",
        ),
        (
            "a table with fewer columns",
            "CREATE TABLE s (id INTEGER PRIMARY KEY, a); INSERT INTO s SELECT id, a FROM t; DROP TABLE t",
        ),
        (
            "another table",
            "DROP TABLE t; CREATE TABLE s (id INTEGER PRIMARY KEY, a, b); INSERT INTO s VALUES (1, 2, 3)",
        ),
        ("an empty table", "ALTER TABLE empty RENAME TO void"),
        ("another empty table", "DROP TABLE empty; CREATE TABLE void (x TEXT, y)"),
        (
            "the better of two",
            "CREATE TABLE s AS SELECT * FROM bare WHERE rowid < 1500; CREATE TABLE r AS SELECT * FROM bare; DROP TABLE bare",
        ),
        ("without rowids", "ALTER TABLE u RENAME TO w; DELETE FROM w WHERE k < 'key 2'"),
    ] {
        trap(name, &all, change);
    }
    let utf16 = filled("PRAGMA encoding = 'UTF-16le'");
    trap("in UTF-16", &utf16, "ALTER TABLE u RENAME COLUMN k TO kk; ALTER TABLE keyed RENAME COLUMN k TO kk");
    let hidden = "CREATE TABLE h (rowid, _rowid_, oid, a); INSERT INTO h VALUES (1, 2, 3, 4)";
    trap("rows without a name", hidden, "ALTER TABLE h RENAME COLUMN a TO b");
    let generated = "CREATE TABLE g (id INTEGER PRIMARY KEY, a, b AS (a + 1), c AS (a + 2) STORED); \
                     INSERT INTO g (a) VALUES (1), (2), (3)";
    trap("generated columns", generated, "ALTER TABLE g RENAME COLUMN a TO x; ALTER TABLE g RENAME COLUMN b TO y");
}

#[test]
fn full_text_and_spatial_indexes() {
    let before = "CREATE VIRTUAL TABLE f USING fts5 (x, y); CREATE VIRTUAL TABLE r USING rtree (id, a, b); \
                  INSERT INTO f VALUES ('one two', 'three'), ('four', 'five'); INSERT INTO r VALUES (1, 0, 1), (2, 3, 4)";
    trap("full text", before, "UPDATE f SET y = 'changed' WHERE rowid = 2; INSERT INTO f VALUES ('new', 'row')");
    trap("space", before, "DELETE FROM r WHERE id = 1; INSERT INTO r VALUES (7, 1, 2)");
    trap("optimized", before, "INSERT INTO f (f) VALUES ('optimize')");
}

#[test]
fn the_cost_follows_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.db"), dir.path().join("b.db"));
    let conn = open(&a);
    conn.execute_batch(&filled("")).unwrap();
    for i in 0..40 {
        conn.execute_batch(&format!(
            "CREATE TABLE t{i} (id INTEGER PRIMARY KEY, x TEXT); INSERT INTO t{i} SELECT id, hex(zeroblob(50)) FROM t"
        ))
        .unwrap();
    }
    conn.execute_batch(
        "CREATE TABLE w (k TEXT PRIMARY KEY, x TEXT) WITHOUT ROWID; INSERT INTO w SELECT 'key ' || id, hex(zeroblob(300)) FROM t",
    )
    .unwrap();
    drop(conn);
    copy(&a, &b);
    let conn = open(&b);
    conn.execute_batch("UPDATE w SET x = 'new' WHERE k = 'key 77'; DELETE FROM w WHERE k = 'key 1500'").unwrap();
    conn.execute_batch("UPDATE t7 SET x = 'new' WHERE id IN (1, 1000); DELETE FROM t39 WHERE id = 1999; ALTER TABLE t20 ADD COLUMN y DEFAULT 5; UPDATE t SET b = 99 WHERE id = 3").unwrap();
    conn.execute_batch("ALTER TABLE t21 RENAME COLUMN x TO z; ALTER TABLE t22 RENAME TO renamed; ALTER TABLE t23 RENAME COLUMN x TO z; UPDATE t23 SET z = 'new' WHERE id = 9").unwrap();
    drop(conn);
    let states = [captured(&a).unwrap(), captured(&b).unwrap()];
    let pages = states[0].len() / PAGE_SIZE;
    assert!(pages > 2000, "{pages} pages");
    let differing = super::in_place::differing(&states[0], &states[1]);
    let read = Arc::new(AtomicUsize::new(0));
    let [old, new] = states.map(|state| Arc::new(Counted(Memory(state), read.clone())));
    let diff = Diff::open(old, new, Some(differing), DiffOptions::default()).unwrap();
    let mut changes = 0;
    for pair in diff.tables() {
        diff.rows(pair, &mut |_| {
            changes += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    assert_eq!(changes, 7);
    let read = read.load(Ordering::Relaxed);
    assert!(read < 400, "{read} of {pages} pages read");
}
