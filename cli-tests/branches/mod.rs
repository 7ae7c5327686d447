//! Branches and moving through history: switching live databases, undo, the stash, and that no work is ever lost.

mod disk_full;
mod live;
mod model;
mod refused;
mod stash;
mod switch;
mod undo;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::database::{SIDECARS, make, serialize_all, sql, without_volatile};
use crate::env::TestEnvironment;

/// `main` and `dev`, on `main`: app.db with 300 rows that differ in 30, shop.db in WAL mode that differs in all, `gone.db` only
/// on main, `data/new.db` only on dev, and a text file that is the same.
pub fn two_branches() -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 300, "DELETE");
    make(&env.path("shop.db"), 50, "WAL");
    make(&env.path("gone.db"), 10, "DELETE");
    std::fs::write(env.path("notes.txt"), "the same\n").expect("write");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    env.graft(["switch", "-c", "dev"]).ok();
    sql(&env.path("app.db"), "UPDATE item SET n = -id WHERE id % 10 = 0");
    sql(&env.path("shop.db"), "UPDATE item SET n = 7, body = hex(body)");
    env.graft(["rm", "gone.db"]).ok();
    std::fs::create_dir(env.path("data")).expect("folder");
    make(&env.path("data/new.db"), 20, "DELETE");
    env.graft(["add", "data"]).ok();
    env.graft(["commit", "-am", "two"]).ok();
    env.graft(["switch", "main"]).ok();
    assert_eq!(status(&env), "");
    env
}

/// What `status` says to scripts.
pub fn status(env: &TestEnvironment) -> String {
    env.graft(["status", "--porcelain"]).ok()
}

/// The rows of all databases of the worktree, by path, and the bytes of the other files.
pub fn worktree(env: &TestEnvironment) -> BTreeMap<String, Vec<u8>> {
    let mut files = Vec::new();
    collect(env.repo(), &mut files);
    let (databases, others): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3")));
    let rows = serialize_all(&databases.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let name = |path: &PathBuf| path.strip_prefix(env.repo()).expect("below the top").display().to_string();
    let databases = databases.iter().map(name).zip(rows.into_iter().map(without_volatile));
    databases.chain(others.iter().map(|path| (name(path), std::fs::read(path).expect("a file")))).collect()
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_sidecar = SIDECARS.iter().any(|suffix| path.to_string_lossy().ends_with(suffix));
        if path.is_dir() && !path.ends_with(".graft") {
            collect(&path, found);
        } else if path.is_file() && !is_sidecar {
            found.push(path);
        }
    }
}

/// Everything that commands can change and that `undo` brings back.
#[derive(Debug, Clone, PartialEq)]
pub struct All {
    refs: String,
    head: String,
    index: String,
    status: String,
    stash: String,
    worktree: BTreeMap<String, Vec<u8>>,
}

impl All {
    pub fn of(env: &TestEnvironment) -> Self {
        let refs = env.graft(["show-ref"]);
        Self {
            refs: refs.stdout(),
            head: env.graft(["symbolic-ref", "-q", "HEAD"]).stdout() + &env.graft(["rev-parse", "HEAD"]).stdout(),
            index: env.graft(["ls-files", "-s"]).ok(),
            status: status(env),
            stash: env.graft(["stash", "list"]).ok(),
            worktree: worktree(env),
        }
    }
}
