//! Transactions on files of the worktree: one storage commit each, without a scan, whoever else is there.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;

use crate::database::{assert_sound, make, number, sql};
use crate::env::TestEnvironment;

/// A repository with a database that is committed, and old enough for its looks to be trusted.
fn tracked(rows: u32, journal: &str) -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), rows, journal);
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-qm", "One"]).ok();
    std::thread::sleep(std::time::Duration::from_millis(30));
    // Looks at the file once more, and remembers what it looks like.
    env.graft(["status"]).ok();
    env
}

/// The storage commits of a database, newest first.
fn log(env: &TestEnvironment, db: &str) -> Vec<Value> {
    let text = env.graft(["sql", "--readonly", "--db", db, "PRAGMA graft_debug_log_lsn_json"]).ok();
    serde_json::from_str(&text).expect("JSON")
}

/// What a command reads from files and pipes, in bytes, as the kernel counts it.
fn bytes_read(env: &TestEnvironment, args: &str) -> u64 {
    let mut shell = env.program("sh", env.repo());
    shell.args(["-c", &format!("'{}' {args} > /dev/null && cat /proc/$$/io", env!("CARGO_BIN_EXE_graft"))]);
    let said = env.run(shell).ok();
    let line = said.lines().find(|l| l.starts_with("rchar:")).expect("a count");
    line["rchar:".len()..].trim().parse().expect("a number")
}

#[test]
fn each_transaction_is_one_storage_commit_and_nothing_is_scanned() {
    for (journal, count) in [("DELETE", 100), ("WAL", 50)] {
        let env = tracked(90_000, journal);
        let size = env.path("app.db").metadata().expect("a file").len();
        assert!(size > 10 << 20, "{size} bytes");
        let script: String = (1..=count)
            .map(|n| match n % 20 {
                0 => format!("BEGIN; UPDATE item SET n = 1 WHERE id = {n}; DELETE FROM item WHERE id = {n} + 1; COMMIT;\n"),
                7 => format!("BEGIN; DELETE FROM item WHERE id < 50; ROLLBACK; UPDATE item SET n = {n} WHERE id = {n};\n"),
                _ => format!("SELECT 1; SAVEPOINT s; INSERT INTO item(name, body) VALUES ('new', {n}); SAVEPOINT t; DELETE FROM item WHERE id = 9; ROLLBACK TO t; RELEASE s;\n"),
            })
            .collect();
        std::fs::write(env.path("script.sql"), script).expect("a script");
        let read = bytes_read(&env, "sql -f script.sql");
        assert!(read < size / 2, "{journal}: {read} of {size} bytes read by {count} transactions");
        for command in ["status", "add app.db", "status", "commit -qam Two", "status"] {
            let read = bytes_read(&env, command);
            assert!(read < 2 << 20, "{journal}: {read} bytes read by '{command}'");
        }
        let log = log(&env, "app.db");
        let lsns: Vec<_> = log.iter().map(|c| c["lsn"].as_u64().expect("a number")).collect();
        assert_eq!(lsns, (1..=count + 1).rev().collect::<Vec<_>>(), "{journal}");
        // A list of storage commits is not endless.
        assert_eq!(log[0]["checkpoint"] == true, count >= 64, "{journal}");
        assert!(log[1..].iter().all(|c| c["checkpoint"] == false), "{journal}");
        assert!(
            log[..log.len() - 1].iter().all(|c| c["changed"].as_u64() < Some(200)),
            "{journal}: pages written, not all pages"
        );
        // The repository's commit spans them.
        let snapshot = env.graft(["sql", "--readonly", "PRAGMA graft_snapshot_json"]).ok();
        let snapshot: Value = serde_json::from_str(&snapshot).expect("JSON");
        let listed: Vec<_> =
            snapshot["commits"].as_array().expect("a list").iter().map(|c| c["hash"].clone()).collect();
        assert_eq!(listed, log.iter().take(listed.len()).map(|c| c["hash"].clone()).collect::<Vec<_>>(), "{journal}");
        assert_eq!(listed.len() as u64, if count < 64 { count + 1 } else { 1 }, "{journal}");
        env.graft(["fsck"]).ok();
        let rows = env
            .graft(["sql", "--at", "HEAD", "SELECT count(*), sum(n), max(id) FROM item; PRAGMA integrity_check"])
            .ok();
        let now =
            env.graft(["sql", "--readonly", "SELECT count(*), sum(n), max(id) FROM item; PRAGMA integrity_check"]).ok();
        assert_eq!(rows, now, "{journal}");
        assert_sound(&env.path("app.db"));
        assert!(
            !env.path("app.db-wal").exists() && !env.path("app.db-journal").exists(),
            "{journal}: an ordinary file"
        );
    }
}

#[test]
fn a_kill_in_the_middle_loses_nothing() {
    for journal in ["DELETE", "WAL"] {
        let env = tracked(3000, journal);
        let mut child = env.command(["sql"]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("graft starts");
        let mut input = child.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || {
            for n in 0..400 {
                // Whoever asks sees what was stored so far, and so does whoever comes after the kill.
                let ask = if n == 60 { "CREATE TEMP TABLE asked AS SELECT name FROM graft_branches;" } else { "" };
                let text = format!(
                    "{ask} BEGIN; INSERT INTO item(name, n) VALUES ('k', {n}); UPDATE item SET n = {n} WHERE id = 5; COMMIT; SELECT {n};\n"
                );
                if input.write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let told: i64 = (0..150)
            .map(|_| lines.next().expect("a line").expect("text").parse().expect("a number"))
            .last()
            .expect("one");
        child.kill().expect("it lives");
        child.wait().expect("it ends");
        writer.join().expect("the writer");
        let there = number(&env.path("app.db"), "SELECT max(n) FROM item WHERE name = 'k'");
        assert!(there >= told, "{journal}: {there} of {told}");
        assert!(env.graft(["status"]).ok().contains("modified"), "{journal}");
        env.graft(["commit", "-qam", "Two"]).ok();
        let at_head = |query: &str| env.graft(["sql", "--at", "HEAD", query]).ok();
        assert_eq!(
            at_head("SELECT max(n), (SELECT n FROM item WHERE id = 5) FROM item WHERE name = 'k'"),
            format!("{there}|{there}\n")
        );
        assert_eq!(env.graft(["status", "--short"]).ok(), "");
        // What was stored before the kill is part of the history.
        let lsns: Vec<_> = log(&env, "app.db").iter().map(|c| c["lsn"].as_u64().expect("a number")).collect();
        assert!(lsns.len() > 60 && lsns == (1..=lsns.len() as u64).rev().collect::<Vec<_>>(), "{journal}: {lsns:?}");
        env.graft(["fsck"]).ok();
    }
}

#[test]
fn what_cannot_be_stored_is_committed_all_the_same() {
    let env = tracked(300, "DELETE");
    // No segment can be begun.
    std::fs::remove_dir_all(env.dot_graft().join("tmp")).expect("removed");
    std::fs::write(env.dot_graft().join("tmp"), "in the way").expect("written");
    let done = env.graft([
        "sql",
        "UPDATE item SET n = 7 WHERE id = 1; UPDATE item SET n = 8 WHERE id = 2; SELECT total_changes()",
    ]);
    assert_eq!(done.ok(), "2\n");
    assert_eq!(done.stderr().matches("warning").count(), 1, "{done}");
    assert!(done.stderr().contains("'app.db' are in the file"), "{done}");
    assert_eq!(number(&env.path("app.db"), "SELECT sum(n) FROM item"), 15);
    std::fs::remove_file(env.dot_graft().join("tmp")).expect("removed");
    std::fs::create_dir(env.dot_graft().join("tmp")).expect("a folder");
    env.graft(["commit", "-qam", "Two"]).ok();
    assert_eq!(env.graft(["sql", "--at", "HEAD", "SELECT sum(n) FROM item"]).ok(), "15\n");
}

#[test]
fn only_tracked_files_are_captured_and_each_by_itself() {
    let env = tracked(300, "DELETE");
    make(&env.path("other.db"), 200, "WAL");
    make(&env.path("new.db"), 200, "DELETE");
    env.graft(["add", "other.db"]).ok();
    let segments = || crate::tree::files_under(&env.dot_graft().join("segments")).len();
    let before = segments();
    env.graft(["sql", "--db", "new.db", "UPDATE item SET n = 1"]).ok();
    env.graft(["sql", "--db", "app.db", "--readonly", "SELECT count(*) FROM item"]).ok();
    assert_eq!(segments(), before, "an untracked file is nobody's business");
    env.graft([
        "sql",
        "--db",
        "app.db",
        "ATTACH 'other.db' AS o; ATTACH 'new.db' AS n; BEGIN; UPDATE item SET n = 2 WHERE id = 1; UPDATE o.item SET n = 2 WHERE id = 1; COMMIT;
         UPDATE o.item SET n = 3 WHERE id = 2; UPDATE n.item SET n = 4; DETACH o; UPDATE item SET n = 5 WHERE id = 3",
    ])
    .ok();
    assert_eq!((log(&env, "app.db").len(), log(&env, "other.db").len()), (3, 3));
    env.graft(["commit", "-qam", "Two"]).ok();
    for (db, sum) in [("app.db", 7), ("other.db", 5)] {
        assert_eq!(env.graft(["sql", "--db", db, "--at", "HEAD", "SELECT sum(n) FROM item"]).ok(), format!("{sum}\n"));
    }
    assert_eq!(env.graft(["status", "--short"]).ok(), "?? new.db\n");
}

#[test]
fn an_open_session_goes_on_after_others() {
    let env = tracked(300, "WAL");
    let mut command = env.command(["sql"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("graft starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut ask = |text: &str| {
        writeln!(input, "{text}").expect("it listens");
        let mut line = String::new();
        output.read_line(&mut line).expect("an answer");
        line
    };
    assert_eq!(ask("UPDATE item SET n = 1 WHERE id = 1; SELECT 1;"), "1\n");
    env.graft(["commit", "-qam", "Meanwhile"]).ok();
    assert_eq!(ask("UPDATE item SET n = 2 WHERE id = 2; SELECT 2;"), "2\n");
    sql(&env.path("app.db"), "UPDATE item SET n = 3 WHERE id = 3");
    assert_eq!(ask("UPDATE item SET n = 4 WHERE id = 4; SELECT 3;"), "3\n");
    env.graft(["switch", "-qc", "side"]).ok();
    env.graft(["restore", "-f", "app.db"]).ok();
    assert_eq!(ask("UPDATE item SET n = 5 WHERE id = 5; SELECT sum(n) FROM item;"), "6\n");
    drop(input);
    assert!(child.wait().expect("it ends").success());
    env.graft(["commit", "-qam", "After"]).ok();
    assert_eq!(env.graft(["sql", "--at", "HEAD", "SELECT group_concat(n) FROM item WHERE n > 0"]).ok(), "1,5\n");
    assert_eq!(env.graft(["status", "--short"]).ok(), "");
    env.graft(["fsck"]).ok();
}

#[test]
fn a_session_left_open_is_in_nobodys_way() {
    for journal in ["DELETE", "WAL"] {
        let env = tracked(300, journal);
        make(&env.path("other.db"), 100, journal);
        env.graft(["add", "other.db"]).ok();
        env.graft(["commit", "-qm", "Two"]).ok();
        for left in [
            "UPDATE item SET n = n + 1 WHERE id = 1;",
            "BEGIN; SELECT count(*) FROM item;",
            "BEGIN; UPDATE item SET n = 77 WHERE id = 2;",
        ] {
            env.graft(["switch", "-qC", "side"]).ok();
            sql(&env.path("other.db"), "UPDATE item SET n = n + 1");
            env.graft(["commit", "-qam", "Other"]).ok();
            env.graft(["switch", "-q", "main"]).ok();
            let mut command = env.command(["sql", "--db", "app.db"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("graft starts");
            let mut input = child.stdin.take().expect("a pipe");
            let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
            writeln!(input, ".bail off\n{left}\n.print left open").expect("it listens");
            let mut line = String::new();
            while !line.ends_with("left open\n") {
                assert!(output.read_line(&mut line).expect("an answer") > 0, "the session ended");
            }
            for args in [
                &["status"][..],
                &["log", "-n1"],
                &["switch", "-q", "side"],
                &["switch", "-q", "main"],
                &["add", "app.db"],
                &["commit", "--allow-empty", "-qam", "Meanwhile"],
                &["sql", "--readonly", "--db", "app.db", "SELECT max(n) FROM item"],
                &["branch"],
            ] {
                env.graft([&["--lock-timeout", "0", "--busy-timeout", "0"], args].concat()).ok();
            }
            drop(input);
            assert!(child.wait().expect("it ends").code() != Some(101), "{journal}: {left}");
        }
        env.graft(["fsck"]).ok();
        assert_eq!(
            number(&env.path("app.db"), "SELECT sum(n) FROM item"),
            1,
            "{journal}: what was open is rolled back"
        );
    }
}

#[test]
fn a_tampered_transaction_is_named() {
    let env = tracked(3000, "DELETE");
    for n in 1..=5 {
        // All of them share a segment.
        env.graft(["sql", &"UPDATE item SET n = n + 1 WHERE id = 17;".repeat(n)]).ok();
    }
    env.graft(["commit", "-qam", "Fifteen"]).ok();
    let before = log(&env, "app.db");
    assert_eq!(before.len(), 16);
    let segment = before[2]["segment"].as_str().expect("a segment").to_owned();
    let others = before.iter().filter(|c| c["segment"] == segment.as_str()).count();
    assert_eq!(others, 5);
    let path = env.dot_graft().join("segments").join(segment[segment.len() - 2..].to_lowercase()).join(&segment);
    let mut bytes = std::fs::read(&path).expect("the segment");
    // The times of the storage commits are kept in their order: that of the third newest.
    let times: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, w)| w == b"time").map(|(at, _)| at).collect();
    bytes[times[times.len() - 3] + 6] ^= 1;
    // Whoever does that on purpose makes the checksum fit.
    let end = bytes.len();
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes")) as usize;
    let sum = *blake3::hash(&bytes[number(end - 64)..][..number(end - 56)]).as_bytes();
    bytes[end - 48..end - 16].copy_from_slice(&sum);
    std::fs::write(&path, bytes).expect("written");
    std::fs::remove_file(env.dot_graft().join("index-tail")).expect("the tail");
    let named = format!("storage commit {}:{}", before[2]["log"].as_str().expect("a log"), before[2]["lsn"]);
    for pragma in ["graft_debug_log_lsn", "graft_snapshot", "graft_debug_volume_audit"] {
        let tampered = env.graft(["sql", "--readonly", &format!("PRAGMA {pragma}")]);
        assert!(tampered.expect(1).stderr().contains(&named), "{pragma}: {tampered}");
    }
    let found = env.graft(["fsck"]);
    assert!(found.expect(1).stdout().contains(&named) || found.stderr().contains(&named), "{found}");
}

/// What programs do that know nothing of SQLite's locks: the file is another one, under the session's eyes.
#[test]
fn a_file_that_is_replaced_under_the_session_is_what_add_takes() {
    for journal in ["DELETE", "WAL"] {
        for (in_place, goes_on) in [(false, false), (false, true), (true, false), (true, true)] {
            // In WAL mode the log that stays would make a ruin of what is copied over the file.
            if journal == "WAL" && in_place {
                continue;
            }
            let env = tracked(300, journal);
            let other = env.outside().join("other.db");
            crate::database::copy_database(&env.path("app.db"), &other);
            sql(&other, "PRAGMA journal_mode = DELETE; UPDATE item SET n = 1000 WHERE id = 1");
            let mut command = env.command(["sql"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("graft starts");
            let mut input = child.stdin.take().expect("a pipe");
            let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
            let mut ask = |text: &str| {
                writeln!(input, "{text}").expect("it listens");
                let mut line = String::new();
                output.read_line(&mut line).expect("an answer");
            };
            ask(".bail off\nUPDATE item SET n = 7 WHERE id = 1; SELECT 1;");
            std::thread::sleep(std::time::Duration::from_millis(30));
            match in_place {
                true => drop(std::fs::copy(&other, env.path("app.db")).expect("copied")),
                false => std::fs::rename(&other, env.path("app.db")).expect("renamed"),
            }
            if goes_on {
                ask("UPDATE item SET n = 8 WHERE id = 2; SELECT 2;");
            }
            drop(input);
            child.wait().expect("it ends");
            let case = format!("{journal}, in place {in_place}, goes on {goes_on}");
            env.graft(["add", "app.db"]).ok();
            env.graft(["commit", "-qm", "Other"]).ok();
            env.graft(["export", "HEAD:app.db", "-o", "out.db"]).ok();
            let (stored, there) = (env.path("out.db"), env.path("app.db"));
            let rows = "SELECT group_concat(id || ' ' || n) FROM (SELECT id, n FROM item ORDER BY id)";
            assert_eq!(crate::database::text(&stored, rows), crate::database::text(&there, rows), "{case}");
            assert_eq!(env.graft(["status", "--short", "--untracked-files=no"]).ok(), "", "{case}");
        }
    }
}
