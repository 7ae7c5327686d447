//! Bringing stored states of files back into the index and the worktree.

use std::path::PathBuf;

use crate::model::{ObjectId, ObjectKind, RepoPath};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::changes::{Tracked, of_index};
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::operations::FileState;
use crate::repo::state::types::Warning;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::moves::Move;

/// Where the wanted state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The index.
    Index,
    /// A commit, tag or tree.
    Rev(ObjectId),
}

/// What to bring back, and where to.
#[derive(Clone, Debug)]
pub struct CheckoutPaths {
    /// Where the wanted state comes from.
    pub source: Source,
    /// Files, folders and globs as typed; at least one.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
    /// Write the index.
    pub staged: bool,
    /// Write the worktree.
    pub worktree: bool,
    /// Overwrite unsaved work (which is kept in the store).
    pub force: bool,
    /// Remove tracked files that the source does not have.
    pub no_overlay: bool,
}

/// How a file came to its wanted state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was in that state already.
    Unchanged,
    /// Pages were written in one SQLite transaction, under the eyes of open connections.
    InPlace {
        /// SQLite pages written.
        pages: u32,
    },
    /// The file was written anew.
    Replaced,
    /// The file was removed.
    Removed,
    /// It is not materialized: its volume was moved, and no page was read or written.
    InVolume,
    /// Only the index was changed.
    IndexOnly,
}

/// One file that was brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedOut {
    /// The file.
    pub path: RepoPath,
    /// How it got there.
    pub how: Written,
    /// The snapshot that keeps the unsaved work which was overwritten.
    pub saved: Option<ObjectId>,
}

impl CheckedOut {
    fn in_index(path: RepoPath) -> Self {
        Self { path, how: Written::IndexOnly, saved: None }
    }
}

/// What was brought back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutOutcome {
    /// The files, in path order.
    pub files: Vec<CheckedOut>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Why nothing was brought back.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// A path matches nothing in the source.
    #[error("pathspec '{}' did not match any file {}", path.display(), place)]
    NoMatch {
        /// The path as typed.
        path: PathBuf,
        /// Where it was looked for.
        place: &'static str,
    },
    /// Files have changes that are not in the index.
    #[error("unsaved changes would be overwritten: {}", list(.0))]
    Unsaved(Vec<RepoPath>),
    /// Files that are not tracked stand where tracked ones would go.
    #[error("untracked files would be overwritten: {}", list(.0))]
    Untracked(Vec<RepoPath>),
    /// A folder stands where a file would go.
    #[error("'{0}' is a folder; a file would go there")]
    FolderInTheWay(RepoPath),
    /// A file, or a link, stands where a folder would have to be.
    #[error("'{parent}' is no folder, but '{path}' would go into it")]
    FileInTheWay {
        /// The file that would be written.
        path: RepoPath,
        /// What should be its folder.
        parent: String,
    },
}

fn list(paths: &[RepoPath]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Repository {
    /// Brings files back into the index, the worktree or both.
    pub fn checkout_paths(&self, options: &CheckoutPaths) -> Result<CheckoutOutcome> {
        let specs = Pathspecs::new(self.top(), &options.cwd, &options.pathspecs)?;
        let lock = self.lock()?;
        let index = self.index()?;
        let wanted = self.wanted(options, &specs, &index)?;
        let stale: Vec<IndexEntry> = match options.no_overlay {
            true => {
                let kept = |e: &&IndexEntry| !specs.matches(&e.path) || wanted.iter().any(|w| w.path == e.path);
                index.entries().iter().filter(|e| !kept(e)).cloned().collect()
            }
            false => Vec::new(),
        };
        let all: Vec<&RepoPath> = wanted.iter().map(|w| &w.path).chain(stale.iter().map(|e| &e.path)).collect();
        if let Some(path) = specs.unmatched(&all) {
            let place = if options.source == Source::Index { "in the index" } else { "in that revision" };
            return Err(CheckoutError::NoMatch { path, place }.into());
        }
        let mut plan = Move { force: options.force, materialize: true, ..Move::default() };
        let states = wanted.iter().map(|w| (&w.path, Some(FileState { mode: w.mode, snapshot: w.snapshot })));
        for (path, state) in states.chain(stale.iter().map(|e| (&e.path, None))) {
            if options.worktree {
                plan.files.insert(path.clone(), state);
            }
            if options.staged {
                plan.index.insert(path.clone(), state);
            }
        }
        let mut done = self.perform(&lock, &plan)?;
        if !options.worktree {
            done.files = all.into_iter().map(|path| CheckedOut::in_index(path.clone())).collect();
            done.files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(done)
    }

    fn wanted(&self, options: &CheckoutPaths, specs: &Pathspecs, index: &Index) -> Result<Vec<Tracked>> {
        let files = match options.source {
            Source::Index => of_index(index),
            Source::Rev(id) => {
                let tree = self.peel(&id, ObjectKind::Tree)?;
                crate::repo::history::changes::of_tree(&self.tree(&tree)?)
            }
        };
        Ok(files.into_iter().filter(|t| specs.matches(&t.path)).collect())
    }
}
