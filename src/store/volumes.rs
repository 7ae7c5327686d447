//! Volumes that are no files of a worktree: their newest states, and the names people give them.
//!
//! `volumes/<VolumeId>` holds the newest state and is replaced atomically after the pages are durable, as a ref is; `volumes/tags/<name>`
//! holds a volume's id. A write that dies before the state is replaced leaves the state as it was: the next one finds that the log has
//! moved on without it and starts another log. States change under the repository lock, by expected value.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::ingest::{Ingested, Purpose};
use super::open_snapshot::OpenSnapshot;
use super::segment::FRAME_PAGES;
use super::segment_writer::{FrameCompressor, SegmentWriter};
use super::{NewState, Store, Transaction, paths};
use crate::model::{FileKind, PAGE_SIZE, PageHash, PageIdx, Snapshot, VolumeId, cbor};
use crate::util::fs as durable;
use crate::util::lock::FileLock;

/// What went wrong with a volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The storage log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No volume is called that.
    #[error("there is no volume '{0}'")]
    NotFound(String),
    /// The beginning of an id fits several.
    #[error("'{text}' fits several volumes: {}", found.join(", "))]
    Ambiguous {
        /// What was typed.
        text: String,
        /// Their ids.
        found: Vec<String>,
    },
    /// A tag cannot be called that.
    #[error("'{0}' cannot be the name of a tag: letters, digits and . _ - only, no volume's id")]
    Name(String),
    /// The tag is taken.
    #[error("the tag '{0}' names another volume")]
    Taken(String),
    /// Somebody else wrote to the volume.
    #[error("the volume {0} has been written to by somebody else")]
    Moved(VolumeId),
    /// A file of another size than its pages say.
    #[error("a volume holds 16 TiB at the most")]
    TooLarge,
}

/// The newest state of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeState {
    /// Its id.
    pub id: VolumeId,
    /// Its state; without ranges before it was written to.
    pub snapshot: Snapshot,
}

/// Bytes of a transaction up to which threads do not pay.
const FEW_BYTES: usize = 1 << 20;

/// Pages to write: runs of whole pages in page order.
pub type PageRuns = Vec<(PageIdx, Vec<u8>)>;

impl Store {
    /// Makes an empty volume.
    pub fn create_volume(&self, kind: FileKind) -> Result<VolumeId, VolumeError> {
        let lock = self.lock()?;
        let id = self.new_volume_id();
        let snapshot = Snapshot { volume: id, kind, page_count: 0, byte_len: 0, ranges: Vec::new() };
        self.save_state(&snapshot, &lock)?;
        Ok(id)
    }

    /// Makes a volume that begins with a state of another one. No page is copied.
    pub fn fork_volume(&self, from: &Snapshot) -> Result<VolumeId, VolumeError> {
        let lock = self.lock()?;
        let id = self.new_volume_id();
        self.save_state(&Snapshot { volume: id, ..from.clone() }, &lock)?;
        Ok(id)
    }

    /// Lists the volumes, in the order in which they were made.
    pub fn volumes(&self) -> Result<Vec<VolumeState>, VolumeError> {
        let mut out = Vec::new();
        for name in names_in(&self.volume_dir())? {
            if let Ok(id) = name.parse::<VolumeId>() {
                out.extend(self.volume_state(id)?);
            }
        }
        out.sort_by_key(|v| v.id);
        Ok(out)
    }

    /// Returns the newest state of a volume; `None` if there is no such volume.
    pub fn volume_state(&self, id: VolumeId) -> Result<Option<VolumeState>, VolumeError> {
        let path = self.volume_dir().join(id.to_string());
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io("read", &path)(e).into()),
        };
        let snapshot: Snapshot = unseal(&path, &bytes)?;
        if snapshot.volume != id || !snapshot.is_consistent() {
            return Err(StoreError::damaged(&path, "it describes another volume").into());
        }
        Ok(Some(VolumeState { id, snapshot }))
    }

    /// Finds a volume by its id, the beginning of one, or a tag.
    pub fn find_volume(&self, text: &str) -> Result<VolumeState, VolumeError> {
        if let Some(id) = self.volume_tags()?.get(text)
            && let Some(state) = self.volume_state(*id)?
        {
            return Ok(state);
        }
        let all = self.volumes()?;
        let mut found: Vec<VolumeState> =
            all.into_iter().filter(|v| !text.is_empty() && v.id.to_string().starts_with(text)).collect();
        match found.len() {
            0 => Err(VolumeError::NotFound(text.to_owned())),
            1 => Ok(found.remove(0)),
            _ => {
                let found = found.iter().map(|v| v.id.to_string()).collect();
                Err(VolumeError::Ambiguous { text: text.to_owned(), found })
            }
        }
    }

    /// Writes pages to a volume as one storage commit and returns its new state, durable; what `expected` says must still hold.
    /// Pages equal to what is there are left out; nothing is committed if nothing differs. The volume then has `byte_len` bytes.
    pub fn write_volume(
        &self,
        expected: &Snapshot,
        kind: FileKind,
        byte_len: u64,
        runs: PageRuns,
    ) -> Result<Snapshot, VolumeError> {
        let lock = self.lock()?;
        let id = expected.volume;
        let now = self.volume_state(id)?.ok_or_else(|| VolumeError::NotFound(id.to_string()))?;
        if now.snapshot != *expected {
            return Err(VolumeError::Moved(id));
        }
        let snapshot = self.write_upon(&lock, expected, kind, byte_len, runs)?;
        if snapshot != *expected {
            self.save_state(&snapshot, &lock)?;
        }
        Ok(snapshot)
    }

    /// Stores pages as one storage commit upon a state and returns the state that they make; the newest state of no volume changes.
    pub fn write_upon(
        &self,
        lock: &FileLock,
        expected: &Snapshot,
        kind: FileKind,
        byte_len: u64,
        runs: PageRuns,
    ) -> Result<Snapshot, VolumeError> {
        if crate::model::page::pages_for(byte_len).is_none() {
            return Err(VolumeError::TooLarge);
        }
        let base = match expected.ranges.is_empty() {
            true => None,
            false => Some(Arc::new(OpenSnapshot::open(self, expected.clone())?)),
        };
        let ingested = self.take_in(base.as_ref(), runs)?;
        let mut tx = Transaction::new(self, lock)?;
        let state = NewState { volume: expected.volume, kind, byte_len, base: base.as_deref() };
        let snapshot = tx.append(state, ingested)?;
        tx.publish()?;
        self.release();
        Ok(snapshot)
    }

    /// Takes in pages. A few are dealt with here: starting threads, and a table of all pages of the file, cost more than they do.
    fn take_in(&self, base: Option<&Arc<OpenSnapshot>>, runs: PageRuns) -> Result<Ingested, VolumeError> {
        if runs.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > FEW_BYTES {
            let mut ingest = self.ingest(base.cloned(), None, Purpose::Store)?;
            for (first, bytes) in runs {
                if ingest.push(first, bytes).is_break() {
                    break;
                }
            }
            return Ok(ingest.finish()?);
        }
        let known = base.map_or(0, |base| base.snapshot().page_count);
        let mut fresh = Vec::new();
        for (first, bytes) in &runs {
            for (number, page) in (first.get()..).zip(bytes.chunks_exact(PAGE_SIZE)) {
                let idx = PageIdx::new(number).expect("pages count from 1");
                let hash = PageHash::from_bytes(*blake3::hash(page).as_bytes());
                match base {
                    Some(base) if number <= known && base.page_hash(idx)? == hash => {}
                    _ => fresh.push((idx, hash, page)),
                }
            }
        }
        let changed = fresh.iter().map(|(idx, ..)| *idx).collect();
        if fresh.is_empty() {
            return Ok(Ingested { writer: None, changed });
        }
        let mut writer = SegmentWriter::create(self.dir())?;
        let mut compressor = FrameCompressor::new();
        for frame in fresh.chunks(FRAME_PAGES) {
            let bytes: Vec<u8> = frame.iter().flat_map(|(_, _, page)| page.iter().copied()).collect();
            let pages: Vec<_> = frame.iter().map(|(idx, hash, _)| (*idx, *hash)).collect();
            writer.add_frame(&pages, &compressor.compress(&bytes))?;
        }
        Ok(Ingested { writer: Some(writer), changed })
    }

    /// Keeps other writers of a volume out, as long as the result lives; `None` if one is at work. What only this process knows of a
    /// transaction is lost with it, and so is the lock.
    pub fn try_lock_volume(&self, id: VolumeId) -> Result<Option<FileLock>, VolumeError> {
        let path = self.lock_path(id);
        // A file that is not materialized may be the first volume of all.
        let folder = self.volume_dir();
        durable::create_dir_all(&folder).map_err(StoreError::io("create", &folder))?;
        Ok(FileLock::try_acquire(&path).map_err(StoreError::from)?)
    }

    /// Forgets a volume and its tags. Its pages stay until nothing refers to them and they are collected.
    pub fn remove_volume(&self, id: VolumeId) -> Result<(), VolumeError> {
        let _lock = self.lock()?;
        for (name, _) in self.volume_tags()?.into_iter().filter(|(_, tagged)| *tagged == id) {
            let path = self.tag_dir().join(name);
            durable::remove(&path).map_err(StoreError::io("remove", &path))?;
        }
        let state = self.volume_dir().join(id.to_string());
        let (sync, outgoing) = (self.sync_lock_path(id), self.outgoing_path(id));
        for path in [self.lock_path(id), sync, outgoing, self.pairing_path(id), state] {
            durable::remove(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }

    fn lock_path(&self, id: VolumeId) -> PathBuf {
        self.volume_dir().join(format!("{id}.lock"))
    }

    /// Names a volume; with `force` also if the name is taken.
    pub fn tag_volume(&self, name: &str, id: VolumeId, force: bool) -> Result<(), VolumeError> {
        let sound = !name.is_empty()
            && name.len() <= 200
            && !name.starts_with(['.', '-'])
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !sound || name.parse::<VolumeId>().is_ok() {
            return Err(VolumeError::Name(name.to_owned()));
        }
        let _lock = self.lock()?;
        match self.volume_tags()?.get(name) {
            Some(other) if *other != id && !force => return Err(VolumeError::Taken(name.to_owned())),
            _ => {}
        }
        self.replace_file(&self.tag_dir().join(name), format!("{id}\n").as_bytes())
    }

    /// Returns the tags and the volumes they name.
    pub fn volume_tags(&self) -> Result<BTreeMap<String, VolumeId>, VolumeError> {
        let mut out = BTreeMap::new();
        for name in names_in(&self.tag_dir())? {
            let path = self.tag_dir().join(&name);
            let text = fs::read_to_string(&path).map_err(StoreError::io("read", &path))?;
            let id = text.trim().parse().map_err(|_| StoreError::damaged(&path, "it names no volume".to_owned()))?;
            out.insert(name, id);
        }
        Ok(out)
    }

    /// Returns what people call a volume: its first tag, or its id.
    pub fn volume_label(&self, id: VolumeId) -> Result<String, VolumeError> {
        let tag = self.volume_tags()?.into_iter().find(|(_, tagged)| *tagged == id).map(|(name, _)| name);
        Ok(tag.unwrap_or_else(|| id.to_string()))
    }

    pub(super) fn save_state(&self, snapshot: &Snapshot, _lock: &FileLock) -> Result<(), VolumeError> {
        self.replace_file(&self.volume_dir().join(snapshot.volume.to_string()), &seal(snapshot))
    }

    pub(super) fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<(), VolumeError> {
        if let Some(folder) = path.parent() {
            durable::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        }
        let tmp = self.dir().join(paths::TMP);
        Ok(durable::replace(path, &tmp, bytes).map_err(StoreError::io("write", path))?)
    }

    pub(super) fn volume_dir(&self) -> PathBuf {
        self.dir().join(paths::VOLUMES)
    }

    fn tag_dir(&self) -> PathBuf {
        self.volume_dir().join("tags")
    }
}

/// Cuts bytes into whole pages from `first` on, the last one padded with zeros.
pub fn page_run(first: PageIdx, mut bytes: Vec<u8>) -> PageRuns {
    bytes.resize(bytes.len().next_multiple_of(PAGE_SIZE), 0);
    const RUN: usize = 64 * PAGE_SIZE;
    let run = |(n, part): (usize, &[u8])| {
        let page = PageIdx::new(first.get() + (n * (RUN / PAGE_SIZE)) as u32).expect("pages count from 1");
        (page, part.to_vec())
    };
    bytes.chunks(RUN).enumerate().map(run).collect()
}

/// Returns the bytes of a small file: a checksum, then the value.
pub(super) fn seal<T: Serialize>(value: &T) -> Vec<u8> {
    let body = cbor::encode(value);
    [blake3::hash(&body).as_bytes().as_slice(), &body].concat()
}

/// Reads the bytes of such a file.
pub(super) fn unseal<T: Serialize + DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    let damaged = |what: &str| StoreError::damaged(path, what.to_owned());
    let (sum, rest) = bytes.split_at_checked(32).ok_or_else(|| damaged("it is too short"))?;
    if blake3::hash(rest).as_bytes() != sum {
        return Err(damaged("its bytes do not match their checksum"));
    }
    cbor::decode(rest).map_err(|e| damaged(&e.to_string()))
}

pub(super) fn names_in(dir: &Path) -> Result<Vec<String>, StoreError> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(StoreError::io("read", dir)(e)),
    };
    let mut names = Vec::new();
    for entry in listing {
        let entry = entry.map_err(StoreError::io("read", dir))?;
        if entry.file_type().is_ok_and(|t| t.is_file()) {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort();
    Ok(names)
}
