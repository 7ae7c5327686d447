//! Commits of single paths, and resets: what HEAD's commit and the index have is what Git makes of the same files.

use std::collections::BTreeMap;

use super::*;
use crate::model::RepoPath;
use crate::repo::ops::remove::RmOptions;
use crate::repo::ops::reset::ResetMode;
use crate::repo::testing::{Random, TestGit};

/// Paths with what is in them.
type Files = BTreeMap<String, String>;

struct Both {
    ours: Scratch,
    git: TestGit,
}

impl Both {
    fn new() -> Self {
        let settings = Settings {
            env: identity::Env {
                author_name: Some("A".into()),
                author_email: Some("a@b.c".into()),
                committer_name: Some("A".into()),
                committer_email: Some("a@b.c".into()),
                ..identity::Env::default()
            },
            ..Settings::default()
        };
        let dir = tempfile::tempdir().unwrap();
        Repository::init(dir.path(), &InitOptions::default(), &settings).unwrap();
        let repo = Repository::open(dir.path(), settings).unwrap();
        Self { ours: Scratch { dir, repo }, git: TestGit::new() }
    }

    /// Writes or removes a file in both worktrees.
    fn write(&self, path: &str, text: Option<&str>) {
        for top in [self.ours.dir.path(), self.git.top()] {
            let file = top.join(path);
            match text {
                Some(text) => {
                    fs::create_dir_all(file.parent().unwrap()).unwrap();
                    fs::write(file, text).unwrap();
                }
                None => drop(fs::remove_file(file)),
            }
        }
    }

    fn cwd(&self) -> PathBuf {
        self.ours.dir.path().to_owned()
    }

    fn commit(&self, paths: &[&str], amend: bool) -> Result<bool, String> {
        let options = CommitOptions {
            message: Some("m".into()),
            pathspecs: paths.iter().map(PathBuf::from).collect(),
            amend,
            cwd: self.cwd(),
            ..CommitOptions::default()
        };
        match self.ours.repo.commit_index(&options) {
            Ok(_) => Ok(true),
            Err(RepoError::Commit(CommitError::NothingToCommit)) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    fn text(&self, snapshot: &ObjectId) -> String {
        let mut out = Vec::new();
        self.ours.repo.export_to(snapshot, "out".as_ref(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What HEAD's commit and what the index have.
    fn states(&self) -> (Files, Files) {
        let listed = |path: &RepoPath, snapshot| (path.as_str().to_owned(), self.text(snapshot));
        let head = self.ours.repo.head_files().unwrap();
        let index = self.ours.repo.index().unwrap();
        (
            head.iter().map(|t| listed(&t.path, &t.snapshot)).collect(),
            index.entries().iter().map(|e| listed(&e.path, &e.snapshot)).collect(),
        )
    }

    fn git_states(&self) -> (Files, Files) {
        let files = |lines: Result<String, String>, after: usize| -> Files {
            let lines = lines.unwrap_or_default();
            let entry = |line: &str| {
                let (meta, path) = line.split_once('\t').unwrap();
                let id = meta.split(' ').nth(after).unwrap();
                (path.to_owned(), self.git.run(&["cat-file", "blob", id]))
            };
            lines.lines().map(entry).collect()
        };
        (files(self.git.attempt(&["ls-tree", "-r", "HEAD"]), 2), files(self.git.attempt(&["ls-files", "-s"]), 1))
    }
}

#[test]
fn commits_of_paths_are_gits() {
    let paths = ["a", "b", "d/c", "d/e"];
    let (mut made, mut refused) = (0, 0);
    for seed in 0..8 {
        let both = Both::new();
        let mut random = Random(seed);
        // Every other history begins with all files in it.
        for path in paths.iter().filter(|_| seed % 2 == 0) {
            both.write(path, Some(path));
            both.ours.add(path);
            both.git.run(&["add", path]);
        }
        if seed % 2 == 0 {
            both.commit(&[], false).unwrap();
            both.git.run(&["commit", "-q", "-m", "m"]);
        }
        for step in 0..30 {
            let path = random.pick(&paths);
            let what = match random.below(12) {
                0..4 => {
                    both.write(path, Some(&format!("{path} {step}")));
                    "write"
                }
                4 => {
                    both.write(path, None);
                    "delete"
                }
                5..7 => {
                    let options = AddOptions { pathspecs: vec![path.into()], cwd: both.cwd(), ..AddOptions::default() };
                    let ours = both.ours.repo.add(&options);
                    assert_eq!(
                        ours.is_ok(),
                        both.git.attempt(&["add", path]).is_ok(),
                        "seed {seed}, add {path}: {ours:?}"
                    );
                    "add"
                }
                7 => {
                    let options = RmOptions {
                        pathspecs: vec![path.into()],
                        cwd: both.cwd(),
                        cached: true,
                        force: true,
                        ..RmOptions::default()
                    };
                    let ours = both.ours.repo.remove(&options);
                    assert_eq!(
                        ours.is_ok(),
                        both.git.attempt(&["rm", "-q", "-f", "--cached", path]).is_ok(),
                        "seed {seed}, rm {path}"
                    );
                    "rm --cached"
                }
                8 => {
                    // Git says nothing of a path that neither side has, if the worktree has it.
                    let known = {
                        let (head, index) = both.states();
                        head.contains_key(path) || index.contains_key(path)
                    };
                    let from = both.ours.repo.head_commit().unwrap();
                    let ours = both.ours.repo.reset_paths(from.as_ref(), &both.cwd(), &[path.into()]);
                    assert_eq!(ours.is_ok(), known, "seed {seed}: reset {path}: {ours:?}");
                    drop(both.git.attempt(&["reset", "-q", "--", path]));
                    "reset path"
                }
                9 => {
                    let (mode, option) = random.pick(&[
                        (ResetMode::Soft, "--soft"),
                        (ResetMode::Mixed, "--mixed"),
                        (ResetMode::Mixed, "-q"),
                    ]);
                    let repo = &both.ours.repo;
                    let rev = random.pick(&["HEAD", "HEAD~1"]);
                    let ours = repo.resolver(repo.top()).commit(rev).map(|id| repo.reset(Some(id), rev, mode).unwrap());
                    let theirs = both.git.attempt(&["reset", "-q", option, rev]);
                    assert_eq!(ours.is_ok(), theirs.is_ok(), "seed {seed}: reset {rev}: {ours:?}, {theirs:?}");
                    "reset"
                }
                _ => {
                    let chosen: Vec<&str> = match random.below(4) {
                        0 => vec![path, random.pick(&paths)],
                        1 => vec!["d"],
                        _ => vec![path],
                    };
                    let amend = random.below(5) == 0;
                    let mut args = vec!["commit", "-q", "-m", "m"];
                    args.extend(amend.then_some("--amend"));
                    args.extend(&chosen);
                    let theirs = both.git.output(&args).status.success();
                    let ours = both.commit(&chosen, amend);
                    assert_eq!(ours.clone().unwrap_or(false), theirs, "seed {seed}, step {step}: {args:?}: {ours:?}");
                    if theirs {
                        made += 1
                    } else {
                        refused += 1
                    }
                    "commit"
                }
            };
            assert_eq!(both.states(), both.git_states(), "seed {seed}, step {step}: {what} {path}");
        }
    }
    assert!(made > 8 && refused > 5, "{made} made, {refused} refused");
}

#[test]
fn an_empty_folder_is_there_but_an_ignored_one_is_refused() {
    let s = Scratch::new();
    fs::create_dir(s.path("empty")).unwrap();
    assert_eq!(s.add("empty"), []);
    fs::write(s.path(".graftignore"), "hidden/\n").unwrap();
    fs::create_dir(s.path("hidden")).unwrap();
    fs::write(s.path("hidden/a"), "x").unwrap();
    let add = |path: &str| {
        s.repo.add(&AddOptions { pathspecs: vec![path.into()], cwd: s.dir.path().to_owned(), ..AddOptions::default() })
    };
    for path in ["hidden", "hidden/", "hidden/a", "absent"] {
        assert!(add(path).is_err(), "{path}");
    }
}
