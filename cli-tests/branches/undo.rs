//! `undo` takes back every command that changes refs, index or worktree, and `redo` does it again.

use super::{All, two_branches};
use crate::database::sql;

#[test]
fn every_command_can_be_taken_back() {
    let prepare = || {
        let env = two_branches();
        sql(&env.path("app.db"), "UPDATE item SET n = 5 WHERE id = 5");
        env.graft(["add", "app.db"]).ok();
        sql(&env.path("app.db"), "UPDATE item SET n = 6 WHERE id = 6");
        sql(&env.path("shop.db"), "DELETE FROM item WHERE id = 7");
        std::fs::write(env.path("new.txt"), "new\n").expect("write");
        env.graft(["tag", "v1"]).ok();
        env.graft(["branch", "other"]).ok();
        env
    };
    let env = prepare();
    let commands: &[&[&str]] = &[
        &["commit", "-m", "more"],
        &["commit", "-am", "all"],
        &["commit", "--amend", "-m", "again"],
        &["add", "."],
        &["rm", "--cached", "gone.db"],
        &["rm", "-f", "app.db"],
        &["mv", "gone.db", "moved.db"],
        &["restore", "--force", "app.db", "shop.db"],
        &["restore", "--staged", "app.db"],
        &["checkout", "--force", "HEAD", "--", "."],
        &["checkout", "--force", "dev", "--", "app.db"],
        &["reset", "--soft", "dev"],
        &["reset", "dev"],
        &["reset", "--hard", "dev"],
        &["reset", "app.db"],
        &["switch", "--force", "dev"],
        &["switch", "-c", "fresh"],
        &["switch", "--detach"],
        &["switch", "--force", "--orphan", "empty"],
        &["branch", "topic", "dev"],
        &["branch", "-D", "other"],
        &["branch", "-m", "main", "trunk"],
        &["branch", "-f", "other", "dev"],
        &["tag", "-a", "-m", "text", "v2"],
        &["tag", "-d", "v1"],
        &["stash"],
        &["stash", "-u", "-k"],
        &["update-ref", "refs/heads/other", "dev"],
        &["symbolic-ref", "HEAD", "refs/heads/other"],
    ];
    let start = All::of(&env);
    for command in commands {
        env.graft(*command).ok();
        let after = All::of(&env);
        assert_ne!(after, start, "{command:?} changes nothing");
        env.graft(["undo"]).ok();
        assert_eq!(All::of(&env), start, "undo of {command:?}");
        env.graft(["redo"]).ok();
        assert_eq!(All::of(&env), after, "redo of {command:?}");
        env.graft(["undo"]).ok();
        assert_eq!(All::of(&env), start, "second undo of {command:?}");
    }
    env.graft(["fsck"]).ok();
}

#[test]
fn step_by_step_back_and_forward() {
    let env = two_branches();
    let mut states = vec![All::of(&env)];
    let commands: &[&[&str]] = &[
        &["switch", "dev"],
        &["commit", "--allow-empty", "-m", "x"],
        &["reset", "--hard", "HEAD~2"],
        &["switch", "-"],
    ];
    for command in commands {
        env.graft(*command).ok();
        states.push(All::of(&env));
    }
    for at in (0..4).rev() {
        env.graft(["undo"]).ok();
        assert_eq!(All::of(&env), states[at], "back to {at}");
    }
    for (at, wanted) in states.iter().enumerate().skip(1) {
        env.graft(["redo"]).ok();
        assert_eq!(All::of(&env), *wanted, "forward to {at}");
    }
    env.graft(["redo"]).expect(1);
    env.graft(["undo"]).ok();
    env.graft(["branch", "something-new"]).ok();
    let refused = env.graft(["redo"]);
    assert_eq!((refused.code(), refused.stderr().as_str()), (1, "error: there is nothing to redo\n"));
}

#[test]
fn work_done_since_is_not_overwritten() {
    let env = two_branches();
    env.graft(["reset", "--hard", "dev"]).ok();
    sql(&env.path("app.db"), "UPDATE item SET n = 77 WHERE id = 77");
    let mine = All::of(&env);
    let dry = env.graft(["undo", "-n"]);
    assert!(dry.stderr().contains("Would take back: graft reset --hard dev"), "{dry}");
    env.graft(["undo"]).refused(&["unsaved changes", "app.db"]);
    assert_eq!(All::of(&env), mine);
    env.graft(["undo", "--force"]).ok();
    env.graft(["redo"]).ok();
    let json = env.graft(["undo", "--json"]).json();
    assert_eq!(json["command"], "reset --hard dev");
}
