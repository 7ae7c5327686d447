//! The read-only file system: queries answer as on the exported file.

use rusqlite::types::ValueRef;

use super::*;
use crate::sqlite::vfs::{self, Mount};

/// Runs a query and writes down every value, or the error.
fn answer(conn: &Connection, sql: &str) -> String {
    let rows = || -> rusqlite::Result<String> {
        let mut statement = conn.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut out = String::new();
        while let Some(row) = rows.next()? {
            for i in 0..columns {
                match row.get_ref(i)? {
                    ValueRef::Text(t) => out += &format!("t{t:x?} "),
                    ValueRef::Blob(b) => out += &format!("b{b:x?} "),
                    ValueRef::Real(r) => out += &format!("r{:x} ", r.to_bits()),
                    other => out += &format!("{other:?} "),
                }
            }
        }
        Ok(out)
    };
    rows().unwrap_or_else(|e| format!("error: {e}"))
}

fn queries(conn: &Connection) -> Vec<String> {
    let tables: Vec<String> = conn
        .prepare("SELECT replace(name, '\"', '\"\"') FROM sqlite_schema WHERE type IN ('table', 'view')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut all: Vec<String> =
        ["sqlite_schema".to_owned()].into_iter().chain(tables).map(|t| format!("SELECT * FROM \"{t}\"")).collect();
    all.extend(
        ["integrity_check", "foreign_key_check", "journal_mode", "encoding", "page_count"]
            .map(|p| format!("PRAGMA {p}")),
    );
    all
}

#[test]
fn every_database_answers_as_its_file_does() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), None);
    let mut paths = databases(dir.path());
    paths.extend(databases(&fixtures()));
    let mut asked = 0;
    for path in paths {
        let state = captured(&path).unwrap();
        let exported = dir.path().join("exported");
        fs::write(&exported, &state).unwrap();
        let file = open(&exported);
        let snapshot = vfs::open(Arc::new(Memory(state.clone()))).unwrap();
        for sql in queries(&file) {
            if sql != "PRAGMA journal_mode" {
                assert_eq!(answer(&snapshot, &sql), answer(&file, &sql), "{}: {sql}", path.display());
                asked += 1;
            }
        }
        drop(file);
        assert!(fs::read(&exported).unwrap() == state);
        assert!(answer(&snapshot, "CREATE TABLE new (x)").contains("readonly"));
        assert!(answer(&snapshot, "PRAGMA user_version = 3").contains("readonly"), "{}", path.display());
    }
    assert!(asked > 1000, "{asked} queries");
}

#[test]
fn indexes_of_every_kind_work() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), Some("fts5,rtree,shop"));
    for (name, table, sqls) in [
        ("fts5.db", "fts5", ["SELECT rowid, rank FROM t WHERE t MATCH 'a*' ORDER BY rank", "SELECT count(*) FROM t"]),
        ("rtree.db", "rtree", ["SELECT * FROM t ORDER BY 2 DESC", "SELECT count(*) FROM t"]),
    ] {
        let path = dir.path().join(name);
        let file = open(&path);
        let snapshot = vfs::open(Arc::new(Memory(captured(&path).unwrap()))).unwrap();
        let tables: Vec<String> = file
            .prepare("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%' || ?1 || '(%'")
            .unwrap()
            .query_map([table], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(!tables.is_empty(), "{name}");
        for (table, sql) in tables.iter().flat_map(|t| sqls.iter().map(move |s| (t, s))) {
            let sql =
                sql.replace("FROM t", &format!("FROM \"{table}\"")).replace("t MATCH", &format!("\"{table}\" MATCH"));
            let expected = answer(&file, &sql);
            assert_eq!(answer(&snapshot, &sql), expected, "{name}: {sql}");
        }
    }
    // Sorts more than fits in memory, so that a temporary file is needed.
    let snapshot = vfs::open(Arc::new(Memory(captured(&dir.path().join("shop.db")).unwrap()))).unwrap();
    snapshot.execute_batch("PRAGMA cache_size = 10").unwrap();
    let sorted = "SELECT count(*) FROM (SELECT a.rowid, b.rowid FROM sqlite_schema a, (WITH RECURSIVE n(i) AS (SELECT 1 UNION \
                  ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i AS rowid, hex(zeroblob(200)) AS z FROM n) b ORDER BY b.z, -b.rowid LIMIT -1 OFFSET 1)";
    assert!(!answer(&snapshot, sorted).contains("error"), "{}", answer(&snapshot, sorted));
}

#[test]
fn several_states_are_attached_to_one_connection() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    let app = open(&path);
    app.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (x)").unwrap();
    let states: Vec<Mount> = (0..5)
        .map(|i| {
            app.execute("INSERT INTO t VALUES (?1)", [i]).unwrap();
            Mount::new(Arc::new(Memory(captured(&path).unwrap()))).unwrap()
        })
        .collect();
    let conn = Connection::open_in_memory().unwrap();
    for (i, mount) in states.iter().enumerate() {
        mount.attach(&conn, &format!("s{i}")).unwrap();
    }
    let uri = states[0].uri();
    drop(states);
    assert_eq!(number(&conn, "SELECT count(*) FROM s4.t EXCEPT SELECT x FROM s1.t"), 5);
    assert_eq!(number(&conn, "SELECT sum(n) FROM (SELECT count(*) AS n FROM s0.t UNION SELECT count(*) FROM s3.t)"), 5);
    assert!(conn.execute("DELETE FROM s0.t", []).unwrap_err().to_string().contains("readonly"));
    assert!(conn.execute("ATTACH ?1 AS gone", [uri]).is_err(), "a mount that was dropped has no name any more");
}

#[test]
fn the_cause_of_an_unreadable_page_is_kept() {
    struct Damaged(Memory);
    impl PageSource for Damaged {
        fn byte_len(&self) -> u64 {
            self.0.byte_len()
        }
        fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
            if first.get() > 20 {
                return Err(format!("page {first} of segment abc is damaged").into());
            }
            self.0.read_pages(first, out)
        }
    }
    let state = fs::read(fixtures().join("proj-9.5.1.db")).unwrap();
    let mount = Mount::new(Arc::new(Damaged(Memory(state)))).unwrap();
    let conn = vfs::open_mounted(&mount).unwrap();
    assert!(answer(&conn, "PRAGMA integrity_check").contains("disk I/O error"));
    let cause = mount.take_error().unwrap().to_string();
    assert!(cause.contains("of segment abc is damaged"), "{cause}");
    assert!(mount.take_error().is_none());
}

#[test]
fn a_panic_becomes_an_error() {
    use std::sync::atomic::{AtomicBool, Ordering};
    struct Panics(Memory, AtomicBool);
    impl PageSource for Panics {
        fn byte_len(&self) -> u64 {
            assert!(!self.1.load(Ordering::Relaxed), "the length is not known");
            self.0.byte_len()
        }
        fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
            self.0.read_pages(first, out)
        }
    }
    let state = fs::read(fixtures().join("proj-9.5.1.db")).unwrap();
    let source = Arc::new(Panics(Memory(state), AtomicBool::new(false)));
    let conn = vfs::open(source.clone()).unwrap();
    source.1.store(true, Ordering::Relaxed);
    assert!(answer(&conn, "SELECT * FROM sqlite_schema").starts_with("error"));
    source.1.store(false, Ordering::Relaxed);
    assert!(!answer(&conn, "SELECT * FROM sqlite_schema").starts_with("error"));
}
