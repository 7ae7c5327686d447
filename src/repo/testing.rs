//! What tests of this storey share: real Git as the oracle, in a repository whose ids are as long as ours.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::model::{Commit, FileMode, ObjectId, RepoPath, Signature, Tree, TreeEntry};
use crate::repo::objects::{MemoryObjects, ObjectReader};

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

/// Runs something until it once takes less than `limit`, since other work on the machine may disturb any single run;
/// returns the shortest time.
pub fn fastest(limit: std::time::Duration, mut run: impl FnMut()) -> std::time::Duration {
    let mut best = std::time::Duration::MAX;
    for _ in 0..100 {
        let start = std::time::Instant::now();
        run();
        best = best.min(start.elapsed());
        if best < limit {
            return best;
        }
    }
    panic!("took at least {best:?} in 100 attempts, not {limit:?}");
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

/// One history in Git and in memory: the same commits, with ids of their own on either side.
pub struct History {
    /// Git's side; every tip is a branch `b<n>`.
    pub git: TestGit,
    /// Our side.
    pub objects: MemoryObjects,
    /// The commits in the order in which they were made: our id and Git's.
    pub commits: Vec<(ObjectId, String)>,
    to_ours: HashMap<String, ObjectId>,
    to_git: HashMap<ObjectId, String>,
}

impl History {
    /// Builds a history with several roots, merges of two and three, criss-crosses, and equal as well as confused
    /// dates. The commits change up to four files.
    pub fn random(seed: u64, count: usize) -> Self {
        let mut random = Random(seed);
        let mut plan: Vec<PlannedCommit> = Vec::new();
        for n in 0..count {
            let recent = |random: &mut Random| n - 1 - random.below(n.min(6));
            let wanted = match random.below(12) {
                _ if n == 0 => 0,
                0 if n > 4 => 0,
                1..4 => 2,
                4 if n > 5 => 3,
                _ => 1,
            };
            let mut parents: Vec<usize> = Vec::new();
            for _ in 0..wanted {
                let parent = recent(&mut random);
                if !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
            let step = match random.below(8) {
                0 => 0,
                1 if seed % 3 == 0 => -50,
                _ => 1 + random.below(40) as i64,
            };
            let before = plan.last().map_or(1_700_000_000, |c| c.time);
            // A merge takes each file from one of its parents, or changes it.
            let mut files = match parents.len() {
                0 => [0; 4],
                _ => std::array::from_fn(|i| plan[random.pick(&parents)].files[i]),
            };
            for _ in 0..random.below(3) {
                files[random.below(4)] = random.below(3) as u8;
            }
            let author = random.pick(&["Ada", "Bob", "Cy"]);
            let word = random.pick(&["fix", "add", "Fix", "drop"]);
            plan.push(PlannedCommit {
                parents,
                time: before + step,
                files,
                author,
                message: format!("{word} {n}\n\nbody {n}\n"),
            });
        }
        Self::build(&plan)
    }

    fn build(plan: &[PlannedCommit]) -> Self {
        let git = TestGit::new();
        let objects = MemoryObjects::new();
        let mut stream = String::new();
        let mut commits: Vec<(ObjectId, u64)> = Vec::new();
        for (n, commit) in plan.iter().enumerate() {
            let author = format!("{} <{}@example.com> {} +0100", commit.author, commit.author, commit.time);
            let committer = format!("A U Thor <author@example.com> {} +0100", commit.time);
            let data = |text: &str| format!("data {}\n{text}\n", text.len());
            // A root is begun on a branch of its own, since fast-import takes the present tip for a parent.
            stream += &format!("commit refs/heads/c{n}\nmark :{}\nauthor {author}\ncommitter {committer}\n", n + 1);
            stream += &data(&commit.message);
            for (i, parent) in commit.parents.iter().enumerate() {
                stream += &format!("{} :{}\n", if i == 0 { "from" } else { "merge" }, parent + 1);
            }
            stream += "deleteall\n";
            for (name, version) in commit.present() {
                stream += &format!("M 100644 inline {name}\n{}", data(&version.to_string()));
            }
            let entry = |(name, version): (&str, u8)| TreeEntry {
                path: RepoPath::new(name).unwrap(),
                mode: FileMode::Regular,
                snapshot: ObjectId::from_bytes([version; 32]),
            };
            let who = |name: &str, email: &str| Signature {
                name: name.into(),
                email: email.into(),
                time: commit.time,
                offset: 60,
            };
            let parents: Vec<(ObjectId, u64)> = commit.parents.iter().map(|&p| commits[p]).collect();
            let generation = parents.iter().map(|(_, g)| g + 1).max().unwrap_or(1);
            let id = objects.put(&Commit {
                tree: objects.put(&Tree::new(commit.present().map(entry).collect())),
                parents: parents.into_iter().map(|(id, _)| id).collect(),
                generation,
                author: who(commit.author, &format!("{}@example.com", commit.author)),
                committer: who("A U Thor", "author@example.com"),
                message: commit.message.clone(),
            });
            commits.push((id, generation));
        }
        let input = git.top().join("stream");
        std::fs::write(&input, stream).unwrap();
        let mut import = git.command(&["fast-import", "--quiet"]);
        assert!(import.stdin(std::fs::File::open(&input).unwrap()).status().unwrap().success());
        let ids = git.run(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/c*"]);
        let by_name: HashMap<&str, &str> = ids.lines().filter_map(|l| l.split_once(' ')).collect();
        let commits: Vec<(ObjectId, String)> = (commits.iter().enumerate())
            .map(|(n, (id, _))| (*id, by_name[format!("refs/heads/c{n}").as_str()].to_owned()))
            .collect();
        let to_ours = commits.iter().map(|(ours, theirs)| (theirs.clone(), *ours)).collect();
        let to_git = commits.iter().cloned().collect();
        Self { git, objects, commits, to_ours, to_git }
    }

    /// Returns Git's id of a commit.
    pub fn git_id(&self, id: ObjectId) -> String {
        self.to_git[&id].clone()
    }

    /// Returns our ids of the commits that Git names, one a line.
    pub fn from_git(&self, lines: &str) -> Vec<ObjectId> {
        lines.lines().map(|line| self.to_ours[line]).collect()
    }

    /// Returns one of the commits.
    pub fn pick(&self, random: &mut Random) -> ObjectId {
        random.pick(&self.commits).0
    }

    /// Returns when a commit was made.
    pub fn time(&self, id: &ObjectId) -> i64 {
        self.objects.commit(id).unwrap().committer.time
    }
}

struct PlannedCommit {
    parents: Vec<usize>,
    time: i64,
    /// The version of each file; 0 if it is not there.
    files: [u8; 4],
    author: &'static str,
    message: String,
}

impl PlannedCommit {
    fn present(&self) -> impl Iterator<Item = (&'static str, u8)> {
        ["a", "b", "d/c", "d/e"].into_iter().zip(self.files).filter(|(_, version)| *version > 0)
    }
}
