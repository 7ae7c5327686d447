//! The newest states of files that have no file: `volumes/paths/<BLAKE3 of the path, hexadecimal>`, replaced atomically under the
//! repository lock, after the pages are durable.
//!
//! They go by path, for two paths may be one volume: one that was moved and brought back under its old name.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::Store;
use super::error::{Result, StoreError};
use super::volumes::{seal, unseal};
use crate::model::{RepoPath, Snapshot};
use crate::util::fs as durable;
use crate::util::lock::FileLock;

impl Store {
    /// Returns the newest state of the file at a path; `None` if none was set.
    pub fn head(&self, path: &RepoPath) -> Result<Option<Snapshot>> {
        self.read_head(self.head_path(path))
    }

    /// Makes a state, which the store holds, the newest of the file at a path.
    pub fn set_head(&self, path: &RepoPath, snapshot: &Snapshot, _lock: &FileLock) -> Result<()> {
        let to = self.head_path(path);
        if let Some(folder) = to.parent() {
            durable::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        }
        let tmp = self.dir().join(super::paths::TMP);
        durable::replace(&to, &tmp, &seal(snapshot)).map_err(StoreError::io("write", &to))
    }

    /// Forgets the state of the file at a path.
    pub fn remove_head(&self, path: &RepoPath, _lock: &FileLock) -> Result<()> {
        let path = self.head_path(path);
        durable::remove(&path).map_err(StoreError::io("remove", &path))
    }

    /// Returns all states.
    pub fn heads(&self) -> Result<Vec<Snapshot>> {
        let mut out = Vec::new();
        for path in super::rebuild::files_in(&self.heads_dir())?.into_iter().filter(|p| p.extension().is_none()) {
            out.extend(self.read_head(path)?);
        }
        Ok(out)
    }

    /// Keeps other writers of the file at a path out, as long as the result lives; `None` if one is at work.
    pub fn try_lock_head(&self, path: &RepoPath) -> Result<Option<FileLock>> {
        let folder = self.heads_dir();
        durable::create_dir_all(&folder).map_err(StoreError::io("create", &folder))?;
        Ok(FileLock::try_acquire(&self.head_path(path).with_extension("lock"))?)
    }

    fn read_head(&self, path: PathBuf) -> Result<Option<Snapshot>> {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io("read", &path)(e)),
        };
        let snapshot: Snapshot = unseal(&path, &bytes)?;
        match snapshot.is_consistent() {
            true => Ok(Some(snapshot)),
            false => Err(StoreError::damaged(&path, "it contradicts itself")),
        }
    }

    fn head_path(&self, path: &RepoPath) -> PathBuf {
        self.heads_dir().join(blake3::hash(path.as_str().as_bytes()).to_hex().as_str())
    }

    fn heads_dir(&self) -> PathBuf {
        self.volume_dir().join("paths")
    }
}
