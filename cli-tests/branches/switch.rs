//! Switching: in place, under the eyes of programs, all databases or none.

use super::{status, two_branches, worktree};
use crate::app::App;
use crate::database::{make, number, rows_of, sql};
use crate::env::TestEnvironment;

#[test]
fn files_go_over_and_come_back() {
    let env = two_branches();
    let main = worktree(&env);
    assert_eq!(env.graft(["switch", "dev"]).stderr(), "Switched to branch 'dev'\n");
    let dev = worktree(&env);
    assert_eq!(dev.keys().collect::<Vec<_>>(), ["app.db", "data/new.db", "notes.txt", "shop.db"]);
    assert_eq!(number(&env.path("app.db"), "SELECT count(*) FROM item WHERE n = -id"), 30);
    assert_eq!(status(&env), "");
    for (typed, wanted) in [("-", &main), ("@{-1}", &dev), ("main", &main), ("-", &dev), ("-", &main)] {
        env.graft(["switch", typed]).ok();
        assert_eq!(worktree(&env), *wanted, "switch {typed}");
        assert_eq!(status(&env), "");
    }
    assert!(!env.path("data").exists(), "a folder that a switch leaves empty goes");
    let moves: Vec<String> = env.graft(["reflog"]).ok().lines().take(2).map(|l| l[8..].to_owned()).collect();
    assert_eq!(moves, ["HEAD@{0}: checkout: moving from dev to main", "HEAD@{1}: checkout: moving from main to dev"]);
    env.graft(["fsck"]).ok();
}

#[test]
fn programs_stay_connected() {
    for mode in ["DELETE", "WAL"] {
        let env = TestEnvironment::init();
        let path = env.path("app.db");
        make(&path, 200, mode);
        env.graft(["add", "."]).ok();
        env.graft(["commit", "-m", "one"]).ok();
        env.graft(["switch", "-c", "dev"]).ok();
        sql(&path, "UPDATE item SET n = 5; CREATE TABLE more(x); INSERT INTO more VALUES (1)");
        env.graft(["commit", "-am", "two"]).ok();
        let mut app = App::open(&path);
        assert_eq!(app.number("SELECT count(*) FROM item WHERE n = 5"), 200);
        // Rows that are in the -wal alone are part of the state.
        for round in 0..5 {
            env.graft(["switch", "main"]).ok();
            assert_eq!(app.number("SELECT count(*) FROM item WHERE n = 5"), 0, "{mode} round {round}");
            assert!(app.try_sql("SELECT * FROM more").is_err(), "the program sees the schema of main");
            env.graft(["switch", "dev"]).ok();
            assert_eq!(app.number("SELECT count(*) FROM more, item WHERE n = 5"), 200, "{mode} round {round}");
        }
        app.sql("INSERT INTO more VALUES (2)");
        assert_eq!(status(&env), " M app.db\n");
        assert_eq!(app.sql("PRAGMA integrity_check")[0][0], "ok");
    }
}

#[test]
fn all_databases_move_or_none() {
    let env = two_branches();
    let before = worktree(&env);
    for (mode, hold) in [("writes", "BEGIN IMMEDIATE"), ("reads", "BEGIN; SELECT * FROM item")] {
        let mut app = App::open(&env.path("shop.db"));
        if mode == "reads" {
            // In WAL mode readers are in nobody's way, so this one has to use a rollback journal.
            app.sql("PRAGMA journal_mode = DELETE");
            app.sql("BEGIN");
            app.step("SELECT * FROM item");
        } else {
            app.sql(hold);
        }
        let refused = env.graft(["switch", "dev", "--busy-timeout", "300"]);
        let text = refused.refused(&["shop.db", "locked by python3"]);
        assert!(!text.contains("put back"), "{text}");
        assert_eq!(env.graft(["branch", "--show-current"]).ok(), "main\n");
        drop(app);
        assert_eq!(worktree(&env), before, "while a program {mode}");
        assert_eq!(status(&env), "");
    }
    env.graft(["switch", "dev"]).ok();
    env.graft(["fsck"]).ok();
}

#[test]
fn changes_come_along_or_are_in_the_way() {
    let env = two_branches();
    std::fs::write(env.path("notes.txt"), "mine\n").expect("write");
    make(&env.path("extra.db"), 3, "DELETE");
    assert_eq!(env.graft(["switch", "dev"]).ok(), "M\tnotes.txt\n");
    assert_eq!(std::fs::read_to_string(env.path("notes.txt")).expect("read"), "mine\n");
    env.graft(["switch", "main"]).ok();
    assert_eq!(status(&env), " M notes.txt\n?? extra.db\n");

    sql(&env.path("app.db"), "UPDATE item SET n = 99 WHERE id = 3");
    let kept = worktree(&env);
    let text = env.graft(["switch", "dev"]).refused(&["unsaved changes", "app.db"]);
    assert!(text.contains("stash") && text.contains("--force") && !text.contains("notes.txt"), "{text}");
    env.graft(["add", "app.db"]).ok();
    env.graft(["switch", "dev"]).refused(&["app.db"]);
    assert_eq!(worktree(&env), kept);
    env.graft(["restore", "--staged", "app.db"]).ok();

    // Of what --force overwrites nothing is lost.
    let said = env.graft(["switch", "--force", "dev"]);
    assert!(said.stderr().contains("What 'app.db' held before is kept"), "{said}");
    assert_eq!(number(&env.path("app.db"), "SELECT count(*) FROM item WHERE n = 99"), 0);
    env.graft(["undo"]).ok();
    assert_eq!(worktree(&env), kept);
    assert_eq!(env.graft(["branch", "--show-current"]).ok(), "main\n");

    // A file of that name that is not tracked stands in the way, unless it is the same.
    env.graft(["checkout", "-f", "--", "app.db"]).ok();
    std::fs::create_dir(env.path("data")).expect("folder");
    make(&env.path("data/new.db"), 5, "DELETE");
    env.graft(["switch", "dev"]).refused(&["untracked", "data/new.db"]);
    std::fs::remove_file(env.path("data/new.db")).expect("remove");
    env.graft(["export", "dev:data/new.db", "-o", "data/new.db"]).ok();
    env.graft(["switch", "dev"]).ok();
}

#[test]
fn a_deleted_file_and_a_mode_are_changes_too() {
    use std::os::unix::fs::PermissionsExt;
    let env = two_branches();
    std::fs::remove_file(env.path("notes.txt")).expect("remove");
    assert_eq!(env.graft(["switch", "dev"]).ok(), "D\tnotes.txt\n");
    env.graft(["restore", "notes.txt"]).ok();
    std::fs::set_permissions(env.path("notes.txt"), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    env.graft(["commit", "-am", "executable"]).ok();
    env.graft(["switch", "main"]).ok();
    let mode = |name: &str| std::fs::metadata(env.path(name)).expect("there").permissions().mode() & 0o111;
    assert_eq!(mode("notes.txt"), 0);
    env.graft(["switch", "dev"]).ok();
    assert_eq!(mode("notes.txt"), 0o111);
    assert_eq!(status(&env), "");
}

#[test]
fn folders_and_files_change_places() {
    let env = TestEnvironment::init();
    make(&env.path("a"), 5, "DELETE");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "a file"]).ok();
    env.graft(["switch", "-c", "dev"]).ok();
    env.graft(["rm", "a"]).ok();
    std::fs::create_dir_all(env.path("a/b")).expect("folders");
    make(&env.path("a/b/c.db"), 6, "WAL");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "a folder"]).ok();
    for _ in 0..2 {
        env.graft(["switch", "main"]).ok();
        assert_eq!(number(&env.path("a"), "SELECT count(*) FROM item"), 5);
        env.graft(["switch", "dev"]).ok();
        assert_eq!(number(&env.path("a/b/c.db"), "SELECT count(*) FROM item"), 6);
        assert_eq!(status(&env), "");
    }
    std::fs::write(env.path("a/b/mine"), "x").expect("write");
    env.graft(["switch", "main"]).refused(&["'a' is a folder"]);
    assert_eq!(number(&env.path("a/b/c.db"), "SELECT count(*) FROM item"), 6);
}

/// A crash in the middle, then a program writes: its rows stay, whatever is put back.
#[test]
fn rows_written_after_a_crash_stay() {
    let env = two_branches();
    let kept = env.outside().join("kept");
    crate::tree::copy_tree(env.repo(), &kept);
    let count_file = env.outside().join("count");
    let mut counted = env.command(["switch", "dev"]);
    counted.env("GRAFT_CRASH_COUNT", &count_file);
    env.run(counted).ok();
    let points: u32 = std::fs::read_to_string(&count_file).expect("a count").trim().parse().expect("a number");
    let mut left = 0;
    for at in (1..points).step_by(2) {
        crate::tree::copy_tree(&kept, env.repo());
        let mut crashing = env.command(["switch", "dev"]);
        crashing.env("GRAFT_CRASH_AT", at.to_string());
        env.run(crashing);
        for name in ["app.db", "shop.db"] {
            sql(&env.path(name), "INSERT INTO item(name, n) VALUES ('written after the crash', 1)");
        }
        let said = env.graft(["status", "--porcelain"]);
        said.ok();
        left += u32::from(said.stderr().contains("left as it is"));
        for name in ["app.db", "shop.db"] {
            let count = number(&env.path(name), "SELECT count(*) FROM item WHERE name = 'written after the crash'");
            assert_eq!(count, 1, "crash at {at} of {points}: the row in {name} is lost");
        }
        env.graft(["fsck"]).ok();
    }
    assert!(left > 0, "no crash fell between two files");
}

#[test]
fn head_alone_moves_where_the_files_are_the_same() {
    let env = two_branches();
    let before = rows_of(&env.path("app.db"));
    sql(&env.path("app.db"), "UPDATE item SET n = 1 WHERE id = 1");
    assert_eq!(env.graft(["switch", "-c", "fix"]).ok(), "M\tapp.db\n");
    env.graft(["commit", "-am", "fix"]).ok();
    let detached = env.graft(["switch", "--detach", "HEAD~1"]);
    assert!(detached.stderr().contains("HEAD is now at"), "{detached}");
    assert_eq!(rows_of(&env.path("app.db")), before);
    env.graft(["commit", "--allow-empty", "-m", "lost"]).ok();
    let said = env.graft(["switch", "main"]).stderr();
    assert!(said.contains("leaving 1 commit behind") && said.contains("graft branch <name>"), "{said}");
    env.graft(["switch", "--orphan", "empty"]).ok();
    assert_eq!(env.graft(["ls-files"]).ok(), "");
    assert!(!env.path("app.db").exists());
    env.graft(["switch", "main"]).ok();
    assert_eq!(rows_of(&env.path("app.db")), before);
    env.graft(["switch", "-C", "fix", "main"]).ok();
    assert_eq!(env.graft(["rev-parse", "fix"]).ok(), env.graft(["rev-parse", "main"]).ok());
}

#[test]
fn checkout_of_a_whole_commit() {
    let env = two_branches();
    let main = worktree(&env);
    assert!(env.graft(["checkout", "dev"]).stderr().contains("Switched to branch 'dev'"));
    assert!(env.graft(["checkout", "HEAD~1"]).stderr().contains("HEAD is now at"));
    assert_eq!(worktree(&env), main);
    assert_eq!(env.graft(["branch", "--show-current"]).ok(), "");
    env.graft(["checkout", "-b", "new", "dev"]).ok();
    assert_eq!(env.graft(["branch", "--show-current"]).ok(), "new\n");
    env.graft(["checkout", "--detach", "main"]).ok();
    assert_eq!(env.graft(["branch", "--show-current"]).ok(), "");
    env.graft(["checkout", "-"]).ok();
    assert_eq!(env.graft(["branch", "--show-current"]).ok(), "new\n");
    let json = env.graft(["switch", "main", "--json"]).json();
    assert_eq!((json["branch"].as_str(), json["previous_branch"].as_str()), (Some("main"), Some("new")));
    assert_eq!(json["files"].as_array().map(Vec::len), Some(4));
}

/// A state with another page size cannot be written in place, and a program with the old file open would not see the new one.
#[test]
fn a_file_that_has_to_be_replaced_is_not_taken_from_a_program() {
    for mode in ["DELETE", "WAL"] {
        let env = TestEnvironment::init();
        let path = env.path("app.db");
        make(&path, 20, "DELETE");
        make(&env.path("other.db"), 20, "DELETE");
        env.graft(["add", "."]).ok();
        env.graft(["commit", "-m", "one"]).ok();
        env.graft(["switch", "-c", "dev"]).ok();
        sql(&path, "PRAGMA page_size = 8192; VACUUM");
        sql(&env.path("other.db"), "UPDATE item SET n = 0");
        env.graft(["commit", "-am", "two"]).ok();
        sql(&path, &format!("PRAGMA journal_mode = {mode}"));
        let before = worktree(&env);
        let mut app = App::open(&path);
        assert_eq!(app.number("SELECT count(*) FROM item"), 20);
        let refused = env.graft(["switch", "main", "--busy-timeout", "200"]);
        refused.refused(&["app.db", "python3"]);
        let gone = env.graft(["rm", "app.db", "--busy-timeout", "200"]);
        gone.refused(&["app.db", "python3"]);
        assert_eq!(worktree(&env), before, "{mode}");
        app.sql("SELECT 1");
        drop(app);
        env.graft(["switch", "main"]).ok();
        assert_eq!(number(&path, "PRAGMA page_size"), 4096);
        assert_eq!(status(&env), "");
    }
}
