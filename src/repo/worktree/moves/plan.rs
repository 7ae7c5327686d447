//! The plan of a move from one set of tracked files to another: what has to change, and what the user's own changes allow.

use std::collections::{BTreeMap, BTreeSet};

use super::Move;
use crate::model::RepoPath;
use crate::repo::history::changes::Tracked;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::operations::FileState;
use crate::repo::worktree::checkout::CheckoutError;

/// Tracked files and their states.
pub(in crate::repo) type States = BTreeMap<RepoPath, FileState>;

/// Returns files by path.
pub(in crate::repo) fn states(files: &[Tracked]) -> States {
    files.iter().map(|t| (t.path.clone(), FileState { mode: t.mode, snapshot: t.snapshot })).collect()
}

impl Move {
    /// Plans the way from the commit whose files are `from` to that with `to`. Changes of files that both have in the same
    /// state are carried over; a staged change of another file is refused.
    pub(in crate::repo) fn between(from: &States, to: &States, index: &Index) -> Result<Self, CheckoutError> {
        let mut plan = Self::default();
        let mut refused = Vec::new();
        for path in from.keys().chain(to.keys()).collect::<BTreeSet<_>>() {
            let (old, new) = (from.get(path), to.get(path));
            let staged = index.get(path).map(IndexEntry::state);
            if old == new || staged.as_ref() == new {
                continue;
            }
            if staged.as_ref() != old {
                refused.push(path.clone());
                continue;
            }
            plan.set(path, new.copied());
        }
        match refused.is_empty() {
            true => Ok(plan),
            false => Err(CheckoutError::Unsaved(refused)),
        }
    }

    /// Plans to give all tracked files, here and there, the states in `to`, whatever they are now.
    pub(in crate::repo) fn all_to(to: &States, index: &Index) -> Self {
        let mut plan = Self { force: true, ..Self::default() };
        for path in index.entries().iter().map(|e| &e.path).chain(to.keys()) {
            plan.set(path, to.get(path).copied());
        }
        plan
    }

    /// Gives a file a state in index and worktree.
    pub(in crate::repo) fn set(&mut self, path: &RepoPath, state: Option<FileState>) {
        self.files.insert(path.clone(), state);
        self.index.insert(path.clone(), state);
    }
}
