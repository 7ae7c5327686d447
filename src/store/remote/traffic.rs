//! Counts requests and bytes by kind.

use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backend::{Backend, Found, Listed, Version};
use super::error::Result;

/// Is told how a transfer goes on.
pub trait Watch: Sync {
    /// `bytes` more are to come than was known.
    fn expect(&self, bytes: u64);

    /// `bytes` have come.
    fn passed(&self, bytes: u64);
}

/// What went to and fro.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that read.
    pub reads: u64,
    /// Requests that write.
    pub writes: u64,
    /// Requests that list.
    pub lists: u64,
    /// Requests that remove.
    pub removals: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

impl Traffic {
    /// Returns the number of requests.
    pub fn requests(&self) -> u64 {
        self.reads + self.writes + self.lists + self.removals
    }

    /// Returns both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            reads: self.reads + other.reads,
            writes: self.writes + other.writes,
            lists: self.lists + other.lists,
            removals: self.removals + other.removals,
            received: self.received + other.received,
            sent: self.sent + other.sent,
        }
    }
}

/// The counts of a backend, while it is used.
#[derive(Clone, Default)]
pub struct Counter(Arc<Mutex<Traffic>>);

impl Counter {
    /// Returns the counts until now.
    pub fn get(&self) -> Traffic {
        *self.hold()
    }

    fn hold(&self) -> MutexGuard<'_, Traffic> {
        // Numbers are whole after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A backend that counts.
pub struct Counted {
    /// The backend itself.
    pub inner: Box<dyn Backend>,
    /// The counts.
    pub counter: Counter,
}

/// Bytes of a file that go in one request, and of a part of a larger one.
const ONE_REQUEST: u64 = 16 << 20;
const PART: u64 = 8 << 20;

impl Backend for Counted {
    fn is_there(&self) -> Result<bool> {
        self.inner.is_there()
    }

    fn is_repository(&self) -> bool {
        self.inner.is_repository()
    }

    fn read(&self, key: &str) -> Result<Option<Found>> {
        self.counter.hold().reads += 1;
        let found = self.inner.read(key)?;
        self.counter.hold().received += found.as_ref().map_or(0, |f| f.bytes.len() as u64);
        Ok(found)
    }

    fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        self.counter.hold().reads += 1;
        let found = self.inner.read_range(key, range)?;
        self.counter.hold().received += found.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(found)
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        self.counter.hold().reads += 1;
        self.inner.size(key)
    }

    fn swap(&self, key: &str, old: Option<&Version>, new: &[u8]) -> Result<bool> {
        let mut traffic = self.counter.hold();
        traffic.writes += 1;
        traffic.sent += new.len() as u64;
        drop(traffic);
        self.inner.swap(key, old, new)
    }

    fn upload(&self, key: &str, file: &File, len: u64, sent: &dyn Fn(u64)) -> Result<()> {
        let mut traffic = self.counter.hold();
        // A file in parts is announced before and completed afterwards.
        traffic.writes += if len <= ONE_REQUEST { 1 } else { len.div_ceil(PART) + 2 };
        traffic.sent += len;
        drop(traffic);
        self.inner.upload(key, file, len, sent)
    }

    fn list(&self, prefix: &str, each: &mut dyn FnMut(Listed) -> bool) -> Result<()> {
        self.counter.hold().lists += 1;
        self.inner.list(prefix, each)
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.counter.hold().removals += 1;
        self.inner.remove(key)
    }
}
