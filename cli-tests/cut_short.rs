//! A full disk or an interruption in the middle: an error in words, the old state, and nothing left lying about.

use std::process::{Command, Stdio};

use crate::app::App;
use crate::database::{assert_same, assert_sound, make, serialize, sql};
use crate::env::{Outcome, TestEnvironment, wait};
use crate::tree::files_under;

/// Runs graft where no file may grow beyond some blocks of 512 bytes, as on a disk that is full.
fn with_full_disk(env: &TestEnvironment, blocks: u32, args: &str) -> Outcome {
    let mut shell = env.program("sh", env.repo());
    let graft = env!("CARGO_BIN_EXE_graft");
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec '{graft}' {args}")]);
    env.run(shell)
}

fn state(env: &TestEnvironment) -> [String; 4] {
    [vec!["rev-parse", "HEAD"], vec!["ls-files", "-s"], vec!["status", "--porcelain"], vec!["log"]]
        .map(|args| env.graft(args).ok())
}

#[test]
fn a_full_disk_stops_a_command_without_a_trace() {
    let env = TestEnvironment::init();
    let path = env.path("app.db");
    make(&path, 4000, "DELETE");
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "first"]).ok();
    sql(&path, "UPDATE item SET body = hex(randomblob(45))");
    let rows = serialize(&path);
    let before = state(&env);
    let mut failures = 0;
    for blocks in [0, 1, 2, 3, 8, 40, 200, 400] {
        for args in ["add app.db", "commit -am more"] {
            let outcome = with_full_disk(&env, blocks, args);
            if outcome.code() == 0 {
                continue;
            }
            failures += 1;
            outcome.fails(&["large"]);
            assert_eq!(state(&env), before, "{args} with {blocks} blocks");
            env.graft(["fsck"]).ok();
            assert_eq!(temporary_files(&env), Vec::<String>::new(), "{args} with {blocks} blocks");
        }
    }
    assert!(failures >= 6, "the disk was full only {failures} times");
    env.graft(["commit", "-am", "second"]).ok();

    // A checkout that does not fit leaves the rows as they are.
    for blocks in [0, 8, 200] {
        let outcome = with_full_disk(&env, blocks, "checkout HEAD~1 -- app.db");
        assert_eq!(outcome.code(), 128, "{blocks} blocks: {outcome}");
        assert_sound(&path);
        assert_same("after a failed checkout", &serialize(&path), &rows);
    }
    env.graft(["checkout", "HEAD~1", "--", "app.db"]).ok();
    let out = with_full_disk(&env, 20, "export HEAD:app.db -o out.db");
    out.fails(&["out.db"]);
    assert!(!env.path("out.db").exists(), "half an export was left");
}

fn temporary_files(env: &TestEnvironment) -> Vec<String> {
    let mut found = Vec::new();
    for folder in [env.dot_graft().join("tmp"), env.repo().to_owned()] {
        for file in if folder.exists() { files_under(&folder) } else { Vec::new() } {
            let name = file.to_string_lossy().into_owned();
            if name.contains("tmp-") {
                found.push(name);
            }
        }
    }
    found
}

#[test]
fn an_interruption_ends_with_130_and_the_old_state() {
    let env = TestEnvironment::init();
    let path = env.path("app.db");
    make(&path, 300, "DELETE");
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "first"]).ok();
    let before = state(&env);
    let mut app = App::open(&path);
    app.sql("BEGIN EXCLUSIVE");
    app.sql("UPDATE item SET n = 1");
    for signal in ["INT", "TERM"] {
        let mut waiting = env.command(["--busy-timeout", "3600000", "add", "app.db"]);
        let child = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("graft starts");
        std::thread::sleep(std::time::Duration::from_millis(300));
        send(signal, child.id());
        wait(child, format!("add, stopped by SIG{signal}")).expect(130);
    }
    app.sql("ROLLBACK");
    assert_eq!(state(&env), before);
    assert_eq!(temporary_files(&env), Vec::<String>::new());
}

#[test]
fn an_interrupted_add_of_a_large_file_leaves_nothing() {
    let env = TestEnvironment::init();
    make(&env.path("big.db"), 300_000, "OFF");
    let mut add = env.command(["add", "big.db"]);
    let child = add.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("graft starts");
    std::thread::sleep(std::time::Duration::from_millis(40));
    send("INT", child.id());
    let outcome = wait(child, "add of a large file, interrupted".into());
    if outcome.code() != 0 {
        outcome.expect(130);
        assert_eq!(env.graft(["ls-files"]).ok(), "");
    }
    assert_eq!(temporary_files(&env), Vec::<String>::new());
    env.graft(["add", "big.db"]).ok();
    env.graft(["fsck"]).ok();
}

fn send(signal: &str, pid: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status();
    assert!(sent.is_ok_and(|status| status.success()), "no shell to send a signal with");
}
