//! The stash: changes set aside as commits under `refs/stash`, newest on top.
//!
//! An entry is a commit of the worktree whose parents are HEAD's commit, a commit of the index and, if untracked files were
//! set aside too, a commit of these: as in Git. Older entries are in the reflog of `refs/stash`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::model::{ObjectId, RefName, RepoPath, Tree, TreeEntry};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::changes::{of_index, of_tree};
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::operations::FileState;
use crate::repo::state::refs::{Expected, Head, RefEdit};
use crate::repo::state::types::Warning;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::capture::How;
use crate::repo::worktree::checkout::CheckoutOutcome;
use crate::repo::worktree::ignore_rules::{self, SearchOptions};
use crate::repo::worktree::moves::{Move, States, states};
use crate::repo::worktree::staging::{self, Staging};
use crate::store::{Purpose, Transaction};

/// What to set aside.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    /// What it is called; made up from HEAD if not given.
    pub message: Option<String>,
    /// Take untracked files too.
    pub untracked: bool,
    /// Leave what is staged as it is.
    pub keep_index: bool,
    /// Only these files, folders and globs; everything if empty.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
}

/// One entry of the stash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StashEntry {
    /// Its place: 0 is the newest.
    pub n: usize,
    /// Its commit.
    pub id: ObjectId,
    /// What it is called.
    pub message: String,
    /// When it was made, Unix seconds.
    pub time: i64,
}

/// What was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stashed {
    /// The entry.
    pub id: ObjectId,
    /// What it is called.
    pub message: String,
    /// What was written.
    pub done: CheckoutOutcome,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Why nothing was set aside or brought back.
#[derive(Debug, thiserror::Error)]
pub enum StashError {
    /// There is no commit that the changes could be based on.
    #[error("there is no commit yet that changes could be set aside from")]
    NoCommit,
    /// There is no such entry.
    #[error("there is no stash@{{{n}}}; the stash has {len} {}", if *.len == 1 { "entry" } else { "entries" })]
    NoEntry {
        /// The entry's place.
        n: usize,
        /// How many there are.
        len: usize,
    },
    /// A path matches no tracked file.
    #[error("pathspec '{}' did not match any file", .0.display())]
    NoMatch(PathBuf),
    /// A commit does not look like an entry.
    #[error("{0} is not an entry of the stash")]
    NotAnEntry(ObjectId),
    /// Files have changed since in ways that the entry cannot be put upon.
    #[error("the stash cannot be put upon files that have changed since: {}", list(.0))]
    Conflicts(Vec<RepoPath>),
}

fn list(paths: &[RepoPath]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The states that an entry holds.
struct Contents {
    base: States,
    index: States,
    worktree: States,
    untracked: States,
}

impl Repository {
    /// Sets changes aside and gives index and worktree the states of HEAD's commit; `None` if there are none.
    pub fn stash_push(&self, options: &PushOptions) -> Result<Option<Stashed>> {
        let specs = Pathspecs::new(self.top(), &options.cwd, &options.pathspecs)?;
        let index = self.index()?;
        let wanted: Vec<&IndexEntry> = index.entries().iter().filter(|e| specs.matches(&e.path)).collect();
        let how = How { purpose: Purpose::Store, opaque: false };
        let tracked = self.stage_tracked(&index, &wanted, &[], how)?;
        let nothing = Index::default();
        let mut fresh = Staging::new(self, &nothing, how);
        let mut found = Vec::new();
        if options.untracked {
            let search = SearchOptions { include_ignored: false, collapse: false };
            found = ignore_rules::untracked(self.top(), &specs, &index, search)?.files;
            for path in &found {
                fresh.capture(path, true)?;
            }
        }
        let head_files = self.head_files()?;
        let known: Vec<&RepoPath> =
            wanted.iter().map(|e| &e.path).chain(&found).chain(head_files.iter().map(|t| &t.path)).collect();
        if let Some(path) = specs.unmatched(&known) {
            return Err(StashError::NoMatch(path).into());
        }

        let lock = self.lock()?;
        let head = self.head_commit()?.ok_or(StashError::NoCommit)?;
        let mut tx = Transaction::new(self.store(), &lock)?;
        let now = self.index()?;
        let (staged, mut warnings) = tracked.finish(&mut tx, &now)?;
        let (new_files, more) = fresh.finish(&mut tx, &nothing)?;
        warnings.extend(more);
        let mut worktree = now.clone();
        staging::apply(&mut worktree, &staged);
        let mut untracked = Index::default();
        staging::apply(&mut untracked, &new_files);

        let base = states(&self.commit_files(&head)?);
        let (in_index, in_worktree) = (states(&of_index(&now)), states(&of_index(&worktree)));
        let in_specs = |states: &States| -> States {
            // Files out of sight are set aside as HEAD's commit has them: not at all.
            let seen = states.iter().filter(|(path, _)| specs.matches(path));
            let others = base.iter().filter(|(path, _)| !specs.matches(path));
            seen.chain(others).map(|(path, state)| (path.clone(), *state)).collect()
        };
        let (in_index, in_worktree) = (in_specs(&in_index), in_specs(&in_worktree));
        if in_index == base && in_worktree == base && untracked.is_empty() {
            return Ok(None);
        }
        let place = self.place(head)?;
        let message = match &options.message {
            Some(text) => format!("On {}: {text}", place.0),
            None => format!("WIP on {}: {}", place.0, place.1),
        };
        let mut add = |states: &States, parents: &[ObjectId], message: &str| -> Result<ObjectId> {
            let tree = tx.add_object(&tree_of(states));
            Ok(tx.add_object(&self.new_commit(tree, parents, message)?))
        };
        let of_index = add(&in_index, &[head], &format!("index on {}: {}\n", place.0, place.1))?;
        let mut parents = vec![head, of_index];
        let in_untracked = states(&crate::repo::history::changes::of_index(&untracked));
        if !in_untracked.is_empty() {
            parents.push(add(&in_untracked, &[], &format!("untracked files on {}: {}\n", place.0, place.1))?);
        }
        let tree = tx.add_object(&tree_of(&in_worktree));
        let commit = self.new_stash(tree, &parents, head, &format!("{message}\n"))?;
        let id = tx.add_object(&commit);
        tx.publish()?;

        let mut plan = Move::default();
        for path in in_worktree.keys().chain(in_index.keys()).chain(base.keys()) {
            let left = if options.keep_index { &in_index } else { &base };
            let (before, after) = (in_worktree.get(path), left.get(path));
            if before != after {
                plan.files.insert(path.clone(), after.copied());
                plan.known.extend(before.map(|state| (path.clone(), state.snapshot)));
            }
            if in_index.get(path) != after {
                plan.index.insert(path.clone(), after.copied());
            }
        }
        for (path, state) in &in_untracked {
            plan.files.insert(path.clone(), None);
            plan.known.insert(path.clone(), state.snapshot);
        }
        plan.refs.push(RefEdit::set(RefName::stash(), id, Expected::Any, message.clone()));
        let done = self.perform(&lock, &plan)?;
        Ok(Some(Stashed { id, message, done, warnings }))
    }

    /// Returns the entries, newest first.
    pub fn stash_list(&self) -> Result<Vec<StashEntry>> {
        if self.refs().resolve(&RefName::stash())?.is_none() {
            return Ok(Vec::new());
        }
        let mut out = Vec::new();
        for (n, entry) in self.refs().log(&RefName::stash())?.enumerate() {
            let entry = entry.map_err(crate::repo::state::refs::RefError::from)?;
            if let Some(id) = entry.new {
                out.push(StashEntry { n, id, message: entry.message, time: entry.who.time });
            }
        }
        Ok(out)
    }

    /// Returns an entry by its place.
    pub fn stash_entry(&self, n: usize) -> Result<StashEntry> {
        let all = self.stash_list()?;
        let len = all.len();
        Ok(all.into_iter().nth(n).ok_or(StashError::NoEntry { n, len })?)
    }

    /// Brings back what an entry holds, also what was staged if `with_index`; then removes the entry if it is `popped`.
    pub fn stash_apply(&self, id: ObjectId, with_index: bool, popped: Option<usize>) -> Result<CheckoutOutcome> {
        let stashed = self.contents(id)?;
        let lock = self.lock()?;
        let index = self.index()?;
        let (mut plan, mut conflicts) = (Move::default(), Vec::new());
        for path in stashed.base.keys().chain(stashed.worktree.keys()) {
            let (old, new) = (stashed.base.get(path), stashed.worktree.get(path));
            let now = index.get(path).map(IndexEntry::state);
            if old == new || now.as_ref() == new {
                continue;
            }
            if now.as_ref() != old {
                conflicts.push(path.clone());
                continue;
            }
            plan.files.insert(path.clone(), new.copied());
            if old.is_none() {
                // A new file would be lost from sight if it were not staged.
                plan.index.insert(path.clone(), new.copied());
            }
        }
        for path in stashed.base.keys().chain(stashed.index.keys()).filter(|_| with_index) {
            let (old, new) = (stashed.base.get(path), stashed.index.get(path));
            let now = index.get(path).map(IndexEntry::state);
            match old == new || now.as_ref() == new {
                true => {}
                false if now.as_ref() != old => conflicts.push(path.clone()),
                false => drop(plan.index.insert(path.clone(), new.copied())),
            }
        }
        conflicts.dedup();
        if !conflicts.is_empty() {
            return Err(StashError::Conflicts(conflicts).into());
        }
        plan.files.extend(stashed.untracked.iter().map(|(path, state)| (path.clone(), Some(*state))));
        if popped == Some(0) {
            plan.refs.push(RefEdit::drop_value(RefName::stash(), id));
        }
        let done = self.perform(&lock, &plan)?;
        if let Some(n @ 1..) = popped {
            self.refs().forget_value(&lock, &RefName::stash(), n)?;
        }
        Ok(done)
    }

    /// Removes an entry.
    pub fn stash_drop(&self, n: usize) -> Result<StashEntry> {
        let lock = self.lock()?;
        let entry = self.stash_entry(n)?;
        match n {
            0 => {
                let edit = RefEdit::drop_value(RefName::stash(), entry.id);
                self.refs().apply(&lock, &self.committer()?, &[edit])?;
            }
            _ => drop(self.refs().forget_value(&lock, &RefName::stash(), n)?),
        }
        Ok(entry)
    }

    /// Removes all entries.
    pub fn stash_clear(&self) -> Result<()> {
        let lock = self.lock()?;
        if self.refs().read(&RefName::stash())?.is_some() {
            let edit = RefEdit::delete(RefName::stash(), Expected::Any);
            self.refs().apply(&lock, &self.committer()?, &[edit])?;
        }
        Ok(())
    }

    fn contents(&self, id: ObjectId) -> Result<Contents> {
        let commit = self.commit(&id)?;
        let (base, index, untracked) = match commit.parents.as_slice() {
            [base, index] => (base, index, None),
            [base, index, untracked] => (base, index, Some(untracked)),
            _ => return Err(StashError::NotAnEntry(id).into()),
        };
        let files = |id: &ObjectId| self.commit_files(id).map(|files| states(&files));
        Ok(Contents {
            base: files(base)?,
            index: files(index)?,
            worktree: states(&of_tree(&self.tree(&commit.tree)?)),
            untracked: untracked.map(files).transpose()?.unwrap_or_default(),
        })
    }

    /// Returns the branch, and HEAD's commit with its subject, for the name of an entry.
    fn place(&self, head: ObjectId) -> Result<(String, String)> {
        let branch = match self.refs().head()? {
            Head::Branch(name) => name.short().to_owned(),
            Head::Detached(_) => "(no branch)".to_owned(),
        };
        Ok((branch, format!("{} {}", self.abbreviate(&head), self.commit(&head)?.subject())))
    }

    /// Returns the commit of an entry, whose other parents are not stored yet.
    fn new_stash(
        &self,
        tree: ObjectId,
        parents: &[ObjectId],
        head: ObjectId,
        message: &str,
    ) -> Result<crate::model::Commit> {
        let commit = self.new_commit(tree, &[head], message)?;
        // The commit of the index has HEAD's as its parent.
        Ok(crate::model::Commit { parents: parents.to_vec(), generation: commit.generation + 1, ..commit })
    }
}

fn tree_of(states: &BTreeMap<RepoPath, FileState>) -> Tree {
    let entry = |(path, state): (&RepoPath, &FileState)| TreeEntry {
        path: path.clone(),
        mode: state.mode,
        snapshot: state.snapshot,
    };
    Tree::new(states.iter().map(entry).collect())
}
