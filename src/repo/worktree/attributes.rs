//! What is remembered of files that are not there: owner, group, permissions and extended attributes.
//!
//! A tree knows no more of these than whether a file may be executed. A file that is removed and comes back, by a switch to and fro for
//! example, shall be as private as it was, so `.graft/attributes` notes what files have that new ones would not. Only a help: it stays
//! on this machine, nothing fails for the lack of it, and nothing in it gives rights that the content does not give by itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::PoisonError;

use crate::model::RepoPath;
use crate::repo::Repository;
use crate::util::attributes::Attributes;
use crate::util::fs::{self as durable, TempFile};
use crate::util::lock::FileLock;

pub(in crate::repo) type Known = BTreeMap<String, Attributes>;

impl Repository {
    /// Notes what files have now that new ones would not have, and forgets it of those which have nothing of that kind any more.
    pub(in crate::repo) fn remember_attributes<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p RepoPath>,
        _lock: &FileLock,
    ) {
        let before = self.known_attributes();
        let mut known = before.clone();
        let mut usual = None;
        for path in paths {
            let Some(now) = Attributes::of(&self.file_of(path)).map(Attributes::harmless) else { continue };
            let usual = usual.get_or_insert_with(|| {
                let fresh = TempFile::create_in(&self.tmp()).ok();
                fresh.and_then(|file| Attributes::of(file.path())).map(Attributes::harmless)
            });
            match usual {
                Some(usual) if now.are_like(usual) => drop(known.remove(path.as_str())),
                _ => drop(known.insert(path.as_str().to_owned(), now)),
            }
        }
        *self.attributes.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if known != before {
            let text = serde_json::to_vec(&known).expect("plain data is always JSON");
            if let Err(error) = durable::replace(&self.attributes_path(), &self.tmp(), &text) {
                tracing::debug!(%error, "attributes are not remembered");
            }
        }
    }

    /// Returns what a file had when it was seen last, if new files have something else.
    pub(super) fn remembered_attributes(&self, path: &str) -> Option<Attributes> {
        let mut read = self.attributes.lock().unwrap_or_else(PoisonError::into_inner);
        // Read once for all files of a move.
        read.get_or_insert_with(|| self.known_attributes()).get(path).cloned().map(Attributes::harmless)
    }

    fn known_attributes(&self) -> Known {
        let text = fs::read(self.attributes_path()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn attributes_path(&self) -> PathBuf {
        self.dir().join("attributes")
    }
}
