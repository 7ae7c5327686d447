//! Why a statement failed, and where in it.

use std::io;

use rusqlite::ffi;

use crate::model::SourceError;
use crate::sqlite::error::{DatabaseError, code, message};

/// When a statement failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// While it was understood.
    Prepare,
    /// While it ran.
    Step,
}

/// Why a statement failed.
#[derive(Debug)]
pub struct SqlError {
    /// SQLite's words.
    pub message: String,
    /// When.
    pub stage: Stage,
    /// The byte of the text handed in at which SQLite stumbled, if it says so.
    pub offset: Option<usize>,
    /// What lies behind it: pages that cannot be read, a revision that names nothing.
    pub cause: Option<SourceError>,
    /// What may help, where that is known already.
    pub help: Option<String>,
    /// What was to be written is a revision, or was opened for reading only.
    pub read_only: bool,
    /// Another connection stands in the way.
    pub busy: bool,
    /// The disk is full, or fails.
    pub disk: bool,
}

/// Why a text of statements was not run to its end.
#[derive(Debug)]
pub enum RunError {
    /// A statement failed.
    Sql(Box<SqlError>),
    /// What came out could not be passed on.
    Output(io::Error),
    /// The user asked to stop.
    Interrupted,
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl RunError {
    /// Says that a file cannot be opened by what lies beside it.
    pub(super) fn unopened(error: DatabaseError) -> Self {
        Self::Sql(Box::new(SqlError {
            message: error.to_string(),
            stage: Stage::Prepare,
            offset: None,
            cause: Some(Box::new(error)),
            help: None,
            read_only: false,
            busy: false,
            disk: false,
        }))
    }

    /// Says that a file which is read without locks was changed by another program.
    pub(super) fn changed(error: DatabaseError) -> Self {
        let Self::Sql(mut failed) = Self::unopened(error) else { unreachable!("it is a failed statement") };
        failed.stage = Stage::Step;
        let help = "discard what was read; read a copy in a folder that you may write, or read it as its owner";
        failed.help = Some(help.to_owned());
        Self::Sql(failed)
    }

    /// Explains an error of SQLite; `at` is where the statement begins in the text.
    pub(super) fn of(error: rusqlite::Error, stage: Stage, at: usize, cause: Option<SourceError>) -> Self {
        if code(&error) == Some(ffi::SQLITE_INTERRUPT) {
            return Self::Interrupted;
        }
        let (text, offset, number) = match &error {
            rusqlite::Error::SqlInputError { error, msg, offset, .. } => {
                (msg.clone(), usize::try_from(*offset).ok().map(|o| at + o), Some(error.extended_code & 0xff))
            }
            other => (message(other), None, code(other)),
        };
        let is_gone = error.sqlite_error().is_some_and(|e| e.extended_code == ffi::SQLITE_READONLY_DBMOVED);
        let gone = |text: &str| is_gone.then(|| text.to_owned());
        Self::Sql(Box::new(SqlError {
            message: gone("the file was moved, removed or replaced while this session had it open").unwrap_or(text),
            stage,
            offset,
            cause,
            help: gone("leave the session and open the file that is there now"),
            read_only: number == Some(ffi::SQLITE_READONLY) && !is_gone,
            busy: matches!(number, Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED)),
            disk: matches!(number, Some(ffi::SQLITE_FULL | ffi::SQLITE_IOERR)),
        }))
    }
}
