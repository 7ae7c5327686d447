//! Random changes of branches and tags, in Git and here, over the same graph of commits.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::model::{Commit, RefName, Tree};
use crate::repo::history::ref_list::{RefQuery, SortKey};
use crate::repo::ops::branch::{BranchError, NewBranch};
use crate::repo::ops::tag::NewTag;
use crate::repo::state::refs::{Head, RefEdit};
use crate::repo::testing::{Random, TestGit, seeds};
use crate::store::Transaction;

struct Both {
    ours: Scratch,
    git: TestGit,
    /// Git's commits and ours.
    commits: Vec<(ObjectId, ObjectId)>,
    to_ours: HashMap<String, ObjectId>,
}

impl Both {
    fn new(random: &mut Random) -> Self {
        let (ours, git) = (Scratch::new(), TestGit::new());
        let lock = ours.repo.lock().unwrap();
        let mut tx = Transaction::new(ours.repo.store(), &lock).unwrap();
        let tree = tx.add_object(&Tree::default());
        let mut commits: Vec<(ObjectId, ObjectId, u64)> = Vec::new();
        for n in 0..12 {
            let mut parents: Vec<(ObjectId, ObjectId, u64)> = Vec::new();
            for _ in 0..[0, 1, 1, 1, 2][random.below(5)] {
                if n > 0 {
                    let parent = commits[commits.len() - 1 - random.below(commits.len().min(4))];
                    if !parents.contains(&parent) {
                        parents.push(parent);
                    }
                }
            }
            git.set_now(1_700_000_000 + n * 60);
            let theirs = git.commit_tree(&parents.iter().map(|p| p.0).collect::<Vec<_>>(), &format!("commit {n}"));
            let commit = Commit {
                tree,
                parents: parents.iter().map(|p| p.1).collect(),
                generation: parents.iter().map(|p| p.2 + 1).max().unwrap_or(1),
                author: git.who(),
                committer: git.who(),
                message: format!("commit {n}\n"),
            };
            commits.push((theirs, tx.add_object(&commit), commit.generation));
        }
        tx.publish().unwrap();
        drop(lock);
        let to_ours = commits.iter().map(|(theirs, ours, _)| (theirs.to_string(), *ours)).collect();
        let both = Self { ours, git, commits: commits.into_iter().map(|(a, b, _)| (a, b)).collect(), to_ours };
        let (theirs, id) = both.commits[5];
        both.git.run(&["update-ref", "refs/heads/main", &theirs.to_string()]);
        both.ours.repo.create_branch(&new_branch("main", id, false)).unwrap();
        both
    }

    /// Opens the repository anew, for its configuration.
    fn repo(&self) -> Repository {
        Repository::open(self.ours.dir.path(), Settings::default()).unwrap()
    }

    fn switch(&self, name: &RefName) {
        self.git.run(&["symbolic-ref", "HEAD", name.as_str()]);
        let lock = self.ours.repo.lock().unwrap();
        let edit = RefEdit::point(RefName::head(), name.clone(), "checkout: moving");
        self.ours.repo.refs().apply(&lock, &self.git.who(), &[edit]).unwrap();
    }

    fn refs(&self) -> BTreeMap<String, ObjectId> {
        let refs = self.ours.repo.refs().list("refs/").unwrap().refs;
        refs.into_iter().map(|r| (r.name.to_string(), r.id)).collect()
    }

    fn git_refs(&self) -> BTreeMap<String, ObjectId> {
        let text = self.git.run(&["for-each-ref", "--format=%(refname) %(objectname)"]);
        text.lines().filter_map(|l| l.split_once(' ')).map(|(n, id)| (n.to_owned(), self.to_ours[id])).collect()
    }

    fn messages(&self, name: &str) -> (Vec<String>, Vec<String>) {
        let log = fs::read_to_string(self.git.top().join(".git/logs").join(name)).unwrap_or_default();
        let theirs = log.lines().rev().map(|l| l.split_once('\t').map_or("", |(_, m)| m).to_owned()).collect();
        let ours = self.ours.repo.refs().log(&RefName::new(name).unwrap()).unwrap();
        (ours.map(|e| e.unwrap().message).collect(), theirs)
    }
}

fn new_branch(name: &str, start: ObjectId, force: bool) -> NewBranch<'_> {
    NewBranch { name, start, start_text: "x", upstream: None, force }
}

#[test]
fn branches_and_tags_change_as_in_git() {
    let (mut done, mut refused) = (0, 0);
    for seed in 0..seeds(12) {
        let mut random = Random(seed);
        let both = Both::new(&mut random);
        for step in 0..40 {
            let name = random.pick(&["main", "dev", "fix", "a", "a/b", "x..y", "-x", "HEAD", "topic"]);
            let other = random.pick(&["main", "dev", "fix", "a", "a/b", "bad~name", "topic"]);
            let (theirs, start) = random.pick(&both.commits);
            let start_text = theirs.to_string();
            let tag = random.pick(&["v1", "v1/x", "v2", "x..y", "-x"]);
            let force = random.below(3) == 0;
            let repo = both.repo();
            let (old, new) = (repo.branch_name(name), repo.branch_name(other));
            let flag = |plain: &'static str, forced: &'static str| if force { forced } else { plain };
            let (what, args, ours): (&str, Vec<&str>, Result<()>) = match random.below(12) {
                0..4 => {
                    let mut args = vec!["branch", name, &start_text];
                    args.extend(force.then_some("-f"));
                    let new = NewBranch { start_text: &start_text, ..new_branch(name, start, force) };
                    ("create", args, repo.create_branch(&new).map(drop))
                }
                4..6 => {
                    let ours = old.and_then(|name| repo.delete_branch(&name, force).map(drop));
                    ("delete", vec!["branch", flag("-d", "-D"), "--", name], ours)
                }
                // Git writes into the reflog that a branch became itself.
                6 if name != other => {
                    let ours = old.and_then(|old| repo.rename_branch(&old, &new?, force));
                    ("rename", vec!["branch", flag("-m", "-M"), "--", name, other], ours)
                }
                7 if name != other => {
                    let ours = old.and_then(|old| repo.copy_branch(&old, &new?, force));
                    ("copy", vec!["branch", flag("-c", "-C"), "--", name, other], ours)
                }
                8 if name != "HEAD" => {
                    let ours = old.and_then(|old| {
                        match repo
                            .refs()
                            .resolve(&old)?
                            .zip(repo.refs().resolve(&new.as_ref().map_or(RefName::head(), Clone::clone))?)
                        {
                            Some(_) => repo.follow_upstream(&old, &new?),
                            None => Err(BranchError::NotFound(name.to_owned()).into()),
                        }
                    });
                    ("follow", vec!["branch", "-u", other, "--", name], ours)
                }
                9 => {
                    let mut args = vec!["tag", tag, &start_text];
                    args.extend(force.then_some("-f"));
                    let new = NewTag { name: tag, target: start, message: None, force };
                    ("tag", args, repo.create_tag(&new).map(drop))
                }
                10 => ("untag", vec!["tag", "-d", "--", tag], repo.delete_tag(tag).map(drop)),
                _ => {
                    if let Ok(name) = &old
                        && repo.refs().resolve(name).unwrap().is_some()
                    {
                        both.switch(name);
                    }
                    continue;
                }
            };
            let git_says = both.git.attempt(&args);
            let at = format!("seed {seed}, step {step}: {args:?}: {ours:?}, Git: {git_says:?}");
            assert_eq!(ours.is_ok(), git_says.is_ok(), "{at}");
            if ours.is_ok() {
                done += 1
            } else {
                refused += 1
            }
            assert_eq!(both.refs(), both.git_refs(), "{at}");
            let Head::Branch(head) = both.ours.repo.refs().head().unwrap() else { panic!("HEAD is on a branch") };
            assert_eq!(head.as_str(), both.git.run(&["symbolic-ref", "HEAD"]), "{at}");
            if what == "rename" || what == "copy" || what == "create" {
                let name = format!("refs/heads/{}", if what == "create" { name } else { other });
                if RefName::new(&name).is_ok() && ours.is_ok() {
                    // The main branch was begun with another line.
                    let (ours, theirs) = both.messages(&name);
                    let shown = ours.iter().filter(|m| !m.ends_with(" x")).count();
                    assert_eq!(ours[..shown], theirs[..shown], "{at}");
                }
            }
        }
        let repo = both.repo();
        for _ in 0..12 {
            let (theirs, id) = random.pick(&both.commits);
            let mut query = RefQuery { folders: vec!["refs/heads/".into()], ..RefQuery::default() };
            let option = random.pick(&["--contains", "--no-contains", "--merged", "--no-merged", "--points-at"]);
            match option {
                "--contains" => query.contains.push(id),
                "--no-contains" => query.no_contains.push(id),
                "--merged" => query.merged.push(id),
                "--no-merged" => query.no_merged.push(id),
                _ => query.points_at.push(id),
            }
            let sort = random.pick(&["refname", "-refname", "committerdate", "-creatordate", "v:refname"]);
            query.sort.push(SortKey::parse(sort).unwrap());
            let args = ["branch", "--format=%(refname)", &format!("--sort={sort}"), option, &theirs.to_string()];
            let wanted = both.git.run(&args);
            let (found, broken) = repo.list_refs(&query).unwrap();
            let found: Vec<&str> = found.iter().map(|r| r.name.as_str()).collect();
            assert_eq!(found.join("\n"), wanted, "seed {seed}: {args:?}");
            assert!(broken.is_empty());
        }
    }
    assert!(done > 80 && refused > 100, "{done} done, {refused} refused");
}
