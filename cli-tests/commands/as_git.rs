//! Options whose output has to be Git's: the same files and commands in both, and the same text but for ids.

use std::fs;
use std::path::Path;

use regex::Regex;

use crate::database::{make, sql};
use crate::env::{Outcome, TestEnvironment};

/// A folder in which the same commands are given to Git or to Graft.
struct Side {
    env: TestEnvironment,
    program: &'static str,
}

impl Side {
    fn new(program: &'static str) -> Self {
        let side = Self { env: TestEnvironment::empty(), program };
        side.run(&["init", "-q", "-b", "main"]).ok();
        side
    }

    fn run(&self, args: &[&str]) -> Outcome {
        let mut command = match self.program {
            "git" => self.env.program("git", self.env.repo()),
            _ => self.env.command::<&str>([]),
        };
        command.args(args);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "A").env(format!("GIT_{role}_EMAIL"), "a@example.org");
            command.env(format!("GIT_{role}_DATE"), "2026-03-01T00:00:00Z");
        }
        self.env.run(command)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.env.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// What a command prints, with what differs between the two replaced: ids, but not those of nothing.
    fn told(&self, args: &[&str]) -> String {
        let text = self.run(args).ok();
        let ids = Regex::new(r"\b[0-9a-f]{7,64}\b").expect("a valid pattern");
        let nothing = |id: &str| id.bytes().all(|b| b == b'0');
        let shown = ids
            .replace_all(&text, |found: &regex::Captures<'_>| if nothing(&found[0]) { "0" } else { "ID" }.to_owned());
        format!("$ {}\n{}", args.join(" "), shown.replace('\0', "<NUL>\n"))
    }
}

fn both(scene: impl Fn(&Side) -> String) {
    assert_eq!(scene(&Side::new("graft")), scene(&Side::new("git")));
}

const V2: [&[&str]; 5] = [
    &["status", "--porcelain=v2"],
    &["status", "--porcelain=v2", "--branch"],
    &["status", "--porcelain=v2", "-z", "-b"],
    &["status", "--porcelain=v2", "-uno"],
    &["status", "--porcelain=v2", "-uall", "--", "sub"],
];

fn all(side: &Side, commands: &[&[&str]]) -> String {
    commands.iter().map(|args| side.told(args)).collect()
}

#[test]
fn status_porcelain_v2() {
    both(|side| {
        let mut told = all(side, &V2);
        for name in ["app", "both", "gone", "rm", "cached", "old name", "sub/é", "mode"] {
            side.write(name, &format!("{name} has a text of its own\n").repeat(20));
        }
        side.run(&["add", "app", "sub"]).ok();
        told += &all(side, &V2);
        side.run(&["add", "."]).ok();
        side.run(&["commit", "-q", "-m", "first"]).ok();
        told += &all(side, &V2);
        side.write("app", "changed\n");
        side.write("both", "once\n");
        side.write("new", "new\n");
        side.run(&["add", "both", "new"]).ok();
        side.write("both", "twice\n");
        fs::remove_file(side.env.path("gone")).expect("it goes");
        side.run(&["rm", "-q", "rm"]).ok();
        side.run(&["rm", "-q", "--cached", "cached"]).ok();
        side.run(&["mv", "old name", "sub/new\tname"]).ok();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(side.env.path("mode"), mode).expect("a mode");
        side.write("sub/untracked and spaced", "x\n");
        side.write("apart/x", "x\n");
        told += &all(side, &V2);
        fs::remove_file(side.env.path("new")).expect("it goes");
        side.run(&["switch", "-q", "--detach"]).ok();
        told + &all(side, &V2)
    });
}

#[test]
fn status_porcelain_v2_names_what_the_branch_follows() {
    both(|side| {
        let commit = |message| drop(side.run(&["commit", "-q", "--allow-empty", "-m", message]).ok());
        commit("one");
        side.run(&["branch", "base"]).ok();
        side.run(&["branch", "-q", "-u", "base"]).ok();
        let mut told = side.told(&["status", "--porcelain=v2", "-b"]);
        commit("two");
        told += &side.told(&["status", "--porcelain=v2", "-b"]);
        side.run(&["branch", "-q", "-f", "base", "HEAD"]).ok();
        side.run(&["branch", "-q", "-D", "base"]).ok();
        told + &side.told(&["status", "--porcelain=v2", "-b"])
    });
}

/// Files that come, go, change and move, a commit each.
fn history(side: &Side) {
    let text = |name: &str, n: usize| format!("{}{n}\n", format!("{name}\n").repeat(30));
    let commit = |message| drop(side.run(&["commit", "-q", "-m", message]).ok());
    side.write("a", &text("a", 1));
    side.write("b", &text("b", 1));
    side.run(&["add", "."]).ok();
    commit("add a and b");
    side.write("a", &text("a", 2));
    side.run(&["add", "."]).ok();
    commit("change a");
    fs::create_dir_all(side.env.path("dir")).expect("a folder");
    side.run(&["mv", "a", "dir/a2"]).ok();
    commit("move a");
    side.run(&["rm", "-q", "b"]).ok();
    commit("remove b");
    side.write("dir/a2", &text("a", 3));
    side.write("c", &text("c", 1));
    side.run(&["add", "."]).ok();
    commit("change a, add c");
    side.run(&["mv", "dir/a2", "dir/a3"]).ok();
    commit("move a again");
    side.write("a", &text("another a", 1));
    side.run(&["add", "a"]).ok();
    commit("add another a");
    side.write("dir/a3", &text("a", 4));
    side.run(&["add", "dir"]).ok();
    commit("change a at last");
}

#[test]
fn log_follows_a_file() {
    both(|side| {
        history(side);
        all(
            side,
            &[
                &["log", "--format=%s", "--follow", "dir/a3"],
                &["log", "--format=%s", "--follow", "--name-only", "--", "dir/a3"],
                &["log", "--format=%s", "--follow", "-n", "3", "--skip", "1", "dir/a3"],
                &["log", "--format=%s", "--follow", "a"],
                &["log", "--format=%s", "--follow", "HEAD~3", "--", "dir/a2"],
                &["log", "--format=%s", "--follow", "HEAD~6..", "--", "dir/a3"],
                &["log", "--format=%s", "--", "dir/a3"],
            ],
        )
    });
    let side = Side::new("graft");
    history(&side);
    // Git loses the file on the way when it turns the order about.
    let forwards = side.run(&["log", "--format=%s", "--follow", "dir/a3"]).ok();
    let backwards = side.run(&["log", "--format=%s", "--follow", "--reverse", "dir/a3"]).ok();
    assert_eq!(backwards.lines().rev().collect::<Vec<_>>(), forwards.lines().collect::<Vec<_>>());
    side.run(&["log", "--follow"]).wrong_usage(&["exactly one file"]);
    side.run(&["log", "--follow", "--", "a", "c"]).wrong_usage(&["exactly one file"]);
}

#[test]
fn a_side_branch_is_followed_too() {
    both(|side| {
        history(side);
        side.run(&["switch", "-q", "-c", "side", "HEAD~4"]).ok();
        side.write("dir/a2", "on the side\n");
        side.run(&["commit", "-q", "-am", "on the side"]).ok();
        side.run(&["mv", "dir/a2", "dir/a4"]).ok();
        side.run(&["commit", "-q", "-m", "moved on the side"]).ok();
        all(
            side,
            &[
                &["log", "--format=%s", "--follow", "--", "dir/a4"],
                &["log", "--format=%s", "--follow", "main", "--", "dir/a3"],
            ],
        )
    });
}

#[test]
fn log_and_show_pick_kinds_of_change() {
    both(|side| {
        history(side);
        let mut told = String::new();
        for letters in ["A", "D", "M", "R", "AD", "m", "ad", "ACMRT", "T", "CUXB"] {
            let filter = format!("--diff-filter={letters}");
            // Small letters alone make a log of Git empty unless it shows files.
            let files = if letters == letters.to_uppercase() { &[][..] } else { &["--name-only"] };
            let log = |more: &[&str]| side.told(&[&["log", "--format=%s", &filter], files, more].concat());
            told += &log(&[]);
            told += &side.told(&["log", "--format=%s", "--name-only", &filter]);
            told += &log(&["-n1"]);
            told += &log(&["-n2", "--skip=1", "--", "dir", "a"]);
            told += &side.told(&["show", "--format=%s", "--name-only", &filter, "HEAD~4"]);
            told += &side.told(&["show", "--format=%s", "--name-only", &filter, "HEAD~5..HEAD"]);
            told += &side.told(&["diff", "--name-only", &filter, "HEAD~5", "HEAD"]);
        }
        told
    });
    Side::new("graft").run(&["log", "--diff-filter=Z"]).wrong_usage(&["'Z'"]);
}

/// The rows of a database as text, a line each, as Git could be given them.
fn as_text(env: &TestEnvironment, name: &str) -> String {
    let text = env.graft(["diff", "--textconv", name]).ok();
    text.lines().filter(|line| line.contains("item ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn numbers_of_rows_are_those_of_lines() {
    let (graft, git) = (Side::new("graft"), Side::new("git"));
    let place = |name: &str| graft.env.path(name);
    let mirror = |names: &[&str]| {
        for name in names {
            match place(name).exists() {
                true => git.write(name, &as_text(&graft.env, name)),
                false => fs::remove_file(git.env.path(name)).expect("it goes"),
            }
        }
    };
    let commit = |message: &str| {
        for side in [&graft, &git] {
            side.run(&["add", "-A"]).ok();
            side.run(&["commit", "-q", "-m", message]).ok();
        }
    };
    fs::create_dir(place("data")).expect("a folder");
    for name in ["app.db", "data/log.db", "data/gone.db"] {
        make(&place(name), 40, "DELETE");
    }
    mirror(&["app.db", "data/log.db", "data/gone.db"]);
    commit("first");
    let change = |name: &str, text: &str| sql(&place(name), text);
    change("app.db", "UPDATE item SET n = 7 WHERE id IN (2, 9)");
    change("app.db", "DELETE FROM item WHERE id > 38");
    change("data/log.db", "INSERT INTO item(id, name, n) VALUES (77, 'item 77', 1)");
    make(&place("data/new.db"), 5, "DELETE");
    fs::remove_file(place("data/gone.db")).expect("it goes");
    mirror(&["app.db", "data/log.db", "data/new.db", "data/gone.db"]);
    let compare = |args: &[&str]| assert_eq!(graft.told(args), git.told(args), "{args:?}");
    compare(&["diff", "--numstat"]);
    compare(&["diff", "--shortstat"]);
    compare(&["diff", "--shortstat", "--", "data/log.db"]);
    compare(&["diff", "--numstat", "-R"]);
    commit("second");
    compare(&["diff", "--numstat"]);
    compare(&["diff", "--shortstat"]);
    compare(&["diff", "--numstat", "HEAD~1", "HEAD"]);
    compare(&["diff", "--shortstat", "HEAD~1", "HEAD"]);
    compare(&["log", "--format=%s", "--numstat"]);
    compare(&["log", "--oneline", "--shortstat"]);
    compare(&["log", "--format=tformat:%s", "--shortstat", "--", "app.db"]);
    compare(&["log", "--format=%s", "--numstat", "--diff-filter=AD"]);
    compare(&["show", "--format=%s", "--numstat"]);
    // Names of a file that moved; databases and lines alike.
    for (old, new) in [("app.db", "moved.db"), ("data/log.db", "data/log2.db"), ("data/new.db", "data/deep/new.db")] {
        for side in [&graft, &git] {
            fs::create_dir_all(side.env.path(new).parent().expect("a folder")).expect("a folder");
            side.run(&["mv", old, new]).ok();
        }
    }
    change("moved.db", "DELETE FROM item WHERE id = 3");
    mirror(&["moved.db"]);
    commit("moved");
    compare(&["diff", "--numstat", "HEAD~1", "HEAD"]);
    compare(&["show", "--format=%s", "--shortstat"]);
    // Other files have no rows, as binary files have no lines.
    for side in [&graft, &git] {
        side.write("image.bin", "\0\u{1}\0");
        side.run(&["add", "image.bin"]).ok();
    }
    compare(&["diff", "--cached", "--numstat"]);
    compare(&["diff", "--cached", "--shortstat"]);
}

#[test]
fn a_state_is_compared_with_a_file_of_another_name() {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 20, "DELETE");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-qm", "first"]).ok();
    fs::create_dir(env.path("sub")).expect("a folder");
    fs::copy(env.path("app.db"), env.path("sub/copy.db")).expect("a copy");
    let diff = |dir: &Path, args: &[&str]| env.graft_in(dir, [&["diff"], args].concat());
    assert_eq!(diff(env.repo(), &["HEAD:app.db", "sub/copy.db"]).ok(), "");
    sql(&env.path("sub/copy.db"), "UPDATE item SET n = 5 WHERE id = 3");
    sql(&env.path("sub/copy.db"), "DELETE FROM item WHERE id = 4");
    let wanted = env.graft(["diff", "--no-index", "--csv", "app.db", "sub/copy.db"]).expect(1).stdout();
    let rows =
        |text: &str| text.lines().map(|l| l.split_once(',').expect("a file and more").1.to_owned()).collect::<Vec<_>>();
    for args in [
        &["--csv", "HEAD:app.db", "sub/copy.db"][..],
        &["--csv", "HEAD:app.db", "--", "sub/copy.db"],
        &["--csv", ":app.db", "sub/copy.db"],
    ] {
        assert_eq!(rows(&diff(env.repo(), args).ok()), rows(&wanted), "{args:?}");
    }
    assert_eq!(rows(&diff(&env.path("sub"), &["--csv", "HEAD:app.db", "copy.db"]).ok()), rows(&wanted), "from below");
    assert_eq!(diff(env.repo(), &["--numstat", "HEAD:app.db", "sub/copy.db"]).ok(), "1\t2\tsub/copy.db\n");
    assert_eq!(diff(env.repo(), &["--numstat", "-R", "HEAD:app.db", "sub/copy.db"]).ok(), "2\t1\tsub/copy.db\n");
    diff(env.repo(), &["--exit-code", "HEAD:app.db", "sub/copy.db"]).expect(1);
    // A tracked file under its own name is compared as ever.
    sql(&env.path("app.db"), "DELETE FROM item WHERE id = 9");
    assert_eq!(diff(env.repo(), &["--numstat", "HEAD:app.db", "app.db"]).ok(), "0\t1\tapp.db\n");
    diff(env.repo(), &["HEAD:app.db", "no-such.db"]).fails(&["no-such.db"]);
    diff(env.repo(), &["HEAD:app.db", "sub/copy.db", "app.db"]).wrong_usage(&["with a file"]);
    diff(env.repo(), &["--staged", "HEAD:app.db", "sub/copy.db"]).wrong_usage(&["with a file"]);
}
