//! What is refused, and in which words: names, states and places that do not fit.

use super::{status, two_branches, worktree};
use crate::database::{make, sql};
use crate::env::TestEnvironment;

#[test]
fn names_of_branches() {
    let env = two_branches();
    for bad in ["a..b", "-x", "a b", "HEAD", "a.lock", "a~1", "@{x}"] {
        env.graft(["switch", &format!("--create={bad}")]).expect(128);
        env.graft(["branch", "--", bad]).expect(128);
    }
    env.graft(["switch", "-c", "a..b"]).refused(&["'a..b' is not a valid branch name", ".."]);
    env.graft(["switch", "-c", "dev"]).refused(&["already exists"]);
    env.graft(["switch", "--orphan", "dev"]).refused(&["already exists"]);
    env.graft(["branch", "-f", "main", "dev"]).refused(&["main", "checked out"]);
    env.graft(["branch", "-d", "main"]).refused(&["main", "checked out"]);
    env.graft(["branch", "-d", "dev"]).expect(1);
    // A branch that followed itself would count as merged.
    let own = env.graft(["branch", "-u", "dev", "dev"]);
    assert!(own.expect(0).stderr().contains("not setting branch 'dev' as its own upstream"), "{own}");
    env.graft(["branch", "-d", "dev"]).expect(1);
    env.graft(["switch", "-c", "dev/x"]).expect(128);
    env.graft(["switch", "nowhere"]).refused(&["nowhere"]);
    env.graft(["switch", "HEAD~0"]).refused(&["a branch is wanted"]);
    env.graft(["switch"]).wrong_usage(&["which branch"]);
    assert_eq!(env.graft(["branch", "--show-current"]).ok(), "main\n");
}

#[test]
fn before_the_first_commit() {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 5, "DELETE");
    let rows = worktree(&env);
    env.graft(["reset", "--hard", "HEAD"]).expect(128);
    env.graft(["reset", "--soft"]).expect(128);
    env.graft(["stash"]).refused(&["no commit yet"]);
    env.graft(["merge", "main"]).expect(128);
    env.graft(["switch", "nowhere"]).expect(128);
    env.graft(["undo"]).expect(1);
    env.graft(["add", "app.db"]).ok();
    env.graft(["switch", "-c", "other"]).ok();
    assert_eq!(status(&env), "A  app.db\n");
    env.graft(["reset"]).ok();
    assert_eq!(status(&env), "?? app.db\n");
    env.graft(["add", "app.db"]).ok();
    assert_eq!(worktree(&env), rows);
    // As in Git, what is staged goes; here it is kept.
    env.graft(["reset", "--hard"]).ok();
    assert!(worktree(&env).is_empty());
    env.graft(["undo"]).ok();
    assert_eq!(worktree(&env), rows);
    env.graft(["commit", "-m", "first"]).ok();
    assert_eq!(env.graft(["branch"]).ok(), "* other\n");
}

#[test]
fn reset_keep_and_hard() {
    let env = two_branches();
    env.graft(["switch", "dev"]).ok();
    let dev = worktree(&env);
    std::fs::write(env.path("notes.txt"), "mine\n").expect("write");
    env.graft(["reset", "--keep", "HEAD~1"]).ok();
    assert_eq!(status(&env), " M notes.txt\n");
    env.graft(["reset", "--keep", "ORIG_HEAD"]).ok();
    sql(&env.path("app.db"), "DELETE FROM item WHERE id = 1");
    let mine = worktree(&env);
    env.graft(["reset", "--keep", "HEAD~1"]).refused(&["app.db"]);
    assert_eq!(worktree(&env), mine);
    env.graft(["add", "app.db"]).ok();
    env.graft(["reset", "--keep", "HEAD~1"]).refused(&["app.db"]);
    assert_eq!(worktree(&env), mine);
    let hard = env.graft(["reset", "--hard"]);
    assert!(hard.stderr().contains("HEAD is now at"), "{hard}");
    assert_eq!(worktree(&env), dev);
    assert_eq!(status(&env), "");
    env.graft(["undo"]).ok();
    assert_eq!(worktree(&env), mine);
    env.graft(["reset", "--hard", "--", "app.db"]).wrong_usage(&["paths"]);
}

#[test]
fn merge_moves_forward_only() {
    let env = two_branches();
    assert_eq!(env.graft(["merge", "--ff-only", "main"]).ok(), "Already up to date.\n");
    env.graft(["switch", "-c", "third"]).ok();
    env.graft(["commit", "--allow-empty", "-m", "three"]).ok();
    env.graft(["merge", "--ff-only", "dev"]).refused(&["diverged", "1 commit"]);
    env.graft(["switch", "main"]).ok();
    let forward = env.graft(["merge", "--ff-only", "dev"]).ok();
    assert!(forward.starts_with("Updating ") && forward.ends_with("Fast-forward\n"), "{forward}");
    assert_eq!(status(&env), "");
    assert_eq!(env.graft(["rev-parse", "main"]).ok(), env.graft(["rev-parse", "dev"]).ok());
}
