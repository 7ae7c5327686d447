//! Aliases, as Git has them.

use crate::env::TestEnvironment;

fn place() -> TestEnvironment {
    let env = TestEnvironment::init();
    for message in ["one", "two"] {
        env.graft(["commit", "--allow-empty", "-qm", message]).ok();
    }
    for (name, value) in [
        ("ls", "log --format=%s"),
        ("last", "ls -1"),
        ("quoted", "log '--format=%s and' -n \"1\""),
        ("up", "!echo at $(basename $(pwd)) from \"$GRAFT_PREFIX\" with"),
        ("code", "!exit 5"),
        ("far", "-C sub st --short"),
        ("st", "status"),
        ("log", "status"),
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("self", "self -x"),
        ("open", "log 'x"),
    ] {
        env.graft(["config", "set", &format!("alias.{name}"), "--", value]).ok();
    }
    env
}

#[test]
fn an_alias_stands_for_a_command() {
    let env = place();
    let run = |args: &[&str]| env.graft(args).ok();
    assert_eq!(run(&["ls"]), "two\none\n");
    assert_eq!(run(&["ls", "-1"]), "two\n", "what follows is added");
    assert_eq!(run(&["last"]), "two\n", "an alias may stand for an alias");
    assert_eq!(run(&["quoted"]), "two and\n");
    assert_eq!(run(&["-c", "alias.x=ls --reverse", "x"]), "one\ntwo\n");
    assert_eq!(run(&["-q", "ls", "-1"]), "two\n");
    std::fs::create_dir(env.path("sub")).expect("a folder");
    assert_eq!(env.graft_in(&env.outside(), ["-C", "repo", "-C", "sub", "last"]).ok(), "two\n");
    assert_eq!(env.graft_in(&env.outside(), ["-Crepo", "far"]).ok(), "");
    assert!(run(&["log"]).contains("commit "), "a command that is built in stays what it is");
    env.graft(["nothing"]).wrong_usage(&["there is no command 'nothing'"]);
    assert_eq!(run(&["help", "last"]), "'last' is aliased to 'ls -1'\n");
}

#[test]
fn a_shell_command_runs_at_the_top() {
    let env = place();
    std::fs::create_dir(env.path("sub")).expect("a folder");
    let outcome = env.graft_in(&env.path("sub"), ["up", "a b", "$HOME"]);
    assert_eq!(outcome.ok(), "at repo from sub/ with a b $HOME\n");
    assert_eq!(env.graft(["up"]).ok(), "at repo from  with\n");
    env.graft(["code"]).expect(5);
    // The way to another folder leads through this repository, but that folder does not lie in it.
    env.graft(["-C", "../home", "up"]).expect(2);
    // Outside of a repository the user's own are known, too.
    env.graft(["config", "set", "--global", "alias.here", "!basename $(pwd)"]).ok();
    assert_eq!(env.graft_in(&env.outside().join("home"), ["here"]).ok(), "home\n");
}

#[test]
fn what_cannot_be_meant_is_said() {
    let env = place();
    for name in ["a", "b", "c", "self"] {
        env.graft([name]).refused(&[name, "never ends"]);
    }
    env.graft(["open"]).refused(&["open", "quote"]);
}
