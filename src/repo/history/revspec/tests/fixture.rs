//! Repositories with all kinds of refs, made up at random.

use std::fs;

use super::NOW;
use crate::model::{FileKind, ObjectId, Signature, VolumeId};
use crate::repo::history::revspec::{Resolver, RevError, Said};
use crate::repo::state::config::Config;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::monitor::{Monitor, Silent};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::reflog::ReflogEntry;
use crate::repo::state::refs::RefStore;
use crate::repo::testing::{GitObjects, History, Random, TestGit};
use crate::util::lock::FileLock;

/// A Git repository with all kinds of refs, which we read as it lies there; only the index is a file of our own.
pub struct Fixture {
    /// Git's repository.
    pub history: History,
    refs: RefStore,
    config: Config,
    own: tempfile::TempDir,
}

impl Fixture {
    /// Makes one up.
    pub fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut history = History::random(seed, 24);
        history.git.set_now(NOW);
        let git = &history.git;
        let tag = |name: &str, of: ObjectId, kind: &str| {
            let text = format!("object {of}\ntype {kind}\ntag {name}\ntagger A <a@b.c> {NOW} +0000\n\nabout {name}\n");
            let id = String::from_utf8(git.feed(&["mktag"], &text)).unwrap();
            ObjectId::from_hex(id.trim()).unwrap()
        };
        let commit = history.pick(&mut random);
        let tree = history.objects.commit(&commit).unwrap().tree;
        let v2 = tag("v2", history.pick(&mut random), "commit");
        let tags =
            [("v2", v2), ("vv", tag("vv", v2, "tag")), ("treetag", tag("treetag", tree, "tree")), ("v1", commit)];
        let write = |name: &str, text: &str| {
            let path = git.top().join(".git").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (name, id) in tags {
            write(&format!("refs/tags/{name}"), &format!("{id}\n"));
        }
        write("refs/tags/both", &format!("{}\n", history.pick(&mut random)));
        write("refs/remotes/origin/HEAD", "ref: refs/remotes/origin/main\n");
        for name in ["heads/main", "heads/dev", "heads/feature/x", "heads/a@b", "heads/both", "remotes/origin/main"] {
            let (line, last) = reflog(&history, &mut random, 1_700_000_000, |_| "commit: x".into());
            write(&format!("refs/{name}"), &format!("{last}\n"));
            if name != "heads/both" {
                write(&format!("logs/refs/{name}"), &line);
            }
        }
        let places = ["main", "dev", "feature/x", "gone", &commit.to_string()];
        let switch =
            |random: &mut Random| format!("checkout: moving from {} to {}", random.pick(&places), random.pick(&places));
        let (log, last) = reflog(&history, &mut random, 1_700_100_000, switch);
        write("logs/HEAD", &log);
        let head = if seed % 4 == 3 { format!("{last}\n") } else { "ref: refs/heads/main\n".to_owned() };
        write("HEAD", &head);
        if head.starts_with("ref:") {
            // HEAD's log ends where its branch is.
            let path = git.top().join(".git/logs/refs/heads/main");
            let before = fs::read_to_string(path).unwrap();
            let newest = ReflogEntry::parse(before.lines().last().unwrap()).unwrap();
            let who = Signature { time: 1_700_400_000, ..newest.who };
            let line = ReflogEntry { old: newest.new, new: Some(last), who, message: "reset".into() }.to_line();
            write("refs/heads/main", &format!("{last}\n"));
            write("logs/refs/heads/main", &(before + &line));
        }
        let config = "[remote \"origin\"]\nurl = x\nfetch = +refs/heads/*:refs/remotes/origin/*\n[branch \"main\"]\nremote = \
                      origin\nmerge = refs/heads/main\n[branch \"dev\"]\nremote = .\nmerge = refs/heads/feature/x\n[branch \
                      \"a@b\"]\nremote = origin\nmerge = refs/heads/gone\n";
        git.feed(&["read-tree", &tree.to_string()], "");
        let path = git.top().join(".git/config");
        write("config", &(fs::read_to_string(path).unwrap() + config));
        fs::create_dir(git.top().join("d")).unwrap();
        history.objects = GitObjects::load(&history.git);
        let own = tempfile::tempdir().unwrap();
        fs::create_dir(own.path().join("tmp")).unwrap();
        let lock = FileLock::acquire(&own.path().join("lock"), std::time::Duration::ZERO, &|_| ()).unwrap();
        let mut index = Index::default();
        index.extend(history.objects.tree(&tree).unwrap().entries().iter().map(|e| IndexEntry {
            path: e.path.clone(),
            mode: e.mode,
            snapshot: e.snapshot,
            volume: VolumeId::new(1, [3; 9]),
            kind: FileKind::Opaque,
            byte_len: 1,
            fingerprint: None,
            unmaterialized: false,
        }));
        index.save(own.path(), &lock).unwrap();
        let ours = [
            "branch.main.remote=origin",
            "branch.main.merge=refs/heads/main",
            "branch.dev.remote=.",
            "branch.dev.merge=refs/heads/feature/x",
            "branch.a@b.remote=origin",
            "branch.a@b.merge=refs/heads/gone",
        ];
        let overrides = ours.iter().map(|text| (*text).to_owned()).collect();
        let config = Config::load(&crate::repo::state::config::Sources { overrides, ..Default::default() }).unwrap();
        Self { refs: RefStore::new(&history.git.top().join(".git")), history, config, own }
    }

    /// Asks a resolver for a user in the folder `d`.
    pub fn with<T>(&self, monitor: &dyn Monitor, ask: impl FnOnce(&Resolver<'_>) -> T) -> T {
        let cwd = self.history.git.top().join("d");
        let said = Said::default();
        ask(&Resolver {
            objects: &self.history.objects,
            refs: &self.refs,
            config: &self.config,
            index: Box::new(|| Ok(Index::load(self.own.path())?.unwrap_or_default())),
            top: self.history.git.top(),
            cwd: &cwd,
            now: NOW,
            monitor,
            said: &said,
            asked: Default::default(),
            known: Default::default(),
        })
    }

    /// Resolves a revision.
    pub fn id(&self, text: &str) -> Result<ObjectId, RevError> {
        self.with(&Silent, |revs| revs.object(text))
    }

    /// Runs Git in the folder `d`.
    pub fn git(&self, args: &[&str]) -> Result<String, String> {
        in_folder(&self.history.git, args)
    }
}

fn in_folder(git: &TestGit, args: &[&str]) -> Result<String, String> {
    let output = git.command(args).current_dir(git.top().join("d")).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Makes up a reflog whose entries are hours apart, and returns it with the last value.
fn reflog(
    history: &History,
    random: &mut Random,
    start: i64,
    message: impl Fn(&mut Random) -> String,
) -> (String, ObjectId) {
    let (mut text, mut old, mut time) = (String::new(), None, start);
    for _ in 0..2 + random.below(6) {
        let new = Some(history.pick(random));
        time += 60 * (1 + random.below(1000) as i64);
        let who = Signature { name: "A".into(), email: "a@b.c".into(), time, offset: 60 };
        // Lines may be missing in between.
        let replaced = if random.below(6) == 0 { Some(history.pick(random)) } else { old };
        text += &ReflogEntry { old: replaced, new, who, message: message(random) }.to_line();
        old = new;
    }
    (text, old.unwrap())
}
