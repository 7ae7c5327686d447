//! Putting back what an interrupted or refused move has written, or completing it.

use super::Repository;
use super::files::set_mode;
use super::journal::{Journal, Phase};
use super::look::Present;
use crate::repo::error::Result;
use crate::repo::state::operations::{Change, FileState};
use crate::repo::state::refs::{Change as RefValue, Expected, RefEdit, Target};
use crate::repo::worktree::capture::{file_mode, settled_print};
use crate::util::lock::FileLock;

impl Repository {
    /// Ends a move that was interrupted, before anything else happens.
    pub(in crate::repo) fn settle_move(&self, lock: &FileLock) -> Result<()> {
        let Some(journal) = self.read_journal()? else { return Ok(()) };
        match journal.phase {
            Phase::Writing => {
                self.put_back(&journal, lock)?;
                self.monitor().notice("an interrupted change of the worktree was taken back");
                Ok(())
            }
            Phase::Written => {
                let mut rest = Vec::new();
                for edit in &journal.refs {
                    if !self.has_happened(edit)? {
                        rest.push(RefEdit { expected: Expected::Any, ..edit.clone() });
                    }
                }
                let rest = Journal { refs: rest, ..journal };
                self.operations().resume(&rest.operation, || self.finish(lock, &rest, &Vec::new()))?;
                self.monitor().notice("an interrupted change of the worktree was completed");
                Ok(())
            }
        }
    }

    /// Ends an interrupted move if nobody is at work on it, for a command that only reads. Where that is not possible now
    /// the command shows what is there.
    pub(in crate::repo) fn settle_move_if_idle(&self) {
        if !self.is_moving() {
            return;
        }
        // Otherwise another process is in the middle of it, or nothing can be written here.
        if let Ok(Some(lock)) = self.store().try_lock()
            && let Err(error) = self.settle_move(&lock)
        {
            let text = "an interrupted change of the worktree could not be taken back yet";
            self.monitor().notice(&format!("{text}: {error}"));
        }
    }

    /// Gives the files of a move that has not come to its end the states they had before. A file that has been written to
    /// meanwhile is left as it is.
    pub(super) fn put_back(&self, journal: &Journal, lock: &FileLock) -> Result<()> {
        for change in journal.files.iter().rev() {
            if self.is_behind_link(&change.path) {
                let text = "lies behind a symbolic link, so an interrupted change of it is not taken back";
                self.monitor().notice(&format!("'{}' {text}", change.path));
                continue;
            }
            if !self.put_volume_back(change, lock)? && !self.put_file_back(change)? {
                let text =
                    "was changed by another program during an interrupted change of the worktree; it is left as it is";
                self.monitor().notice(&format!("'{}' {text}", change.path));
            }
        }
        self.remove_journal()
    }

    /// Does so for a file that was not materialized; false if it was, or if a file of somebody's has come to be there.
    fn put_volume_back(&self, change: &Change, lock: &FileLock) -> Result<bool> {
        let index = self.index()?;
        let (Some(entry), Some(before)) = (index.get(&change.path).filter(|e| e.unmaterialized), change.before) else {
            return Ok(false);
        };
        if !self.is_vacant(&change.path) {
            let written = change.after.map(|state| state.snapshot);
            if self.content_among(&change.path, None, written)?.is_none() {
                return Ok(false);
            }
            let print = settled_print(&self.file_of(&change.path), true)?.map(|(print, _)| print);
            let present = Present { print, is_settled: false, state: change.after, was_saved: false, is_volume: false };
            self.write_file(&change.path, None, &present, &mut Vec::new())?;
        }
        if !self.is_surely_unchanged(entry)? || before.snapshot != entry.snapshot {
            self.set_head(&change.path, &before.snapshot, lock)?;
        }
        Ok(true)
    }

    fn put_file_back(&self, change: &Change) -> Result<bool> {
        let Change { path, before, after } = change;
        let file = self.file_of(path);
        let (mut print, mut content) = (None, None);
        // Reading may roll back what a crashed program, or we, left half written; then it is looked at again.
        for _ in 0..2 {
            print = settled_print(&file, true)?.map(|(print, _)| print);
            let Some(print) = print else { break };
            content = self.content_among(path, None, [*after, *before].into_iter().flatten().map(|s| s.snapshot))?;
            if print.journal.is_none() {
                break;
            }
        }
        let is = |state: &Option<FileState>| content == state.map(|s| s.snapshot);
        let is_known = print.is_none() || content.is_some();
        match () {
            () if is_known && is(before) => {
                if let Some(state) = before {
                    set_mode(&file, state.mode)?;
                }
            }
            () if is_known && is(after) => {
                let state = match content {
                    Some(snapshot) => Some(FileState { mode: file_mode(&file)?, snapshot }),
                    None => None,
                };
                let present = Present { print, is_settled: false, state, was_saved: false, is_volume: false };
                self.write_file(path, *before, &present, &mut Vec::new())?;
            }
            () => return Ok(false),
        }
        Ok(true)
    }

    fn has_happened(&self, edit: &RefEdit) -> Result<bool> {
        let name = if edit.follow { self.refs().follow(&edit.name)?.0 } else { edit.name.clone() };
        let held = self.refs().read(&name)?;
        Ok(match &edit.change {
            RefValue::Set(id) => held == Some(Target::Object(*id)),
            RefValue::Point(target) => held == Some(Target::Symbolic(target.clone())),
            RefValue::Drop(id) => held != Some(Target::Object(*id)),
            RefValue::Delete => held.is_none(),
        })
    }
}
