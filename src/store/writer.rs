//! Who writes here: a folder that was copied must not go on with the logs of the original.
//!
//! A log has one writer. A copy of a repository's folder has the same logs, and if both went on with one of them, two storage
//! commits would claim one position. So the file `writer` names the folder it was written in, by device and inode, and since when
//! that is so. Where it does not fit, the folder is a copy (or was moved to another file system, or brought back from a backup):
//! logs that are older than this discovery are left alone, and every volume starts a new one.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::{Result, StoreError};
use super::paths;
use crate::model::LogId;
use crate::util::{fs as durable, random};

const FILE: &str = "writer";

/// Tells whether this repository may go on with a log that it has. The caller holds the repository lock.
pub fn may_continue(dir: &Path, log: LogId) -> Result<bool> {
    let path = dir.join(FILE);
    let meta = fs::metadata(dir).map_err(StoreError::io("read", dir))?;
    let here = format!("{} {}", meta.dev(), meta.ino());
    let since = match fs::read(&path) {
        // A damaged file names no folder, which costs a new log per volume.
        Ok(bytes) => {
            parse(&String::from_utf8_lossy(&bytes)).filter(|(place, _)| *place == here).map(|(_, since)| since)
        }
        // From before this file was kept: nothing says that it is a copy.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            write(dir, &here, 0)?;
            Some(0)
        }
        Err(e) => return Err(StoreError::io("read", &path)(e)),
    };
    match since {
        Some(since) => Ok(log.unix_ms() >= since),
        None => {
            write(dir, &here, random::unix_ms())?;
            Ok(false)
        }
    }
}

fn parse(text: &str) -> Option<(&str, u64)> {
    let (place, since) = text.trim_end().rsplit_once(' ')?;
    Some((place, since.parse().ok()?))
}

fn write(dir: &Path, here: &str, since: u64) -> Result<()> {
    let path = dir.join(FILE);
    durable::replace(&path, &dir.join(paths::TMP), format!("{here} {since}\n").as_bytes())
        .map_err(StoreError::io("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_leaves_the_logs_of_the_original_alone() {
        let outside = tempfile::tempdir().expect("a folder");
        let (one, two) = (outside.path().join("one"), outside.path().join("two"));
        for dir in [&one, &two] {
            fs::create_dir_all(dir.join("tmp")).expect("a folder");
        }
        let old = LogId::new(random::unix_ms() - 10, [1; 9]);
        assert!(may_continue(&one, old).expect("ours") && may_continue(&one, old).expect("still ours"));
        fs::copy(one.join(FILE), two.join(FILE)).expect("copy");
        assert!(!may_continue(&two, old).expect("theirs") && !may_continue(&two, old).expect("still theirs"));
        let new = LogId::new(random::unix_ms() + 1, [2; 9]);
        assert!(may_continue(&two, new).expect("made here"));
        assert!(may_continue(&one, old).expect("the original goes on"));
    }
}
