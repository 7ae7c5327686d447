//! Moving HEAD's branch to another commit, with index and worktree as wanted, and taking paths back out of the index.

use std::path::{Path, PathBuf};

use crate::model::{ObjectId, ObjectKind, RefName, Tree};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::checkout::CheckoutOutcome;
use crate::repo::worktree::moves::Move;

/// What a reset sets back, besides HEAD's branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetMode {
    /// Nothing: the index stays.
    Soft,
    /// The index.
    Mixed,
    /// The index and the worktree. Unsaved work is kept in the store.
    Hard,
    /// The index and those files of the worktree that differ between HEAD and the commit, if they have no changes.
    Keep,
}

/// Why nothing was reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// A path matches neither the index nor the commit.
    #[error("pathspec '{}' did not match any tracked file", .0.display())]
    NoMatch(PathBuf),
}

impl Repository {
    /// Moves HEAD's branch, or a detached HEAD, to a commit; `None` is for a branch without commits, which then stays so.
    /// `text` is the revision that named the commit, for the reflog. What HEAD was is kept as `ORIG_HEAD`.
    pub fn reset(&self, to: Option<ObjectId>, text: &str, mode: ResetMode) -> Result<CheckoutOutcome> {
        let lock = self.lock()?;
        let old = self.head_commit()?;
        let index = self.index()?;
        let mut plan = match mode {
            ResetMode::Soft => Move::default(),
            ResetMode::Mixed => Move { files: Default::default(), ..Move::all_to(&self.states_at(to)?, &index) },
            ResetMode::Hard => Move::all_to(&self.states_at(to)?, &index),
            ResetMode::Keep => {
                let target = self.states_at(to)?;
                let plan = Move::between(&self.states_at(old)?, &target, &index)?;
                Move { index: Move::all_to(&target, &index).index, ..plan }
            }
        };
        if let Some(to) = to {
            let expected = old.map_or(Expected::MustNotExist, Expected::MustExistAndMatch);
            plan.refs = self.keep_as_orig_head(old);
            plan.refs.push(RefEdit::set(RefName::head(), to, expected, format!("reset: moving to {text}")));
        }
        self.perform(&lock, &plan)
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
        if let Some(spec) = specs.all_unmatched(&known).next() {
            return Err(ResetError::NoMatch(spec.to_owned()).into());
        }
        let wanted = self.index_of(&tree)?;
        let before = index.clone();
        index.retain(|entry| !specs.matches(&entry.path));
        index.extend(wanted.entries().iter().filter(|e| specs.matches(&e.path)).cloned());
        let touched: Vec<&IndexEntry> = before.entries().iter().filter(|e| specs.matches(&e.path)).collect();
        let change = |e: &&IndexEntry| (e.path.clone(), index.get(&e.path).map(IndexEntry::state));
        self.keep_contents(&lock, &before, touched.iter().map(change))?;
        self.save_index(&index, &lock)?;
        self.drop_heads(&lock, &index, touched.iter().map(|e| e.path.clone()), &[])
    }

    /// Returns the index of a tree. What is known of files in the states they are staged in is kept.
    fn index_of(&self, tree: &Tree) -> Result<Index> {
        let (present, mut index) = (self.index()?, Index::from_tree(tree, self)?);
        self.mark_all(&mut index, &present);
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
