//! A remote in the memory of this process, for tests. The same name gives the same remote.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::backend::{Backend, Found, Listed, Version};
use super::error::{RemoteError, Result};
use crate::util::random;

type Objects = BTreeMap<String, (Arc<Vec<u8>>, i64)>;

static ALL: LazyLock<Mutex<BTreeMap<String, Arc<Mutex<Objects>>>>> = LazyLock::new(Mutex::default);

/// A remote in memory.
#[derive(Clone)]
pub struct Memory(Arc<Mutex<Objects>>);

impl Memory {
    /// Opens the remote with this name; made if need be.
    pub fn open(name: &str) -> Self {
        Self(Arc::clone(hold(&ALL).entry(name.to_owned()).or_default()))
    }
}

impl Backend for Memory {
    fn read(&self, key: &str) -> Result<Option<Found>> {
        let found = hold(&self.0).get(key).map(|(bytes, _)| Arc::clone(bytes));
        Ok(found.map(|bytes| Found { version: version_of(&bytes), bytes: bytes.to_vec() }))
    }

    fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let Some((bytes, _)) = hold(&self.0).get(key).cloned() else { return Ok(None) };
        match bytes.get(range.start as usize..range.end as usize) {
            Some(part) => Ok(Some(part.to_vec())),
            None => Err(RemoteError::Damaged {
                url: "memory".to_owned(),
                key: key.to_owned(),
                what: "it is too short".to_owned(),
            }),
        }
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        Ok(hold(&self.0).get(key).map(|(bytes, _)| bytes.len() as u64))
    }

    fn swap(&self, key: &str, old: Option<&Version>, new: &[u8]) -> Result<bool> {
        let mut objects = hold(&self.0);
        let found = objects.get(key).map(|(bytes, _)| version_of(bytes));
        if found.as_ref() != old {
            return Ok(false);
        }
        objects.insert(key.to_owned(), (Arc::new(new.to_vec()), random::unix_ms() as i64));
        Ok(true)
    }

    fn upload(&self, key: &str, file: &File, len: u64, sent: &dyn Fn(u64)) -> Result<()> {
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, 0).map_err(|source| RemoteError::Io {
            action: "read",
            path: key.into(),
            source,
        })?;
        hold(&self.0).insert(key.to_owned(), (Arc::new(bytes), random::unix_ms() as i64));
        sent(len);
        Ok(())
    }

    fn list(&self, prefix: &str, each: &mut dyn FnMut(Listed) -> bool) -> Result<()> {
        let objects = hold(&self.0).clone();
        let inside =
            |key: &str| prefix.is_empty() || key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        for (key, (bytes, modified_ms)) in objects.into_iter().filter(|(key, _)| inside(key)) {
            if !each(Listed { key, len: bytes.len() as u64, modified_ms }) {
                break;
            }
        }
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<()> {
        hold(&self.0).remove(key);
        Ok(())
    }
}

/// Names a state by its bytes, as S3 does.
pub(super) fn version_of(bytes: &[u8]) -> Version {
    Version { tag: Some(blake3::hash(bytes).to_hex().to_string()), generation: None }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every single change leaves the map whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
