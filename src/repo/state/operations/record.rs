//! One line of the operation log.

use serde::{Deserialize, Serialize};

use super::Direction;
use crate::model::{FileMode, ObjectId, RefName, RepoPath};
use crate::repo::state::refs::Target;

/// The stored state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Its permission.
    pub mode: FileMode,
    /// Its content.
    pub snapshot: ObjectId,
}

/// A file of the index or the worktree before and after; `None` if it is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The file.
    pub path: RepoPath,
    /// Its state before.
    pub before: Option<FileState>,
    /// Its state after.
    pub after: Option<FileState>,
}

/// A ref before and after; `None` if it does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefChange {
    /// The ref itself, symbolic ones not followed.
    pub name: RefName,
    /// What it held.
    pub before: Option<Target>,
    /// What it holds.
    pub after: Option<Target>,
}

/// What one step of an operation changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The operation.
    pub operation: String,
    /// The command as it was typed.
    pub command: String,
    /// Unix seconds.
    pub time: i64,
    /// The operation that this one takes back, or does again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<(Direction, String)>,
    /// Whether an operation that reverses another one has come to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub completed: bool,
    /// Refs, in the order of their changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<RefChange>,
    /// Entries of the index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub index: Vec<Change>,
    /// Files of the worktree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Change>,
    /// Files of the worktree that were moved, from and to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<(RepoPath, RepoPath)>,
}

impl Record {
    /// Tells whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.refs.is_empty()
            && self.index.is_empty()
            && self.files.is_empty()
            && self.moved.is_empty()
            && self.reverses.is_none()
            && !self.completed
    }
}
