//! The error of repository operations: one variant per part that can fail.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::object::ObjectError;
use crate::model::{RepoPath, SourceError};
use crate::repo::history::revspec::RevError;
use crate::repo::state::index::IndexError;
use crate::repo::state::objects::ReadError;
use crate::repo::state::refs::RefError;
use crate::sqlite::error::DatabaseError;
use crate::sqlite::materialize::MaterializeError;
use crate::store::{StoreError, VolumeError};
use crate::util::interrupt::Interrupted;
use crate::util::lock::LockError;

/// The result of a repository operation.
pub type Result<T, E = RepoError> = std::result::Result<T, E>;

/// An error of a repository operation.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The storage log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Reading an object.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A damaged object.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Refs and reflogs.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A database in the worktree.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Writing a database or another file to the worktree.
    #[error(transparent)]
    Materialize(#[from] MaterializeError),
    /// The repository lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Reading pages through a [`crate::model::PageSource`].
    #[error("cannot read pages: {0}")]
    Source(SourceError),
    /// Creating a repository.
    #[error(transparent)]
    Init(#[from] crate::repo::ops::init::InitError),
    /// Staging.
    #[error(transparent)]
    Add(#[from] crate::repo::ops::add::AddError),
    /// Files that programs use in ways that Graft cannot follow.
    #[error(transparent)]
    Beside(#[from] crate::repo::worktree::beside::BesideError),
    /// Committing.
    #[error(transparent)]
    Commit(#[from] crate::repo::ops::commit::CommitError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] crate::repo::state::config::ConfigError),
    /// Who commits, and when.
    #[error(transparent)]
    Identity(#[from] crate::repo::state::identity::IdentityError),
    /// Bringing files back.
    #[error(transparent)]
    Checkout(#[from] crate::repo::worktree::checkout::CheckoutError),
    /// A change of the worktree failed half way, and what was written cannot be put back now.
    #[error("{cause}; and what was written so far cannot be put back yet: {left}")]
    HalfMoved {
        /// Why it failed.
        cause: Box<RepoError>,
        /// Why it cannot be put back.
        left: Box<RepoError>,
    },
    /// Switching.
    #[error(transparent)]
    Switch(#[from] crate::repo::ops::switch::SwitchError),
    /// Merging.
    #[error(transparent)]
    Merge(#[from] crate::repo::ops::merge::MergeError),
    /// Doing commits once more, or taking them back.
    #[error(transparent)]
    Pick(#[from] crate::repo::ops::pick::PickError),
    /// The stash.
    #[error(transparent)]
    Stash(#[from] crate::repo::ops::stash::StashError),
    /// Taking back operations.
    #[error(transparent)]
    Undo(#[from] crate::repo::ops::undo::UndoError),
    /// A path as typed.
    #[error(transparent)]
    Pathspec(#[from] crate::repo::text::pathspec::PathspecError),
    /// A path that cannot be tracked.
    #[error(transparent)]
    Untrackable(#[from] crate::repo::worktree::ignore_rules::UntrackableError),
    /// A pattern to look for.
    #[error(transparent)]
    Pattern(#[from] crate::repo::history::walk::PatternError),
    /// Branches.
    #[error(transparent)]
    Branch(#[from] crate::repo::ops::branch::BranchError),
    /// Tags.
    #[error(transparent)]
    Tag(#[from] crate::repo::ops::tag::TagError),
    /// Changing a ref by hand.
    #[error(transparent)]
    UpdateRef(#[from] crate::repo::ops::update_ref::UpdateRefError),
    /// Resetting.
    #[error(transparent)]
    Reset(#[from] crate::repo::ops::reset::ResetError),
    /// Removing or moving files.
    #[error(transparent)]
    Remove(#[from] crate::repo::ops::remove::RemoveError),
    /// Removing untracked files.
    #[error(transparent)]
    Clean(#[from] crate::repo::worktree::clean::CleanError),
    /// Comparing files.
    #[error(transparent)]
    Diff(#[from] crate::repo::worktree::diff::FileDiffError),
    /// A revision that names nothing.
    #[error(transparent)]
    Rev(RevError),
    /// Writing a state elsewhere.
    #[error(transparent)]
    Export(#[from] crate::repo::worktree::export::ExportError),
    /// A state that cannot be queried.
    #[error(transparent)]
    Revision(#[from] crate::repo::sql::revisions::RevisionError),
    /// A volume.
    #[error(transparent)]
    Volume(VolumeError),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A remote.
    #[error(transparent)]
    Remote(#[from] crate::store::remote::RemoteError),
    /// Replicating a volume.
    #[error(transparent)]
    Replica(#[from] crate::store::replica::ReplicaError),
    /// Remotes as configured, and what is asked of them.
    #[error(transparent)]
    Sync(#[from] crate::repo::remote::SyncError),
    /// A history that is not wholly here.
    #[error(transparent)]
    Shallow(#[from] crate::repo::state::shallow::ShallowError),
    /// A file operation.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried: `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No repository here or above.
    #[error("not a graft repository (or any of the parent directories): {}", .0.display())]
    NotARepository(PathBuf),
    /// Something in the repository folder is a symbolic link.
    #[error("'{}' is a symbolic link, which nothing in a repository may be", .0.display())]
    LinkInside(PathBuf),
    /// The repository was made by a newer Graft.
    #[error("the repository {} has format version {version}; this graft reads version {}", dir.display(), crate::repo::FORMAT)]
    NewerFormat {
        /// The repository folder.
        dir: PathBuf,
        /// Its version.
        version: String,
    },
    /// A file is written to all the time, so no single state of it can be read.
    #[error("'{0}' keeps changing while it is read")]
    KeepsChanging(RepoPath),
}

impl RepoError {
    /// Wraps an I/O error with the file and what was tried.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// Tells whether stored data is missing or damaged.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Store(e) => e.is_damage(),
            Self::Read(ReadError::Missing(_) | ReadError::Object(_)) | Self::Object(_) => true,
            Self::Read(ReadError::Store { source, .. }) => source.downcast_ref().is_some_and(StoreError::is_damage),
            _ => false,
        }
    }
}

/// What failed below a volume counts as that.
impl From<VolumeError> for RepoError {
    fn from(error: VolumeError) -> Self {
        match error {
            VolumeError::Store(e) => Self::Store(e),
            other => Self::Volume(other),
        }
    }
}

/// What failed below a revision counts as that, not as a revision that names nothing.
impl From<RevError> for RepoError {
    fn from(error: RevError) -> Self {
        match error {
            RevError::Read(e) => Self::Read(e),
            RevError::Ref(e) => Self::Ref(e),
            RevError::Reflog(e) => Self::Ref(e.into()),
            RevError::Index(e) => *e,
            RevError::Path(e) => Self::Pathspec(e),
            other => Self::Rev(other),
        }
    }
}
