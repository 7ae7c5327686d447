//! Staging ahead of a commit, so that a hook finds in the index what will be committed.
//!
//! The index as it was is kept in `index.ahead` until the commit is made or given up, together with HEAD and with what was staged; whoever
//! staged it holds the lock of that file meanwhile. Where the lock is free and the file is there, that process died: the index gets back
//! what it had, unless HEAD has moved, for then the commit was made.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::model::{ObjectId, RepoPath};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::ops::commit::{CommitError, CommitOptions};
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::types::Warning;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::staging;
use crate::store::Transaction;
use crate::util::fs as durable;
use crate::util::lock::FileLock;

/// What was staged ahead of a commit.
#[derive(Debug)]
pub struct Ahead {
    kept: Kept,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// Held as long as this process may still take it back.
    _lock: FileLock,
}

/// What `index.ahead` holds.
#[derive(Debug)]
struct Kept {
    head: Option<ObjectId>,
    before: Index,
    after: Index,
}

impl Kept {
    /// Writes HEAD in hexadecimal digits, or `unborn`, the length of the first index, and both indexes.
    fn to_bytes(&self) -> Vec<u8> {
        let head = self.head.map_or_else(|| "unborn".to_owned(), |id| id.to_string());
        let before = self.before.to_bytes();
        [format!("{head} {}\n", before.len()).into_bytes(), before, self.after.to_bytes()].concat()
    }

    fn from_bytes(repo: &Repository, bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|&b| b == b'\n')?;
        let (head, len) = std::str::from_utf8(&bytes[..end]).ok()?.split_once(' ')?;
        let head = if head == "unborn" { None } else { Some(ObjectId::from_hex(head).ok()?) };
        let (before, after) = bytes[end + 1..].split_at_checked(len.parse().ok()?)?;
        let index = |bytes| Index::from_bytes(repo.dir(), bytes).ok();
        Some(Self { head, before: index(before)?, after: index(after)? })
    }

    /// Takes what was staged out of an index, but for paths that were staged anew since.
    fn undo_in(&self, index: &mut Index) {
        let state = |entry: Option<&IndexEntry>| entry.map(IndexEntry::state);
        let paths = self.before.entries().iter().chain(self.after.entries()).map(|entry| entry.path.clone());
        let mut paths: Vec<RepoPath> = paths.collect();
        paths.sort();
        paths.dedup();
        for path in paths {
            let (before, after) = (self.before.get(&path), self.after.get(&path));
            if state(before) == state(after) || state(index.get(&path)) != state(after) {
                continue;
            }
            match before {
                Some(entry) => drop(index.insert(entry.clone())),
                None => drop(index.remove(&path)),
            }
        }
    }
}

impl Repository {
    /// Puts what a commit with these options would take into the index, for whoever looks at it before the commit is made.
    pub fn stage_ahead(&self, options: &CommitOptions) -> Result<Ahead> {
        if options.all && !options.pathspecs.is_empty() {
            return Err(CommitError::PathsWithAll.into());
        }
        let specs = Pathspecs::new(self.top(), &options.cwd, &options.pathspecs)?;
        let seen = self.index()?;
        let staging = self.gather(options, &specs, &seen)?;
        let waiting =
            |holder: &str| self.monitor().waiting(&format!("waiting for a commit, which is being made by {holder}"));
        let ahead = FileLock::acquire(&self.ahead_lock(), self.settings().lock_timeout, &waiting)?;
        let lock = self.lock()?;
        self.undo_left_behind(&lock)?;
        let mut tx = Transaction::new(self.store(), &lock)?;
        let before = self.index()?;
        let (staged, warnings) = staging.finish(&mut tx, &before)?;
        tx.publish()?;
        let mut after = before.clone();
        staging::apply(&mut after, &staged);
        let kept = Kept { head: self.head_commit()?, before, after };
        if kept.after != kept.before {
            let path = self.ahead_path();
            durable::replace(&path, &self.tmp(), &kept.to_bytes()).map_err(RepoError::file("write", &path))?;
            self.save_index(&kept.after, &lock)?;
        }
        Ok(Ahead { kept, warnings, _lock: ahead })
    }

    /// Takes what was staged ahead of a commit out of the index again, but for paths that were staged anew meanwhile.
    pub fn take_back(&self, ahead: Ahead) -> Result<()> {
        let lock = self.lock()?;
        let mut index = self.index()?;
        ahead.kept.undo_in(&mut index);
        self.save_index(&index, &lock)?;
        self.forget_ahead()
    }

    /// Gives up the way back, as the commit is made.
    pub(in crate::repo) fn forget_ahead(&self) -> Result<()> {
        let path = self.ahead_path();
        durable::remove(&path).map_err(RepoError::file("remove", &path))
    }

    /// Takes back what a process had staged that died before its commit was made.
    pub(in crate::repo) fn settle_ahead(&self, lock: &FileLock) -> Result<()> {
        if self.ahead_path().exists()
            && let Some(_dead) = FileLock::try_acquire(&self.ahead_lock())?
        {
            self.undo_left_behind(lock)?;
        }
        Ok(())
    }

    /// Takes back what `index.ahead` tells of. The caller holds its lock, and the repository's.
    fn undo_left_behind(&self, lock: &FileLock) -> Result<()> {
        let path = self.ahead_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(RepoError::file("read", &path)(e)),
        };
        if let Some(kept) = Kept::from_bytes(self, &bytes)
            && kept.head == self.head_commit()?
        {
            let mut index = self.index()?;
            kept.undo_in(&mut index);
            self.save_index(&index, lock)?;
        }
        self.forget_ahead()
    }

    /// Does so if no other process is at work.
    pub(in crate::repo) fn settle_ahead_if_idle(&self) {
        if self.ahead_path().exists()
            && let Ok(Some(lock)) = self.store().try_lock()
            && let Err(error) = self.settle_pending(&lock).and_then(|()| self.settle_ahead(&lock))
        {
            self.monitor()
                .notice(&format!("what an interrupted commit had staged could not be taken back yet: {error}"));
        }
    }

    fn ahead_path(&self) -> PathBuf {
        self.dir().join("index.ahead")
    }

    fn ahead_lock(&self) -> PathBuf {
        self.dir().join("index.ahead.lock")
    }
}
