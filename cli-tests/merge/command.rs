//! `graft merge`, `pull --no-rebase` and `merge-file` from outside.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::database::{assert_sound, make, number, sql, text};
use crate::env::TestEnvironment;
use crate::tree::files_under;

/// A repository whose branches `main` and `feature` both went on from one commit; `main` is checked out.
fn parted(base: &str, feature: &str, main: &str) -> TestEnvironment {
    let env = TestEnvironment::init();
    let app = env.path("app.db");
    sql(&app, base);
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "base"]).ok();
    env.graft(["switch", "-c", "feature"]).ok();
    sql(&app, feature);
    env.graft(["commit", "-am", "there"]).ok();
    env.graft(["switch", "main"]).ok();
    sql(&app, main);
    env.graft(["commit", "-am", "here"]).ok();
    env
}

const BASE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES (1, 'x', 'y'), (2, 'x', 'y')";

fn rows(env: &TestEnvironment) -> String {
    text(&env.path("app.db"), "SELECT group_concat(id || a || b, ' ') FROM (SELECT * FROM t ORDER BY id)")
}

/// Everything that a refused merge must leave as it was.
fn all(env: &TestEnvironment) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |file: PathBuf| (file.clone(), std::fs::read(env.repo().join(&file)).expect("a file"));
    let notes = ["lock", "writer", "store"];
    let kept = |file: &PathBuf| {
        !file.components().any(|c| notes.iter().any(|n| c.as_os_str() == *n))
            && file.extension().is_none_or(|e| e != "lock")
    };
    files_under(env.repo()).into_iter().filter(kept).map(read).collect()
}

#[test]
fn both_went_on() {
    let env = parted(
        BASE,
        "UPDATE t SET a = 'T' WHERE id = 1",
        "UPDATE t SET b = 'O' WHERE id = 1; INSERT INTO t VALUES (3, 'o', 'o')",
    );
    let (main, feature) = (env.graft(["rev-parse", "main"]).ok(), env.graft(["rev-parse", "feature"]).ok());
    let before = env.path("app.db").metadata().expect("the file").len();
    let would = env.graft(["merge", "--dry-run", "feature"]).ok();
    assert!(would.contains("would go well"), "{would}");
    assert_eq!(env.graft(["rev-parse", "main"]).ok(), main);
    let said = env.graft(["merge", "feature"]).ok();
    assert!(said.contains("Auto-merging app.db") && said.contains("Merge made by the 'rows' strategy"), "{said}");
    assert_eq!(rows(&env), "1TO 2xy 3oo");
    assert_sound(&env.path("app.db"));
    assert_eq!(env.path("app.db").metadata().expect("the file").len(), before);
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
    assert_eq!(env.graft(["log", "-1", "--format=%s"]).ok(), "Merge branch 'feature'\n");
    assert_eq!(env.graft(["rev-parse", "HEAD^1"]).ok(), main);
    assert_eq!(env.graft(["rev-parse", "HEAD^2"]).ok(), feature);
    assert_eq!(env.graft(["rev-parse", "ORIG_HEAD"]).ok(), main);
    env.graft(["fsck"]).ok();
    assert_eq!(env.graft(["merge", "feature"]).ok(), "Already up to date.\n");
    env.graft(["undo"]).ok();
    assert_eq!(env.graft(["rev-parse", "main"]).ok(), main);
    assert_eq!(rows(&env), "1xO 2xy 3oo");
    // The other way round the rows are the same.
    env.graft(["switch", "feature"]).ok();
    env.graft(["merge", "main", "-m", "the other way"]).ok();
    assert_eq!(rows(&env), "1TO 2xy 3oo");
    assert_eq!(env.graft(["log", "-1", "--format=%s"]).ok(), "the other way\n");
}

#[test]
fn a_conflict_changes_nothing() {
    let env =
        parted(BASE, "UPDATE t SET a = 'T'", "UPDATE t SET a = 'O' WHERE id = 1; UPDATE t SET b = 'O' WHERE id = 2");
    env.graft(["status"]).ok();
    let before = all(&env);
    let failed = env.graft(["merge", "feature"]);
    failed.expect(1);
    assert!(failed.stdout().contains("CONFLICT (update/update): app.db: t id=1: both changed a"), "{failed}");
    assert!(failed.stderr().contains("1 conflict in 1 file; nothing was changed"), "{failed}");
    let json = env.graft(["merge", "feature", "--json"]);
    json.expect(1);
    let json: serde_json::Value = serde_json::from_str(&json.stdout()).expect("JSON");
    assert_eq!(json["result"], "conflicts");
    assert_eq!(json["conflicts"][0]["key"]["id"], 1);
    assert_eq!(json["conflicts"][0]["kind"], "update/update");
    env.graft(["merge", "-n", "feature"]).expect(1);
    let after = all(&env);
    for path in before.keys().chain(after.keys()) {
        assert!(before.get(path) == after.get(path), "{} was changed", path.display());
    }
    env.graft(["merge", "-X", "theirs", "feature"]).ok();
    assert_eq!(rows(&env), "1Ty 2TO");
    env.graft(["undo"]).ok();
    env.graft(["merge", "-X", "ours", "feature"]).ok();
    assert_eq!(rows(&env), "1Oy 2TO");
}

#[test]
fn ways_to_merge() {
    let env = parted(BASE, "UPDATE t SET a = 'T' WHERE id = 1", "UPDATE t SET b = 'O' WHERE id = 2");
    env.graft(["merge", "--ff-only", "feature"]).refused(&["diverged", "--ff-only"]);
    env.graft(["merge", "feature", "main"]).wrong_usage(&["only one branch"]);
    env.graft(["merge", "nobody"]).refused(&["nobody"]);
    let main = env.graft(["rev-parse", "main"]).ok();
    env.graft(["merge", "--squash", "feature"]).ok();
    assert_eq!(env.graft(["rev-parse", "main"]).ok(), main);
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "M  app.db\n");
    assert_eq!(rows(&env), "1Ty 2xO");
    env.graft(["commit", "-m", "squashed"]).ok();
    assert_eq!(env.graft(["rev-parse", "HEAD^"]).ok(), main);
    // A branch that could move forward.
    env.graft(["switch", "-c", "ahead"]).ok();
    env.graft(["commit", "--allow-empty", "-m", "ahead"]).ok();
    env.graft(["switch", "main"]).ok();
    env.graft(["merge", "--no-ff", "ahead"]).ok();
    assert_eq!(env.graft(["rev-parse", "HEAD^2"]).ok(), env.graft(["rev-parse", "ahead"]).ok());
}

#[test]
fn work_in_the_way_is_left_alone() {
    let env = parted(BASE, "UPDATE t SET a = 'T' WHERE id = 1", "UPDATE t SET b = 'O' WHERE id = 2");
    make(&env.path("other.db"), 10, "DELETE");
    env.graft(["add", "other.db"]).ok();
    env.graft(["commit", "-m", "another file"]).ok();
    sql(&env.path("other.db"), "DELETE FROM item WHERE id = 1");
    sql(&env.path("app.db"), "INSERT INTO t VALUES (9, 'mine', '')");
    env.graft(["merge", "feature"]).refused(&["app.db"]);
    assert_eq!(rows(&env), "1xy 2xO 9mine");
    env.graft(["restore", "--force", "app.db"]).ok();
    // What the merge does not touch is carried over.
    env.graft(["merge", "feature"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), " M other.db\n");
    assert_eq!(number(&env.path("other.db"), "SELECT count(*) FROM item"), 9);
}

#[test]
fn files() {
    let env = TestEnvironment::init();
    for name in ["one.db", "two.db", "gone.db", "moved.db", "both.db"] {
        make(&env.path(name), 20, "DELETE");
    }
    for (name, bytes) in [("logo.png", "base"), ("run.sh", "base")] {
        std::fs::write(env.path(name), bytes).expect("a file");
    }
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "base"]).ok();
    env.graft(["switch", "-c", "feature"]).ok();
    sql(&env.path("two.db"), "UPDATE item SET body = 'T' WHERE id = 1; VACUUM");
    sql(&env.path("gone.db"), "DELETE FROM item WHERE id = 1");
    sql(&env.path("moved.db"), "UPDATE item SET body = 'T' WHERE id = 2");
    make(&env.path("new.db"), 5, "DELETE");
    std::fs::write(env.path("run.sh"), "there").expect("a file");
    env.graft(["add", "new.db"]).ok();
    env.graft(["commit", "-am", "there"]).ok();
    env.graft(["switch", "main"]).ok();
    sql(&env.path("one.db"), "UPDATE item SET body = 'O' WHERE id = 1");
    env.graft(["mv", "moved.db", "elsewhere.db"]).ok();
    sql(&env.path("elsewhere.db"), "UPDATE item SET body = 'O' WHERE id = 1");
    std::fs::write(env.path("logo.png"), "here").expect("a file");
    env.graft(["commit", "-am", "here"]).ok();
    env.graft(["merge", "feature"]).ok();
    // A file that one side changed is taken as it is.
    let same =
        |a: &str, b: &str| assert_eq!(env.graft(["rev-parse", a]).ok(), env.graft(["rev-parse", b]).ok(), "{a} {b}");
    same("HEAD:two.db", "feature:two.db");
    same("HEAD:one.db", "HEAD^1:one.db");
    same("HEAD:gone.db", "feature:gone.db");
    same("HEAD:new.db", "feature:new.db");
    same("HEAD:run.sh", "feature:run.sh");
    same("HEAD:logo.png", "HEAD^1:logo.png");
    let moved = env.path("elsewhere.db");
    assert_eq!(text(&moved, "SELECT group_concat(body) FROM item WHERE id < 3"), "O,T");
    assert!(!env.path("moved.db").exists());
    // What cannot be decided as a whole.
    env.graft(["switch", "feature"]).ok();
    std::fs::write(env.path("logo.png"), "there").expect("a file");
    sql(&env.path("gone.db"), "DELETE FROM item WHERE id = 2");
    env.graft(["commit", "-am", "there again"]).ok();
    env.graft(["switch", "main"]).ok();
    env.graft(["rm", "gone.db"]).ok();
    std::fs::write(env.path("logo.png"), "here again").expect("a file");
    env.graft(["commit", "-am", "here again"]).ok();
    let failed = env.graft(["merge", "feature"]);
    failed.expect(1);
    for words in ["CONFLICT (content): logo.png", "CONFLICT (delete/modify): gone.db", "2 conflicts in 2 files"] {
        assert!(format!("{failed}").contains(words), "{words}: {failed}");
    }
    env.graft(["merge", "-X", "theirs", "feature"]).ok();
    assert_eq!(std::fs::read(env.path("logo.png")).expect("the file"), b"there");
    assert!(env.path("gone.db").exists());
}

#[test]
fn histories_that_have_nothing_in_common() {
    let env = parted(BASE, "DELETE FROM t", "UPDATE t SET a = 'O' WHERE id = 1");
    env.graft(["switch", "--orphan", "apart"]).ok();
    sql(
        &env.path("app.db"),
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES (2, 'x', 'y'), (7, 'n', 'n')",
    );
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "apart"]).ok();
    env.graft(["switch", "main"]).ok();
    env.graft(["merge", "apart"]).refused(&["no commit in common", "--allow-unrelated-histories"]);
    env.graft(["merge", "--allow-unrelated-histories", "apart"]).ok();
    assert_eq!(rows(&env), "1Oy 2xy 7nn");
}

#[test]
fn a_program_stays_connected() {
    for mode in ["DELETE", "WAL"] {
        let base = format!("PRAGMA journal_mode = {mode}; {BASE}");
        let env = parted(&base, "UPDATE t SET a = 'T' WHERE id = 1", "UPDATE t SET b = 'O' WHERE id = 2");
        let app = rusqlite::Connection::open(env.path("app.db")).expect("the database");
        let read =
            || app.query_row("SELECT group_concat(a || b) FROM t", [], |row| row.get::<_, String>(0)).expect("rows");
        assert_eq!(read(), "xy,xO");
        env.graft(["merge", "feature"]).ok();
        assert_eq!(read(), "Ty,xO", "{mode}");
        drop(app);
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), "", "{mode}");
    }
}

#[test]
fn a_merge_without_a_repository() {
    let env = TestEnvironment::empty();
    let file = |name: &str, changes: &str| {
        let path = env.outside().join(name);
        sql(&path, &format!("{BASE}; {changes}"));
        path.display().to_string()
    };
    let (base, ours, theirs) =
        (file("b.db", ""), file("o.db", "UPDATE t SET a = 'O' WHERE id = 1"), file("t.db", "UPDATE t SET b = 'T'"));
    let out = env.outside().join("out.db");
    let name = out.display().to_string();
    env.graft(["merge-file", &base, &ours, &theirs]).wrong_usage(&["--output"]);
    env.graft(["merge-file", &base, &ours, &theirs, "-o", &name]).ok();
    assert_eq!(text(&out, "SELECT group_concat(a || b) FROM t"), "OT,xT");
    env.graft(["merge-file", &base, &ours, &theirs, "-o", &name]).refused(&["is there already", "--force"]);
    env.graft(["merge-file", &base, &ours, &theirs, "-o", &name, "-f"]).ok();
    std::fs::write(env.outside().join("text"), "no database").expect("a file");
    let text = env.outside().join("text").display().to_string();
    env.graft(["merge-file", &base, &ours, &text, "-o", &name, "-f"]).refused(&["not an SQLite database"]);
    env.graft(["merge-file", "/nowhere/b.db", &ours, &theirs, "-o", &name, "-f"]).refused(&["/nowhere/b.db"]);
    assert_sound(&out);
}

#[test]
fn git_merges_by_the_driver() {
    let env = TestEnvironment::empty();
    let git = |args: &[&str]| {
        let mut command = env.program("git", env.repo());
        command.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]).args(args);
        env.run(command)
    };
    let (app, graft) = (env.path("app.db"), env!("CARGO_BIN_EXE_graft"));
    git(&["init", "-q"]).ok();
    git(&["config", "merge.graft.driver", &format!("{graft} merge-driver %O %A %B %P")]).ok();
    std::fs::write(env.path(".gitattributes"), "*.db merge=graft\n").expect("a file");
    sql(&app, BASE);
    git(&["add", "."]).ok();
    git(&["commit", "-qm", "base"]).ok();
    git(&["switch", "-qc", "feature"]).ok();
    sql(&app, "UPDATE t SET a = 'T' WHERE id = 1");
    git(&["commit", "-qam", "there"]).ok();
    git(&["switch", "-q", "main"]).ok();
    sql(&app, "UPDATE t SET b = 'O' WHERE id = 1");
    git(&["commit", "-qam", "here"]).ok();
    git(&["merge", "-q", "--no-edit", "feature"]).ok();
    assert_eq!(rows(&env), "1TO 2xy");
    assert_sound(&app);
    // Git reports what cannot be decided; the file holds the rest.
    git(&["switch", "-q", "feature"]).ok();
    sql(&app, "UPDATE t SET a = 'T2', b = 'T2' WHERE id = 1; INSERT INTO t VALUES (7, 't', 't')");
    git(&["commit", "-qam", "there again"]).ok();
    git(&["switch", "-q", "main"]).ok();
    sql(&app, "UPDATE t SET a = 'O2' WHERE id = 1");
    git(&["commit", "-qam", "here again"]).ok();
    let failed = git(&["merge", "--no-edit", "feature"]);
    failed.expect(1);
    assert!(format!("{failed}").contains("CONFLICT (update/update): app.db: t id=1: both changed a"), "{failed}");
    assert_eq!(rows(&env), "1O2O 2xy 7tt");
    assert!(git(&["status", "--porcelain"]).ok().contains("UU app.db"));
    git(&["merge", "--abort"]).ok();
    // A rebase goes the same way.
    git(&["switch", "-q", "-c", "third", "main"]).ok();
    sql(&app, "INSERT INTO t VALUES (8, 'r', 'r')");
    git(&["commit", "-qam", "another"]).ok();
    git(&["switch", "-q", "main"]).ok();
    sql(&app, "INSERT INTO t VALUES (9, 'm', 'm')");
    git(&["commit", "-qam", "more"]).ok();
    git(&["rebase", "-q", "main", "third"]).ok();
    assert_eq!(rows(&env), "1O2O 2xy 8rr 9mm");
}

/// A history of four commits on `main`: two rows, a third, a change of the third, a change of the first; and `feature`, which adds two
/// commits to the first.
fn picks() -> TestEnvironment {
    let env = TestEnvironment::init();
    let app = env.path("app.db");
    let commit = |change: &str, message: &str| {
        sql(&app, change);
        env.graft(["add", "app.db"]).ok();
        env.graft(["commit", "-m", message, "--author", "Ada <ada@x>", "--date", "2020-01-02T03:04:05+0100"]).ok();
    };
    commit(BASE, "base");
    env.graft(["switch", "-c", "feature"]).ok();
    commit("UPDATE t SET a = 'A' WHERE id = 1", "A");
    commit("UPDATE t SET b = 'B' WHERE id = 2", "B");
    env.graft(["switch", "main"]).ok();
    commit("INSERT INTO t VALUES (5, 'five', '5')", "five");
    commit("INSERT INTO t VALUES (6, 'six', '6')", "six");
    env
}

#[test]
fn cherry_pick() {
    let env = picks();
    env.graft(["cherry-pick", "-x", "feature"]).ok();
    assert_eq!(rows(&env), "1xy 2xB 5five5 6six6");
    assert_eq!(env.graft(["log", "-1", "--format=%s %an %aI"]).ok(), "B Ada 2020-01-02T03:04:05+01:00\n");
    let id = env.graft(["rev-parse", "feature"]).ok();
    let body = env.graft(["log", "-1", "--format=%b"]).ok();
    assert_eq!(body.trim(), format!("(cherry picked from commit {})", id.trim()));
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
    let again = env.graft(["cherry-pick", "feature"]);
    again.expect(1);
    assert!(again.stderr().contains("changes nothing here"), "{again}");
    env.graft(["cherry-pick", "--empty=drop", "main..feature"]).ok();
    assert_eq!(rows(&env), "1Ay 2xB 5five5 6six6");
    env.graft(["undo"]).ok();
    env.graft(["undo"]).ok();
    assert_eq!(rows(&env), "1xy 2xy 5five5 6six6");
    env.graft(["cherry-pick", "-n", "feature~1", "feature"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "M  app.db\n");
    assert_eq!(env.graft(["log", "-1", "--format=%s"]).ok(), "six\n");
    assert_eq!(rows(&env), "1Ay 2xB 5five5 6six6");
    env.graft(["reset", "--hard"]).ok();
    // Of several all are done, or none.
    sql(&env.path("app.db"), "UPDATE t SET b = 'mine' WHERE id = 2");
    env.graft(["commit", "-am", "mine"]).ok();
    let head = env.graft(["rev-parse", "HEAD"]).ok();
    let failed = env.graft(["cherry-pick", "main..feature"]);
    failed.expect(1);
    assert!(format!("{failed}").contains("CONFLICT (update/update): app.db: t id=2: both changed b"), "{failed}");
    assert_eq!(env.graft(["rev-parse", "HEAD"]).ok(), head);
    assert_eq!(rows(&env), "1xy 2xmine 5five5 6six6");
    env.graft(["fsck"]).ok();
}

#[test]
fn revert() {
    let env = picks();
    env.graft(["revert", "HEAD~1"]).ok();
    assert_eq!(rows(&env), "1xy 2xy 6six6");
    let message = env.graft(["log", "-1", "--format=%B"]).ok();
    let id = env.graft(["rev-parse", "HEAD~2"]).ok();
    assert_eq!(message.trim(), format!("Revert \"five\"\n\nThis reverts commit {}.", id.trim()));
    env.graft(["undo"]).ok();
    // A row that has changed since is not undone silently.
    sql(&env.path("app.db"), "UPDATE t SET a = 'changed' WHERE id = 5");
    env.graft(["commit", "-am", "changed"]).ok();
    let failed = env.graft(["revert", "HEAD~2"]);
    failed.expect(1);
    assert!(format!("{failed}").contains("CONFLICT (update/delete): app.db: t id=5"), "{failed}");
    // A merge.
    env.graft(["merge", "feature"]).ok();
    env.graft(["revert", "HEAD"]).refused(&["is a merge", "-m 1"]);
    env.graft(["revert", "-m", "3", "HEAD"]).refused(&["does not have parent 3"]);
    env.graft(["revert", "-m", "1", "HEAD"]).ok();
    assert_eq!(rows(&env), "1xy 2xy 5changed5 6six6");
    // Several, the newest first.
    env.graft(["revert", "main~4..main~2"]).ok();
    assert_eq!(rows(&env), "1xy 2xy 5five5");
}
