//! Moving worktree, index and refs as one step: all of it happens, or nothing.
//!
//! Order: unsaved work that is to go is stored; the journal says what is about to be written over what; the files are
//! written, each in one SQLite transaction or by one rename; the journal says that they are; index; refs, HEAD last;
//! the journal goes. A failure before the journal says so puts back what was written; a crash leaves that to the next
//! command, which puts back what was written before that point and completes the rest after it. The repository lock is
//! held all the time, so nobody else works from what is half done.
//!
//! Unsaved work is never overwritten without `force`; with it, the content that is about to go is put into the store
//! first and its snapshot noted in `logs/saved` and in the operation log, so that it can be brought back.

mod files;
mod held;
mod journal;
mod locked;
mod look;
mod plan;
mod recover;
mod seen;

use std::collections::BTreeMap;

pub(in crate::repo) use plan::{States, states};

use journal::{Journal, Phase};
use look::Present;

use crate::model::{ObjectId, RepoPath, Signature};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::fingerprint::Fingerprint;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::operations::{Change, Direction, FileState, Record};
use crate::repo::state::refs::RefEdit;
use crate::repo::worktree::checkout::CheckoutOutcome;
use crate::util::interrupt;
use crate::util::lock::FileLock;

/// What to bring about.
#[derive(Clone, Debug, Default)]
pub struct Move {
    /// Files of the worktree, and the states that they shall have; `None` removes them.
    pub files: BTreeMap<RepoPath, Option<FileState>>,
    /// Entries of the index, likewise.
    pub index: BTreeMap<RepoPath, Option<FileState>>,
    /// Refs, HEAD last.
    pub refs: Vec<RefEdit>,
    /// Who stands in the reflogs; the committer if not given.
    pub who: Option<Signature>,
    /// Overwrite unsaved work, which is kept in the store.
    pub force: bool,
    /// Write files that are not materialized, too; else they move with their index entries alone.
    pub materialize: bool,
    /// Contents that files may have and that are stored, besides those of the index and of the wanted states.
    pub known: BTreeMap<RepoPath, ObjectId>,
    /// The operation that this takes back or does again.
    pub reverses: Option<(Direction, String)>,
}

/// One file on its way.
struct Step<'a> {
    path: &'a RepoPath,
    target: Option<FileState>,
    present: Present,
    /// It is not materialized and stays so.
    stays_out: bool,
    /// What it looks like in the state that it shall have, as far as that is known.
    seen: Option<Fingerprint>,
}

impl Step<'_> {
    fn change(&self) -> Change {
        Change { path: self.path.clone(), before: self.present.state, after: self.target }
    }

    fn is_there(&self) -> bool {
        self.present.state == self.target && (self.stays_out || !self.present.is_volume)
    }
}

impl Repository {
    /// Brings a move about; the caller holds the repository lock since before it made the plan.
    pub(in crate::repo) fn perform(&self, lock: &FileLock, plan: &Move) -> Result<CheckoutOutcome> {
        let index = self.index()?;
        let who = match &plan.who {
            Some(who) => who.clone(),
            None => self.committer()?,
        };
        self.refs().check_edits(&plan.refs)?;
        let mut out = CheckoutOutcome::default();
        let mut steps = Vec::new();
        let leaves_out = !plan.materialize && self.leaves_files_out(&index);
        for (path, present) in self.look_at(lock, &index, plan)? {
            let target = plan.files[path];
            // A file that is new here may stay out if it is tracked from now on.
            let is_new = index.get(path).is_none() && plan.index.get(path).is_some_and(Option::is_some);
            let stays_out = match present.is_volume {
                true => !plan.materialize,
                false => leaves_out && is_new && target.is_some() && self.is_vacant(path),
            };
            steps.push(Step { path, target, present, stays_out, seen: None });
        }
        // What goes makes room for what comes: a folder may stand where a file did.
        steps.sort_by_key(|step| step.target.is_some());
        self.refuse_held(&steps)?;
        self.remember_attributes(steps.iter().filter(|step| step.target.is_none()).map(|step| step.path), lock);
        let changes: Vec<Change> = steps.iter().filter(|s| !s.is_there()).map(Step::change).collect();
        let mut journal = Journal {
            phase: Phase::Writing,
            operation: self.operations().current(),
            who,
            files: changes.clone(),
            index: index_changes(&index, &plan.index),
            refs: plan.refs.clone(),
        };
        let index_only = plan.index.iter().filter(|(path, _)| !plan.files.contains_key(*path));
        self.keep_contents(lock, &index, index_only.map(|(path, after)| (path.clone(), *after)))?;
        let record = Record { files: changes, reverses: plan.reverses.clone(), ..Record::default() };
        self.operations().append(record).map_err(RepoError::file("write", self.operations().path()))?;
        if !journal.files.is_empty() {
            self.write_journal(&journal)?;
        }
        let has_volumes = steps.iter().any(|step| step.present.is_volume);
        let written = self.write_files(lock, &index, plan, &mut steps, &mut journal, &mut out);
        let prints = match written {
            Ok(prints) => prints,
            Err(cause) => {
                return Err(match interrupt::shielded(|| self.put_back(&journal, lock)) {
                    Ok(()) => cause,
                    Err(left) => RepoError::HalfMoved { cause: Box::new(cause), left: Box::new(left) },
                });
            }
        };
        interrupt::shielded(|| {
            if !journal.index.is_empty() || !journal.refs.is_empty() || has_volumes {
                journal.phase = Phase::Written;
                self.write_journal(&journal)?;
            }
            self.finish(lock, &journal, &prints)
        })?;
        out.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(out)
    }
}

/// Returns what becomes of the entries of an index.
fn index_changes(index: &Index, wanted: &BTreeMap<RepoPath, Option<FileState>>) -> Vec<Change> {
    let change = |(path, after): (&RepoPath, &Option<FileState>)| {
        let before = index.get(path).map(IndexEntry::state);
        (before != *after).then(|| Change { path: path.clone(), before, after: *after })
    };
    wanted.iter().filter_map(change).collect()
}
