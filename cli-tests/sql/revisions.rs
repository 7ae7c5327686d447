//! Revisions as databases: the same answers as plain SQLite gives on the exported file, and nothing written anywhere.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use super::shop;
use crate::app::App;
use crate::database::{CORPUS, copy_database, fixture, generated_valid, sql};
use crate::env::TestEnvironment;
use crate::tree::files_under;

/// What plain SQLite answers: per query the rows, or the error.
fn plain(path: &Path, queries: &[String]) -> Vec<Value> {
    let conn = Connection::open(path).expect("the exported file opens");
    let rows = |query: &String| -> rusqlite::Result<Value> {
        let mut statement = conn.prepare(query)?;
        let count = statement.column_count();
        let mut rows = statement.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push((0..count).map(|i| typed(row.get_ref(i).expect("a column"))).collect::<Vec<_>>());
        }
        Ok(json!(out))
    };
    queries.iter().map(|q| rows(q).unwrap_or_else(|_| json!("error"))).collect()
}

fn typed(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => json!(n),
        ValueRef::Real(n) if n.is_finite() => real(n),
        ValueRef::Real(n) => json!({ "$real": if n > 0.0 { "Infinity" } else { "-Infinity" } }),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({ "bytes": bytes.len() }),
        },
        ValueRef::Blob(bytes) => json!({ "bytes": bytes.len() }),
    }
}

/// The reader of JSON rounds the last digit as it likes.
fn real(n: f64) -> Value {
    json!(format!("{n:.12e}"))
}

/// What `graft sql --at` answers, in the same form.
fn at(env: &TestEnvironment, db: &str, rev: &str, queries: &[String]) -> Vec<Value> {
    let script: String =
        std::iter::once(".bail off\n".to_owned()).chain(queries.iter().map(|q| format!("{q};\n"))).collect();
    let file = env.outside().join("queries.sql");
    std::fs::write(&file, script).expect("a script");
    let outcome = env.graft(["sql", "--json", "--db", db, "--at", rev, "-f", &file.to_string_lossy()]);
    assert!([0, 1].contains(&outcome.code()), "{outcome}");
    let mut answers = vec![json!("error"); queries.len()];
    for line in outcome.stdout().lines() {
        let line: Value = serde_json::from_str(line).expect("NDJSON");
        let statement = line["statement"].as_u64().expect("a number") as usize - 1;
        match line["type"].as_str() {
            Some("columns") => answers[statement] = json!([]),
            _ => {
                let values: Vec<Value> = line["values"].as_array().expect("values").iter().map(short).collect();
                answers[statement].as_array_mut().expect("columns come first").push(json!(values));
            }
        }
    }
    answers
}

/// Bytes by their number, as [`typed`] has them.
fn short(value: &Value) -> Value {
    let coded = value.get("$blob").or_else(|| value.get("$text")).and_then(Value::as_str);
    match coded {
        Some(text) => json!({ "bytes": text.len() / 4 * 3 - text.bytes().filter(|b| *b == b'=').count() }),
        None => match value.as_f64().filter(|_| value.is_f64()) {
            Some(n) => real(n),
            None => value.clone(),
        },
    }
}

/// Queries that fit any database: every table, and SQLite's own check.
fn general(path: &Path) -> Vec<String> {
    let conn = Connection::open(path).expect("the exported file opens");
    let mut names = conn
        .prepare("SELECT replace(name, '\"', '\"\"') FROM sqlite_schema WHERE type IN ('table', 'view')")
        .expect("a schema");
    let names: Vec<String> = names.query_map([], |row| row.get(0)).expect("names").map(|n| n.expect("text")).collect();
    let mut queries =
        vec!["PRAGMA integrity_check".to_owned(), "SELECT count(*), sum(length(sql)) FROM sqlite_schema".to_owned()];
    for name in names {
        queries.push(format!("SELECT count(*) FROM \"{name}\""));
        queries.push(format!("SELECT * FROM \"{name}\" LIMIT 40"));
        queries.push(format!("SELECT * FROM \"{name}\" ORDER BY 1 DESC LIMIT 5"));
    }
    queries
}

#[track_caller]
fn compare(env: &TestEnvironment, db: &str, rev: &str, queries: Option<&[String]>) {
    let exported = env.outside().join("exported.db");
    env.graft(["export", "-f", &format!("{rev}:{db}"), "-o", &exported.to_string_lossy()]).ok();
    let queries = queries.map_or_else(|| general(&exported), <[String]>::to_vec);
    let (wanted, got) = (plain(&exported, &queries), at(env, db, rev, &queries));
    for ((query, wanted), got) in queries.iter().zip(&wanted).zip(&got) {
        let part = |v: &Value| v.to_string().chars().take(2000).collect::<String>();
        assert!(got == wanted, "{db} at {rev}: {query}\n{}\n{}", part(got), part(wanted));
    }
    for sidecar in crate::database::SIDECARS {
        std::fs::remove_file(crate::database::beside(&exported, sidecar)).ok();
    }
}

#[test]
fn every_database_of_the_corpus_answers_as_exported() {
    let env = TestEnvironment::init();
    let mut names = Vec::new();
    let made = generated_valid().into_iter().chain(CORPUS.iter().map(|name| fixture(name)));
    for path in made {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        copy_database(&path, &env.path(&name));
        names.push(name);
    }
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-qm", "All"]).ok();
    let tracked = env.graft(["ls-files"]).ok();
    let mut compared = 0;
    for name in names.iter().filter(|n| tracked.lines().any(|t| t == n.as_str())) {
        compare(&env, name, "HEAD", None);
        compared += 1;
    }
    assert!(compared >= 50, "only {compared} databases");
}

/// A history in which everything changes: rows, FTS5, R*Tree, JSON, the schema.
fn history(env: &TestEnvironment, db: &str, settings: &str, commits: u32) {
    let path = env.path(db);
    sql(
        &path,
        &format!(
            "{settings};
             CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, about TEXT, born INTEGER);
             CREATE INDEX person_name ON person (name);
             CREATE TABLE pay (person INTEGER, month TEXT, amount REAL, PRIMARY KEY (person, month)) WITHOUT ROWID;
             CREATE VIRTUAL TABLE words USING fts5(body);
             CREATE VIRTUAL TABLE place USING rtree(id, x0, x1, y0, y1);
             CREATE VIEW rich AS SELECT person, sum(amount) AS total FROM pay GROUP BY person HAVING total > 100;"
        ),
    );
    for n in 1..=commits {
        sql(
            &path,
            &format!(
                "WITH RECURSIVE c(i) AS (SELECT {n} * 100 UNION ALL SELECT i + 1 FROM c WHERE i < {n} * 100 + 40)
                 INSERT INTO person (id, name, about, born) SELECT i, 'name ' || (i * 7919 % 1000), json_object('n', i, 'list', json_array(i, i + 1)), 1900 + i % 100 FROM c;
                 INSERT INTO pay SELECT id, printf('2026-%02d', id % 12 + 1), id * 1.1 FROM person WHERE id / 100 = {n};
                 INSERT INTO words SELECT 'word' || (id % 17) || ' common ' || id FROM person WHERE id / 100 = {n};
                 INSERT INTO place SELECT id, id % 50, id % 50 + 1, id % 30, id % 30 + 2 FROM person WHERE id / 100 = {n};
                 DELETE FROM person WHERE id % 13 = {n} % 13;
                 UPDATE pay SET amount = -amount WHERE person % 5 = {n} % 5;
                 DELETE FROM words WHERE rowid % 11 = {n} % 11;"
            ),
        );
        if n == commits / 2 {
            sql(
                &path,
                "ALTER TABLE person ADD COLUMN email TEXT DEFAULT 'none'; CREATE INDEX born ON person (born DESC)",
            );
        }
        env.graft(["add", db]).ok();
        env.graft(["commit", "-qm", &format!("Number {n}")]).ok();
    }
}

/// Joins, windows, full text, ranges, JSON, recursion.
const QUERIES: [&str; 12] = [
    "SELECT * FROM person ORDER BY id",
    "SELECT p.name, sum(amount) FROM person AS p JOIN pay ON person = p.id GROUP BY p.name ORDER BY 1",
    "SELECT id, rank() OVER (PARTITION BY born % 10 ORDER BY name, id), lag(id, 2) OVER (ORDER BY id) FROM person ORDER BY id",
    "SELECT rowid, snippet(words, 0, '[', ']', '…', 4) FROM words WHERE words MATCH 'word3 OR word5' ORDER BY rank, rowid",
    "SELECT count(*) FROM words WHERE words MATCH 'comm* NOT word1'",
    "SELECT id, x0, y1 FROM place WHERE x0 >= 10 AND x1 <= 22 AND y0 < 20 ORDER BY id",
    "SELECT id, about ->> '$.n', json_extract(about, '$.list[1]') FROM person WHERE json_valid(about) ORDER BY about",
    "WITH RECURSIVE chain(id, depth) AS (SELECT min(id), 0 FROM person UNION ALL SELECT (SELECT min(id) FROM person WHERE id > chain.id), depth + 1
     FROM chain WHERE chain.id IS NOT NULL AND depth < 30) SELECT * FROM chain",
    "SELECT * FROM rich ORDER BY total DESC, person LIMIT 20",
    "SELECT name FROM person WHERE name BETWEEN 'NAME 2' AND 'name 5' ORDER BY name, id",
    "SELECT * FROM pay WHERE person IN (SELECT id FROM person WHERE born > 1950) ORDER BY month, person",
    "PRAGMA integrity_check",
];

#[test]
fn thirty_revisions_answer_as_exported() {
    let env = TestEnvironment::init();
    let queries: Vec<String> = QUERIES.map(str::to_owned).to_vec();
    history(&env, "app.db", "PRAGMA journal_mode = WAL", 16);
    for n in 0..16 {
        compare(&env, "app.db", &format!("HEAD~{n}"), Some(&queries));
    }
    history(&env, "wide.db", "PRAGMA encoding = 'UTF-16be'; PRAGMA page_size = 16384", 8);
    for n in 0..8 {
        compare(&env, "wide.db", &format!("HEAD~{n}"), Some(&queries));
    }
    history(&env, "small.db", "PRAGMA encoding = 'UTF-16le'; PRAGMA page_size = 512; PRAGMA auto_vacuum = FULL", 8);
    for n in 0..8 {
        compare(&env, "small.db", &format!("HEAD~{n}"), Some(&queries));
    }
}

#[test]
fn two_revisions_and_the_worktree_are_joined() {
    let env = shop();
    let query = "ATTACH 'file:shop.db?vfs=graft&rev=HEAD~2' AS old;
        ATTACH 'file:shop.db?vfs=graft&rev=main~1' AS mid;
        SELECT o.name, o.price, m.price, n.price FROM old.product AS o JOIN mid.product AS m USING (id) LEFT JOIN main.product AS n USING (id)";
    assert_eq!(env.graft(["sql", query]).ok(), "tea|2.5|2.75|2.75\ncoffee|3.75|3.75|\n");
    let wrong = env.graft(["sql", "ATTACH 'file:shop.db?vfs=graft&rev=mian' AS old"]);
    assert!(wrong.expect(1).stderr().contains("unknown revision 'mian'"), "{wrong}");
    let wrong = env.graft(["sql", "ATTACH 'file:shpo.db?vfs=graft&rev=main' AS old"]);
    assert!(wrong.expect(1).stderr().contains("path 'shpo.db' does not exist in 'main'"), "{wrong}");
}

#[test]
fn every_way_to_name_a_revision_works() {
    let env = shop();
    env.graft(["tag", "v1", "HEAD~2"]).ok();
    let id = env.graft(["rev-parse", "HEAD~1"]).ok();
    let count = |rev: &str| env.graft(["sql", "--at", rev, "SELECT count(*) FROM product"]).ok();
    for (rev, rows) in [
        ("v1", "2\n"),
        ("main~1", "3\n"),
        (&id[..8], "3\n"),
        ("@{1}", "3\n"),
        ("HEAD^^", "2\n"),
        (":/Raise", "3\n"),
        ("HEAD^{tree}", "2\n"),
        ("HEAD~1:shop.db", "3\n"),
        ("HEAD", "2\n"),
    ] {
        assert_eq!(count(rev), rows, "{rev}");
    }
    env.graft(["sql", "--at", "HEAD~7", "SELECT 1"]).refused(&["'HEAD~7' does not exist"]);
}

/// Every file with its bytes.
fn files(env: &TestEnvironment) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let read = |file: std::path::PathBuf| (file.clone(), std::fs::read(env.path(&file)).expect("bytes"));
    files_under(env.repo()).into_iter().map(read).collect()
}

#[test]
fn a_revision_is_never_written_and_leaves_nothing_behind() {
    let env = shop();
    let before = files(&env);
    for statement in [
        "DELETE FROM tag",
        "CREATE TABLE x (y)",
        "PRAGMA user_version = 3",
        "VACUUM",
        "PRAGMA journal_mode = WAL; DELETE FROM tag",
    ] {
        let outcome = env.graft(["sql", "--at", "HEAD~1", statement]);
        assert!(
            outcome.expect(1).stderr().contains("readonly") || outcome.stderr().contains("read-only"),
            "{statement}: {outcome}"
        );
        if !statement.starts_with("VACUUM") {
            assert!(outcome.stderr().contains("graft switch -c <branch> HEAD~1"), "{statement}: {outcome}");
        }
    }
    let attached = env.graft(["sql", "ATTACH 'file:shop.db?vfs=graft&rev=HEAD' AS old; DELETE FROM old.tag"]);
    assert!(attached.expect(1).stderr().contains("graft switch -c"), "{attached}");
    env.graft([
        "sql",
        "--at",
        "HEAD~1",
        "SELECT * FROM product ORDER BY name; CREATE TEMP TABLE t AS SELECT * FROM product",
    ])
    .ok();
    assert_eq!(files(&env), before, "no file was made or changed");
    // Rows of a revision can be carried elsewhere.
    env.graft([
        "sql",
        "--at",
        "HEAD~1",
        "ATTACH 'copy.db' AS copy; CREATE TABLE copy.product AS SELECT * FROM product",
    ])
    .ok();
    assert_eq!(crate::database::number(&env.path("copy.db"), "SELECT count(*) FROM product"), 3);
}

#[test]
fn a_file_that_is_no_database_says_so() {
    let env = shop();
    std::fs::write(env.path("notes.txt"), "words").expect("a file");
    env.graft(["add", "notes.txt"]).ok();
    env.graft(["commit", "-qm", "Notes"]).ok();
    env.graft(["sql", "--db", "notes.txt", "--at", "HEAD", "SELECT 1"]).fails(&["no database"]);
    env.graft(["sql", "--at", "HEAD", "SELECT count(*) FROM product"]).ok();
}

#[test]
fn an_open_session_is_in_nobodys_way() {
    let env = shop();
    let mut command = env.command(["sql", "--at", "HEAD~1"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut session = command.spawn().expect("graft starts");
    let mut input = session.stdin.take().expect("a pipe");
    let mut output = std::io::BufReader::new(session.stdout.take().expect("a pipe"));
    let mut ask = |query: &str| {
        use std::io::{BufRead, Write};
        writeln!(input, "{query}").expect("it listens");
        writeln!(input, ".print done").expect("it listens");
        let mut text = String::new();
        while !text.ends_with("done\n") {
            assert!(output.read_line(&mut text).expect("an answer") > 0, "the session ended");
        }
        text
    };
    assert_eq!(ask("SELECT count(*) FROM product;"), "3\ndone\n");
    sql(&env.path("shop.db"), "UPDATE tag SET uses = 5");
    let mut app = App::open(&env.path("shop.db"));
    app.sql("UPDATE tag SET uses = 6");
    for args in [
        &["status"][..],
        &["log", "-n1"],
        &["commit", "-qam", "Six"],
        &["fsck"],
        &["checkout", "HEAD", "--", "shop.db"],
    ] {
        let mut patient = vec!["--lock-timeout", "0"];
        patient.extend(args);
        env.graft(patient).ok();
    }
    // The state that it was opened on stays.
    assert_eq!(ask("SELECT count(*), sum(uses) FROM product, tag;"), "3|6\ndone\n");
    drop(input);
    assert!(session.wait().expect("it ends").success());
}

#[test]
fn damage_is_named() {
    let env = shop();
    let segments = env.dot_graft().join("segments");
    for folder in std::fs::read_dir(&segments).expect("segments") {
        for file in std::fs::read_dir(folder.expect("a folder").path()).expect("files") {
            let path = file.expect("a file").path();
            let mut bytes = std::fs::read(&path).expect("bytes");
            let middle = bytes.len() / 8;
            bytes[middle..middle + 16].fill(0xa5);
            std::fs::write(&path, bytes).expect("written");
        }
    }
    let outcome = env.graft(["sql", "--at", "HEAD~1", "SELECT * FROM product"]);
    assert_ne!(outcome.code(), 0, "{outcome}");
    assert!(outcome.stderr().contains("segment") || outcome.stderr().contains("damaged"), "{outcome}");
}
