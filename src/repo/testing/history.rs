//! Random histories in Git.

use super::{GitObjects, Random, TestGit};
use crate::model::ObjectId;
use crate::repo::state::objects::ObjectReader;

/// One history, in Git and readable here.
pub struct History {
    /// Git's side; no ref names any of the commits.
    pub git: TestGit,
    /// The same objects for us.
    pub objects: GitObjects,
    /// The commits in the order in which they were made.
    pub commits: Vec<ObjectId>,
}

impl History {
    /// Builds a history with several roots, merges of two and three, criss-crosses, and equal as well as confused
    /// dates. The commits change up to four files: `a`, `b`, `d/c`, `d/e`.
    pub fn random(seed: u64, count: usize) -> Self {
        let mut random = Random(seed);
        let mut plan: Vec<Planned> = Vec::new();
        for n in 0..count {
            let wanted = match random.below(12) {
                _ if n == 0 => 0,
                0 if n > 4 => 0,
                1..4 => 2,
                4 if n > 5 => 3,
                _ => 1,
            };
            let mut parents: Vec<usize> = Vec::new();
            for _ in 0..wanted {
                let parent = n - 1 - random.below(n.min(6));
                if !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
            // Two merges of the same commits cross each other's lines: what they have in common is no single commit.
            if let Some(crossed) = plan.last().map(|c| &c.parents).filter(|p| p.len() == 2 && random.below(2) == 0) {
                parents = crossed.iter().rev().copied().collect();
            }
            let step = match random.below(8) {
                0 => 0,
                1 if seed.is_multiple_of(3) => -50,
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
            let message = format!("{word} {n}\n\nbody {n}\n");
            plan.push(Planned { parents, time: before + step, files, author, message });
        }
        Self::build(&plan)
    }

    fn build(plan: &[Planned]) -> Self {
        let git = TestGit::new();
        let data = |text: &str| format!("data {}\n{text}\n", text.len());
        let mut stream = String::new();
        for (n, commit) in plan.iter().enumerate() {
            // A root is begun on a branch of its own, since the present tip would be its parent.
            stream += &format!("commit refs/import/c{n}\nmark :{}\n", n + 1);
            stream += &format!("author {0} <{0}@example.com> {1} +0100\n", commit.author, commit.time);
            stream += &format!("committer A U Thor <author@example.com> {} +0100\n", commit.time);
            stream += &data(&commit.message);
            for (i, parent) in commit.parents.iter().enumerate() {
                stream += &format!("{} :{}\n", if i == 0 { "from" } else { "merge" }, parent + 1);
            }
            stream += "deleteall\n";
            for (name, version) in ["a", "b", "d/c", "d/e"].iter().zip(commit.files).filter(|(_, v)| *v > 0) {
                stream += &format!("M 100644 inline {name}\n{}", data(&version.to_string()));
            }
        }
        git.feed(&["fast-import", "--quiet", "--export-marks=marks"], &stream);
        let folder = git.top().join(".git");
        std::fs::remove_dir_all(folder.join("refs/import")).unwrap();
        let marks = std::fs::read_to_string(git.top().join("marks")).unwrap();
        std::fs::remove_file(git.top().join("marks")).unwrap();
        let mut commits: Vec<(usize, ObjectId)> = marks
            .lines()
            .map(|line| line[1..].split_once(' ').unwrap())
            .map(|(n, hex)| (n.parse().unwrap(), ObjectId::from_hex(hex).unwrap()))
            .collect();
        commits.sort();
        let commits = commits.into_iter().map(|(_, id)| id).collect();
        Self { objects: GitObjects::load(&git), git, commits }
    }

    /// Returns the commits that Git names, one a line.
    pub fn ids(lines: &str) -> Vec<ObjectId> {
        lines.lines().map(|line| ObjectId::from_hex(line).unwrap()).collect()
    }

    /// Returns one of the commits.
    pub fn pick(&self, random: &mut Random) -> ObjectId {
        random.pick(&self.commits)
    }

    /// Returns when a commit was made, Unix seconds.
    pub fn time(&self, id: &ObjectId) -> i64 {
        self.objects.commit(id).unwrap().committer.time
    }
}

struct Planned {
    parents: Vec<usize>,
    time: i64,
    /// The version of each file; 0 if it is not there.
    files: [u8; 4],
    author: &'static str,
    message: String,
}
