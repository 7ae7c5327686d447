//! `status` in its forms.

use snapbox::assert_data_eq;
use snapbox::str;

use super::{change, small_history};
use crate::database::make;
use crate::env::TestEnvironment;

#[test]
fn of_an_empty_repository() {
    let env = TestEnvironment::init();
    assert_data_eq!(
        env.session(&[&["status"], &["status", "-s"], &["status", "--porcelain"]]),
        str![[r#"
$ graft status
On branch main

No commits yet

nothing to commit (create/copy files and use "graft add" to track)
$ graft status -s
$ graft status --porcelain

"#]]
    );
}

#[test]
fn of_a_clean_worktree() {
    let env = small_history();
    assert_data_eq!(
        env.session(&[&["status"], &["status", "-s"], &["status", "--porcelain"]]),
        str![[r#"
$ graft status
On branch main
nothing to commit, working tree clean
$ graft status -s
$ graft status --porcelain

"#]]
    );
}

/// Each of Git's letters in the first and the second column.
#[test]
fn of_every_kind_of_change() {
    let env = small_history();
    for name in ["staged.db", "both.db", "gone.db", "added-gone.db", "rm.db", "cached.db", "to-opaque.db"] {
        make(&env.path(name), 10, "DELETE");
    }
    env.graft(["add", "-A"]).ok();
    env.graft(["rm", "-q", "--cached", "added-gone.db"]).ok();
    env.graft(["commit", "-m", "more"]).ok();

    change(&env.path("staged.db"));
    change(&env.path("both.db"));
    env.graft(["add", "staged.db", "both.db", "added-gone.db"]).ok();
    change(&env.path("both.db"));
    std::fs::remove_file(env.path("added-gone.db")).expect("the file goes");
    std::fs::remove_file(env.path("gone.db")).expect("the file goes");
    env.graft(["rm", "rm.db"]).ok();
    env.graft(["rm", "--cached", "cached.db"]).ok();
    std::fs::write(env.path("to-opaque.db"), "no database any more").expect("a file");
    change(&env.path("app.db"));
    std::fs::create_dir(env.path("new")).expect("a folder");
    make(&env.path("new/one.db"), 3, "DELETE");
    make(&env.path("new/two.db"), 3, "DELETE");

    assert_eq!(
        env.graft(["status", "--porcelain"]).ok(),
        "AD added-gone.db\n M app.db\nMM both.db\nD  cached.db\n D gone.db\nD  rm.db\nM  staged.db\n T to-opaque.db\n?? cached.db\n?? new/\n"
    );
    assert_data_eq!(
        env.session(&[&["status"], &["status", "-s"]]),
        str![[r#"
$ graft status
On branch main
Changes to be committed:
  (use "graft restore --staged <file>..." to unstage)
	new file:   added-gone.db
	modified:   both.db
	deleted:    cached.db
	deleted:    rm.db
	modified:   staged.db

Changes not staged for commit:
  (use "graft add/rm <file>..." to update what will be committed)
  (use "graft restore -f <file>..." to discard changes in working directory)
	deleted:    added-gone.db
	modified:   app.db
	modified:   both.db
	deleted:    gone.db
	typechange: to-opaque.db

Untracked files:
  (use "graft add <file>..." to include in what will be committed)
	cached.db
	new/

$ graft status -s
AD added-gone.db
 M app.db
MM both.db
D  cached.db
 D gone.db
D  rm.db
M  staged.db
 T to-opaque.db
?? cached.db
?? new/

"#]]
    );
}

#[test]
fn in_a_folder_paths_are_relative_except_for_scripts() {
    let env = small_history();
    change(&env.path("data/log.db"));
    change(&env.path("app.db"));
    let data = env.path("data");
    assert_eq!(env.graft_in(&data, ["status", "--porcelain"]).ok(), " M app.db\n M data/log.db\n");
    assert_eq!(env.graft_in(&data, ["status", "-s"]).ok(), " M ../app.db\n M log.db\n");
    assert_eq!(env.graft_in(&data, ["status", "--porcelain", "."]).ok(), " M data/log.db\n");
}

#[test]
fn sidecars_and_ignored_files_are_not_listed() {
    let env = small_history();
    for name in ["app.db-wal", "app.db-shm", "app.db-journal", "data/log.db-journal"] {
        std::fs::write(env.path(name), "").expect("a sidecar");
    }
    std::fs::create_dir(env.path(".git")).expect("a folder");
    std::fs::write(env.path(".git/config"), "").expect("a file");
    std::fs::write(env.path(".gitignore"), "*.tmp\n.gitignore\n.graftignore\n").expect("a file");
    std::fs::write(env.path(".graftignore"), "scratch*\n!scratch-keep.db\n/cache/\n").expect("a file");
    for name in ["a.tmp", "scratch.db", "scratch-keep.db"] {
        make(&env.path(name), 3, "DELETE");
    }
    std::fs::create_dir(env.path("cache")).expect("a folder");
    make(&env.path("cache/x.db"), 3, "DELETE");
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "?? scratch-keep.db\n");
    env.graft(["add", "-A"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "A  scratch-keep.db\n");
    // Ignored, but named: refused with the way out, and taken with it.
    env.graft(["add", "scratch.db"]).refused(&["scratch.db", "ignore", "-f"]);
    env.graft(["add", "-f", "scratch.db"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "A  scratch-keep.db\nA  scratch.db\n");
    // What is tracked stays tracked although it is ignored.
    env.graft(["commit", "-m", "kept"]).ok();
    change(&env.path("scratch.db"));
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), " M scratch.db\n");
}

#[test]
fn a_real_file_named_like_a_sidecar_of_nothing_is_listed() {
    let env = small_history();
    std::fs::write(env.path("notes-journal"), "dear diary").expect("a file");
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "?? notes-journal\n");
}
