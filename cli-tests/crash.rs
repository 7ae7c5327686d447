//! A crash at any write, fsync or rename leaves the old state or the new one, and nothing needs repair.
//!
//! Debug builds number these operations: `GRAFT_CRASH_AT=N` aborts right before the N-th,
//! `GRAFT_CRASH_COUNT=FILE` notes how many there are. Every test walks through all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::database::{assert_same, assert_sound, make, number, pages, serialize, sql, without_volatile};
use crate::env::TestEnvironment;
use crate::tree::copy_tree;

/// Exit code of a process that aborted, as [`crate::env::Outcome::code`] gives it.
const ABORTED: i32 = 1006;

/// What a user sees of a repository. Two equal states are the same state.
#[derive(Debug, Clone, PartialEq)]
struct State {
    log: String,
    status: String,
    index: Vec<String>,
    /// Where HEAD is.
    branch: String,
    /// The entries of the stash.
    stash: String,
    /// The rows of `HEAD:app.db`, as bytes of the file.
    head: Option<Vec<u8>>,
    /// The rows of the databases in the worktree.
    worktree: BTreeMap<String, Vec<u8>>,
}

impl State {
    /// Looks at a repository; every command that looks must work.
    #[track_caller]
    fn of(env: &TestEnvironment) -> Self {
        let log = env.graft(["log", "--oneline", "HEAD"]);
        // Ids hold random parts of storage: subjects and paths are what two runs have in common.
        let log = match log.code() {
            0 => log.ok().lines().map(|line| line.split_once(' ').expect("a subject").1.to_owned() + "\n").collect(),
            _ => log.fails(&["no commits"]),
        };
        let head = (!log.contains("no commits")).then(|| export(env, "HEAD:app.db"));
        Self {
            status: env.graft(["status", "--porcelain"]).ok(),
            index: env.graft(["ls-files"]).ok().lines().map(str::to_owned).collect(),
            branch: env.graft(["branch", "--show-current"]).ok(),
            stash: env.graft(["stash", "list"]).ok().lines().map(without_id).collect(),
            head,
            worktree: databases(env),
            log,
        }
    }
}

/// `stash@{0}: WIP on main: <id> subject` without the id, which holds random parts of storage.
fn without_id(line: &str) -> String {
    line.split(' ').enumerate().filter(|(at, _)| *at != 4).map(|(_, word)| format!("{word} ")).collect()
}

fn databases(env: &TestEnvironment) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(env.repo()).expect("the worktree").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "db")).collect();
    found.sort();
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    found.iter().map(|path| (name(path), without_volatile(pages(path)))).collect()
}

#[track_caller]
fn export(env: &TestEnvironment, what: &str) -> Vec<u8> {
    let out = env.outside().join("exported.db");
    std::fs::remove_file(&out).ok();
    env.graft(["export", what, "-o", out.to_str().expect("UTF-8")]).ok();
    assert_sound(&out);
    without_volatile(std::fs::read(&out).expect("the export"))
}

/// One operation, stopped at each of its crash points in turn.
struct Walk<'a> {
    /// Prepares a repository in which the operation is about to happen.
    prepare: &'a dyn Fn(&TestEnvironment),
    operation: &'a [&'a str],
}

impl Walk<'_> {
    /// Demands at every crash point: all commands work, fsck passes, and the states seen are the old one
    /// up to some point and the new one from there on. Then the operation is done again and must succeed.
    fn run(&self) {
        let env = TestEnvironment::init();
        (self.prepare)(&env);
        let kept = env.outside().join("kept");
        copy_tree(env.repo(), &kept);
        let old = State::of(&env);
        let back = || {
            copy_tree(&kept, env.repo());
            // A folder that got the number of the old one would not be noted anew as a copy, and the crash points would be others.
            let writer = env.dot_graft().join("writer");
            if writer.exists() {
                std::fs::write(writer, "0 0 0\n").expect("the note of another folder");
            }
        };

        back();
        let count_file = env.outside().join("count");
        let mut counted = env.command(self.operation);
        counted.env("GRAFT_CRASH_COUNT", &count_file);
        env.run(counted).ok();
        let new = State::of(&env);
        assert_ne!(old, new, "{:?} changes nothing", self.operation);
        let points: u32 = std::fs::read_to_string(&count_file)
            .expect("a debug build notes the number of crash points")
            .trim()
            .parse()
            .expect("a number");
        assert!(points >= 5, "only {points} crash points in {:?}", self.operation);

        let mut moved = false;
        for at in 1..=points {
            back();
            let mut crashing = env.command(self.operation);
            crashing.env("GRAFT_CRASH_AT", at.to_string());
            let ended = env.run(crashing);
            if ended.code() == 0 && at + 8 > points {
                // How often the index is refreshed at the end depends on the clock.
                break;
            }
            ended.expect(ABORTED);
            let when = format!("{:?} stopped at {at} of {points}", self.operation);
            env.graft(["fsck"]).expect_when(0, &when);
            let seen = State::of(&env);
            if seen == old {
                assert!(!moved, "{when}: the old state is back after the new one was seen");
            } else if seen == new {
                moved = true;
            } else {
                panic!(
                    "{when}: neither old nor new\nseen {}\nold  {}\nnew  {}",
                    brief(&seen),
                    brief(&old),
                    brief(&new)
                );
            }
            // Every third time is enough to see that nothing is in the way of doing it again.
            if seen == old && at % 3 == 1 {
                let again = env.graft(self.operation);
                again.expect_when(0, &format!("again after {when}"));
                assert!(State::of(&env) == new, "{when}: done again, the state is another");
            }
        }
        env.graft(["fsck"]).ok();
        eprintln!("{:?}: {points} crash points", self.operation);
    }
}

/// A state without its bytes.
fn brief(state: &State) -> String {
    format!(
        "log {:?} branch {:?} stash {:?} status {:?} index {:?} head {:?} worktree {}",
        state.log,
        state.branch,
        state.stash,
        state.status,
        state.index,
        state.head.as_ref().map(|bytes| blake(bytes)),
        state.worktree.iter().map(|(name, bytes)| format!("{name} {} ", blake(bytes))).collect::<String>()
    )
}

/// A short name for some bytes.
fn blake(bytes: &[u8]) -> String {
    format!("{}:{}", bytes.len(), &blake3::hash(bytes).to_hex()[..8])
}

fn app(env: &TestEnvironment) -> PathBuf {
    env.path("app.db")
}

/// 300 rows committed, and 40 more in the worktree.
fn changed(env: &TestEnvironment) {
    two_commits(env);
    sql(&app(env), "INSERT INTO item(name, body) SELECT name, body FROM item WHERE id <= 40");
}

/// 300 rows at HEAD~1, some of them different at HEAD.
fn two_commits(env: &TestEnvironment) {
    make(&app(env), 300, "DELETE");
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "first"]).ok();
    sql(&app(env), "UPDATE item SET n = id WHERE id % 10 = 0");
    env.graft(["commit", "-am", "second"]).ok();
}

#[test]
fn the_first_add() {
    let prepare = |env: &TestEnvironment| make(&app(env), 300, "DELETE");
    Walk { prepare: &prepare, operation: &["add", "app.db"] }.run();
}

#[test]
fn the_first_commit() {
    let prepare = |env: &TestEnvironment| {
        make(&app(env), 300, "WAL");
        env.graft(["add", "app.db"]).ok();
    };
    Walk { prepare: &prepare, operation: &["commit", "-m", "first"] }.run();
}

#[test]
fn add_of_a_change() {
    Walk { prepare: &changed, operation: &["add", "app.db"] }.run();
}

#[test]
fn commit_of_a_staged_change() {
    let prepare = |env: &TestEnvironment| {
        changed(env);
        env.graft(["add", "app.db"]).ok();
    };
    Walk { prepare: &prepare, operation: &["commit", "-m", "third"] }.run();
}

#[test]
fn commit_of_everything_changed() {
    Walk { prepare: &changed, operation: &["commit", "-am", "third"] }.run();
}

#[test]
fn commit_of_one_path() {
    let prepare = |env: &TestEnvironment| {
        changed(env);
        make(&env.path("other.db"), 20, "DELETE");
        env.graft(["add", "other.db"]).ok();
    };
    Walk { prepare: &prepare, operation: &["commit", "-m", "third", "app.db"] }.run();
}

#[test]
fn amend() {
    Walk { prepare: &changed, operation: &["commit", "--amend", "-am", "second, better"] }.run();
}

#[test]
fn remove_from_the_index() {
    let prepare = |env: &TestEnvironment| {
        two_commits(env);
        make(&env.path("other.db"), 20, "DELETE");
        env.graft(["add", "other.db"]).ok();
    };
    Walk { prepare: &prepare, operation: &["rm", "--cached", "other.db"] }.run();
}

/// Two branches that differ in a changed, a new and a removed database.
fn two_branches(env: &TestEnvironment) {
    two_commits(env);
    make(&env.path("gone.db"), 30, "WAL");
    env.graft(["add", "gone.db"]).ok();
    env.graft(["commit", "-m", "third"]).ok();
    env.graft(["switch", "-c", "dev"]).ok();
    sql(&app(env), "DELETE FROM item WHERE id % 3 = 0");
    env.graft(["rm", "gone.db"]).ok();
    make(&env.path("new.db"), 40, "DELETE");
    env.graft(["add", "new.db"]).ok();
    env.graft(["commit", "-am", "fourth"]).ok();
    env.graft(["switch", "main"]).ok();
}

fn unsaved(env: &TestEnvironment) {
    two_branches(env);
    sql(&app(env), "UPDATE item SET n = -1");
}

#[test]
fn switch() {
    Walk { prepare: &two_branches, operation: &["switch", "dev"] }.run();
}

#[test]
fn switch_to_a_new_branch() {
    Walk { prepare: &two_branches, operation: &["switch", "-c", "new", "dev"] }.run();
}

#[test]
fn merge() {
    Walk { prepare: &two_branches, operation: &["merge", "--ff-only", "dev"] }.run();
}

#[test]
fn merge_of_rows() {
    let prepare = |env: &TestEnvironment| {
        two_commits(env);
        make(&env.path("other.db"), 30, "WAL");
        env.graft(["add", "other.db"]).ok();
        env.graft(["commit", "-m", "a second file"]).ok();
        env.graft(["switch", "-c", "dev"]).ok();
        for name in ["app.db", "other.db"] {
            sql(&env.path(name), "UPDATE item SET body = 'there' WHERE id % 5 = 0");
        }
        env.graft(["commit", "-am", "there"]).ok();
        env.graft(["switch", "main"]).ok();
        for name in ["app.db", "other.db"] {
            sql(&env.path(name), "UPDATE item SET body = 'here' WHERE id % 5 = 1");
        }
        env.graft(["commit", "-am", "here"]).ok();
    };
    Walk { prepare: &prepare, operation: &["merge", "dev"] }.run();
}

#[test]
fn reset_over_unsaved_work() {
    Walk { prepare: &unsaved, operation: &["reset", "--hard", "HEAD~2"] }.run();
}

#[test]
fn remove() {
    Walk { prepare: &two_branches, operation: &["rm", "gone.db"] }.run();
}

#[test]
fn stash_push() {
    Walk { prepare: &unsaved, operation: &["stash"] }.run();
}

#[test]
fn stash_pop() {
    let prepare = |env: &TestEnvironment| {
        unsaved(env);
        env.graft(["stash"]).ok();
    };
    Walk { prepare: &prepare, operation: &["stash", "pop"] }.run();
}

#[test]
fn undo() {
    let prepare = |env: &TestEnvironment| {
        unsaved(env);
        env.graft(["reset", "--hard", "HEAD~2"]).ok();
    };
    Walk { prepare: &prepare, operation: &["undo"] }.run();
}

/// A checkout of a path moves no ref: the file is replaced in one SQLite transaction, then the index. A
/// crash leaves file and index each in the old or the new state, and the command can be given again.
#[test]
fn checkout_of_a_path() {
    for (name, operation) in
        [("in place", ["checkout", "HEAD~1", "--", "app.db"]), ("into nothing", ["checkout", "HEAD~1", "--", "app.db"])]
    {
        let env = TestEnvironment::init();
        two_commits(&env);
        if name == "into nothing" {
            std::fs::remove_file(app(&env)).expect("the file goes");
        }
        let kept = env.outside().join("kept");
        copy_tree(env.repo(), &kept);
        let first = export(&env, "HEAD~1:app.db");
        let second = export(&env, "HEAD:app.db");

        let count_file = env.outside().join("count");
        let mut counted = env.command(operation);
        counted.env("GRAFT_CRASH_COUNT", &count_file);
        env.run(counted).ok();
        let points: u32 = std::fs::read_to_string(&count_file).expect("a count").trim().parse().expect("a number");
        for at in 1..=points {
            copy_tree(&kept, env.repo());
            let mut crashing = env.command(operation);
            crashing.env("GRAFT_CRASH_AT", at.to_string());
            env.run(crashing).expect(ABORTED);
            let when = format!("checkout {name} stopped at {at} of {points}");
            env.graft(["fsck"]).expect_when(0, &when);
            env.graft(["status", "--porcelain"]).expect_when(0, &when);
            match app(&env).exists() {
                true => {
                    let now = without_volatile(serialize(&app(&env)));
                    let old_allowed = name == "in place" && now == second;
                    assert!(now == first || old_allowed, "{when}: the file is neither old nor new");
                }
                false => assert_eq!(name, "into nothing", "{when}: the file is gone"),
            }
            env.graft(operation).expect_when(0, &when);
            assert_same(&when, &without_volatile(serialize(&app(&env))), &first);
            assert_eq!(env.graft(["status", "--porcelain"]).ok(), "M  app.db\n", "{when}");
        }
        eprintln!("checkout {name}: {points} crash points");
    }
}

/// 200 rounds of `kill -9` at random moments of add, commit and checkout, in one repository that lives on.
#[test]
fn kill_at_random_moments() {
    let env = TestEnvironment::init();
    let path = app(&env);
    make(&path, 400, "DELETE");
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "0"]).ok();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut lasts = Duration::from_millis(60);
    let (mut killed, mut moved) = (0, 0);
    for round in 1..=200u32 {
        let old = env.graft(["rev-parse", "HEAD"]).ok();
        let head_rows = without_volatile(serialize_export(&env));
        sql(&path, &format!("UPDATE item SET n = {round} WHERE id % 17 = {}", round % 17));
        let rows = without_volatile(serialize(&path));
        let message = round.to_string();
        let operation: &[&str] = match round % 4 {
            0 => &["add", "app.db"],
            1 | 2 => &["commit", "-am", &message],
            _ => &["checkout", "--force", "HEAD", "--", "app.db"],
        };
        let started = Instant::now();
        let mut child =
            env.command(operation).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("graft starts");
        let wait = lasts.mul_f64(f64::from(random.below(1200)) / 1000.0);
        std::thread::sleep(wait);
        child.kill().expect("a signal");
        let status = child.wait().expect("an end");
        if status.success() {
            // So that kills fall within the operation on a slow machine as on a fast one.
            lasts = (lasts + started.elapsed().min(lasts)) / 2;
        } else {
            killed += 1;
            lasts = lasts.mul_f64(1.02);
        }

        let when = format!("round {round}: {operation:?} killed after {wait:?}");
        env.graft(["status", "--porcelain"]).expect_when(0, &when);
        let new = env.graft(["rev-parse", "HEAD"]).ok();
        let head_now = without_volatile(serialize_export(&env));
        if new == old {
            assert!(!(status.success() && operation[0] == "commit"), "{when}: an acknowledged commit is lost");
            assert_same(&when, &head_now, &head_rows);
        } else {
            moved += 1;
            assert_eq!(operation[0], "commit", "{when}: HEAD moved");
            assert_eq!(env.graft(["rev-parse", "HEAD~1"]).ok(), old, "{when}");
            assert_same(&when, &head_now, &rows);
        }
        let now = without_volatile(serialize(&path));
        assert!(
            now == rows || (operation[0] == "checkout" && now == head_rows),
            "{when}: the file is neither old nor new"
        );
        if round % 5 == 0 {
            env.graft(["fsck"]).expect_when(0, &when);
            assert_sound(&path);
        }
    }
    env.graft(["commit", "--allow-empty", "-am", "end"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
    env.graft(["fsck"]).ok();
    let commits = env.graft(["log", "--oneline"]).ok().lines().count();
    assert_eq!(commits, moved + 2, "commits in the log");
    eprintln!("200 rounds: {killed} killed before their end, {moved} commits made");
    assert_eq!(number(&path, "SELECT count(*) FROM item"), 400);
    leftovers_are_few(&env.dot_graft().join("tmp"));
}

/// What killed processes leave in `tmp` must not pile up without bound.
fn leftovers_are_few(tmp: &Path) {
    let left = std::fs::read_dir(tmp).map_or(0, Iterator::count);
    assert!(left <= 200, "{left} files were left in tmp");
}

fn serialize_export(env: &TestEnvironment) -> Vec<u8> {
    let out = env.outside().join("head.db");
    std::fs::remove_file(&out).ok();
    env.graft(["export", "HEAD:app.db", "-o", out.to_str().expect("UTF-8")]).ok();
    std::fs::read(&out).expect("the export")
}

/// A small deterministic generator (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}
