//! A repository that may not be written to is read as well as any other, and reading writes nothing: with the index folded, missing,
//! or damaged.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::bad_input::{give_away, set_modes, unprivileged};
use crate::database::{make, sql};
use crate::env::{Outcome, TestEnvironment};
use crate::remotes::files;

/// More operations than the tail of the index holds.
const OPERATIONS: usize = 260;

/// A repository with a few commits and a volume with many, so that the index is in its folded form but for the last few.
fn repository() -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 50, "DELETE");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-qm", "first"]).ok();
    env.graft(["tag", "-a", "v1", "-m", "one"]).ok();
    env.graft(["volume", "new", "--tag", "v"]).ok();
    let script: String = (0..OPERATIONS).map(|n| format!("INSERT INTO t VALUES ({n});\n")).collect();
    std::fs::write(env.outside().join("script.sql"), format!("CREATE TABLE t (n);\n{script}")).expect("a script");
    let script = env.outside().join("script.sql");
    env.graft(["sql", "--volume", "v", "-f", script.to_str().expect("UTF-8")]).ok();
    assert!(env.dot_graft().join("store").exists(), "the tail has not been folded");
    for row in 1..=3 {
        sql(&env.path("app.db"), &format!("UPDATE item SET n = n + 1 WHERE id = {row}"));
        env.graft(["commit", "-qam", &format!("row {row}")]).ok();
    }
    // What was recorded before lies in the store alone.
    let tail = env.dot_graft().join("index-tail").metadata().expect("there").len();
    assert!(tail < 20_000, "{tail} bytes of tail");
    env
}

/// Every file and folder below a folder: its bytes, and when it was changed.
fn state(dir: &Path) -> BTreeMap<String, (i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut add = |path: &Path, bytes: Vec<u8>| {
        let meta = path.metadata().expect("there");
        found.insert(path.display().to_string(), (meta.mtime(), meta.mtime_nsec(), bytes));
    };
    for file in files(dir) {
        add(&file, std::fs::read(&file).expect("readable"));
        add(file.parent().expect("a folder"), Vec::new());
    }
    found
}

/// What only reads, and works anywhere.
const READING: [&[&str]; 24] = [
    &["status", "--porcelain"],
    &["diff", "HEAD~2", "HEAD"],
    &["diff", "--stat", "v1", "HEAD"],
    &["log", "-p"],
    &["log", "--format=%H", "--", "app.db"],
    &["show", "HEAD~1"],
    &["rev-parse", "HEAD~3"],
    &["rev-list", "HEAD"],
    &["describe", "HEAD"],
    &["reflog"],
    &["tag", "-l"],
    &["branch", "-v"],
    &["ls-files", "-s"],
    &["ls-tree", "HEAD~1"],
    &["cat-file", "-p", "v1"],
    &["export", "HEAD~2:app.db", "-o", "-"],
    &["sql", "--at", "HEAD~2", "SELECT sum(n) FROM item"],
    &["sql", "SELECT count(*) FROM item"],
    &["sql", "SELECT count(*) FROM graft_log"],
    &["volume", "list"],
    &["volume", "log", "v"],
    &["volume", "checksum", "v"],
    &["sql", "--volume", "v", "SELECT count(*) FROM t"],
    &["fsck"],
];

/// Runs what only reads as somebody who may not write; each says what it says to the owner, and nothing else.
#[track_caller]
fn assert_readable(env: &TestEnvironment, wanted: &[Outcome]) {
    let before = state(&env.dot_graft());
    for (args, wanted) in READING.iter().zip(wanted) {
        let seen = env.run(unprivileged(env, args));
        assert_eq!(seen.code(), 0, "{seen}");
        assert_eq!(seen.stdout(), wanted.stdout(), "{seen}");
        assert_eq!(seen.stderr(), wanted.stderr(), "{seen}");
        assert!(state(&env.dot_graft()) == before, "something was written: {seen}");
    }
}

fn as_owner(env: &TestEnvironment) -> Vec<Outcome> {
    READING.iter().map(|args| env.graft(*args)).collect()
}

#[test]
fn what_may_not_be_written_is_read() {
    let env = repository();
    let wanted = as_owner(&env);
    wanted.iter().for_each(|outcome| drop(outcome.ok()));
    give_away(&env.outside().join("home"));
    set_modes(env.repo(), 0o555, 0o444);
    assert_readable(&env, &wanted);
    // What writes says why it cannot.
    env.run(unprivileged(&env, &["commit", "--allow-empty", "-m", "x"])).refused(&["permission"]);
    set_modes(env.repo(), 0o755, 0o644);
}

#[test]
fn an_index_of_no_use_that_may_not_be_made_anew_is_done_without() {
    let env = repository();
    let wanted = as_owner(&env);
    give_away(&env.outside().join("home"));
    let store = env.dot_graft().join("store");
    let tables: Vec<_> =
        files(&store).into_iter().filter(|file| file.display().to_string().contains("/tables/")).collect();
    assert!(tables.len() >= 3, "{tables:?}");
    for table in tables {
        std::fs::write(&table, b"not a table").expect("written");
    }
    set_modes(env.repo(), 0o555, 0o444);
    // Where volumes end is in the index alone.
    let of_files: Vec<&[&str]> =
        READING.into_iter().filter(|args| !args.contains(&"v") && args[0] != "volume").collect();
    let before = state(&env.dot_graft());
    for args in of_files {
        let wanted = &wanted[READING.iter().position(|one| *one == args).expect("one of them")];
        let seen = env.run(unprivileged(&env, args));
        assert_eq!((seen.code(), seen.stdout(), seen.stderr()), (0, wanted.stdout(), wanted.stderr()), "{seen}");
        assert!(state(&env.dot_graft()) == before, "something was written: {seen}");
    }
    set_modes(env.repo(), 0o755, 0o644);
    // Who may write mends it.
    let mended = env.graft(["log", "--format=%s"]);
    assert_eq!(mended.ok().lines().count(), 4, "{mended}");
}

#[test]
fn reading_writes_nothing_where_it_could() {
    let env = repository();
    as_owner(&env).iter().for_each(|outcome| drop(outcome.ok()));
    let before = state(&env.dot_graft());
    for args in READING {
        let seen = env.graft(args);
        assert!(state(&env.dot_graft()) == before, "something was written: {seen}");
    }
}

#[test]
fn mode_of_the_test_is_what_it_says() {
    // The tests above show nothing if whoever runs them can write all the same.
    let env = TestEnvironment::init();
    set_modes(env.repo(), 0o555, 0o444);
    give_away(&env.outside().join("home"));
    env.run(unprivileged(&env, &["branch", "x"])).expect(128);
    let mode = env.dot_graft().metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o222, 0);
    set_modes(env.repo(), 0o755, 0o644);
}
