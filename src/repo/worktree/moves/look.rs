//! Looking at the files that are about to be overwritten: what they hold, and whether that is kept anywhere.

use std::fs;
use std::path::Path;

use super::Move;
use crate::model::{FileMode, ObjectId, RepoPath};
use crate::repo::error::{RepoError, Result};
use crate::repo::state::fingerprint::Fingerprint;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::operations::FileState;
use crate::repo::worktree::capture::{How, file_mode, settled_print};
use crate::repo::worktree::checkout::CheckoutError;
use crate::repo::worktree::staging::Staging;
use crate::repo::{Repository, now_ns};
use crate::store::{Purpose, Transaction};
use crate::util::fs as durable;
use crate::util::lock::FileLock;

/// What one file of the worktree holds before it is written.
pub(super) struct Present {
    /// The fingerprint under which nothing may change until the file is written; `None` if there is no file.
    pub print: Option<Fingerprint>,
    /// Whether any write after that fingerprint would show.
    pub is_settled: bool,
    /// Its content, which is in the store.
    pub state: Option<FileState>,
    /// Whether it was stored just now, to keep unsaved work.
    pub was_saved: bool,
    /// Whether it is not materialized: there is no file, and its content is the newest state of its volume.
    pub is_volume: bool,
}

impl Repository {
    /// Looks at the files of a move, and refuses, or saves, what is nowhere else. A file that is to go and is not
    /// there, and one that holds what it shall, are looked at like the others.
    pub(super) fn look_at<'m>(
        &self,
        lock: &FileLock,
        index: &Index,
        plan: &'m Move,
    ) -> Result<Vec<(&'m RepoPath, Present)>> {
        let (mut out, mut unsaved, mut untracked) = (Vec::new(), Vec::new(), Vec::new());
        for (path, target) in &plan.files {
            if target.is_some() {
                self.check_way(path, plan)?;
            }
            match self.look_at_one(lock, index, plan, path)? {
                Some(present) => out.push((path, present)),
                None if index.get(path).is_some() => unsaved.push(path.clone()),
                None => untracked.push(path.clone()),
            }
        }
        if !unsaved.is_empty() {
            return Err(CheckoutError::Unsaved(unsaved).into());
        }
        if !untracked.is_empty() {
            return Err(CheckoutError::Untracked(untracked).into());
        }
        Ok(out)
    }

    /// Looks at one file of a move; `None` if it holds what is nowhere else and may not be overwritten.
    pub(super) fn look_at_one(
        &self,
        lock: &FileLock,
        index: &Index,
        plan: &Move,
        path: &RepoPath,
    ) -> Result<Option<Present>> {
        let file = self.file_of(path);
        // What is read from here on is what may be overwritten, and nothing that is written later.
        let look = || settled_print(&file, true).map(Option::unzip);
        let (mut print, mut settled) = look()?;
        let entry = index.get(path);
        let target = plan.files.get(path).copied().flatten();
        let candidates = [target.map(|t| t.snapshot), plan.known.get(path).copied()];
        let mut content = None;
        let volume = if print.is_none() { entry.filter(|e| self.is_unmaterialized(e)) } else { None };
        if volume.is_some() {
            content = self.content_among(path, entry, candidates.into_iter().flatten())?;
        }
        if let Some(before) = print {
            content = self.content_among(path, entry, candidates.into_iter().flatten())?;
            if before.journal.is_some() {
                // Reading rolled back what a crashed program had left.
                (print, settled) = look()?;
                content = self.content_among(path, entry, candidates.into_iter().flatten())?;
            }
        }
        // A link, say, is nothing of ours, whatever it leads to.
        let is_foreign = print.is_none() && volume.is_none() && fs::symlink_metadata(&file).is_ok_and(|m| !m.is_dir());
        let was_saved = (print.is_some() || volume.is_some()) && content.is_none();
        if (was_saved || is_foreign) && !plan.force {
            return Ok(None);
        }
        if print.is_some() && content != target.map(|t| t.snapshot) {
            self.refuse_unfinished(path, plan.force)?;
        }
        if was_saved {
            content = Some(self.save_worktree_file(lock, index, path)?);
        }
        let state = match (content, volume) {
            (Some(snapshot), Some(entry)) => Some(FileState { mode: entry.mode, snapshot }),
            (Some(snapshot), None) => Some(FileState { mode: file_mode(&file)?, snapshot }),
            (None, _) => None,
        };
        let is_settled = settled.unwrap_or(false);
        Ok(Some(Present { print, is_settled, state, was_saved, is_volume: volume.is_some() }))
    }

    /// Returns the snapshot whose content a worktree file has: the staged one or one of the candidates.
    pub(super) fn content_among(
        &self,
        path: &RepoPath,
        entry: Option<&IndexEntry>,
        candidates: impl IntoIterator<Item = ObjectId>,
    ) -> Result<Option<ObjectId>> {
        if let Some(entry) = entry
            && (self.is_surely_unchanged(entry)? || self.holds(path, entry)?)
        {
            return Ok(Some(entry.snapshot));
        }
        let mut tried: Vec<ObjectId> = entry.map(|e| e.snapshot).into_iter().collect();
        for snapshot in candidates {
            if tried.contains(&snapshot) {
                continue;
            }
            // Only contents are compared.
            if self.holds(path, &IndexEntry::of(path.clone(), FileMode::Regular, snapshot, self)?)? {
                return Ok(Some(snapshot));
            }
            tried.push(snapshot);
        }
        Ok(None)
    }

    /// Compares the content of a worktree file with that of an entry.
    fn holds(&self, path: &RepoPath, entry: &IndexEntry) -> Result<bool> {
        Ok(self.compare_file(path, entry)?.is_some_and(|c| c.is_unchanged()))
    }

    /// Puts the present content of a worktree file into the store and notes it in `logs/saved`.
    fn save_worktree_file(&self, lock: &FileLock, index: &Index, path: &RepoPath) -> Result<ObjectId> {
        let mut staging = Staging::new(self, index, How { purpose: Purpose::Store, opaque: false });
        match staging.capture(path, true) {
            // A broken database is saved as the bytes that are there.
            Err(RepoError::Database(e)) if e.is_unreadable() => {
                staging = Staging::new(self, index, How { purpose: Purpose::Store, opaque: true });
                staging.capture(path, true)?;
            }
            result => drop(result?),
        }
        let mut tx = Transaction::new(self.store(), lock)?;
        let (staged, _) = staging.finish(&mut tx, index)?;
        tx.publish()?;
        let id = staged.first().and_then(|s| s.change.new).ok_or_else(|| RepoError::KeepsChanging(path.clone()))?;
        self.note_saved(path, id)?;
        Ok(id)
    }

    /// Notes in `logs/saved` where unsaved work is kept.
    pub(in crate::repo) fn note_saved(&self, path: &RepoPath, id: ObjectId) -> Result<()> {
        let line = format!("{} {id} {path}\n", now_ns() / 1_000_000_000);
        let log = self.dir().join("logs").join("saved");
        durable::append(&log, line.as_bytes()).map_err(RepoError::file("write", &log))
    }

    /// Fails if a file cannot come to be because a folder has its name, or because what should be its folder is none.
    fn check_way(&self, path: &RepoPath, plan: &Move) -> Result<()> {
        let goes = |name: &str| plan.files.iter().any(|(p, target)| target.is_none() && p.as_str() == name);
        let file = self.file_of(path);
        let is_folder = fs::symlink_metadata(&file).is_ok_and(|m| m.is_dir());
        if is_folder && !holds_only(&file, path.as_str(), &goes).map_err(RepoError::file("read", &file))? {
            return Err(CheckoutError::FolderInTheWay(path.clone()).into());
        }
        for (end, _) in path.as_str().match_indices('/') {
            let parent = &path.as_str()[..end];
            let is_file = fs::symlink_metadata(self.top().join(parent)).is_ok_and(|m| !m.is_dir());
            if is_file && !goes(parent) {
                return Err(CheckoutError::FileInTheWay { path: path.clone(), parent: parent.to_owned() }.into());
            }
        }
        Ok(())
    }
}

/// Tells whether a folder holds nothing but files that go, and folders of such.
fn holds_only(dir: &Path, name: &str, goes: &dyn Fn(&str) -> bool) -> std::io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let child = format!("{name}/{}", entry.file_name().to_string_lossy());
        let belongs = ["-wal", "-shm", "-journal"].iter().any(|s| child.strip_suffix(s).is_some_and(goes));
        let is_gone = match entry.file_type()?.is_dir() {
            true => holds_only(&entry.path(), &child, goes)?,
            false => belongs || goes(&child),
        };
        if !is_gone {
            return Ok(false);
        }
    }
    Ok(true)
}
