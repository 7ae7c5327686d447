//! What Graft needs of a place that keeps objects: eight operations over whole objects and ranges of them.

use std::fs::File;
use std::ops::Range;

use super::error::Result;

/// One state of an object, as the place tells it from others. Two states with equal bytes may have equal versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The entity tag, or what the place has instead.
    pub tag: Option<String>,
    /// The generation, where the place counts them.
    pub generation: Option<String>,
}

/// An object that was read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The state they are of.
    pub version: Version,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub len: u64,
    /// When it was written, Unix milliseconds by the clock of the place.
    pub modified_ms: i64,
}

/// A place that keeps objects under keys such as `segments/3DxsNtiEG6fQtsguCHWE1o`.
///
/// Keys are relative to the remote: ASCII letters, digits and `.`, `_`, `-` in parts between slashes. Whatever is written is
/// durable when the call returns, and an object is never visible in part. An error does not tell whether a write happened.
pub trait Backend: Send + Sync {
    /// Tells whether the place itself is there, if that can be told without a request.
    fn is_there(&self) -> Result<bool> {
        Ok(true)
    }

    /// Tells whether the place is a repository, or the worktree of one, if that can be told without a request.
    fn is_repository(&self) -> bool {
        false
    }

    /// Reads a whole object; `None` if there is none.
    fn read(&self, key: &str) -> Result<Option<Found>>;

    /// Reads the bytes `range` of an object, all of them; `None` if there is no object.
    fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>>;

    /// Returns the length of an object in bytes; `None` if there is none.
    fn size(&self, key: &str) -> Result<Option<u64>>;

    /// Writes an object only if it is in the state `old` (`None`: absent). Returns whether it was.
    ///
    /// Of several who try at once one wins. After a `false` the object must be read again: a request that was repeated
    /// under way can find its own earlier success in its way.
    fn swap(&self, key: &str, old: Option<&Version>, new: &[u8]) -> Result<bool>;

    /// Writes an object from the first `len` bytes of a file, in parts if it is large; replaces what is there. `sent` is told
    /// the bytes of each part.
    fn upload(&self, key: &str, file: &File, len: u64, sent: &dyn Fn(u64)) -> Result<()>;

    /// Calls `each` with the objects whose keys begin with the folder `prefix` (empty: all), in no order; stops when it says no.
    fn list(&self, prefix: &str, each: &mut dyn FnMut(Listed) -> bool) -> Result<()>;

    /// Removes an object; it is no error if there is none.
    fn remove(&self, key: &str) -> Result<()>;
}

/// Tells whether a key has the form that every backend takes.
pub fn is_key(key: &str) -> bool {
    key.split('/').all(|part| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    })
}
