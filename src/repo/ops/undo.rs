//! Taking back the last operation, and doing again what was taken back.
//!
//! Refs, index entries and files go back to what they were before the operation, if they still are what it made of
//! them; where they are not, nothing happens. That is an operation of its own, which names the one it reverses, so that
//! one can go back step by step, and forward again until something new is done.

use std::collections::BTreeMap;

use crate::model::{RefName, RepoPath};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::index::IndexEntry;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::operations::{Change, Direction, FileState, Operation, Record, RefChange};
use crate::repo::state::refs::{Expected, RefEdit, Target};
use crate::repo::worktree::checkout::CheckoutOutcome;
use crate::repo::worktree::moves::Move;

/// How to go.
#[derive(Clone, Copy, Debug)]
pub struct UndoOptions {
    /// Back or forward.
    pub direction: Direction,
    /// Overwrite work that was not saved since; it is kept in the store.
    pub force: bool,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What was taken back or done again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The operation.
    pub operation: Operation,
    /// Refs, before and after going back or forward.
    pub refs: Vec<RefChange>,
    /// Index entries, likewise.
    pub index: Vec<Change>,
    /// Files of the worktree, likewise.
    pub files: Vec<Change>,
    /// What was written.
    pub done: CheckoutOutcome,
}

/// Why nothing was taken back or done again.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// There is nothing left to take back.
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// Nothing was taken back since the last operation.
    #[error("there is nothing to redo")]
    NothingToRedo,
    /// A ref is not what the operation made of it.
    #[error("'{command}' cannot be reversed: {name} was changed since")]
    RefMoved {
        /// The operation's command.
        command: String,
        /// The ref.
        name: RefName,
    },
    /// An index entry is not what the operation made of it.
    #[error("'{command}' cannot be reversed: what is staged of '{path}' was changed since")]
    IndexChanged {
        /// The operation's command.
        command: String,
        /// The file.
        path: RepoPath,
    },
    /// A file that was moved cannot be moved back.
    #[error("'{command}' cannot be reversed: '{to}' exists, or '{from}' is gone")]
    MoveBlocked {
        /// The operation's command.
        command: String,
        /// Where the file should be.
        from: RepoPath,
        /// Where it should go.
        to: RepoPath,
    },
}

/// The net effect of an operation in one direction.
#[derive(Default)]
struct Net {
    refs: Vec<RefChange>,
    index: Vec<Change>,
    files: Vec<Change>,
    moved: Vec<(RepoPath, RepoPath)>,
}

impl Repository {
    /// Takes back the last operation, or does again the last one taken back.
    pub fn undo(&self, options: UndoOptions) -> Result<Undone> {
        let lock = self.lock()?;
        let all = self.operations().read().map_err(RepoError::file("read", self.operations().path()))?;
        let (mut done, mut undone) = stacks(all);
        loop {
            let (stack, nothing) = match options.direction {
                Direction::Undo => (&mut done, UndoError::NothingToUndo),
                Direction::Redo => (&mut undone, UndoError::NothingToRedo),
            };
            let Some(operation) = stack.pop() else { return Err(nothing.into()) };
            let net = Net::of(&operation, options.direction);
            let mut plan = self.plan_of(&operation, &net, options.direction)?;
            if plan.refs.is_empty() && plan.index.is_empty() && plan.files.is_empty() && net.moved.is_empty() {
                // It was announced and never happened.
                continue;
            }
            plan.force = options.force;
            plan.reverses = Some((options.direction, operation.id.clone()));
            self.check_moves(&operation, &net)?;
            let mut outcome = CheckoutOutcome::default();
            if !options.dry_run {
                outcome = self.perform(&lock, &plan)?;
                let mut index = self.index()?;
                for (from, to) in &net.moved {
                    self.move_file(&mut index, from, to, &lock)?;
                }
                let end = Record { completed: true, ..Record::default() };
                self.operations().append(end).map_err(RepoError::file("write", self.operations().path()))?;
            }
            let Net { refs, index, files, .. } = net;
            return Ok(Undone { operation, refs, index, files, done: outcome });
        }
    }

    /// Returns what is to be done for a net effect; what is so already is left out.
    fn plan_of(&self, operation: &Operation, net: &Net, direction: Direction) -> Result<Move> {
        let command = || operation.command.clone();
        let mut plan = Move::default();
        let index = self.index()?;
        for change in &net.index {
            let now = index.get(&change.path).map(IndexEntry::state);
            if now == change.after {
                continue;
            }
            if now != change.before {
                return Err(UndoError::IndexChanged { command: command(), path: change.path.clone() }.into());
            }
            plan.index.insert(change.path.clone(), change.after);
        }
        for change in &net.files {
            plan.files.insert(change.path.clone(), change.after);
            plan.known.extend(change.before.map(|state| (change.path.clone(), state.snapshot)));
        }
        let word = if direction == Direction::Undo { "undo" } else { "redo" };
        let message = format!("{word}: {}", operation.command);
        // HEAD goes last, wherever it went in the operation.
        let (head, others): (Vec<_>, Vec<_>) = net.refs.iter().partition(|c| c.name == RefName::head());
        for RefChange { name, before, after } in others.into_iter().chain(head) {
            let now = self.refs().read(name)?;
            if now == *after {
                continue;
            }
            if now != *before {
                return Err(UndoError::RefMoved { command: command(), name: name.clone() }.into());
            }
            if *name == RefName::stash() {
                plan.refs.push(self.stash_edit(name, before.as_ref(), after.as_ref())?);
                continue;
            }
            plan.refs.push(match after {
                Some(Target::Object(id)) => RefEdit::detach(name.clone(), *id, Expected::Any, message.clone()),
                Some(Target::Symbolic(to)) => RefEdit::point(name.clone(), to.clone(), message.clone()),
                None => RefEdit::delete(name.clone(), Expected::Any),
            });
        }
        Ok(plan)
    }

    /// Brings the stash, a stack, from one top to another: what came on it goes off it, what went off comes on.
    fn stash_edit(&self, name: &RefName, now: Option<&Target>, wanted: Option<&Target>) -> Result<RefEdit> {
        let id = |target: Option<&Target>| match target {
            Some(Target::Object(id)) => Some(*id),
            _ => None,
        };
        let below = self.refs().log(name)?.next().and_then(Result::ok).and_then(|entry| entry.old);
        Ok(match (id(now), id(wanted)) {
            (Some(top), wanted) if below == wanted => RefEdit::drop_value(name.clone(), top),
            (_, Some(wanted)) => {
                let subject = self.commit(&wanted)?.subject().to_owned();
                RefEdit::set(name.clone(), wanted, Expected::Any, subject)
            }
            (_, None) => RefEdit::delete(name.clone(), Expected::Any),
        })
    }

    fn check_moves(&self, operation: &Operation, net: &Net) -> Result<()> {
        let index = self.index()?;
        for (from, to) in &net.moved {
            let is_volume = index.get(from).is_some_and(|entry| self.is_unmaterialized(entry));
            if !self.is_vacant(to) || (self.is_vacant(from) && !is_volume) {
                let (command, from, to) = (operation.command.clone(), from.clone(), to.clone());
                return Err(UndoError::MoveBlocked { command, from, to }.into());
            }
        }
        Ok(())
    }
}

impl Net {
    /// Joins the records of an operation: of each ref, entry and file the first state and the last.
    fn of(operation: &Operation, direction: Direction) -> Self {
        let mut net = Self::default();
        let mut refs: Vec<RefChange> = Vec::new();
        let (mut index, mut files) = (BTreeMap::new(), BTreeMap::new());
        for record in &operation.records {
            for change in &record.refs {
                match refs.iter_mut().find(|c| c.name == change.name) {
                    Some(known) => known.after = change.after.clone(),
                    None => refs.push(change.clone()),
                }
            }
            join(&mut index, &record.index);
            join(&mut files, &record.files);
            net.moved.extend(record.moved.iter().cloned());
        }
        net.refs = refs;
        net.index = changes(index);
        net.files = changes(files);
        if direction == Direction::Undo {
            net.refs.iter_mut().for_each(|c| std::mem::swap(&mut c.before, &mut c.after));
            let turn = |c: &mut Change| std::mem::swap(&mut c.before, &mut c.after);
            net.index.iter_mut().chain(&mut net.files).for_each(turn);
            net.moved = net.moved.into_iter().rev().map(|(from, to)| (to, from)).collect();
        }
        net
    }
}

type Ends = BTreeMap<RepoPath, (Option<FileState>, Option<FileState>)>;

fn join(ends: &mut Ends, changes: &[Change]) {
    for change in changes {
        let known = ends.get(&change.path).copied();
        // A state before that is not the one after the last change corrects that: the file was written to meanwhile.
        let follows = known.filter(|(_, after)| *after == change.before);
        ends.insert(change.path.clone(), (follows.map_or(change.before, |(before, _)| before), change.after));
    }
}

fn changes(ends: Ends) -> Vec<Change> {
    let change = |(path, (before, after))| Change { path, before, after };
    ends.into_iter().map(change).filter(|c| c.before != c.after).collect()
}

/// Returns the operations that can be taken back, and those that can be done again; the next one is last.
fn stacks(all: Vec<Operation>) -> (Vec<Operation>, Vec<Operation>) {
    let (mut done, mut undone): (Vec<Operation>, Vec<Operation>) = (Vec::new(), Vec::new());
    for operation in all {
        if operation.reverses.is_some() && !operation.completed {
            // It was interrupted. If it happened all the same, what it reversed proves to be reversed already.
            continue;
        }
        let (from, to, id) = match &operation.reverses {
            None => {
                done.push(operation);
                undone.clear();
                continue;
            }
            Some((Direction::Undo, id)) => (&mut done, &mut undone, id),
            Some((Direction::Redo, id)) => (&mut undone, &mut done, id),
        };
        if let Some(at) = from.iter().position(|o| o.id == *id) {
            // What came after it was never done, or it would have been reversed first.
            to.extend(from.drain(at..).take(1));
        }
    }
    (done, undone)
}
