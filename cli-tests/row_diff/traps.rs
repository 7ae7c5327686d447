//! Changes that other tools get wrong: nothing is shown that did not change, and everything that did.

use crate::database::sql;
use crate::env::TestEnvironment;

/// A database in a commit.
fn committed(script: &str) -> TestEnvironment {
    let env = TestEnvironment::init();
    sql(&env.path("t.db"), script);
    env.graft(["add", "t.db"]).ok();
    env.graft(["commit", "-qm", "one"]).ok();
    env
}

/// The lines of rows that differ since the commit.
fn rows(env: &TestEnvironment) -> Vec<String> {
    let text = env.graft(["diff"]).ok();
    text.lines().filter(|l| l.starts_with(['+', '-', '~']) && l.contains('=')).map(str::to_owned).collect()
}

const MANY: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n, body TEXT);
    WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)
    INSERT INTO t SELECT i, i * 7, printf('body of row %d %s', i, hex(zeroblob(40))) FROM c;";

#[test]
fn a_new_layout_is_no_change_of_rows() {
    let env = committed(&format!("{MANY} DELETE FROM t WHERE id % 3 = 0"));
    for layout in ["VACUUM", "PRAGMA page_size = 1024; VACUUM", "PRAGMA auto_vacuum = 1; VACUUM"] {
        sql(&env.path("t.db"), layout);
        assert_eq!(rows(&env), Vec::<String>::new(), "{layout}");
    }
    sql(&env.path("t.db"), "UPDATE t SET n = 0 WHERE id = 1000");
    assert_eq!(rows(&env), ["~id=1000 n: 7000 → 0"]);
}

#[test]
fn deleting_and_inserting_the_same_is_no_change() {
    let env = committed(MANY);
    sql(
        &env.path("t.db"),
        "CREATE TEMP TABLE keep AS SELECT * FROM t; DELETE FROM t; INSERT INTO t SELECT * FROM keep ORDER BY n DESC",
    );
    assert_eq!(rows(&env), Vec::<String>::new());
    sql(
        &env.path("t.db"),
        "CREATE TEMP TABLE keep AS SELECT * FROM t; DROP TABLE t; CREATE TABLE other (x); CREATE TABLE t (id INTEGER PRIMARY KEY, n, body TEXT);
         INSERT INTO t SELECT * FROM keep; DROP TABLE other",
    );
    let text = env.graft(["diff"]).ok();
    assert!(!text.contains("@@") && !text.contains("table t"), "{text}");
}

#[test]
fn one_page_of_a_long_value_written_over_in_place_is_found() {
    let env = committed(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, zeroblob(100000)), (2, zeroblob(100000))",
    );
    sql(&env.path("t.db"), "UPDATE t SET b = substr(b, 1, 60000) || x'ff' || substr(b, 60002) WHERE id = 2");
    assert_eq!(rows(&env).len(), 1);
    assert!(rows(&env)[0].starts_with("~id=2 b: blob("), "{:?}", rows(&env));
    env.graft(["commit", "-qam", "two"]).ok();
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nb = c.blobopen('t', 'b', 1)\nb[50000] = 1\nb.close()\nc.commit()";
    let mut python = env.program("python3", env.repo());
    python.args(["-c", script, "t.db"]);
    env.run(python).ok();
    assert_eq!(rows(&env).len(), 1);
    assert!(rows(&env)[0].starts_with("~id=1 b: blob("), "{:?}", rows(&env));
}

#[test]
fn extreme_values_are_shown_as_they_are() {
    let env = committed("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
    sql(
        &env.path("t.db"),
        "INSERT INTO t VALUES (-9223372036854775808, 9223372036854775807), (-1, 1e-20), (0, 9e999), (1, -9e999),
         (2, 1e999 - 1e999), (3, 2147483648), (4, -140737488355329), (9223372036854775807, x''), (5, CAST(x'ff00' AS TEXT)), (6, '')",
    );
    assert_eq!(
        rows(&env),
        [
            "+id=-9223372036854775808 v=9223372036854775807",
            "+id=-1 v=1e-20",
            "+id=0 v=Infinity",
            "+id=1 v=-Infinity",
            "+id=2 v=NULL",
            "+id=3 v=2147483648",
            "+id=4 v=-140737488355329",
            "+id=5 v=text(2 B, not UTF-8, e7645220)",
            "+id=6 v=''",
            "+id=9223372036854775807 v=blob(0 B, af1349b9)",
        ]
    );
}

#[test]
fn keys_are_compared_exactly() {
    let env = committed(
        "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, n) WITHOUT ROWID; INSERT INTO t VALUES ('abc', 1)",
    );
    sql(&env.path("t.db"), "UPDATE t SET k = 'ABC'");
    let mut seen = rows(&env);
    seen.sort();
    assert_eq!(seen, ["+k='ABC' n=1", "-k='abc' n=1"]);
}

#[test]
fn odd_names_are_quoted() {
    let env = committed("CREATE TABLE \"a \"\" b\" (\"\" INTEGER PRIMARY KEY, \"Größe = 1\")");
    sql(&env.path("t.db"), "INSERT INTO \"a \"\" b\" VALUES (1, 2)");
    let text = env.graft(["diff"]).ok();
    assert!(text.ends_with("@@ \"a \"\" b\" (key \"\"): 1 inserted @@\n+\"\"=1 \"Größe = 1\"=2\n"), "{text}");
}

#[test]
fn full_text_tables_show_their_rows_and_hide_what_they_are_made_of() {
    let env = committed("CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('one'), ('two')");
    sql(&env.path("t.db"), "UPDATE f SET body = 'three' WHERE rowid = 2");
    assert_eq!(rows(&env), ["~rowid=2 body: 'two' → 'three'"]);
    let shadow = env.graft(["diff", "--shadow", "--stat"]).ok();
    assert!(shadow.contains("f_content"), "{shadow}");
}

#[test]
fn two_thousand_columns() {
    let columns: Vec<String> = (0..2000).map(|i| format!("c{i}")).collect();
    let values: Vec<String> = (0..2000).map(|i| i.to_string()).collect();
    let env =
        committed(&format!("CREATE TABLE t ({}); INSERT INTO t VALUES ({})", columns.join(","), values.join(",")));
    sql(&env.path("t.db"), "UPDATE t SET c0 = 'first', c1999 = 'last'");
    assert_eq!(rows(&env), ["~rowid=1 c0: 0 → 'first' c1999: 1999 → 'last'"]);
    assert!(env.graft(["diff", "--stat"]).ok().contains("t | +0 -0 ~1"));
    std::fs::write(env.path("t.sql"), env.graft(["diff", "--sql"]).ok()).expect("a file");
    std::fs::copy(env.path("t.db"), env.path("wanted.db")).expect("a copy");
    env.graft(["restore", "--force", "t.db"]).ok();
    env.graft(["apply", "t.sql"]).ok();
    env.graft(["diff", "--no-index", "-t", "t", "t.db", "wanted.db"]).expect(0);
    // SQLite applies no changesets to so many columns, so none is written.
    env.graft(["diff", "--changeset", "t.bin"]).refused(&["so many columns"]);
}
