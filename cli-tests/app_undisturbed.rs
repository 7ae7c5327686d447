//! An application that has the database open notices nothing but the new rows of a checkout.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::app::App;
use crate::database::{assert_same, assert_sound, make, number, serialize, sql, without_volatile};
use crate::env::{TestEnvironment, wait};

const COUNT: &str = "SELECT count(*) FROM item";
const MODES: [&str; 2] = ["DELETE", "WAL"];

/// A repository with `app.db` in this journal mode: 500 rows at HEAD~1, 700 at HEAD.
fn repository(mode: &str) -> (TestEnvironment, PathBuf) {
    let env = TestEnvironment::init();
    let path = env.path("app.db");
    make(&path, 500, mode);
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "500"]).ok();
    more_rows(&path, 200);
    env.graft(["commit", "-am", "700"]).ok();
    (env, path)
}

fn more_rows(path: &Path, rows: u32) {
    sql(path, &insert(rows));
}

fn insert(rows: u32) -> String {
    format!(
        "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < {rows})
         INSERT INTO item(name, body) SELECT 'more', printf('%0200d', i) FROM k"
    )
}

/// The rows of a revision, counted in an export of it.
fn count_in(env: &TestEnvironment, rev: &str) -> i64 {
    let out = env.outside().join("count.db");
    std::fs::remove_file(&out).ok();
    env.graft(["export", &format!("{rev}:app.db"), "-o", out.to_str().expect("UTF-8")]).ok();
    assert_sound(&out);
    number(&out, COUNT)
}

#[test]
fn a_connection_stays_open_across_add_commit_and_checkout() {
    for mode in MODES {
        let (env, path) = repository(mode);
        let mut app = App::open(&path);
        assert_eq!(app.number(COUNT), 700, "{mode}");
        app.sql("INSERT INTO item(name) VALUES('from the application')");

        env.graft(["add", "app.db"]).ok();
        assert_eq!(app.number(COUNT), 701, "{mode}: after add");
        env.graft(["commit", "-m", "701"]).ok();
        assert_eq!(app.number(COUNT), 701, "{mode}: after commit");
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), "", "{mode}");

        for (rev, rows) in [("HEAD~2", 500), ("HEAD", 701), ("HEAD~1", 700), ("HEAD~2", 500)] {
            env.graft(["checkout", rev, "--", "app.db"]).ok();
            assert_eq!(app.number(COUNT), rows, "{mode}: after checkout of {rev}");
            let ok: Value = app.sql("PRAGMA integrity_check")[0][0].take();
            assert_eq!(ok, "ok", "{mode}: {rev}");
        }
        assert_eq!(app.sql("PRAGMA journal_mode")[0][0], mode.to_lowercase());
        app.sql("INSERT INTO item(name) VALUES('after the checkout')");
        assert_eq!(number(&path, COUNT), 501, "{mode}: another program sees what the application wrote");
        assert_eq!(count_in(&env, "HEAD"), 701, "{mode}");
    }
}

#[test]
fn a_schema_change_by_checkout_reaches_the_open_connection() {
    for mode in MODES {
        let (env, path) = repository(mode);
        sql(&path, "ALTER TABLE item ADD COLUMN later TEXT DEFAULT 'x'; CREATE TABLE extra(a)");
        env.graft(["commit", "-am", "schema"]).ok();
        let mut app = App::open(&path);
        assert_eq!(app.number("SELECT count(later) FROM item"), 700);
        env.graft(["checkout", "HEAD~1", "--", "app.db"]).ok();
        assert!(app.try_sql("SELECT later FROM item").is_err(), "{mode}: the column is gone");
        assert!(app.try_sql("SELECT * FROM extra").is_err(), "{mode}: the table is gone");
        assert_eq!(app.number(COUNT), 700);
        env.graft(["checkout", "HEAD", "--", "app.db"]).ok();
        assert_eq!(app.number("SELECT count(later) FROM item"), 700);
    }
}

#[test]
fn a_writer_with_an_open_transaction_does_not_block_add() {
    for mode in MODES {
        let (env, path) = repository(mode);
        let committed = serialize(&path);
        let mut app = App::open(&path);
        app.sql("BEGIN IMMEDIATE");
        app.sql(&insert(50));
        assert_eq!(app.number(COUNT), 750);

        env.graft(["status", "--porcelain"]).ok();
        env.graft(["--busy-timeout", "0", "add", "app.db"]).ok();
        let staged = env.graft(["status", "--porcelain"]).ok();
        assert_eq!(staged, "", "{mode}: uncommitted rows are no change");
        env.graft(["commit", "--allow-empty", "-m", "during"]).ok();
        assert_eq!(count_in(&env, "HEAD"), 700, "{mode}: uncommitted rows were captured");

        app.sql("COMMIT");
        assert_eq!(app.number(COUNT), 750, "{mode}");
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), " M app.db\n", "{mode}");
        env.graft(["commit", "-am", "after"]).ok();
        assert_eq!(count_in(&env, "HEAD"), 750, "{mode}");
        assert_eq!(count_in(&env, "HEAD~1"), 700, "{mode}");
        assert_ne!(serialize(&path), committed);
    }
}

#[test]
fn rows_that_are_rolled_back_are_never_captured() {
    for mode in MODES {
        let (env, path) = repository(mode);
        let mut app = App::open(&path);
        app.sql("BEGIN");
        app.sql("UPDATE item SET n = 99");
        env.graft(["commit", "--allow-empty", "-am", "during"]).ok();
        app.sql("ROLLBACK");
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), "", "{mode}");
        let out = env.path("out.db");
        env.graft(["export", "HEAD:app.db", "-o", "out.db"]).ok();
        assert_eq!(number(&out, "SELECT count(*) FROM item WHERE n = 99"), 0, "{mode}");
    }
}

#[test]
fn an_exclusive_lock_ends_the_wait_with_the_name_of_its_holder() {
    let (mut env, path) = repository("DELETE");
    let before = env.graft(["ls-files", "-s"]).ok();
    more_rows(&path, 5);
    let mut app = App::open(&path);
    app.sql("BEGIN EXCLUSIVE");
    let pid = app.pid().to_string();
    // Were the flag not heeded, the hour would turn into a hang that the environment reports.
    env.set("GRAFT_BUSY_TIMEOUT_MS", "3600000");
    for command in [vec!["add", "app.db"], vec!["commit", "-am", "no"], vec!["checkout", "HEAD~1", "--", "app.db"]] {
        let args = [vec!["--busy-timeout", "100"], command.clone()].concat();
        env.graft(args).fails(&["app.db", "lock", &pid]);
    }
    let status = env.graft(["--busy-timeout", "100", "status", "--porcelain"]);
    status.fails(&["app.db", "lock", &pid]);
    // Environment and configuration are heeded as well.
    env.set("GRAFT_BUSY_TIMEOUT_MS", "100");
    env.graft(["add", "app.db"]).fails(&["app.db", &pid]);
    env.unset("GRAFT_BUSY_TIMEOUT_MS");
    env.graft(["config", "set", "core.busyTimeout", "100"]).ok();
    env.graft(["add", "app.db"]).fails(&["app.db", &pid]);

    assert_eq!(env.graft(["ls-files", "-s"]).ok(), before, "a failed add changed the index");
    app.sql("COMMIT");
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), " M app.db\n");
    env.graft(["add", "app.db"]).ok();
}

#[test]
fn the_default_wait_ends_by_itself() {
    let (env, path) = repository("DELETE");
    more_rows(&path, 1);
    let mut app = App::open(&path);
    app.sql("BEGIN EXCLUSIVE");
    let started = std::time::Instant::now();
    env.graft(["add", "app.db"]).fails(&["app.db"]);
    assert!(started.elapsed() >= Duration::from_secs(4), "the default is to wait five seconds");
}

#[test]
fn a_lock_that_is_released_in_time_is_waited_for() {
    let (mut env, path) = repository("DELETE");
    env.set("GRAFT_BUSY_TIMEOUT_MS", "3600000");
    let mut app = App::open(&path);
    app.sql("BEGIN EXCLUSIVE");
    app.sql(&insert(5));
    let mut add = env.command(["add", "app.db"]);
    add.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = add.spawn().expect("graft starts");
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("a state").is_none(), "add did not wait for the lock");
    app.sql("COMMIT");
    wait(child, "add while the database was locked".into()).ok();
    env.graft(["commit", "-m", "705"]).ok();
    assert_eq!(count_in(&env, "HEAD"), 705);
}

#[test]
fn an_unchanged_locked_file_does_not_stop_status() {
    let (env, path) = repository("DELETE");
    // Two looks with time between them, so that the fingerprint is no longer racy.
    std::thread::sleep(Duration::from_millis(1100));
    env.graft(["status", "--porcelain"]).ok();
    let mut app = App::open(&path);
    app.sql("BEGIN EXCLUSIVE");
    assert_eq!(env.graft(["--busy-timeout", "0", "status", "--porcelain"]).ok(), "");
}

#[test]
fn checkout_does_not_break_a_reader_or_writer_in_the_middle() {
    for mode in MODES {
        let (env, path) = repository(mode);
        // A writer: checkout must give way and leave everything as it is.
        let mut app = App::open(&path);
        app.sql("BEGIN IMMEDIATE");
        app.sql("UPDATE item SET n = 1 WHERE id = 1");
        env.graft(["--busy-timeout", "100", "checkout", "HEAD~1", "--", "app.db"]).fails(&["app.db", "lock"]);
        assert_eq!(app.number(COUNT), 700, "{mode}");
        app.sql("ROLLBACK");
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), "", "{mode}: a failed checkout left traces");

        // A reader: in WAL mode both go on, in DELETE mode the checkout gives way.
        let before = serialize(&path);
        let first = app.step("SELECT id, (SELECT count(*) FROM item) FROM item ORDER BY id");
        assert_eq!(first[1], 700, "{mode}");
        let outcome = env.graft(["--busy-timeout", "100", "checkout", "HEAD~1", "--", "app.db"]);
        if mode == "WAL" {
            outcome.ok();
            assert_eq!(number(&path, COUNT), 500);
        } else {
            outcome.fails(&["app.db", "lock"]);
            assert_same("a failed checkout", &serialize(&path), &before);
        }
    }
}

#[test]
fn a_file_held_in_exclusive_locking_mode_is_reported() {
    for mode in MODES {
        let (env, path) = repository(mode);
        more_rows(&path, 3);
        let mut app = App::open(&path);
        app.sql("PRAGMA locking_mode=EXCLUSIVE");
        app.sql("INSERT INTO item(name) VALUES('mine alone')");
        env.graft(["--busy-timeout", "50", "add", "app.db"]).fails(&["app.db", "lock"]);
        drop(app);
        env.graft(["commit", "-am", "later"]).ok();
        assert_eq!(count_in(&env, "HEAD"), 704, "{mode}");
    }
}

#[test]
fn captures_between_busy_transactions_are_consistent() {
    for mode in MODES {
        let env = TestEnvironment::init();
        let path = env.path("app.db");
        sql(
            &path,
            &format!(
                "PRAGMA journal_mode={mode};
                 CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, pad TEXT);
                 CREATE TABLE b(id INTEGER PRIMARY KEY, n INTEGER, pad TEXT);
                 WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 400)
                 INSERT INTO a SELECT i, 100, printf('%0300d', i) FROM k;
                 INSERT INTO b SELECT * FROM a;"
            ),
        );
        env.graft(["add", "app.db"]).ok();
        env.graft(["commit", "-m", "start"]).ok();
        let transfers = env.outside().join("transfers.py");
        std::fs::write(&transfers, TRANSFERS).expect("a script");
        let stop = env.outside().join("stop");
        let mut bank = std::process::Command::new("python3")
            .args([&transfers, &path, &stop])
            .spawn()
            .expect("python3 is needed by these tests");
        for round in 0..20 {
            env.graft(["add", "app.db"]).ok();
            env.graft(["commit", "--allow-empty", "-m", &round.to_string()]).ok();
        }
        std::fs::write(&stop, "").expect("a sign to stop");
        assert!(bank.wait().expect("the bank ends").success(), "{mode}: the application failed");
        for back in 0..20 {
            let out = env.outside().join("out.db");
            std::fs::remove_file(&out).ok();
            let rev = format!("HEAD~{back}:app.db");
            env.graft(["export", &rev, "-o", out.to_str().expect("UTF-8")]).ok();
            assert_sound(&out);
            let sum = number(&out, "SELECT (SELECT sum(n) FROM a) + (SELECT sum(n) FROM b)");
            assert_eq!(sum, 80_000, "{mode}: {rev} holds half a transaction");
        }
        env.graft(["commit", "--allow-empty", "-am", "end"]).ok();
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), "", "{mode}");
        assert_same(
            "the last state",
            &without_volatile(serialize(&path)),
            &without_volatile(export(&env, "HEAD:app.db")),
        );
    }
}

fn export(env: &TestEnvironment, what: &str) -> Vec<u8> {
    let out = env.outside().join("exported.db");
    std::fs::remove_file(&out).ok();
    env.graft(["export", what, "-o", out.to_str().expect("UTF-8")]).ok();
    std::fs::read(&out).expect("the export")
}

/// Moves amounts between rows of two tables until the stop file appears; every transaction keeps the sum.
const TRANSFERS: &str = "
import os, random, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
r = random.Random(7)
while not os.path.exists(sys.argv[2]):
    c.execute('BEGIN IMMEDIATE')
    for _ in range(20):
        n = r.randrange(10)
        c.execute('UPDATE a SET n = n - ? WHERE id = ?', (n, r.randrange(1, 401)))
        c.execute('UPDATE b SET n = n + ? WHERE id = ?', (n, r.randrange(1, 401)))
    c.execute('COMMIT')
";
