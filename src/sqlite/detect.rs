//! Tells a database from other files by its first bytes.
//!
//! Reads through a descriptor of its own, which it closes. On POSIX that drops the locks which SQLite holds on the same
//! file in this process, so it must not be called while a connection to the file is open.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::header::{HEADER_LEN, Header};

/// What a file is, by its first 100 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    /// It begins like an SQLite database.
    Sqlite(Header),
    /// It has no bytes: SQLite takes that for an empty database.
    Empty,
    /// Something else.
    Other,
}

/// Reads the first bytes of a file and says what it is.
///
/// Fails as opening and reading do: not there, not permitted, a directory.
pub fn classify(path: &Path) -> io::Result<Detected> {
    detect(&File::open(path)?)
}

/// Reads what comes next in a file, its first bytes, and says what it is.
pub(super) fn detect(file: &File) -> io::Result<Detected> {
    let mut start = Vec::with_capacity(HEADER_LEN);
    file.take(HEADER_LEN as u64).read_to_end(&mut start)?;
    Ok(match Header::parse(&start) {
        Some(header) => Detected::Sqlite(header),
        None if start.is_empty() => Detected::Empty,
        None => Detected::Other,
    })
}
