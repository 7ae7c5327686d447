//! Opens a database file the way that disturbs nobody: attached, as `g`, to a connection of its own in memory.
//!
//! Attached, no statement of ours parses the file's schema again, so page 1 may be rewritten within a transaction, and
//! collations and functions that only the application has do not matter. Invariants: no descriptor of Graft's own is
//! closed on the file while the connection lives (POSIX would drop SQLite's locks); where a `-wal` lay before, closing
//! a reader neither checkpoints nor deletes it; where no `-wal` or `-shm` lay before, none is left behind. SQLite opens by path, so whoever begins a transaction makes sure
//! that the file which it then holds is the one that the path names, or begins again (`Attached::begin`).

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};

use super::detect::{Detected, classify};
use super::error::{DatabaseError, code, is_busy, message};
use super::header::{Encoding, Header};
use super::holders::{LockHolders, sidecar};
use super::pin::{Pin, Unlocked};
use crate::util::interrupt;

/// How long SQLite itself waits for a lock before Graft looks at the clock.
const SLICE: Duration = Duration::from_millis(100);
/// After how long the one who waits is told for whom.
const TELL_AFTER: Duration = Duration::from_secs(1);
/// Bytes of a WAL without frames.
const WAL_HEADER_LEN: u64 = 32;
/// How often a file is opened again that was replaced while it was opened.
const OPENINGS: usize = 10;

/// How to behave when somebody else holds the file.
#[derive(Clone, Copy)]
pub struct Busy<'a> {
    /// How long to wait before giving up.
    pub timeout: Duration,
    /// Called once, after a second of waiting, with those who hold the file.
    pub on_wait: &'a dyn Fn(&LockHolders),
}

impl Busy<'_> {
    /// Tries until the lock is there or the time is up.
    pub(super) fn retry<T>(
        &self,
        path: &Path,
        mut attempt: impl FnMut() -> rusqlite::Result<T>,
    ) -> Result<T, DatabaseError> {
        let start = Instant::now();
        let mut told = false;
        let mut seen = LockHolders::default();
        loop {
            let tried = Instant::now();
            match attempt() {
                Ok(value) => return Ok(value),
                Err(e) if !is_busy(&e) => return Err(DatabaseError::sqlite(path, e)),
                Err(_) => {}
            }
            interrupt::check()?;
            let holders = LockHolders::of(path);
            if !holders.0.is_empty() {
                seen = holders;
            }
            let waited = start.elapsed();
            if waited >= self.timeout {
                return Err(DatabaseError::Locked { path: path.into(), holders: seen, waited });
            }
            if !told && waited >= TELL_AFTER {
                told = true;
                (self.on_wait)(&seen);
            }
            // Some conflicts are reported at once, without SQLite having waited.
            if tried.elapsed() < SLICE / 4 {
                std::thread::sleep(SLICE / 4);
            }
        }
    }
}

/// Begins a transaction that reads from here on what the database holds now.
pub(super) const READ: &str = "BEGIN; SELECT 1 FROM g.sqlite_schema LIMIT 1";

/// What the connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reading, leaving everything as it is.
    Read,
    /// Writing in place.
    Write,
    /// Keeping everybody else out, from the first read until the connection is closed.
    TakeOver,
}

/// A database file attached as `g`.
pub(super) struct Attached {
    conn: Connection,
    path: PathBuf,
    /// There was a `-wal` but no `-shm`, so ours must go again.
    remove_shm: bool,
    /// Closed after the connection.
    pin: Pin,
    /// What it looked like, if it is read without locks; closed after the connection as well.
    unlocked: Option<Unlocked>,
    /// How far the log had been copied into the file when the transaction began, if there was one.
    checkpoint: Option<Checkpoint>,
}

/// Frames of a write-ahead log, and how many of them are in the database file by now.
type Checkpoint = (i64, i64);

impl Attached {
    /// Opens the file; waits as `busy` says when it is locked.
    pub fn open(path: &Path, purpose: Purpose, busy: Busy<'_>) -> Result<Self, DatabaseError> {
        let pin = Pin::new(path).map_err(|e| DatabaseError::io(path, e))?;
        let header = match pin.detect().map_err(|e| DatabaseError::io(path, e))? {
            Detected::Sqlite(header) => header,
            Detected::Empty => return Err(DatabaseError::Empty { path: path.into() }),
            Detected::Other => return Err(DatabaseError::NotADatabase { path: path.into() }),
        };
        let had_wal = sidecar(path, "-wal").exists();
        let remove_shm = had_wal && !sidecar(path, "-shm").exists() && purpose == Purpose::Read;
        let keep_wal = had_wal && purpose == Purpose::Read;
        let mut unlocked = None;
        let conn = match connect(path, "mode=rw", header.encoding, purpose, keep_wal, busy) {
            Err(Failure::ReadOnly) if purpose == Purpose::Read => {
                unlocked = Some(Unlocked::new(path)?);
                connect(path, "mode=ro&immutable=1", header.encoding, purpose, keep_wal, busy)
            }
            other => other,
        };
        match conn {
            // SQLite opens a file for reading only where that is all it may do, and stumbles at the first write.
            Ok(conn) if purpose != Purpose::Read && conn.is_readonly("g").unwrap_or(false) => {
                Err(DatabaseError::NotPermitted { path: path.into() })
            }
            Ok(conn) => Ok(Self { conn, path: path.into(), remove_shm, pin, unlocked, checkpoint: None }),
            Err(failure) => Err(failure.explain(path, &header)),
        }
    }

    /// Opens the file and begins a transaction with `sql`; makes sure that it is on the file that the path names.
    pub fn begin(path: &Path, purpose: Purpose, sql: &str, busy: Busy<'_>) -> Result<Self, DatabaseError> {
        for _ in 0..OPENINGS {
            let mut db = Self::open(path, purpose, busy)?;
            db.checkpoint = if has_frames(path) { db.checkpoint() } else { None };
            match db.execute(sql, busy) {
                Ok(()) if db.is_in_place() => return Ok(db),
                Ok(()) => db.close(),
                Err(e) => {
                    db.close();
                    return Err(e);
                }
            }
        }
        Err(DatabaseError::Overwritten { path: path.into() })
    }

    /// Tells whether the path still names the file that is open.
    pub fn is_in_place(&self) -> bool {
        self.pin.is_open_in(&self.conn)
    }

    /// Fails if the database is read without locks, and another program has changed it.
    pub fn check_unlocked(&self) -> Result<(), DatabaseError> {
        self.unlocked.as_ref().map_or(Ok(()), Unlocked::check)
    }

    /// Returns the open file itself.
    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    /// Tells whether, since the transaction began, another connection may have copied its log into the file. The transaction must
    /// be over.
    pub fn was_checkpointed(&self) -> bool {
        self.checkpoint.is_some() && self.checkpoint() != self.checkpoint
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get(2)?));
        self.conn.query_row("PRAGMA g.wal_checkpoint(NOOP)", [], read).ok()
    }

    /// Returns the connection.
    pub fn conn(&self) -> &Connection {
        &self.conn
    }

    /// Returns SQLite's page size in bytes.
    pub fn page_size(&self) -> Result<u32, DatabaseError> {
        self.number("PRAGMA g.page_size")
    }

    /// Returns the number of SQLite pages in the state that the open transaction sees.
    pub fn page_count(&self) -> Result<u32, DatabaseError> {
        self.number("PRAGMA g.page_count")
    }

    /// Runs statements, waiting for locks. A transaction that they begin and that then meets a lock is begun again.
    pub fn execute(&self, sql: &str, busy: Busy<'_>) -> Result<(), DatabaseError> {
        let outside = self.conn.is_autocommit();
        busy.retry(&self.path, || {
            if outside && !self.conn.is_autocommit() {
                self.conn.execute_batch("ROLLBACK")?;
            }
            self.conn.execute_batch(sql)
        })
    }

    /// Explains an error of SQLite.
    pub fn error(&self, e: rusqlite::Error) -> DatabaseError {
        DatabaseError::sqlite(&self.path, e)
    }

    /// Closes the connection and takes away what it made beside the file.
    pub fn close(self) {
        let Self { conn, path, remove_shm, pin, .. } = self;
        drop(conn);
        drop(pin);
        if remove_shm {
            remove_own_shm(&path);
        }
    }

    fn number(&self, sql: &str) -> Result<u32, DatabaseError> {
        self.conn.query_row(sql, [], |row| row.get(0)).map_err(|e| self.error(e))
    }
}

/// Why the file could not be attached.
enum Failure {
    /// SQLite needs to write beside the file, and cannot.
    ReadOnly,
    /// A hot journal has to be rolled back, and cannot.
    HotJournal,
    Other(DatabaseError),
}

impl Failure {
    fn explain(self, path: &Path, header: &Header) -> DatabaseError {
        match self {
            Self::ReadOnly => DatabaseError::NotPermitted { path: path.into() },
            Self::HotJournal => DatabaseError::NeedsRecovery { path: path.into(), sidecar: sidecar(path, "-journal") },
            Self::Other(DatabaseError::Malformed { path, detail }) => {
                match (header.byte_len(), fs::metadata(&path).map(|m| m.len())) {
                    (Some(expected), Ok(found)) if found < expected => {
                        DatabaseError::Truncated { path, expected, found }
                    }
                    _ => DatabaseError::Malformed { path, detail },
                }
            }
            Self::Other(e) => e,
        }
    }
}

/// Tells whether a log with transactions lies beside the file.
pub(super) fn has_frames(path: &Path) -> bool {
    fs::metadata(sidecar(path, "-wal")).is_ok_and(|m| m.len() > WAL_HEADER_LEN)
}

fn connect(
    path: &Path,
    mode: &str,
    encoding: Encoding,
    purpose: Purpose,
    keep_wal: bool,
    busy: Busy<'_>,
) -> Result<Connection, Failure> {
    let uri = uri(path, mode).map_err(|e| Failure::Other(DatabaseError::io(path, e)))?;
    // The header in the file may be older than the one in the WAL, so the others are tried as well.
    let others = Encoding::ALL.into_iter().filter(|e| *e != encoding);
    let mut result = Err(Failure::ReadOnly);
    for encoding in std::iter::once(encoding).chain(others) {
        let conn =
            in_memory(encoding, purpose, keep_wal).map_err(|e| Failure::Other(DatabaseError::sqlite(path, e)))?;
        let mut refused = None;
        let attached = busy.retry(path, || match conn.execute("ATTACH ?1 AS g", [&uri]) {
            Err(e) if !is_busy(&e) => {
                refused = Some(e);
                Ok(())
            }
            other => other.map(drop),
        });
        result = match (attached, refused) {
            (Ok(()), None) => return Ok(conn),
            (Ok(()), Some(e)) if message(&e).contains("same text encoding") => {
                Err(Failure::Other(DatabaseError::sqlite(path, e)))
            }
            (Ok(()), Some(e)) => return Err(failure(path, e)),
            (Err(e), _) => return Err(Failure::Other(e)),
        };
    }
    result
}

fn failure(path: &Path, e: rusqlite::Error) -> Failure {
    let extended = match &e {
        rusqlite::Error::SqliteFailure(e, _) => e.extended_code,
        _ => 0,
    };
    match code(&e) {
        _ if extended == ffi::SQLITE_READONLY_ROLLBACK => Failure::HotJournal,
        Some(ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN) => Failure::ReadOnly,
        _ => Failure::Other(DatabaseError::sqlite(path, e)),
    }
}

fn in_memory(encoding: Encoding, purpose: Purpose, keep_wal: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_in_memory_with_flags(flags)?;
    conn.busy_timeout(SLICE)?;
    conn.pragma_update(None, "encoding", encoding.pragma())?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep_wal)?;
    if purpose == Purpose::TakeOver {
        conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    }
    Ok(conn)
}

/// Removes the `-shm` that a reader of ours had to make, unless somebody uses the database by now.
fn remove_own_shm(path: &Path) {
    let shm = sidecar(path, "-shm");
    if !shm.exists() {
        return;
    }
    let at_once = Busy { timeout: Duration::ZERO, on_wait: &|_| {} };
    // Holding the file exclusively proves that nobody has mapped the -shm; SQLite deletes its own under the same lock.
    if let Ok(Detected::Sqlite(header)) = classify(path)
        && let Ok(alone) = connect(path, "mode=rw", header.encoding, Purpose::TakeOver, true, at_once)
    {
        // Left behind, it would do no harm.
        let _ = fs::remove_file(&shm);
        drop(alone);
    }
}

/// Writes a path as a URI with parameters, such as a mode in which SQLite opens it without creating anything.
pub(super) fn uri(path: &Path, parameters: &str) -> io::Result<String> {
    let path = std::path::absolute(path)?;
    let mut uri = String::from("file:");
    escape(&mut uri, path.as_os_str().as_encoded_bytes());
    write!(uri, "?{parameters}").expect("writing to a string does not fail");
    Ok(uri)
}

/// Appends bytes to a URI, escaped where they mean something in one.
pub(super) fn escape(uri: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            _ => write!(uri, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
}
