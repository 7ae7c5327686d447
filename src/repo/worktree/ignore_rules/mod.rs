//! Finds the files of the worktree that are not tracked, minding ignore rules.
//!
//! Rules stand in `.graftignore` and `.gitignore` of every folder and in `.graft/info/exclude`; the deeper file wins, of
//! one folder `.graftignore`, in one file the last line. A file in an ignored folder is ignored whatever deeper rules
//! say. Never entered: `.graft`, `.git`, and folders with a repository of their own. Never listed: the `-wal`, `-shm`
//! and `-journal` files of a database, encrypted or not, which belong to it.

mod rules;
mod walk;

use std::io;
use std::path::{Path, PathBuf};

use crate::model::RepoPath;
use crate::repo::state::index::Index;
use crate::repo::state::types::Warning;
use crate::repo::text::pathspec::Pathspecs;

/// Why the worktree could not be searched. What is only passed over on the way is a [`Warning`] instead; these are
/// about the top folder, or about things that were named one by one.
#[derive(Debug, thiserror::Error)]
pub enum UntrackableError {
    /// A folder or file cannot be read.
    #[error("cannot read '{}'", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A symbolic link was named.
    #[error("'{}' is a symbolic link; only files can be tracked", .0.display())]
    Symlink(PathBuf),
    /// A pipe, socket or device was named.
    #[error("'{}' is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    /// A file that belongs to a database was named.
    #[error("'{}' is a working file of the database beside it and is never tracked itself", .0.display())]
    Sidecar(PathBuf),
    /// A repository inside this one was named.
    #[error("'{}' is a repository of its own", .0.display())]
    NestedRepository(PathBuf),
}

/// How to search.
#[derive(Clone, Copy, Debug, Default)]
pub struct SearchOptions {
    /// Find ignored files too.
    pub include_ignored: bool,
    /// Do not list the files of folders in which nothing is tracked: such a folder is left as soon as it is known to
    /// hold a file.
    pub collapse: bool,
}

/// The files that are not tracked.
#[derive(Debug, Default)]
pub struct Untracked {
    /// Every file found, in path order. With `collapse` those in wholly untracked folders are missing.
    pub files: Vec<RepoPath>,
    /// The same for people, in path order: a folder in which nothing is tracked stands for its files, as `folder/`.
    pub collapsed: Vec<String>,
    /// Files and folders that exist but are ignored although they were named one by one, relative to the top.
    pub ignored_named: Vec<RepoPath>,
    /// What was passed over.
    pub warnings: Vec<Warning>,
}

/// Searches the worktree at `top`, whose repository folder is `.graft`, for files that `specs` select and `index` lacks.
pub fn untracked(
    top: &Path,
    specs: &Pathspecs,
    index: &Index,
    options: SearchOptions,
) -> Result<Untracked, UntrackableError> {
    walk::Walk::new(top, specs, index, options).run()
}

/// Tells whether the rules ignore a file of the worktree, by itself or with a folder above it.
pub fn is_ignored(top: &Path, path: &RepoPath) -> bool {
    let mut rules = rules::Rules::new(top);
    let mut folder = String::new();
    let mut parts = path.as_str().split('/').peekable();
    while let Some(part) = parts.next() {
        rules.enter(top, &folder, &mut Vec::new());
        if !folder.is_empty() {
            folder.push('/');
        }
        folder.push_str(part);
        if rules.ignores(&top.join(&folder), parts.peek().is_some()) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
