//! Merging another history into the current branch: by moving forward, or row by row.

use crate::model::{ObjectId, RefName};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::walk;
use crate::repo::ops::commit::tidy;
use crate::repo::ops::three_way::{FileConflict, MergedDatabase, conflict_count, tree_of};
use crate::repo::state::refs::{Expected, Head, RefEdit};
use crate::repo::worktree::checkout::CheckoutOutcome;
use crate::repo::worktree::moves::{Move, States};
use crate::sqlite::merge::{MergeOptions, RowMergeError};
use crate::store::Transaction;

/// What to merge, and how.
#[derive(Clone, Debug)]
pub struct MergeRequest {
    /// The other history as typed.
    pub name: String,
    /// Its newest commit.
    pub commit: ObjectId,
    /// The message of the merge commit; one that names the two if not given.
    pub message: Option<String>,
    /// When the branch just moves forward.
    pub forward: Forward,
    /// How rows are merged.
    pub rows: MergeOptions,
    /// Merge histories that have nothing in common.
    pub unrelated: bool,
    /// What becomes of the result.
    pub result: MergeResult,
    /// How the line in the reflog begins, such as `merge prices`.
    pub reason: String,
}

/// When the branch just moves forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forward {
    /// If it can.
    #[default]
    Auto,
    /// Never: there is a merge commit in any case.
    Never,
    /// Always: otherwise nothing happens.
    Only,
}

/// What becomes of the result of a merge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MergeResult {
    /// A commit with both histories as its parents.
    #[default]
    Commit,
    /// It is staged, and the next commit has one parent.
    Stage,
    /// Nothing is written: what would happen is told.
    Nothing,
}

/// What a merge did.
#[derive(Clone, Debug)]
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
    /// Both went on, and were merged.
    Merged(Box<Mixed>),
}

/// What came of a merge of two histories that both went on.
#[derive(Clone, Debug)]
pub struct Mixed {
    /// Where the branch was.
    pub from: ObjectId,
    /// The merge commit; `None` if none was made.
    pub commit: Option<ObjectId>,
    /// The common commits that it started from.
    pub bases: Vec<ObjectId>,
    /// What was written.
    pub done: CheckoutOutcome,
    /// The databases that were merged row by row.
    pub databases: Vec<MergedDatabase>,
    /// Files that cannot be decided as a whole.
    pub conflicts: Vec<FileConflict>,
}

impl Mixed {
    /// Counts the conflicts of all files; if there are any, nothing was changed.
    pub fn conflict_count(&self) -> usize {
        conflict_count(&self.conflicts, &self.databases)
    }
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
    /// The two have no commit in common.
    #[error("'{name}' has no commit in common with the current branch")]
    Unrelated {
        /// The other history as typed.
        name: String,
    },
    /// The two have merged each other, and have no one commit that both come from.
    #[error("'{name}' and the current branch have {count} merge bases, as each has merged the other")]
    CrissCross {
        /// The other history as typed.
        name: String,
        /// How many.
        count: usize,
    },
    /// The rows of a database cannot be merged.
    #[error("cannot merge the rows of '{path}'")]
    Rows {
        /// The file.
        path: String,
        /// Why.
        source: RowMergeError,
    },
}

fn commits(n: usize) -> String {
    if n == 1 { "1 commit".to_owned() } else { format!("{n} commits") }
}

impl Repository {
    /// Merges another history into HEAD's branch, index and worktree. Changes of the user's own in other files are carried over. If
    /// anything is in conflict nothing is changed.
    pub fn merge(&self, request: &MergeRequest) -> Result<Merged> {
        loop {
            let Some(from) = self.head_commit()? else {
                return self.fast_forward(request.commit, &request.name, &request.reason);
            };
            if walk::is_ancestor(self, request.commit, from)? {
                return Ok(Merged::UpToDate);
            }
            let forward = request.forward != Forward::Never && request.result == MergeResult::Commit;
            let is_ahead = walk::is_ancestor(self, from, request.commit)?;
            if is_ahead && forward || request.forward == Forward::Only {
                return self.fast_forward(request.commit, &request.name, &request.reason);
            }
            if let Some(mixed) = self.mix(request, from)? {
                return Ok(Merged::Merged(Box::new(mixed)));
            }
        }
    }

    /// Merges two histories that both went on; `None` if HEAD moved meanwhile.
    fn mix(&self, request: &MergeRequest, from: ObjectId) -> Result<Option<Mixed>> {
        let bases = walk::merge_bases(self, from, &[request.commit])?;
        let name = request.name.clone();
        let base = match bases.as_slice() {
            [] if request.unrelated => States::default(),
            [] => {
                self.needs_history(from)?;
                self.needs_history(request.commit)?;
                return Err(MergeError::Unrelated { name }.into());
            }
            [base] => self.states_at(Some(*base))?,
            several => return Err(MergeError::CrissCross { name, count: several.len() }.into()),
        };
        let (ours, theirs) = (self.states_at(Some(from))?, self.states_at(Some(request.commit))?);
        let merged = self.three_way(&base, &ours, &theirs, request.rows)?;
        let mut mixed = Mixed {
            from,
            commit: None,
            bases,
            done: CheckoutOutcome::default(),
            databases: merged.databases.clone(),
            conflicts: merged.conflicts.clone(),
        };
        if !merged.is_clean() || request.result == MergeResult::Nothing {
            return Ok(Some(mixed));
        }
        let lock = self.lock()?;
        if self.head_commit()? != Some(from) {
            return Ok(None);
        }
        let mut tx = Transaction::new(self.store(), &lock)?;
        let states = merged.publish(&mut tx)?;
        let commit = match request.result {
            MergeResult::Commit => Some(self.merge_commit(request, from, &states, &mut tx)?),
            MergeResult::Stage | MergeResult::Nothing => None,
        };
        tx.publish()?;
        let mut plan = Move::between(&ours, &states, &self.index()?)?;
        plan.refs = self.keep_as_orig_head(Some(from));
        if let Some(id) = commit {
            let made = format!("{}: Merge made by the 'rows' strategy.", request.reason);
            plan.refs.push(RefEdit::set(RefName::head(), id, Expected::MustExistAndMatch(from), made));
        }
        mixed.commit = commit;
        mixed.done = self.perform(&lock, &plan)?;
        Ok(Some(mixed))
    }

    /// Refuses a history that is cut off: what it has in common with another may lie beyond.
    fn needs_history(&self, tip: ObjectId) -> Result<()> {
        let walk = self.walk(walk::WalkOptions { tips: vec![tip], ..walk::WalkOptions::default() })?;
        for entry in walk {
            self.needs_parents(&entry?.id)?;
        }
        Ok(())
    }

    fn merge_commit(
        &self,
        request: &MergeRequest,
        from: ObjectId,
        states: &States,
        tx: &mut Transaction<'_>,
    ) -> Result<ObjectId> {
        let message = match &request.message {
            Some(text) => tidy(text),
            None => self.merge_message(&request.name)?,
        };
        let tree = tx.add_object(&tree_of(states));
        Ok(tx.add_object(&self.new_commit(tree, &[from, request.commit], &message)?))
    }

    /// Returns the message that names the two histories, as Git writes it.
    fn merge_message(&self, name: &str) -> Result<String> {
        let is = |prefix: &str| -> Result<bool> {
            match RefName::new(&format!("{prefix}{name}")) {
                Ok(name) => Ok(self.refs().resolve(&name)?.is_some()),
                Err(_) => Ok(false),
            }
        };
        let what = if is("refs/heads/")? {
            "branch"
        } else if is("refs/tags/")? {
            "tag"
        } else if is("refs/remotes/")? {
            "remote-tracking branch"
        } else {
            "commit"
        };
        let into = match self.refs().head()? {
            Head::Branch(branch) if ["main", "master"].contains(&branch.short()) => String::new(),
            Head::Branch(branch) => format!(" into {}", branch.short()),
            Head::Detached(_) => " into HEAD".to_owned(),
        };
        Ok(format!("Merge {what} '{name}'{into}\n"))
    }

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
