//! The index: every tracked path with its staged snapshot and the fingerprint of the file it was taken from.
//!
//! Replaced atomically under the repository lock; readers need no lock. It can always be rebuilt from HEAD's tree, at
//! the price of what was staged. The file format is described in `codec`.

mod codec;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{FileKind, FileMode, ObjectId, RepoPath, Snapshot, Tree, TreeEntry, VolumeId};
use crate::repo::state::fingerprint::Fingerprint;
use crate::repo::state::objects::{ObjectReader, ReadError};
use crate::repo::state::operations::FileState;
use crate::util::fs::replace;
use crate::util::lock::FileLock;

/// Why the index could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file cannot be read or replaced.
    #[error("cannot access the index {}", path.display())]
    Io {
        /// The index file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a whole index.
    #[error("the index {} is damaged: {reason}", path.display())]
    Damaged {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file was written by a newer version.
    #[error("the index {} has format version {version}; this program reads version {}", path.display(), codec::VERSION)]
    Version {
        /// The index file.
        path: PathBuf,
        /// The version found.
        version: u32,
    },
}

/// One tracked path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Where the file is.
    pub path: RepoPath,
    /// Its staged permission.
    pub mode: FileMode,
    /// The staged snapshot.
    pub snapshot: ObjectId,
    /// The volume of that snapshot.
    pub volume: VolumeId,
    /// What the file is.
    pub kind: FileKind,
    /// Bytes of the staged snapshot.
    pub byte_len: u64,
    /// What the file looked like when it had the staged content; unknown if that was too recent to be trusted.
    pub fingerprint: Option<Fingerprint>,
    /// There need be no file: without one, the content in the worktree is the newest state of the volume.
    pub unmaterialized: bool,
}

impl IndexEntry {
    /// Returns the staged state.
    pub fn state(&self) -> FileState {
        FileState { mode: self.mode, snapshot: self.snapshot }
    }

    /// Stages a snapshot under a path; what the file looks like is not known.
    pub fn of(
        path: RepoPath,
        mode: FileMode,
        snapshot: ObjectId,
        objects: &dyn ObjectReader,
    ) -> Result<Self, ReadError> {
        let Snapshot { volume, kind, byte_len, .. } = objects.snapshot(&snapshot)?;
        Ok(Self { path, mode, snapshot, volume, kind, byte_len, fingerprint: None, unmaterialized: false })
    }
}

/// All tracked paths, in byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    entries: Vec<IndexEntry>,
}

impl Index {
    /// Reads the index of the repository folder `dir` (`.graft`); `None` if there is no such file.
    pub fn load(dir: &Path) -> Result<Option<Self>, IndexError> {
        let path = file(dir);
        match fs::read(&path) {
            Ok(bytes) => codec::decode(&bytes).map(|entries| Some(Self { entries })).map_err(|e| e.at(path)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IndexError::Io { path, source }),
        }
    }

    /// Returns the bytes of the index file.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&self.entries)
    }

    /// Reads the bytes of an index file of the repository folder `dir`.
    pub fn from_bytes(dir: &Path, bytes: &[u8]) -> Result<Self, IndexError> {
        codec::decode(bytes).map(|entries| Self { entries }).map_err(|e| e.at(file(dir)))
    }

    /// Replaces the index of the repository folder `dir`, durably; the caller holds the repository lock.
    pub fn save(&self, dir: &Path, _lock: &FileLock) -> Result<(), IndexError> {
        let path = file(dir);
        replace(&path, &dir.join("tmp"), &codec::encode(&self.entries))
            .map_err(|source| IndexError::Io { path, source })
    }

    /// Makes an index of a tree; without fingerprints, so every file counts as possibly changed.
    pub fn from_tree(tree: &Tree, objects: &dyn ObjectReader) -> Result<Self, ReadError> {
        let entry = |e: &TreeEntry| IndexEntry::of(e.path.clone(), e.mode, e.snapshot, objects);
        Ok(Self { entries: tree.entries().iter().map(entry).collect::<Result<_, _>>()? })
    }

    /// Returns the tree that a commit of this index has.
    pub fn to_tree(&self) -> Tree {
        let entry = |e: &IndexEntry| TreeEntry { path: e.path.clone(), mode: e.mode, snapshot: e.snapshot };
        Tree::new(self.entries.iter().map(entry).collect())
    }

    /// Returns the entries in path order.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Returns the entry of a path.
    pub fn get(&self, path: &RepoPath) -> Option<&IndexEntry> {
        self.find(path).ok().map(|i| &self.entries[i])
    }

    /// Returns the entry of a path for changing everything but the path.
    pub fn get_mut(&mut self, path: &RepoPath) -> Option<IndexEntryMut<'_>> {
        self.find(path).ok().map(|i| IndexEntryMut(&mut self.entries[i]))
    }

    /// Returns the entries of `dir` and below; all for `""`.
    pub fn within(&self, dir: &str) -> impl Iterator<Item = &IndexEntry> {
        // Between `dir` and `dir/…` other names such as `dir-x` may sort, so the end of the range is tested twice.
        let start = self.entries.partition_point(|e| e.path.as_str() < dir);
        self.entries[start..]
            .iter()
            .take_while(move |e| e.path.as_str().starts_with(dir))
            .filter(move |e| e.path.is_within(dir))
    }

    /// Adds or replaces the entry of a path and returns the one before.
    pub fn insert(&mut self, entry: IndexEntry) -> Option<IndexEntry> {
        match self.find(&entry.path) {
            Ok(i) => Some(std::mem::replace(&mut self.entries[i], entry)),
            Err(i) => {
                self.entries.insert(i, entry);
                None
            }
        }
    }

    /// Adds or replaces many entries in one pass; a later one of the same path wins.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = IndexEntry>) {
        self.entries.extend(entries);
        // The sort is stable, so of equal paths the newest stands last.
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        self.entries.dedup_by(|later, kept| {
            let same = later.path == kept.path;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
    }

    /// Removes the entry of a path and returns it.
    pub fn remove(&mut self, path: &RepoPath) -> Option<IndexEntry> {
        self.find(path).ok().map(|i| self.entries.remove(i))
    }

    /// Keeps the entries for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&IndexEntry) -> bool) {
        self.entries.retain(keep);
    }

    /// Returns the number of tracked paths.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether nothing is tracked.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&self, path: &RepoPath) -> Result<usize, usize> {
        self.entries.binary_search_by(|e| e.path.cmp(path))
    }
}

/// An entry whose path, which keeps the index in order, cannot be changed.
pub struct IndexEntryMut<'a>(&'a mut IndexEntry);

impl IndexEntryMut<'_> {
    /// Sets or forgets what the file looks like in its staged state.
    pub fn set_fingerprint(&mut self, fingerprint: Option<Fingerprint>) {
        self.0.fingerprint = fingerprint;
    }

    /// Says whether there need be a file.
    pub fn set_unmaterialized(&mut self, unmaterialized: bool) {
        self.0.unmaterialized = unmaterialized;
    }

    /// Stages another permission.
    pub fn set_mode(&mut self, mode: FileMode) {
        self.0.mode = mode;
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("index")
}

#[cfg(test)]
mod tests;
