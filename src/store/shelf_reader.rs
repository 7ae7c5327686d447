//! Reads the fjall store without opening it as fjall does: nothing is written or synced, and any number of processes may read at the same
//! time, also where they may not write.
//!
//! A keyspace of fjall is an LSM tree in `keyspaces/<number>`; the tree with the number 0 says how the others are called. The file
//! `lock` is what fjall locks for itself; whoever reads shares it. Whoever folds or rebuilds holds `store.lock` meanwhile, and
//! readers that come then wait for that first, so that a stream of readers does not keep it out.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsm_tree::{AbstractTree, AnyTree, Cache, Config, Guard, SeqNo, SequenceNumberCounter};

use super::entries::Keyspace;
use super::error::{StoreError, is_refusal};
use super::shelf_check;

const CACHE_BYTES: u64 = 8 << 20;
/// The folder of the trees.
const KEYSPACES: &str = "keyspaces";

/// A key and its value.
type KeyValue = (Vec<u8>, Vec<u8>);

/// Why the store cannot be read.
pub enum ReadError {
    /// There is no store yet.
    Missing,
    /// A file of it.
    Io(PathBuf, io::Error),
    /// A tree is not what it should be.
    Tree(lsm_tree::Error),
    /// The same, seen before it was opened.
    Damaged(String),
    /// What waiting for others ends with, and the like.
    Store(StoreError),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<lsm_tree::Error> for ReadError {
    fn from(error: lsm_tree::Error) -> Self {
        Self::Tree(error)
    }
}

impl ReadError {
    fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Io(_, error) | Self::Tree(lsm_tree::Error::Io(error)) => Some(error),
            _ => None,
        }
    }

    /// Tells whether it may come of what another process did at that moment.
    pub fn may_pass(&self) -> bool {
        self.io().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Says it of the store in `path`. What was refused is no damage.
    pub fn explain(self, path: &Path) -> StoreError {
        let is_refused = self.io().is_some_and(is_refusal);
        match self {
            Self::Io(file, error) if is_refused => StoreError::io("read", &file)(error),
            Self::Tree(lsm_tree::Error::Io(error)) if is_refused => StoreError::io("read", path)(error),
            Self::Io(_, error) | Self::Tree(lsm_tree::Error::Io(error)) => {
                StoreError::Index { path: path.to_owned(), what: error.to_string() }
            }
            Self::Tree(error) => StoreError::Index { path: path.to_owned(), what: error.to_string() },
            Self::Damaged(what) => StoreError::Index { path: path.to_owned(), what },
            Self::Missing => StoreError::Index { path: path.to_owned(), what: "it is missing".to_owned() },
            Self::Store(error) => error,
        }
    }
}

/// The store, opened to read.
pub struct Reader {
    /// Keeps out whoever writes, where the system can do that.
    _lock: File,
    path: PathBuf,
    cache: Arc<Cache>,
    numbers: HashMap<Vec<u8>, u64>,
    trees: HashMap<Keyspace, AnyTree>,
}

impl Reader {
    /// Opens the store in `path`; `None` if somebody writes to it now.
    pub fn open(path: &Path) -> Result<Option<Self>, ReadError> {
        let folding = path.with_extension("lock");
        let _turn = match File::open(&folding) {
            Ok(file) if is_held(&file, &folding)? => return Ok(None),
            Ok(file) => Some(file),
            // Nobody has folded here yet, or it is none of this user's business.
            Err(_) => None,
        };
        // Not before the turn: whoever rebuilds has moved it away for a moment.
        if !is_there(path)? {
            return Err(ReadError::Missing);
        }
        let file = path.join("lock");
        let lock = File::open(&file).map_err(|e| ReadError::Io(file.clone(), e))?;
        if is_held(&lock, &file)? {
            return Ok(None);
        }
        let cache = Arc::new(Cache::with_capacity_bytes(CACHE_BYTES));
        let (numbers, trees) = (HashMap::new(), HashMap::new());
        let mut reader = Self { _lock: lock, path: path.to_owned(), cache, numbers, trees };
        for guard in reader.tree(0)?.prefix("n", SeqNo::MAX, None) {
            let (key, name) = guard.into_inner()?;
            let number = key.get(1..).and_then(|number| number.try_into().ok()).map(u64::from_be_bytes);
            reader.numbers.extend(number.map(|number| (name.to_vec(), number)));
        }
        Ok(Some(reader))
    }

    /// Returns a value.
    pub fn get(&mut self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.keyspace(keyspace)?.get(key, SeqNo::MAX)?.map(|value| value.to_vec()))
    }

    /// Returns up to `limit` entries of a keyspace with `start <= key`, in key order, while `wanted` says yes.
    pub fn range(
        &mut self,
        keyspace: Keyspace,
        start: &[u8],
        limit: usize,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Vec<KeyValue>, ReadError> {
        let mut out = Vec::new();
        for guard in self.keyspace(keyspace)?.range(start.to_vec().., SeqNo::MAX, None) {
            let (key, value) = guard.into_inner()?;
            if out.len() == limit || !wanted(&key) {
                break;
            }
            out.push((key.to_vec(), value.to_vec()));
        }
        Ok(out)
    }

    fn keyspace(&mut self, keyspace: Keyspace) -> Result<&AnyTree, ReadError> {
        if !self.trees.contains_key(&keyspace) {
            let number = self.numbers.get(keyspace.name().as_bytes());
            let unknown = || ReadError::Damaged(format!("it has no '{}'", keyspace.name()));
            let tree = self.tree(*number.ok_or_else(unknown)?)?;
            self.trees.insert(keyspace, tree);
        }
        Ok(&self.trees[&keyspace])
    }

    fn tree(&self, number: u64) -> Result<AnyTree, ReadError> {
        let path = self.path.join(KEYSPACES).join(number.to_string());
        // A tree that is not there would be made.
        let current = path.join("current");
        if !current.try_exists().map_err(|e| ReadError::Io(current, e))? {
            return Err(ReadError::Damaged(format!("keyspace {number} is missing")));
        }
        shelf_check::check_tree(&path)?;
        Ok(open_tree(&path, &self.cache)?)
    }
}

/// Tells whether there is a store in `path`. One that was set aside, with no other in its place yet, has to be made anew.
pub fn is_there(path: &Path) -> Result<bool, StoreError> {
    if path.exists() {
        return Ok(true);
    }
    if path.with_extension("damaged").exists() {
        let what = "it was set aside, and there is no new one yet".to_owned();
        return Err(StoreError::Index { path: path.to_owned(), what });
    }
    // Where nothing can be locked, a new one may have come between the two looks.
    Ok(path.exists())
}

fn open_tree(path: &Path, cache: &Arc<Cache>) -> lsm_tree::Result<AnyTree> {
    let (seqno, visible) = (SequenceNumberCounter::default(), SequenceNumberCounter::default());
    // Files stay open: a name may be gone, or another's, at the next look.
    Config::new(path, seqno, visible).use_cache(Arc::clone(cache)).use_descriptor_table(None).open()
}

/// Removes what was replaced while the store was written to, as opening a tree does: whoever only reads finds nothing to remove, and may
/// not be allowed to. What cannot be removed now goes another time.
pub fn tidy(path: &Path) {
    let Ok(lock) = File::open(path.join("lock")) else { return };
    if lock.try_lock().is_err() {
        return;
    }
    let cache = Arc::new(Cache::with_capacity_bytes(0));
    for tree in trees(path) {
        let _ = shelf_check::guarded(|| {
            shelf_check::check_tree(&tree)?;
            Ok(open_tree(&tree, &cache).map(drop)?)
        });
    }
}

/// Returns the folders of the trees of the store in `path`.
pub fn trees(path: &Path) -> impl Iterator<Item = PathBuf> {
    let found = std::fs::read_dir(path.join(KEYSPACES)).into_iter().flatten().flatten().map(|entry| entry.path());
    found.filter(|tree| tree.join("current").exists())
}

/// Tells whether somebody holds a lock for itself. Shares it otherwise, until the file is closed.
fn is_held(file: &File, path: &Path) -> Result<bool, ReadError> {
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        // Where nothing can be locked, nobody can write either.
        Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(false),
        Err(TryLockError::Error(e)) => Err(ReadError::Io(path.to_owned(), e)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::time::Duration;

    use super::super::shelf::Shelf;
    use super::*;

    fn files(dir: &Path) -> Vec<(PathBuf, i64, i64, Vec<u8>)> {
        let mut out = Vec::new();
        for entry in fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            let meta = path.metadata().expect("there");
            let bytes = if path.is_file() { fs::read(&path).expect("read") } else { Vec::new() };
            out.push((path.clone(), meta.mtime(), meta.mtime_nsec(), bytes));
            if path.is_dir() {
                out.extend(files(&path));
            }
        }
        out.sort();
        out
    }

    fn shelf(path: &Path) -> Shelf {
        Shelf::new(path.to_owned(), Duration::ZERO, Arc::new(|_| ()))
    }

    #[test]
    fn readers_share_and_write_nothing_and_keep_out_whoever_writes() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("store");
        let entries = |from: u32| -> Vec<(Vec<u8>, Vec<u8>)> {
            (from..from + 500).map(|n| (n.to_be_bytes().to_vec(), vec![n as u8; 100])).collect()
        };
        let ingest = |from: u32| {
            let entries = entries(from);
            shelf(&path).ingest(entries.iter().map(|(k, v)| (Keyspace::Log, k.as_slice(), v.as_slice())))
        };
        // More often than what is compacted.
        (0..20).for_each(|n| ingest(n * 250).expect("taken in"));
        let before = files(&path);
        let mut one = Reader::open(&path).ok().flatten().expect("nobody writes");
        let mut two = Reader::open(&path).ok().flatten().expect("nobody writes");
        for (key, value) in entries(2_345) {
            for reader in [&mut one, &mut two] {
                assert_eq!(reader.get(Keyspace::Log, &key).ok().flatten().as_ref(), Some(&value));
            }
        }
        let from = one.range(Keyspace::Log, &4_000u32.to_be_bytes(), 7, &|key| key < &4_005u32.to_be_bytes()[..]);
        assert_eq!(from.ok().expect("readable"), entries(4_000)[..5]);
        assert!(two.get(Keyspace::Objects, b"x").ok().expect("readable").is_none());
        assert!(files(&path) == before, "something was written");
        assert!(matches!(ingest(9_000), Err(StoreError::IndexBusy { .. })));
        drop((one, two));
        ingest(9_000).expect("taken in");
        let folding = File::create(path.with_extension("lock")).expect("a file");
        folding.lock().expect("free");
        assert!(Reader::open(&path).ok().expect("readable").is_none(), "whoever folds comes first");
    }
}
