//! `commit`, `log` and `show`: making history and reading it.

use snapbox::assert_data_eq;
use snapbox::str;

use super::{change, small_history};
use crate::database::make;
use crate::env::TestEnvironment;

const PORCELAIN: [&str; 2] = ["status", "--porcelain"];

/// Subjects of `log` with these arguments, newest first.
fn subjects(env: &TestEnvironment, args: &[&str]) -> Vec<String> {
    let args = [&["log", "--oneline", "--no-decorate"], args].concat();
    let log = env.graft(args).ok();
    log.lines().map(|line| line.split_once(' ').expect("id and subject").1.to_owned()).collect()
}

/// Five commits: a, b, c touch `app.db`, d and e `other.db`.
fn five() -> TestEnvironment {
    let env = TestEnvironment::init();
    for (name, file) in [("a", "app.db"), ("b", "app.db"), ("c", "app.db"), ("d", "other.db"), ("e", "other.db")] {
        let path = env.path(file);
        if path.exists() {
            change(&path);
        } else {
            make(&path, 20, "DELETE");
        }
        env.graft(["add", file]).ok();
        env.graft(["commit", "-qm", name]).ok();
    }
    env
}

#[test]
fn what_commit_log_and_show_say() {
    let env = small_history();
    change(&env.path("app.db"));
    let commands: [&[&str]; 8] = [
        &["commit", "-am", "A third"],
        &["commit", "-m", "nothing to do"],
        &["log"],
        &["log", "--oneline"],
        &["log", "--stat", "-n1"],
        &["log", "--graph", "--oneline"],
        &["show"],
        &["show", "HEAD~1"],
    ];
    assert_data_eq!(
        env.session(&commands),
        str![[r#"
$ graft commit -am A third
[main <id1>] A third
 Author: Ada Author <ada@example.org>
 1 file changed, 2 pages, 8 KiB
$ graft commit -m nothing to do
On branch main
nothing to commit, working tree clean
=> 1
$ graft log
commit <id1>
Author: Ada Author <ada@example.org>
Date:   Sun Mar 1 00:05:00 2026 +0100

    A third

commit <id2>
Author: Ada Author <ada@example.org>
Date:   Sun Mar 1 00:04:00 2026 +0100

    Count the items

    And keep a log of it.

commit <id3>
Author: Ada Author <ada@example.org>
Date:   Sun Mar 1 00:02:00 2026 +0100

    Add the application's database
$ graft log --oneline
<id1> A third
<id2> Count the items
<id3> Add the application's database
$ graft log --stat -n1
commit <id1>
Author: Ada Author <ada@example.org>
Date:   Sun Mar 1 00:05:00 2026 +0100

    A third

 app.db | 2 pages, 8 KiB of 24 KiB
 1 file changed, 2 pages, 8 KiB
$ graft log --graph --oneline
* <id1> A third
* <id2> Count the items
* <id3> Add the application's database
$ graft show
commit <id1>
Author: Ada Author <ada@example.org>
Date:   Sun Mar 1 00:05:00 2026 +0100

    A third

 app.db | 2 pages, 8 KiB of 24 KiB
 1 file changed, 2 pages, 8 KiB
$ graft show HEAD~1
commit <id2>
Author: Ada Author <ada@example.org>
Date:   Sun Mar 1 00:04:00 2026 +0100

    Count the items

    And keep a log of it.

 app.db      | 2 pages, 8 KiB of 24 KiB
 data/log.db | new, 12 KiB
 2 files changed, 5 pages, 20 KiB

"#]]
    );
}

#[test]
fn show_of_a_file_in_a_revision_writes_it() {
    let env = small_history();
    let outcome = env.graft(["show", "HEAD:app.db"]);
    outcome.ok();
    let wanted = crate::database::serialize(&env.path("app.db"));
    crate::database::assert_same("show HEAD:app.db", outcome.bytes(), &wanted);
}

#[test]
fn the_message_comes_from_flags_file_or_editor() {
    let env = small_history();
    let mut tick = 0;
    let mut message_of = |args: &[&str], editor: Option<&str>| {
        tick += 1;
        crate::database::sql(&env.path("app.db"), &format!("UPDATE item SET n = {tick} + 100"));
        let mut commit = env.command([&["commit", "-a"], args].concat());
        if let Some(editor) = editor {
            let script = env.outside().join("editor");
            std::fs::write(&script, format!("#!/bin/sh\n{editor}\n")).expect("an editor");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&script, mode).expect("a mode");
            commit.env("EDITOR", &script);
        }
        let outcome = env.run(commit);
        (outcome.code(), env.graft(["cat-file", "-p", "HEAD"]).ok().split_once("\n\n").expect("a message").1.to_owned())
    };
    assert_eq!(message_of(&["-m", "one", "-m", "two"], None), (0, "one\n\ntwo\n".to_owned()));
    std::fs::write(env.outside().join("message"), "from a file\n\nbody\n\n\n").expect("a file");
    assert_eq!(message_of(&["-F", "../message"], None), (0, "from a file\n\nbody\n".to_owned()));
    assert_eq!(message_of(&["-m", "  spaces around  \n\n"], None).0, 0);
    // The editor gets a template whose comments go away; an empty message stops the commit.
    let typed = "grep -q '^#.*app.db' \"$1\" || exit 9\nsed -i '1i typed by hand' \"$1\"";
    assert_eq!(message_of(&[], Some(typed)), (0, "typed by hand\n".to_owned()));
    let head = env.graft(["rev-parse", "HEAD"]).ok();
    assert_eq!(message_of(&[], Some(": > \"$1\"")).0, 1, "an empty message");
    assert_eq!(message_of(&["-m", ""], None).0, 1, "an empty message");
    assert_eq!(message_of(&[], Some("exit 1")).0, 128, "the editor failed");
    assert_eq!(env.graft(["rev-parse", "HEAD"]).ok(), head);
}

#[test]
fn author_date_amend_and_empty_commits() {
    let env = small_history();
    env.graft(["commit", "-m", "nothing"]).expect(1);
    env.graft([
        "commit",
        "--allow-empty",
        "-m",
        "empty",
        "--author",
        "Eve <eve@example.org>",
        "--date",
        "2001-02-03T04:05:06+02:00",
    ])
    .ok();
    let log = env.graft(["log", "-n1"]).ok();
    assert!(log.contains("Author: Eve <eve@example.org>"), "{log}");
    assert!(log.contains("2001") && log.contains("+0200"), "{log}");
    let first = env.graft(["rev-parse", "HEAD~1"]).ok();
    change(&env.path("app.db"));
    env.graft(["commit", "--amend", "-am", "not empty"]).ok();
    assert_eq!(env.graft(["rev-parse", "HEAD~1"]).ok(), first, "amend replaces the last commit");
    let log = env.graft(["log", "-n1"]).ok();
    assert!(log.contains("not empty") && log.contains("Eve"), "amend keeps the author: {log}");
    assert!(!log.contains("Count the items"), "{log}");
    assert_eq!(env.graft(PORCELAIN).ok(), "");
    env.graft(["commit", "--allow-empty", "-m", "x", "--author", "nobody"]).wrong_usage(&["nobody"]);
    env.graft(["commit", "--allow-empty", "-m", "x", "--date", "the day after"]).refused(&["the day after"]);
}

#[test]
fn paths_commit_only_themselves() {
    let env = five();
    change(&env.path("app.db"));
    change(&env.path("other.db"));
    env.graft(["add", "other.db"]).ok();
    env.graft(["commit", "-m", "app alone", "app.db"]).ok();
    assert_eq!(env.graft(PORCELAIN).ok(), "M  other.db\n");
    assert!(!env.graft(["show", "--stat"]).ok().contains("other.db"));
    env.graft(["commit", "-m", "unknown", "new.db"]).refused(&["new.db"]);
    make(&env.path("new.db"), 3, "DELETE");
    env.graft(["commit", "-m", "untracked", "new.db"]).refused(&["new.db", "graft add"]);
    env.graft(["commit", "-am", "both", "app.db"]).wrong_usage(&["--all"]);
}

#[test]
fn the_first_commit_needs_an_identity() {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 3, "DELETE");
    env.graft(["add", "."]).ok();
    let unnamed = |args: &[&str]| {
        let mut command = env.command(args);
        for name in ["AUTHOR", "COMMITTER"] {
            command.env_remove(format!("GRAFT_{name}_NAME")).env_remove(format!("GRAFT_{name}_EMAIL"));
        }
        env.run(command)
    };
    unnamed(&["commit", "-m", "by user@host"]).ok();
    let log = env.graft(["log", "-n1"]).ok();
    assert!(log.contains('@'), "{log}");
    // git's configuration, the user's, the repository's: the nearest wins.
    let home = env.outside().join("home");
    std::fs::write(home.join(".gitconfig"), "[user]\n\tname = Git Name\n\temail = git@example.org\n").expect("a file");
    unnamed(&["commit", "--allow-empty", "-m", "by git's name"]).ok();
    assert!(env.graft(["log", "-n1"]).ok().contains("Author: Git Name <git@example.org>"));
    env.graft(["config", "set", "--global", "user.name", "Own Name"]).ok();
    env.graft(["config", "set", "--global", "user.email", "own@example.org"]).ok();
    unnamed(&["commit", "--allow-empty", "-m", "by the user's"]).ok();
    assert!(env.graft(["log", "-n1"]).ok().contains("Author: Own Name <own@example.org>"));
    env.graft(["config", "set", "user.name", "Here Name"]).ok();
    unnamed(&["commit", "--allow-empty", "-m", "by the repository's"]).ok();
    assert!(env.graft(["log", "-n1"]).ok().contains("Author: Here Name <own@example.org>"));
    env.graft(["commit", "--allow-empty", "-m", "by the environment's"]).ok();
    assert!(env.graft(["log", "-n1"]).ok().contains("Author: Ada Author <ada@example.org>"));
}

#[test]
fn log_is_limited_by_number_paths_time_author_and_text() {
    let env = five();
    env.graft(["commit", "--allow-empty", "-qm", "Fix: an odd [thing]", "--author", "Eve <eve@example.org>"]).ok();
    assert_eq!(subjects(&env, &["-n", "2"]), ["Fix: an odd [thing]", "e"]);
    assert_eq!(subjects(&env, &["-2"]), ["Fix: an odd [thing]", "e"]);
    assert_eq!(subjects(&env, &["-n0"]).len(), 0);
    assert_eq!(subjects(&env, &["HEAD~3"]), ["c", "b", "a"]);
    assert_eq!(subjects(&env, &["HEAD~4..HEAD~2"]), ["d", "c"]);
    assert_eq!(subjects(&env, &["HEAD~2", "^HEAD~4"]), ["d", "c"]);
    assert_eq!(subjects(&env, &["--", "app.db"]), ["c", "b", "a"]);
    assert_eq!(subjects(&env, &["HEAD~1", "--", "other.db"]), ["e", "d"]);
    assert_eq!(subjects(&env, &["other.db"]), ["e", "d"], "a path that is no revision is a path");
    assert_eq!(subjects(&env, &["--", "never.db"]).len(), 0);
    assert_eq!(subjects(&env, &["--author", "eve"]), ["Fix: an odd [thing]"]);
    assert_eq!(subjects(&env, &["--grep", "odd"]), ["Fix: an odd [thing]"]);
    assert_eq!(subjects(&env, &["--grep", "^[ab]$"]), ["b", "a"]);
    assert_eq!(subjects(&env, &["--since", "2027-01-01"]).len(), 0);
    assert_eq!(subjects(&env, &["--until", "2025-01-01"]).len(), 0);
    assert_eq!(subjects(&env, &["--since", "2026-01-01", "--until", "2026-12-31"]).len(), 6);
    env.graft(["log", "--since", "gibberish"]).wrong_usage(&["gibberish"]);
    env.graft(["log", "--grep", "["]).fails(&["["]);
    env.graft(["log", "-n", "many"]).expect(2);
}

#[test]
fn log_of_nothing_says_so() {
    let env = TestEnvironment::init();
    env.graft(["log"]).refused(&["main", "no commits"]);
    env.graft(["show"]).refused(&["no commits"]);
}

#[test]
fn a_detached_or_other_place_in_history_can_be_named() {
    let env = five();
    let all: Vec<String> = env.graft(["log", "--oneline", "--no-decorate"]).ok().lines().map(str::to_owned).collect();
    let (short, subject) = all[2].split_once(' ').expect("id and subject");
    for name in ["HEAD~2", "HEAD^^", "@~2", "main~2", "HEAD~1^", "HEAD@{2}", "@{2}", ":/c", "HEAD^{/c}", short] {
        let shown = env.graft(["log", "--oneline", "--no-decorate", "-n1", name]).ok();
        assert_eq!(shown.trim(), format!("{short} {subject}"), "{name}");
    }
}
