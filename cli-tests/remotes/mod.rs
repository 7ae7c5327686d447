//! Remotes as a user sees them: commands and their answers, several writers at once, processes that die.

mod commands;
mod contract;
#[cfg(debug_assertions)]
mod crash;
mod killed;
mod lazy;
mod lazy_model;
mod racing;
mod unmaterialized;
mod upkeep;
mod wrong;

use std::path::{Path, PathBuf};

use crate::database::{assert_same, make, serialize, sql, without_volatile};
use crate::env::TestEnvironment;

/// Repositories beside each other, and a folder as their remote.
struct Place {
    env: TestEnvironment,
    url: String,
}

impl Place {
    /// A repository `one` with a database in one commit, pushed to a folder.
    fn new() -> Self {
        let env = TestEnvironment::empty();
        let url = env.outside().join("hub").to_str().expect("UTF-8").to_owned();
        Self::at(env, url)
    }

    /// The same with another remote.
    fn at(env: TestEnvironment, url: String) -> Self {
        let place = Self { env, url };
        let one = place.dir("one");
        place.env.graft_in(&place.env.outside(), ["init", "one"]).ok();
        make(&one.join("app.db"), 400, "DELETE");
        place.run("one", &["add", "."]);
        place.run("one", &["commit", "-m", "first"]);
        place.run("one", &["remote", "add", "origin", &place.url]);
        place.run("one", &["push", "-u", "origin", "main"]);
        place
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.env.outside().join(name)
    }

    /// Runs `graft` in a repository; it has to succeed.
    #[track_caller]
    fn run(&self, name: &str, args: &[&str]) -> String {
        self.env.graft_in(&self.dir(name), args).ok()
    }

    #[track_caller]
    fn clone(&self, name: &str) {
        self.env.graft_in(&self.env.outside(), ["clone", &self.url, name]).ok();
    }

    /// Changes one row of the database of a repository and commits that.
    #[track_caller]
    fn change(&self, name: &str, row: u32) {
        sql(&self.dir(name).join("app.db"), &format!("UPDATE item SET n = n + 1 WHERE id = {row}"));
        self.run(name, &["commit", "-qam", &format!("{name} {row}")]);
    }

    fn head(&self, name: &str) -> String {
        self.run(name, &["rev-parse", "HEAD"]).trim().to_owned()
    }

    #[track_caller]
    fn assert_sound(&self, name: &str) {
        self.run(name, &["fsck"]);
        assert_eq!(self.run(name, &["status", "--porcelain"]), "", "{name} is clean");
    }

    #[track_caller]
    fn assert_equal(&self, one: &str, two: &str) {
        let read = |name: &str| without_volatile(serialize(&self.dir(name).join("app.db")));
        assert_same("the databases", &read(one), &read(two));
    }
}

/// Returns all files below a folder.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().map(|e| e.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
