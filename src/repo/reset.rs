//! Moving HEAD's branch to another commit, and taking paths back out of the index; the worktree stays as it is.

use std::path::{Path, PathBuf};

use super::Repository;
use super::error::Result;
use super::index::{Index, IndexEntry};
use super::objects::ObjectReader;
use super::pathspec::Pathspecs;
use super::refs::{Expected, RefEdit};
use crate::model::{ObjectId, ObjectKind, RefName, Tree};

/// What a reset sets back, besides HEAD's branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetMode {
    /// Nothing: the index stays.
    Soft,
    /// The index.
    Mixed,
}

/// Why nothing was reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// A path matches neither the index nor the commit.
    #[error("pathspec '{}' did not match any tracked file", .0.display())]
    NoMatch(PathBuf),
}

impl Repository {
    /// Moves HEAD's branch, or a detached HEAD, to a commit; `text` is the revision that named it, for the reflog. What HEAD
    /// was is kept as `ORIG_HEAD`.
    pub fn reset(&self, to: ObjectId, text: &str, mode: ResetMode) -> Result<()> {
        let lock = self.lock()?;
        let old = self.head_commit()?;
        let who = self.committer()?;
        if mode == ResetMode::Mixed {
            let index = self.index_of(&self.tree(&self.commit(&to)?.tree)?)?;
            self.prepare_index(&index, to, &lock)?;
        }
        let mut edits = Vec::new();
        if let Some(old) = old {
            edits.push(RefEdit::set(RefName::new("ORIG_HEAD").expect("a valid name"), old, Expected::Any, ""));
        }
        let expected = old.map_or(Expected::MustNotExist, Expected::MustExistAndMatch);
        edits.push(RefEdit::set(RefName::head(), to, expected, format!("reset: moving to {text}")));
        self.refs().apply(&lock, &who, &edits)?;
        self.settle_pending(&lock)
    }

    /// Empties the index of a branch without commits.
    pub fn reset_unborn(&self) -> Result<()> {
        let lock = self.lock()?;
        Ok(Index::default().save(self.dir(), &lock)?)
    }

    /// Gives paths of the index the state that they have in a commit or tree; those that it does not have go. Without a
    /// tree all of them go.
    pub fn reset_paths(&self, from: Option<&ObjectId>, cwd: &Path, pathspecs: &[PathBuf]) -> Result<()> {
        let tree = match from {
            Some(id) => self.tree(&self.peel(id, ObjectKind::Tree)?)?,
            None => Tree::default(),
        };
        let specs = Pathspecs::new(self.top(), cwd, pathspecs)?;
        let lock = self.lock()?;
        let mut index = self.index()?;
        let known: Vec<_> =
            index.entries().iter().map(|e| &e.path).chain(tree.entries().iter().map(|e| &e.path)).collect();
        if let Some(spec) = specs.unmatched(&known) {
            return Err(ResetError::NoMatch(spec).into());
        }
        let wanted = self.index_of(&tree)?;
        index.retain(|entry| !specs.matches(&entry.path));
        index.extend(wanted.entries().iter().filter(|e| specs.matches(&e.path)).cloned());
        Ok(index.save(self.dir(), &lock)?)
    }

    /// Returns the index of a tree. What is known of files in the states they are staged in is kept.
    fn index_of(&self, tree: &Tree) -> Result<Index> {
        let (present, mut index) = (self.index()?, Index::from_tree(tree, self)?);
        let kept: Vec<IndexEntry> = index
            .entries()
            .iter()
            .filter_map(|entry| {
                let known = present.get(&entry.path)?;
                let is_same = known.snapshot == entry.snapshot && known.mode == entry.mode;
                is_same.then(|| known.clone())
            })
            .collect();
        index.extend(kept);
        Ok(index)
    }
}
