//! Merging a history that has all of ours: the branch just moves forward.

use crate::model::{ObjectId, RefName};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::walk;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::repo::worktree::checkout::CheckoutOutcome;
use crate::repo::worktree::moves::Move;

/// What a merge did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The other history is part of ours.
    UpToDate,
    /// The branch moved forward.
    FastForward {
        /// Where it was; `None` if it had no commits.
        from: Option<ObjectId>,
        /// What was written.
        done: CheckoutOutcome,
    },
}

/// Why nothing was merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Each history has commits that the other has not.
    #[error("the histories have diverged: {ahead} here that '{name}' has not, {behind} there", ahead = commits(*.ahead), behind = commits(*.behind))]
    Diverged {
        /// The other history as typed.
        name: String,
        /// Commits that only ours has.
        ahead: usize,
        /// Commits that only the other has.
        behind: usize,
    },
}

fn commits(n: usize) -> String {
    if n == 1 { "1 commit".to_owned() } else { format!("{n} commits") }
}

impl Repository {
    /// Moves HEAD's branch, index and worktree forward to a commit that has HEAD's in its history. Changes of the user's own
    /// are carried over, or in the way, as when switching. `reason` begins the line in the reflog.
    pub fn fast_forward(&self, to: ObjectId, name: &str, reason: &str) -> Result<Merged> {
        let lock = self.lock()?;
        let from = self.head_commit()?;
        if let Some(from) = from {
            if walk::is_ancestor(self, to, from)? {
                return Ok(Merged::UpToDate);
            }
            if !walk::is_ancestor(self, from, to)? {
                let (ahead, behind) = walk::ahead_behind(self, from, to)?;
                return Err(MergeError::Diverged { name: name.to_owned(), ahead, behind }.into());
            }
        }
        let mut plan = Move::between(&self.states_at(from)?, &self.states_at(Some(to))?, &self.index()?)?;
        let expected = from.map_or(Expected::MustNotExist, Expected::MustExistAndMatch);
        plan.refs = self.keep_as_orig_head(from);
        plan.refs.push(RefEdit::set(RefName::head(), to, expected, format!("{reason}: Fast-forward")));
        let done = self.perform(&lock, &plan)?;
        Ok(Merged::FastForward { from, done })
    }

    /// Returns the edit that keeps where HEAD was as `ORIG_HEAD`.
    pub(super) fn keep_as_orig_head(&self, old: Option<ObjectId>) -> Vec<RefEdit> {
        let name = RefName::new("ORIG_HEAD").expect("a valid name");
        old.map(|id| RefEdit::set(name, id, Expected::Any, "")).into_iter().collect()
    }
}
