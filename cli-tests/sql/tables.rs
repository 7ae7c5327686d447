//! The history as tables: what they hold, joins, arguments that are wrong, and the same numbers as the commands.

use serde_json::Value;

use super::shop;
use crate::app::App;
use crate::database::sql;
use crate::env::TestEnvironment;

/// The rows of a query, a line each, values with bars between them.
fn rows(env: &TestEnvironment, query: &str) -> Vec<String> {
    env.graft(["sql", query]).ok().lines().map(str::to_owned).collect()
}

#[track_caller]
fn fails(env: &TestEnvironment, query: &str, words: &str) {
    let outcome = env.graft(["sql", query]);
    assert!(outcome.expect(1).stderr().contains(words), "{outcome}");
}

#[test]
fn the_log_is_that_of_the_command() {
    let env = shop();
    env.graft(["tag", "v1", "HEAD~1"]).ok();
    let wanted: Vec<String> = env
        .graft(["log", "--json"])
        .ndjson()
        .iter()
        .map(|c| {
            format!(
                "{}|{}|{}",
                c["id"].as_str().expect("id"),
                c["author"]["name"].as_str().expect("name"),
                c["author"]["date"].as_str().expect("date")
            )
        })
        .collect();
    assert_eq!(rows(&env, "SELECT id, author_name, author_date FROM graft_log"), wanted);
    assert_eq!(rows(&env, "SELECT subject FROM graft_log('v1..')"), ["No more coffee"]);
    assert_eq!(rows(&env, "SELECT count(*) FROM graft_log WHERE rev = 'v1'"), ["2"]);
    assert_eq!(rows(&env, "SELECT subject FROM graft_log('HEAD ^v1 v1~1')"), ["No more coffee"]);
    assert_eq!(rows(&env, "SELECT count(*), sum(nr) FROM graft_commit_parents"), ["2|2"]);
    assert_eq!(
        rows(
            &env,
            "SELECT c.subject, p.subject FROM graft_commit_parents AS l JOIN graft_log AS c USING (id) JOIN graft_log AS p ON p.id = l.parent"
        ),
        ["No more coffee|Raise prices", "Raise prices|Open the shop"]
    );
    fails(&env, "SELECT * FROM graft_log('nowhere')", "unknown revision 'nowhere'");
    let empty = TestEnvironment::init();
    sql(&empty.path("a.db"), "CREATE TABLE t (x)");
    assert_eq!(empty.graft(["sql", "--db", "a.db", "SELECT count(*) FROM graft_log"]).ok(), "0\n");
}

#[test]
fn refs_are_listed() {
    let env = shop();
    env.graft(["tag", "light", "HEAD~1"]).ok();
    env.graft(["tag", "-a", "-m", "The first", "heavy", "HEAD~2"]).ok();
    env.graft(["branch", "side", "HEAD~1"]).ok();
    env.graft(["branch", "--set-upstream-to=main", "side"]).ok();
    assert_eq!(
        rows(&env, "SELECT name, current, remote, upstream, subject FROM graft_branches"),
        ["main|1|0||No more coffee", "side|0|0|refs/heads/main|Raise prices"]
    );
    assert_eq!(
        rows(
            &env,
            "SELECT t.name, annotated, tagger_name, trim(t.message, char(10)), l.subject FROM graft_tags AS t JOIN graft_log AS l ON l.id = commit_id"
        ),
        ["heavy|1|Carl Committer|The first|Open the shop", "light|0|||Raise prices"]
    );
    assert_eq!(
        rows(&env, "SELECT name, kind, target FROM graft_refs"),
        [
            "HEAD|commit|refs/heads/main",
            "refs/heads/main|commit|",
            "refs/heads/side|commit|",
            "refs/tags/heavy|tag|",
            "refs/tags/light|commit|"
        ]
    );
}

#[test]
fn differences_are_rows() {
    let env = shop();
    assert_eq!(
        rows(&env, "SELECT * FROM graft_diff('HEAD~2', 'HEAD')"),
        [
            "product|update|{\"id\":1}|price|2.5|2.75",
            "product|delete|{\"id\":2}|id|2|",
            "product|delete|{\"id\":2}|name|coffee|",
            "product|delete|{\"id\":2}|price|3.75|",
            "product|insert|{\"id\":3}|id||3",
            "product|insert|{\"id\":3}|name||cake",
            "product|insert|{\"id\":3}|price||4.0",
        ]
    );
    assert_eq!(
        rows(&env, "SELECT typeof(old), typeof(new) FROM graft_diff('HEAD~2', 'HEAD') WHERE op = 'update'"),
        ["real|real"]
    );
    assert_eq!(rows(&env, "SELECT * FROM graft_diff_stat('HEAD~2', 'HEAD')"), ["product|1|1|1"]);
    assert_eq!(rows(&env, "SELECT count(*) FROM graft_diff('HEAD~2', 'HEAD', 'tag')"), ["0"]);
    assert_eq!(rows(&env, "SELECT count(*) FROM graft_diff('HEAD', 'HEAD')"), ["0"]);
    assert_eq!(rows(&env, "SELECT count(DISTINCT key) FROM graft_diff('HEAD~2', 'HEAD', NULL, 'shop.db')"), ["3"]);
    // For every commit what it changed: an argument comes from the other table.
    assert_eq!(
        rows(
            &env,
            "SELECT l.subject, d.op, count(DISTINCT d.key) FROM graft_log AS l JOIN graft_commit_parents AS p USING (id)
             JOIN graft_diff(p.parent, l.id) AS d GROUP BY 1, 2 ORDER BY 1, 2"
        ),
        ["No more coffee|delete|1", "Raise prices|insert|1", "Raise prices|update|1"]
    );
    fails(
        &env,
        "SELECT * FROM graft_diff('HEAD')",
        "graft_diff(from_rev, to_rev, [table_name], [file]) needs the argument to_rev",
    );
    fails(&env, "SELECT * FROM graft_diff('HEAD~2', 'HEAD', 'nothing')", "there is no table 'nothing'");
    fails(&env, "SELECT * FROM graft_diff('HEAD~2', 'HEAD', NULL, 'other.db')", "'other.db' exists neither in");
    // A query that stops early leaves at once.
    assert_eq!(rows(&env, "SELECT op FROM graft_diff('HEAD~2', 'HEAD') LIMIT 1"), ["update"]);
}

#[test]
fn a_row_has_a_history() {
    let env = shop();
    let db = env.path("shop.db");
    sql(&db, "UPDATE tag SET uses = 9; INSERT INTO product VALUES (2, 'coffee', 5)");
    env.graft(["commit", "-qam", "Coffee again"]).ok();
    let query = "SELECT subject, op, row FROM graft_history('product', 2)";
    assert_eq!(
        rows(&env, query),
        [
            "Coffee again|insert|{\"id\":2,\"name\":\"coffee\",\"price\":5.0}",
            "No more coffee|delete|{\"id\":2,\"name\":\"coffee\",\"price\":3.75}",
            "Open the shop|insert|{\"id\":2,\"name\":\"coffee\",\"price\":3.75}",
        ]
    );
    assert_eq!(rows(&env, &query.replace(", 2)", ", '{\"id\":2}')")).len(), 3);
    assert_eq!(rows(&env, "SELECT op, row ->> 'uses' FROM graft_history('tag', 'hot')"), ["update|9", "insert|2"]);
    assert_eq!(rows(&env, "SELECT count(*) FROM graft_history('product', 2, 'HEAD~1')"), ["2"]);
    assert_eq!(rows(&env, "SELECT count(*) FROM graft_history('PRODUCT')"), ["6"]);
    assert_eq!(rows(&env, "SELECT count(*) FROM graft_history('product', 77)"), ["0"]);
    fails(&env, "SELECT * FROM graft_history('prodcut')", "no commit of 'HEAD' has a table 'prodcut'");
    assert_eq!(
        rows(&env, "SELECT key, row ->> 'name' FROM graft_at('HEAD~2', 'product')"),
        ["{\"id\":1}|tea", "{\"id\":2}|coffee", "{\"id\":3}|cake"]
    );
    fails(&env, "SELECT * FROM graft_at('HEAD', 'prodcut')", "there is no table 'prodcut'");
}

#[test]
fn a_join_over_times_without_the_table_has_no_rows_for_them() {
    let env = TestEnvironment::init();
    let db = env.path("app.db");
    let step = |name: &str, script: &str| {
        sql(&db, script);
        env.graft(["add", "app.db"]).ok();
        env.graft(["commit", "-qm", name]).ok();
    };
    std::fs::write(env.path("note.txt"), "before").expect("a file");
    env.graft(["add", "note.txt"]).ok();
    env.graft(["commit", "-qm", "before"]).ok();
    step("made", "CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 'x')");
    step("changed", "UPDATE t SET a = 'y'");
    step("dropped", "CREATE TABLE other (b); DROP TABLE t");
    assert_eq!(
        rows(&env, "SELECT l.subject, a.row ->> 'a' FROM graft_log AS l, graft_at(l.id, 't') AS a"),
        ["changed|y", "made|x"]
    );
    assert_eq!(
        rows(
            &env,
            "SELECT l.subject, d.op FROM graft_log AS l JOIN graft_commit_parents AS p USING (id)
             JOIN graft_diff(p.parent, l.id, 't') AS d"
        ),
        ["dropped|delete", "dropped|delete", "changed|update", "made|insert", "made|insert"]
    );
    assert_eq!(rows(&env, "SELECT count(*) FROM graft_diff('HEAD~3', 'HEAD~3', 't')"), ["0"]);
    fails(&env, "SELECT l.id FROM graft_log AS l, graft_at(l.id, 'tt') AS a", "there is no table 'tt'");
    fails(&env, "SELECT * FROM graft_at('HEAD', 't', 'app.bd')", "app.bd");
}

#[test]
fn a_key_whose_type_changed_is_that_of_the_state_of_the_row() {
    let env = TestEnvironment::init();
    let db = env.path("app.db");
    sql(&db, "CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 'x'), (2, 'y')");
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-qm", "numbers"]).ok();
    sql(
        &db,
        "CREATE TABLE s (code TEXT, part INT, a, PRIMARY KEY (part, code)) WITHOUT ROWID;
         INSERT INTO s SELECT 'n' || id, 7, a FROM t; DROP TABLE t; ALTER TABLE s RENAME TO t",
    );
    env.graft(["commit", "-qam", "texts"]).ok();
    let keys = "SELECT DISTINCT op, key FROM graft_diff('HEAD~1', 'HEAD', 't') ORDER BY 1, 2";
    assert_eq!(
        rows(&env, keys),
        [
            "delete|{\"id\":1}",
            "delete|{\"id\":2}",
            "insert|{\"code\":\"n1\",\"part\":7}",
            "insert|{\"code\":\"n2\",\"part\":7}"
        ]
    );
    assert_eq!(
        rows(&env, "SELECT subject, op, key FROM graft_history('t', 2)"),
        ["texts|delete|{\"id\":2}", "numbers|insert|{\"id\":2}"]
    );
    assert_eq!(rows(&env, "SELECT key FROM graft_at('HEAD', 't')").len(), 2);
}

#[test]
fn a_merge_does_not_claim_what_it_took_over() {
    let env = shop();
    let db = env.path("shop.db");
    let base = env.graft(["rev-parse", "HEAD"]).ok().trim().to_owned();
    sql(&db, "UPDATE product SET price = 10 WHERE id = 1");
    env.graft(["commit", "-qam", "Ours"]).ok();
    let ours = env.graft(["rev-parse", "HEAD"]).ok().trim().to_owned();
    env.graft(["update-ref", "refs/heads/main", &base]).ok();
    env.graft(["checkout", "-f", &base, "--", "shop.db"]).ok();
    sql(&db, "UPDATE product SET price = 20 WHERE id = 3");
    env.graft(["commit", "-qam", "Theirs"]).ok();
    let theirs = env.graft(["rev-parse", "HEAD"]).ok().trim().to_owned();
    // Both changes, and one of the merge's own.
    sql(&db, "UPDATE product SET price = 10 WHERE id = 1; INSERT INTO product VALUES (7, 'scone', 1)");
    env.graft(["add", "shop.db"]).ok();
    env.graft(["commit", "-qm", "Content"]).ok();
    let tree = env.graft(["rev-parse", "HEAD^{tree}"]).ok().trim().to_owned();
    let merge = env.graft(["commit-tree", &tree, "-p", &ours, "-p", &theirs, "-m", "Merge"]).ok().trim().to_owned();
    env.graft(["update-ref", "refs/heads/main", &merge]).ok();
    let made = rows(
        &env,
        "SELECT subject, op, key FROM graft_history('product') WHERE subject IN ('Merge', 'Ours', 'Theirs') ORDER BY subject",
    );
    assert_eq!(made, ["Merge|insert|{\"id\":7}", "Ours|update|{\"id\":1}", "Theirs|update|{\"id\":3}"]);
}

#[test]
fn the_worktree_is_looked_at_without_losing_locks() {
    let env = shop();
    let db = env.path("shop.db");
    sql(&db, "UPDATE tag SET uses = 3");
    std::fs::write(env.path("new.txt"), "x").expect("a file");
    assert_eq!(
        rows(&env, "SELECT path, area, change, kind FROM graft_status"),
        ["shop.db|unstaged|modified|sqlite", "new.txt|untracked|added|"]
    );
    // While this session holds the write lock, no other writer gets in, whatever the session looks at.
    let mut app = App::open(&db);
    let mut command = env.command(["sql"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut session = command.spawn().expect("graft starts");
    let mut input = session.stdin.take().expect("a pipe");
    let mut output = std::io::BufReader::new(session.stdout.take().expect("a pipe"));
    let mut ask = |query: &str| {
        use std::io::{BufRead, Write};
        writeln!(input, "{query}\n.print done").expect("it listens");
        let mut text = String::new();
        while !text.ends_with("done\n") {
            assert!(output.read_line(&mut text).expect("an answer") > 0, "the session ended");
        }
        text
    };
    for mode in ["DELETE", "WAL"] {
        app.sql(&format!("PRAGMA journal_mode = {mode}"));
        ask("BEGIN IMMEDIATE;\nUPDATE tag SET uses = 4;");
        let seen = ask(
            "SELECT count(*) FROM graft_status; SELECT count(*) FROM graft_log; SELECT count(*) FROM graft_diff('HEAD~1', 'HEAD');\nSELECT count(*) FROM graft_lsn;",
        );
        assert!(seen.starts_with("2\n3\n"), "{mode}: {seen}");
        let refused = app.try_sql("UPDATE tag SET uses = 5").expect_err("somebody else writes");
        assert!(refused.contains("locked"), "{mode}: {refused}");
        ask("ROLLBACK;");
        app.sql("UPDATE tag SET uses = 6");
    }
    drop(input);
    assert!(session.wait().expect("it ends").success());
}

#[test]
fn the_storage_log_is_laid_open() {
    let env = shop();
    // A database of several pages, so that commits build on each other.
    crate::database::make(&env.path("big.db"), 2000, "DELETE");
    env.graft(["add", "big.db"]).ok();
    for n in 1..=3 {
        sql(&env.path("big.db"), &format!("UPDATE item SET n = {n} WHERE id = {n}"));
        env.graft(["add", "big.db"]).ok();
    }
    let of = |query: &str| env.graft(["sql", "--db", "big.db", "--json", query]).ndjson();
    let log: Vec<Value> = of("SELECT * FROM graft_lsn").iter().skip(1).map(|l| l["values"].clone()).collect();
    let lsns: Vec<i64> = log.iter().map(|r| r[1].as_i64().expect("a number")).collect();
    assert_eq!(lsns, [4, 3, 2, 1]);
    let pages = std::fs::metadata(env.path("big.db")).expect("the file").len() / 4096;
    assert!(log.iter().all(|r| r[2].as_u64() == Some(pages)), "{log:?}");
    assert_eq!(log[3][3].as_u64(), Some(pages), "the first one wrote every page");
    assert!(log[..3].iter().all(|r| r[3].as_u64().is_some_and(|n| n <= 3)), "{log:?}");
    let segments = of(
        "SELECT count(*) FROM graft_segments WHERE segment IN (SELECT segment FROM graft_lsn) AND bytes > 0 AND commits > 0",
    );
    assert_eq!(segments[1]["values"][0].as_i64(), Some(4));
    let two = env.graft(["sql", "--db", "big.db", "SELECT count(*) FROM graft_lsn('HEAD', 'shop.db')"]).ok();
    assert_ne!(two, "0\n");
}

#[test]
fn views_of_a_database_cannot_look_into_the_repository() {
    let env = shop();
    sql(
        &env.path("evil.db"),
        "CREATE TABLE t (x); CREATE VIEW v AS SELECT * FROM t; PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = 'CREATE VIEW v AS SELECT * FROM graft_log' WHERE name = 'v'",
    );
    let outcome = env.graft(["sql", "--db", "evil.db", "SELECT * FROM v"]);
    assert!(outcome.expect(1).stderr().contains("unsafe use of virtual table"), "{outcome}");
}
