//! Doing once more, or taking back, what single commits did: `cherry-pick` and `revert`.
//!
//! Each commit is a three-way merge whose base is its parent; a revert swaps the two. All commits are made in the store first,
//! one on the other, and the worktree moves once: if one of them is in conflict, nothing is changed.

use crate::model::{ObjectId, RefName};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::ops::commit::tidy;
use crate::repo::ops::three_way::{FileConflict, MergedDatabase, tree_of};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::repo::worktree::checkout::CheckoutOutcome;
use crate::repo::worktree::moves::{Move, States};
use crate::sqlite::merge::MergeOptions;
use crate::store::Transaction;
use crate::util::lock::FileLock;

/// What to do with the changes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Do them once more: `cherry-pick`.
    Again,
    /// Take them back: `revert`.
    Back,
}

impl Direction {
    /// Returns the name of the command.
    pub fn word(self) -> &'static str {
        match self {
            Self::Again => "cherry-pick",
            Self::Back => "revert",
        }
    }
}

/// What becomes of a commit that changes nothing here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// Nothing is done at all.
    #[default]
    Stop,
    /// It is left out.
    Drop,
    /// It is made all the same.
    Keep,
}

/// Which commits, and how.
#[derive(Clone, Debug)]
pub struct PickRequest {
    /// The commits, in the order in which they are done.
    pub commits: Vec<ObjectId>,
    /// Whether they are done or taken back.
    pub direction: Direction,
    /// Which parent a merge is compared with, from 1.
    pub mainline: Option<usize>,
    /// How rows are merged.
    pub rows: MergeOptions,
    /// Stage the result, and make no commit.
    pub stage: bool,
    /// Note in the message where a commit is from.
    pub note: bool,
    /// What becomes of commits that change nothing.
    pub empty: Empty,
}

/// What was done.
#[derive(Clone, Debug)]
pub enum Picked {
    /// All of them.
    Done {
        /// Each commit that was made, after the one that it is from.
        commits: Vec<(ObjectId, ObjectId)>,
        /// Commits that were left out, as they change nothing.
        dropped: Vec<ObjectId>,
        /// What was written.
        done: CheckoutOutcome,
        /// The databases that were merged row by row.
        databases: Vec<MergedDatabase>,
    },
    /// None, as one of them cannot be decided.
    Conflicts {
        /// The commit.
        at: ObjectId,
        /// The databases that were merged row by row.
        databases: Vec<MergedDatabase>,
        /// Files that cannot be decided as a whole.
        files: Vec<FileConflict>,
    },
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    /// There is no commit yet.
    #[error("there is no commit yet to build on")]
    NoCommit,
    /// A merge has several parents, and none was named.
    #[error("commit {0} is a merge, but no -m option was given")]
    NeedsMainline(ObjectId),
    /// A commit has no such parent.
    #[error("commit {id} does not have parent {parent}")]
    NoSuchParent {
        /// The commit.
        id: ObjectId,
        /// The parent, from 1.
        parent: usize,
    },
    /// A commit changes nothing here.
    #[error("commit {0} changes nothing here: what it does is done already")]
    Empty(ObjectId),
}

impl Repository {
    /// Does, or takes back, what commits did, on top of HEAD.
    pub fn pick(&self, request: &PickRequest) -> Result<Picked> {
        let lock = self.lock()?;
        let head = self.head_commit()?.ok_or(PickError::NoCommit)?;
        let first = self.states_at(Some(head))?;
        let (mut tip, mut states) = (head, first.clone());
        let (mut commits, mut dropped, mut databases) = (Vec::new(), Vec::new(), Vec::new());
        for id in &request.commits {
            let (base, theirs) = self.sides(request, id)?;
            let merged = self.three_way(&base, &states, &theirs, request.rows)?;
            if !merged.is_clean() {
                let (databases, files) = (merged.databases.clone(), merged.conflicts.clone());
                return Ok(Picked::Conflicts { at: *id, databases, files });
            }
            databases.extend(merged.databases.clone());
            let mut tx = Transaction::new(self.store(), &lock)?;
            let next = merged.publish(&mut tx)?;
            let made = match (next == states, request.empty) {
                (true, Empty::Stop) => return Err(PickError::Empty(*id).into()),
                (true, Empty::Drop) => None,
                _ if request.stage => Some(tip),
                _ => Some(self.picked_commit(request, id, tip, &next, &mut tx)?),
            };
            tx.publish()?;
            match made {
                None => dropped.push(*id),
                Some(_) if request.stage => {}
                Some(made) => {
                    commits.push((*id, made));
                    tip = made;
                }
            }
            states = next;
        }
        let done = self.go_there(request, &lock, head, tip, &first, &states)?;
        Ok(Picked::Done { commits, dropped, done, databases })
    }

    /// Returns the files that the changes start from, and those that they lead to.
    fn sides(&self, request: &PickRequest, id: &ObjectId) -> Result<(States, States)> {
        self.needs_parents(id)?;
        let parents = self.commit(id)?.parents;
        let parent = match (request.mainline, parents.as_slice()) {
            (None, [_, _, ..]) => return Err(PickError::NeedsMainline(*id).into()),
            (None, parents) => parents.first().copied(),
            (Some(n), parents) => {
                let parent = n.checked_sub(1).and_then(|i| parents.get(i)).copied();
                Some(parent.ok_or(PickError::NoSuchParent { id: *id, parent: n })?)
            }
        };
        let (before, after) = (self.states_at(parent)?, self.states_at(Some(*id))?);
        Ok(match request.direction {
            Direction::Again => (before, after),
            Direction::Back => (after, before),
        })
    }

    fn picked_commit(
        &self,
        request: &PickRequest,
        id: &ObjectId,
        tip: ObjectId,
        states: &States,
        tx: &mut Transaction<'_>,
    ) -> Result<ObjectId> {
        let from = self.commit(id)?;
        let message = match request.direction {
            Direction::Again => {
                let note = if request.note { format!("\n(cherry picked from commit {id})\n") } else { String::new() };
                format!("{}{note}", from.message)
            }
            Direction::Back => {
                let of = match request.mainline.and_then(|n| from.parents.get(n - 1)) {
                    Some(parent) => format!("{id}, reversing\nchanges made to {parent}"),
                    None => id.to_string(),
                };
                format!("Revert \"{}\"\n\nThis reverts commit {of}.\n", from.subject())
            }
        };
        let tree = tx.add_object(&tree_of(states));
        let mut commit = self.new_commit(tree, &[tip], &tidy(&message))?;
        if request.direction == Direction::Again {
            commit.author = from.author;
        }
        Ok(tx.add_object(&commit))
    }

    /// Brings index, worktree and HEAD where the last commit is.
    fn go_there(
        &self,
        request: &PickRequest,
        lock: &FileLock,
        head: ObjectId,
        tip: ObjectId,
        from: &States,
        to: &States,
    ) -> Result<CheckoutOutcome> {
        let mut plan = Move::between(from, to, &self.index()?)?;
        if tip != head {
            let message = format!("{}: {}", request.direction.word(), self.commit(&tip)?.subject());
            plan.refs = self.keep_as_orig_head(Some(head));
            plan.refs.push(RefEdit::set(RefName::head(), tip, Expected::MustExistAndMatch(head), message));
        }
        self.perform(lock, &plan)
    }
}
