//! Operations on real databases in a scratch folder, below the command line.

mod branches;
mod meanwhile;
mod partial_commits;
mod recording;
mod scripts;

use std::fs;
use std::path::PathBuf;

use crate::repo::ops::add::AddOptions;
use crate::repo::ops::commit::{CommitError, CommitOptions};
use crate::repo::ops::fsck::FsckOptions;
use crate::repo::ops::init::InitOptions;
use crate::repo::state::types::{ChangeKind, FileChange};
use crate::repo::worktree::checkout::{CheckoutPaths, Source, Written};
use crate::repo::worktree::status::StatusOptions;
use crate::repo::*;
use crate::sqlite::sample;

const TIMEOUT: Duration = Duration::from_secs(5);

struct Scratch {
    dir: tempfile::TempDir,
    repo: Repository,
}

impl Scratch {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Repository::init(dir.path(), &InitOptions::default(), &Settings::default()).unwrap();
        let repo = Repository::open(dir.path(), Settings::default()).unwrap();
        Self { dir, repo }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn add(&self, path: &str) -> Vec<FileChange> {
        let options =
            AddOptions { pathspecs: vec![path.into()], cwd: self.dir.path().to_owned(), ..AddOptions::default() };
        self.repo.add(&options).unwrap().files
    }

    fn unstaged(&self) -> Vec<ChangeKind> {
        let status = self.repo.status(&StatusOptions::default()).unwrap();
        status.unstaged.iter().map(|c| c.change).collect()
    }
}

#[test]
fn add_status_restore_and_export() {
    let s = Scratch::new();
    sample::create(&s.path("app.db")).unwrap();
    let original = fs::read(s.path("app.db")).unwrap();
    assert_eq!(s.add("app.db")[0].change, ChangeKind::Added);
    assert_eq!(s.unstaged(), []);

    sample::execute(&s.path("app.db"), "DELETE FROM track WHERE position % 3 = 0", TIMEOUT).unwrap();
    assert_eq!(s.unstaged(), [ChangeKind::Modified]);
    let restore = |force| CheckoutPaths {
        source: Source::Index,
        pathspecs: vec!["app.db".into()],
        cwd: s.dir.path().to_owned(),
        staged: false,
        worktree: true,
        force,
        no_overlay: false,
    };
    let refused = s.repo.checkout_paths(&restore(false)).unwrap_err();
    assert!(refused.to_string().contains("app.db"), "{refused}");
    let done = s.repo.checkout_paths(&restore(true)).unwrap();
    assert!(matches!(done.files[0].how, Written::InPlace { .. }));
    assert_eq!(s.unstaged(), []);
    let saved = done.files[0].saved.expect("unsaved work is kept");
    s.repo.export(&saved, &s.path("saved.db"), false).unwrap();
    assert_eq!(
        sample::query(&s.path("saved.db"), "SELECT count(*) FROM track WHERE position % 3 = 0").unwrap(),
        [["0"]]
    );

    let staged = s.repo.index().unwrap().entries()[0].snapshot;
    s.repo.export(&staged, &s.path("out.db"), false).unwrap();
    assert!(fs::read(s.path("out.db")).unwrap() == original, "an export has the very bytes that were added");
    fs::remove_file(s.path("app.db")).unwrap();
    assert_eq!(s.unstaged(), [ChangeKind::Deleted]);
    s.repo.checkout_paths(&restore(false)).unwrap();
    assert!(fs::read(s.path("app.db")).unwrap() == original);
    assert_eq!(s.repo.fsck(FsckOptions::default()).unwrap().findings, []);
}

#[test]
fn copies_and_renames_share_their_pages() {
    let s = Scratch::new();
    sample::create(&s.path("app.db")).unwrap();
    s.add("app.db");
    let segments = || files(&s.dir.path().join(".graft/segments"));
    let before = segments();
    fs::copy(s.path("app.db"), s.path("copy.db")).unwrap();
    assert_eq!(s.add("copy.db")[0].change, ChangeKind::Added);
    fs::rename(s.path("app.db"), s.path("moved.db")).unwrap();
    let files = s.add(".");
    assert_eq!(files.iter().filter(|f| f.change == ChangeKind::Renamed).count(), 1, "{files:?}");
    assert_eq!(segments(), before, "nothing is stored twice");
    let index = s.repo.index().unwrap();
    assert_ne!(index.entries()[0].volume, index.entries()[1].volume);
}

#[test]
fn commits_follow_each_other() {
    let s = Scratch::new();
    sample::create(&s.path("app.db")).unwrap();
    s.add("app.db");
    let commit = |message: &str, all| {
        let message = Some(message.to_owned());
        let options = CommitOptions { message, all, cwd: s.dir.path().to_owned(), ..CommitOptions::default() };
        s.repo.commit_index(&options)
    };
    let first = commit("first", false).unwrap();
    assert!(first.root && first.files[0].change == ChangeKind::Added);
    assert!(matches!(commit("again", true), Err(RepoError::Commit(CommitError::NothingToCommit))));
    for n in 0..70 {
        sample::execute(&s.path("app.db"), "UPDATE artist SET name = name || 'x' WHERE id = 1", TIMEOUT).unwrap();
        let next = commit(&format!("change {n}"), true).unwrap();
        assert_eq!(next.files[0].change, ChangeKind::Modified);
        assert_eq!(s.unstaged(), []);
    }
    assert!(!s.repo.store().has_searched(), "what is only about to be stored is not searched for in all files");
    let mut id = s.repo.head_commit().unwrap().unwrap();
    let mut count = 0;
    loop {
        let commit = s.repo.commit(&id).unwrap();
        count += 1;
        let tree = s.repo.tree(&commit.tree).unwrap();
        let out = s.path(&format!("out-{count}.db"));
        s.repo.export(&tree.entries()[0].snapshot, &out, false).unwrap();
        let title = sample::query(&out, "SELECT name FROM artist WHERE id = 1").unwrap();
        assert_eq!(title[0][0].chars().rev().take_while(|c| *c == 'x').count(), 71 - count);
        match commit.parents.first() {
            Some(parent) => id = *parent,
            None => break,
        }
    }
    assert_eq!((count, id), (71, first.id));
    assert_eq!(s.repo.fsck(FsckOptions::default()).unwrap().findings, []);
}

#[test]
fn adding_the_same_content_again_mends_segments_and_packs() {
    let s = Scratch::new();
    sample::create(&s.path("app.db")).unwrap();
    s.add("app.db");
    let sql = "UPDATE artist SET name = name || 'x' WHERE id = 1";
    for _ in 0..3 {
        sample::execute(&s.path("app.db"), sql, TIMEOUT).unwrap();
        s.add("app.db");
    }
    let staged = s.repo.index().unwrap().entries()[0].clone();
    let graft = s.dir.path().join(".graft");
    let scratch = tempfile::tempdir().unwrap();
    let backup = scratch.path().join("graft");
    copy_all(&graft, &backup);
    let mut mended = 0;
    for (folder, damage) in
        [("segments", "flip"), ("segments", "delete"), ("packs", "flip"), ("packs", "delete"), ("segments", "cut")]
    {
        for file in files(&graft.join(folder)) {
            let bytes = fs::read(&file).unwrap();
            match damage {
                "flip" => {
                    let mut flipped = bytes.clone();
                    let at = flipped.len() / 3;
                    flipped[at] ^= 0x10;
                    fs::write(&file, flipped).unwrap();
                }
                "cut" => fs::write(&file, &bytes[..bytes.len() / 2]).unwrap(),
                _ => fs::remove_file(&file).unwrap(),
            }
            let reopen = || Repository::open(s.dir.path(), Settings::default()).unwrap();
            let was_damaged = reopen().needs_healing(&staged).unwrap();
            let options =
                AddOptions { pathspecs: vec!["app.db".into()], cwd: s.dir.path().to_owned(), ..AddOptions::default() };
            reopen().add(&options).unwrap();
            let now = reopen().index().unwrap().entries()[0].clone();
            assert!(!reopen().needs_healing(&now).unwrap(), "{folder} {damage}: what is staged is whole");
            // The first storage commit has pages that later ones overwrote: without its hashes nobody can tell whether
            // the rest of it is right, and the file is stored anew.
            let is_same = now.snapshot == staged.snapshot;
            assert!(is_same || (was_damaged && folder == "segments" && damage != "flip"), "{folder} {damage}");
            mended += usize::from(was_damaged && is_same);
            copy_all(&backup, &graft);
        }
    }
    assert!(mended >= 5, "{mended} damages were mended");
}

fn copy_all(from: &Path, to: &Path) {
    fs::remove_dir_all(to).ok();
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, &target).unwrap();
    }
    fs::create_dir_all(to.join("tmp")).unwrap();
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}

#[test]
fn walks_agree_with_git() {
    use crate::model::{Commit, FileMode, Object, RepoPath, Tree, TreeEntry};
    use crate::repo::history::walk::{Order, Pattern, WalkOptions};
    use crate::repo::testing::{Random, TestGit, seeds};
    use crate::repo::text::pathspec::Pathspecs;
    use crate::store::Transaction;
    use std::collections::HashMap;

    for seed in 0..seeds(12) {
        let (git, s, mut random) = (TestGit::new(), Scratch::new(), Random(seed));
        let lock = s.repo.lock().unwrap();
        let mut tx = Transaction::new(s.repo.store(), &lock).unwrap();
        let blob = String::from_utf8(git.feed(&["hash-object", "-w", "--stdin"], "x")).unwrap();
        let mut ids: Vec<(ObjectId, ObjectId, u64)> = Vec::new();
        for n in 0..30 {
            let mut parents = Vec::new();
            for _ in 0..[0, 1, 1, 1, 1, 2, 2, 3][if n == 0 { 0 } else { random.below(8) }] {
                let pick = ids[ids.len() - 1 - random.below(ids.len().min(6))];
                if !parents.contains(&pick) {
                    parents.push(pick);
                }
            }
            // Some commits share a second, and some clocks go wrong.
            git.set_now(1_700_000_000 + n / 2 * 60 + [0, 0, 0, -150][random.below(4)]);
            // One file that comes and goes, changes its mode, or stays what it was.
            let mode =
                [None, Some(FileMode::Regular), Some(FileMode::Regular), Some(FileMode::Executable)][random.below(4)];
            let entry =
                |mode| TreeEntry { path: RepoPath::new("a").unwrap(), mode, snapshot: ObjectId::from_bytes([1; 32]) };
            let tree = tx.add_object(&Tree::new(mode.map(entry).into_iter().collect()));
            let listing = mode.map_or(String::new(), |m| format!("{} blob {}\ta\n", m.octal(), blob.trim()));
            let theirs = String::from_utf8(git.feed(&["mktree"], &listing)).unwrap();
            let mut args = vec!["commit-tree".to_owned(), theirs.trim().to_owned(), "-m".into(), format!("commit {n}")];
            args.extend(parents.iter().flat_map(|p| ["-p".to_owned(), p.0.to_string()]));
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let theirs = ObjectId::from_hex(&git.run(&args)).unwrap();
            let generation = parents.iter().map(|p| p.2).max().unwrap_or(0) + 1;
            let commit = Commit {
                tree,
                parents: parents.iter().map(|p| p.1).collect(),
                generation,
                author: git.who(),
                committer: git.who(),
                message: format!("commit {n}\n"),
            };
            tx.add_object(&commit);
            ids.push((theirs, commit.to_raw().id(), generation));
        }
        tx.publish().unwrap();
        let ours: HashMap<String, ObjectId> = ids.iter().map(|(t, o, _)| (t.to_string(), *o)).collect();
        let orders =
            [("", Order::Date), ("--topo-order", Order::Topological), ("--date-order", Order::DateTopological)];
        for round in 0..36 {
            let mut pick = |n| -> Vec<usize> { (0..n).map(|_| random.below(ids.len())).collect() };
            let (tips, hidden) = (pick(1 + round % 3), pick(round % 4));
            let (flag, order) = orders[round / 4 % 3];
            // Git simplifies before it knows all that is hidden, so with both it depends on the clocks what is lost.
            let (limited, chosen, counted) = (round % 3 > 0 && hidden.is_empty(), round % 7 == 0, round % 11 == 0);
            let mut args = vec!["rev-list".to_owned(), flag.to_owned()];
            args.extend((round % 2 == 0).then(|| "--reverse".to_owned()));
            args.extend((limited && order != Order::Date).then(|| "--parents".to_owned()));
            args.extend(chosen.then(|| "--grep=[1-4]$".to_owned()));
            args.extend(["--skip=1".to_owned(), "-n4".to_owned()].into_iter().filter(|_| counted));
            args.extend(tips.iter().map(|i| ids[*i].0.to_string()));
            args.extend(hidden.iter().map(|i| format!("^{}", ids[*i].0)));
            args.push("--".to_owned());
            args.retain(|a| !a.is_empty());
            args.extend(limited.then(|| "a".to_owned()));
            let wanted = git.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
            // Parents that are not shown themselves are left out.
            let named = |l: &str| l.split(' ').map(|id| ours[id]).collect::<Vec<_>>();
            let only_shown = |mut lines: Vec<Vec<ObjectId>>| {
                let shown: Vec<ObjectId> = lines.iter().map(|l| l[0]).collect();
                lines.iter_mut().for_each(|l| l.retain(|id| shown.contains(id)));
                lines
            };
            let wanted = only_shown(wanted.lines().map(named).collect());
            let options = WalkOptions {
                tips: tips.iter().map(|i| ids[*i].1).collect(),
                hidden: hidden.iter().map(|i| ids[*i].1).collect(),
                paths: Pathspecs::new(s.dir.path(), s.dir.path(), &["a".into()][..usize::from(limited)]).unwrap(),
                order,
                rewrite_parents: limited && order != Order::Date,
                reverse: round % 2 == 0,
                grep: if chosen { vec![Pattern::new("[1-4]$", false).unwrap()] } else { vec![] },
                skip: usize::from(counted),
                max_count: counted.then_some(4),
                ..WalkOptions::default()
            };
            let with_parents = options.rewrite_parents;
            let entries = s.repo.walk(options).unwrap().map(|e| e.unwrap());
            let line = |e: crate::repo::history::walk::WalkEntry| match with_parents {
                true => [vec![e.id], e.parents].concat(),
                false => vec![e.id],
            };
            let found = only_shown(entries.map(line).collect());
            assert_eq!(found, wanted, "seed {seed}, round {round}: {args:?}");
        }
    }
}
