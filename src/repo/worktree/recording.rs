//! Keeps the transactions of an SQL session on tracked files as storage commits, one each.
//!
//! The file itself is the truth until it is added, so nothing has to be durable at once: storage commits are gathered in a
//! [`Batch`] and published together, before anything may refer to them, when there are many, and at the end of the session. A session that
//! is killed leaves those published so far; the next `add` looks at the whole file. No file of the worktree is opened here.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{FileKind, ObjectId, PageBuf, PageIdx, RepoPath, Snapshot, SourceError};
use crate::repo::state::fingerprint::Fingerprint;
use crate::repo::state::index::IndexEntry;
use crate::repo::state::last_state::LastState;
use crate::repo::state::objects::ObjectReader;
use crate::repo::text::pathspec::repo_path;
use crate::repo::{Repository, now_ns};
use crate::sqlite::header::same_but_volatile;
use crate::sqlite::sql::recording::{Recorder, Recording, TakePages};
use crate::store::{Batch, NewState, Purpose, Transaction};

/// Compressed bytes that wait for being published at the most.
const BATCH_BYTES: u64 = 64 << 20;
/// Files below this size are read quicker than a fingerprint settles.
const WORTH_WAITING: u64 = 1 << 20;
/// How long to wait until a fingerprint can be trusted.
const SETTLE: Duration = Duration::from_millis(25);

/// Keeps the transactions on the tracked files of a repository.
pub struct SessionRecorder {
    repo: Arc<Repository>,
}

impl SessionRecorder {
    /// Keeps those of this repository.
    pub fn new(repo: &Arc<Repository>) -> Self {
        Self { repo: Arc::clone(repo) }
    }
}

impl Recorder for SessionRecorder {
    fn of(&self, file: &Path) -> Result<Option<Box<dyn Recording>>, SourceError> {
        let Ok(path) = repo_path(self.repo.top(), self.repo.top(), file) else { return Ok(None) };
        let Some(entry) = self.repo.index()?.get(&path).cloned().filter(|e| e.kind == FileKind::Sqlite) else {
            return Ok(None);
        };
        let repo = Arc::clone(&self.repo);
        let file = file.to_owned();
        Ok(Some(Box::new(FileRecording {
            repo,
            path,
            file,
            staged: entry.snapshot,
            newest: None,
            batch: None,
            ahead: false,
            seen: None,
        })))
    }
}

struct FileRecording {
    repo: Arc<Repository>,
    path: RepoPath,
    file: PathBuf,
    /// The staged state that everything follows.
    staged: ObjectId,
    /// The newest state that is published.
    newest: Option<Snapshot>,
    /// What comes after it.
    batch: Option<Batch>,
    /// There is a state that is not remembered.
    ahead: bool,
    /// What the file looked like in the newest state.
    seen: Option<Fingerprint>,
}

impl FileRecording {
    fn entry(&self) -> Result<Option<IndexEntry>, SourceError> {
        Ok(self.repo.index()?.get(&self.path).cloned().filter(|e| e.kind == FileKind::Sqlite))
    }

    /// Publishes what waits, and remembers it.
    fn publish(&mut self, fingerprint: Option<Fingerprint>) -> Result<(), SourceError> {
        // The store's lock alone: completing what somebody left half done could open files of the worktree.
        let lock = self.repo.store().lock()?;
        if let Some(batch) = self.batch.take() {
            let mut tx = Transaction::new(self.repo.store(), &lock)?;
            let snapshot = tx.append_batch(batch)?;
            tx.publish()?;
            self.newest = Some(snapshot);
        }
        if let Some(snapshot) = &self.newest {
            let state = LastState { staged: self.staged, snapshot: snapshot.clone(), fingerprint };
            self.repo.remember_state(&state, &lock)?;
        }
        self.repo.store().release();
        Ok(())
    }
}

impl Recording for FileRecording {
    fn knows_state(&mut self) -> Result<bool, SourceError> {
        if self.batch.is_some() {
            self.publish(None)?;
        }
        let Some(entry) = self.entry()? else {
            self.newest = None;
            return Err(format!("'{}' is no longer tracked", self.path).into());
        };
        let Some(now) = Fingerprint::stat_only(&self.file)? else { return Ok(false) };
        self.staged = entry.snapshot;
        let looks_like = |print: &Option<Fingerprint>| print.as_ref().is_some_and(|print| now.matches(print));
        self.newest = match self.repo.last_state(entry.volume) {
            _ if looks_like(&entry.fingerprint) => Some(self.repo.snapshot(&entry.snapshot)?),
            Some(last) if looks_like(&last.fingerprint) => Some(last.snapshot),
            _ => None,
        };
        self.repo.store().release();
        Ok(self.newest.is_some())
    }

    fn take_all(
        &mut self,
        byte_len: u64,
        pages: &mut dyn FnMut(&mut TakePages<'_>) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let Some(entry) = self.entry()? else { return Err(format!("'{}' is no longer tracked", self.path).into()) };
        let last = self.repo.last_state(entry.volume).filter(|last| last.staged == entry.snapshot);
        let base = match last {
            Some(last) => last.snapshot,
            None => self.repo.snapshot(&entry.snapshot)?,
        };
        let store = self.repo.store();
        let base = Arc::new(store.open_snapshot(base)?);
        let mut ingest = store.ingest(Some(Arc::clone(&base)), Some(same_but_volatile), Purpose::Store)?;
        let mut broke = false;
        let read = pages(&mut |first, bytes| {
            let flow = ingest.push(first, bytes);
            broke |= flow == ControlFlow::Break(());
            flow
        });
        let ingested = ingest.finish()?;
        read?;
        if broke {
            return Err("the pages could not be stored".into());
        }
        tracing::debug!(file = %self.file.display(), byte_len, changed = ingested.changed.len(), "captured");
        let changed = !ingested.changed.is_empty() || byte_len != base.snapshot().byte_len;
        self.staged = entry.snapshot;
        self.newest = Some(base.snapshot().clone());
        if changed {
            let lock = store.lock()?;
            let mut tx = Transaction::new(store, &lock)?;
            let state = NewState { volume: entry.volume, kind: FileKind::Sqlite, byte_len, base: Some(&base) };
            self.newest = Some(tx.append(state, ingested)?);
            tx.publish()?;
            self.ahead = true;
        }
        store.release();
        Ok(())
    }

    fn commit(
        &mut self,
        byte_len: u64,
        pages: &mut dyn Iterator<Item = Result<(PageIdx, PageBuf), SourceError>>,
    ) -> Result<(), SourceError> {
        if self.batch.as_ref().is_some_and(|b| !b.has_room() || b.byte_count() > BATCH_BYTES) {
            self.publish(None)?;
        }
        let batch = match &mut self.batch {
            Some(batch) => batch,
            None => {
                let base = self.newest.clone().ok_or("no state is known")?;
                self.batch.insert(Batch::start(self.repo.store(), base)?)
            }
        };
        (self.ahead, self.seen) = (true, None);
        for page in pages {
            let (idx, page) = page?;
            batch.push(idx, &page)?;
        }
        Ok(batch.end(byte_len)?)
    }

    fn flush(&mut self) -> Result<(), SourceError> {
        if self.batch.is_some() { self.publish(None) } else { Ok(()) }
    }

    fn is_ahead(&self) -> bool {
        self.ahead
    }

    fn settle(&self) {
        let print = Fingerprint::stat_only(&self.file).ok().flatten().filter(|print| print.size >= WORTH_WAITING);
        let left = print.map_or(0, |p| p.settles_at().saturating_sub(now_ns()));
        if let Ok(left @ 1..) = u64::try_from(left) {
            std::thread::sleep(Duration::from_nanos(left).min(SETTLE));
        }
    }

    fn look(&mut self) {
        let taken = now_ns();
        self.seen = Fingerprint::stat_only(&self.file).ok().flatten().filter(|print| !print.is_racy(taken));
    }

    fn forget_look(&mut self) {
        self.seen = None;
    }

    fn remember(&mut self) -> Result<(), SourceError> {
        let now = Fingerprint::stat_only(&self.file).ok().flatten();
        // A log that is gone by now is in the file, as it was when the file was looked at; otherwise the file would look otherwise.
        let still = self.seen.take().and_then(|seen| {
            let without = Fingerprint { wal: None, ..seen };
            now.filter(|now| now.matches(&seen) || now.matches(&without))
        });
        self.publish(still)?;
        self.ahead = false;
        Ok(())
    }
}
