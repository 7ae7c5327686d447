//! Where statements come from, how rows are written, what an error says and how the run ends.

use std::io::Write;
use std::process::Stdio;

use snapbox::assert_data_eq;
use snapbox::str;

use super::shop;
use crate::database::{assert_sound, generated, number, sql, text};
use crate::env::{Outcome, TestEnvironment};

/// Rows with everything that a mode may stumble over.
const ROWS: &str = "SELECT 1 AS a, 'it''s x' AS b, 2.5 AS c, NULL AS d, x'4142' AS e
    UNION ALL SELECT 100000, 'hä' || char(10) || 'zwei' || char(9) || 'tab', 0.1 + 0.2, 'a,b\"|', 1e300";

#[test]
fn every_mode_writes_as_the_shell_of_sqlite_does() {
    let env = shop();
    let of = |args: &[&str]| env.graft([&["sql"], args, &[ROWS]].concat()).ok();
    // What sqlite3 3.40 printed.
    assert_eq!(of(&[]), "1|it's x|2.5||AB\n100000|hä\nzwei\ttab|0.3|a,b\"||1.0e+300\n");
    assert_eq!(
        of(&["--mode", "csv", "--header"]),
        "a,b,c,d,e\r\n1,\"it's x\",2.5,,AB\r\n100000,\"hä\nzwei\ttab\",0.3,\"a,b\"\"|\",1.0e+300\r\n"
    );
    assert_eq!(of(&["--mode", "tsv"]), "1\tit's x\t2.5\t\tAB\n100000\thä\nzwei\ttab\t0.3\ta,b\"|\t1.0e+300\n");
    assert_eq!(of(&["--null", "-"]), "1|it's x|2.5|-|AB\n100000|hä\nzwei\ttab|0.3|a,b\"||1.0e+300\n");
    assert_data_eq!(
        of(&["--mode", "line"]),
        str![[r#"
    a = 1
    b = it's x
    c = 2.5
    d = 
    e = AB

    a = 100000
    b = hä
zwei	tab
    c = 0.3
    d = a,b"|
    e = 1.0e+300

"#]]
    );
    assert_data_eq!(
        of(&["--mode", "box", "--null", "NULL"]),
        str![[r#"
┌────────┬─────────────┬─────┬───────┬──────────┐
│   a    │      b      │  c  │   d   │    e     │
├────────┼─────────────┼─────┼───────┼──────────┤
│ 1      │ it's x      │ 2.5 │ NULL  │ AB       │
├────────┼─────────────┼─────┼───────┼──────────┤
│ 100000 │ hä          │ 0.3 │ a,b"| │ 1.0e+300 │
│        │ zwei    tab │     │       │          │
└────────┴─────────────┴─────┴───────┴──────────┘

"#]]
    );
    assert_data_eq!(
        of(&["--mode", "table"]),
        str![[r#"
+--------+-------------+-----+-------+----------+
|   a    |      b      |  c  |   d   |    e     |
+--------+-------------+-----+-------+----------+
| 1      | it's x      | 2.5 |       | AB       |
+--------+-------------+-----+-------+----------+
| 100000 | hä          | 0.3 | a,b"| | 1.0e+300 |
|        | zwei    tab |     |       |          |
+--------+-------------+-----+-------+----------+

"#]]
    );
    assert_data_eq!(
        of(&["--mode", "markdown"]),
        str![[r#"
|   a    |      b      |  c  |   d   |    e     |
|--------|-------------|-----|-------|----------|
| 1      | it's x      | 2.5 |       | AB       |
| 100000 | hä          | 0.3 | a,b"| | 1.0e+300 |
|        | zwei    tab |     |       |          |

"#]]
    );
    // Values that come back exactly.
    let json = of(&["--mode", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(rows[1]["c"], 0.1 + 0.2);
    assert_eq!((&rows[0]["d"], &rows[0]["e"]["$blob"]), (&serde_json::Value::Null, &"QUI=".into()));
    assert_eq!(of(&["--mode", "ndjson"]).lines().count(), 2);
    assert!(of(&["--mode", "quote"]).starts_with("1,'it''s x',2.5,NULL,x'4142'\n100000,'hä\nzwei\ttab',"));
    let insert = of(&["--mode", "insert"]);
    sql(&env.path("copy.db"), &format!("CREATE TABLE \"table\" (a, b, c, d, e); {insert}"));
    assert_eq!(number(&env.path("copy.db"), "SELECT c = 0.1 + 0.2 AND e = 1e300 FROM \"table\" WHERE a = 100000"), 1);
    assert_eq!(number(&env.path("copy.db"), "SELECT d IS NULL AND e = x'4142' FROM \"table\" WHERE a = 1"), 1);
}

#[test]
fn global_json_tells_columns_and_rows_of_each_statement() {
    let env = shop();
    let lines = env.graft(["sql", "--json", "SELECT id, id AS id FROM product LIMIT 1; SELECT 1 WHERE 0"]).ndjson();
    let seen: Vec<_> = lines.iter().map(|l| (l["type"].as_str(), l["statement"].as_u64())).collect();
    assert_eq!(seen, [(Some("columns"), Some(1)), (Some("row"), Some(1)), (Some("columns"), Some(2))]);
    assert!(lines.iter().all(|l| l["schema"] == "graft.sql/1"));
    assert_eq!(lines[1]["values"], serde_json::json!([1, 1]));
    let failed = env.graft(["sql", "--json", "SELEC 1"]);
    let error: serde_json::Value = serde_json::from_str(&failed.expect(1).stderr()).expect("JSON");
    assert_eq!((&error["schema"], &error["exit_code"]), (&"graft.error/1".into(), &1.into()));
}

/// Runs `graft sql` with a text on standard input.
fn piped(env: &TestEnvironment, args: &[&str], input: &str) -> Outcome {
    let mut command = env.command([&["sql"], args].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("graft starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    crate::env::wait(child, format!("graft sql {args:?} < {input:?}"))
}

#[test]
fn statements_come_from_arguments_files_and_pipes() {
    let env = shop();
    let script = "-- a comment; with a semicolon\nSELECT count(*)\n  FROM product;\n.print 'a  b'\nSELECT ';';\n\
                  CREATE TEMP TRIGGER x AFTER INSERT ON product BEGIN SELECT 1; SELECT 2; END;\nSELECT 7";
    let wanted = "2\na  b\n;\n7\n";
    assert_eq!(piped(&env, &[], script).ok(), wanted);
    std::fs::write(env.path("x.sql"), script).expect("a file");
    assert_eq!(env.graft(["sql", "-f", "x.sql"]).ok(), wanted);
    assert_eq!(env.graft(["sql", ".read x.sql"]).ok(), wanted);
    assert_eq!(env.graft(["sql", "SELECT 1; SELECT 2", ".print 3", "SELECT 4"]).ok(), "1\n2\n3\n4\n");
    std::fs::write(env.path("loop.sql"), ".read loop.sql\n").expect("a file");
    let endless = env.graft(["sql", "-f", "loop.sql"]);
    assert!(endless.expect(1).stderr().contains("is read by itself"), "{endless}");
}

#[test]
fn an_error_is_shown_at_its_place_and_ends_the_run() {
    let env = shop();
    let fails = |args: &[&str]| {
        let outcome = env.graft([&["sql"], args].concat());
        assert_eq!(outcome.expect(1).stdout(), "", "{outcome}");
        outcome.stderr()
    };
    assert_eq!(fails(&["SELEC 1"]), "error: near \"SELEC\": syntax error\n  SELEC 1\n  ^--- here\n");
    assert_eq!(
        fails(&["SELECT prise FROM product"]),
        "error: no such column: prise\n  SELECT prise FROM product\n         ^--- here\nhelp: did you mean 'price'?\n"
    );
    assert!(fails(&["SELECT 1 FROM prodcut"]).ends_with("help: did you mean 'product'?\n"));
    assert_eq!(fails(&["INSERT INTO tag VALUES ('hot', 1)"]), "error: UNIQUE constraint failed: tag.word\n");
    std::fs::write(env.path("x.sql"), "SELECT 1;\n\nSELECT\n  wrong;\nSELECT 2;\n").expect("a file");
    let outcome = env.graft(["sql", "-f", "x.sql"]);
    assert_eq!(outcome.expect(1).stdout(), "1\n");
    assert_eq!(outcome.stderr(), "error: no such column: wrong\n  x.sql:4: wrong;\n           ^--- here\n");
    let outcome = piped(&env, &[], ".bail off\nSELECT 1;\nwrong;\nSELECT 2;\n.nonsense\n.tabels\n");
    assert_eq!(outcome.expect(1).stdout(), "1\n2\n");
    assert!(outcome.stderr().contains("line 3: wrong"), "{outcome}");
    assert!(outcome.stderr().contains("did you mean '.tables'?"), "{outcome}");
    // What was not committed is not there.
    piped(&env, &[], "BEGIN; DELETE FROM product; wrong; COMMIT;").expect(1);
    assert_eq!(number(&env.path("shop.db"), "SELECT count(*) FROM product"), 2);
}

#[test]
fn hostile_texts_are_errors_not_panics() {
    let env = shop();
    for text in [
        "'",
        "\"",
        "/*",
        "SELECT 'ä",
        "SELECT 1 \u{fffd}",
        ";;;",
        "--",
        ".",
        "..",
        ".mode",
        ".mode ''",
        "SELECT ?1",
        ".",
    ] {
        let outcome = env.graft(["sql", text]);
        assert!([0, 1].contains(&outcome.code()), "{text:?}: {outcome}");
    }
    let mut command = env.command(["sql"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("graft starts");
    child.stdin.take().expect("a pipe").write_all(b"SELECT '\xff';\n").expect("it reads");
    let outcome = crate::env::wait(child, "bytes".to_owned());
    assert!(outcome.expect(1).stderr().contains("line 1 is not UTF-8"), "{outcome}");
    assert_eq!(env.graft(["sql", "SELECT hex(zeroblob(3))"]).ok(), "000000\n");
    let deep = format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000));
    env.graft(["sql", &deep]).expect(1);
}

#[test]
fn the_database_is_chosen_by_name_or_because_it_is_the_only_one() {
    let env = shop();
    assert_eq!(env.graft(["sql", "SELECT count(*) FROM tag"]).ok(), "1\n");
    sql(&env.path("other.db"), "CREATE TABLE t (x)");
    let missing = env.graft(["sql", "--db", "othr.db", "SELECT 1"]).refused(&["there is no file 'othr.db'"]);
    assert!(missing.contains("did you mean 'other.db'?"), "{missing}");
    assert!(!env.path("othr.db").exists(), "a typing error makes no file");
    env.graft(["add", "other.db"]).ok();
    let which = env.graft(["sql", "SELECT 1"]);
    which.wrong_usage(&["2 databases are tracked: other.db, shop.db", "--db other.db"]);
    // At a revision, those of the revision count.
    assert_eq!(env.graft(["sql", "--at", "HEAD", "SELECT count(*) FROM tag"]).ok(), "1\n");
    assert_eq!(env.graft(["sql", "--db", "other.db", ".tables"]).ok(), "t\n");
    std::fs::create_dir(env.path("sub")).expect("a folder");
    let inside =
        env.graft_in(&env.path("sub"), ["sql", "--db", "../shop.db", "--at", "HEAD~1", "SELECT count(*) FROM product"]);
    assert_eq!(inside.ok(), "3\n");
    std::fs::remove_file(env.path("shop.db")).expect("it was there");
    let gone = env.graft(["sql", "--db", "shop.db", "SELECT 1"]).refused(&["there is no file 'shop.db'"]);
    assert!(gone.contains("graft restore shop.db"), "{gone}");
    assert_eq!(env.graft(["sql", "--db", "shop.db", "--at", "HEAD", "SELECT count(*) FROM tag"]).ok(), "1\n");
    env.graft(["sql", "--db", "new.db", "--create", "CREATE TABLE n (x)"]).ok();
    assert_sound(&env.path("new.db"));
    let outside = TestEnvironment::empty();
    sql(&outside.path("plain.db"), "CREATE TABLE t (x)");
    assert_eq!(outside.graft(["sql", "--db", "plain.db", ".tables"]).ok(), "t\n");
    outside.graft(["sql", "SELECT 1"]).refused(&["not a graft repository"]);
    outside.graft(["sql", "--db", "plain.db", "--at", "HEAD", "SELECT 1"]).refused(&["not a graft repository"]);
    std::fs::write(outside.path("text.txt"), "no database, but a text that is long enough to be one").expect("a file");
    outside.graft(["sql", "--db", "text.txt", "SELECT 1"]).fails(&["cannot open 'text.txt'", "not a database"]);
}

#[test]
fn defaults_are_those_of_sqlite() {
    let env = shop();
    let out = env.graft(["sql", "PRAGMA foreign_keys; PRAGMA synchronous; PRAGMA recursive_triggers"]).ok();
    assert_eq!(out, "0\n2\n0\n");
    let refused = env.graft(["sql", "--readonly", "DELETE FROM tag"]);
    assert!(refused.expect(1).stderr().contains("help: the session was opened with --readonly"), "{refused}");
    assert_eq!(number(&env.path("shop.db"), "SELECT count(*) FROM tag"), 1);
}

#[test]
fn rows_of_a_file_are_imported_or_none() {
    let env = shop();
    std::fs::write(env.path("new.csv"), "word,uses\r\n\"a,b\",1\r\n\"x\"\"y\nz\",2\r\n").expect("a file");
    env.graft(["sql", ".import --csv new.csv fresh", ".import --csv --skip 1 new.csv tag"]).ok();
    let rows = env.graft(["sql", "--mode", "quote", "SELECT * FROM fresh; SELECT * FROM tag ORDER BY uses, word"]).ok();
    assert_eq!(rows, "'a,b','1'\n'x\"y\nz','2'\n'a,b',1\n'hot',2\n'x\"y\nz',2\n");
    std::fs::write(env.path("bad.csv"), "good,1\nhot,2\n").expect("a file");
    let failed = env.graft(["sql", ".import --csv bad.csv tag"]);
    assert!(failed.expect(1).stderr().contains("nothing was: UNIQUE constraint failed"), "{failed}");
    std::fs::write(env.path("open.csv"), "one,1\n\"two,2\n").expect("a file");
    let failed = env.graft(["sql", ".import --csv open.csv tag"]);
    assert!(failed.expect(1).stderr().contains("line 2"), "{failed}");
    assert_eq!(number(&env.path("shop.db"), "SELECT count(*) FROM tag"), 3);
}

#[test]
fn a_dump_makes_the_same_database_again() {
    let env = shop();
    for name in ["fts5.db", "generated_columns.db", "types.db", "strict.db", "without_rowid.db", "rtree.db", "shop.db"]
    {
        let from = if name == "shop.db" { env.path(name) } else { generated().join(name) };
        if !from.exists() {
            continue;
        }
        let script = env.graft(["sql", "--db", &from.to_string_lossy(), ".dump"]).ok();
        let to = env.path(format!("again-{name}"));
        sql(&to, &script);
        assert_sound(&to);
        let again = env.graft(["sql", "--db", &to.to_string_lossy(), ".dump"]).ok();
        assert_eq!(script, again, "{name}");
    }
    let at = env.graft(["sql", "--at", "HEAD~2", ".dump product"]).ok();
    assert!(at.contains("INSERT INTO product VALUES(2,'coffee',3.75);") && !at.contains("tag"), "{at}");
    assert!(text(&env.path("shop.db"), "SELECT group_concat(name) FROM product").contains("cake"));
}

/// Makes a database whose tables are sorted by a collation that no other program has.
fn with_foreign_collation(env: &TestEnvironment, name: &str) {
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
                  c.create_collation('klingon', lambda a, b: (b > a) - (b < a))\nc.executescript(sys.argv[2])";
    let tables = "CREATE TABLE plain (a); INSERT INTO plain VALUES ('p');
         CREATE TABLE indexed (id INTEGER PRIMARY KEY, a TEXT COLLATE klingon, n INT); CREATE INDEX i ON indexed (a);
         INSERT INTO indexed VALUES (1, 'x', 5), (2, 'y', 6);
         CREATE TABLE sorted (a TEXT COLLATE klingon PRIMARY KEY, n INT) WITHOUT ROWID; INSERT INTO sorted VALUES ('s', 1), ('t', 2);
         CREATE TABLE last (a); INSERT INTO last VALUES ('l')";
    let mut python = env.program("python3", env.repo());
    python.args(["-c", script, name, tables]);
    env.run(python).ok();
}

#[test]
fn tables_that_need_a_collation_of_the_application_are_dumped() {
    let env = shop();
    with_foreign_collation(&env, "far.db");
    env.graft(["add", "far.db"]).ok();
    env.graft(["commit", "-qm", "Far"]).ok();
    for place in [&["--db", "far.db"][..], &["--db", "far.db", "--at", "HEAD"]] {
        let dump = env.graft([&["sql"], place, &[".dump"]].concat());
        let text = dump.expect(0).stdout();
        for row in ["plain VALUES('p')", "indexed VALUES(2,'y',6)", "sorted VALUES('s',1)", "last VALUES('l')"] {
            assert!(text.contains(&format!("INSERT INTO {row};\n")), "{place:?} {row}: {text}");
        }
        assert!(text.ends_with("COMMIT;\n") && text.contains("CREATE INDEX i ON indexed (a);\n"), "{text}");
        let said = dump.stderr();
        assert!(said.contains("sorted") && said.contains("indexed") && said.contains("klingon"), "{said}");
        // What would have to sort is refused as before, and says which table and why.
        let both = env.graft([&["sql"], place, &[".dump", "SELECT a FROM indexed ORDER BY a"]].concat());
        let said = both.expect(1).stderr();
        assert!(said.contains("no such collation sequence: klingon") && said.contains("indexed (klingon)"), "{said}");
        let said = env.graft([&["sql"], place, &["SELECT * FROM sorted"]].concat()).expect(1).stderr();
        assert!(said.contains("a collation is missing") && said.contains("sorted (klingon)"), "{said}");
        let rows = env.graft([&["sql"], place, &["SELECT count(*) FROM indexed NOT INDEXED"]].concat());
        assert_eq!(rows.ok(), "2\n");
    }
    let rows = env.graft(["sql", "--db", "far.db", "SELECT row ->> 'a' FROM graft_at('HEAD', 'sorted') ORDER BY 1"]);
    assert_eq!(rows.ok(), "s\nt\n");
}

#[test]
fn dot_commands_answer_as_in_sqlite() {
    let env = shop();
    let of = |command: &str| env.graft(["sql", command]).ok();
    assert_eq!(of(".tables"), "product  tag    \n");
    assert_eq!(of(".schema tag"), "CREATE TABLE tag (word TEXT PRIMARY KEY, uses INTEGER);\n");
    assert_eq!(of(".databases"), format!("main: {} r/w\n", env.path("shop.db").display()));
    let out = env
        .graft(["sql", ".at", ".at HEAD~1", ".at", "SELECT count(*) FROM product", ".databases", ".at -", ".tables"])
        .ok();
    let file = env.path("shop.db").display().to_string();
    assert_eq!(out, format!("the worktree\nHEAD~1\n3\nmain: {file} at HEAD~1 r/o\nproduct  tag    \n"));
    let failed = env.graft(["sql", ".at nowhere"]);
    assert!(failed.expect(1).stderr().contains("unknown revision 'nowhere'"), "{failed}");
    env.graft(["sql", ".mode csv", ".once rows.csv", "SELECT * FROM tag", "SELECT 1"]).ok();
    assert_eq!(std::fs::read_to_string(env.path("rows.csv")).expect("a file"), "hot,2\r\n");
    let changes = env.graft(["sql", ".changes on", "UPDATE product SET price = 1"]).ok();
    assert_eq!(changes, "changes: 2   total_changes: 2\n");
    let timer = env.graft(["sql", ".timer on", "SELECT 1"]).ok();
    assert!(timer.starts_with("1\nRun Time: real 0."), "{timer}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let env = shop();
    let mut child = env
        .command(["sql", "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i FROM c"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("graft starts");
    drop(child.stdout.take());
    let outcome = crate::env::wait(child, "endless".to_owned());
    assert_eq!((outcome.code(), outcome.stderr().as_str()), (141, ""));
}

#[test]
fn ctrl_c_ends_an_endless_statement_and_rolls_back() {
    let env = shop();
    let endless = "INSERT INTO tag SELECT i, i FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i FROM c)";
    let child = env.command(["sql", "SELECT 'begun'", endless]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("graft starts");
    std::thread::sleep(std::time::Duration::from_millis(700));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert_eq!(number(&env.path("shop.db"), "SELECT count(*) FROM tag"), 1);
    assert!(!crate::database::has_sidecar(&env.path("shop.db")), "SQLite rolled back itself");
}
