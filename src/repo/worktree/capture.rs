//! Captures a worktree file: streams it, through SQLite or plainly, into the store, which keeps what differs.
//!
//! Runs without the repository lock. The fingerprint is taken before the first byte is read, so a write that comes
//! later shows as a change afterwards. What is captured is one state that one file had: a path that names another file by the time
//! it is opened, and writes without SQLite's locks, are noticed, and then the file is read again.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::model::page::ZERO_PAGE;
use crate::model::{FileKind, FileMode, PAGE_SIZE, PageHash, PageIdx, RepoPath, Snapshot};
use crate::repo::error::{RepoError, Result};
use crate::repo::state::fingerprint::Fingerprint;
use crate::repo::state::index::IndexEntry;
use crate::repo::state::monitor::Work;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::types::Warning;
use crate::repo::{Repository, now_ns};
use crate::sqlite::FileId;
use crate::sqlite::capture::{CHUNK_LEN, ScanChunk, ScanOptions, scan};
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::error::DatabaseError;
use crate::sqlite::header::same_but_volatile;
use crate::sqlite::sidecars::is_named_like_database;
use crate::store::{Ingest, Ingested, OpenSnapshot, Purpose, StoreError, differing_pages};
use crate::util::interrupt;
use crate::util::stamp::{self, WORTH_WAITING};

/// How often a file is read again that is written or replaced while it is read, and how long after.
const RETRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(25);

/// A captured file.
pub struct Captured {
    /// What it is.
    pub kind: FileKind,
    /// Its permission.
    pub mode: FileMode,
    /// Bytes of its state.
    pub byte_len: u64,
    /// What it looked like from outside, if that can be trusted later.
    pub fingerprint: Option<Fingerprint>,
    /// The state it was compared with.
    pub base: Option<Arc<OpenSnapshot>>,
    /// The pages that differ from it.
    pub ingested: Ingested,
    /// The state itself, where it is stored already: that of a file that is not materialized.
    pub kept: Option<Snapshot>,
    /// The state itself, where an SQL session has stored it already.
    pub known: Option<Snapshot>,
    /// The state that it was compared with is not the one of the entry, but a later one.
    pub beyond: bool,
    /// Something the user should know.
    pub warning: Option<Warning>,
}

/// How a file is captured.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Store what differs, or only look whether anything does.
    pub purpose: Purpose,
    /// Take it byte for byte, whatever it is.
    pub opaque: bool,
}

impl Captured {
    /// Tells whether content and kind are those of the base.
    pub fn is_unchanged(&self) -> bool {
        let same = |base: &Arc<OpenSnapshot>| is_same(base, self.kind, self.byte_len, &self.ingested);
        !self.beyond && self.base.as_ref().is_some_and(same)
    }
}

impl Repository {
    /// Captures the file at `path` and compares it with the snapshot of `entry`; a path without an entry with that of
    /// a file in `copies_of` which it seems to be a copy of. `None` if there is no file.
    pub fn capture(
        &self,
        path: &RepoPath,
        entry: Option<&IndexEntry>,
        copies_of: &[IndexEntry],
        how: How,
    ) -> Result<Option<Captured>> {
        let file = self.file_of(path);
        let mut failure = RepoError::KeepsChanging(path.clone());
        for attempt in 0..RETRIES {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            let Some((print, trusted)) = settled_print(&file, false)? else {
                let volume = self.unmaterialized(path)?;
                return volume.map(|now| self.capture_volume(now, entry)).transpose();
            };
            if attempt == 0 && print.size == 0 && entry.is_some_and(|e| e.byte_len > 0) && how.purpose == Purpose::Store
            {
                // Somebody may be about to write it anew.
                continue;
            }
            match self.capture_file(path, &file, (print, trusted), entry, copies_of, how) {
                Ok(Some(captured)) => return Ok(Some(captured)),
                Ok(None) => {}
                Err(e) if may_pass(&e, &file, &print) => failure = e,
                Err(e) => return Err(e),
            }
        }
        Err(failure)
    }

    /// Captures a file that looks like `print`; `None` if what was read is no state of one file, because another program wrote
    /// to it or put another one in its place.
    fn capture_file(
        &self,
        path: &RepoPath,
        file: &Path,
        (print, trusted): (Fingerprint, bool),
        entry: Option<&IndexEntry>,
        copies_of: &[IndexEntry],
        how: How,
    ) -> Result<Option<Captured>> {
        let (kind, warning) = kind_of(path, file, entry, how.opaque)?;
        if entry.is_some_and(|e| e.kind == FileKind::Sqlite)
            && (kind, how.purpose, how.opaque) == (FileKind::Opaque, Purpose::Store, false)
        {
            let path = file.to_owned();
            return Err(match print.size {
                0 => DatabaseError::Emptied { path },
                _ => DatabaseError::NotADatabase { path },
            }
            .into());
        }
        let last = match entry {
            Some(entry) if (kind, entry.kind, how.opaque) == (FileKind::Sqlite, FileKind::Sqlite, false) => {
                self.last_state(entry.volume)
            }
            _ => None,
        };
        let mut base = match entry {
            Some(entry) => self.readable_base(entry)?,
            None => self.copied_from(file, kind, print.size, copies_of)?,
        };
        let mut beyond = false;
        if let (Some(last), Some(entry), Some(staged)) = (last, entry, &base) {
            if last.fingerprint.as_ref().is_some_and(|known| print.matches(known))
                && let Some(captured) =
                    self.as_remembered(file, last.snapshot.clone(), staged, trusted.then_some(print))?
            {
                return Ok(Some(captured));
            }
            // A session that ended early: its states are gone on from, so that only what came later is stored.
            if last.staged == entry.snapshot
                && how.purpose == Purpose::Store
                && let Some(later) = self.readable(last.snapshot)
            {
                (base, beyond) = (Some(later), true);
            }
        }
        self.store().release();
        let result = self.stream(file, kind, base.clone(), how.purpose);
        let (kind, streamed) = match result {
            // A file tracked byte for byte because SQLite cannot read it stays so.
            Err(RepoError::Database(e)) if entry.is_some_and(|e| e.kind == FileKind::Opaque) && e.is_unreadable() => {
                (FileKind::Opaque, self.stream(file, FileKind::Opaque, base.clone(), how.purpose)?)
            }
            other => (kind, other?),
        };
        let Streamed { byte_len, ingested, file: read, is_as_read } = streamed;
        if !is_as_read {
            return Ok(None);
        }
        // What was read is one state of one file, but that need not be the one that was looked at.
        let is_same_file = read == FileId { dev: print.dev, inode: print.inode };
        Ok(Some(Captured {
            kind,
            mode: file_mode(file)?,
            byte_len,
            fingerprint: (trusted && is_same_file).then_some(print),
            known: base
                .as_ref()
                .filter(|b| beyond && is_same(b, kind, byte_len, &ingested))
                .map(|b| b.snapshot().clone()),
            base,
            ingested,
            kept: None,
            beyond,
            warning,
        }))
    }

    /// Describes a file that has a state stored by an SQL session, without reading it. `None` if that state cannot be read.
    fn as_remembered(
        &self,
        file: &Path,
        snapshot: Snapshot,
        staged: &Arc<OpenSnapshot>,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Option<Captured>> {
        let Some(open) = self.readable(snapshot) else { return Ok(None) };
        let mut changed = differing_pages(staged, &open)?;
        if changed.contains(PageIdx::FIRST) && staged.snapshot().page_count > 0 {
            let (mut old, mut new) = (ZERO_PAGE, ZERO_PAGE);
            staged.read(PageIdx::FIRST, &mut old)?;
            open.read(PageIdx::FIRST, &mut new)?;
            if same_but_volatile(&old, &new) {
                changed.remove(PageIdx::FIRST);
            }
        }
        tracing::debug!(file = %file.display(), changed = changed.len(), "remembered");
        Ok(Some(Captured {
            kind: FileKind::Sqlite,
            mode: file_mode(file)?,
            byte_len: open.snapshot().byte_len,
            fingerprint,
            base: Some(Arc::clone(staged)),
            ingested: Ingested { writer: None, changed },
            kept: None,
            known: Some(open.snapshot().clone()),
            beyond: false,
            warning: None,
        }))
    }

    /// Opens a state that is only a help; `None` if it cannot be read.
    fn readable(&self, snapshot: Snapshot) -> Option<Arc<OpenSnapshot>> {
        let open = self.store().open_snapshot(snapshot).ok()?;
        self.store().check_segments(&open).ok()?;
        Some(Arc::new(open))
    }

    /// Compares a file with the snapshot of an entry; a database that SQLite cannot read byte for byte, which differs.
    pub(super) fn compare_file(&self, path: &RepoPath, entry: &IndexEntry) -> Result<Option<Captured>> {
        let how = How { purpose: Purpose::Compare, opaque: false };
        match self.capture(path, Some(entry), &[], how) {
            Err(RepoError::Database(e)) if e.is_unreadable() => {
                self.capture(path, Some(entry), &[], How { opaque: true, ..how })
            }
            other => other,
        }
    }

    /// Opens the snapshot of an entry; `None`, with a notice, if the store has lost parts of it, so that adding the
    /// file again stores all of it.
    fn readable_base(&self, entry: &IndexEntry) -> Result<Option<Arc<OpenSnapshot>>> {
        let opened = self.snapshot(&entry.snapshot).map_err(RepoError::from).and_then(|snapshot| {
            let open = self.store().open_snapshot(snapshot)?;
            self.store().check_segments(&open)?;
            Ok(open)
        });
        match opened {
            Ok(open) => Ok(Some(Arc::new(open))),
            Err(e) if e.is_damage() => {
                self.monitor().notice(&format!("the stored state of '{}' cannot be read: {e}", entry.path));
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// Finds the tracked file whose content a new file has: same kind, same length, same first page.
    fn copied_from(
        &self,
        file: &Path,
        kind: FileKind,
        size: u64,
        tracked: &[IndexEntry],
    ) -> Result<Option<Arc<OpenSnapshot>>> {
        let mut first = ZERO_PAGE;
        let mut hash = None;
        for entry in tracked.iter().filter(|e| e.kind == kind && e.byte_len == size && size > 0) {
            let hash = match hash {
                Some(hash) => hash,
                None => {
                    let len = first.len().min(size as usize);
                    let read = File::open(file).and_then(|mut f| f.read_exact(&mut first[..len]));
                    read.map_err(RepoError::file("read", file))?;
                    *hash.insert(PageHash::of(&first))
                }
            };
            if let Some(base) = self.readable_base(entry)?
                && base.page_hash(PageIdx::FIRST)? == hash
            {
                return Ok(Some(base));
            }
        }
        Ok(None)
    }

    fn stream(
        &self,
        file: &Path,
        kind: FileKind,
        base: Option<Arc<OpenSnapshot>>,
        purpose: Purpose,
    ) -> Result<Streamed> {
        let same_page1 = (kind == FileKind::Sqlite).then_some(same_but_volatile as fn(&_, &_) -> _);
        let base = base.filter(|b| b.snapshot().kind == kind);
        let old_len = base.as_ref().map(|b| b.snapshot().byte_len);
        let mut ingest = self.store().ingest(base, same_page1, purpose)?;
        let work = Work::start(self.monitor(), &file.display().to_string(), None);
        let read = match kind {
            FileKind::Sqlite => self.stream_database(file, old_len, purpose, &mut ingest),
            FileKind::Opaque => self.stream_bytes(file, old_len, purpose, &mut ingest),
        };
        drop(work);
        let ingested = ingest.finish();
        // The store's failure is the cause where it made the stream stop early.
        let (Read { byte_len, file: id, is_as_read }, ingested) = (read?, ingested?);
        let changed = ingested.changed.len();
        tracing::debug!(file = %file.display(), ?kind, ?purpose, byte_len, changed, "captured");
        Ok(Streamed { byte_len, ingested, file: id, is_as_read })
    }

    fn stream_database(
        &self,
        file: &Path,
        old_len: Option<u64>,
        purpose: Purpose,
        ingest: &mut Ingest,
    ) -> Result<Read> {
        let on_wait = |holders: &crate::sqlite::holders::LockHolders| {
            self.monitor().waiting(&format!("waiting for {}, locked by {holders}", file.display()));
        };
        let options = ScanOptions { busy_timeout: self.settings().busy_timeout, on_wait: &on_wait };
        let mut interrupted = Ok(());
        let scanned = scan(file, &options, &mut |chunk| match chunk {
            ScanChunk::Start { byte_len, .. } if is_decided(byte_len, old_len, purpose) => ControlFlow::Break(()),
            ScanChunk::Start { .. } => ControlFlow::Continue(()),
            ScanChunk::Pages { first, bytes } => {
                interrupted = interrupt::check();
                if interrupted.is_err() {
                    return ControlFlow::Break(());
                }
                let full = std::mem::replace(bytes, ingest.buffer());
                self.monitor().advance(full.len() as u64);
                ingest.push(first, full)
            }
        });
        interrupted?;
        let scanned = scanned?;
        Ok(Read { byte_len: scanned.byte_len, file: scanned.file, is_as_read: true })
    }

    fn stream_bytes(&self, file: &Path, old_len: Option<u64>, purpose: Purpose, ingest: &mut Ingest) -> Result<Read> {
        let failed = |e: io::Error| RepoError::file("read", file)(e);
        let mut input = File::open(file).map_err(failed)?;
        let meta = input.metadata().map_err(failed)?;
        let mtime_ns = |meta: &fs::Metadata| stamp::nanos(meta.mtime(), meta.mtime_nsec());
        let read = |byte_len, is_as_read| Read { byte_len, file: FileId::of(&meta), is_as_read };
        if is_decided(meta.len(), old_len, purpose) {
            return Ok(read(meta.len(), true));
        }
        // Where a later write might leave the time stamps as they are, the file is read twice.
        let is_settled = stamp::is_settled(mtime_ns(&meta), now_ns());
        let mut sum = (!is_settled && meta.len() < WORTH_WAITING).then(blake3::Hasher::new);
        let mut total = 0u64;
        let mut next = Some(PageIdx::FIRST);
        loop {
            interrupt::check()?;
            let mut buffer = ingest.buffer();
            let len = (&mut input).take(CHUNK_LEN as u64).read_to_end(&mut buffer).map_err(failed)?;
            if len == 0 {
                break;
            }
            if let Some(sum) = &mut sum {
                sum.update(&buffer);
            }
            total += len as u64;
            buffer.resize(len.next_multiple_of(PAGE_SIZE), 0);
            let first = next.ok_or(StoreError::TooLarge { byte_len: total })?;
            next = PageIdx::of_offset(first.byte_offset() + buffer.len() as u64);
            self.monitor().advance(len as u64);
            if ingest.push(first, buffer).is_break() {
                return Ok(read(total, true));
            }
            if len < CHUNK_LEN {
                // What is appended now would come behind the padding; the length tells of it.
                break;
            }
        }
        let mut is_as_read = true;
        if let Some(sum) = sum {
            let mut again = blake3::Hasher::new();
            input.rewind().and_then(|()| again.update_reader(&input).map(drop)).map_err(failed)?;
            is_as_read = again.finalize() == sum.finalize();
        }
        let now = input.metadata().map_err(failed)?;
        is_as_read &= (now.len(), mtime_ns(&now)) == (total, mtime_ns(&meta));
        Ok(read(total, is_as_read))
    }
}

/// What was read of a file.
struct Read {
    byte_len: u64,
    file: FileId,
    /// It holds still what was read, as far as was to be seen to.
    is_as_read: bool,
}

/// What was read of a file, and what of it differs from its base.
struct Streamed {
    byte_len: u64,
    ingested: Ingested,
    file: FileId,
    is_as_read: bool,
}

/// Tells whether a failure may have come of a file that was being written or replaced, so that reading it again may go well.
fn may_pass(error: &RepoError, file: &Path, before: &Fingerprint) -> bool {
    match error {
        RepoError::Database(DatabaseError::Overwritten { .. } | DatabaseError::Emptied { .. }) => true,
        RepoError::Database(DatabaseError::Locked { .. } | DatabaseError::Interrupted(_)) => false,
        RepoError::Database(_) | RepoError::File { .. } => {
            !matches!(Fingerprint::stat_only(file), Ok(Some(now)) if now.matches(before))
        }
        _ => false,
    }
}

/// Tells whether a file has the kind and the content of a state.
fn is_same(state: &OpenSnapshot, kind: FileKind, byte_len: u64, found: &Ingested) -> bool {
    (state.snapshot().kind, state.snapshot().byte_len) == (kind, byte_len) && found.changed.is_empty()
}

/// When only comparing, another length already is the answer.
fn is_decided(byte_len: u64, old_len: Option<u64>, purpose: Purpose) -> bool {
    purpose == Purpose::Compare && old_len != Some(byte_len)
}

/// Takes a file's fingerprint and tells whether it can be trusted later. If the file was written just now, waits until
/// a later write would show: always if it is `worth` it, else for large files only.
pub(super) fn settled_print(file: &Path, worth: bool) -> Result<Option<(Fingerprint, bool)>> {
    let mut waited = false;
    loop {
        let taken = now_ns();
        let print = Fingerprint::take(file).map_err(RepoError::file("read", file))?;
        let Some(print) = print else { return Ok(None) };
        let racy = print.is_racy(taken);
        if !racy || waited || !(worth || print.size >= WORTH_WAITING) {
            return Ok(Some((print, !racy)));
        }
        stamp::wait(print.settles_at());
        waited = true;
    }
}

fn kind_of(
    path: &RepoPath,
    file: &Path,
    entry: Option<&IndexEntry>,
    opaque: bool,
) -> Result<(FileKind, Option<Warning>)> {
    if opaque {
        return Ok((FileKind::Opaque, None));
    }
    let named_like_one = is_named_like_database(file);
    Ok(match classify(file).map_err(RepoError::file("read", file))? {
        Detected::Sqlite(_) => (FileKind::Sqlite, None),
        // SQLite takes an empty file for an empty database; there is nothing to stream through it.
        Detected::Empty => (FileKind::Opaque, None),
        Detected::Other => {
            let known = entry.is_some_and(|e| e.kind == FileKind::Opaque);
            (FileKind::Opaque, (named_like_one && !known).then(|| Warning::NotSqlite(path.clone())))
        }
    })
}

/// Returns a file's permission.
pub fn file_mode(file: &Path) -> Result<FileMode> {
    let meta = fs::metadata(file).map_err(RepoError::file("read", file))?;
    Ok(if meta.permissions().mode() & 0o111 != 0 { FileMode::Executable } else { FileMode::Regular })
}
