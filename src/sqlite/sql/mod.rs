//! A user's SQL session: a connection with SQLite's own defaults, on a file of the worktree or on a revision of it.
//!
//! Statements run one by one, and their rows are handed on as SQLite gives them: nothing is gathered. Revisions are opened
//! through the file system `graft` by a URI that names file and revision, also by `ATTACH`; see [`revisions`].

mod catalog;
mod cell;
mod dump;
mod error;
#[allow(unsafe_code)]
pub mod functions;
mod import;
pub mod pages;
pub mod pragma;
mod recorded;
pub mod recording;
pub mod revisions;
pub mod rows;
pub mod split;
pub mod volumes;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, OpenFlags, ffi};

pub use catalog::{Database, Names};
pub use cell::{Cell, Cells, real_text, sql_literal, to_value};
pub use error::{RunError, SqlError, Stage};
pub use import::Import;

use super::attach::uri;
use super::error::code;
use super::pin::Unlocked;
use super::{vfs, vfs_shim};

/// What a session is opened on.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// An empty database in memory.
    Memory,
    /// A file.
    File {
        /// The file.
        path: &'a Path,
        /// Open it for reading only.
        read_only: bool,
        /// Make it if it is not there.
        create: bool,
    },
    /// A volume that is no file of the worktree.
    Volume {
        /// Its id or a tag.
        name: &'a str,
        /// Whose it is.
        by: volumes::ServedBy,
        /// Open it for reading only.
        read_only: bool,
    },
    /// A stored state of a file.
    Revision {
        /// The file, below the top of the worktree; it need not exist.
        path: &'a Path,
        /// The revision.
        rev: &'a str,
        /// Attach other files for reading only, too.
        read_only: bool,
    },
}

/// Who gets the rows of statements.
pub trait Sink {
    /// Begins the answer of a statement that returns rows, before the first one.
    fn begin(&mut self, columns: &[String]) -> io::Result<()>;
    /// Takes a row.
    fn row(&mut self, cells: &Cells<'_>) -> io::Result<()>;
    /// Ends the answer.
    fn end(&mut self) -> io::Result<()>;
}

/// A user's connection.
pub struct Session {
    conn: Connection,
    /// What the file looked like, if it is read without locks.
    unlocked: Option<Unlocked>,
    busy: std::cell::Cell<Duration>,
    pragmas: Option<Box<dyn pragma::Pragmas>>,
    transactions: Option<recording::Transactions>,
}

/// Stops the statement that runs, from another thread.
#[derive(Clone)]
pub struct Stop(Arc<InterruptHandle>);

impl Stop {
    /// Stops it.
    pub fn stop(&self) {
        self.0.interrupt();
    }
}

impl Session {
    /// Opens a session. Locks of other connections are waited for as long as `busy` says.
    pub fn open(target: Target<'_>, busy: Duration) -> Result<Self, RunError> {
        vfs::forget_error();
        let opened = vfs::register().and_then(|()| vfs_shim::register()).and_then(|()| connect(target, busy, false));
        let mut unlocked = None;
        let opened = match (opened, target) {
            (Err(e), Target::File { path, .. }) if is_read_only_folder(&e) && path.exists() => {
                unlocked = Some(Unlocked::new(path).map_err(RunError::unopened)?);
                connect(target, busy, true)
            }
            (opened, _) => opened,
        };
        match opened {
            Ok(conn) => Ok(Self { conn, unlocked, busy: busy.into(), pragmas: None, transactions: None }),
            Err(e) => Err(RunError::of(e, Stage::Prepare, 0, vfs::take_error())),
        }
    }

    /// Returns the handle that stops a running statement.
    pub fn stop_handle(&self) -> Stop {
        Stop(Arc::new(self.conn.get_interrupt_handle()))
    }

    /// Waits this long for locks of other connections.
    pub fn wait_for_locks(&self, busy: Duration) -> Result<(), RunError> {
        self.busy.set(busy);
        self.conn.busy_timeout(busy).map_err(|e| RunError::of(e, Stage::Step, 0, None))
    }

    /// Tells whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        !self.conn.is_autocommit()
    }

    /// Returns how many rows the last statement changed, and all of them so far.
    pub fn changes(&self) -> (u64, u64) {
        (self.conn.changes(), self.conn.total_changes())
    }

    /// Runs the first statement of a text and returns the length of what was run.
    pub fn run_first(&self, text: &str, sink: &mut dyn Sink) -> Result<usize, RunError> {
        let end = split::first(text);
        let start = split::skip_space(&text[..end]);
        vfs::forget_error();
        let done = self.run(&text[start..end], start, sink);
        // One that fails may have committed all the same, such as a query over what was inserted.
        self.after();
        done?;
        self.check_unlocked()?;
        Ok(end)
    }

    /// Fails if the file is read without locks, and another program has changed it: what was read since may be no state of it.
    fn check_unlocked(&self) -> Result<(), RunError> {
        self.unlocked.as_ref().map_or(Ok(()), Unlocked::check).map_err(RunError::changed)
    }

    fn run(&self, statement: &str, at: usize, sink: &mut dyn Sink) -> Result<(), RunError> {
        let failed = |stage| move |e| RunError::of(e, stage, at, vfs::take_error());
        if pragma::mentions_graft(statement) {
            self.flush_transactions(false);
        }
        let own = self.own_pragma(statement, at)?;
        let text = own.as_ref().map_or(statement, |own| own.select.as_str());
        let mut prepared = self.conn.prepare(text).map_err(failed(Stage::Prepare))?;
        self.before(statement, prepared.readonly());
        if let Some(own) = &own {
            prepared.raw_bind_parameter(1, &own.lines).map_err(failed(Stage::Prepare))?;
        }
        let count = prepared.column_count();
        let mut columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
        let mut rows = prepared.raw_query();
        let mut begun = false;
        while let Some(row) = rows.next().map_err(failed(Stage::Step))? {
            if count == 0 {
                continue;
            }
            if !begun {
                // Running may have found the schema changed and the statement with it.
                columns = row.as_ref().column_names().map(str::to_owned).collect();
                sink.begin(&columns)?;
                begun = true;
            }
            sink.row(&Cells::new(row, columns.len()))?;
        }
        if count > 0 {
            if !begun {
                sink.begin(&columns)?;
            }
            sink.end()?;
        }
        Ok(())
    }
}

/// Returns the version of SQLite.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// Tells whether a database in WAL mode cannot be opened because nothing can be written beside it.
fn is_read_only_folder(error: &rusqlite::Error) -> bool {
    matches!(code(error), Some(ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN))
}

/// Opens a connection; on a file that nobody can change meanwhile, if it is `unchanging`: SQLite then needs nothing beside it.
fn connect(target: Target<'_>, busy: Duration, unchanging: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read_only = match target {
        Target::Memory => false,
        Target::File { read_only, .. } | Target::Revision { read_only, .. } | Target::Volume { read_only, .. } => {
            read_only
        }
    };
    flags |= match read_only {
        true => OpenFlags::SQLITE_OPEN_READ_ONLY,
        false => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let not_absolute = |_| rusqlite::Error::InvalidPath(std::path::PathBuf::new());
    let conn = match target {
        Target::Memory => Connection::open_in_memory_with_flags(flags)?,
        Target::File { path, read_only, create } => {
            // The flags also hold for files attached later, the mode does not.
            let mode = match (read_only, create) {
                _ if unchanging => "mode=ro&immutable=1",
                (true, _) => "mode=ro",
                (false, true) => "mode=rwc",
                (false, false) => "mode=rw",
            };
            // What is attached later is opened the same way.
            Connection::open_with_flags_and_vfs(uri(path, mode).map_err(not_absolute)?, flags, vfs_shim::NAME)?
        }
        Target::Volume { name, by, .. } => Connection::open_with_flags(volumes::uri(name, by), flags)?,
        Target::Revision { path, rev, .. } => {
            Connection::open_with_flags(revisions::uri(path, rev).map_err(not_absolute)?, flags)?
        }
    };
    conn.busy_timeout(busy)?;
    // The build turns it on; SQLite does not.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    // For statements of Graft's own; those of the user are prepared one by one.
    conn.set_prepared_statement_cache_capacity(16);
    if !matches!(target, Target::Memory) {
        // Opening is lazy: this finds out whether the file is a database at all.
        conn.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(())).or_else(|e| match e {
            rusqlite::Error::QueryReturnedNoRows => Ok(()),
            other => Err(other),
        })?;
    }
    Ok(conn)
}
