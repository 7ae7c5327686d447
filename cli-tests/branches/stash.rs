//! The stash: everything that was set aside comes back, rows and all.

use super::{All, status, two_branches, worktree};
use crate::database::{make, number, sql};

#[test]
fn changes_go_aside_and_come_back() {
    let env = two_branches();
    let clean = worktree(&env);
    sql(&env.path("app.db"), "UPDATE item SET n = 1000 WHERE id < 50");
    env.graft(["add", "app.db"]).ok();
    sql(&env.path("app.db"), "DELETE FROM item WHERE id > 250");
    sql(&env.path("shop.db"), "INSERT INTO item(name) VALUES ('new')");
    std::fs::remove_file(env.path("gone.db")).expect("remove");
    make(&env.path("extra.db"), 9, "WAL");
    let before = All::of(&env);

    let said = env.graft(["stash", "push", "-u", "-m", "half done"]).ok();
    assert_eq!(said, "Saved working directory and index state On main: half done\n");
    assert_eq!((status(&env), worktree(&env)), (String::new(), clean));
    assert_eq!(env.graft(["stash", "list"]).ok(), "stash@{0}: On main: half done\n");
    let rows = env.graft(["stash", "show", "-p"]).ok();
    assert!(rows.contains("app.db") && rows.contains("n: ") && rows.contains("1000"), "{rows}");

    env.graft(["stash", "pop", "--index"]).ok();
    assert_eq!(All::of(&env), before);
    env.graft(["stash", "-u"]).ok();
    env.graft(["switch", "-c", "elsewhere"]).ok();
    env.graft(["stash", "apply"]).ok();
    assert_eq!(worktree(&env), before.worktree);
    assert_eq!(env.graft(["stash", "list"]).ok().lines().count(), 1);
}

#[test]
fn entries_are_a_stack() {
    let env = two_branches();
    let set = |n: u32| sql(&env.path("app.db"), &format!("UPDATE item SET n = {n} WHERE id = 1"));
    let has = || number(&env.path("app.db"), "SELECT n FROM item WHERE id = 1");
    for n in [11, 22, 33] {
        set(n);
        env.graft(["stash", "push", "-m", &n.to_string()]).ok();
    }
    assert_eq!(env.graft(["stash"]).stderr(), "No local changes to save\n");
    env.graft(["stash", "drop", "stash@{1}"]).ok();
    let list = env.graft(["stash", "list"]).ok();
    assert_eq!(list, "stash@{0}: On main: 33\nstash@{1}: On main: 11\n");
    env.graft(["stash", "pop", "1"]).ok();
    assert_eq!(has(), 11);
    assert_ne!(env.graft(["stash", "pop"]).code(), 0);
    assert_eq!(has(), 11);
    env.graft(["restore", "-f", "app.db"]).ok();
    env.graft(["stash", "pop"]).ok();
    assert_eq!((has(), env.graft(["stash", "list"]).ok()), (33, String::new()));
    env.graft(["stash", "pop"]).refused(&["stash@{0}"]);
    for n in 1..=2 {
        env.graft(["undo"]).ok();
        assert_eq!(env.graft(["stash", "list"]).ok().lines().count(), 1, "undo {n}");
    }
}

#[test]
fn an_entry_does_not_go_upon_other_changes() {
    let env = two_branches();
    sql(&env.path("app.db"), "UPDATE item SET n = 1000 WHERE id = 5");
    env.graft(["stash"]).ok();
    env.graft(["switch", "dev"]).ok();
    let dev = worktree(&env);
    let refused = env.graft(["stash", "pop"]);
    assert_eq!(refused.code(), 1, "{refused}");
    assert!(refused.stderr().contains("app.db") && refused.stderr().contains("help: "), "{refused}");
    assert_eq!(worktree(&env), dev);
    assert_eq!(env.graft(["stash", "list"]).ok().lines().count(), 1);
    env.graft(["stash", "drop", "7"]).refused(&["stash@{7}"]);
    env.graft(["stash", "clear"]).ok();
    env.graft(["undo"]).ok();
    assert_eq!(env.graft(["stash", "list"]).ok().lines().count(), 1);
}
