//! What was added is what comes back, byte for byte, for every valid database of the corpus and the generator.

use std::path::{Path, PathBuf};

use crate::database::{
    CORPUS, assert_same, assert_sound, copy_database, difference, fixture, generated_valid, has_sidecar, python,
    remove_database, serialize, serialize_all, sql, without_volatile,
};
use crate::env::TestEnvironment;

/// A worktree with one copy of each database, and what each must come back as.
struct Everything {
    env: TestEnvironment,
    names: Vec<String>,
    originals: Vec<PathBuf>,
    wanted: Vec<Vec<u8>>,
}

impl Everything {
    fn new(originals: Vec<PathBuf>) -> Self {
        let env = TestEnvironment::init();
        let names: Vec<String> = originals.iter().map(|path| file_name(path)).collect();
        for (original, name) in originals.iter().zip(&names) {
            copy_database(original, &env.path(name));
        }
        let paths: Vec<&Path> = originals.iter().map(PathBuf::as_path).collect();
        let wanted = serialize_all(&paths);
        Self { env, names, originals, wanted }
    }

    fn all() -> Self {
        let mut originals: Vec<PathBuf> = CORPUS.iter().map(|name| fixture(name)).collect();
        originals.extend(generated_valid());
        Self::new(originals)
    }

    /// Exports `rev` of every file and compares; all differences are reported at once.
    #[track_caller]
    fn exports_equal(&self, rev: &str, wanted: &[Vec<u8>]) {
        let mut wrong = Vec::new();
        for (name, wanted) in self.names.iter().zip(wanted) {
            let out = self.env.outside().join("export.db");
            std::fs::remove_file(&out).ok();
            let out_text = out.to_str().expect("a UTF-8 path");
            let outcome = self.env.graft(["export", &format!("{rev}:{name}"), "-o", out_text]);
            if outcome.code() != 0 {
                wrong.push(format!("{name}: {outcome}"));
                continue;
            }
            let got = std::fs::read(&out).expect("the exported file");
            wrong.extend(difference(&got, wanted).map(|text| format!("{name}: {text}")));
        }
        assert!(wrong.is_empty(), "exports of {rev} differ:\n{}", wrong.join("\n"));
    }

    #[track_caller]
    fn is_clean(&self, when: &str) {
        assert_eq!(self.env.graft(["status", "--porcelain"]).ok(), "", "status {when}");
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).expect("the corpus has UTF-8 names").to_owned()
}

#[test]
fn every_database_comes_back_byte_for_byte() {
    let all = Everything::all();
    all.env.graft(["add", "."]).ok();
    all.env.graft(["commit", "-m", "all of them"]).ok();
    all.is_clean("right after the commit");
    all.exports_equal("HEAD", &all.wanted);
    for (original, name) in all.originals.iter().zip(&all.names) {
        if !has_sidecar(original) {
            let now = std::fs::read(all.env.path(name)).expect("the worktree file");
            assert_same(name, &now, &std::fs::read(original).expect("the original"));
        }
    }

    // A full checkout writes the same bytes as an export.
    for name in &all.names {
        remove_database(&all.env.path(name));
    }
    all.env.graft(["checkout", "--", "."]).ok();
    for (name, wanted) in all.names.iter().zip(&all.wanted) {
        let now = std::fs::read(all.env.path(name)).expect("the checked-out file");
        assert_same(name, &now, wanted);
    }
    all.is_clean("after a checkout of everything");
    all.env.graft(["fsck"]).ok();
}

#[test]
fn one_add_and_commit_for_each_database() {
    let all = Everything::all();
    for name in &all.names {
        all.env.graft(["add", name]).ok();
        all.env.graft(["commit", "-m", name]).ok();
        let status = all.env.graft(["status", "--porcelain"]).ok();
        assert!(!status.contains(&format!(" {name}\n")), "{name} after its commit:\n{status}");
    }
    all.is_clean("after the last commit");
    all.exports_equal("HEAD", &all.wanted);
}

#[test]
fn changed_databases_come_back_in_both_states() {
    let all = Everything::all();
    all.env.graft(["add", "."]).ok();
    all.env.graft(["commit", "-m", "before"]).ok();
    let mut changed = Vec::new();
    for (at, name) in all.names.iter().enumerate() {
        let path = all.env.path(name);
        let path_text = path.to_str().expect("a UTF-8 path");
        let seed = (at + 1).to_string();
        let before = without_volatile(serialize(&path));
        if name != "empty_zero_bytes.db" {
            python(&fixture("generate.py"), &["mutate", path_text, "--seed", &seed, "-n", "7", "--no-log"]);
        }
        if without_volatile(serialize(&path)) != before {
            changed.push(name.clone());
        }
    }
    assert!(changed.len() > all.names.len() / 2, "the mutator changed only {changed:?}");
    let status = all.env.graft(["status", "--porcelain"]).ok();
    let seen: Vec<&str> = status.lines().collect();
    changed.sort();
    let wanted: Vec<String> = changed.iter().map(|name| format!(" M {name}")).collect();
    assert_eq!(seen, wanted);

    all.env.graft(["commit", "-am", "after"]).ok();
    all.is_clean("after the second commit");
    all.exports_equal("HEAD~1", &all.wanted);
    // A file whose volatile header alone changed keeps its old state.
    let paths: Vec<PathBuf> = all.names.iter().map(|name| all.env.path(name)).collect();
    let now = serialize_all(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let wanted: Vec<Vec<u8>> = (all.names.iter().zip(now).zip(&all.wanted))
        .map(|((name, now), old)| if changed.contains(name) { now } else { old.clone() })
        .collect();
    all.exports_equal("HEAD", &wanted);

    // Back in place, under SQLite's own journal: only the fields that every writer sets may differ.
    all.env.graft(["checkout", "HEAD~1", "--", "."]).ok();
    for (name, wanted) in all.names.iter().zip(&all.wanted) {
        let now = without_volatile(serialize(&all.env.path(name)));
        assert_same(name, &now, &without_volatile(wanted.clone()));
    }
    all.env.graft(["checkout", "HEAD", "--", "."]).ok();
    for (name, wanted) in all.names.iter().zip(&wanted) {
        let now = without_volatile(serialize(&all.env.path(name)));
        assert_same(name, &now, &without_volatile(wanted.clone()));
    }
    all.is_clean("back at HEAD");
}

#[test]
fn status_stays_clean_when_the_content_stays() {
    let all = Everything::all();
    all.env.graft(["add", "."]).ok();
    all.env.graft(["commit", "-m", "all of them"]).ok();

    let touch = all.env.outside().join("touch.py");
    std::fs::write(&touch, "import os, sys\nfor path in sys.argv[1:]: os.utime(path, (1e9, 1e9))\n").expect("a script");
    let paths: Vec<String> = all.names.iter().map(|name| all.env.path(name).to_string_lossy().into_owned()).collect();
    python(&touch, &paths.iter().map(String::as_str).collect::<Vec<_>>());
    all.is_clean("after touch");

    let look = all.env.outside().join("look.py");
    std::fs::write(
        &look,
        "import sqlite3, sys\n\
         for path in sys.argv[1:]:\n\
         \x20   c = sqlite3.connect(path); c.execute('SELECT count(*) FROM sqlite_master').fetchall(); c.close()\n",
    )
    .expect("a script");
    // Everything whose schema this SQLite can parse: the collation of the application is unknown to it.
    python(&look, &paths.iter().map(String::as_str).collect::<Vec<_>>());
    all.is_clean("after a program opened and closed each file");

    for mode in ["WAL", "DELETE", "TRUNCATE", "PERSIST", "WAL"] {
        for path in &paths {
            if !path.ends_with("empty_zero_bytes.db") {
                sql(Path::new(path), &format!("PRAGMA journal_mode={mode}"));
            }
        }
        all.is_clean(&format!("after PRAGMA journal_mode={mode}"));
        let staged = all.env.graft(["commit", "-am", "no change"]);
        assert_eq!(staged.code(), 1, "a commit of nothing after {mode}: {staged}");
    }
    all.exports_equal("HEAD", &all.wanted);
}

#[test]
fn a_database_that_grows_shrinks_and_is_vacuumed() {
    let env = TestEnvironment::init();
    let path = env.path("app.db");
    crate::database::make(&path, 2000, "DELETE");
    let steps = [
        "DELETE FROM item WHERE id % 3 <> 0",
        "VACUUM",
        "PRAGMA page_size=1024; VACUUM",
        "PRAGMA auto_vacuum=FULL; VACUUM",
        "DELETE FROM item",
        "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 9000)
         INSERT INTO item(id, name) SELECT i, hex(i) FROM k",
        "PRAGMA page_size=65536; VACUUM",
        "DROP TABLE item; VACUUM",
    ];
    let mut states = Vec::new();
    for (at, step) in std::iter::once(&"").chain(&steps).enumerate() {
        sql(&path, step);
        states.push(serialize(&path));
        env.graft(["add", "app.db"]).ok();
        env.graft(["commit", "-m", &at.to_string()]).ok();
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), "", "after {step:?}");
    }
    let last = states.len() - 1;
    for (at, wanted) in states.iter().enumerate() {
        let rev = format!("HEAD~{}", last - at);
        let out = env.outside().join("out.db");
        env.graft(["export", &format!("{rev}:app.db"), "-o", out.to_str().expect("UTF-8")]).ok();
        assert_same(&rev, &std::fs::read(&out).expect("exported"), wanted);
        std::fs::remove_file(&out).expect("the export goes");
        env.graft(["checkout", &rev, "--", "app.db"]).ok();
        assert_same(
            &format!("checkout of {rev}"),
            &without_volatile(serialize(&path)),
            &without_volatile(wanted.clone()),
        );
        assert_sound(&path);
    }
    env.graft(["fsck"]).ok();
}

#[test]
fn files_that_are_no_databases_come_back_too() {
    let env = TestEnvironment::init();
    let contents: [(&str, Vec<u8>); 6] = [
        ("empty.bin", Vec::new()),
        ("one.bin", vec![7]),
        ("page.bin", vec![1; 4096]),
        ("page and one.bin", vec![2; 4097]),
        ("zeros.bin", vec![0; 100_000]),
        ("notes.txt", b"a line\nanother\n".repeat(20_000)),
    ];
    for (name, bytes) in &contents {
        std::fs::write(env.path(name), bytes).expect("a file");
    }
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "plain files"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
    for (name, bytes) in &contents {
        env.graft(["export", &format!("HEAD:{name}"), "-o", "out"]).ok();
        assert_same(name, &std::fs::read(env.path("out")).expect("exported"), bytes);
        std::fs::remove_file(env.path("out")).expect("the export goes");
        std::fs::write(env.path(name), b"something else").expect("a change");
    }
    env.graft(["checkout", "-f", "HEAD", "--", "."]).ok();
    for (name, bytes) in &contents {
        assert_same(name, &std::fs::read(env.path(name)).expect("restored"), bytes);
    }
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
}

fn same_files(env: &TestEnvironment, a: &Path, b: &Path) {
    let mut compare = env.program("cmp", env.repo());
    compare.arg(a).arg(b);
    env.run(compare).ok();
}

/// What only `cli-tests/run --all` runs.
mod at_length {
    use super::*;

    /// Over 1 GiB, where the page that holds byte 2^30 must stay out of the way. Takes 4 GiB of disk and
    /// about a minute, so it runs with `cli-tests/run --all`.
    #[test]
    #[ignore = "needs 4 GiB of disk: cli-tests/run --all"]
    fn a_database_over_one_gibibyte() {
        let env = TestEnvironment::init();
        let folder = env.repo().to_str().expect("a UTF-8 path");
        python(&fixture("generate.py"), &["make", folder, "--only", "huge", "--huge"]);
        let path = env.path("huge.db");
        let kept = env.outside().join("kept.db");
        std::fs::copy(&path, &kept).expect("a copy");
        env.graft(["add", "huge.db"]).ok();
        env.graft(["commit", "-m", "huge"]).ok();
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
        let out = env.outside().join("out.db");
        env.graft(["export", "HEAD:huge.db", "-o", out.to_str().expect("UTF-8")]).ok();
        same_files(&env, &out, &kept);

        sql(&path, "UPDATE chunk SET name = 'changed' WHERE id % 100 = 1");
        env.graft(["commit", "-am", "a few rows"]).ok();
        env.graft(["checkout", "HEAD~1", "--", "huge.db"]).ok();
        assert_eq!(crate::database::number(&path, "SELECT count(*) FROM chunk WHERE name = 'changed'"), 0);
        assert_sound(&path);
        remove_database(&path);
        env.graft(["checkout", "HEAD~1", "--", "huge.db"]).ok();
        same_files(&env, &path, &kept);
    }
}
