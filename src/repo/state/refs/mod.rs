//! Refs: names for commits, kept as small files under `.graft`, changed only by expected-value transactions.
//!
//! Invariants: a writer holds the repository lock and shows it; readers need none, since every file is replaced
//! atomically. A loose file (`refs/heads/main`) hides the line of the same name in `packed-refs`; readers look for the
//! loose one first, writers of `packed-refs` remove loose files last, so a ref is never unseen. The object that a ref
//! names is durable before the ref, and the reflog line before it too: a line whose change never happened is
//! recognised by the ref's value, left out by readers and cut off by the next writer.

mod apply;
mod conflict;
mod edit;
mod list;
mod log;
mod packed;
mod prune;
mod rename;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use edit::{Change, Expected, RefEdit};
pub use list::RefList;

use serde::{Deserialize, Serialize};

use crate::model::{ObjectId, RefName};
use crate::repo::state::operations::{OperationLog, Record, RefChange};
use crate::repo::state::reflog::ReflogError;

/// How many symbolic refs are followed before giving up, as in Git.
const MAX_DEPTH: usize = 5;

/// Why refs could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RefError {
    /// A file cannot be read, written or removed.
    #[error("cannot access {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of a ref holds neither an object id nor `ref: <name>`.
    #[error("the ref {name} is damaged: {} holds {content:?}", path.display())]
    Damaged {
        /// The ref.
        name: String,
        /// Its file.
        path: PathBuf,
        /// The beginning of what the file holds.
        content: String,
    },
    /// The file of a ref is gone, though its reflog goes on.
    #[error("the ref {name} is lost; its reflog says that it was {value}")]
    Lost {
        /// The ref.
        name: RefName,
        /// Its last value.
        value: ObjectId,
    },
    /// The file of packed refs is damaged.
    #[error("{} is damaged: {reason}", path.display())]
    DamagedPacked {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// `HEAD` is not there: this is no repository, or a damaged one.
    #[error("{} is missing", path.display())]
    NoHead {
        /// Where HEAD should be.
        path: PathBuf,
    },
    /// Symbolic refs that lead in a circle, or too deep.
    #[error("the symbolic ref {name} leads in a circle")]
    Circle {
        /// The ref that was being resolved.
        name: RefName,
    },
    /// A symbolic ref that names a ref which does not exist.
    #[error("the symbolic ref {name} names {target}, which does not exist")]
    Dangling {
        /// The symbolic ref.
        name: RefName,
        /// What it names.
        target: RefName,
    },
    /// The ref was to be made but exists.
    #[error("the ref {name} already exists ({found})")]
    Exists {
        /// The ref.
        name: RefName,
        /// Its value.
        found: ObjectId,
    },
    /// The ref was to be changed but does not exist.
    #[error("the ref {name} does not exist")]
    Absent {
        /// The ref.
        name: RefName,
    },
    /// The ref has another value than the one that was to be replaced.
    #[error("the ref {name} has moved: expected {expected}, found {found}")]
    Moved {
        /// The ref.
        name: RefName,
        /// The value that was to be replaced.
        expected: ObjectId,
        /// The value it has.
        found: ObjectId,
    },
    /// A ref cannot be both a file and a folder of other refs.
    #[error("cannot have both {name} and {existing}: one would lie inside the other")]
    Nested {
        /// The ref that was to be made.
        name: RefName,
        /// The ref in the way.
        existing: RefName,
    },
    /// Two edits of one transaction change the same ref.
    #[error("the ref {name} is changed twice in one step")]
    Twice {
        /// The ref.
        name: RefName,
    },
    /// The reflog failed.
    #[error(transparent)]
    Reflog(#[from] ReflogError),
}

impl RefError {
    /// Returns the name of the ref that is damaged or lost.
    pub fn name(&self) -> Option<RefName> {
        match self {
            Self::Damaged { name, .. } => RefName::new(name).ok(),
            Self::Lost { name, .. } => Some(name.clone()),
            _ => None,
        }
    }
}

/// What a ref holds; as text, what its file has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Target {
    /// An object.
    Object(ObjectId),
    /// Another ref.
    Symbolic(RefName),
}

/// Where HEAD is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// On a branch, which has no commit yet if its ref does not exist.
    Branch(RefName),
    /// On a commit.
    Detached(ObjectId),
}

/// A ref and the object it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// The full name.
    pub name: RefName,
    /// The object.
    pub id: ObjectId,
    /// The ref it names, if it is symbolic.
    pub symbolic: Option<RefName>,
}

/// The refs of one repository.
#[derive(Clone, Debug)]
pub struct RefStore {
    dir: PathBuf,
    operations: Option<OperationLog>,
}

impl RefStore {
    /// Opens the refs of the repository folder `dir` (`.graft`).
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), operations: None }
    }

    /// Tells the operation log of every change, before it happens.
    pub fn recorded(self, operations: OperationLog) -> Self {
        Self { operations: Some(operations), ..self }
    }

    /// Notes changes of refs as they are about to happen.
    ///
    /// Those that mirror a remote are left out: they are not this repository's own to take back.
    fn record(&self, mut refs: Vec<RefChange>) -> Result<(), RefError> {
        let Some(log) = &self.operations else { return Ok(()) };
        refs.retain(|c| c.before != c.after && !c.name.as_str().starts_with("refs/remotes/"));
        log.append(Record { refs, ..Record::default() })
            .map_err(|source| RefError::Io { path: log.path().to_owned(), source })
    }

    /// Reads what a ref holds; `None` if it does not exist.
    pub fn read(&self, name: &RefName) -> Result<Option<Target>, RefError> {
        match self.read_loose(name)? {
            Some(target) => Ok(Some(target)),
            None if name.as_str().starts_with("refs/") => Ok(self.packed()?.get(name).map(Target::Object)),
            None => Ok(None),
        }
    }

    /// Follows a ref to its object; `None` if it, or a ref it names, does not exist.
    pub fn resolve(&self, name: &RefName) -> Result<Option<ObjectId>, RefError> {
        Ok(self.follow(name)?.1)
    }

    /// Returns where HEAD is.
    pub fn head(&self) -> Result<Head, RefError> {
        match self.read(&RefName::head())? {
            Some(Target::Symbolic(branch)) => Ok(Head::Branch(branch)),
            Some(Target::Object(id)) => Ok(Head::Detached(id)),
            None => Err(RefError::NoHead { path: self.dir.join("HEAD") }),
        }
    }

    /// Follows symbolic refs and returns the last ref's name and value, if it exists.
    pub fn follow(&self, name: &RefName) -> Result<(RefName, Option<ObjectId>), RefError> {
        let mut last = name.clone();
        for _ in 0..MAX_DEPTH {
            match self.read(&last)? {
                Some(Target::Object(id)) => return Ok((last, Some(id))),
                Some(Target::Symbolic(next)) => last = next,
                None => return Ok((last, None)),
            }
        }
        Err(RefError::Circle { name: name.clone() })
    }

    fn read_loose(&self, name: &RefName) -> Result<Option<Target>, RefError> {
        let path = self.path(name);
        match read_small(&path) {
            Ok(bytes) => parse(&bytes).map(Some).ok_or_else(|| RefError::Damaged {
                name: name.to_string(),
                path,
                content: String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned(),
            }),
            Err(e) if is_absent(&e) => Ok(None),
            Err(source) => Err(RefError::Io { path, source }),
        }
    }

    fn path(&self, name: &RefName) -> PathBuf {
        self.dir.join(name.as_str())
    }
}

/// Parses the content of a loose ref: 64 hex digits or `ref: <name>`, with or without a newline.
fn parse(bytes: &[u8]) -> Option<Target> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    match text.strip_prefix("ref:") {
        Some(name) => RefName::new(name.trim()).ok().map(Target::Symbolic),
        None => ObjectId::from_hex(text).ok().map(Target::Object),
    }
}

/// Renders the content of a loose ref.
fn render(target: &Target) -> String {
    match target {
        Target::Object(id) => format!("{id}\n"),
        Target::Symbolic(name) => format!("ref: {name}\n"),
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        render(&target).trim_end().to_owned()
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(text.as_bytes()).ok_or_else(|| format!("'{text}' is not what a ref can hold"))
    }
}

fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::with_capacity(128);
    fs::File::open(path)?.take(8192).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

#[cfg(test)]
mod tests;
