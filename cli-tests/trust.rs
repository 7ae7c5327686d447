//! Trust: a repository that the user neither made nor trusts names nothing that runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::database::{make, sql};
use crate::env::{Outcome, TestEnvironment, script};
use crate::tree::{copy_tree, files_under};

const HOOKS: [&str; 5] = ["pre-commit", "commit-msg", "post-commit", "pre-push", "post-checkout"];

/// A repository whose every hook, alias and program leaves a file behind.
fn hostile(env: &TestEnvironment) {
    let mark = |name: &str| format!("touch '{}'", env.outside().join("ran").join(name).display());
    fs::create_dir(env.outside().join("ran")).expect("a folder");
    for name in HOOKS {
        script(&env.dot_graft().join("hooks").join(name), &format!("#!/bin/sh\n{}\n", mark(name)));
    }
    let config = format!(
        "[core]\npager = \"{}; cat\"\neditor = \"{}; true\"\n[alias]\nst = \"!{}\"\nlo = \"-c core.pager=x log --format=%s\"\n",
        mark("pager"),
        mark("editor"),
        mark("alias")
    );
    fs::write(env.dot_graft().join("config.toml"), config).expect("a configuration");
}

/// What has run since it was asked last, sorted.
fn ran(env: &TestEnvironment) -> Vec<String> {
    let dir = env.outside().join("ran");
    let mut names: Vec<String> = fs::read_dir(&dir)
        .expect("a folder")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for name in &names {
        fs::remove_file(dir.join(name)).expect("a file");
    }
    names
}

/// Runs Graft on a terminal.
fn on_terminal(env: &TestEnvironment, dir: &Path, args: &[&str]) -> Outcome {
    const SPAWN: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut command = env.program("python3", dir);
    command.args(["-c", SPAWN, env!("CARGO_BIN_EXE_graft")]).args(args).env("TERM", "xterm");
    env.run(command)
}

/// Does everything that runs something in a trusted repository; none of it may fail for want of trust.
fn use_everything(env: &TestEnvironment, dir: &Path) -> String {
    let run = |args: &[&str]| env.graft_in(dir, args);
    let mut said = String::new();
    for args in
        [&["commit", "--allow-empty", "-m", "x"][..], &["switch", "-c", "side"], &["push", "--force", "origin", "side"]]
    {
        let outcome = run(args);
        outcome.ok();
        said += &outcome.stderr();
        run(&["switch", "-q", "main"]);
    }
    run(&["branch", "-D", "side"]).ok();
    said += &run(&["st"]).stderr();
    said += &on_terminal(env, dir, &["log", "-n1"]).stdout();
    said += &on_terminal(env, dir, &["commit", "--no-verify", "--allow-empty"]).stdout();
    said
}

fn place() -> TestEnvironment {
    let env = TestEnvironment::init();
    env.graft(["commit", "--allow-empty", "-m", "first"]).ok();
    let hub = env.outside().join("hub");
    env.graft(["remote", "add", "origin", hub.to_str().expect("UTF-8")]).ok();
    let config = fs::read_to_string(env.dot_graft().join("config.toml")).expect("a configuration");
    hostile(&env);
    let all = fs::read_to_string(env.dot_graft().join("config.toml")).expect("a configuration") + &config;
    fs::write(env.dot_graft().join("config.toml"), all).expect("a configuration");
    env
}

const EVERYTHING: [&str; 8] =
    ["alias", "commit-msg", "editor", "pager", "post-checkout", "post-commit", "pre-commit", "pre-push"];

#[test]
fn what_the_user_made_runs_and_a_copy_does_not() {
    let env = place();
    use_everything(&env, env.repo());
    assert_eq!(ran(&env), EVERYTHING, "in the repository that was made here");
    for how in ["copy", "moved", "replaced", "linked"] {
        let dir = env.outside().join(how);
        let mut copy = env.program("cp", &env.outside());
        copy.args(["-a", "repo", how]);
        env.run(copy).ok();
        match how {
            "moved" => {
                fs::rename(&dir, env.outside().join("elsewhere")).expect("a move");
                fs::create_dir(&dir).expect("a folder");
                fs::rename(env.outside().join("elsewhere"), dir.join("inside")).expect("a move");
            }
            // A repository of the user's own, and then another one in its place.
            "replaced" => {
                fs::rename(&dir, env.outside().join("other")).expect("a move");
                env.graft_in(&env.outside(), ["init", "replaced"]).ok();
                fs::remove_dir_all(&dir).expect("it goes");
                fs::rename(env.outside().join("other"), &dir).expect("a move");
            }
            "linked" => {
                fs::remove_dir_all(dir.join(".graft")).expect("it goes");
                symlink(env.outside().join("copy/.graft"), dir.join(".graft")).expect("a link");
            }
            _ => {}
        }
        let dir = if how == "moved" { dir.join("inside") } else { dir };
        let said = use_everything(&env, &dir);
        assert_eq!(ran(&env), [] as [&str; 0], "in one that was {how}");
        for line in [
            "the hook 'pre-commit' was not run",
            "the alias 'st' was not used",
            "its setting core.pager",
            "its setting core.editor",
        ] {
            assert!(said.contains(line), "{how}: nothing says: {line}\n{said}");
        }
        assert!(said.contains("'graft trust' trusts it"), "{said}");
    }
    use_everything(&env, env.repo());
    assert_eq!(ran(&env), EVERYTHING, "the one made here is trusted still");
}

#[test]
fn a_git_clone_or_an_archive_brings_no_trust() {
    let env = place();
    let dir = env.outside().join("unpacked");
    // Only what runs, so that 'init' has the rest to make.
    fs::create_dir(&dir).expect("a folder");
    let mut copy = env.program("sh", &env.outside());
    copy.args(["-c", "mkdir unpacked/.graft && cp -a repo/.graft/hooks repo/.graft/config.toml unpacked/.graft"]);
    env.run(copy).ok();
    env.graft_in(&dir, ["init"]).ok();
    use_everything(&env, &dir);
    assert_eq!(ran(&env), [] as [&str; 0]);
    // Said again, 'init' changes nothing about that.
    env.graft_in(&dir, ["init"]).ok();
    use_everything(&env, &dir);
    assert_eq!(ran(&env), [] as [&str; 0]);
}

#[test]
fn trust_is_given_listed_and_taken_back() {
    let mut env = place();
    let dir = env.outside().join("copy");
    let mut copy = env.program("cp", &env.outside());
    copy.args(["-a", "repo", "copy"]);
    env.run(copy).ok();
    let graft = dir.join(".graft");
    let list = |env: &TestEnvironment| env.graft(["trust", "--list"]).ok();
    assert_eq!(list(&env), format!("{}\n", env.dot_graft().display()));

    let inside = dir.join("sub");
    fs::create_dir(&inside).expect("a folder");
    assert!(env.graft_in(&inside, ["trust"]).stderr().contains(&*graft.to_string_lossy()));
    use_everything(&env, &dir);
    assert_eq!(ran(&env), EVERYTHING);
    assert_eq!(list(&env), format!("{}\n{}\n", graft.display(), env.dot_graft().display()));

    let answer = env.graft(["trust", "--revoke", "--json", dir.to_str().expect("UTF-8")]).json();
    assert_eq!((answer["schema"].as_str(), answer["trusted"].as_bool()), (Some("graft.trust/1"), Some(false)));
    use_everything(&env, &dir);
    assert_eq!(ran(&env), [] as [&str; 0]);

    // What was removed is still listed, and can be forgotten.
    fs::remove_dir_all(env.dot_graft()).expect("it goes");
    let listed = env.graft(["trust", "--list", "--json"]).ndjson();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["trusted"], false);
    fs::remove_dir_all(env.repo()).expect("it goes");
    env.graft_in(&env.outside(), ["trust", "--revoke", "repo"]).ok();
    assert_eq!(env.graft_in(&env.outside(), ["trust", "--list"]).ok(), "");

    // For surroundings that are thrown away afterwards.
    env.set("GRAFT_TRUST", "1");
    use_everything(&env, &dir);
    assert_eq!(ran(&env), EVERYTHING);
    env.graft_in(&env.outside(), ["trust"]).refused(&["not a graft repository"]);
}

#[test]
fn a_clone_is_the_users_own() {
    let env = place();
    env.graft(["push", "--no-verify", "origin", "main"]).ok();
    ran(&env);
    env.graft_in(&env.outside(), ["clone", "hub", "two"]).ok();
    let dir = env.outside().join("two");
    let mut copy = env.program("cp", &env.outside());
    copy.args(["-a", "repo/.graft/hooks", "two/.graft/hooks"]);
    env.run(copy).ok();
    env.graft_in(&dir, ["commit", "--allow-empty", "-m", "x"]).ok();
    assert_eq!(ran(&env), ["commit-msg", "post-commit", "pre-commit"]);
}

#[test]
fn the_users_own_settings_count_everywhere() {
    let env = place();
    let dir = env.outside().join("copy");
    let mut copy = env.program("cp", &env.outside());
    copy.args(["-a", "repo", "copy"]);
    env.run(copy).ok();
    let own = env.outside().join("own");
    env.graft(["config", "set", "--global", "core.pager", &format!("touch '{}'; cat", own.display())]).ok();
    env.graft(["config", "set", "--global", "alias.st", "log --format=%%mine"]).ok();
    on_terminal(&env, &dir, &["log", "-n1"]).ok();
    assert!(own.exists(), "the user's own pager did not run");
    let outcome = env.graft_in(&dir, ["st"]);
    assert_eq!(outcome.ok(), "%mine\n");
    let once = outcome.stderr();
    assert_eq!(once.lines().count(), 1, "{once}");
    assert_eq!(ran(&env), [] as [&str; 0]);
    assert_eq!(env.graft_in(&dir, ["-c", "alias.st=log --format=%%line", "st"]).ok(), "%line\n");
}

#[test]
fn a_clone_that_fails_is_not_trusted_and_one_that_cannot_be_is_told() {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 200, "DELETE");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "first"]).ok();
    let hub = env.outside().join("hub");
    let url = hub.to_str().expect("UTF-8");
    env.graft(["push", url, "main"]).ok();
    let clone = |into: &str| env.command(["clone", url, into]);
    let mut nowhere = clone("../told");
    nowhere.env("XDG_STATE_HOME", "/dev/null/state");
    let told = env.run(nowhere);
    told.ok();
    assert!(told.stderr().contains("could not be written down that you made it"), "{told}");

    let known = env.graft(["trust", "--list"]).ok();
    for file in files_under(&hub).into_iter().filter(|file| file.starts_with("bundles")) {
        fs::write(hub.join(file), "damaged").expect("damage");
    }
    let failed = env.run(clone("../failed"));
    assert_ne!(failed.fails(&[]), "", "{failed}");
    assert!(!env.outside().join("failed").exists());
    assert_eq!(env.graft(["trust", "--list"]).ok(), known);
}

#[test]
fn nothing_is_fetched_because_a_strange_repository_says_so() {
    let env = TestEnvironment::init();
    // Bytes that do not get smaller, so that most of them stay on the remote.
    let noise = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
                 INSERT INTO item SELECT i, randomblob(1000) FROM n";
    sql(&env.path("app.db"), &format!("CREATE TABLE item (id INTEGER PRIMARY KEY, body); {noise}"));
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    let hub = env.outside().join("hub").display().to_string();
    env.graft(["remote", "add", "origin", &hub]).ok();
    env.graft(["push", "origin", "main"]).ok();
    env.graft_in(&env.outside(), ["clone", "--lazy", &hub, "lazy"]).ok();
    let given = env.outside().join("given");
    copy_tree(&env.outside().join("lazy"), &given);
    let query = ["sql", "--db", "app.db", "SELECT count(*) FROM item"];
    env.graft_in(&given, query).fails(&["neither made nor trusted", "graft trust"]);
    env.graft_in(&given, ["log", "--oneline"]).ok();
    env.graft_in(&given, ["trust"]).ok();
    assert_eq!(env.graft_in(&given, query).ok(), "20000\n");
    assert_eq!(env.graft_in(&env.outside().join("lazy"), query).ok(), "20000\n");
}
