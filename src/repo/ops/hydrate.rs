//! `hydrate`: which states it means.

use std::path::{Path, PathBuf};

use crate::model::Snapshot;
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::changes::{of_index, of_tree};
use crate::repo::state::objects::ObjectReader;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::checkout::CheckoutError;

impl Repository {
    /// Returns the states of files that pathspecs select: at a revision, or as the worktree has them.
    pub fn states_of(&self, cwd: &Path, rev: Option<&str>, pathspecs: &[PathBuf]) -> Result<Vec<Snapshot>> {
        let specs = Pathspecs::new(self.top(), cwd, pathspecs)?;
        let index = self.index()?;
        let files = match rev {
            Some(rev) => of_tree(&self.tree(&self.resolver(cwd).tree(rev)?)?),
            None => of_index(&index),
        };
        let known: Vec<_> = files.iter().map(|t| &t.path).collect();
        if let Some(path) = specs.unmatched(&known) {
            let place = if rev.is_some() { "in that revision" } else { "in the index" };
            return Err(CheckoutError::NoMatch { path, place }.into());
        }
        let mut states = Vec::new();
        for file in files.iter().filter(|t| specs.matches(&t.path)) {
            states.push(self.snapshot(&file.snapshot)?);
            if let Some(entry) = index.get(&file.path).filter(|_| rev.is_none()) {
                states.push(self.newest_state(entry)?);
            }
        }
        Ok(states)
    }
}
