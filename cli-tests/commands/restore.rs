//! `checkout -- paths`, `restore` and `export`: old states come back.

use snapbox::assert_data_eq;
use snapbox::str;

use super::{change, small_history};
use crate::database::{assert_same, make, number, remove_database, serialize, sql};
use crate::env::TestEnvironment;

const PORCELAIN: [&str; 2] = ["status", "--porcelain"];
const CHANGED: &str = "SELECT sum(n) FROM item";

#[test]
fn what_checkout_restore_and_export_say() {
    let env = small_history();
    let commands: [&[&str]; 6] = [
        &["checkout", "HEAD~1", "--", "app.db"],
        &["status", "-s"],
        &["restore", "--staged", "--worktree", "app.db"],
        &["status", "-s"],
        &["export", "HEAD~1:app.db", "-o", "old.db"],
        &["export", "HEAD~1:app.db", "-o", "old.db"],
    ];
    assert_data_eq!(
        env.session(&commands),
        str![[r#"
$ graft checkout HEAD~1 -- app.db
2> Updated 1 path
$ graft status -s
M  app.db
$ graft restore --staged --worktree app.db
2> Updated 1 path
$ graft status -s
$ graft export HEAD~1:app.db -o old.db
2> Wrote 'old.db': 6 pages, 24 KiB
$ graft export HEAD~1:app.db -o old.db
2> error: $ROOT/repo/old.db exists already
2> help: overwrite it with --force, or choose another name
=> 128

"#]]
    );
}

#[test]
fn checkout_takes_from_a_revision_or_from_the_index() {
    let env = small_history();
    let path = env.path("app.db");
    assert_eq!(number(&path, CHANGED), 3);
    env.graft(["checkout", "HEAD~1", "--", "app.db"]).ok();
    assert_eq!(number(&path, CHANGED), 0);
    assert_eq!(env.graft(PORCELAIN).ok(), "M  app.db\n", "the revision is staged, as in Git");
    change(&path);
    env.graft(["checkout", "-f", "--", "app.db"]).ok();
    assert_eq!(number(&path, CHANGED), 0, "the index is the source without a revision");
    env.graft(["checkout", "HEAD", "app.db"]).ok();
    assert_eq!(number(&path, CHANGED), 3);
    assert_eq!(env.graft(PORCELAIN).ok(), "");
}

#[test]
fn checkout_of_a_folder_brings_back_what_was_in_it() {
    let env = small_history();
    std::fs::remove_dir_all(env.path("data")).expect("the folder goes");
    env.graft(["checkout", "--", "data"]).ok();
    assert_eq!(number(&env.path("data/log.db"), "SELECT count(*) FROM item"), 30);
    remove_database(&env.path("app.db"));
    env.graft_in(&env.path("data"), ["checkout", "HEAD~1", "--", ".."]).ok();
    assert_eq!(number(&env.path("app.db"), CHANGED), 0);
}

#[test]
fn restore_in_its_forms() {
    let env = small_history();
    let path = env.path("app.db");
    change(&path);
    env.graft(["add", "app.db"]).ok();
    env.graft(["restore", "--staged", "app.db"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), " M app.db\n");
    assert_eq!(number(&path, CHANGED), 6, "restore --staged leaves the file alone");
    env.graft(["restore", "-f", "app.db"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "");
    assert_eq!(number(&path, CHANGED), 3);
    env.graft(["restore", "--source", "HEAD~1", "app.db"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), " M app.db\n", "restore --source does not stage");
    assert_eq!(number(&path, CHANGED), 0);
    env.graft(["restore", "-f", "--source=HEAD~1", "--staged", "--worktree", "."]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "M  app.db\nD  data/log.db\n", "what the source has not is removed");
    env.graft(["restore", "--staged", "--worktree", "--source", "HEAD", "."]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "");
    env.graft(["restore"]).expect(2);
}

#[test]
fn unsaved_rows_are_overwritten_only_by_force_and_then_kept() {
    let env = small_history();
    let path = env.path("app.db");
    change(&path);
    let rows = serialize(&path);
    for args in [vec!["checkout", "--", "app.db"], vec!["checkout", "HEAD~1", "--", "."], vec!["restore", "app.db"]] {
        env.graft(args).refused(&["app.db", "--force"]);
        assert_same("a refused checkout", &serialize(&path), &rows);
    }
    make(&env.path("new.db"), 3, "DELETE");
    env.graft(["add", "new.db"]).ok();
    env.graft(["commit", "-m", "new"]).ok();
    env.graft(["rm", "new.db"]).ok();
    env.graft(["commit", "-m", "no longer", "new.db"]).ok();
    make(&env.path("new.db"), 77, "DELETE");
    env.graft(["checkout", "HEAD~1", "--", "new.db"]).refused(&["new.db", "--force"]);
    assert_eq!(number(&env.path("new.db"), "SELECT count(*) FROM item"), 77, "an untracked file was overwritten");

    let forced = env.graft(["checkout", "--force", "--", "app.db"]);
    forced.ok();
    assert_eq!(env.graft(["status", "--porcelain", "app.db"]).ok(), "");
    // What was overwritten is in the store, and the way back is said.
    let saved = std::fs::read_to_string(env.dot_graft().join("logs/saved")).expect("a note of what was saved");
    let id = saved.split(' ').nth(1).expect("an id");
    env.graft(["export", id, "-o", "saved.db"]).ok();
    assert_same("what was overwritten", &std::fs::read(env.path("saved.db")).expect("exported"), &rows);
    env.graft(["fsck"]).ok();
}

#[test]
fn restore_staged_of_a_new_file_makes_it_untracked() {
    let env = small_history();
    make(&env.path("new.db"), 3, "DELETE");
    env.graft(["add", "new.db"]).ok();
    env.graft(["restore", "--staged", "new.db"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "?? new.db\n");
}

#[test]
fn export_does_not_overwrite_unasked() {
    let env = small_history();
    std::fs::write(env.path("mine.txt"), "mine").expect("a file");
    env.graft(["export", "HEAD:app.db", "-o", "mine.txt"]).refused(&["mine.txt"]);
    assert_eq!(std::fs::read(env.path("mine.txt")).expect("the file"), b"mine");
    env.graft(["export", "-f", "HEAD:app.db", "-o", "mine.txt"]).ok();
    assert_eq!(number(&env.path("mine.txt"), CHANGED), 3);
    env.graft(["export", "HEAD:app.db", "-o", "no/such/folder/x.db"]).refused(&["no/such/folder"]);
}

#[test]
fn export_to_standard_output_gives_the_bytes() {
    let env = small_history();
    let wanted = serialize(&env.path("app.db"));
    for args in [["export", "HEAD:app.db", "-o", "-"], ["export", "HEAD:./app.db", "-o", "-"]] {
        let outcome = env.graft(args);
        outcome.ok();
        assert_same("export to standard output", outcome.bytes(), &wanted);
    }
}

#[test]
fn checkout_of_another_page_size_and_journal_mode() {
    let env = TestEnvironment::init();
    let path = env.path("app.db");
    make(&path, 50, "DELETE");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "4096"]).ok();
    sql(&path, "PRAGMA page_size=8192; VACUUM; PRAGMA journal_mode=WAL; UPDATE item SET n = 1");
    env.graft(["commit", "-am", "8192"]).ok();
    env.graft(["checkout", "HEAD~1", "--", "app.db"]).ok();
    assert_eq!(number(&path, "PRAGMA page_size"), 4096);
    assert_eq!(number(&path, CHANGED), 0);
    env.graft(["checkout", "HEAD", "--", "app.db"]).ok();
    assert_eq!(number(&path, "PRAGMA page_size"), 8192);
    assert_eq!(number(&path, CHANGED), 50);
    assert_eq!(env.graft(PORCELAIN).ok(), "");
}

#[test]
fn a_leftover_log_of_a_deleted_database_does_not_reach_the_new_file() {
    let env = TestEnvironment::init();
    let path = env.path("app.db");
    crate::database::copy_database(&crate::database::generated().join("wal_uncheckpointed.db"), &path);
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "first"]).ok();
    let wanted = serialize(&path);
    crate::database::copy_database(&crate::database::generated().join("wal_uncommitted_tail.db"), &path);
    std::fs::remove_file(&path).expect("the database goes, its log stays");
    env.graft(["checkout", "HEAD", "--", "app.db"]).ok();
    assert_same("the file beside a foreign log", &serialize(&path), &wanted);
}

#[test]
fn modes_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let env = TestEnvironment::init();
    let path = env.path("tool.bin");
    std::fs::write(&path, "#!/bin/sh\n").expect("a file");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a mode");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "x"]).ok();
    assert!(env.graft(["ls-files", "-s"]).ok().starts_with("100755 "));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("a mode");
    assert_eq!(env.graft(PORCELAIN).ok(), " M tool.bin\n");
    env.graft(["checkout", "--", "."]).ok();
    let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert_eq!(env.graft(PORCELAIN).ok(), "");
}
