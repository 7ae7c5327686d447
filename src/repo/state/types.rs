//! The values that operations return.

use std::fmt;
use std::path::PathBuf;

use crate::model::{FileKind, FileMode, ObjectId, RepoPath};
use crate::util::attributes::Lost;

/// What happened to a tracked file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its content or mode is another.
    Modified,
    /// It is gone.
    Deleted,
    /// It is the volume that was at `renamed_from`, maybe changed as well.
    Renamed,
    /// It was a database and is not any more, or the other way round.
    TypeChanged,
    /// It is as it was.
    Unchanged,
}

/// A change of one file between two states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// The file.
    pub path: RepoPath,
    /// What happened to it.
    pub change: ChangeKind,
    /// What it is (for a deleted file: was).
    pub kind: FileKind,
    /// The snapshot before.
    pub old: Option<ObjectId>,
    /// The snapshot afterwards; `None` also where a worktree file has not been captured.
    pub new: Option<ObjectId>,
    /// Its permission before.
    pub old_mode: Option<FileMode>,
    /// Its permission afterwards.
    pub new_mode: Option<FileMode>,
    /// Bytes of the file afterwards (for a deleted file: before).
    pub byte_len: u64,
    /// Pages of the file afterwards (for a deleted file: before).
    pub page_count: u32,
    /// Pages that differ, where that was found out; all of them for added and deleted files.
    pub pages_changed: Option<u32>,
    /// Where the volume was before, if it was renamed.
    pub renamed_from: Option<RepoPath>,
}

/// Something the user should know although the operation went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A file with a name like a database is none.
    NotSqlite(RepoPath),
    /// A symbolic link was passed over.
    SkippedSymlink(String),
    /// A file whose name is not UTF-8 was passed over.
    NotUtf8(String),
    /// A folder with a repository of its own was passed over.
    NestedRepository(String),
    /// Something that is neither file nor folder was passed over.
    SkippedSpecial(String),
    /// A file cannot be read and was passed over.
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A leftover `-wal` or `-journal` would have been applied to another database and was moved aside.
    OrphanedSidecar {
        /// Where it was.
        path: PathBuf,
        /// Where it is now.
        moved_to: PathBuf,
    },
    /// A file that is no database to Graft has committed work in a `-wal`.
    NotInFile {
        /// The file.
        path: RepoPath,
        /// The `-wal`.
        wal: String,
    },
    /// A file that is no database to Graft is in the middle of a transaction.
    HalfWritten {
        /// The file.
        path: RepoPath,
        /// Its `-journal`.
        journal: String,
    },
    /// A working file of a database is tracked by itself.
    TrackedSidecar {
        /// The working file.
        path: RepoPath,
        /// The database.
        main: RepoPath,
    },
    /// A database has other names.
    HardLink {
        /// The database.
        path: RepoPath,
        /// How many names it has.
        links: u64,
    },
    /// A program has written to a database under another name.
    UsedByOtherName {
        /// The database.
        path: RepoPath,
        /// Its other name.
        other: String,
        /// The working file of that name.
        sidecar: String,
    },
    /// A file that was written anew could not be given everything that it had before.
    AttributeLost {
        /// The file.
        path: PathBuf,
        /// What it lost.
        what: Lost,
    },
    /// A file with other names was replaced, and they have the old content.
    LinkBroken(PathBuf),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSqlite(path) => {
                write!(f, "'{path}' is not an SQLite database; it is tracked byte for byte, without row diffs")
            }
            Self::SkippedSymlink(path) => write!(f, "'{path}' is a symbolic link; skipped"),
            Self::NotUtf8(path) => write!(f, "'{path}': the name is not valid UTF-8; skipped"),
            Self::NestedRepository(path) => write!(f, "'{path}' is a repository of its own; skipped"),
            Self::SkippedSpecial(path) => write!(f, "'{path}' is neither a file nor a folder; skipped"),
            Self::Unreadable { path, reason } => write!(f, "cannot read '{path}': {reason}; skipped"),
            Self::OrphanedSidecar { path, moved_to } => {
                let (path, moved_to) = (path.display(), moved_to.display());
                write!(f, "'{path}' does not belong to the file that is there now; moved to '{moved_to}'")
            }
            Self::NotInFile { path, wal } => {
                write!(f, "'{wal}' holds work that is not in '{path}' itself and is not taken; ")?;
                f.write_str("close the program that uses it, or have it checkpoint")
            }
            Self::HalfWritten { path, journal } => {
                write!(f, "'{path}' may be half written: '{journal}' belongs to an unfinished transaction; ")?;
                f.write_str("let its program end it, or open and close it there")
            }
            Self::TrackedSidecar { path, main } => {
                write!(
                    f,
                    "'{path}' is tracked, but is a working file of '{main}'; 'graft rm --cached {path}' ends that"
                )
            }
            Self::HardLink { path, links } => {
                write!(
                    f,
                    "'{path}' is a file with {links} names (hard links): what a program writes through another name "
                )?;
                f.write_str("may be missed, and the link ends when the file is replaced; ")?;
                write!(f, "'cp -p {path} {path}.own && mv {path}.own {path}' makes it a file of its own")
            }
            Self::UsedByOtherName { path, other, sidecar } => {
                write!(
                    f,
                    "'{path}' is also '{other}' (a hard link), and '{sidecar}' holds work of it that is missing here; "
                )?;
                f.write_str("close the program that uses it, and let it open the tracked name")
            }
            Self::AttributeLost { path, what } => {
                write!(f, "'{}' was written anew and could not be given back {what}", path.display())
            }
            Self::LinkBroken(path) => {
                write!(
                    f,
                    "'{}' is a file of its own now; its other names (hard links) have the old content",
                    path.display()
                )
            }
        }
    }
}
