//! `apply` to a database that went on: what it has beyond the state that a script was made from is kept, or the script
//! is refused with the name of what it would destroy.

use super::assert_no_row_differs;
use crate::database::{number, python, sql, text};
use crate::env::TestEnvironment;

const BASE: &str = "CREATE TABLE cust (id INTEGER PRIMARY KEY, name TEXT, mail TEXT);
    CREATE TABLE old (id INTEGER PRIMARY KEY, v);
    CREATE TABLE c (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
    CREATE VIEW w AS SELECT v FROM c;
    CREATE INDEX ix ON c (v);
    CREATE TRIGGER tr AFTER INSERT ON c BEGIN SELECT 1; END;
    PRAGMA user_version = 3;
    INSERT INTO cust VALUES (1, 'Ann', 'ann@x'), (2, 'Bob', 'bob@x');
    INSERT INTO old VALUES (1, 'a');
    INSERT INTO c (v) VALUES ('a'), ('b');";

const REBUILD: &str = "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT NOT NULL, mail TEXT);
    INSERT INTO n SELECT * FROM cust; DROP TABLE cust; ALTER TABLE n RENAME TO cust";

/// Makes `feature.sql`, which is for `base.db`, and `main.db`, which went on.
fn diverged(env: &TestEnvironment, feature: &str, main: &str) {
    for (name, more) in [("base.db", ""), ("feature.db", feature), ("main.db", main)] {
        std::fs::remove_file(env.path(name)).ok();
        sql(&env.path(name), BASE);
        sql(&env.path(name), more);
    }
    let script = env.graft(["diff", "--no-index", "--sql", "base.db", "feature.db"]).expect(1).stdout();
    std::fs::write(env.path("feature.sql"), script).expect("a file");
}

/// Each with what is said: what the target has beyond the source would be lost.
const REFUSED: [(&str, &str, &[&str]); 19] = [
    ("ALTER TABLE cust ADD COLUMN fax", "ALTER TABLE cust ADD COLUMN phone", &["table cust is not what", "phone"]),
    (REBUILD, "ALTER TABLE cust ADD COLUMN phone", &["table cust is not what"]),
    (REBUILD, "CREATE INDEX mine ON cust (name)", &["index mine of cust is not in what"]),
    (REBUILD, "CREATE TRIGGER mine AFTER INSERT ON cust BEGIN SELECT 1; END", &["trigger mine of cust is not in what"]),
    ("DROP TABLE old", "UPDATE old SET v = 'IMPORTANT'", &["conflict in old: its rows"]),
    ("DROP TABLE old", "INSERT INTO old VALUES (2, 'NEW')", &["conflict in old: its rows"]),
    ("DROP TABLE old", "CREATE VIEW mine AS SELECT v FROM old", &["view mine of old is not in what"]),
    ("DROP TABLE old", "DROP TABLE old", &["there is no such table: old"]),
    ("ALTER TABLE cust DROP COLUMN mail", "UPDATE cust SET mail = 'new' WHERE id = 1", &["conflict in cust: its rows"]),
    (
        "ALTER TABLE cust RENAME COLUMN mail TO email",
        "INSERT INTO cust VALUES (3, 'Cyd', 'c')",
        &["conflict in cust: its rows"],
    ),
    ("ALTER TABLE cust RENAME COLUMN mail TO email", "DELETE FROM cust WHERE id = 1", &["conflict in cust"]),
    ("ALTER TABLE cust RENAME TO customer", "INSERT INTO cust VALUES (3, 'Cyd', 'c')", &["conflict in cust: its rows"]),
    ("ALTER TABLE old RENAME TO older", "CREATE TABLE Older (mine)", &["table Older already exists"]),
    ("DROP VIEW w; CREATE VIEW w AS SELECT 1", "DROP VIEW w; CREATE VIEW w AS SELECT 2", &["view w is not what"]),
    (
        "DROP INDEX ix; DROP TRIGGER tr",
        "DROP INDEX ix; CREATE UNIQUE INDEX ix ON c (v); DROP TRIGGER tr",
        &["index ix is not what", "there is no such trigger: tr", "2 conflicts"],
    ),
    ("INSERT INTO c VALUES (9, 'f')", "DROP TRIGGER tr", &["there is no such trigger: tr"]),
    (
        "INSERT INTO c VALUES (9, 'f')",
        "DROP TRIGGER tr; CREATE TRIGGER tr AFTER INSERT ON c BEGIN SELECT 'new'; END",
        &["trigger tr is not what"],
    ),
    ("PRAGMA user_version = 4", "PRAGMA user_version = 7", &["the setting is not what", "user_version = 7"]),
    (
        "UPDATE sqlite_sequence SET seq = 1",
        "UPDATE sqlite_sequence SET seq = 9",
        &["conflict in c: its AUTOINCREMENT counter (9)"],
    ),
];

#[test]
fn what_a_script_would_destroy_is_named() {
    let env = TestEnvironment::init();
    for (feature, main, words) in REFUSED {
        diverged(&env, feature, main);
        let before = std::fs::read(env.path("main.db")).expect("a database");
        for check in [true, false] {
            let args: &[&str] = if check { &["apply", "--check"] } else { &["apply"] };
            let said = env.graft([args, &["feature.sql", "main.db"]].concat()).expect(1).stderr();
            for word in words {
                assert!(said.contains(word), "{feature} over {main}: {word:?} is not in {said}");
            }
        }
        assert!(std::fs::read(env.path("main.db")).expect("a database") == before, "{feature} over {main}");
        // It still fits what it was made from.
        env.graft(["apply", "feature.sql", "base.db"]).ok();
        assert_no_row_differs(&env, "base.db", "feature.db");
    }
}

#[test]
fn other_readers_of_a_script_destroy_nothing_either() {
    let env = TestEnvironment::init();
    let readers = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/row_diff/readers.py");
    for (feature, main, _) in REFUSED {
        if main.starts_with("UPDATE old") || main.starts_with("UPDATE cust") {
            continue; // They count rows, but do not look what is in them.
        }
        for reader in ["executescript", "text", "shell"] {
            diverged(&env, feature, main);
            std::fs::copy(env.path("main.db"), env.path("before.db")).expect("a copy");
            let at = |name: &str| env.path(name).to_str().expect("a UTF-8 path").to_owned();
            let said = python(&readers, &[reader, &at("main.db"), &at("feature.sql")]);
            assert!(
                said.contains("the database to be what the script was made from") || said.contains("no such"),
                "{said}"
            );
            assert_no_row_differs(&env, "before.db", "main.db");
        }
    }
}

#[test]
fn what_does_not_meet_is_carried_over() {
    let env = TestEnvironment::init();
    let rows = "SELECT group_concat(id || name || mail) FROM (SELECT * FROM cust ORDER BY id)";
    // Rows of a table that is the same, whatever else there is; a new index is none of the rows' business.
    diverged(
        &env,
        "UPDATE cust SET mail = 'new' WHERE id = 2",
        "INSERT INTO cust VALUES (3, 'Cyd', 'c'); CREATE TABLE mine (x); CREATE INDEX by_name ON cust (name); DROP TABLE old;
         UPDATE cust SET name = 'Bo' WHERE id = 2; PRAGMA user_version = 9",
    );
    env.graft(["apply", "feature.sql", "main.db"]).ok();
    assert_eq!(text(&env.path("main.db"), rows), "1Annann@x,2Bonew,3Cydc");
    // A new column comes to rows that the script does not know.
    diverged(&env, "ALTER TABLE cust ADD COLUMN fax DEFAULT 'none'", "INSERT INTO cust VALUES (3, 'Cyd', 'c')");
    env.graft(["apply", "feature.sql", "main.db"]).ok();
    assert_eq!(text(&env.path("main.db"), "SELECT group_concat(fax) FROM cust"), "none,none,none");
    // Views that only seem to mention the table that goes.
    diverged(&env, "DROP TABLE old", "CREATE TABLE gold (x); CREATE VIEW golden AS SELECT x FROM gold");
    env.graft(["apply", "feature.sql", "main.db"]).ok();
    assert_eq!(number(&env.path("main.db"), "SELECT count(*) FROM sqlite_master WHERE name IN ('old', 'golden')"), 1);
    // Counters are never set back.
    for (feature, main, counter) in [
        ("INSERT INTO c VALUES (3, 'f')", "INSERT INTO c VALUES (10, 'm'); DELETE FROM c WHERE id = 10", 10),
        ("INSERT INTO c VALUES (20, 'f')", "INSERT INTO c VALUES (30, 'm')", 30),
        ("INSERT INTO c VALUES (20, 'f')", "INSERT INTO c VALUES (10, 'm')", 20),
        ("UPDATE c SET v = 'f' WHERE id = 1", "INSERT INTO c VALUES (10, 'm')", 10),
        ("ALTER TABLE c ADD COLUMN more", "INSERT INTO c VALUES (10, 'm')", 10),
    ] {
        diverged(&env, feature, main);
        env.graft(["apply", "feature.sql", "main.db"]).ok();
        assert_eq!(number(&env.path("main.db"), "SELECT seq FROM sqlite_sequence"), counter, "{feature} over {main}");
        env.graft(["apply", "feature.sql", "base.db"]).ok();
        assert_no_row_differs(&env, "base.db", "feature.db");
    }
}

#[test]
fn a_long_value_or_a_distant_column_that_was_edited_is_not_destroyed() {
    let env = TestEnvironment::init();
    let columns: Vec<String> = (0..300).map(|i| format!("c{i}")).collect();
    let base = format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, body, photo, {}); INSERT INTO t (id, body, photo, c299) VALUES \
         (1, hex(zeroblob(500)), zeroblob(900), 'old'), (2, hex(zeroblob(500)), zeroblob(900), 'old')",
        columns.join(", ")
    );
    for feature in ["DELETE FROM t WHERE id = 1", "UPDATE t SET body = 'x', photo = 'y', c299 = 'z' WHERE id = 1"] {
        for edit in
            ["body = 'F' || substr(body, 2)", "photo = CAST(x'01' || substr(photo, 2) AS BLOB)", "c299 = 'mine'"]
        {
            for (name, more) in
                [("a.db", ""), ("b.db", feature), ("c.db", &format!("UPDATE t SET {edit} WHERE id = 1"))]
            {
                std::fs::remove_file(env.path(name)).ok();
                sql(&env.path(name), &format!("{base}; {more}"));
            }
            let script = env.graft(["diff", "--no-index", "--sql", "a.db", "b.db"]).expect(1).stdout();
            std::fs::write(env.path("s.sql"), script).expect("a file");
            let said = env.graft(["apply", "s.sql", "c.db"]).expect(1).stderr();
            assert!(said.contains("conflict in t: \"id\" = 1: the row holds other values"), "{feature} {edit}: {said}");
            env.graft(["apply", "s.sql", "a.db"]).ok();
            assert_no_row_differs(&env, "a.db", "b.db");
        }
    }
}

#[test]
fn texts_that_are_written_as_bytes_are_for_one_encoding() {
    let env = TestEnvironment::init();
    let base = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a')";
    sql(&env.path("a.db"), base);
    for (name, more) in [("b.db", "'x' || char(0) || 'y'"), ("c.db", "'plain'")] {
        sql(&env.path(name), &format!("{base}; INSERT INTO t VALUES (2, {more})"));
        let script = env.graft(["diff", "--no-index", "--sql", "a.db", name]).expect(1).stdout();
        std::fs::write(env.path(format!("{name}.sql")), script).expect("a file");
    }
    sql(&env.path("wide.db"), &format!("PRAGMA encoding = 'UTF-16le'; {base}"));
    let said = env.graft(["apply", "b.db.sql", "wide.db"]).expect(1).stderr();
    assert!(said.contains("encoding = UTF-16le"), "{said}");
    env.graft(["apply", "c.db.sql", "wide.db"]).ok();
    assert_eq!(text(&env.path("wide.db"), "SELECT v FROM t WHERE id = 2"), "plain");
}

#[test]
fn a_contentless_index_that_went_on_is_not_dropped() {
    let env = TestEnvironment::init();
    let base = "CREATE VIRTUAL TABLE f USING fts5(body, content=''); INSERT INTO f (rowid, body) VALUES (1, 'one')";
    for (name, more) in
        [("a.db", ""), ("b.db", "DROP TABLE f"), ("c.db", "INSERT INTO f (rowid, body) VALUES (2, 'mine')")]
    {
        sql(&env.path(name), &format!("{base}; {more}"));
    }
    let script = env.graft(["diff", "--no-index", "--sql", "a.db", "b.db"]).expect(1).stdout();
    std::fs::write(env.path("s.sql"), script).expect("a file");
    let said = env.graft(["apply", "s.sql", "c.db"]).expect(1).stderr();
    assert!(said.contains("conflict in f_data: its rows"), "{said}");
    env.graft(["apply", "s.sql", "a.db"]).ok();
    assert_no_row_differs(&env, "a.db", "b.db");
}

#[test]
fn on_conflict_clauses_replace_no_row_of_the_target() {
    let env = TestEnvironment::init();
    for clause in ["REPLACE", "IGNORE"] {
        let base = format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT {clause}, u UNIQUE ON CONFLICT {clause}, v);
            INSERT INTO t VALUES (1, 'a', 1)"
        );
        for (name, more) in [
            ("a.db", ""),
            ("b.db", "INSERT INTO t VALUES (2, 'b', 2)"),
            ("c.db", "INSERT INTO t VALUES (2, 'mine', 3)"),
            ("d.db", "INSERT INTO t VALUES (3, 'b', 3)"),
        ] {
            std::fs::remove_file(env.path(name)).ok();
            sql(&env.path(name), &format!("{base}; {more}"));
        }
        let script = env.graft(["diff", "--no-index", "--sql", "a.db", "b.db"]).expect(1).stdout();
        std::fs::write(env.path("s.sql"), script).expect("a file");
        env.graft(["diff", "--no-index", "--changeset=s.bin", "a.db", "b.db"]).expect(1);
        for changes in ["s.sql", "s.bin"] {
            for target in ["c.db", "d.db"] {
                let before = std::fs::read(env.path(target)).expect("a database");
                env.graft(["apply", changes, target]).expect(1);
                assert!(std::fs::read(env.path(target)).expect("a database") == before, "{clause} {changes} {target}");
            }
        }
    }
}

#[test]
fn constraints_of_the_target_are_minded() {
    let env = TestEnvironment::init();
    let base = "PRAGMA foreign_keys = OFF; CREATE TABLE author (id INTEGER PRIMARY KEY, n TEXT);
        CREATE TABLE book (id INTEGER PRIMARY KEY, a INT REFERENCES author (id), price REAL CHECK (price >= 0));
        CREATE TABLE page (book INTEGER REFERENCES book, n, PRIMARY KEY (book, n)) WITHOUT ROWID;
        INSERT INTO author VALUES (1, 'A'), (2, 'B'); INSERT INTO book VALUES (1, 1, 5), (9, 7, 5); INSERT INTO page VALUES (8, 1)";
    let cases = [
        (
            "INSERT INTO book VALUES (2, 2, 9)",
            "DELETE FROM author WHERE id = 2",
            "conflict in book: rowid 2, \"a\" = 2: it refers to a row of author",
        ),
        ("DELETE FROM author WHERE id = 2", "INSERT INTO book VALUES (2, 2, 9)", "conflict in book: rowid 2"),
        (
            "INSERT INTO page VALUES (1, 1)",
            "DELETE FROM book WHERE id = 1",
            "conflict in page: a row: it refers to a row of book",
        ),
        (
            "DROP TABLE author",
            "CREATE TABLE paper (a REFERENCES author); INSERT INTO paper VALUES (2)",
            "conflict in paper: rowid 1",
        ),
        // What dangled before is none of the changes' business.
        ("INSERT INTO book VALUES (2, 2, 9)", "INSERT INTO book VALUES (3, 77, 9)", ""),
    ];
    for (feature, main, word) in cases {
        for (name, more) in [("a.db", ""), ("b.db", feature), ("c.db", main)] {
            std::fs::remove_file(env.path(name)).ok();
            sql(&env.path(name), &format!("{base}; {more}"));
        }
        let script = env.graft(["diff", "--no-index", "--sql", "a.db", "b.db"]).expect(1).stdout();
        std::fs::write(env.path("s.sql"), script).expect("a file");
        let mut files = vec!["s.sql"];
        if !feature.starts_with("DROP") {
            env.graft(["diff", "--no-index", "--changeset=s.bin", "a.db", "b.db"]).expect(1);
            files.push("s.bin");
        }
        for changes in files {
            std::fs::copy(env.path("c.db"), env.path("t.db")).expect("a copy");
            let done = env.graft(["apply", changes, "t.db"]);
            let said = done.expect(i32::from(!word.is_empty())).stderr();
            assert!(
                said.contains(word) && said.contains("--no-verify") != word.is_empty(),
                "{feature} over {main}: {said}"
            );
            if !word.is_empty() {
                assert_no_row_differs(&env, "c.db", "t.db");
                env.graft(["apply", "--no-verify", changes, "t.db"]).ok();
            }
        }
    }
    // A CHECK, and a unique index, that only the target has.
    let plain = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a')";
    sql(&env.path("p.db"), plain);
    sql(&env.path("q.db"), &format!("{plain}; INSERT INTO t VALUES (2, 'a')"));
    env.graft(["diff", "--no-index", "--changeset=s.bin", "p.db", "q.db"]).expect(1);
    sql(&env.path("r.db"), "CREATE TABLE t (id INTEGER PRIMARY KEY, v CHECK (id < 2)); INSERT INTO t VALUES (1, 'a')");
    let said = env.graft(["apply", "s.bin", "r.db"]).expect(1).stderr();
    assert!(said.contains("conflict in t: key 2: a constraint of the table forbids it"), "{said}");
    std::fs::write(env.path("s.sql"), env.graft(["diff", "--no-index", "--sql", "p.db", "q.db"]).expect(1).bytes())
        .expect("a file");
    sql(&env.path("p.db"), "CREATE UNIQUE INDEX one ON t (v)");
    for changes in ["s.sql", "s.bin"] {
        let said = env.graft(["apply", changes, "p.db"]).expect(1).stderr();
        assert!(said.contains("conflict in t:"), "{said}");
    }
    // A new CHECK that rows of the target do not fulfil.
    sql(&env.path("x.db"), plain);
    sql(&env.path("y.db"), "CREATE TABLE t (id INTEGER PRIMARY KEY, v CHECK (v < 'b')); INSERT INTO t VALUES (1, 'a')");
    std::fs::write(env.path("s.sql"), env.graft(["diff", "--no-index", "--sql", "x.db", "y.db"]).expect(1).bytes())
        .expect("a file");
    sql(&env.path("x.db"), "INSERT INTO t VALUES (2, 'zzz')");
    let said = env.graft(["apply", "s.sql", "x.db"]).expect(1).stderr();
    assert!(said.contains("CHECK constraint failed") && said.contains("--no-verify"), "{said}");
}
