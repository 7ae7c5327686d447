//! Why a revision names nothing, and what it may have been meant to name.

use std::fmt;

use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::RepoError;
use crate::repo::state::objects::ReadError;
use crate::repo::state::reflog::ReflogError;
use crate::repo::state::refs::RefError;
use crate::repo::text::date::DateError;
use crate::repo::text::pathspec::PathspecError;

/// Why a revision names no object.
#[derive(Debug, thiserror::Error)]
pub enum RevError {
    /// Neither a ref nor an id.
    #[error("unknown revision '{text}'")]
    Unknown {
        /// The revision as typed, or the part of it that is unknown.
        text: String,
        /// The name of a ref that is nearly the same.
        near: Option<String>,
    },
    /// HEAD is on a branch without commits.
    #[error("the branch '{}' has no commits yet", branch.short())]
    Unborn {
        /// The branch.
        branch: RefName,
    },
    /// A ref that was damaged, or whose object was lost.
    #[error("'{name}' leads to {id}, which is not in the repository")]
    Dangling {
        /// The ref.
        name: RefName,
        /// The id that it holds.
        id: ObjectId,
    },
    /// An abbreviated id that several objects begin with.
    #[error("the id '{text}' is ambiguous")]
    Ambiguous {
        /// The id as typed.
        text: String,
        /// The objects, tags and commits first.
        candidates: Vec<Candidate>,
    },
    /// A commit has fewer parents.
    #[error("'{text}' has {} parent{}, so '{text}^{wanted}' does not exist", count(*found), if *found == 1 { "" } else { "s" })]
    NoParent {
        /// The commit as typed.
        text: String,
        /// The parent asked for, from 1.
        wanted: usize,
        /// How many it has.
        found: usize,
    },
    /// The history of a commit is shorter.
    #[error("'{text}~{wanted}' does not exist: the first commit is '{text}~{found}'")]
    NoAncestor {
        /// The commit as typed.
        text: String,
        /// The ancestor asked for.
        wanted: usize,
        /// The oldest one.
        found: usize,
    },
    /// The object is of a kind that does not lead to the wanted one.
    #[error("'{text}' is a {found}, not a {wanted}")]
    Kind {
        /// The revision as typed.
        text: String,
        /// What was wanted.
        wanted: ObjectKind,
        /// What it is.
        found: ObjectKind,
    },
    /// A commit does not have a file.
    #[error("path '{path}' does not exist in '{rev}'")]
    NoPath {
        /// The revision before the colon.
        rev: String,
        /// The path, from the top of the worktree.
        path: String,
        /// A path that is nearly the same.
        near: Option<String>,
    },
    /// A path leads to a folder, which has no object of its own.
    #[error("'{path}' is a folder in '{rev}'")]
    Folder {
        /// The revision before the colon; empty for the index.
        rev: String,
        /// The path, from the top of the worktree.
        path: String,
    },
    /// The index does not have a file.
    #[error("path '{path}' is not in the index")]
    NotInIndex {
        /// The path, from the top of the worktree.
        path: String,
        /// A path that is nearly the same.
        near: Option<String>,
    },
    /// Only stage 0 is there.
    #[error("path '{path}' is in the index, but not at stage {stage}")]
    NoStage {
        /// The path, from the top of the worktree.
        path: String,
        /// The stage asked for.
        stage: u8,
    },
    /// A ref has no reflog.
    #[error("'{name}' has no reflog")]
    NoReflog {
        /// The ref as typed.
        name: String,
    },
    /// A reflog has fewer entries.
    #[error("the reflog of '{name}' has only {} entr{}", count(*found), if *found == 1 { "y" } else { "ies" })]
    ReflogTooShort {
        /// The ref.
        name: String,
        /// How many entries it has.
        found: usize,
    },
    /// A ref did not exist at a moment.
    #[error("'{name}' did not exist then")]
    NotThen {
        /// The ref.
        name: String,
    },
    /// HEAD was switched fewer times.
    #[error("there is no '@{{-{wanted}}}': HEAD was switched {found} time{}", if *found == 1 { "" } else { "s" })]
    TooFewSwitches {
        /// The switch asked for.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// Only branches have upstreams, and HEAD is on none.
    #[error("HEAD is not on a branch, so it has no upstream")]
    Detached,
    /// No such branch, so no upstream.
    #[error("no such branch: '{0}'")]
    NoBranch(String),
    /// A branch has no upstream.
    #[error("no upstream is configured for the branch '{0}'")]
    NoUpstream(String),
    /// A branch would not be pushed to its upstream.
    #[error("the branch '{branch}' is not pushed to its upstream '{}': the names differ, or it is no branch of a remote", upstream.short())]
    NoPush {
        /// The branch.
        branch: String,
        /// Its upstream.
        upstream: RefName,
    },
    /// The upstream of a branch was never fetched.
    #[error("the upstream '{}' of the branch '{branch}' does not exist", upstream.short())]
    UpstreamGone {
        /// The branch.
        branch: String,
        /// Its upstream.
        upstream: RefName,
    },
    /// No commit has such a message.
    #[error("no commit message matches '{0}'")]
    NoMessage(String),
    /// Not a regular expression.
    #[error("'{text}' is not a regular expression: {reason}")]
    Pattern {
        /// The text as typed.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The text breaks a rule of the grammar.
    #[error("'{text}' is not a revision: {reason}")]
    Malformed {
        /// The text as typed.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What stands in `@{…}` is no date.
    #[error(transparent)]
    Date(#[from] DateError),
    /// An object.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A ref.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// A reflog.
    #[error(transparent)]
    Reflog(#[from] ReflogError),
    /// The index.
    #[error(transparent)]
    Index(#[from] Box<RepoError>),
    /// The path behind a colon.
    #[error(transparent)]
    Path(#[from] PathspecError),
}

impl RevError {
    /// Tells whether the text simply names nothing, so that it may be something else, such as a path.
    pub fn is_unknown(&self) -> bool {
        !matches!(
            self,
            Self::Ambiguous { .. } | Self::Read(_) | Self::Ref(_) | Self::Reflog(_) | Self::Index(_) | Self::Path(_)
        )
    }
}

fn count(n: usize) -> String {
    if n == 0 { "no".to_owned() } else { n.to_string() }
}

/// An object that an abbreviated id may have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: ObjectId,
    /// The id's beginning, as long as is needed to tell it from all others.
    pub short: String,
    /// Its kind.
    pub kind: ObjectKind,
    /// The first line of a commit's message, or the name of a tag.
    pub title: Option<String>,
    /// When the commit or tag was made: Unix seconds and minutes east of UTC.
    pub time: Option<(i64, i32)>,
}

/// What the user should know of a revision that was resolved all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevWarning {
    /// Several refs, or a ref and an id, are called so; the first was taken.
    AmbiguousName {
        /// The name as typed.
        name: String,
        /// The ref that was taken.
        taken: RefName,
    },
    /// The reflog begins later than the moment asked for; the commits told by their own dates.
    LogTooYoung {
        /// The ref.
        name: String,
        /// The oldest entry: Unix seconds.
        since: i64,
    },
}

impl fmt::Display for RevWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AmbiguousName { name, taken } => write!(f, "the name '{name}' is ambiguous; {taken} was taken"),
            Self::LogTooYoung { name, since } => {
                let since = jiff::Timestamp::from_second(*since).unwrap_or_default();
                let zone = jiff::tz::TimeZone::system();
                let since = since.to_zoned_datetime(zone).strftime("%F %T %z");
                write!(f, "the reflog of '{name}' goes back only to {since}; before that, the dates of commits tell")
            }
        }
    }
}
