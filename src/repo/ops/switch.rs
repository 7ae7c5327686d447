//! Switching: HEAD, index and worktree go over to another branch or commit.

use crate::model::{ObjectId, RefName};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::walk::WalkOptions;
use crate::repo::ops::branch::BranchError;
use crate::repo::state::refs::{Expected, Head, RefEdit};
use crate::repo::worktree::checkout::CheckoutOutcome;
use crate::repo::worktree::moves::{Move, States, states};

/// Where to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A branch.
    Branch(RefName),
    /// A commit itself; HEAD will be on no branch.
    Commit(ObjectId),
    /// A new branch.
    New {
        /// Its name.
        name: RefName,
        /// The commit it begins at; `None` where there is none yet.
        start: Option<ObjectId>,
        /// The revision that named the commit, for the reflog.
        start_text: String,
        /// The branch that it follows from now on.
        upstream: Option<RefName>,
        /// Whether it may exist already, and is set to `start` then.
        force: bool,
    },
    /// A branch without commits, and nothing in the index and the worktree.
    Orphan(RefName),
}

/// How to go there.
#[derive(Clone, Debug)]
pub struct SwitchOptions {
    /// Where to go.
    pub goal: Goal,
    /// What the user typed, for the reflog.
    pub typed: String,
    /// Give up changes that were never committed; they are kept in the store.
    pub force: bool,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// Where HEAD was, and its commit.
    pub from: (Head, Option<ObjectId>),
    /// Where HEAD is now, and its commit.
    pub to: (Head, Option<ObjectId>),
    /// The commit that a branch had which was made anew.
    pub reset_from: Option<ObjectId>,
    /// The branch that the new one follows.
    pub upstream: Option<RefName>,
    /// What was written.
    pub done: CheckoutOutcome,
}

/// Why nothing was switched.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// A branch is wanted, but this names something else.
    #[error("a branch is wanted, but '{0}' is none")]
    NotABranch(String),
    /// Several remotes have a branch of that name.
    #[error("'{name}' matches branches of several remotes: {}", .found.join(", "))]
    SeveralRemotes {
        /// The name.
        name: String,
        /// The branches.
        found: Vec<String>,
    },
}

impl Repository {
    /// Switches. Changes of the user's own in files that both sides have in the same state are carried over; where they
    /// are in the way, nothing happens. All databases move, or none; HEAD moves last.
    pub fn switch(&self, options: &SwitchOptions) -> Result<Switched> {
        let lock = self.lock()?;
        let head = self.refs().head()?;
        let old = self.head_commit()?;
        let new = match &options.goal {
            Goal::Branch(name) => match self.refs().resolve(name)? {
                Some(id) => Some(id),
                None if head == Head::Branch(name.clone()) => None,
                None => return Err(BranchError::NotFound(name.short().to_owned()).into()),
            },
            Goal::Commit(id) => Some(*id),
            Goal::New { start, .. } => *start,
            Goal::Orphan(_) => None,
        };
        let is_moving = new != old || matches!(options.goal, Goal::Orphan(_));
        let index = self.index()?;
        let mut plan = match (options.force, is_moving) {
            (true, _) => Move::all_to(&self.states_at(new)?, &index),
            (false, true) => Move::between(&self.states_at(old)?, &self.states_at(new)?, &index)?,
            (false, false) => Move::default(),
        };
        let from = match &head {
            Head::Branch(name) => name.short().to_owned(),
            Head::Detached(id) => id.to_string(),
        };
        let message = format!("checkout: moving from {from} to {}", options.typed);
        let (edits, to, reset_from) = self.edits_of(&options.goal, new, message)?;
        plan.refs = edits;
        let done = self.perform(&lock, &plan)?;
        drop(lock);
        let mut upstream = None;
        if let Goal::New { name, upstream: Some(followed), .. } = &options.goal {
            self.follow_upstream(name, followed)?;
            upstream = Some(followed.clone());
        }
        Ok(Switched { from: (head, old), to: (to, new), reset_from, upstream, done })
    }

    /// Returns what becomes of refs, where HEAD is then, and the commit that a branch had which is made anew.
    fn edits_of(
        &self,
        goal: &Goal,
        new: Option<ObjectId>,
        message: String,
    ) -> Result<(Vec<RefEdit>, Head, Option<ObjectId>)> {
        let onto = |name: &RefName| RefEdit::point(RefName::head(), name.clone(), message.clone());
        Ok(match goal {
            Goal::Branch(name) => (vec![onto(name)], Head::Branch(name.clone()), None),
            Goal::Commit(id) => {
                (vec![RefEdit::detach(RefName::head(), *id, Expected::Any, message)], Head::Detached(*id), None)
            }
            Goal::Orphan(name) => match self.refs().resolve(name)? {
                Some(_) => return Err(BranchError::Exists(name.short().to_owned()).into()),
                None => (vec![onto(name)], Head::Branch(name.clone()), None),
            },
            Goal::New { name, start_text, force, .. } => {
                let old = self.refs().resolve(name)?;
                if old.is_some() && !force {
                    return Err(BranchError::Exists(name.short().to_owned()).into());
                }
                let (expected, made) = match old {
                    Some(old) => (Expected::MustExistAndMatch(old), format!("branch: Reset to {start_text}")),
                    None => (Expected::MustNotExist, format!("branch: Created from {start_text}")),
                };
                // On a branch without commits there is nothing yet that the new one could name.
                let make = new.map(|id| RefEdit::set(name.clone(), id, expected, made));
                (make.into_iter().chain([onto(name)]).collect(), Head::Branch(name.clone()), old)
            }
        })
    }

    /// Returns the files of a commit; none without a commit.
    pub(super) fn states_at(&self, commit: Option<ObjectId>) -> Result<States> {
        match commit {
            Some(id) => Ok(states(&self.commit_files(&id)?)),
            None => Ok(States::default()),
        }
    }

    /// Returns the branch of a remote that `name` means where no branch of our own is called that.
    pub fn remote_branch(&self, name: &str) -> Result<Option<RefName>> {
        let ending = format!("/{name}");
        let all = self.refs().list("refs/remotes/")?.refs;
        let mut found: Vec<RefName> = all
            .into_iter()
            .filter(|r| r.symbolic.is_none() && r.name.short().split_once('/').is_some_and(|(_, b)| b == &ending[1..]))
            .map(|r| r.name)
            .collect();
        match found.len() {
            0 => Ok(None),
            1 => Ok(found.pop()),
            _ => {
                let found = found.iter().map(|name| name.short().to_owned()).collect();
                Err(SwitchError::SeveralRemotes { name: name.to_owned(), found }.into())
            }
        }
    }

    /// Returns commits that a detached HEAD leaves behind with nothing leading to them, newest first.
    pub fn left_behind(&self, old: ObjectId) -> Result<Vec<ObjectId>> {
        let hidden = self.refs().tips()?.refs.iter().filter_map(|r| self.peel_to_commit(&r.id)).collect();
        let walk = self.walk(WalkOptions { tips: vec![old], hidden, ..WalkOptions::default() })?;
        walk.map(|entry| entry.map(|e| e.id)).collect()
    }

    fn peel_to_commit(&self, id: &ObjectId) -> Option<ObjectId> {
        use crate::repo::state::objects::ObjectReader;
        self.peel(id, crate::model::ObjectKind::Commit).ok()
    }
}
