//! Hooks: when they run, what they are given, and what becomes of the operation when they say no.

use std::fs;
use std::path::{Path, PathBuf};

use crate::database::{make, sql};
use crate::env::{Outcome, TestEnvironment, script};

const ALL: [&str; 5] = ["pre-commit", "commit-msg", "post-commit", "pre-push", "post-checkout"];

/// Notes its name, where it runs, what it is given and what it reads.
const NOTE: &str = r#"#!/bin/sh
{
    echo "$(basename "$0") in $(basename "$(pwd)")"
    for word; do echo "  word $word"; done
    [ "$(basename "$0")" = commit-msg ] && sed 's/^/  message /' "$1"
    sed 's/^/  line /'
} | sed -E "s,$HOME/hub[a-z]*,URL,; s/\b0{40,64}\b/ZERO/g; s/\b[0-9a-f]{40,64}\b/ID/g; s,\.(git|graft)/,.dir/," >> "$HOME/notes"
echo "said by $(basename "$0")"
"#;

fn hook(env: &TestEnvironment, name: &str, text: &str) -> PathBuf {
    let file = env.dot_graft().join("hooks").join(name);
    script(&file, text);
    file
}

/// A repository with a database in a commit.
fn place() -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 20, "DELETE");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "first"]).ok();
    env
}

fn change(env: &TestEnvironment) {
    sql(&env.path("app.db"), "UPDATE item SET n = n + 1 WHERE id < 4");
}

/// Everything of a repository that a command could have changed: its own files byte for byte, but for what is only stored.
fn state(env: &TestEnvironment) -> Vec<String> {
    let of = |args: &[&str]| env.graft(args).ok();
    let head = fs::read_to_string(env.dot_graft().join("HEAD")).expect("HEAD");
    vec![head, of(&["for-each-ref"]), of(&["ls-files", "--stage"]), of(&["status", "--porcelain"]), of(&["reflog"])]
}

/// Runs the same commands as Git and as Graft, each with a hook of every name, and returns what the hooks noted.
fn noted(program: &str) -> String {
    let env = TestEnvironment::empty();
    let home = env.outside().join("home");
    let is_git = program == "git";
    let run = |args: &[&str]| -> Outcome {
        let mut command = match is_git {
            true => env.program("git", env.repo()),
            false => env.command::<&str>([]),
        };
        command.args(args);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "A").env(format!("GIT_{role}_EMAIL"), "a@example.org");
        }
        env.run(command)
    };
    run(&["init", "-q", "-b", "main"]).ok();
    let hub = home.join("hub");
    if is_git {
        let mut init = env.program("git", &home);
        init.args(["init", "-q", "--bare", "hub"]);
        env.run(init).ok();
    }
    run(&["remote", "add", "origin", hub.to_str().expect("UTF-8")]).ok();
    let dir = env.path(if is_git { ".git" } else { ".graft" });
    for name in ALL {
        script(&dir.join("hooks").join(name), NOTE);
    }
    let notes = home.join("notes");
    let mut told = String::new();
    fs::write(env.path("a.txt"), "one\n").expect("a file");
    fs::create_dir(env.path("sub")).expect("a folder");
    let commands: [&[&str]; 18] = [
        &["add", "a.txt"],
        &["commit", "-q", "-m", "one", "-m", "more\n"],
        &["commit", "-q", "--allow-empty", "-m", "two"],
        &["commit", "-q", "--allow-empty", "--no-verify", "-m", "three"],
        &["commit", "-q", "--amend", "--no-edit", "--allow-empty"],
        &["commit", "-q", "-m", "nothing"],
        &["switch", "-q", "-c", "side"],
        &["switch", "-q", "main"],
        &["checkout", "-q", "HEAD~1"],
        &["checkout", "-q", "main"],
        &["checkout", "-q", "main", "--", "a.txt"],
        &["restore", "a.txt"],
        &["push", "-q", "origin", "main", "side:other"],
        &["push", "-q", "origin", "main"],
        &["push", "-q", "--dry-run", "origin", "HEAD~1:refs/heads/third"],
        &["push", "-q", "origin", ":other"],
        &["push", "-q", "--no-verify", "origin", "side"],
        &["push", "-q", hub.to_str().expect("UTF-8"), "side:fourth"],
    ];
    for command in commands {
        let outcome = run(command);
        let seen = fs::read_to_string(&notes).unwrap_or_default();
        fs::remove_file(&notes).ok();
        let shown = command.join(" ").replace(&*hub.to_string_lossy(), "URL");
        told += &format!("$ {shown}\n{seen}=> {}\n", outcome.code());
        if !is_git {
            assert!(!outcome.stdout().contains("said by"), "what a hook says belongs to standard error: {outcome}");
            let ran = seen.lines().filter(|line| line.contains(" in repo")).count();
            assert_eq!(outcome.stderr().matches("said by").count(), ran, "{outcome}");
        }
    }
    told
}

#[test]
fn hooks_run_when_and_as_git_runs_them() {
    assert_eq!(noted("graft"), noted("git"));
}

#[test]
fn a_commit_that_a_hook_refuses_leaves_everything_as_it_was() {
    let env = place();
    let all = [
        ("pre-commit", &["commit", "-m", "x"][..]),
        ("pre-commit", &["commit", "-am", "x"]),
        ("pre-commit", &["commit", "-m", "x", "app.db"]),
        ("pre-commit", &["commit", "-am", "x", "--amend"]),
        ("commit-msg", &["commit", "-m", "x"]),
        ("commit-msg", &["commit", "-am", "x"]),
    ];
    for (n, (name, args)) in all.into_iter().enumerate() {
        let file = hook(&env, name, "#!/bin/sh\nexit 3\n");
        make(&env.path(format!("staged{n}.db")), 5, "DELETE");
        env.graft(["add", &format!("staged{n}.db")]).ok();
        change(&env);
        let before = state(&env);
        let outcome = env.graft(args);
        outcome.expect_when(1, name);
        let text = outcome.stderr();
        assert!(
            text.contains(name) && text.contains("nothing was committed") && text.contains("--no-verify"),
            "{text}"
        );
        assert_eq!(state(&env), before, "{name} {args:?}");
        // What stands in between is taken back, too, when something else than the hook stops the commit.
        hook(&env, name, "#!/bin/sh\nexit 0\n");
        if args.contains(&"-am") {
            env.graft(["commit", "-a", "-m", ""]).expect(1);
            assert_eq!(state(&env), before, "{name} and an empty message");
        }
        env.graft([args, &["--no-verify"]].concat()).ok();
        env.graft(["undo"]).ok();
        fs::remove_file(file).expect("the hook goes");
    }
}

#[test]
fn pre_commit_sees_in_the_index_what_will_be_committed() {
    let env = place();
    hook(&env, "pre-commit", "#!/bin/sh\ngraft diff --cached --csv > \"$HOME/seen\"\n");
    let seen = || fs::read_to_string(env.outside().join("home/seen")).expect("the hook ran");
    for args in [&["commit", "-am", "all"][..], &["commit", "-m", "this", "app.db"]] {
        change(&env);
        let wanted = env.graft(["diff", "--csv"]).ok();
        env.graft(args).ok();
        assert_eq!(seen(), wanted, "{args:?}");
        assert_eq!(env.graft(["diff", "--csv", "HEAD~1", "HEAD"]).ok(), wanted);
    }
    // What it stages goes with the commit, and what is written after it does not.
    hook(&env, "pre-commit", "#!/bin/sh\necho more > more.txt && graft add -q more.txt && echo later >> note.txt\n");
    fs::write(env.path("note.txt"), "first\n").expect("a file");
    env.graft(["add", "note.txt"]).ok();
    env.graft(["commit", "-am", "with more"]).ok();
    assert_eq!(env.graft(["show", "HEAD:more.txt"]).ok(), "more\n");
    assert_eq!(env.graft(["show", "HEAD:note.txt"]).ok(), "first\n");
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), " M note.txt\n");
}

#[test]
fn commit_msg_may_rewrite_the_message() {
    let env = place();
    hook(&env, "commit-msg", "#!/bin/sh\ntest \"$1\" = .graft/COMMIT_EDITMSG || exit 9\nsed -i '1s/^/[db] /' \"$1\"\n");
    env.graft_in(&env.dot_graft().join(".."), ["commit", "--allow-empty", "-m", "title\n\n# kept"]).ok();
    assert_eq!(env.graft(["log", "-n1", "--format=%B"]).ok(), "[db] title\n\n# kept\n\n");
    env.graft(["commit", "--amend", "--no-edit", "--allow-empty"]).ok();
    assert_eq!(env.graft(["log", "-n1", "--format=%s"]).ok(), "[db] [db] title\n");
    let mut edited = env.command(["commit", "--allow-empty"]);
    let editor = env.outside().join("editor");
    script(&editor, "#!/bin/sh\nprintf 'typed\\n# a comment\\n' > \"$1\"\n");
    edited.env("EDITOR", editor);
    env.run(edited).ok();
    assert_eq!(env.graft(["log", "-n1", "--format=%B"]).ok(), "[db] typed\n\n");
    hook(&env, "commit-msg", "#!/bin/sh\n: > \"$1\"\n");
    env.graft(["commit", "--allow-empty", "-m", "gone"]).expect(1);
}

#[test]
fn a_refused_push_sends_nothing() {
    let env = place();
    let hub = env.outside().join("hub");
    env.graft(["remote", "add", "origin", hub.to_str().expect("UTF-8")]).ok();
    // It reads nothing of what it is given, and calls Graft itself.
    hook(&env, "pre-push", "#!/bin/sh\ngraft status >/dev/null && graft log -n1 >/dev/null && exit 1\nexit 9\n");
    let outcome = env.graft(["push", "-u", "origin", "main"]);
    outcome.expect(1);
    assert!(outcome.stderr().contains("pre-push") && outcome.stderr().contains("exit status: 1"), "{outcome}");
    let left = |dir: &Path| fs::read_dir(dir).map_or(0, |entries| entries.count());
    assert_eq!(left(&hub), 0, "something was sent");
    assert_eq!(env.graft(["for-each-ref", "refs/remotes"]).ok(), "");
    env.graft(["push", "--no-verify", "-u", "origin", "main"]).ok();
    hook(&env, "pre-push", "#!/bin/sh\nexit 0\n");
    env.graft(["commit", "--allow-empty", "-m", "x"]).ok();
    env.graft(["push"]).ok();
}

#[test]
fn the_exit_code_of_post_checkout_is_that_of_the_command() {
    let env = place();
    hook(&env, "post-checkout", "#!/bin/sh\nexit 7\n");
    env.graft(["switch", "-c", "side"]).expect(7);
    assert_eq!(env.graft(["branch", "--show-current"]).ok(), "side\n");
    hook(&env, "post-commit", "#!/bin/sh\nexit 7\n");
    env.graft(["commit", "--allow-empty", "-m", "x"]).ok();
}

#[test]
fn what_cannot_run_is_said() {
    let env = place();
    let file = hook(&env, "pre-commit", "echo \"no first line, $GRAFT_DIR\"\n");
    let outcome = env.graft(["commit", "--allow-empty", "-m", "x"]);
    outcome.ok();
    assert!(outcome.stderr().contains(&format!("no first line, {}", env.dot_graft().display())), "{outcome}");
    script(&file, "#!/no/such/program\n");
    env.graft(["commit", "--allow-empty", "-m", "x"]).refused(&["pre-commit", "#!/bin/sh"]);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&file, mode).expect("a mode");
    let outcome = env.graft(["commit", "--allow-empty", "-m", "x"]);
    outcome.ok();
    assert!(outcome.stderr().contains("is not executable"), "{outcome}");
}

/// Commits with arguments under a pre-commit hook that never ends, and kills both.
fn killed_in_the_hook(env: &TestEnvironment, args: &[&str]) {
    let reached = env.outside().join("reached");
    fs::remove_file(&reached).ok();
    // What the hook sees, and that commands of its own do not take back what is staged for it.
    let text = "#!/bin/sh\n\"$GRAFT\" status --porcelain > \"$HOME/seen\"\n\"$GRAFT\" update-ref refs/heads/x HEAD\n\
                \"$GRAFT\" status --porcelain >> \"$HOME/seen\"\necho $$ > ../reached.tmp; mv ../reached.tmp ../reached\nexec sleep 600\n";
    let file = hook(env, "pre-commit", text);
    let mut command = env.command(args);
    command.env("GRAFT", env!("CARGO_BIN_EXE_graft"));
    let mut running = command.spawn().expect("graft starts");
    while !reached.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(running.try_wait().expect("a child").is_none(), "it ended before the hook slept");
    }
    running.kill().expect("killed");
    running.wait().expect("ended");
    let hook = fs::read_to_string(&reached).expect("a number");
    let mut end = env.program("kill", env.repo());
    end.args(["-9", hook.trim()]);
    env.run(end).ok();
    fs::remove_file(file).expect("the hook goes");
}

#[test]
fn what_a_killed_commit_had_staged_is_taken_back() {
    let env = place();
    for name in ["b.txt", "c.txt"] {
        fs::write(env.path(name), "one\n").expect("a file");
    }
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "texts"]).ok();
    fs::write(env.path("c.txt"), "staged\n").expect("a file");
    env.graft(["add", "c.txt"]).ok();
    fs::write(env.path("c.txt"), "two\n").expect("a file");
    fs::write(env.path("b.txt"), "two\n").expect("a file");
    change(&env);
    let before = [env.graft(["ls-files", "--stage"]).ok(), env.graft(["status", "--porcelain"]).ok()];
    for args in [&["commit", "-am", "all"][..], &["commit", "-m", "one", "app.db"]] {
        killed_in_the_hook(&env, args);
        let seen = fs::read_to_string(env.outside().join("home/seen")).expect("what the hook saw");
        assert_eq!(seen.matches("M  app.db").count(), 2, "{seen}");
        let after = [env.graft(["ls-files", "--stage"]).ok(), env.graft(["status", "--porcelain"]).ok()];
        assert_eq!(after, before, "{args:?}");
        assert!(!env.dot_graft().join("index.ahead").exists());
    }
    // What was staged anew in the meantime stays.
    env.graft(["commit", "-am", "all"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
    env.graft(["fsck"]).ok();
}
