//! Verifies everything: refs → commits → trees → snapshots → storage commits → pages, every hash.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::model::links;
use crate::model::object::ObjectError;
use crate::model::{CommitHash, ObjectId, ObjectKind, RawObject, RefName, RepoPath, Snapshot};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::index::Index;
use crate::repo::state::monitor::Work;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::RefError;
use crate::repo::worktree::heal::KnownDamage;
use crate::store::Verified;
use crate::util::interrupt;

/// What to verify.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsckOptions {
    /// First make the index of the store anew from the files, and a damaged staging index from HEAD's commit.
    pub rebuild_index: bool,
    /// Verify objects and storage commits, but read no page.
    pub connectivity_only: bool,
}

/// How much was verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Refs and HEAD.
    pub refs: u64,
    /// Entries of reflogs.
    pub reflog_entries: u64,
    /// Commits.
    pub commits: u64,
    /// Trees.
    pub trees: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Annotated tags.
    pub tags: u64,
    /// Storage commits.
    pub storage_commits: u64,
    /// Bytes of pages.
    pub page_bytes: u64,
}

/// Something that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is: `object 1a2b…`, `segment …`, `ref refs/heads/x`, `index`.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
    /// What of the user's cannot be read because of it: `app.db at 1a2b3c4 (subject)`.
    pub affects: Vec<String>,
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// How much was verified.
    pub checked: Counts,
    /// What is damaged; empty if all is well.
    pub findings: Vec<Finding>,
    /// Whether the index of the store was rebuilt.
    pub rebuilt: bool,
}

/// Where a snapshot is used, for people.
type Uses = BTreeMap<ObjectId, Vec<String>>;

/// A file of objects that is gone.
#[derive(Debug, thiserror::Error)]
#[error("the file is missing, and with it {objects} object{}", if *objects == 1 { "" } else { "s" })]
struct MissingPack {
    objects: usize,
}

/// A log that says nothing where another does.
#[derive(Debug, thiserror::Error)]
#[error("it is empty, and others are not: what it said is lost, unless 'graft reflog expire' took it out")]
struct EmptyLog;

/// An object that says of another what is not so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongLink(String);

struct Check<'r> {
    repo: &'r Repository,
    report: FsckReport,
    seen: HashSet<ObjectId>,
    uses: Uses,
    tree_uses: HashMap<ObjectId, Vec<String>>,
    /// A path for each snapshot.
    paths: HashMap<ObjectId, RepoPath>,
    damaged: Vec<KnownDamage>,
}

impl Repository {
    /// Verifies the repository. Damage is a finding, not an error; errors are what keeps from looking.
    pub fn fsck(&self, options: FsckOptions) -> Result<FsckReport> {
        if options.rebuild_index {
            let lock = self.lock()?;
            self.store().rebuild_index()?;
            drop(lock);
            if matches!(self.index(), Err(RepoError::Index(_))) {
                self.reset_index()?;
            }
        }
        let mut check = Check {
            repo: self,
            report: FsckReport { rebuilt: options.rebuild_index, ..FsckReport::default() },
            seen: HashSet::new(),
            uses: Uses::new(),
            tree_uses: HashMap::new(),
            paths: HashMap::new(),
            damaged: Vec::new(),
        };
        check.check_files()?;
        let tips = check.tips()?;
        check.walk(tips)?;
        check.index();
        check.snapshots(options.connectivity_only)?;
        if self.known_damage()? != check.damaged {
            // A repository that cannot be written can be checked all the same.
            let _ = self.remember_damage(&check.damaged);
        }
        Ok(check.report)
    }
}

impl Check<'_> {
    fn find(&mut self, what: impl Into<String>, error: impl std::error::Error, affects: Vec<String>) {
        let mut problem = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            problem.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        let what = what.into();
        // Damage that several states share is told once, with all that it affects.
        match self.report.findings.iter_mut().find(|f| f.what == what && f.problem == problem) {
            Some(known) => known.affects.extend(affects),
            None => self.report.findings.push(Finding { what, problem, affects }),
        }
    }

    /// Opens every segment and pack, also those that nothing refers to.
    fn check_files(&mut self) -> Result<()> {
        for (path, error) in self.repo.store().damaged_files()? {
            let name = path.strip_prefix(self.repo.top()).unwrap_or(&path).display().to_string();
            self.find(name, error, Vec::new());
        }
        for (path, objects) in self.repo.store().missing_packs()? {
            let name = path.strip_prefix(self.repo.top()).unwrap_or(&path).display().to_string();
            self.find(name, MissingPack { objects }, Vec::new());
        }
        Ok(())
    }

    /// Returns what refs, HEAD and reflogs name.
    fn tips(&mut self) -> Result<Vec<(ObjectId, String)>> {
        let refs = self.repo.refs();
        let mut tips = Vec::new();
        match refs.head() {
            Ok(crate::repo::state::refs::Head::Detached(id)) => tips.push((id, "HEAD".to_owned())),
            Ok(crate::repo::state::refs::Head::Branch(branch)) => {
                if let Err(e) = self.repo.head_commit() {
                    self.find("HEAD", e, vec![format!("the branch {}", branch.short())]);
                }
            }
            Err(e) => self.find("HEAD", e, vec!["the current branch".to_owned()]),
        }
        let crate::repo::state::refs::RefList { refs: good, broken } = refs.tips()?;
        let others = good.iter().filter(|one| one.name != RefName::head()).count();
        self.report.checked.refs = 1 + (others + broken.len()) as u64;
        for error in broken {
            self.find("refs", error, Vec::new());
        }
        for tip in good {
            if tip.name != RefName::head() {
                tips.push((tip.id, tip.name.to_string()));
            }
        }
        self.reflog_tips(&mut tips)?;
        Ok(tips)
    }

    /// Adds what the reflogs name: everything that can still be brought back.
    fn reflog_tips(&mut self, tips: &mut Vec<(ObjectId, String)>) -> Result<()> {
        let refs = self.repo.refs();
        let crate::repo::state::refs::RefList { refs: good, broken } = refs.list("refs/")?;
        let mut names: Vec<RefName> = good.into_iter().map(|r| r.name).collect();
        names.extend(broken.iter().filter_map(RefError::name));
        names.push(RefName::head());
        let mut silent = Vec::new();
        let mut said = HashSet::new();
        for name in names {
            if refs.is_log_empty(&name) {
                silent.push(name);
                continue;
            }
            // A ref that is damaged was found already; what its log says may help.
            let entries = refs.log(&name).or_else(|_| refs.log_as_it_is(&name));
            let entries = match entries {
                Ok(entries) => entries,
                Err(e) => {
                    self.find(format!("reflog of {name}"), e, Vec::new());
                    continue;
                }
            };
            for entry in entries {
                said.extend(entry.iter().filter_map(|entry| entry.new));
                match entry {
                    Ok(entry) => {
                        self.report.checked.reflog_entries += 1;
                        let old = entry.old.into_iter().chain(entry.new);
                        tips.extend(old.map(|id| (id, format!("the reflog of {name}"))));
                    }
                    Err(e) => self.find(format!("reflog of {name}"), e, Vec::new()),
                }
            }
        }
        // HEAD and its branch say the same, so one of them cannot have nothing to say.
        for name in silent {
            if refs.resolve(&name).ok().flatten().is_some_and(|id| said.contains(&id)) {
                self.find(format!("reflog of {name}"), EmptyLog, Vec::new());
            }
        }
        Ok(())
    }

    fn walk(&mut self, tips: Vec<(ObjectId, String)>) -> Result<()> {
        let mut queue = tips;
        while let Some((id, from)) = queue.pop() {
            interrupt::check()?;
            if !self.seen.insert(id) {
                continue;
            }
            let raw = match self.repo.raw(&id) {
                Ok(raw) => raw,
                Err(e) => {
                    self.find(format!("object {id}"), e, vec![format!("what {from} leads to")]);
                    continue;
                }
            };
            self.links(&raw, &from);
            match raw.kind() {
                ObjectKind::Commit => {
                    let Some(commit) = self.decoded(self.repo.commit(&id), &id, &from) else { continue };
                    self.report.checked.commits += 1;
                    let label = format!("{} ({})", id.to_hex_with_len(7), commit.subject());
                    queue.extend(commit.parents.iter().map(|p| (*p, format!("commit {label}"))));
                    self.tree(commit.tree, label);
                }
                ObjectKind::Tag => {
                    let Some(tag) = self.decoded(self.repo.tag(&id), &id, &from) else { continue };
                    self.report.checked.tags += 1;
                    queue.push((tag.target, format!("tag {}", tag.name)));
                }
                ObjectKind::Tree => self.tree(id, from),
                ObjectKind::Snapshot => self.uses.entry(id).or_default().push(from),
            }
        }
        Ok(())
    }

    /// Holds an object against those that it names; what cannot be read is found elsewhere.
    fn links(&mut self, raw: &RawObject, from: &str) {
        let repo = self.repo;
        let look = |id: &ObjectId| Ok(repo.raw(id).ok().and_then(|raw| links::shape(&raw).ok()));
        if let Ok(Some(wrong)) = links::wrong_link::<ObjectError>(raw, look) {
            self.find(format!("object {}", raw.id()), WrongLink(wrong), vec![from.to_owned()]);
        }
    }

    fn tree(&mut self, id: ObjectId, label: String) {
        let labels = self.tree_uses.entry(id).or_default();
        labels.push(label.clone());
        if labels.len() > 1 {
            return;
        }
        let Some(tree) = self.decoded(self.repo.tree(&id), &id, &format!("commit {label}")) else { return };
        self.report.checked.trees += 1;
        for entry in tree.entries() {
            self.paths.entry(entry.snapshot).or_insert_with(|| entry.path.clone());
            self.uses.entry(entry.snapshot).or_default().push(format!("{} at {label}", entry.path));
        }
    }

    fn index(&mut self) {
        match self.repo.index() {
            Ok(index) => {
                for entry in index.entries() {
                    self.paths.entry(entry.snapshot).or_insert_with(|| entry.path.clone());
                    self.uses.entry(entry.snapshot).or_default().push(format!("{} as staged", entry.path));
                }
            }
            // What the index is held against was found already.
            Err(RepoError::Ref(_) | RepoError::Read(_)) => {}
            Err(e) => self.find("index", e, vec!["what was staged and not committed".to_owned()]),
        }
    }

    fn snapshots(&mut self, connectivity_only: bool) -> Result<()> {
        let uses = std::mem::take(&mut self.uses);
        let mut done: HashMap<CommitHash, Verified> = HashMap::new();
        let mut commits: HashSet<CommitHash> = HashSet::new();
        let repo = self.repo;
        let work = Work::start(repo.monitor(), "Verifying pages", None);
        for (id, used) in uses {
            interrupt::check()?;
            if !self.one_snapshot(id, used, connectivity_only, &mut done, &mut commits)?
                && let Some(path) = self.paths.get(&id)
            {
                self.damaged.push(KnownDamage { snapshot: id, path: path.clone() });
            }
        }
        match repo.store().volumes() {
            Ok(volumes) => {
                for volume in volumes {
                    interrupt::check()?;
                    let name = format!("volume {}", volume.id);
                    let used = vec![name.clone()];
                    if let Err(e) = repo.store().pairing(volume.id) {
                        self.find(format!("what {name} has to do with its remote"), e, used.clone());
                    }
                    self.state(name, volume.snapshot, used, connectivity_only, (&mut done, &mut commits))?;
                }
            }
            Err(e) => self.find("volumes", e, vec!["volumes that belong to no file".to_owned()]),
        }
        match repo.store().heads() {
            Ok(heads) => {
                for head in heads {
                    interrupt::check()?;
                    let name = format!("the newest state of volume {}", head.volume);
                    let used = vec![name.clone()];
                    self.state(name, head, used, connectivity_only, (&mut done, &mut commits))?;
                }
            }
            Err(e) => self.find("files that are not materialized", e, vec!["their newest states".to_owned()]),
        }
        drop(work);
        self.report.checked.storage_commits = commits.len() as u64;
        interrupt::check()?;
        Ok(())
    }

    /// Verifies one snapshot; returns whether it can be read.
    fn one_snapshot(
        &mut self,
        id: ObjectId,
        used: Vec<String>,
        connectivity_only: bool,
        done: &mut HashMap<CommitHash, Verified>,
        commits: &mut HashSet<CommitHash>,
    ) -> Result<bool> {
        let repo = self.repo;
        let Some(snapshot): Option<Snapshot> = self.decoded(repo.snapshot(&id), &id, &shorten(&used)) else {
            return Ok(false);
        };
        self.state(format!("snapshot {id}"), snapshot, used, connectivity_only, (done, commits))
    }

    /// Verifies a state; returns whether it can be read.
    fn state(
        &mut self,
        name: String,
        snapshot: Snapshot,
        used: Vec<String>,
        connectivity_only: bool,
        (done, commits): (&mut HashMap<CommitHash, Verified>, &mut HashSet<CommitHash>),
    ) -> Result<bool> {
        let repo = self.repo;
        self.report.checked.snapshots += 1;
        let listed: Vec<CommitHash> = snapshot.commits_newest_first().map(|(_, _, hash)| hash).collect();
        let open = match repo.store().open_snapshot(snapshot) {
            Ok(open) => open,
            Err(e) => {
                self.find(name, e, used);
                return Ok(false);
            }
        };
        commits.extend(listed);
        if connectivity_only {
            let checked = repo.store().check_segments(&open);
            let is_sound = checked.is_ok();
            if let Err(e) = checked {
                self.find(name, e, used);
            }
            return Ok(is_sound);
        }
        let mut bytes = 0;
        let found = repo.store().verify_snapshot(&open, done, &mut |n| {
            bytes += n;
            repo.monitor().advance(n);
            interrupt::check().is_ok()
        });
        self.report.checked.page_bytes += bytes;
        let is_sound = found.as_ref().is_ok_and(Vec::is_empty);
        match found {
            Ok(found) => {
                for f in found {
                    self.find(format!("storage commit {}", f.commit), f.error, used.clone());
                }
            }
            Err(e) => self.find(name, e, used),
        }
        Ok(is_sound)
    }

    fn decoded<T>(
        &mut self,
        read: Result<T, crate::repo::state::objects::ReadError>,
        id: &ObjectId,
        from: &str,
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(e) => {
                self.find(format!("object {id}"), e, vec![from.to_owned()]);
                None
            }
        }
    }
}

fn shorten(uses: &[String]) -> String {
    match uses {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

impl Repository {
    /// Makes a damaged index anew from HEAD's commit; files are compared by content at the next `status`.
    pub fn reset_index(&self) -> Result<()> {
        let lock = self.lock()?;
        let index = match self.head_commit()? {
            Some(id) => Index::from_tree(&self.tree(&self.commit(&id)?.tree)?, self)?,
            None => Index::default(),
        };
        self.save_index(&index, &lock)
    }
}
