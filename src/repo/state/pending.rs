//! The index and a ref that moves with it: both or neither.
//!
//! An operation that moves HEAD writes the new index as `index.pending`, headed by the commit it belongs to, moves the
//! ref, and renames the file to `index`. Whoever finds an `index.pending` looks at HEAD: if HEAD is that commit, the
//! move happened and this is the index; if not, it never happened. So a crash at any instant leaves the old state or
//! the new one, and no command needs a repair step.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::model::{ObjectId, RefName, RepoPath};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::index::Index;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::operations::{Change, Record};
use crate::util::fs as durable;
use crate::util::lock::FileLock;

const ID_LEN: usize = 65;

impl Repository {
    /// Reads the index as of HEAD.
    pub fn index(&self) -> Result<Index> {
        match self.read_pending()? {
            Some((commit, bytes)) if self.head_commit()? == Some(commit) => Ok(Index::from_bytes(self.dir(), &bytes)?),
            _ => match (Index::load(self.dir())?, self.head_commit()?) {
                (Some(index), _) => Ok(index),
                (None, None) => Ok(Index::default()),
                // Every commit leaves an index behind, so this one was lost.
                (None, Some(head)) => {
                    let mut index = Index::from_tree(&self.tree(&self.commit(&head)?.tree)?, self)?;
                    self.mark_all(&mut index, &Index::default());
                    Ok(index)
                }
            },
        }
    }

    /// Replaces the index and tells the operation log what becomes of its entries.
    pub(in crate::repo) fn save_index(&self, index: &Index, lock: &FileLock) -> Result<()> {
        // A damaged index is replaced as if it were empty: what it held cannot be brought back.
        let before = Index::load(self.dir()).ok().flatten().unwrap_or_default();
        let record = Record { index: changes(&before, index), ..Record::default() };
        self.operations().append(record).map_err(RepoError::file("write", self.operations().path()))?;
        Ok(index.save(self.dir(), lock)?)
    }

    /// Returns the commit that HEAD leads to; `None` on a branch without commits.
    pub fn head_commit(&self) -> Result<Option<ObjectId>> {
        let (last, id) = self.refs().follow(&RefName::head())?;
        if id.is_none() {
            self.refs().deny_loss(&last)?;
        }
        Ok(id)
    }

    /// Writes the index that belongs to a commit which HEAD is about to reach.
    pub(in crate::repo) fn prepare_index(&self, index: &Index, commit: ObjectId, _lock: &FileLock) -> Result<()> {
        let path = self.pending_path();
        let bytes = [format!("{commit}\n").into_bytes(), index.to_bytes()].concat();
        durable::replace(&path, &self.tmp(), &bytes).map_err(RepoError::file("write", &path))
    }

    /// Completes or forgets an interrupted move of HEAD.
    pub(in crate::repo) fn settle_pending(&self, lock: &FileLock) -> Result<()> {
        let Some((commit, bytes)) = self.read_pending()? else { return Ok(()) };
        if self.head_commit()? == Some(commit) {
            self.save_index(&Index::from_bytes(self.dir(), &bytes)?, lock)?;
        }
        let path = self.pending_path();
        durable::remove(&path).map_err(RepoError::file("remove", &path))
    }

    fn read_pending(&self) -> Result<Option<(ObjectId, Vec<u8>)>> {
        let path = self.pending_path();
        let mut bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(RepoError::file("read", &path)(e)),
        };
        let id = bytes.get(..ID_LEN - 1).and_then(|hex| std::str::from_utf8(hex).ok());
        let Some(id) = id.and_then(|hex| ObjectId::from_hex(hex).ok()) else { return Ok(None) };
        Ok(Some((id, bytes.split_off(ID_LEN))))
    }

    fn pending_path(&self) -> PathBuf {
        self.dir().join("index.pending")
    }
}

/// Returns what differs between two indexes.
fn changes(before: &Index, after: &Index) -> Vec<Change> {
    let mut states: BTreeMap<&RepoPath, Change> = BTreeMap::new();
    for (index, is_after) in [(before, false), (after, true)] {
        for entry in index.entries() {
            let change = states.entry(&entry.path);
            let change = change.or_insert_with(|| Change { path: entry.path.clone(), before: None, after: None });
            *(if is_after { &mut change.after } else { &mut change.before }) = Some(entry.state());
        }
    }
    states.into_values().filter(|change| change.before != change.after).collect()
}
