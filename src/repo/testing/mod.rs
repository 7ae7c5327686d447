//! What tests of this storey share: real Git as the oracle, in a repository whose ids are as long as ours.

mod git_objects;
mod history;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

pub use git_objects::GitObjects;
pub use history::History;

use crate::model::{ObjectId, Signature};

/// Returns how many random histories a test tries: as many as usual, or as the variable `GRAFT_TEST_SEEDS` says.
pub fn seeds(usual: u64) -> u64 {
    std::env::var("GRAFT_TEST_SEEDS").map_or(usual, |n| n.parse().expect("GRAFT_TEST_SEEDS is a number"))
}

/// A scratch Git repository (SHA-256, so 64-digit ids) with a fixed identity, clock and time zone.
pub struct TestGit {
    dir: tempfile::TempDir,
    now: std::cell::Cell<i64>,
}

impl Default for TestGit {
    fn default() -> Self {
        Self::new()
    }
}

impl TestGit {
    /// Makes an empty repository on branch `main`.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let git = Self { dir, now: 1_700_000_000.into() };
        git.run(&["init", "-q", "-b", "main", "--object-format=sha256"]);
        git
    }

    /// Returns the top of the worktree.
    pub fn top(&self) -> &Path {
        self.dir.path()
    }

    /// Sets the Unix seconds of the next commits and reflog lines.
    pub fn set_now(&self, now: i64) {
        self.now.set(now);
    }

    /// Returns the Unix seconds that Git believes it is.
    pub fn now(&self) -> i64 {
        self.now.get()
    }

    /// Returns the identity that Git uses, at the present time.
    pub fn who(&self) -> Signature {
        Signature { name: "A U Thor".into(), email: "author@example.com".into(), time: self.now(), offset: 60 }
    }

    /// Prepares a command in the repository, cut off from the machine's own settings.
    pub fn command(&self, args: &[&str]) -> Command {
        let date = format!("{} +0100", self.now());
        let mut command = Command::new("git");
        command.current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        for key in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(key);
        }
        command
            .env("HOME", self.dir.path())
            .env("XDG_CONFIG_HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TEST_DATE_NOW", self.now().to_string())
            .env("TZ", "UTC-1")
            .env("LC_ALL", "C")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "A U Thor");
            command.env(format!("GIT_{role}_EMAIL"), "author@example.com");
        }
        command
    }

    /// Runs Git and returns what came of it.
    pub fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("git is installed")
    }

    /// Runs Git and returns its output without the last newline, or its messages if it fails.
    pub fn attempt(&self, args: &[&str]) -> Result<String, String> {
        let output = self.output(args);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Runs Git, which must succeed, and returns its output without the last newline.
    pub fn run(&self, args: &[&str]) -> String {
        self.attempt(args).unwrap_or_else(|e| panic!("git {args:?}: {e}"))
    }

    /// Runs Git with a text on its standard input; it must succeed. Returns its whole output.
    pub fn feed(&self, args: &[&str], input: &str) -> Vec<u8> {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git is installed");
        let mut stdin = child.stdin.take().unwrap();
        let output = std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input.as_bytes()));
            child.wait_with_output().unwrap()
        });
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a commit of the empty tree.
    pub fn commit_tree(&self, parents: &[ObjectId], message: &str) -> ObjectId {
        let tree = self.run(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
        let parents: Vec<String> = parents.iter().map(ToString::to_string).collect();
        let mut args = vec!["commit-tree", &tree, "-m", message];
        for parent in &parents {
            args.extend(["-p", parent]);
        }
        ObjectId::from_hex(&self.run(&args)).unwrap()
    }
}

/// A small deterministic generator of choices for random tests that must not shrink (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// Returns the next 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// Returns one of the items.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}
