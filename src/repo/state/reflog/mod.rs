//! The reflog of one ref: every value it had, in Git's line format, newest last in the file.
//!
//! A line is `<old id> <new id> <name> <<mail>> <seconds> <+hhmm>\t<message>\n`, with 64 zeros for "no value". A crash in
//! the middle of an append leaves a line without its end; readers ignore it and the next append cuts it off. Zeros at the end are
//! another matter: lines that were there before the power failed. They are damage, until the next append cuts them off.

mod entry;
mod reverse;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub use entry::ReflogEntry;
use reverse::ReverseLines;

use crate::model::ObjectId;
use crate::util::fs as durable;

/// Why a reflog could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReflogError {
    /// The file cannot be read or appended to.
    #[error("cannot access the reflog {}", path.display())]
    Io {
        /// The reflog's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not a reflog line.
    #[error("the reflog {} is damaged at byte {offset}", path.display())]
    Damaged {
        /// The reflog's file.
        path: PathBuf,
        /// Where the line begins.
        offset: u64,
    },
}

/// What a reflog knows of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtTime {
    /// The value at that time; `None` if the ref did not exist then.
    Value(Option<ObjectId>),
    /// The log begins only at `since` (Unix seconds), with this value.
    TooEarly {
        /// The oldest value known.
        oldest: Option<ObjectId>,
        /// When the ref got its first recorded value.
        since: i64,
    },
    /// The log is empty.
    Empty,
}

/// The file that holds the history of one ref.
#[derive(Clone, Debug)]
pub struct Reflog {
    path: PathBuf,
}

impl Reflog {
    /// Names the file; it need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Iterates from the newest entry to the oldest, reading the file backwards as far as needed.
    ///
    /// A damaged line is an error, after which older entries still follow. A missing file has no entries.
    pub fn newest_first(&self) -> Result<ReflogIter, ReflogError> {
        let mut lines = match File::open(&self.path) {
            Ok(file) => Some(ReverseLines::new(file).map_err(|e| self.io(e))?),
            Err(e) if is_absent(&e) => None,
            Err(e) => return Err(self.io(e)),
        };
        let zeroed = match &mut lines {
            Some(lines) => lines.zeros_at_end().or_else(|e| if is_absent(&e) { Ok(None) } else { Err(self.io(e)) })?,
            None => None,
        };
        Ok(ReflogIter { lines, path: self.path.clone(), zeroed })
    }

    /// Appends an entry durably, after cutting off what an interrupted append may have left.
    ///
    /// The folder must exist.
    pub fn append(&self, entry: &ReflogEntry) -> Result<(), ReflogError> {
        let whole = match File::open(&self.path) {
            Ok(file) => {
                let len = file.metadata().map_err(|e| self.io(e))?.len();
                let whole = ReverseLines::new(file).and_then(|mut l| l.whole_len()).map_err(|e| self.io(e))?;
                (whole < len).then_some(whole)
            }
            Err(e) if is_absent(&e) => None,
            Err(e) => return Err(self.io(e)),
        };
        if let Some(len) = whole {
            durable::truncate(&self.path, len).map_err(|e| self.io(e))?;
        }
        durable::append(&self.path, entry.to_line().as_bytes()).map_err(|e| self.io(e))
    }

    /// Tells whether there is a file without a single line.
    pub fn is_empty(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|meta| meta.is_file() && meta.len() == 0)
    }

    /// Cuts off the entry that begins at `offset`, and all that follow it.
    pub fn cut_at(&self, offset: u64) -> Result<(), ReflogError> {
        durable::truncate(&self.path, offset).map_err(|e| self.io(e))
    }

    fn io(&self, source: io::Error) -> ReflogError {
        ReflogError::Io { path: self.path.clone(), source }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

/// The entries of a reflog, newest first.
pub struct ReflogIter {
    lines: Option<ReverseLines>,
    path: PathBuf,
    /// Where zeros stand instead of the newest lines.
    zeroed: Option<u64>,
}

impl ReflogIter {
    /// Returns the next older entry together with the offset of its line.
    pub fn next_with_offset(&mut self) -> Option<Result<(u64, ReflogEntry), ReflogError>> {
        if let Some(offset) = self.zeroed.take() {
            return Some(Err(ReflogError::Damaged { path: self.path.clone(), offset }));
        }
        let lines = self.lines.as_mut()?;
        match lines.next() {
            Ok(None) => {
                self.lines = None;
                None
            }
            Ok(Some((offset, line))) => Some(
                std::str::from_utf8(&line)
                    .ok()
                    .and_then(ReflogEntry::parse)
                    .map(|entry| (offset, entry))
                    .ok_or_else(|| ReflogError::Damaged { path: self.path.clone(), offset }),
            ),
            Err(source) => {
                self.lines = None;
                // A folder opens like a file on some systems and fails only when read.
                if is_absent(&source) {
                    return None;
                }
                Some(Err(ReflogError::Io { path: self.path.clone(), source }))
            }
        }
    }
}

impl Iterator for ReflogIter {
    type Item = Result<ReflogEntry, ReflogError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_with_offset()?.map(|(_, entry)| entry))
    }
}

/// Returns the value `n` changes ago (Git's `@{n}`) of entries that come newest first: `Ok(Err(count))` if the log
/// has only `count` entries.
pub fn nth_value(
    entries: impl Iterator<Item = Result<ReflogEntry, ReflogError>>,
    n: usize,
) -> Result<Result<Option<ObjectId>, usize>, ReflogError> {
    let mut count = 0;
    let mut oldest = None;
    for entry in entries {
        let entry = entry?;
        if count == n {
            return Ok(Ok(entry.new));
        }
        count += 1;
        oldest = entry.old;
    }
    // One step before the oldest entry lies the value which that entry replaced.
    Ok(if count > 0 && n == count && oldest.is_some() { Ok(oldest) } else { Err(count) })
}

/// Returns the value at a moment (Unix seconds) of entries that come newest first: Git's `@{<time>}`.
pub fn value_at(
    entries: impl Iterator<Item = Result<ReflogEntry, ReflogError>>,
    time: i64,
) -> Result<AtTime, ReflogError> {
    let mut last: Option<ReflogEntry> = None;
    for entry in entries {
        let entry = entry?;
        if entry.who.time <= time {
            return Ok(AtTime::Value(entry.new));
        }
        last = Some(entry);
    }
    Ok(last.map_or(AtTime::Empty, |e| AtTime::TooEarly { oldest: e.old.or(e.new), since: e.who.time }))
}

#[cfg(test)]
mod tests;
