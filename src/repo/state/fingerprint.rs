//! What a file looked like from outside when it was captured: lets `status` skip files that cannot have changed.
//!
//! A fingerprint is trusted only if none of its time stamps is so recent that a later write could carry the same one
//! ([`Fingerprint::is_racy`]). The inode change time catches programs that set the modification time back. An empty
//! `-wal` or `-journal` holds nothing and counts as absent, so that opening and closing a database changes nothing.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::util::stamp::{nanos, settles_at};

/// What a `-wal` or `-journal` file looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SidecarPrint {
    /// Bytes.
    pub size: u64,
    /// Last modification, Unix nanoseconds.
    pub mtime_ns: i64,
    /// Inode number.
    pub inode: u64,
}

/// What a tracked file and its sidecars looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Bytes.
    pub size: u64,
    /// Last modification, Unix nanoseconds.
    pub mtime_ns: i64,
    /// Last change of the inode, Unix nanoseconds.
    pub ctime_ns: i64,
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub dev: u64,
    /// The file change counter in the header of an SQLite database; unknown for other files and if not read.
    pub change_counter: Option<u32>,
    /// The write-ahead log, if it holds anything.
    pub wal: Option<SidecarPrint>,
    /// The rollback journal, if it holds anything.
    pub journal: Option<SidecarPrint>,
}

impl Fingerprint {
    /// Looks at a file from outside and reads its change counter; `None` if it is not there or not a regular file.
    ///
    /// Opens and closes the file, which drops every POSIX lock that this process holds on it: never call it while
    /// SQLite has the database open in this process.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let Some(mut print) = Self::stat_only(path)? else { return Ok(None) };
        print.change_counter = match File::open(path) {
            Ok(file) => change_counter(&file)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        Ok(Some(print))
    }

    /// Looks at a file without opening it; `None` if it is not there or not a regular file.
    pub fn stat_only(path: &Path) -> io::Result<Option<Self>> {
        let Some(meta) = stat(path)? else { return Ok(None) };
        Ok(Some(Self {
            size: meta.len(),
            mtime_ns: nanos(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: nanos(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
            dev: meta.dev(),
            change_counter: None,
            wal: sidecar(path, "-wal")?,
            journal: sidecar(path, "-journal")?,
        }))
    }

    /// Tells whether two fingerprints show the same file in the same state; an unknown change counter matches any.
    pub fn matches(&self, other: &Self) -> bool {
        let counters_agree = match (self.change_counter, other.change_counter) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        counters_agree && Self { change_counter: None, ..*self } == Self { change_counter: None, ..*other }
    }

    /// Tells whether a write after `taken_ns` (Unix nanoseconds, read just before the fingerprint was taken) could go
    /// unnoticed, because a time stamp is too near to it or even after it.
    pub fn is_racy(&self, taken_ns: i64) -> bool {
        self.settles_at() > taken_ns
    }

    /// Returns from when on (Unix nanoseconds) a later write would show.
    pub fn settles_at(&self) -> i64 {
        let stamps =
            [Some(self.mtime_ns), Some(self.ctime_ns), self.wal.map(|s| s.mtime_ns), self.journal.map(|s| s.mtime_ns)];
        stamps.into_iter().flatten().map(settles_at).max().expect("a file has stamps")
    }
}

/// Returns the path of a database's sidecar, such as `app.db-wal`.
pub fn sidecar_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn sidecar(path: &Path, suffix: &str) -> io::Result<Option<SidecarPrint>> {
    Ok(stat(&sidecar_path(path, suffix))?.filter(|meta| meta.len() > 0).map(|meta| SidecarPrint {
        size: meta.len(),
        mtime_ns: nanos(meta.mtime(), meta.mtime_nsec()),
        inode: meta.ino(),
    }))
}

fn stat(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta).filter(Metadata::is_file)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Reads bytes 24..28 of the database header (SQLite file format, section 1.3.8); `None` for other files.
fn change_counter(file: &File) -> io::Result<Option<u32>> {
    let mut header = [0; 28];
    match file.read_exact_at(&mut header, 0) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let (magic, counter) = (&header[..16], [header[24], header[25], header[26], header[27]]);
    Ok((magic == b"SQLite format 3\0").then(|| u32::from_be_bytes(counter)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn database(counter: u32) -> Vec<u8> {
        let mut bytes = b"SQLite format 3\0".to_vec();
        bytes.resize(100, 0);
        bytes[24..28].copy_from_slice(&counter.to_be_bytes());
        bytes
    }

    #[test]
    fn every_kind_of_change_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        assert_eq!(Fingerprint::take(&path).unwrap(), None);
        fs::write(&path, database(7)).unwrap();
        let first = Fingerprint::take(&path).unwrap().unwrap();
        assert_eq!(first.change_counter, Some(7));
        assert!(first.matches(&Fingerprint::stat_only(&path).unwrap().unwrap()));

        fs::write(dir.path().join("app.db-wal"), b"").unwrap();
        assert!(first.matches(&Fingerprint::take(&path).unwrap().unwrap()), "an empty wal holds nothing");
        fs::write(dir.path().join("app.db-wal"), b"frames").unwrap();
        assert!(!first.matches(&Fingerprint::take(&path).unwrap().unwrap()));
        fs::remove_file(dir.path().join("app.db-wal")).unwrap();
        fs::write(dir.path().join("app.db-journal"), b"hot").unwrap();
        assert!(!first.matches(&Fingerprint::take(&path).unwrap().unwrap()));
        fs::remove_file(dir.path().join("app.db-journal")).unwrap();
        assert!(first.matches(&Fingerprint::take(&path).unwrap().unwrap()));

        std::thread::sleep(Duration::from_millis(20));
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, database(7)).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
        assert!(!first.matches(&Fingerprint::take(&path).unwrap().unwrap()), "ctime gives a reset mtime away");

        fs::write(dir.path().join("other"), b"text").unwrap();
        let other = Fingerprint::take(&dir.path().join("other")).unwrap().unwrap();
        assert_eq!(other.change_counter, None);
        assert_eq!(Fingerprint::take(dir.path()).unwrap(), None, "a folder has none");
        assert!(!other.matches(&Fingerprint { inode: other.inode + 1, ..other }));
        assert!(!first.matches(&Fingerprint { change_counter: Some(8), ..first }));
    }

    #[test]
    fn recent_stamps_are_racy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, b"x").unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i64;
        let print = Fingerprint::take(&path).unwrap().unwrap();
        assert!(print.is_racy(now));
        let fine = Fingerprint { mtime_ns: 1_000_000_123, ctime_ns: 1_000_000_123, ..print };
        assert!(fine.is_racy(1_020_000_000) && !fine.is_racy(1_020_000_123) && fine.is_racy(5));
        let coarse = Fingerprint { mtime_ns: 1_000_000_000, ctime_ns: 1_000_000_123, ..print };
        assert!(coarse.is_racy(2_999_999_999) && !coarse.is_racy(3_000_000_000));
        let wal = Some(SidecarPrint { size: 1, mtime_ns: 2_000_000_001, inode: 1 });
        assert!(Fingerprint { wal, ..fine }.is_racy(1_500_000_000));
    }
}
