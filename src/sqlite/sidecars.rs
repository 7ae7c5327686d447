//! Which files beside a file are SQLite's working files, and whether they hold anything that the file itself lacks.
//!
//! Beside a database, and beside a file named like one, `-wal`, `-shm` and `-journal` count by their names: encrypted databases are
//! no databases to Graft. Beside any other file they count by their content. Of encrypted databases the pages are encrypted,
//! not the headers of WAL and journal, so theirs are known wherever they lie.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::detect::{Detected, classify};
use super::holders::sidecar;

/// What SQLite puts behind the name of a database.
pub const SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// First bytes of a rollback journal and of a WAL (the last bit of the latter is its byte order).
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
const WAL_MAGIC: [[u8; 4]; 2] = [[0x37, 0x7f, 0x06, 0x82], [0x37, 0x7f, 0x06, 0x83]];
/// The header that a journal is left with when its transaction is over, in journal mode PERSIST (file format, section 3).
const ENDED: [u8; 28] = [0; 28];
/// The version at the start of a WAL index, in the byte order of the machine, and the unit that it grows in (walformat, section 2).
const SHM_VERSION: u32 = 3_007_000;
const SHM_UNIT: u64 = 32 << 10;

/// Tells whether the file that has the name of `main` with `suffix` behind it, if there is one, is a working file of `main`.
pub fn belongs(main: &Path, suffix: &str) -> bool {
    let may_be_database = match classify(main) {
        Ok(Detected::Sqlite(_)) => true,
        // An empty file may become anything: what stands beside it counts by its content.
        Ok(Detected::Empty | Detected::Other) => false,
        // Whatever it is, what stands beside it is no file of its own for sure.
        Err(e) => e.kind() != io::ErrorKind::NotFound,
    };
    may_be_database || is_named_like_database(main) || is_known_by_content(main, suffix)
}

/// Tells whether a file has the name of a database, such as `x.db`.
pub fn is_named_like_database(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    ending.is_some_and(|e| ["db", "db3", "sqlite", "sqlite3", "sqlitedb"].iter().any(|known| e == *known))
}

/// Returns the working file of `main` with content that `main` may lack: committed rows in a `-wal`, or what an unfinished
/// transaction has overwritten in a `-journal`.
pub fn unfinished(main: &Path) -> Option<PathBuf> {
    ["-wal", "-journal"].iter().find(|suffix| holds(main, suffix)).map(|suffix| sidecar(main, suffix))
}

/// Tells whether a program may be using `main` as a database: that is what it is, or what it is named, or its working files are there.
pub fn may_be_in_use(main: &Path) -> bool {
    matches!(classify(main), Ok(Detected::Sqlite(_) | Detected::Empty))
        || is_named_like_database(main)
        || SUFFIXES.iter().any(|suffix| sidecar(main, suffix).is_file() && belongs(main, suffix))
}

/// Tells whether a working file of `main` is there and holds something.
pub(super) fn holds(main: &Path, suffix: &str) -> bool {
    let path = sidecar(main, suffix);
    let len = fs::symlink_metadata(&path).map_or(0, |meta| if meta.is_file() { meta.len() } else { 0 });
    // A journal that begins with zero is at rest, to SQLite as well.
    let at_rest = suffix == "-journal" && start(&path, 1).is_ok_and(|first| first == [0]);
    len > 0 && !at_rest && belongs(main, suffix)
}

/// Tells by content whether a file is a working file: an empty one is, where another one beside it tells that SQLite works there.
fn is_known_by_content(main: &Path, suffix: &str) -> bool {
    let path = sidecar(main, suffix);
    match fs::metadata(&path) {
        Ok(meta) if meta.len() == 0 => SUFFIXES.iter().any(|other| is_written_by_sqlite(&sidecar(main, other), other)),
        _ => is_written_by_sqlite(&path, suffix),
    }
}

/// Tells by its content whether SQLite wrote a file.
fn is_written_by_sqlite(path: &Path, suffix: &str) -> bool {
    let Ok(first) = start(path, ENDED.len()) else { return false };
    match suffix {
        "-wal" => WAL_MAGIC.iter().any(|magic| first.starts_with(magic)),
        "-journal" => first.starts_with(&JOURNAL_MAGIC) || first == ENDED,
        _ => {
            let is_whole = fs::metadata(path).is_ok_and(|meta| meta.len() % SHM_UNIT == 0);
            is_whole && (first.starts_with(&SHM_VERSION.to_ne_bytes()) || first == ENDED)
        }
    }
}

fn start(path: &Path, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    File::open(path)?.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// A file that is no database, with the working files of one that is open.
    fn encrypted(dir: &Path, name: &str, mode: &str) -> (PathBuf, Connection) {
        let live = dir.join("live");
        let db = Connection::open(&live).unwrap();
        db.execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (a); BEGIN; INSERT INTO t VALUES (1)"))
            .unwrap();
        if mode == "WAL" {
            db.execute_batch("COMMIT").unwrap();
        }
        let main = dir.join(name);
        fs::write(&main, b"no header of SQLite's").unwrap();
        for suffix in SUFFIXES {
            if sidecar(&live, suffix).exists() {
                fs::copy(sidecar(&live, suffix), sidecar(&main, suffix)).unwrap();
            }
        }
        (main, db)
    }

    #[test]
    fn working_files_of_any_file_are_known_by_content() {
        let dir = tempfile::tempdir().unwrap();
        let (main, _db) = encrypted(dir.path(), "vault.bin", "WAL");
        assert!(belongs(&main, "-wal") && belongs(&main, "-shm"));
        assert_eq!(unfinished(&main), Some(sidecar(&main, "-wal")));
        assert!(may_be_in_use(&main));
        fs::write(sidecar(&main, "-wal"), b"").unwrap();
        assert!(belongs(&main, "-wal"), "an empty one beside others is SQLite's, and holds nothing");
        assert_eq!(unfinished(&main), None);
        fs::write(sidecar(&main, "-wal"), b"notes of mine").unwrap();
        fs::write(sidecar(&main, "-shm"), b"a picture").unwrap();
        assert!(
            !belongs(&main, "-wal") && !belongs(&main, "-shm"),
            "other files with such names are files like others"
        );
        assert_eq!(unfinished(&main), None);
        assert!(!may_be_in_use(&main));
    }

    #[test]
    fn an_empty_file_belongs_to_what_is_known_as_a_database() {
        let dir = tempfile::tempdir().unwrap();
        for (name, is_database) in [("note", false), ("app.db", true)] {
            let main = dir.path().join(name);
            fs::write(&main, b"text").unwrap();
            fs::write(sidecar(&main, "-journal"), b"").unwrap();
            assert_eq!(belongs(&main, "-journal"), is_database, "{name}");
        }
    }

    #[test]
    fn a_journal_at_rest_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (main, db) = encrypted(dir.path(), "vault.bin", "PERSIST");
        // Nothing of it is hot before SQLite has to write a page; the header is there then.
        fs::write(sidecar(&main, "-journal"), [&JOURNAL_MAGIC[..], &[0; 504]].concat()).unwrap();
        assert_eq!(unfinished(&main), Some(sidecar(&main, "-journal")));
        db.execute_batch("COMMIT").unwrap();
        fs::copy(dir.path().join("live-journal"), sidecar(&main, "-journal")).unwrap();
        assert!(fs::metadata(sidecar(&main, "-journal")).unwrap().len() > 0);
        assert!(belongs(&main, "-journal"));
        assert_eq!(unfinished(&main), None);
    }

    #[test]
    fn beside_databases_and_files_named_like_one_names_are_enough() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["app.db", "a.SQLite3"] {
            let main = dir.path().join(name);
            fs::write(&main, b"encrypted").unwrap();
            fs::write(sidecar(&main, "-wal"), b"encrypted as a whole").unwrap();
            assert_eq!(unfinished(&main), Some(sidecar(&main, "-wal")));
        }
        let plain = dir.path().join("plain");
        Connection::open(&plain).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        fs::write(sidecar(&plain, "-wal"), b"text").unwrap();
        assert!(belongs(&plain, "-wal"));
        let empty = dir.path().join("diary");
        fs::write(&empty, b"").unwrap();
        fs::write(sidecar(&empty, "-journal"), b"what I did today").unwrap();
        assert!(!belongs(&empty, "-journal"), "an empty file need not be a database");
        fs::write(sidecar(&empty, "-journal"), [&JOURNAL_MAGIC[..], &[0; 504]].concat()).unwrap();
        assert!(belongs(&empty, "-journal"));
        let gone = dir.path().join("gone");
        fs::write(sidecar(&gone, "-wal"), b"text").unwrap();
        assert!(!belongs(&gone, "-wal"));
    }
}
