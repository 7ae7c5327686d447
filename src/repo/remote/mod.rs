//! Remotes of a repository: their names and settings, pushing to them and fetching from them.

mod fetch;
mod named;
mod promisor;
mod push;
pub(in crate::repo) mod refspec;
#[cfg(test)]
mod tests;
mod upkeep;

pub use fetch::{FetchOptions, Fetched, RefFetch, Tags};
pub(in crate::repo) use named::named_remote;
pub use named::{NamedRemote, RemoteRefs};
pub use push::{Lease, Planned, PushOptions, Pushed, RefPush, Rejection};
pub use refspec::{Refspec, RefspecError};

use crate::model::RefName;

/// Why a remote was not used as asked.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The name is not one for a remote.
    #[error("'{0}' is not a valid name for a remote")]
    Name(String),
    /// There is no such remote.
    #[error("there is no remote '{0}'")]
    NoRemote(String),
    /// There is one of that name.
    #[error("there is a remote '{0}' already")]
    Exists(String),
    /// No remote was named and none can be guessed.
    #[error("no remote is configured")]
    NoneConfigured,
    /// A remote without a URL.
    #[error("the remote '{0}' has no URL")]
    NoUrl(String),
    /// A refspec.
    #[error(transparent)]
    Refspec(#[from] RefspecError),
    /// A source that names nothing here.
    #[error("'{0}' names no branch, tag or commit here")]
    NoSource(String),
    /// A name that is not on the remote.
    #[error("{url} has no '{name}'")]
    NoRemoteRef {
        /// The remote.
        url: String,
        /// The name as typed.
        name: String,
    },
    /// Nothing says what the name of the destination should be.
    #[error("cannot guess the full name of '{0}' on the remote")]
    VagueDestination(String),
    /// Two sources for one destination.
    #[error("two refspecs write to '{0}'")]
    Twice(RefName),
    /// Only commits can be branches.
    #[error("'{0}' cannot be set: a branch holds a commit, and that is none")]
    NotACommit(RefName),
    /// The current branch follows nothing.
    #[error("the branch '{branch}' has no upstream")]
    NoUpstream {
        /// The branch.
        branch: String,
        /// The remote it could follow.
        remote: String,
    },
    /// The current branch follows one of another name.
    #[error("the branch '{branch}' follows '{upstream}', which has another name")]
    OtherName {
        /// The branch.
        branch: String,
        /// The branch of the remote.
        upstream: String,
    },
    /// Whoever was asked about the push said no.
    #[error("nothing was pushed to {0}")]
    NotAgreed(String),
    /// HEAD is on no branch.
    #[error("HEAD is not on a branch")]
    Detached,
    /// A fetch would move the branch under the worktree.
    #[error("the branch '{0}' is checked out here and would be moved by the fetch")]
    CheckedOut(String),
    /// The branch and its upstream have gone different ways.
    #[error("'{branch}' and '{upstream}' have diverged: {ahead} and {behind} commits of their own")]
    Diverged {
        /// The branch.
        branch: String,
        /// What it follows.
        upstream: String,
        /// Commits that only the branch has.
        ahead: usize,
        /// Commits that only the upstream has.
        behind: usize,
    },
    /// The folder of a clone is in use.
    #[error("'{}' exists already and is not empty", .0.display())]
    NotEmpty(std::path::PathBuf),
    /// A branch to be checked out is not on the remote.
    #[error("{url} has no branch '{branch}'")]
    NoBranch {
        /// The remote.
        url: String,
        /// The branch.
        branch: String,
    },
    /// Nothing was ever pushed there.
    #[error("{0} is empty")]
    EmptyRemote(String),
    /// Objects were removed from the remote while the push was on its way, again and again.
    #[error("objects are being removed from {0} at this time")]
    Collecting(String),
}
