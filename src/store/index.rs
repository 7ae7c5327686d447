//! The index: where objects, storage commits and page maps lie. The tail first, then fjall.
//!
//! Files are the truth. The index only finds things in them: when it is missing, damaged or knows too little, it is
//! set aside and rebuilt from segments and packs (see `rebuild`), and the user is told. `store.lock` guards the fjall
//! folder as a whole (fold, rebuild); the repository lock, held by whoever publishes, guards the tail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::entries::{Entry, Keyspace};
use super::error::{Result, StoreError};
use super::rebuild;
use super::shelf::{OnWait, Shelf};
use super::tail::Tail;
use crate::util::fs as durable;
use crate::util::lock::FileLock;

/// Operations after which the tail is folded into fjall.
const FOLD_AFTER: usize = 256;
/// Bytes after which the tail is folded into fjall, however few operations they are.
const FOLD_BYTES: u64 = 4 << 20;
/// Matches that a prefix search gives at the most.
const PREFIX_LIMIT: usize = 64;

/// Entries in memory.
type Known = BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>;

/// The index of a repository.
pub struct Index {
    dir: PathBuf,
    tail: Mutex<Tail>,
    shelf: Shelf,
    timeout: Duration,
    on_notice: OnWait,
    /// Whether the files have been searched for something the index did not know: once is enough, until others change something.
    searched: AtomicBool,
    /// What segments and packs say, where the index is of no use and may not be made anew; until others change something.
    from_files: Mutex<Option<Arc<Known>>>,
}

impl Index {
    /// Opens the index of the repository folder `dir` (`.graft`); fjall stays closed.
    pub fn open(dir: &Path, timeout: Duration, on_notice: OnWait) -> Result<Self> {
        let index = Self {
            dir: dir.to_owned(),
            tail: Mutex::new(Tail::load(&dir.join("index-tail"))?),
            shelf: Shelf::new(dir.join("store"), timeout, on_notice.clone()),
            timeout,
            on_notice,
            searched: AtomicBool::new(false),
            from_files: Mutex::default(),
        };
        let is_lost = index.tail().is_lost();
        if index.tail().is_damaged() {
            index.mend("the index tail is damaged")?;
        } else if is_lost && rebuild::has_files(dir)? {
            index.mend("the index tail is missing")?;
        }
        Ok(index)
    }

    /// Takes note of what other processes have published.
    pub fn refresh(&self) -> Result<()> {
        self.reload().map(drop)
    }

    /// Reads what others have appended to the tail, or folded; tells whether they have.
    fn reload(&self) -> Result<bool> {
        let changed = self.tail().reload()?;
        if changed {
            self.searched.store(false, Ordering::SeqCst);
            *self.in_memory() = None;
        }
        Ok(changed)
    }

    fn in_memory(&self) -> MutexGuard<'_, Option<Arc<Known>>> {
        self.from_files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.in_memory().clone()
    }

    /// Returns a value that may well not exist. One that can change is only sure under the repository lock, after
    /// [`Index::refresh`].
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(value) = self.in_tail(keyspace, key)? {
            return Ok(Some(value));
        }
        match self.folded(keyspace, key)? {
            // Another process may have folded, or appended, between the two looks.
            None if self.reload()? => Ok(match self.in_tail(keyspace, key)? {
                Some(value) => Some(value),
                None => self.folded(keyspace, key)?,
            }),
            found => Ok(found),
        }
    }

    /// Returns a value that is not in the tail.
    fn folded(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(known) = self.known() {
            return Ok(known.get(&(keyspace, key.to_vec())).cloned());
        }
        match self.shelf.get(keyspace, key) {
            Err(error) if is_of_no_use(&error) => {
                self.mend(&reason(&error))?;
                match self.known() {
                    Some(known) => Ok(known.get(&(keyspace, key.to_vec())).cloned()),
                    None => self.shelf.get(keyspace, key),
                }
            }
            other => other,
        }
    }

    /// Returns a value that something refers to: if it is not there, the files are searched once.
    pub fn get_needed(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(value) = self.get(keyspace, key)? {
            return Ok(Some(value));
        }
        match self.search(keyspace, &|known| known == key)? {
            true => self.get(keyspace, key),
            false => Ok(None),
        }
    }

    /// Searches the files, once, for keys that the index does not know; tells whether there are any, which it knows then.
    pub fn search(&self, keyspace: Keyspace, wanted: &dyn Fn(&[u8]) -> bool) -> Result<bool> {
        if self.searched.swap(true, Ordering::SeqCst) {
            return Ok(false);
        }
        let lost = rebuild::entries(&self.dir)?.into_iter().any(|e| e.keyspace == keyspace && wanted(&e.key));
        if lost {
            self.mend("it does not know things that the files hold")?;
        }
        Ok(lost)
    }

    /// Tells whether all files have been read for something that the index did not know.
    #[cfg(test)]
    pub fn has_searched(&self) -> bool {
        self.searched.load(Ordering::SeqCst)
    }

    /// Returns up to 64 entries of a keyspace from `start` on, in key order, while `wanted` says yes to the key.
    pub fn range(
        &self,
        keyspace: Keyspace,
        start: &[u8],
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.range_up_to(keyspace, start, PREFIX_LIMIT, wanted)
    }

    fn range_up_to(
        &self,
        keyspace: Keyspace,
        start: &[u8],
        limit: usize,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.reload()?;
        let mut out = self.folded_range(keyspace, start, limit, wanted)?;
        let tail = self.tail();
        let fresh = tail.range(keyspace, start).take_while(|(key, _)| wanted(key)).take(limit);
        // The tail's value is the newer one where both have the key.
        let fresh: Vec<_> = fresh.map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        out.retain(|(k, _)| tail.get(keyspace, k).is_none());
        out.extend(fresh);
        out.sort();
        Ok(out)
    }

    fn folded_range(
        &self,
        keyspace: Keyspace,
        start: &[u8],
        limit: usize,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        if self.known().is_none() {
            match self.shelf.range(keyspace, start, limit, wanted) {
                Err(error) if is_of_no_use(&error) => self.mend(&reason(&error))?,
                other => return other,
            }
        }
        let Some(known) = self.known() else { return self.shelf.range(keyspace, start, limit, wanted) };
        let from = known.range((keyspace, start.to_vec())..).take_while(|((k, key), _)| *k == keyspace && wanted(key));
        Ok(from.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    /// Returns all entries of a keyspace, in key order.
    pub fn all(&self, keyspace: Keyspace) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.range_up_to(keyspace, &[], usize::MAX, &|_| true)
    }

    /// Records the entries of one operation, durably. The caller holds the repository lock.
    pub fn publish(&self, entries: &[Entry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut tail = self.tail();
        tail.reload()?;
        tail.append(entries)?;
        if tail.operations() < FOLD_AFTER && tail.valid_len() < FOLD_BYTES {
            return Ok(());
        }
        match self.fold(&mut tail) {
            // The tail stays as it is, and is folded into the new one next time.
            Err(StoreError::Index { what, .. }) => {
                drop(tail);
                self.rebuild(&what)
            }
            other => other,
        }
    }

    /// Closes fjall, for as long as something slow happens.
    pub fn close(&self) {
        self.shelf.close();
    }

    /// Closes fjall if it has been open for a while.
    pub fn give_way(&self) {
        self.shelf.give_way();
    }

    /// Makes look-ups possible again: with a new index, or, where this user may not write, with what the files say, until others
    /// change something.
    fn mend(&self, why: &str) -> Result<()> {
        match self.rebuild(why) {
            Err(error) if error.is_refusal() => {
                tracing::debug!(why, "reading the files instead of the index");
                let known = rebuild::entries(&self.dir)?.into_iter().map(|e| ((e.keyspace, e.key), e.value));
                *self.in_memory() = Some(Arc::new(known.collect()));
                Ok(())
            }
            other => other,
        }
    }

    /// Sets the index aside and makes a new one from segments and packs.
    pub fn rebuild(&self, why: &str) -> Result<()> {
        let _lock = self.store_lock()?;
        self.shelf.close();
        let tmp = self.dir.join("tmp");
        let fresh = tmp.join(format!("store-{}", std::process::id()));
        let failed = |path: &Path| StoreError::io("write", path);
        remove_dir(&fresh)?;
        // Says whether anything may be written here at all.
        durable::create_dir_all(&fresh).map_err(failed(&fresh))?;
        (self.on_notice)(&format!("rebuilding the index {} ({why})", self.shelf.path().display()));
        let entries = rebuild::entries(&self.dir)?;
        let shelf = Shelf::new(fresh.clone(), self.timeout, self.on_notice.clone());
        shelf.ingest(entries.iter().map(|e| (e.keyspace, e.key.as_slice(), e.value.as_slice())))?;
        shelf.close();
        let aside = self.dir.join("store.damaged");
        remove_dir(&aside)?;
        if self.shelf.exists() {
            durable::rename(self.shelf.path(), &aside).map_err(failed(&aside))?;
        }
        durable::rename(&fresh, self.shelf.path()).map_err(failed(self.shelf.path()))?;
        remove_dir(&aside)?;
        let mut tail = self.tail();
        tail.reload()?;
        if tail.is_damaged() || tail.is_lost() {
            tail.clear(&tmp)?;
        }
        Ok(())
    }

    fn fold(&self, tail: &mut Tail) -> Result<()> {
        let _lock = self.store_lock()?;
        tracing::info!(operations = tail.operations(), "folding the index tail");
        self.shelf.ingest(tail.all())?;
        durable::crash_point();
        tail.clear(&self.dir.join("tmp"))
    }

    fn in_tail(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.tail().get(keyspace, key).map(<[u8]>::to_vec))
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store_lock(&self) -> Result<FileLock> {
        Ok(FileLock::acquire(&self.dir.join("store.lock"), self.timeout, &|holder| (self.on_notice)(holder))?)
    }
}

/// Tells whether the fjall store cannot be read, though the files it was made from may well be.
fn is_of_no_use(error: &StoreError) -> bool {
    matches!(error, StoreError::Index { .. }) || error.is_refusal()
}

/// Returns why it cannot be read, for people.
fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Index { what, .. } => what.clone(),
        StoreError::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

fn remove_dir(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> Index {
        std::fs::create_dir_all(dir.join("tmp")).unwrap();
        Index::open(dir, Duration::from_secs(3), Arc::new(|_: &str| ())).unwrap()
    }

    fn entry(number: u64) -> Entry {
        Entry { keyspace: Keyspace::Tags, key: number.to_be_bytes().to_vec(), value: vec![7; 40] }
    }

    #[test]
    fn who_waits_for_a_fold_does_not_hold_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path());
        (0..=FOLD_AFTER as u64).for_each(|n| index.publish(&[entry(n)]).unwrap());
        index.close();
        std::thread::scope(|scope| {
            // A fold takes this lock first, and then closes what is open.
            let fold = index.store_lock().unwrap();
            let reader = scope.spawn(|| index.get(Keyspace::Tags, b"nothing"));
            std::thread::sleep(Duration::from_millis(200));
            index.close();
            drop(fold);
            assert_eq!(reader.join().unwrap().expect("the fold ended in time"), None);
        });
    }

    #[test]
    fn what_is_in_an_index_set_aside_is_not_taken_for_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path());
        (0..=FOLD_AFTER as u64).for_each(|n| index.publish(&[entry(n)]).unwrap());
        index.close();
        let (store, aside) = (dir.path().join("store"), dir.path().join("store.damaged"));
        assert!(store.exists(), "it was folded");
        // As between the two renames of a rebuild.
        let rebuild = index.store_lock().unwrap();
        std::fs::rename(&store, &aside).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| index.get(Keyspace::Tags, &1u64.to_be_bytes()));
            std::thread::sleep(Duration::from_millis(100));
            std::fs::rename(&aside, &store).unwrap();
            drop(rebuild);
            assert!(reader.join().unwrap().unwrap().is_some());
        });
        // As after a crash there: neither a reader nor a fold takes it for an index that was never made.
        index.close();
        std::fs::rename(&store, &aside).unwrap();
        let error = index.shelf.get(Keyspace::Tags, b"x").unwrap_err();
        assert!(matches!(error, StoreError::Index { .. }), "{error}");
        let error = index.shelf.ingest(std::iter::empty()).unwrap_err();
        assert!(matches!(error, StoreError::Index { .. }) && !store.exists(), "{error}");
        index.get(Keyspace::Tags, b"x").unwrap();
        assert!(store.exists() && !aside.exists(), "it is made anew");
    }

    #[test]
    fn what_others_fold_is_not_taken_for_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let (reader, writer) = (open(dir.path()), open(dir.path()));
        writer.publish(&[entry(0)]).unwrap();
        reader.refresh().unwrap();
        // As if the reader might not write, and had found the index to be of no use.
        *reader.in_memory() = Some(Arc::default());
        (1..=FOLD_AFTER as u64).for_each(|n| writer.publish(&[entry(n)]).unwrap());
        for n in 0..=FOLD_AFTER as u64 {
            assert!(reader.get(Keyspace::Tags, &n.to_be_bytes()).unwrap().is_some(), "{n}");
        }
    }
}
