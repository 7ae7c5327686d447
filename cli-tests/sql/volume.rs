//! Databases in volumes: scripts give what they give on a file, one storage commit per transaction, rollback exact, and a kill leaves
//! whole transactions.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::env::TestEnvironment;

/// A repository with an empty volume, and a file beside it for comparison.
fn volume() -> TestEnvironment {
    let env = TestEnvironment::init();
    env.graft(["volume", "new", "--tag", "v"]).ok();
    env
}

/// Runs a script on the volume and on a plain file, statement by statement; both say the same.
#[track_caller]
fn same(env: &TestEnvironment, script: &str) {
    std::fs::write(env.path("script.sql"), format!(".bail off\n.mode quote\n{script}\n")).expect("a script");
    let on = |place: &[&str]| {
        let outcome = env.graft([&["sql"], place, &["-f", "script.sql"]].concat());
        (outcome.code(), outcome.stdout(), outcome.stderr())
    };
    let wanted = on(&["--db", "plain.db", "--create"]);
    assert_eq!(on(&["--volume", "v"]), wanted, "{script}");
}

fn lsns(env: &TestEnvironment) -> usize {
    env.graft(["volume", "log", "v", "--json"]).ndjson().len()
}

/// DDL, DML, savepoints, triggers, constraints, large transactions, VACUUM: what must be the same as on a file.
const SCRIPTS: [&str; 9] = [
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c REAL CHECK (c > 0)); INSERT INTO t VALUES (1, 'x', 1.5), (2, 'y', 2.5);
     INSERT INTO t VALUES (3, 'x', 1); INSERT INTO t VALUES (3, 'z', -1); INSERT OR REPLACE INTO t VALUES (9, 'x', 3); SELECT * FROM t;",
    "BEGIN; UPDATE t SET c = c * 2; SELECT sum(c) FROM t; ROLLBACK; SELECT sum(c) FROM t; BEGIN; DELETE FROM t WHERE a = 2; COMMIT; SELECT * FROM t;",
    "SAVEPOINT one; INSERT INTO t VALUES (20, 'p', 1); SAVEPOINT two; DELETE FROM t; SELECT count(*) FROM t; ROLLBACK TO two; SELECT count(*) FROM t;
     RELEASE one; ROLLBACK TO nothing; SELECT * FROM t ORDER BY a;",
    "CREATE TABLE log (what TEXT); CREATE TRIGGER tr AFTER DELETE ON t BEGIN INSERT INTO log VALUES ('gone ' || old.a); END;
     DELETE FROM t WHERE a = 20; SELECT * FROM log; CREATE VIEW w AS SELECT a FROM t; SELECT * FROM w; DROP VIEW w; SELECT * FROM w;",
    "CREATE TABLE big (i INTEGER PRIMARY KEY, body BLOB); BEGIN; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 4000)
     INSERT INTO big SELECT i, zeroblob(i % 3000) FROM c; SELECT count(*), sum(length(body)) FROM big; ROLLBACK; SELECT count(*) FROM big;",
    "PRAGMA cache_size = 10; BEGIN; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)
     INSERT INTO big SELECT i, randomblob(500) FROM c; UPDATE big SET body = zeroblob(600) WHERE i % 7 = 0; SAVEPOINT s; DELETE FROM big WHERE i % 2;
     ROLLBACK TO s; COMMIT; SELECT count(*), sum(length(body)) FROM big; PRAGMA integrity_check;",
    "DELETE FROM big WHERE i > 100; PRAGMA freelist_count; VACUUM; PRAGMA page_count; PRAGMA integrity_check; SELECT sum(i) FROM big;",
    "ALTER TABLE t ADD COLUMN d DEFAULT 7; UPDATE t SET d = a; CREATE INDEX td ON t (d); SELECT * FROM t WHERE d = 9; DROP TABLE log; PRAGMA integrity_check;
     CREATE VIRTUAL TABLE words USING fts5(body); INSERT INTO words VALUES ('one two'), ('two three'); SELECT rowid FROM words WHERE words MATCH 'two';
     CREATE VIRTUAL TABLE box USING rtree(id, a, b); INSERT INTO box VALUES (1, 0, 5), (2, 3, 9); SELECT id FROM box WHERE a < 4 AND b > 6;",
    "PRAGMA foreign_keys = ON; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE q (p REFERENCES p DEFERRABLE INITIALLY DEFERRED);
     BEGIN; INSERT INTO q VALUES (1); COMMIT; ROLLBACK; SELECT count(*) FROM q; BEGIN; INSERT INTO q VALUES (1); INSERT INTO p VALUES (1); COMMIT; SELECT * FROM q;",
];

#[test]
fn scripts_give_what_they_give_on_a_file() {
    let env = volume();
    for script in SCRIPTS {
        same(&env, script);
    }
    // The same with every page size that matters, and in UTF-16.
    for (name, settings) in [
        ("s512", "PRAGMA page_size = 512; PRAGMA auto_vacuum = FULL"),
        ("s65536", "PRAGMA page_size = 65536; PRAGMA encoding = 'UTF-16'"),
    ] {
        env.graft(["volume", "new", "--tag", name]).ok();
        env.graft(["volume", "tag", "-f", "v", name]).ok();
        std::fs::remove_file(env.path("plain.db")).expect("the file of before");
        same(&env, &format!("{settings}; CREATE TABLE first (x);"));
        for script in SCRIPTS {
            same(&env, script);
        }
        let out =
            env.graft(["sql", "--volume", "v", "PRAGMA integrity_check; PRAGMA page_count; PRAGMA page_size"]).ok();
        let numbers: Vec<u64> = out.lines().skip(1).map(|n| n.parse().expect("a number")).collect();
        assert!(out.starts_with("ok\n"), "{out}");
        let info = env.graft(["volume", "info", "v", "--json"]).json();
        assert_eq!(
            info["bytes"].as_u64(),
            Some(numbers[0] * numbers[1]),
            "{name}: a volume is as long as its database"
        );
    }
}

#[test]
fn the_diagnostics_work_on_volumes() {
    let env = volume();
    let run = |text: &str| env.graft(["sql", "--volume", "v", text]);
    run("CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x')").ok();
    run("INSERT INTO t VALUES (2, 'y')").ok();
    let ask = |pragma: &str| -> serde_json::Value {
        let (name, argument) = pragma.split_once(' ').unwrap_or((pragma, ""));
        serde_json::from_str(&run(&format!("PRAGMA {name}_json {argument}")).ok()).expect("JSON")
    };
    let log = ask("graft_debug_log_lsn");
    assert_eq!(log.as_array().map(Vec::len), Some(lsns(&env)));
    assert_eq!(ask("graft_debug_volume_diff = '2,3'")["tables"][0]["inserted"], 1);
    assert_eq!(ask("graft_debug_volume_table_log = 't'").as_array().map(Vec::len), Some(2));
    let info = ask("graft_debug_volume_info");
    assert_eq!((&info["file"], &info["storage_commits"]), (&serde_json::Value::Null, &3.into()));
    let status = ask("graft_debug_volume_status");
    assert!(status["newest"].as_str().is_some_and(|at| at.ends_with(":3")), "{status}");
    assert_eq!((&status["staged"], &status["committed"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(ask("graft_info")["lsn"], 3);
    assert_eq!(ask("graft_snapshot")["volume"], info["volume"]);
    for pragma in [
        "graft_debug_dump_header",
        "graft_debug_page = 1",
        "graft_debug_show_lsn = 2",
        "graft_debug_diff_lsn = '1 3'",
        "graft_debug_volume_audit",
        "graft_debug_volume_list",
        "graft_debug_volume_snapshot",
    ] {
        run(&format!("PRAGMA {pragma}")).ok();
        ask(pragma);
    }
    run("PRAGMA graft_export = 'copy.db'").ok();
    assert_eq!(env.graft(["sql", "--db", "copy.db", "SELECT count(*) FROM t"]).ok(), "2\n");
}

#[test]
fn each_transaction_is_one_storage_commit() {
    let env = volume();
    let run = |script: &str| drop(env.graft(["sql", "--volume", "v", script]).ok());
    run("CREATE TABLE t (x INTEGER PRIMARY KEY, y)");
    assert_eq!(lsns(&env), 1);
    run(
        "BEGIN; INSERT INTO t VALUES (1, 1); INSERT INTO t VALUES (2, 2); COMMIT; INSERT INTO t VALUES (3, 3); SELECT * FROM t",
    );
    assert_eq!(lsns(&env), 3);
    run(
        "BEGIN; DELETE FROM t; ROLLBACK; SELECT * FROM t; BEGIN; COMMIT; PRAGMA synchronous = OFF; UPDATE t SET y = 9 WHERE x = 1",
    );
    assert_eq!(lsns(&env), 4);
    run("DELETE FROM t; VACUUM");
    assert_eq!(lsns(&env), 6);
    // Every one of them is a database of its own.
    for (lsn, rows) in [("2", "2"), ("3", "3"), ("4", "3"), ("5", "0")] {
        env.graft(["volume", "fork", "v", "--at", lsn, "--tag", "f"]).ok();
        let out = env.graft(["sql", "--volume", "f", "PRAGMA integrity_check; SELECT count(*) FROM t"]).ok();
        assert_eq!(out, format!("ok\n{rows}\n"), "LSN {lsn}");
        env.graft(["volume", "rm", "f"]).ok();
    }
    run("PRAGMA journal_mode = WAL; INSERT INTO t VALUES (5, 5)");
    assert_eq!(lsns(&env), 7, "WAL is not to be had, and does no harm");
    let read_only = env.graft(["sql", "--volume", "v", "--readonly", "DELETE FROM t"]);
    assert!(read_only.expect(1).stderr().contains("readonly"), "{read_only}");
}

/// A session that answers what it is asked.
struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn open(env: &TestEnvironment) -> Self {
        let mut command = env.command(["--busy-timeout", "0", "sql", "--volume", "v"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("graft starts");
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("a pipe")));
        let mut session = Self { child, input, output };
        session.ask(".bail off");
        session
    }

    /// What it prints; errors do not show.
    fn ask(&mut self, text: &str) -> String {
        writeln!(self.input.as_mut().expect("a pipe"), "{text}\n.print done").expect("it listens");
        let mut out = String::new();
        while !out.ends_with("done\n") {
            assert!(self.output.read_line(&mut out).expect("an answer") > 0, "the session ended");
        }
        out.trim_end_matches("done\n").to_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().ok();
    }
}

#[test]
fn two_sessions_see_committed_states_only() {
    let env = volume();
    env.graft(["sql", "--volume", "v", "CREATE TABLE t (x); INSERT INTO t VALUES (1)"]).ok();
    let (mut a, mut b) = (Session::open(&env), Session::open(&env));
    a.ask("BEGIN; INSERT INTO t VALUES (2);");
    assert_eq!(a.ask("SELECT count(*) FROM t;"), "2\n", "it reads its own writes");
    assert_eq!(b.ask("SELECT count(*) FROM t;"), "1\n");
    b.ask("INSERT INTO t VALUES (77);");
    assert_eq!(b.ask("SELECT count(*) FROM t;"), "1\n", "one writer at a time");
    // A reader keeps what it began with.
    b.ask("BEGIN; SELECT * FROM t;");
    a.ask("COMMIT;");
    assert_eq!(b.ask("SELECT count(*) FROM t;"), "1\n");
    b.ask("INSERT INTO t VALUES (88);");
    b.ask("COMMIT;");
    assert_eq!(b.ask("SELECT group_concat(x) FROM t;"), "1,2\n", "nothing was written on top of an older state");
    b.ask("INSERT INTO t VALUES (3);");
    assert_eq!(a.ask("SELECT group_concat(x) FROM t;"), "1,2,3\n");
    // Whoever is killed in a transaction leaves neither rows nor a lock.
    a.ask("BEGIN; INSERT INTO t VALUES (4);");
    a.child.kill().expect("it lives");
    a.child.wait().expect("it ends");
    b.ask("INSERT INTO t VALUES (5);");
    assert_eq!(b.ask("SELECT group_concat(x) FROM t;"), "1,2,3,5\n");
    // Other commands are not in the way.
    b.ask("BEGIN; INSERT INTO t VALUES (6);");
    env.graft(["--lock-timeout", "0", "status"]).ok();
    env.graft(["--lock-timeout", "0", "commit", "--allow-empty", "-m", "x"]).ok();
    b.ask("COMMIT;");
    assert_eq!(b.ask("SELECT count(*) FROM t;"), "5\n");
}

#[test]
fn a_kill_leaves_a_prefix_of_whole_transactions() {
    let env = volume();
    env.graft([
        "sql",
        "--volume",
        "v",
        "CREATE TABLE t (x INTEGER PRIMARY KEY, y); CREATE TABLE u (x INTEGER PRIMARY KEY, y)",
    ])
    .ok();
    let mut least = 0;
    for round in 0..3u64 {
        let mut command = env.command(["sql", "--volume", "v"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("graft starts");
        let mut input = child.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || {
            for n in 0..200 {
                let n = round * 200 + n + 1;
                let script = format!(
                    "BEGIN; INSERT INTO t VALUES ({n}, {n}); INSERT INTO u VALUES ({n}, zeroblob(5000)); COMMIT; SELECT {n};\n"
                );
                if input.write_all(script.as_bytes()).is_err() {
                    return;
                }
            }
        });
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut told = 0;
        let mut line = String::new();
        while told < round * 200 + 5 + 13 * round && output.read_line(&mut line).expect("a line") > 0 {
            told = line.trim().parse().expect("a number");
            line.clear();
        }
        child.kill().expect("it lives");
        child.wait().expect("it ends");
        // What was still in the pipe had been told, too.
        while output.read_line(&mut line).expect("a line") > 0 {
            if let Ok(n) = line.trim().parse() {
                told = n;
            }
            line.clear();
        }
        writer.join().expect("the writer");
        let out = env
            .graft([
                "sql",
                "--volume",
                "v",
                "PRAGMA integrity_check; SELECT count(*), max(x) FROM t; SELECT count(*) FROM u",
            ])
            .ok();
        let lines: Vec<&str> = out.lines().collect();
        let (count, max) = lines[1].split_once('|').expect("two numbers");
        let max: u64 = max.parse().expect("a number");
        assert_eq!((lines[0], lines[2]), ("ok", count), "{out}");
        assert!(max >= told && max > least, "round {round}: told {told}, there is {max}");
        least = max;
        env.graft(["fsck"]).ok();
        // The next round goes on where this one should have ended.
        env.graft(["sql", "--volume", "v", &format!("DELETE FROM t WHERE x > {told}; DELETE FROM u WHERE x > {told}")])
            .ok();
    }
}

/// Stops a transaction before each write, fsync and rename of Graft in turn.
#[cfg(debug_assertions)]
#[test]
fn a_crash_at_any_step_leaves_the_transaction_whole_or_not_at_all() {
    let env = volume();
    env.graft([
        "sql",
        "--volume",
        "v",
        "CREATE TABLE t (x INTEGER PRIMARY KEY, y); INSERT INTO t VALUES (1, zeroblob(9000))",
    ])
    .ok();
    let kept = env.outside().join("kept");
    crate::tree::copy_tree(env.repo(), &kept);
    let transaction = [
        "sql",
        "--volume",
        "v",
        "BEGIN; INSERT INTO t VALUES (2, zeroblob(9000)); UPDATE t SET y = 'new' WHERE x = 1; COMMIT",
    ];
    let count_file = env.outside().join("count");
    let mut counted = env.command(transaction);
    counted.env("GRAFT_CRASH_COUNT", &count_file);
    env.run(counted).ok();
    let points: u32 = std::fs::read_to_string(&count_file).expect("a count").trim().parse().expect("a number");
    assert!(points >= 5, "only {points} crash points");
    let mut is_new = false;
    for point in 1..=points {
        crate::tree::copy_tree(&kept, env.repo());
        let mut crashing = env.command(transaction);
        crashing.env("GRAFT_CRASH_AT", point.to_string());
        let outcome = env.run(crashing);
        assert_eq!(outcome.code(), 1006, "{outcome}");
        let seen =
            env.graft(["sql", "--volume", "v", "PRAGMA integrity_check; SELECT count(*), sum(y = 'new') FROM t"]).ok();
        let new_now = match seen.as_str() {
            "ok\n1|0\n" => false,
            "ok\n2|1\n" => true,
            other => panic!("at step {point} of {points}: {other}"),
        };
        assert!(new_now || !is_new, "at step {point} of {points} the old state is back");
        is_new = new_now;
        env.graft(["fsck"]).ok();
        // The next transaction needs no repair.
        env.graft(["sql", "--volume", "v", "INSERT INTO t VALUES (9, 9)"]).ok();
        let log = env.graft(["volume", "log", "v", "--json"]).ndjson().len();
        assert_eq!(log, 3 + usize::from(new_now), "at step {point}");
    }
}
