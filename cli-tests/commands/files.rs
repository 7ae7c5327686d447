//! `init`, `add`, `rm`, `mv`, `ls-files`: what is tracked.

use snapbox::assert_data_eq;
use snapbox::str;

use super::{change, small_history};
use crate::database::{assert_sound, make, number};
use crate::env::TestEnvironment;

const PORCELAIN: [&str; 2] = ["status", "--porcelain"];

#[test]
fn init_makes_a_repository_here_or_in_a_folder() {
    let env = TestEnvironment::empty();
    let shown =
        env.session(&[&["init"], &["init"], &["init", "-b", "trunk", "sub/deep"], &["-C", "sub/deep", "status"]]);
    assert_data_eq!(
        shown,
        str![[r#"
$ graft init
Initialized empty Graft repository in $ROOT/repo/.graft/
$ graft init
Reinitialized existing Graft repository in $ROOT/repo/.graft/
$ graft init -b trunk sub/deep
Initialized empty Graft repository in $ROOT/repo/sub/deep/.graft/
2> warning: this lies inside the repository $ROOT/repo, which passes over it from now on
$ graft -C sub/deep status
On branch trunk

No commits yet

nothing to commit (create/copy files and use "graft add" to track)

"#]]
    );
    env.graft(["init", "-b", "not a name", "x"]).refused(&["not a name"]);
    assert!(!env.path("x").exists());
}

#[test]
fn init_again_changes_nothing() {
    let env = small_history();
    let before = env.graft(["log", "--oneline"]).ok();
    env.graft(["init"]).ok();
    assert_eq!(env.graft(["log", "--oneline"]).ok(), before);
    assert_eq!(env.graft(PORCELAIN).ok(), "");
}

#[test]
fn add_in_its_forms() {
    let env = small_history();
    change(&env.path("app.db"));
    std::fs::remove_file(env.path("data/log.db")).expect("the file goes");
    make(&env.path("new.db"), 3, "DELETE");

    env.graft(["add", "-n", "."]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), " M app.db\n D data/log.db\n?? new.db\n", "a dry run changed something");
    env.graft(["add", "-u"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "M  app.db\nD  data/log.db\n?? new.db\n");
    env.graft(["add", "-A"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "M  app.db\nD  data/log.db\nA  new.db\n");
    env.graft(["commit", "-m", "all"]).ok();
    std::fs::remove_file(env.path("new.db")).expect("the file goes");
    env.graft(["add", "."]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "D  new.db\n");
    env.graft(["add"]).expect(2);
}

#[test]
fn what_add_says() {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 100, "DELETE");
    std::fs::write(env.path("notes.txt"), "notes").expect("a file");
    std::fs::write(env.path("fake.db"), "no database").expect("a file");
    let commands: [&[&str]; 4] =
        [&["add", "."], &["add", "-v", "."], &["commit", "-qm", "x"], &["add", "-n", "app.db"]];
    assert_data_eq!(
        env.session(&commands),
        str![[r#"
$ graft add .
2> warning: 'fake.db' is not an SQLite database; it is tracked byte for byte, without row diffs
$ graft add -v .
$ graft commit -qm x
$ graft add -n app.db

"#]]
    );
}

#[test]
fn add_u_in_a_folder_is_limited_to_it_when_asked() {
    let env = small_history();
    change(&env.path("app.db"));
    change(&env.path("data/log.db"));
    env.graft_in(&env.path("data"), ["add", "-u", "."]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), " M app.db\nM  data/log.db\n");
}

#[test]
fn rm_in_its_forms() {
    let env = small_history();
    env.graft(["rm", "--cached", "app.db"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "D  app.db\n?? app.db\n");
    env.graft(["add", "app.db"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "");
    // Unsaved rows are not thrown away unasked.
    change(&env.path("app.db"));
    env.graft(["rm", "app.db"]).refused(&["app.db"]);
    assert!(env.path("app.db").exists());
    env.graft(["rm", "-f", "app.db"]).ok();
    assert!(!env.path("app.db").exists());
    env.graft(["rm", "data"]).refused(&["data", "-r"]);
    env.graft(["rm", "-r", "data"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "D  app.db\nD  data/log.db\n");
    env.graft(["commit", "-m", "nothing left"]).ok();
    assert_eq!(env.graft(["ls-files"]).ok(), "");
    env.graft(["checkout", "HEAD~1", "--", "."]).ok();
    assert_eq!(number(&env.path("app.db"), "SELECT count(*) FROM item"), 100);
}

#[test]
fn rm_takes_the_sidecars_of_a_database_along() {
    let env = TestEnvironment::init();
    let path = env.path("app.db");
    make(&path, 10, "WAL");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "x"]).ok();
    std::fs::write(env.path("app.db-wal"), "").expect("a sidecar");
    env.graft(["rm", "app.db"]).ok();
    // Another database of this name must not meet a log that is not its own.
    assert!(!env.path("app.db-wal").exists());
}

#[test]
fn mv_keeps_the_content_and_the_history() {
    let env = small_history();
    env.graft(["mv", "app.db", "data/app.db"]).ok();
    assert!(!env.path("app.db").exists());
    assert_sound(&env.path("data/app.db"));
    assert_eq!(env.graft(["ls-files"]).ok(), "data/app.db\ndata/log.db\n");
    env.graft(["commit", "-m", "moved"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "");
    env.graft(["mv", "data", "elsewhere"]).ok();
    assert_eq!(env.graft(["ls-files"]).ok(), "elsewhere/app.db\nelsewhere/log.db\n");
    env.graft(["commit", "-m", "moved again"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "");

    make(&env.path("other.db"), 3, "DELETE");
    env.graft(["mv", "elsewhere/log.db", "other.db"]).refused(&["other.db"]);
    env.graft(["mv", "other.db", "third.db"]).refused(&["other.db", "graft add"]);
    env.graft(["mv", "elsewhere/log.db", "../outside.db"]).refused(&["outside"]);
    assert_eq!(number(&env.path("other.db"), "SELECT count(*) FROM item"), 3);
    env.graft(["fsck"]).ok();
}

#[test]
fn mv_of_a_changed_database_takes_the_change_along_unstaged() {
    let env = small_history();
    change(&env.path("app.db"));
    env.graft(["mv", "app.db", "b.db"]).ok();
    let status = env.graft(PORCELAIN).ok();
    assert!(status == "RM app.db -> b.db\n" || status == "D  app.db\nAM b.db\n", "{status}");
}

#[test]
fn mv_takes_a_write_ahead_log_along() {
    let env = TestEnvironment::init();
    let path = env.path("app.db");
    crate::database::copy_database(&crate::database::generated().join("wal_uncheckpointed.db"), &path);
    let before = crate::database::serialize(&path);
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "x"]).ok();
    env.graft(["mv", "app.db", "b.db"]).ok();
    assert!(!crate::database::has_sidecar(&path), "a log was left behind");
    crate::database::assert_same("after mv", &crate::database::serialize(&env.path("b.db")), &before);
}

#[test]
fn ls_files_in_its_forms() {
    let env = small_history();
    assert_data_eq!(
        env.session(&[&["ls-files"], &["ls-files", "-s"], &["ls-files", "data"]]),
        str![[r#"
$ graft ls-files
app.db
data/log.db
$ graft ls-files -s
100644 <id1> 0	app.db
100644 <id2> 0	data/log.db
$ graft ls-files data
data/log.db

"#]]
    );
    assert_eq!(env.graft_in(&env.path("data"), ["ls-files"]).ok(), "log.db\n");
}
