//! Volumes shared over a remote without commits and branches: SQLite databases on both sides, refusals, damage, and what is told.

mod autosync;
#[cfg(debug_assertions)]
mod crash;
mod racing;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Stdio;

use crate::env::{Outcome, TestEnvironment};

/// Repositories beside each other with a folder, or another remote, as `origin`.
struct Place {
    env: TestEnvironment,
    url: String,
}

/// Rows of 200 bytes that do not compress.
const FILL: &str = "CREATE TABLE t (i INTEGER PRIMARY KEY, b); WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 16000)
    INSERT INTO t SELECT i, randomblob(200) FROM c;";

impl Place {
    fn new() -> Self {
        let env = TestEnvironment::empty();
        let url = env.outside().join("hub").to_str().expect("UTF-8").to_owned();
        Self { env, url }
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.env.outside().join(name)
    }

    /// Makes a repository without any file.
    fn init(&self, name: &str) {
        self.env.graft_in(&self.env.outside(), ["init", "-q", name]).ok();
        self.run(name, &["remote", "add", "origin", &self.url]);
    }

    /// A repository with a volume `v` that has been pushed.
    fn with_volume(name: &str) -> Self {
        let place = Self::new();
        place.start(name);
        place
    }

    fn start(&self, name: &str) {
        self.init(name);
        self.run(name, &["volume", "new", "--tag", "v"]);
        self.sql(name, FILL);
        self.run(name, &["volume", "push", "v"]);
    }

    fn clone(&self, name: &str) {
        self.init(name);
        self.run(name, &["volume", "clone", "origin", "v"]);
    }

    fn graft(&self, name: &str, args: &[&str]) -> Outcome {
        self.env.graft_in(&self.dir(name), args)
    }

    #[track_caller]
    fn run(&self, name: &str, args: &[&str]) -> String {
        self.graft(name, args).ok()
    }

    #[track_caller]
    fn sql(&self, name: &str, statements: &str) -> String {
        self.run(name, &["sql", "--volume", "v", statements])
    }

    #[track_caller]
    fn status(&self, name: &str) -> String {
        let answer = self.graft(name, &["volume", "status", "v", "--json"]).json();
        answer["status"].as_str().expect("a word").to_owned()
    }

    #[track_caller]
    fn checksum(&self, name: &str) -> String {
        self.run(name, &["volume", "checksum", "v"])
    }
}

/// Demands the answer "no", in these words.
#[track_caller]
fn no(outcome: &Outcome, words: &[&str]) {
    outcome.expect(1);
    let text = outcome.stderr();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {outcome}");
}

#[test]
fn a_database_goes_to_and_fro() {
    let place = Place::with_volume("one");
    place.clone("two");
    assert_eq!(place.run("two", &["volume", "ls-remote"]), "v\n");
    // One row brings little of 4 MB.
    assert_eq!(place.sql("two", "SELECT length(b) FROM t WHERE i = 2500"), "200\n");
    let left = place.graft("two", &["volume", "hydrate", "-n", "v", "--json"]).json();
    let (present, missing) = (left["present"].as_u64().expect("bytes"), left["missing"].as_u64().expect("bytes"));
    assert!(present < 1_000_000 && missing > 2_000_000, "{left}");
    assert_eq!(place.checksum("two"), place.checksum("one"));

    place.sql(
        "two",
        "UPDATE t SET b = 'two' WHERE i = 7; DELETE FROM t WHERE i > 4000; VACUUM; CREATE INDEX x ON t (b);",
    );
    let out = place.run("two", &["volume", "status"]);
    assert!(out.starts_with("v: ahead 4 (synced at LSN 1 of 'v' on origin"), "{out}");
    let pushed = place.graft("two", &["volume", "push", "v", "--json"]).json();
    assert!(pushed["lsn"] == 2 && pushed["traffic"]["requests"].as_u64() <= Some(6), "{pushed}");
    assert!(pushed["traffic"]["lists"] == 0, "{pushed}");
    assert_eq!(place.status("one"), "up-to-date", "nobody has asked");
    place.run("one", &["volume", "fetch", "v"]);
    assert_eq!(place.status("one"), "behind");
    assert_eq!(place.sql("one", "SELECT count(*) FROM t"), "16000\n");
    place.run("one", &["volume", "pull", "v"]);
    assert_eq!(
        place.sql("one", "SELECT count(*) FROM t; PRAGMA integrity_check; SELECT b FROM t WHERE i = 7"),
        "4000\nok\ntwo\n"
    );
    assert_eq!(place.checksum("two"), place.checksum("one"));
    // It grows again, over what was there before.
    place.sql("one", "INSERT INTO t SELECT i + 10000, zeroblob(300) FROM t;");
    place.run("one", &["volume", "push", "v"]);
    place.run("two", &["volume", "pull", "v"]);
    assert_eq!(
        place.sql("two", "PRAGMA integrity_check; SELECT count(*), sum(length(b)) FROM t WHERE i > 10000"),
        "ok\n4000|1200000\n"
    );
    assert_eq!(place.checksum("two"), place.checksum("one"));
    for name in ["one", "two"] {
        assert_eq!(place.status(name), "up-to-date");
        place.run(name, &["fsck"]);
    }
    let report = place.graft("one", &["fsck", "--remote", "--json"]).json();
    assert!(report["ok"] == true && report["volumes"] == 1 && report["volume_commits"] == 3, "{report}");
    assert!(report["unneeded"] == 0, "{report}");
    place.run("one", &["gc", "--remote", "--force"]);
    place.clone("three");
    assert_eq!(place.checksum("three"), place.checksum("one"));
}

#[test]
fn who_comes_second_is_refused_and_keeps_everything() {
    let place = Place::with_volume("one");
    place.clone("two");
    place.sql("one", "UPDATE t SET b = 'one' WHERE i = 1");
    place.sql("two", "UPDATE t SET b = 'two' WHERE i = 2");
    place.run("one", &["volume", "push", "v"]);
    no(&place.graft("two", &["volume", "push", "v"]), &["has LSN 2 already (fetch first)", "volume pull"]);
    no(&place.graft("two", &["volume", "pull", "v"]), &["have diverged: 1 and 1", "volume fork", "--force"]);
    assert_eq!(place.status("two"), "diverged");
    let pulled = place.graft("two", &["volume", "pull", "-f", "v", "--json"]).json();
    assert_eq!(pulled["kept_tag"], "v.kept-1");
    assert_eq!(place.sql("two", "SELECT b FROM t WHERE i IN (1, 2) AND length(b) < 9"), "one\n");
    let kept =
        place.run("two", &["sql", "--volume", "v.kept-1", "SELECT b FROM t WHERE i IN (1, 2) AND length(b) < 9"]);
    assert_eq!(kept, "two\n");
    place.sql("two", "UPDATE t SET b = 'two' WHERE i = 2");
    place.run("two", &["volume", "push", "v"]);
    place.run("one", &["volume", "pull", "v"]);
    assert_eq!(place.sql("one", "SELECT b FROM t WHERE i IN (1, 2)"), "one\ntwo\n");
}

#[test]
fn what_is_wrong_is_said() {
    let place = Place::with_volume("one");
    let one = |args: &[&str]| place.graft("one", args);
    one(&["volume", "push", "nothing"]).fails(&["there is no volume 'nothing'"]);
    one(&["volume", "push", "v", "elsewhere"]).fails(&["there is no remote 'elsewhere'", "graft remote"]);
    let other = place.dir("other").to_str().expect("UTF-8").to_owned();
    one(&["volume", "push", "v", &other]).fails(&["goes with 'v' of origin", "volume fork"]);
    one(&["volume", "push", "v", "--as", "w"]).fails(&["goes with 'v' of origin"]);
    one(&["volume", "clone", "origin", "w"]).fails(&["has no volume 'w'", "ls-remote"]);
    one(&["volume", "clone", "origin", "v"]).fails(&["the tag 'v' names another volume", "--tag"]);
    one(&["volume", "clone", "origin", "../x"]).fails(&["cannot be the name of a volume"]);
    one(&["volume", "new", "--tag", "free"]).ok();
    one(&["volume", "status", "free"]).fails(&["has no remote", "volume push"]);
    one(&["volume", "pull", "free"]).fails(&["has no remote"]);
    one(&["volume", "push", "free", "--as", "v"]).fails(&["has another volume 'v' already", "volume clone"]);
    one(&["volume", "push", "free", "--as", "-x"]).wrong_usage(&[]);
    one(&["volume", "push", "free", "--as", "a b"]).fails(&["letters, digits"]);
    // The name that was refused has not tied it to anything.
    one(&["volume", "push", "free"]).ok();
    assert_eq!(one(&["volume", "ls-remote"]).ok(), "free\nv\n");
    one(&["volume", "clone", "origin", "v", "--tag", "again"]).ok();
    one(&["volume", "push", "free", "--as", "other"]).fails(&["'free' goes with 'free' of origin"]);
    // A tracked file has a volume of its own, which goes with commits.
    std::fs::write(place.dir("one").join("a.txt"), "text").expect("write");
    one(&["add", "a.txt"]).ok();
    one(&["volume", "push", "a.txt"]).fails(&["is the file 'a.txt'", "volume fork"]);
    // What holds other things is no remote.
    std::fs::create_dir(&other).expect("a folder");
    std::fs::write(place.dir("other").join("holiday.jpg"), "jpg").expect("write");
    one(&["volume", "fork", "v", "--tag", "f"]).ok();
    one(&["volume", "push", "f", &other]).fails(&["is not a Graft remote"]);
    // Gone: everything here still works, and says what does not.
    std::fs::rename(place.dir("hub"), place.dir("away")).expect("rename");
    one(&["volume", "status", "v"]).ok();
    one(&["volume", "fetch", "v"]).fails(&["hub"]);
    one(&["sql", "--volume", "v", "UPDATE t SET b = 1 WHERE i = 1"]).ok();
    one(&["volume", "push", "v"]).fails(&["hub"]);
    one(&["sql", "--volume", "again", "SELECT sum(length(b)) FROM t"]).fails(&["hub"]);
    std::fs::rename(place.dir("away"), place.dir("hub")).expect("rename");
    one(&["volume", "push", "v"]).ok();
    one(&["remote", "rename", "origin", "hub"]).ok();
    one(&["volume", "fetch", "v"]).ok();
    one(&["remote", "rename", "hub", "origin"]).ok();
    // Another remote: what is here is pushed as a copy.
    one(&["volume", "hydrate", "v"]).ok();
    one(&["volume", "fork", "v", "--tag", "moved"]).ok();
    let next = place.dir("next").to_str().expect("UTF-8").to_owned();
    one(&["volume", "push", "moved", &next, "--as", "v"]).ok();
    one(&["volume", "rm", "v"]).ok();
    one(&["volume", "clone", &next, "v"]).ok();
    assert_eq!(place.sql("one", "SELECT b FROM t WHERE i = 1; PRAGMA integrity_check"), "1\nok\n");
}

#[test]
fn damage_on_the_remote_is_named_and_nothing_half_is_left() {
    let place = Place::with_volume("one");
    let segments = super::remotes::files(&place.dir("hub").join("segments"));
    let [segment] = segments.as_slice() else { panic!("{segments:?}") };
    let name = segment.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
    let whole = std::fs::read(segment).expect("read");
    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 1;
    std::fs::write(segment, flipped).expect("write");
    place.clone("two");
    place.graft("two", &["volume", "hydrate", "v"]).fails(&[&name]);
    place.graft("two", &["volume", "checksum", "v"]).fails(&["page"]);
    place.graft("one", &["fsck", "--remote"]).expect(1);
    std::fs::remove_file(segment).expect("remove");
    place.init("three");
    place.run("three", &["volume", "clone", "origin", "v"]);
    place.graft("three", &["volume", "checksum", "v"]).fails(&[&name]);
    std::fs::write(segment, &whole).expect("write back");
    for clone in ["two", "three"] {
        place.run(clone, &["volume", "hydrate", "v"]);
        assert_eq!(place.checksum(clone), place.checksum("one"));
    }
    let entries = super::remotes::files(&place.dir("hub").join("logs"));
    std::fs::write(&entries[0], "nothing of the kind").expect("write");
    place.init("four");
    place.graft("four", &["volume", "clone", "origin", "v"]).fails(&["00000000000000000001", "damaged"]);
    assert_eq!(place.run("four", &["volume", "list"]), "");
}

#[test]
fn a_remote_has_room_for_commits_and_volumes() {
    let place = Place::with_volume("one");
    std::fs::write(place.dir("one").join("a.bin"), vec![7; 3_000_000]).expect("write");
    place.run("one", &["add", "."]);
    place.run("one", &["commit", "-qm", "first"]);
    place.run("one", &["push", "-q", "origin", "main"]);
    place.sql("one", "UPDATE t SET b = randomblob(200)");
    place.run("one", &["volume", "push", "v"]);
    for round in 0..2 {
        let report = place.graft("one", &["fsck", "--remote", "--json"]).json();
        assert!(report["ok"] == true && report["refs"] == 1 && report["volume_commits"] == 2, "{report}");
        assert_eq!(report["unneeded"], 0, "round {round}: {report}");
        place.run("one", &["gc", "--remote", "--force"]);
    }
    place.env.graft_in(&place.env.outside(), ["clone", "-q", &place.url, "two"]).ok();
    place.run("two", &["fsck"]);
    place.run("two", &["volume", "clone", "origin", "v"]);
    assert_eq!(place.checksum("two"), place.checksum("one"));
}

#[test]
fn pragmas_do_what_the_commands_do() {
    let place = Place::with_volume("one");
    place.clone("two");
    let out = place
        .sql("two", "UPDATE t SET b = 'two' WHERE i = 1; PRAGMA graft_status; PRAGMA graft_push; PRAGMA graft_status");
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].starts_with("v: ahead 1") && lines[1].starts_with("Pushed ") && lines[2].starts_with("v: up to date"),
        "{out}"
    );
    let out =
        place.sql("one", "PRAGMA graft_fetch; PRAGMA graft_pull; SELECT b FROM t WHERE i = 1; PRAGMA graft_hydrate");
    assert!(out.starts_with("v: behind 1") && out.contains("\ntwo\n"), "{out}");
    let json = place.sql("one", "PRAGMA graft_status_json");
    let status: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert!(status["status"] == "up-to-date" && status["synced_lsn"] == 2, "{json}");
    place.sql("one", "UPDATE t SET b = 'one' WHERE i = 2");
    place.run("one", &["volume", "push", "v"]);
    place.sql("two", "UPDATE t SET b = 'two' WHERE i = 2");
    let refused = place.graft("two", &["sql", "--volume", "v", "PRAGMA graft_push"]);
    refused.expect(1);
    assert!(refused.stderr().contains("(fetch first)"), "{refused}");
}

#[test]
fn a_damaged_record_of_the_remote_is_named_and_costs_no_row() {
    let place = Place::with_volume("one");
    let files = super::remotes::files(&place.dir("one").join(".graft/volumes"));
    let record = files.iter().find(|f| f.extension().is_some_and(|e| e == "remote")).expect("a record");
    let whole = std::fs::read(record).expect("read");
    for at in [3, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(record, flipped).expect("write");
        let name = record.file_name().expect("a name").to_str().expect("UTF-8");
        for command in ["push", "pull", "fetch", "status", "hydrate"] {
            place.graft("one", &["volume", command, "v"]).fails(&[name, "damaged"]);
        }
        let found = place.graft("one", &["fsck"]);
        found.expect(1);
        assert!(found.stdout().contains(name), "{found}");
        assert_eq!(place.sql("one", "SELECT count(*) FROM t"), "16000\n");
    }
    // What it knew is on the remote as well.
    place.run("one", &["volume", "fork", "v", "--tag", "mine"]);
    place.run("one", &["volume", "rm", "v"]);
    place.run("one", &["volume", "clone", "origin", "v"]);
    let mine = place.run("one", &["volume", "checksum", "mine"]);
    assert_eq!(place.checksum("one"), mine);
    place.run("one", &["fsck"]);
}

/// SQLite keeps pages while a counter in the file stays the same; two histories may have counted the same.
#[test]
fn an_open_session_sees_what_was_pulled() {
    let place = Place::with_volume("one");
    place.clone("two");
    place.sql("one", "UPDATE t SET b = 'one' WHERE i = 100");
    place.sql("two", "UPDATE t SET b = 'two' WHERE i = 100");
    place.run("two", &["volume", "push", "v"]);
    let mut session = place.env.command_in(&place.dir("one"), ["sql", "--volume", "v"]);
    let mut session = session.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("graft starts");
    let mut input = session.stdin.take().expect("a pipe");
    let mut output = BufReader::new(session.stdout.take().expect("a pipe"));
    let mut ask = |statement: &str| {
        writeln!(input, "{statement}").expect("it reads");
        let mut line = String::new();
        output.read_line(&mut line).expect("it answers");
        line
    };
    assert_eq!(ask("SELECT b FROM t WHERE i = 100;"), "one\n");
    place.run("one", &["volume", "pull", "-f", "v"]);
    assert_eq!(ask("SELECT b FROM t WHERE i = 100;"), "two\n");
    assert_eq!(ask("UPDATE t SET b = 'again' WHERE i = 100; SELECT b FROM t WHERE i = 100;"), "again\n");
    assert_eq!(ask("PRAGMA integrity_check;"), "ok\n");
    drop(input);
    assert!(session.wait().expect("it ends").success());
    place.run("one", &["volume", "push", "v"]);
    place.run("two", &["volume", "pull", "v"]);
    assert_eq!(place.sql("two", "SELECT b FROM t WHERE i = 100; PRAGMA integrity_check"), "again\nok\n");
}
