//! Writing files that are not materialized into the worktree.

use std::path::PathBuf;

use crate::model::{RepoPath, Snapshot};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::checkout::{CheckoutError, CheckoutOutcome};
use crate::repo::worktree::moves::Move;

/// Which files to write.
#[derive(Clone, Debug, Default)]
pub struct MaterializeOptions {
    /// Files, folders and globs as typed; everything if empty.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
}

impl Repository {
    /// Writes ordinary files with what tracked files hold that are not materialized, unsaved work among it. What is missing is fetched
    /// before anything is locked. Other files stay as they are.
    pub fn materialize(&self, options: &MaterializeOptions) -> Result<CheckoutOutcome> {
        let specs = Pathspecs::new(self.top(), &options.cwd, &options.pathspecs)?;
        let index = self.index()?;
        let all: Vec<&RepoPath> = index.entries().iter().map(|e| &e.path).collect();
        if let Some(path) = specs.unmatched(&all) {
            return Err(CheckoutError::NoMatch { path, place: "in the index" }.into());
        }
        let states: Result<Vec<Snapshot>> = self.left_out(&specs, &index).map(|e| self.newest_state(e)).collect();
        self.hydrate_states(&states?)?;
        let lock = self.lock()?;
        let index = self.index()?;
        let mut plan = Move { materialize: true, ..Move::default() };
        for entry in self.left_out(&specs, &index) {
            let state = self.stored_head(entry, &lock)?;
            plan.files.insert(entry.path.clone(), Some(state));
            plan.known.insert(entry.path.clone(), state.snapshot);
        }
        self.perform(&lock, &plan)
    }

    fn left_out<'i>(&'i self, specs: &'i Pathspecs, index: &'i Index) -> impl Iterator<Item = &'i IndexEntry> {
        index.entries().iter().filter(|e| specs.matches(&e.path) && self.is_unmaterialized(e))
    }
}
