//! The very file that a connection has open: by the time SQLite opens a path, it may name another file than the one that was
//! looked at, and again another one when the length of the file or its log is asked for.
//!
//! A pin is a descriptor of Graft's own. On POSIX, closing it drops the locks that SQLite holds on the file in this process, so
//! it has to be closed after the connection.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::{ControlFlow, Range};
use std::os::raw::c_int;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ffi};

use super::detect::{Detected, detect};
use super::error::DatabaseError;
use super::sidecars::unfinished;
use crate::util::stamp;

/// Bytes read at a time.
const PIECE: u64 = 256 << 10;

/// A file that was looked at, held open.
pub(super) struct Pin {
    file: File,
    path: PathBuf,
    id: FileId,
}

/// Which file it is: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub inode: u64,
}

impl FileId {
    /// Returns which file the metadata are of.
    pub fn of(meta: &Metadata) -> Self {
        Self { dev: meta.dev(), inode: meta.ino() }
    }
}

/// What a file that nobody may write to looks like; another look tells whether somebody did all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Bytes.
    pub len: u64,
    mtime_ns: i64,
}

impl Pin {
    /// Opens the file that the path names now.
    pub fn new(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let id = FileId::of(&file.metadata()?);
        Ok(Self { file, path: path.to_owned(), id })
    }

    /// Says what the file is, by its first bytes.
    pub fn detect(&self) -> io::Result<Detected> {
        (&self.file).seek(SeekFrom::Start(0))?;
        detect(&self.file)
    }

    /// Returns which file it is.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Tells whether the path names this file, and a connection has this file open as `g`.
    pub fn is_open_in(&self, conn: &Connection) -> bool {
        let is_named = || fs::metadata(&self.path).is_ok_and(|meta| FileId::of(&meta) == self.id);
        // The file of the connection is the one that is named; so it must be named before and after that is asked.
        is_named() && !has_moved(conn) && is_named()
    }

    /// Looks at the file.
    pub fn look(&self) -> io::Result<Look> {
        let meta = self.file.metadata()?;
        Ok(Look { len: meta.len(), mtime_ns: stamp::nanos(meta.mtime(), meta.mtime_nsec()) })
    }

    /// Tells whether a write after this look would show in the next one; waits for that if the file is large.
    pub fn is_settled(&self, look: &Look) -> bool {
        if look.len >= stamp::WORTH_WAITING && !stamp::is_settled(look.mtime_ns, stamp::now_ns()) {
            stamp::wait(stamp::settles_at(look.mtime_ns));
        }
        stamp::is_settled(look.mtime_ns, stamp::now_ns())
    }

    /// Reads the bytes of a range, a piece at a time, until `sink` has enough.
    pub fn read(&self, range: Range<u64>, sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(range.start))?;
        let mut left = range.end - range.start;
        let mut piece = vec![0; left.min(PIECE) as usize];
        while left > 0 {
            let len = left.min(PIECE) as usize;
            file.read_exact(&mut piece[..len])?;
            if sink(&piece[..len]).is_break() {
                break;
            }
            left -= len as u64;
        }
        Ok(())
    }
}

/// A database that is read without locks, because nothing can be written beside it by the one who reads. Others may be able to.
pub(super) struct Unlocked {
    pin: Pin,
    look: Look,
}

impl Unlocked {
    /// Looks at a database before it is opened so; refuses one of which a part lies beside it.
    pub fn new(path: &Path) -> Result<Self, DatabaseError> {
        if let Some(sidecar) = unfinished(path) {
            return Err(DatabaseError::NeedsRecovery { path: path.into(), sidecar });
        }
        let looked = || {
            let pin = Pin::new(path)?;
            // A write that follows at once must leave another stamp.
            stamp::wait(stamp::settles_at(pin.look()?.mtime_ns));
            Ok((pin.look()?, pin))
        };
        let (look, pin) = looked().map_err(|e| DatabaseError::io(path, e))?;
        Ok(Self { pin, look })
    }

    /// Fails if another program has changed the database since: what was read meanwhile may be no state of it.
    pub fn check(&self) -> Result<(), DatabaseError> {
        let path = &self.pin.path;
        let is_named = fs::metadata(path).is_ok_and(|meta| FileId::of(&meta) == self.pin.id);
        let now = self.pin.look().map_err(|e| DatabaseError::io(path, e))?;
        match is_named && now == self.look && unfinished(path).is_none() {
            true => Ok(()),
            false => Err(DatabaseError::Overwritten { path: path.clone() }),
        }
    }
}

/// Tells whether the path under which a connection opened `g` names another file by now, or none.
fn has_moved(conn: &Connection) -> bool {
    let mut moved: c_int = 0;
    // SAFETY: the connection is open, the name ends in NUL, and SQLite writes one int (SQLITE_FCNTL_HAS_MOVED).
    let asked = unsafe {
        ffi::sqlite3_file_control(
            conn.handle(),
            c"g".as_ptr(),
            ffi::SQLITE_FCNTL_HAS_MOVED,
            std::ptr::from_mut(&mut moved).cast(),
        )
    };
    asked != ffi::SQLITE_OK || moved != 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn what_is_written_right_after_the_first_look_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        for round in 0..40u8 {
            fs::write(&path, [round; 4096]).unwrap();
            let unlocked = Unlocked::new(&path).unwrap();
            unlocked.check().unwrap();
            File::options().write(true).open(&path).unwrap().write_all_at(&[round + 1], 4000).unwrap();
            let checked = unlocked.check();
            assert!(matches!(checked, Err(DatabaseError::Overwritten { .. })), "round {round}: {checked:?}");
        }
    }
}
