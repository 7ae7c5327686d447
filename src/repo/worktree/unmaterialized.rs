//! Tracked files that are not materialized: the index says so, and no file is at their path.
//!
//! What such a file holds in the worktree is its head, a newer state of its volume that the store keeps for its path; as long as there
//! is none, the staged state. Every operation that asks what the file at a path holds asks here where there is no file,
//! so a database that never arrived is added, compared and switched like one that lies there. As soon as a file is at the path, the
//! file is what counts.
//!
//! A head is written before the index says another state, and goes after: a crash between the two leaves the old state of the file.

use std::io;

use crate::model::object::Object;
use crate::model::{FileMode, ObjectId, PageSet, RepoPath, Snapshot};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::operations::FileState;
use crate::repo::worktree::capture::Captured;
use crate::store::{Ingested, Transaction};
use crate::util::lock::FileLock;

/// A file that is not materialized.
#[derive(Clone, Debug)]
pub struct Unmaterialized {
    /// What it holds.
    pub snapshot: Snapshot,
    /// Its permission, which is the staged one.
    pub mode: FileMode,
}

impl Repository {
    /// Tells whether a tracked file is its volume, and no file.
    pub fn is_unmaterialized(&self, entry: &IndexEntry) -> bool {
        entry.unmaterialized && self.is_vacant(&entry.path)
    }

    /// Returns what a tracked file holds that is not materialized; `None` if it is not tracked, or an ordinary file.
    pub fn unmaterialized(&self, path: &RepoPath) -> Result<Option<Unmaterialized>> {
        if !self.is_vacant(path) {
            return Ok(None);
        }
        let mut index = self.index()?;
        loop {
            let Some(entry) = index.get(path).filter(|e| e.unmaterialized) else { return Ok(None) };
            if let Some(snapshot) = self.head_of(entry)? {
                return Ok(Some(Unmaterialized { snapshot, mode: entry.mode }));
            }
            // A head goes when the index has come to say the same.
            let again = self.index()?;
            if again.get(path) == Some(entry) {
                return Ok(Some(Unmaterialized { snapshot: self.snapshot(&entry.snapshot)?, mode: entry.mode }));
            }
            index = again;
        }
    }

    /// Returns the newest state of a tracked file that is stored: the staged one, or what a file holds that is not materialized.
    pub fn newest_state(&self, entry: &IndexEntry) -> Result<Snapshot> {
        let head = if self.is_unmaterialized(entry) { self.head_of(entry)? } else { None };
        head.map_or_else(|| Ok(self.snapshot(&entry.snapshot)?), Ok)
    }

    /// Tells whether files that are new here are not materialized: in a lazy clone, as long as others are not.
    pub(super) fn leaves_files_out(&self, index: &Index) -> bool {
        let is_lazy = || !self.promisors().is_empty();
        if index.is_empty() { is_lazy() } else { index.entries().iter().any(|e| e.unmaterialized) }
    }

    /// Tells whether nothing at all is at a path.
    pub(in crate::repo) fn is_vacant(&self, path: &RepoPath) -> bool {
        let nothing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        self.file_of(path).symlink_metadata().is_err_and(|e| nothing.contains(&e.kind()))
    }

    /// Returns the head of an entry, if it has one, as a state of its volume: another one was staged when it was written, maybe.
    fn head_of(&self, entry: &IndexEntry) -> Result<Option<Snapshot>> {
        Ok(self.store().head(&entry.path)?.map(|head| Snapshot { volume: entry.volume, ..head }))
    }

    /// Tells whether a file that is not materialized holds what is staged, without opening the store.
    pub(super) fn is_as_staged(&self, entry: &IndexEntry) -> Result<bool> {
        Ok(self.head_of(entry)?.is_none_or(|head| head.to_raw().id() == entry.snapshot))
    }

    /// Captures a file that is not materialized: its pages are stored already.
    pub(super) fn capture_volume(&self, now: Unmaterialized, entry: Option<&IndexEntry>) -> Result<Captured> {
        let Unmaterialized { snapshot, mode } = now;
        let base = entry.map(|entry| self.open_snapshot(&entry.snapshot)).transpose()?;
        let (kind, byte_len) = (snapshot.kind, snapshot.byte_len);
        let changed = match &base {
            Some(base) if *base.snapshot() == snapshot => PageSet::new(),
            Some(base) => self.pages_apart(base, &self.store().open_snapshot(snapshot.clone())?)?,
            None => PageSet::first(snapshot.page_count),
        };
        tracing::debug!(volume = %snapshot.volume, changed = changed.len(), "captured a volume");
        let ingested = Ingested { writer: None, changed };
        let kept = Some(snapshot);
        Ok(Captured {
            kind,
            mode,
            byte_len,
            fingerprint: None,
            base,
            ingested,
            kept,
            known: None,
            beyond: false,
            warning: None,
        })
    }

    /// Gives a file that is not materialized another content; its permission is the index's affair.
    pub(super) fn set_head(&self, path: &RepoPath, to: &ObjectId, lock: &FileLock) -> Result<()> {
        Ok(self.store().set_head(path, &self.snapshot(to)?, lock)?)
    }

    /// Keeps the contents of files that are not materialized where only their index entries are about to change.
    pub(in crate::repo) fn keep_contents(
        &self,
        lock: &FileLock,
        index: &Index,
        changes: impl Iterator<Item = (RepoPath, Option<FileState>)>,
    ) -> Result<()> {
        for (path, after) in changes {
            let Some(after) = after else { continue };
            let Some(entry) = index.get(&path) else {
                // Nothing that is left over may be taken for the content of a new file.
                self.drop_heads(lock, index, [path], &[])?;
                continue;
            };
            if self.is_unmaterialized(entry) && after.snapshot != entry.snapshot && self.store().head(&path)?.is_none()
            {
                self.set_head(&path, &entry.snapshot, lock)?;
            }
        }
        Ok(())
    }

    /// Gives a path the content of a file that is not materialized and about to be moved there.
    pub(in crate::repo) fn copy_head(&self, from: &RepoPath, to: &RepoPath, lock: &FileLock) -> Result<()> {
        if let Some(head) = self.store().head(from)? {
            self.store().set_head(to, &head, lock)?;
        }
        Ok(())
    }

    /// Removes heads that say nothing any more: those of no file that is not materialized, and those equal to what is staged. `known`
    /// are contents that the caller knows to be stored or given up; any other is stored first and noted as saved work.
    pub(in crate::repo) fn drop_heads(
        &self,
        lock: &FileLock,
        index: &Index,
        paths: impl IntoIterator<Item = RepoPath>,
        known: &[ObjectId],
    ) -> Result<()> {
        for path in paths {
            let entry = index.get(&path);
            let head = match entry {
                Some(entry) => self.head_of(entry)?,
                None => self.store().head(&path)?,
            };
            let Some(head) = head else { continue };
            let id = head.to_raw().id();
            let is_staged = match entry.filter(|e| self.is_unmaterialized(e)) {
                Some(entry) if entry.snapshot != id => continue,
                entry => entry.is_some(),
            };
            if !is_staged && !known.contains(&id) {
                let mut tx = Transaction::new(self.store(), lock)?;
                tx.add_object(&head);
                tx.publish()?;
                self.note_saved(&path, id)?;
            }
            self.store().remove_head(&path, lock)?;
        }
        Ok(())
    }

    /// Forgets that files are not materialized where there are files by now, and marks those that are new and not here.
    pub(super) fn mark(&self, entry: &mut IndexEntry, before: Option<&IndexEntry>, leaves_out: bool) {
        let was = before.map_or(leaves_out, |e| e.unmaterialized);
        entry.unmaterialized = was && self.is_vacant(&entry.path);
    }

    /// Marks the files of an index that was made anew; `before` is the one that it follows.
    pub(in crate::repo) fn mark_all(&self, index: &mut Index, before: &Index) {
        let leaves_out = self.leaves_files_out(before);
        let marked = |e: &&IndexEntry| before.get(&e.path).map_or(leaves_out, |b| b.unmaterialized);
        let paths: Vec<RepoPath> = index.entries().iter().filter(marked).map(|e| e.path.clone()).collect();
        for path in paths.iter().filter(|path| self.is_vacant(path)) {
            if let Some(mut entry) = index.get_mut(path) {
                entry.set_unmaterialized(true);
            }
        }
    }

    /// Stores what a file holds that is not materialized, and returns it.
    pub(super) fn stored_head(&self, entry: &IndexEntry, lock: &FileLock) -> Result<FileState> {
        let Some(head) = self.head_of(entry)?.filter(|head| head.to_raw().id() != entry.snapshot) else {
            return Ok(entry.state());
        };
        let mut tx = Transaction::new(self.store(), lock)?;
        let snapshot = tx.add_object(&head);
        tx.publish()?;
        Ok(FileState { mode: entry.mode, snapshot })
    }
}
