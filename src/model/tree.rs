//! The tree object: the tracked files of a commit, sorted by path.

use serde::{Deserialize, Serialize};

use super::{ObjectId, RepoPath};

/// Permission of a tracked file, as far as Git and Graft care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileMode {
    /// `100644`
    Regular,
    /// `100755`
    Executable,
}

impl FileMode {
    /// Returns Git's six octal digits.
    pub fn octal(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
        }
    }
}

/// One tracked file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeEntry {
    /// Where it is, relative to the top of the worktree.
    pub path: RepoPath,
    /// Its permission.
    pub mode: FileMode,
    /// The id of its snapshot object.
    pub snapshot: ObjectId,
}

/// All tracked files of a commit; unique paths in byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    entries: Vec<TreeEntry>,
}

impl Tree {
    /// Makes a tree of entries with unique paths, in any order.
    pub fn new(mut entries: Vec<TreeEntry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        debug_assert!(entries.windows(2).all(|w| w[0].path != w[1].path), "paths are unique");
        Self { entries }
    }

    /// Returns the entries in path order.
    pub fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    /// Returns the entry of a path.
    pub fn get(&self, path: &RepoPath) -> Option<&TreeEntry> {
        self.entries.binary_search_by(|e| e.path.cmp(path)).ok().map(|i| &self.entries[i])
    }

    /// Tells whether the entries are in order and unique.
    pub fn is_sorted(&self) -> bool {
        self.entries.windows(2).all(|w| w[0].path < w[1].path)
    }
}
