//! Scripts of strangers: nothing but the database changes, and nothing at all where it is said so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::open;
use crate::sqlite::apply::{ApplyOptions, apply_script};
use crate::sqlite::attach::Busy;
use crate::sqlite::diff::{Diff, DiffOptions, Selected, Selection};
use crate::sqlite::file_source::FileSource;
use crate::sqlite::script::write_script;

const BUSY: Busy<'_> = Busy { timeout: Duration::ZERO, on_wait: &|_| {} };

fn options(check: bool) -> ApplyOptions<'static> {
    ApplyOptions { busy: BUSY, check, verify: true }
}

/// A folder with a database, the script that `diff --sql` writes for a change of it, and a file that is none of its business.
struct Place {
    dir: tempfile::TempDir,
    script: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("x.db"), dir.path().join("new.db"));
        let base =
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 2), (2, 3); CREATE TABLE o (x)";
        open(&old).execute_batch(base).unwrap();
        let change = "UPDATE t SET a = 9 WHERE id = 1; INSERT INTO t VALUES (5, 'five'); CREATE INDEX i ON t (a)";
        open(&new).execute_batch(&format!("{base}; {change}; PRAGMA user_version = 3")).unwrap();
        let source = |path: &Path| Arc::new(FileSource::open(path, BUSY).unwrap());
        let mut script = Vec::new();
        {
            let diff = Diff::open(source(&old), source(&new), None, DiffOptions::default()).unwrap();
            let selection = Selection::default();
            write_script(Selected { diff: &diff, selection: &selection }, "x.db", &mut script).unwrap();
        }
        fs::remove_file(new).unwrap();
        fs::write(dir.path().join("victim"), "mine").unwrap();
        Self { dir, script: String::from_utf8(script).unwrap() }
    }

    fn database(&self) -> PathBuf {
        self.dir.path().join("x.db")
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// Applies a script that must be refused, with and without a look only; nothing may change.
    fn refuses(&self, script: &str) {
        let before = self.files();
        for check in [true, false] {
            let done = apply_script(&self.database(), script, &options(check));
            assert!(done.is_err(), "check: {check}: {script}");
            assert!(self.files() == before, "check: {check}: changed by {script}");
        }
    }
}

/// What no script of `diff --sql` has.
const HOSTILE: [&str; 28] = [
    "END;",
    "COMMIT ;",
    "commit;",
    "ROLLBACK;",
    "SAVEPOINT s;",
    "RELEASE s;",
    "BEGIN;",
    "BEGIN IMMEDIATE;",
    "PRAGMA user_version=77;",
    "PRAGMA writable_schema = ON;",
    "PRAGMA journal_mode = WAL;",
    "PRAGMA foreign_keys = ON;",
    "PRAGMA wal_checkpoint;",
    "PRAGMA locking_mode = EXCLUSIVE;",
    "PRAGMA trusted_schema = ON;",
    "PRAGMA temp_store_directory = '/tmp';",
    "ATTACH 'other.db' AS a;",
    "VACUUM INTO 'other.db';",
    "VACUUM;",
    "CREATE TEMP TRIGGER g AFTER INSERT ON main.t BEGIN DELETE FROM o; END;",
    "CREATE TEMP VIEW graft_v AS SELECT 1;",
    "CREATE TEMP TABLE mine (x);",
    "SELECT load_extension('x');",
    "SELECT fts3_tokenizer('simple', x'00');",
    "SELECT data FROM sqlite_dbpage;",
    "UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno = 1;",
    "UPDATE sqlite_schema SET sql = 'x';",
    "DELETE FROM sqlite_master;",
];

#[test]
fn a_script_of_ours_is_applied_once_it_is_not_only_looked_at() {
    let place = Place::new();
    let before = place.files();
    apply_script(&place.database(), &place.script, &options(true)).unwrap();
    assert!(place.files() == before);
    apply_script(&place.database(), &place.script, &options(false)).unwrap();
    let rows: String = open(&place.database()).query_row("SELECT group_concat(a) FROM t", [], |r| r.get(0)).unwrap();
    assert_eq!(rows, "9,3,five");
}

#[test]
fn what_no_such_script_does_is_refused_wherever_it_stands() {
    let place = Place::new();
    let lines: Vec<&str> = place.script.lines().collect();
    for hostile in HOSTILE {
        for at in 1..=lines.len() {
            let mut script = lines.clone();
            script.insert(at, hostile);
            let begun = lines[..at].iter().any(|line| line.starts_with("BEGIN"));
            // A second setting of the same kind is one that such a script could have.
            if begun || !hostile.starts_with("BEGIN IMMEDIATE") {
                place.refuses(&script.join("\n"));
            }
        }
    }
}

#[test]
fn scripts_from_a_small_grammar_change_nothing_that_is_not_theirs() {
    let place = Place::new();
    let original = fs::read(place.database()).unwrap();
    let parts: Vec<&str> = HOSTILE
        .into_iter()
        .chain(place.script.lines().skip(1))
        .chain([
            "DELETE FROM t;",
            "DROP TABLE o;",
            "INSERT INTO nope VALUES (1);",
            "PRAGMA user_version = 5;",
            "COMMIT;",
            "BEGIN IMMEDIATE;",
            "/* ",
            "'",
            ";",
        ])
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let (mut refused, mut applied) = (0, 0);
    for _ in 0..500 {
        let mut lines: Vec<&str> = place.script.lines().collect();
        for _ in 0..1 + next(4) {
            let at = 1 + next(lines.len() - 1);
            match next(3) {
                0 => {
                    lines.remove(at);
                }
                _ => lines.insert(at, parts[next(parts.len())]),
            }
        }
        let script = lines.join("\n");
        fs::write(place.database(), &original).unwrap();
        let before = place.files();
        let _ = apply_script(&place.database(), &script, &options(true));
        assert!(place.files() == before, "only looked at: {script}");
        let done = apply_script(&place.database(), &script, &options(false));
        let mut after = place.files();
        match done {
            Ok(_) => applied += 1,
            Err(_) => {
                refused += 1;
                assert!(after == before, "refused, and changed all the same: {script}");
            }
        }
        after.insert(place.database(), original.clone());
        assert!(after == before, "something else changed: {script}");
    }
    assert!(refused > 300 && applied > 0, "{refused} refused, {applied} applied");
}
