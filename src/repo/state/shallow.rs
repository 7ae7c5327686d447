//! A history that is cut off: commits here whose parents were left on a remote.
//!
//! `.graft/shallow` lists them, one id a line, as in Git. To everything that walks through history they are first commits. The file is
//! written before the commits that it names become part of the store, and shortened after those that they lacked did, so a crash
//! leaves too many names in it, never too few; a fetch takes out those that lack nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::{Commit, ObjectId};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::objects::{ObjectReader, ReadError};
use crate::store::remote::WHOLE;
use crate::util::fs as durable;
use crate::util::lock::FileLock;

/// Why a history that is cut off does not do.
#[derive(Debug, thiserror::Error)]
pub enum ShallowError {
    /// The parents of a commit are not here.
    #[error("the history is cut off at {0}, and what came before it is needed")]
    Cut(ObjectId),
    /// The list of such commits cannot be read.
    #[error("{} is damaged: a line of it is no id", .0.display())]
    Damaged(PathBuf),
}

/// How far back to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// So many generations of commits, at least 1.
    Generations(u32),
    /// All of them, also those left out before.
    Whole,
}

impl Depth {
    /// Returns it as the number of generations that receiving counts with.
    pub(in crate::repo) fn generations(self) -> u32 {
        match self {
            Self::Generations(n) => n.clamp(1, WHOLE - 1),
            Self::Whole => WHOLE,
        }
    }
}

/// The names in the file, once they have been read.
#[derive(Default)]
pub(in crate::repo) struct Cut(RwLock<Option<Arc<BTreeSet<ObjectId>>>>);

impl Repository {
    fn cut_path(&self) -> PathBuf {
        self.dir.join("shallow")
    }

    /// Returns the commits whose parents are not here.
    pub fn cut(&self) -> Result<Arc<BTreeSet<ObjectId>>> {
        if let Some(known) = &*self.cut.0.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(known));
        }
        let path = self.cut_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(RepoError::file("read", &path)(e)),
        };
        let ids =
            text.lines().map(|line| ObjectId::from_hex(line).map_err(|_| ShallowError::Damaged(path.clone()).into()));
        let ids = Arc::new(ids.collect::<Result<BTreeSet<ObjectId>>>()?);
        *self.cut.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&ids));
        Ok(ids)
    }

    /// Tells whether parts of the history were left on a remote.
    pub fn is_shallow(&self) -> Result<bool> {
        Ok(!self.cut()?.is_empty())
    }

    /// Refuses what needs the parents of a commit if they are not here.
    pub(in crate::repo) fn needs_parents(&self, id: &ObjectId) -> Result<()> {
        match self.cut()?.contains(id) {
            true => Err(ShallowError::Cut(*id).into()),
            false => Ok(()),
        }
    }

    /// Replaces the names in the file.
    pub(in crate::repo) fn set_cut(&self, ids: BTreeSet<ObjectId>, _lock: &FileLock) -> Result<()> {
        if ids == *self.cut()? {
            return Ok(());
        }
        let path = self.cut_path();
        let text: String = ids.iter().map(|id| format!("{id}\n")).collect();
        match text.is_empty() {
            true => durable::remove(&path),
            false => durable::replace(&path, &self.tmp(), text.as_bytes()),
        }
        .map_err(RepoError::file("write", &path))?;
        *self.cut.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(ids));
        Ok(())
    }

    /// Reads a commit with all the parents that it has, here or not.
    pub(super) fn uncut_commit(&self, id: &ObjectId) -> Result<Commit> {
        Ok(self.raw(id)?.decode().map_err(ReadError::Object)?)
    }

    /// Returns the commits that have to be fetched for the history of `tips` to reach so far back, and how far from each.
    pub(in crate::repo) fn beyond_cut(&self, tips: &[ObjectId], depth: Depth) -> Result<Vec<(ObjectId, u32)>> {
        let cut = self.cut()?;
        let mut wanted = Vec::new();
        let mut add_parents = |id: &ObjectId, left: u32| -> Result<()> {
            for parent in self.uncut_commit(id)?.parents {
                if !self.store.has_object(&parent)? {
                    wanted.push((parent, left));
                }
            }
            Ok(())
        };
        if depth == Depth::Whole {
            for id in cut.iter().filter_map(|id| self.store.has_object(id).map(|is| is.then_some(id)).transpose()) {
                add_parents(id?, WHOLE)?;
            }
            return Ok(wanted);
        }
        let mut generation: BTreeSet<ObjectId> = tips.iter().copied().collect();
        let mut seen = BTreeSet::new();
        for left in (1..depth.generations()).rev() {
            let mut next = BTreeSet::new();
            for id in std::mem::take(&mut generation) {
                if !seen.insert(id) {
                    continue;
                }
                if cut.contains(&id) {
                    add_parents(&id, left)?;
                }
                next.extend(self.commit(&id)?.parents);
            }
            if next.is_empty() {
                break;
            }
            generation = next;
        }
        Ok(wanted)
    }

    /// Returns those of the commits that still lack a parent.
    pub(in crate::repo) fn still_cut(&self, ids: &BTreeSet<ObjectId>) -> Result<BTreeSet<ObjectId>> {
        let mut lacking = BTreeSet::new();
        for id in ids {
            if self.store.has_object(id)? {
                for parent in self.uncut_commit(id)?.parents {
                    if !self.store.has_object(&parent)? {
                        lacking.insert(*id);
                    }
                }
            }
        }
        Ok(lacking)
    }
}
