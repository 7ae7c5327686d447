//! Where tracked files lie: below the top of the worktree, and never behind a symbolic link.
//!
//! As in Git, a path whose folder is a link is not in the worktree, whatever lies there: a tracked folder that was moved to
//! another disk and replaced by a link counts as deleted, and nothing behind the link is read, written or removed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::RepoPath;
use crate::repo::Repository;

/// Below this no file can ever be.
const NOWHERE: &str = "/dev/null";

impl Repository {
    /// Returns where the file of a path lies; for a path behind a link, a place where no file can be.
    pub fn file_of(&self, path: &RepoPath) -> PathBuf {
        match self.is_behind_link(path) {
            true => path.under(Path::new(NOWHERE)),
            false => path.under(self.top()),
        }
    }

    /// Tells whether one of the folders of a path is a symbolic link.
    pub fn is_behind_link(&self, path: &RepoPath) -> bool {
        let parents = path.as_str().match_indices('/').map(|(end, _)| &path.as_str()[..end]);
        parents.into_iter().any(|parent| fs::symlink_metadata(self.top().join(parent)).is_ok_and(|m| m.is_symlink()))
    }
}
