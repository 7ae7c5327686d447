//! The fjall store: written with fjall, read without it.
//!
//! fjall allows one process at a time, opens its journal for writing and syncs it whenever it is opened. So only what writes opens
//! it, briefly. Entries come in by ingestion alone, which bypasses the journal: all of them lie in the store's trees, and readers
//! open just the tree that they need ([`super::shelf_reader`]). A process keeps what it reads open for as long as look-ups follow each
//! other, and a helper thread closes it after [`IDLE`] without one: nobody who writes is kept waiting by a pager, a scan or a
//! prompt. Locks are taken in this order: `store.lock` (by whoever folds), then the mutex of what is open, which nobody keeps while
//! waiting for another process or thread.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fjall::{Database, KeyspaceCreateOptions};

use super::entries::Keyspace;
use super::error::{Result, StoreError};
use super::shelf_check;
use super::shelf_reader::{self, ReadError, Reader};

/// How long an open store may lie unused.
const IDLE: Duration = Duration::from_millis(20);
/// How long the store may stay open while look-ups follow each other in work that takes long.
const TURN: Duration = Duration::from_millis(100);
/// Tables per keyspace beyond which a fold compacts.
const MANY_TABLES: usize = 16;
const CACHE_BYTES: u64 = 8 << 20;

/// Tells the user that the store is waited for.
pub type OnWait = Arc<dyn Fn(&str) + Send + Sync>;

/// The fjall store in a folder.
pub struct Shelf {
    path: PathBuf,
    timeout: Duration,
    on_wait: OnWait,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    open: Option<Reader>,
    opened: Option<Instant>,
    last_used: Option<Instant>,
    closer_runs: bool,
}

/// The store, opened to write.
struct Writer {
    _db: Database,
    keyspaces: Vec<fjall::Keyspace>,
}

impl Shelf {
    /// Makes a handle; nothing is opened yet.
    pub fn new(path: PathBuf, timeout: Duration, on_wait: OnWait) -> Self {
        Self { path, timeout, on_wait, state: Arc::default() }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether the store has been created.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Returns a value; `None` if there is no store yet.
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(|open| open.get(keyspace, key)).map(Option::flatten)
    }

    /// Returns up to `limit` entries of a keyspace with `start <= key`, in key order, while `wanted` says yes.
    pub fn range(
        &self,
        keyspace: Keyspace,
        start: &[u8],
        limit: usize,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        Ok(self.read(|open| open.range(keyspace, start, limit, wanted))?.unwrap_or_default())
    }

    /// Takes in sorted entries, creating the store if need be.
    pub fn ingest<'a>(&self, entries: impl Iterator<Item = (Keyspace, &'a [u8], &'a [u8])>) -> Result<()> {
        let (_state, writer) = self.patiently(|| {
            let mut state = lock(&self.state);
            // Whoever reads keeps out whoever writes, also in one process.
            state.open = None;
            // A new store would know nothing but these entries.
            shelf_reader::is_there(&self.path)?;
            let checked = shelf_reader::trees(&self.path).try_for_each(|tree| shelf_check::check_tree(&tree));
            checked.map_err(|error| error.explain(&self.path))?;
            match self.guarded(|| Writer::new(&self.path))? {
                Err(fjall::Error::Locked) => Ok(None),
                other => other.map(|writer| Some((state, writer))).map_err(|e| self.failed(&e)),
            }
        })?;
        let outcome = self.guarded(|| {
            let outcome = writer.ingest(entries).map_err(|e| self.failed(&e));
            drop(writer);
            outcome
        })?;
        shelf_reader::tidy(&self.path);
        outcome
    }

    /// Closes the store now, if it is open.
    pub fn close(&self) {
        lock(&self.state).open = None;
    }

    /// Closes the store if it has been open for a while, so that other processes have their turn.
    pub fn give_way(&self) {
        let mut state = lock(&self.state);
        if state.opened.is_some_and(|since| since.elapsed() >= TURN) {
            state.open = None;
        }
    }

    fn read<T>(&self, mut look: impl FnMut(&mut Reader) -> Result<T, ReadError>) -> Result<Option<T>> {
        let mut outcome = self.look(&mut look);
        if matches!(&outcome, Err(error) if error.may_pass()) {
            // Another process has tidied up in the same moment.
            outcome = self.look(&mut look);
        }
        match outcome {
            Err(ReadError::Missing) => Ok(None),
            other => other.map(Some).map_err(|error| error.explain(&self.path)),
        }
    }

    fn look<T>(&self, look: &mut dyn FnMut(&mut Reader) -> Result<T, ReadError>) -> Result<T, ReadError> {
        // Not locked while another one is waited for: that may be a thread of this process, and be about to close what is open.
        let mut state = self.patiently(|| {
            let mut state = lock(&self.state);
            if state.open.is_none() {
                let Some(reader) = shelf_check::guarded(|| Reader::open(&self.path))? else { return Ok(None) };
                (state.open, state.opened) = (Some(reader), Some(Instant::now()));
            }
            Ok::<_, ReadError>(Some(state))
        })?;
        let open = state.open.as_mut().expect("just opened");
        let outcome = shelf_check::guarded(|| look(open));
        if outcome.is_err() {
            state.open = None;
        }
        self.done(state);
        outcome
    }

    /// Notes the use and makes sure that somebody closes the store afterwards.
    fn done(&self, mut state: MutexGuard<'_, State>) {
        state.last_used = Some(Instant::now());
        if !state.closer_runs {
            state.closer_runs = true;
            let shared = Arc::clone(&self.state);
            std::thread::spawn(move || close_when_idle(&shared));
        }
    }

    /// Tries again until others let go of the store.
    fn patiently<T, E: From<StoreError>>(&self, mut open: impl FnMut() -> Result<Option<T>, E>) -> Result<T, E> {
        let started = Instant::now();
        let mut told = false;
        loop {
            if let Some(opened) = open()? {
                return Ok(opened);
            }
            let waited = started.elapsed();
            if waited >= self.timeout {
                return Err(StoreError::IndexBusy { path: self.path.clone(), seconds: waited.as_secs() }.into());
            }
            if !told && waited >= Duration::from_secs(1) {
                (self.on_wait)("the index is in use by another graft process");
                told = true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Runs what fjall does; a panic of it means that the store is damaged.
    fn guarded<T>(&self, run: impl FnOnce() -> T) -> Result<T> {
        shelf_check::guarded(|| Ok(run())).map_err(|error| error.explain(&self.path))
    }

    fn failed(&self, error: &fjall::Error) -> StoreError {
        StoreError::Index { path: self.path.clone(), what: words(error) }
    }
}

/// Says what is wrong with the index; its own texts are made for programmers.
fn words(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(e) => e.to_string(),
        // The tables below have an error of the system, or are not what was written.
        fjall::Error::Storage(e) => match std::error::Error::source(e) {
            Some(cause) => cause.to_string(),
            None => "a table of it is damaged".to_owned(),
        },
        fjall::Error::JournalRecovery(_) | fjall::Error::InvalidTrailer | fjall::Error::InvalidTag(_) => {
            "its journal is damaged".to_owned()
        }
        fjall::Error::InvalidVersion(_) => "it has the format of another version".to_owned(),
        fjall::Error::Poisoned => "an earlier write to it failed".to_owned(),
        fjall::Error::Locked => "another process has it open".to_owned(),
        _ => "it is damaged".to_owned(),
    }
}

impl Writer {
    fn new(path: &Path) -> fjall::Result<Self> {
        let db = Database::builder(path).cache_size(CACHE_BYTES).worker_threads(1).open()?;
        let keyspaces = Keyspace::ALL
            .iter()
            .map(|k| db.keyspace(k.name(), KeyspaceCreateOptions::default))
            .collect::<fjall::Result<_>>()?;
        Ok(Self { _db: db, keyspaces })
    }

    fn keyspace(&self, keyspace: Keyspace) -> &fjall::Keyspace {
        let position = Keyspace::ALL.iter().position(|k| *k == keyspace).expect("a keyspace is among all");
        &self.keyspaces[position]
    }

    fn ingest<'a>(&self, entries: impl Iterator<Item = (Keyspace, &'a [u8], &'a [u8])>) -> fjall::Result<()> {
        let mut entries = entries.peekable();
        while let Some(&(keyspace, ..)) = entries.peek() {
            let target = self.keyspace(keyspace);
            let mut ingestion = target.start_ingestion()?;
            while let Some((_, key, value)) = entries.next_if(|(k, ..)| *k == keyspace) {
                ingestion.write(key, value)?;
            }
            ingestion.finish()?;
            if target.table_count() > MANY_TABLES {
                target.major_compact()?;
            }
        }
        Ok(())
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close_when_idle(shared: &Mutex<State>) {
    loop {
        std::thread::sleep(IDLE);
        let mut state = lock(shared);
        if state.open.is_none() || state.last_used.is_none_or(|t| t.elapsed() >= IDLE) {
            state.open = None;
            state.closer_runs = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn damage_is_told_in_words() {
        use fjall::Error;
        for (error, told) in [
            (Error::Io(std::io::Error::other("the disk is gone")), "the disk is gone"),
            (Error::InvalidTrailer, "its journal is damaged"),
            (Error::InvalidTag(("kind", 9)), "its journal is damaged"),
            (Error::InvalidVersion(None), "it has the format of another version"),
            (Error::Poisoned, "an earlier write to it failed"),
            (Error::Locked, "another process has it open"),
            (Error::Unrecoverable, "it is damaged"),
        ] {
            assert_eq!(words(&error), told);
        }
    }
}
