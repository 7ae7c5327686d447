//! The fjall store, opened late and closed soon.
//!
//! fjall allows one process at a time, readers included. So a process opens it when it must, keeps it for as long as
//! look-ups follow each other, and a helper thread closes it after [`IDLE`] without one: nobody is kept waiting by a
//! pager, a scan or a prompt. Entries come in by ingestion only, which bypasses fjall's journal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fjall::{Database, KeyspaceCreateOptions, Readable};

use super::entries::Keyspace;
use super::error::{Result, StoreError};

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
    open: Option<Open>,
    opened: Option<Instant>,
    last_used: Option<Instant>,
    closer_runs: bool,
}

struct Open {
    db: Database,
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
        self.read(|open| Ok(open.keyspace(keyspace).get(key)?.map(|v| v.to_vec()))).map(Option::flatten)
    }

    /// Returns up to `limit` entries of a keyspace with `start <= key`, in key order, while `wanted` says yes.
    pub fn range(
        &self,
        keyspace: Keyspace,
        start: &[u8],
        limit: usize,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let found = self.read(|open| {
            let mut out = Vec::new();
            for guard in open.db.snapshot().range(open.keyspace(keyspace), start..) {
                let (key, value) = guard.into_inner()?;
                if out.len() == limit || !wanted(&key) {
                    break;
                }
                out.push((key.to_vec(), value.to_vec()));
            }
            Ok(out)
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Takes in sorted entries, creating the store if need be.
    pub fn ingest<'a>(&self, entries: impl Iterator<Item = (Keyspace, &'a [u8], &'a [u8])>) -> Result<()> {
        let mut state = self.opened()?;
        let open = state.open.as_mut().expect("just opened");
        let result = open.ingest(entries);
        self.done(state);
        result.map_err(|e| self.failed(&e))
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

    fn read<T>(&self, look: impl FnOnce(&Open) -> fjall::Result<T>) -> Result<Option<T>> {
        if !self.exists() {
            return Ok(None);
        }
        let state = self.opened()?;
        let result = look(state.open.as_ref().expect("just opened"));
        self.done(state);
        result.map(Some).map_err(|e| self.failed(&e))
    }

    fn opened(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.state);
        if state.open.is_none() {
            state.open = Some(self.open()?);
            state.opened = Some(Instant::now());
        }
        Ok(state)
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

    fn open(&self) -> Result<Open> {
        let started = Instant::now();
        let mut told = false;
        loop {
            match Open::new(&self.path) {
                Ok(open) => {
                    tracing::debug!(path = %self.path.display(), took = ?started.elapsed(), "opened the index");
                    return Ok(open);
                }
                Err(fjall::Error::Locked) => {}
                Err(e) => return Err(self.failed(&e)),
            }
            let waited = started.elapsed();
            if waited >= self.timeout {
                return Err(StoreError::IndexBusy { path: self.path.clone(), seconds: waited.as_secs() });
            }
            if !told && waited >= Duration::from_secs(1) {
                (self.on_wait)("the index is in use by another graft process");
                told = true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
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

impl Open {
    fn new(path: &Path) -> fjall::Result<Self> {
        let db = Database::builder(path).cache_size(CACHE_BYTES).worker_threads(1).open()?;
        let keyspaces = Keyspace::ALL
            .iter()
            .map(|k| db.keyspace(k.name(), KeyspaceCreateOptions::default))
            .collect::<fjall::Result<_>>()?;
        Ok(Self { db, keyspaces })
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
    use super::*;

    #[test]
    fn damage_is_told_in_words() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("store");
        let shelf = || Shelf::new(path.clone(), Duration::ZERO, Arc::new(|_| ()));
        let whole = shelf();
        let entries: Vec<[u8; 4]> = (0..2000u32).map(u32::to_be_bytes).collect();
        whole.ingest(entries.iter().map(|k| (Keyspace::ALL[0], &k[..], &k[..]))).expect("a new store takes all");
        whole.close();
        let files = crate::store::rebuild::files_in(&path).expect("files");
        let folders = files.iter().filter(|f| f.is_dir()).flat_map(|f| walk(f)).collect::<Vec<_>>();
        let mut told = 0;
        for file in files.into_iter().filter(|f| f.is_file()).chain(folders) {
            let before = std::fs::read(&file).expect("a file");
            std::fs::write(&file, vec![0x5a; before.len()]).expect("written");
            let damaged = shelf();
            if let Err(StoreError::Index { what, .. }) = damaged.get(Keyspace::ALL[0], &entries[7]) {
                told += 1;
                assert!(!["Error", "Io(", "{"].iter().any(|word| what.contains(word)), "{}: {what}", file.display());
            }
            damaged.close();
            std::fs::write(&file, before).expect("written");
        }
        assert!(told > 1, "{told} damages were told");
    }

    fn walk(folder: &Path) -> Vec<PathBuf> {
        let inside = crate::store::rebuild::files_in(folder).expect("a folder");
        inside.into_iter().flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
    }
}
