//! Writes a state as a new file, which then takes the place of the old one.
//!
//! Order: the new file is complete (and on disk) under a temporary name; an old database is locked against everybody,
//! its WAL folded in and its sidecars removed; leftover sidecars without a database are moved aside; then the rename.
//! So no `-wal` or `-journal` of another state ever lies beside the new file, and a crash leaves the old or the new one.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::copy::copy;
use super::{MaterializeError, WriteOptions};
use crate::model::PageSource;
use crate::sqlite::attach::{Attached, Purpose};
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::error::DatabaseError;
use crate::sqlite::holders::{Access, open_in, sidecar};
use crate::sqlite::pin::FileId;
use crate::sqlite::sidecars::{self, SUFFIXES, holds};
use crate::util::attributes::{Attributes, Lost, inherit_group};
use crate::util::fs::{self as durable, TempFile};
use crate::util::stamp;

/// How long a file may stay open in a program that is about to close it, or to become another one.
const PATIENCE: Duration = Duration::from_millis(200);

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the new file.
    pub byte_len: u64,
    /// Sidecars that belonged to no database, and where they are now.
    pub moved_aside: Vec<(PathBuf, PathBuf)>,
    /// The file that was replaced had other names (hard links), which still lead to it.
    pub was_linked: bool,
    /// What the file that was replaced, or was there before, had and the new one has not.
    pub lost: Vec<Lost>,
    /// What the file looked like before anybody else could see it.
    pub published: Published,
}

/// What a new file looked like just before it took its name, and when that was: as long as it looks like that nobody has written
/// to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Which file it is.
    pub file: FileId,
    /// Last modification, Unix nanoseconds.
    pub mtime_ns: i64,
    /// The time then, Unix nanoseconds.
    pub at_ns: i64,
}

impl Published {
    fn now(temp: &TempFile) -> io::Result<Self> {
        let meta = temp.file().metadata()?;
        let mtime_ns = stamp::nanos(meta.mtime(), meta.mtime_nsec());
        Ok(Self { file: FileId::of(&meta), mtime_ns, at_ns: stamp::now_ns() })
    }
}

/// Writes `source` byte for byte as a new file at `path`, replacing what is there.
///
/// A database that is there is taken over through SQLite first, so this waits for its users and fails with
/// [`DatabaseError::Locked`] if they do not go; in WAL mode an idle connection counts. A link is replaced, not followed.
pub fn write_new(path: &Path, source: &dyn PageSource, opts: &WriteOptions<'_>) -> Result<Written, MaterializeError> {
    let io_error = |source| MaterializeError::Io { path: path.into(), source };
    let mut temp = TempFile::create_in(temp_dir(path, opts.tmp)).map_err(io_error)?;
    // A state of many gigabytes may come from a few kilobytes.
    temp.expect_room(source.byte_len()).map_err(io_error)?;
    // Before there is anything in it that not everybody may read.
    let lost = dress(&temp, path, opts).map_err(io_error)?;
    let was_linked = fs::symlink_metadata(path).is_ok_and(|old| old.is_file() && old.nlink() > 1);
    copy(path, source, &mut temp, opts.on_progress)?;
    if opts.durable {
        // Before the lock is taken, so that it is held only for the rename.
        temp.sync().map_err(io_error)?;
    }
    let held = match classify(path) {
        Ok(Detected::Sqlite(_)) => take_over(path, opts)?,
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(DatabaseError::io(path, e).into()),
        _ => None,
    };
    let published = Published::now(&temp).map_err(io_error)?;
    let moved_aside = match &held {
        Some(_) => Vec::new(),
        None if (opts.still_expected)() => move_orphans_aside(path, opts)?,
        None => return Err(MaterializeError::ChangedMeanwhile { path: path.into() }),
    };
    let renamed = if opts.durable { temp.persist(path) } else { temp.persist_relaxed(path) };
    if let Some(held) = held {
        held.close();
    }
    if renamed.is_err() {
        put_back(&moved_aside);
    }
    match renamed {
        // Two mounts of one file system look like one until a file is to go from one to the other.
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices && opts.tmp != parent(path) => {
            return write_new(path, source, &WriteOptions { tmp: parent(path), ..*opts });
        }
        renamed => renamed.map_err(|e| MaterializeError::name(path, e))?,
    }
    Ok(Written { byte_len: source.byte_len(), moved_aside, was_linked, lost, published })
}

/// Gives a new file what the one has whose place it takes, or what is known of one that was there before.
fn dress(temp: &TempFile, path: &Path, opts: &WriteOptions<'_>) -> io::Result<Vec<Lost>> {
    match Attributes::of(path).as_ref().or(opts.attributes) {
        Some(attributes) => attributes.give(temp.path()),
        None => {
            inherit_group(temp.path(), parent(path));
            Ok(Vec::new())
        }
    }
}

/// Removes the file at `path`; a database with its sidecars, after it was taken over as [`write_new`] does; another file with
/// those of its sidecars that hold nothing. It is no error if there is none.
pub fn remove(path: &Path, opts: &WriteOptions<'_>) -> Result<(), MaterializeError> {
    let held = match classify(path) {
        Ok(Detected::Sqlite(_)) => take_over(path, opts)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(DatabaseError::io(path, e).into()),
        Ok(_) => None,
    };
    if held.is_none() && !(opts.still_expected)() {
        return Err(MaterializeError::ChangedMeanwhile { path: path.into() });
    }
    let is_left = |suffix: &&&str| sidecar(path, suffix).is_file() && sidecars::belongs(path, suffix);
    let left: Vec<&&str> = match held {
        None if sidecars::unfinished(path).is_none() => SUFFIXES.iter().filter(is_left).collect(),
        _ => Vec::new(),
    };
    let removed = durable::remove(path);
    if let Some(held) = held {
        held.close();
    }
    removed.map_err(|e| MaterializeError::name(path, e))?;
    for suffix in left {
        let beside = sidecar(path, suffix);
        durable::remove(&beside).map_err(|source| MaterializeError::Io { path: beside, source })?;
    }
    Ok(())
}

/// Writes `source` byte for byte to `out_path`, durably; what is there is replaced as [`write_new`] does.
pub fn export(source: &dyn PageSource, out_path: &Path, opts: &WriteOptions<'_>) -> Result<Written, MaterializeError> {
    write_new(out_path, source, &WriteOptions { tmp: parent(out_path), durable: true, ..*opts })
}

/// Writes `source` byte for byte to a stream; `name` is what errors call it.
pub fn export_to(source: &dyn PageSource, name: &Path, out: &mut dyn Write) -> Result<u64, MaterializeError> {
    copy(name, source, out, &|_| {})?;
    Ok(source.byte_len())
}

/// Brings a database that nobody has open into its main file alone, for a move: what a WAL or a hot journal holds is
/// taken in or rolled back. Tells whether that worked; it does not while another connection is open.
pub fn settle(path: &Path, opts: &WriteOptions<'_>) -> Result<bool, MaterializeError> {
    let db = Attached::open(path, Purpose::Write, opts.busy())?;
    let read = db.execute("SELECT 1 FROM g.sqlite_schema LIMIT 1", opts.busy());
    db.close();
    read?;
    Ok(["-wal", "-journal"].iter().all(|suffix| fs::metadata(sidecar(path, suffix)).map_or(0, |m| m.len()) == 0))
}

/// Locks a database against everybody and folds its WAL in; `None` if SQLite cannot read it.
fn take_over(path: &Path, opts: &WriteOptions<'_>) -> Result<Option<Attached>, MaterializeError> {
    let db = match Attached::open(path, Purpose::TakeOver, opts.busy()) {
        Ok(db) => db,
        // So nobody can be using it.
        Err(e) if e.is_unreadable() => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    match hold(&db, path, opts) {
        Ok(()) => Ok(Some(db)),
        Err(e) => {
            db.close();
            Err(e)
        }
    }
}

fn hold(db: &Attached, path: &Path, opts: &WriteOptions<'_>) -> Result<(), MaterializeError> {
    // In exclusive locking mode the lock outlives the transaction.
    db.execute("BEGIN EXCLUSIVE; SELECT 1 FROM g.sqlite_schema LIMIT 1", opts.busy())?;
    // An idle connection in rollback mode holds no lock, and would go on with a file that has no name any more.
    refuse_open(&[(path.to_owned(), Access::Any)], opts.busy_timeout)?;
    let expected = (opts.still_expected)();
    db.execute("COMMIT", opts.busy())?;
    if !expected {
        return Err(MaterializeError::ChangedMeanwhile { path: path.into() });
    }
    db.execute("PRAGMA g.journal_mode = DELETE", opts.busy())?;
    for suffix in SUFFIXES {
        let beside = sidecar(path, suffix);
        durable::remove(&beside).map_err(|source| MaterializeError::Io { path: beside, source })?;
    }
    Ok(())
}

/// Fails if programs have files open that are to be replaced or removed: they would go on with files that have no names any more.
/// Such as are about to close them are given a moment, though not more than `timeout`.
pub fn refuse_open(files: &[(PathBuf, Access)], timeout: Duration) -> Result<(), MaterializeError> {
    let patience = Instant::now() + timeout.min(PATIENCE);
    while let Some((i, by)) = open_in(files).pop() {
        if Instant::now() >= patience {
            return Err(MaterializeError::Open { path: files[i].0.clone(), by });
        }
        std::thread::sleep(PATIENCE / 20);
    }
    Ok(())
}

/// Moves a `-wal` and a `-journal` that belong to no database out of SQLite's sight, unless a program is using them.
fn move_orphans_aside(path: &Path, opts: &WriteOptions<'_>) -> Result<Vec<(PathBuf, PathBuf)>, MaterializeError> {
    let orphans: Vec<PathBuf> =
        ["-wal", "-journal"].iter().filter(|suffix| holds(path, suffix)).map(|suffix| sidecar(path, suffix)).collect();
    if orphans.is_empty() {
        return Ok(Vec::new());
    }
    refuse_open(&[(path.to_owned(), Access::Any)], opts.busy_timeout)?;
    let mut moved = Vec::new();
    for from in orphans {
        let to = (1..)
            .map(|n| sidecar(&from, &if n == 1 { ".orphan".into() } else { format!(".orphan-{n}") }))
            .find(|to| fs::symlink_metadata(to).is_err())
            .expect("some number is free");
        if let Err(source) = durable::rename(&from, &to) {
            put_back(&moved);
            return Err(MaterializeError::Io { path: from, source });
        }
        moved.push((from, to));
    }
    let shm = sidecar(path, "-shm");
    if sidecars::belongs(path, "-shm")
        && let Err(source) = durable::remove(&shm)
    {
        put_back(&moved);
        return Err(MaterializeError::Io { path: shm, source });
    }
    Ok(moved)
}

/// Gives files that were moved aside their names back, as nothing took their place. The first error is the one to be told.
fn put_back(moved: &[(PathBuf, PathBuf)]) {
    for (from, to) in moved {
        if fs::symlink_metadata(from).is_err() {
            let _ = durable::rename(to, from);
        }
    }
}

/// Returns `tmp` if a rename from there to `path` is possible, else the folder of `path`.
fn temp_dir<'a>(path: &'a Path, tmp: &'a Path) -> &'a Path {
    if same_file_system(tmp, parent(path)) { tmp } else { parent(path) }
}

fn same_file_system(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => a.dev() == b.dev(),
        _ => false,
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}
