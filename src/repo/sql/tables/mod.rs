//! The repository as tables for SQL: history, refs, differences, the storage log. Their columns are described in docs/sql.md.
//!
//! What takes long is made by a thread of its own, a few rows ahead of the query, which ends when nobody asks any more.
//! Nothing here opens a database of the worktree: a session may hold locks on it that closing any descriptor would drop.

mod changes;
mod history;
mod refs;
mod storage;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use crate::model::{ObjectId, RepoPath, SourceError, Value};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::text::pathspec::repo_path;
use crate::sqlite::sql::functions::{Rows, TableFunction};

/// Rows made ahead of the query.
const AHEAD: usize = 64;

/// What all functions of a session know.
pub(super) struct Shared {
    repo: Arc<Repository>,
    cwd: PathBuf,
    /// The file that the session is on.
    path: Option<RepoPath>,
    /// Files and tables that some commit has.
    known: Mutex<HashSet<(RepoPath, Option<String>)>>,
}

/// Returns the functions for a session on a file, of a user who stands in `cwd`.
pub fn functions(repo: &Arc<Repository>, cwd: &Path, path: Option<&RepoPath>) -> Vec<Arc<dyn TableFunction>> {
    let shared =
        Arc::new(Shared { repo: Arc::clone(repo), cwd: cwd.to_owned(), path: path.cloned(), known: Mutex::default() });
    let mut all: Vec<Arc<dyn TableFunction>> = Vec::new();
    history::add(&shared, &mut all);
    refs::add(&shared, &mut all);
    changes::add(&shared, &mut all);
    storage::add(&shared, &mut all);
    all
}

/// Why a call cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The session is on no file of the repository, and the call names none.
    #[error("name the file: the session is on no tracked database")]
    NoFile,
    /// No commit has the table.
    #[error("there is no table '{0}' in either state, nor in any commit before")]
    NoTable(String),
    /// A file is in neither state, and in no commit.
    #[error("'{path}' exists neither in '{from}' nor in '{to}', nor in any commit before")]
    NoPath {
        /// The file.
        path: RepoPath,
        /// A revision.
        from: String,
        /// Another.
        to: String,
    },
    /// An argument is not what it should be.
    #[error("{0}")]
    Argument(String),
}

impl Shared {
    /// Returns the file that an argument names, or that of the session.
    fn file(&self, argument: &Value) -> Result<RepoPath, SourceError> {
        match text(argument) {
            Some(typed) => Ok(repo_path(self.repo.top(), &self.cwd, Path::new(&typed))?),
            None => self.path.clone().ok_or_else(|| CallError::NoFile.into()),
        }
    }

    /// Returns the snapshot of a file at a revision; `None` if it is not there.
    fn state(&self, path: &RepoPath, rev: &str) -> Result<Option<ObjectId>> {
        match self.repo.snapshot_at(&self.cwd, path, rev) {
            Err(RepoError::Rev(crate::repo::history::revspec::RevError::NoPath { .. })) => Ok(None),
            other => other.map(Some),
        }
    }
}

/// A function made of a closure.
struct Function<F> {
    signature: crate::sqlite::sql::functions::Signature,
    rows: F,
}

impl<F: Fn(&[Value]) -> Result<Rows, SourceError> + std::marker::Send + Sync> TableFunction for Function<F> {
    fn signature(&self) -> crate::sqlite::sql::functions::Signature {
        self.signature
    }

    fn rows(&self, arguments: &[Value]) -> Result<Rows, SourceError> {
        (self.rows)(arguments)
    }
}

/// Returns rows that are there already.
fn ready(rows: Vec<Vec<Value>>) -> Rows {
    Box::new(rows.into_iter().map(Ok))
}

/// Gives a row on; breaks if nobody wants more.
type Send<'a> = &'a mut dyn FnMut(Vec<Value>) -> ControlFlow<()>;

/// Returns rows that a thread of its own makes.
fn stream(make: impl FnOnce(Send<'_>) -> Result<(), SourceError> + std::marker::Send + 'static) -> Rows {
    let (sender, rows) = sync_channel(AHEAD);
    std::thread::spawn(move || {
        let mut send = |row| match sender.send(Ok(row)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        if let Err(error) = make(&mut send) {
            // Nobody may be listening any more.
            let _ = sender.send(Err(error));
        }
    });
    Box::new(rows.into_iter())
}

/// Returns an argument as text; `None` for NULL.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Blob(_) => None,
        Value::Integer(n) => Some(n.to_string()),
        Value::Real(n) => Some(n.to_string()),
        Value::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// Wraps a text.
fn of_text(text: impl Into<String>) -> Value {
    Value::Text(text.into().into_bytes())
}

/// Wraps a number.
fn of_number(n: impl TryInto<i64>) -> Value {
    n.try_into().map_or(Value::Null, Value::Integer)
}

/// Writes a time as RFC 3339 with the offset it was made in; NULL if it is beyond what that form can say.
fn of_date(time: i64, offset: i32) -> Value {
    let zoned = || {
        let offset = jiff::tz::Offset::from_seconds(offset.checked_mul(60)?).ok()?;
        Some(jiff::Timestamp::from_second(time).ok()?.display_with_offset(offset).to_string())
    };
    zoned().map_or(Value::Null, of_text)
}

/// Lets a call of a function fail with whatever failed below it.
fn boxed(error: impl Into<RepoError>) -> SourceError {
    Box::new(error.into())
}
