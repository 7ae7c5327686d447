//! Options of `commit` that say whose commit it is and what its message is: with them, Graft writes what Git writes.

use crate::env::{Outcome, TestEnvironment, script};

const FORMAT: &str = "--format=%an <%ae> %ad%n%cn <%ce> %cd%n%B";

/// Runs the same commands as Git and as Graft, and returns the commits and exit codes.
fn written(program: &str, commands: &[&[&str]]) -> String {
    let env = TestEnvironment::empty();
    let editor = env.outside().join("editor");
    script(&editor, "#!/bin/sh\ngrep -v '^#' \"$1\" > \"$1.seen\"\nsed -i '1s/^/edited /' \"$1\"\n");
    let run = |args: &[&str], tick: usize| -> Outcome {
        let mut command = match program {
            "git" => env.program("git", env.repo()),
            _ => env.command::<&str>([]),
        };
        command.args(args).env("EDITOR", &editor);
        let prefix = program.to_uppercase();
        for (role, name) in [("AUTHOR", "Ada"), ("COMMITTER", "Carl")] {
            command.env(format!("{prefix}_{role}_NAME"), name).env(format!("{prefix}_{role}_EMAIL"), "x@example.org");
            command.env(format!("{prefix}_{role}_DATE"), format!("2026-03-01T00:{tick:02}:00+0100"));
        }
        env.run(command)
    };
    run(&["init", "-q", "-b", "main"], 0).ok();
    let mut told = String::new();
    for (tick, command) in commands.iter().enumerate() {
        let code = run(command, tick).code();
        // Where Git fails, its number is another.
        let outcome = if code == 0 { "done" } else { "refused" };
        told += &format!(
            "$ {}\n=> {outcome}\n{}",
            command.join(" "),
            run(&["log", "-1", "--date=raw", FORMAT], 50).stdout()
        );
    }
    told
}

#[test]
fn who_and_what_are_gits() {
    let commands: &[&[&str]] = &[
        &[
            "commit",
            "--allow-empty",
            "-m",
            "first\n\nwith a body",
            "--author",
            "Eve <eve@example.org>",
            "--date",
            "@1600000000 +0200",
        ],
        &["commit", "--allow-empty", "-s", "-m", "second"],
        &["commit", "--allow-empty", "-m", "third", "-m", "Reviewed-by: Rob <r@example.org>", "--signoff"],
        &["commit", "--allow-empty", "--amend", "--no-edit", "-s"],
        &["commit", "--allow-empty", "-s", "--no-signoff", "-m", "unsigned"],
        &["commit", "--allow-empty", "-C", "HEAD~3"],
        &["commit", "--allow-empty", "--reuse-message=HEAD~2", "-s", "--author", "Rob <r@example.org>"],
        &["commit", "--allow-empty", "-C", "HEAD", "--reset-author"],
        &["commit", "--allow-empty", "-C", "HEAD", "--date", "@1500000000 +0000"],
        &["commit", "--allow-empty", "-c", "HEAD~2"],
        &["commit", "--allow-empty", "--fixup", "HEAD~4"],
        &["commit", "--allow-empty", "--fixup=HEAD", "-m", "and why", "-m", "at length", "-s"],
        &["commit", "--allow-empty", "--amend", "--no-edit", "--author", "Zoe <z@example.org>"],
        &["commit", "--allow-empty", "--amend", "--no-edit", "--date", "@1400000000 -0300"],
        &["commit", "--allow-empty", "--amend", "--no-edit", "--reset-author"],
        &["commit", "--allow-empty", "--amend", "-e", "-s"],
        &["commit", "--allow-empty", "-m", "", "-s"],
        &["commit", "--allow-empty", "-C", "no-such"],
        &["commit", "--allow-empty", "-C", "HEAD", "-m", "x"],
        &["commit", "--allow-empty", "-m", "x", "--reset-author"],
        &["commit", "--allow-empty", "--fixup", "HEAD", "-F", "x"],
    ];
    assert_eq!(written("graft", commands), written("git", commands));
}

#[test]
fn verbose_lists_of_branches_and_remotes_are_no_log() {
    let env = TestEnvironment::init();
    env.graft(["commit", "--allow-empty", "-m", "first"]).ok();
    env.graft(["remote", "add", "origin", "../hub"]).ok();
    for args in [
        &["branch", "-v"][..],
        &["branch", "-vv"],
        &["-vv", "branch"],
        &["branch", "-vvv"],
        &["remote", "-v"],
        &["remote", "-vv"],
    ] {
        let outcome = env.graft(args);
        outcome.ok();
        assert_eq!(outcome.stderr(), "", "{args:?}");
    }
    let mut logged = env.command(["branch", "-vv"]);
    logged.env("GRAFT_LOG", "graft=debug");
    assert_ne!(env.run(logged).stderr(), "", "a log that was asked for");
}

#[test]
fn colour_can_be_refused() {
    let env = super::small_history();
    super::change(&env.path("app.db"));
    for args in [&["diff"][..], &["log", "-p"], &["show"], &["status"], &["branch"]] {
        let colored = env.graft([&["--color=always"], args].concat()).ok();
        assert!(colored.contains('\x1b'), "{args:?}");
        let plain = env.graft([&["--color=always"], args, &["--no-color"]].concat()).ok();
        assert!(!plain.contains('\x1b'), "{args:?}");
    }
}

#[test]
fn a_commit_that_amending_would_empty_is_refused() {
    let env = TestEnvironment::init();
    for (text, message) in [("one\n", "first"), ("two\n", "second")] {
        std::fs::write(env.path("a.txt"), text).expect("a file");
        env.graft(["add", "."]).ok();
        env.graft(["commit", "-m", message]).ok();
    }
    std::fs::write(env.path("a.txt"), "one\n").expect("a file");
    let head = env.graft(["rev-parse", "HEAD"]).ok();
    let refused = env.graft(["commit", "-a", "--amend", "-m", "nothing"]);
    assert!(refused.expect(1).stderr().contains("graft reset HEAD~1"), "{refused}");
    assert_eq!(env.graft(["rev-parse", "HEAD"]).ok(), head);
    env.graft(["commit", "-a", "--amend", "--allow-empty", "-m", "nothing"]).ok();
    assert_eq!(env.graft(["rev-list", "--count", "HEAD"]).ok(), "2\n");
}
