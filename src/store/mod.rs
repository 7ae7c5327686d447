//! The LSN storage log: segments, packs, the index that finds things in them, and snapshots over it all.
//!
//! Knows nothing of SQLite, refs or branches: it versions volumes of plain pages.
//!
//! ```
//! use graft::model::{FileKind, PageIdx, PAGE_SIZE};
//! use graft::store::{NewState, OpenSnapshot, Purpose, Store, StoreOptions, Transaction, read_page};
//!
//! let dir = tempfile::tempdir()?;
//! let store = Store::create(dir.path(), StoreOptions::default())?;
//! let lock = store.lock()?;
//!
//! // Write page 1000 of an empty volume: its page count becomes 1000.
//! let page = PageIdx::new(1000).expect("from 1");
//! let mut ingest = store.ingest(None, None, Purpose::Store)?;
//! let _ = ingest.push(page, vec![7; PAGE_SIZE]);
//! let mut tx = Transaction::new(&store, &lock)?;
//! let byte_len = 1000 * PAGE_SIZE as u64;
//! let state = NewState { volume: store.new_volume_id(), kind: FileKind::Opaque, byte_len, base: None };
//! let snapshot = tx.append(state, ingest.finish()?)?;
//! let id = tx.add_object(&snapshot);
//! tx.publish()?;
//!
//! let open = store.open_snapshot(store.object(&id)?.decode()?)?;
//! assert_eq!(open.snapshot().page_count, 1000);
//! assert_eq!(read_page(&open, page)?, [7; PAGE_SIZE]);
//! assert_eq!(read_page(&open, PageIdx::FIRST)?, [0; PAGE_SIZE]);
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```

mod append;
mod batch;
mod container;
mod entries;
mod error;
#[cfg(test)]
mod fuzz;
mod heads;
mod heal;
mod index;
mod ingest;
mod inspect;
mod lazy;
mod open_snapshot;
mod pack;
mod page_diff;
mod paths;
mod presence;
mod rebuild;
pub mod remote;
pub mod replica;
mod segment;
mod segment_merge;
mod segment_writer;
mod shelf;
mod shelf_check;
mod shelf_reader;
mod tail;
#[cfg(test)]
mod tests;
mod verify;
mod volume;
mod volumes;
mod writer;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use lru::LruCache;

pub use append::{MAX_LISTED, NewState, Transaction};
pub use batch::Batch;
pub use entries::{Placement, VolumeRecord};
pub use error::{Result, StoreError};
pub use ingest::{Ingest, Ingested, Purpose, SamePage1};
pub use inspect::{LoggedCommit, SegmentInfo, StorageLog};
pub use open_snapshot::{LoadedCommit, OpenSnapshot, read_page};
pub use page_diff::differing_pages;
pub use presence::PagesHere;
pub use shelf::OnWait;
pub use verify::{Finding, Verified};
pub use volume::{Volume, VolumeReader, VolumeWriter};
pub use volumes::{PageRuns, VolumeError, VolumeState, page_run};

use crate::model::page_map::{MapChunk, Origin, PageMap};
use crate::model::{
    ChunkId, CommitHash, IdPrefix, LogId, Lsn, ObjectId, PageMapId, RawObject, SegmentId, Snapshot, VolumeId, cbor,
};
use crate::util::lock::FileLock;
use crate::util::{fs as durable, random};
use container::Pieces;
use entries::{Keyspace, LogEntry, MapPlace, ObjectPlace, log_key};
use index::Index;
use lazy::LazyFile;
pub use lazy::SegmentSource;
use segment::Segment;

/// Decompressed frames kept in memory (64 KiB each).
const FRAMES_KEPT: usize = 160;
/// Open segments kept.
const SEGMENTS_KEPT: usize = 128;
/// Page maps kept in memory: 32 bytes per 4 MiB of a file each.
const MAPS_KEPT: usize = 4;
/// Page map chunks kept in memory.
const CHUNKS_KEPT: usize = 256;

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// How long to wait for other processes.
    pub lock_timeout: Duration,
    /// Receives what the user should know: whom we wait for, that the index is rebuilt.
    pub on_notice: OnWait,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { lock_timeout: Duration::from_secs(30), on_notice: Arc::new(|_| ()) }
    }
}

/// The store of a repository; a cheap handle that may be cloned and shared between threads.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

type Frame = Arc<Vec<u8>>;

struct Inner {
    dir: PathBuf,
    options: StoreOptions,
    index: Index,
    commits: Mutex<HashMap<CommitHash, Arc<LoadedCommit>>>,
    maps: Mutex<LruCache<PageMapId, PageMap>>,
    chunks: Mutex<LruCache<ChunkId, Arc<Vec<Option<Origin>>>>>,
    segments: Mutex<LruCache<SegmentId, Arc<Segment>>>,
    frames: Mutex<LruCache<(SegmentId, usize), Frame>>,
    /// Where pieces of segments come from that are not here.
    source: OnceLock<Arc<dyn SegmentSource>>,
    /// Segments in pieces of which something was damaged, and which are fetched once more.
    refetched: Mutex<HashSet<SegmentId>>,
}

impl Store {
    /// Creates the folders of a store in `dir` (`.graft`) and opens it; what is there already stays.
    pub fn create(dir: &Path, options: StoreOptions) -> Result<Self> {
        create_folders(dir)?;
        Self::open(dir, options)
    }

    /// Opens the store in `dir` (`.graft`).
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self> {
        let cache = |n| NonZeroUsize::new(n).expect("not zero");
        Ok(Self(Arc::new(Inner {
            dir: dir.to_owned(),
            index: Index::open(dir, options.lock_timeout, options.on_notice.clone())?,
            options,
            commits: Mutex::default(),
            maps: Mutex::new(LruCache::new(cache(MAPS_KEPT))),
            chunks: Mutex::new(LruCache::new(cache(CHUNKS_KEPT))),
            segments: Mutex::new(LruCache::new(cache(SEGMENTS_KEPT))),
            frames: Mutex::new(LruCache::new(cache(FRAMES_KEPT))),
            source: OnceLock::new(),
            refetched: Mutex::default(),
        })))
    }

    /// Obtains the repository lock, which everything that changes the repository needs.
    pub fn lock(&self) -> Result<FileLock> {
        let lock = FileLock::acquire(&self.0.dir.join("lock"), self.0.options.lock_timeout, &|holder| {
            (self.0.options.on_notice)(&format!("waiting for the repository, which is held by {holder}"));
        })?;
        create_folders(&self.0.dir)?;
        let tmp = self.0.dir.join(paths::TMP);
        durable::remove_stale(&tmp).map_err(StoreError::io("clean", &tmp))?;
        Ok(lock)
    }

    /// Obtains the repository lock only if nobody holds it now.
    pub fn try_lock(&self) -> Result<Option<FileLock>> {
        Ok(FileLock::try_acquire(&self.0.dir.join("lock"))?)
    }

    /// Returns the repository folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Makes an id for a new volume.
    pub fn new_volume_id(&self) -> VolumeId {
        VolumeId::new(random::unix_ms(), random::bytes())
    }

    /// Lets go of the index while something slow happens.
    pub fn release(&self) {
        self.0.index.close();
    }

    /// Lets other processes have the index if it has been in use here for a while: between the steps of long work that goes back to it
    /// at every step, as opening it again costs more than the step.
    pub fn give_way(&self) {
        self.0.index.give_way();
    }

    /// Sets the index aside and makes a new one from the files.
    pub fn rebuild_index(&self) -> Result<()> {
        self.0.index.rebuild("as asked")
    }

    /// Reads and verifies an object that something refers to.
    pub fn object(&self, id: &ObjectId) -> Result<RawObject> {
        let Some(value) = self.0.index.get_needed(Keyspace::Objects, id.as_bytes())? else {
            return Err(StoreError::MissingObject(*id));
        };
        let ObjectPlace(pack, section) = self.index_value(&value)?;
        let path = paths::pack(&self.0.dir, pack);
        pack::read(&path, *id, section)?.ok_or(StoreError::MissingObject(*id))
    }

    /// Tells whether the store knows an object; it may yet prove damaged.
    pub fn has_object(&self, id: &ObjectId) -> Result<bool> {
        Ok(self.0.index.get(Keyspace::Objects, id.as_bytes())?.is_some())
    }

    /// Tells whether all files have been read for something that the index did not know.
    #[cfg(test)]
    pub fn has_searched(&self) -> bool {
        self.0.index.has_searched()
    }

    /// Returns the ids that begin with a prefix, sorted; at most 64 from either part of the index.
    pub fn objects_with_prefix(&self, prefix: &IdPrefix) -> Result<Vec<ObjectId>> {
        let id_of = |key: &[u8]| key.try_into().ok().map(ObjectId::from_bytes);
        let wanted = |key: &[u8]| id_of(key).is_some_and(|id| prefix.matches(&id));
        let look = || self.0.index.range(Keyspace::Objects, prefix.lowest().as_bytes(), &wanted);
        let mut found = look()?;
        if found.is_empty() && self.0.index.search(Keyspace::Objects, &wanted)? {
            found = look()?;
        }
        Ok(found.iter().filter_map(|(key, _)| id_of(key)).collect())
    }

    /// Opens a snapshot for reading.
    pub fn open_snapshot(&self, snapshot: Snapshot) -> Result<OpenSnapshot> {
        OpenSnapshot::open(self, snapshot)
    }

    /// Starts taking in the pages of a file; see [`Ingest::start`].
    pub fn ingest(
        &self,
        base: Option<Arc<OpenSnapshot>>,
        same_page1: Option<SamePage1>,
        purpose: Purpose,
    ) -> Result<Ingest> {
        Ingest::start(self, base, same_page1, purpose)
    }

    /// Returns the writable end of a volume.
    pub fn volume(&self, id: VolumeId) -> Result<Option<VolumeRecord>> {
        match self.0.index.get(Keyspace::Volumes, id.as_bytes())? {
            Some(value) => self.index_value(&value).map(Some),
            None => Ok(None),
        }
    }

    fn index(&self) -> &Index {
        &self.0.index
    }

    fn load_commit(&self, origin: &Origin) -> Result<Arc<LoadedCommit>> {
        if let Some(commit) = lock(&self.0.commits).get(&origin.commit) {
            return Ok(Arc::clone(commit));
        }
        let value = self.0.index.get_needed(Keyspace::Log, &log_key(origin.log, origin.lsn))?;
        let value = value.ok_or(StoreError::MissingCommit { log: origin.log, lsn: origin.lsn })?;
        let entry: LogEntry = self.index_value(&value)?;
        let commit = Arc::new(LoadedCommit::verify(entry, origin)?);
        lock(&self.0.commits).insert(origin.commit, Arc::clone(&commit));
        Ok(commit)
    }

    /// Returns the entry of a storage commit, verified against the hash that names it; `None` if it is not known here.
    fn log_entry(&self, origin: &Origin) -> Result<Option<LogEntry>> {
        let Some(entry) = self.log_entry_at(origin.log, origin.lsn)? else { return Ok(None) };
        LoadedCommit::verify(entry.clone(), origin)?;
        Ok(Some(entry))
    }

    /// Returns the entry of the storage commit at a position, whatever its hash.
    fn log_entry_at(&self, log: LogId, lsn: Lsn) -> Result<Option<LogEntry>> {
        match self.0.index.get(Keyspace::Log, &log_key(log, lsn))? {
            Some(value) => self.index_value(&value).map(Some),
            None => Ok(None),
        }
    }

    fn load_map(&self, id: PageMapId) -> Result<PageMap> {
        if let Some(map) = lock(&self.0.maps).get(&id) {
            return Ok(map.clone());
        }
        let map = self.sound_map(id.as_bytes(), |bytes| {
            let map: PageMap = cbor::decode(bytes).map_err(|e| self.damaged_map(&id, &e.to_string()))?;
            if map.id() == id { Ok(map) } else { Err(self.damaged_map(&id, "its bytes do not match its id")) }
        })?;
        lock(&self.0.maps).put(id, map.clone());
        Ok(map)
    }

    fn load_chunk(&self, id: ChunkId) -> Result<Arc<Vec<Option<Origin>>>> {
        if let Some(chunk) = lock(&self.0.chunks).get(&id) {
            return Ok(Arc::clone(chunk));
        }
        let origins = Arc::new(self.sound_map(id.as_bytes(), |bytes| {
            let chunk: MapChunk = cbor::decode(bytes).map_err(|e| self.damaged_map(&id, &e.to_string()))?;
            let origins = (chunk.id() == id).then(|| chunk.unpack()).flatten();
            origins.ok_or_else(|| self.damaged_map(&id, "its bytes do not match its id"))
        })?);
        lock(&self.0.chunks).put(id, Arc::clone(&origins));
        Ok(origins)
    }

    /// Drops what is kept in memory of a commit whose place has changed.
    fn forget(&self, commit: &LoadedCommit) {
        lock(&self.0.commits).remove(&commit.hash);
        lock(&self.0.segments).pop(&commit.placement.segment);
    }

    fn map_bytes(&self, id: &[u8; 32]) -> Result<Vec<u8>> {
        let missing = || StoreError::MissingMap(blake3::Hash::from_bytes(*id).to_hex().to_string());
        let value = self.0.index.get_needed(Keyspace::Maps, id)?.ok_or_else(missing)?;
        let MapPlace(segment, section) = self.index_value(&value)?;
        self.open_segment(segment)?.ok_or_else(missing)?.map_bytes(section)
    }

    /// Reads a page map or a chunk; one that came damaged from a remote is fetched once more.
    fn sound_map<T>(&self, id: &[u8; 32], read: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
        match self.map_bytes(id).and_then(|bytes| read(&bytes)) {
            Err(error) if error.is_damage() => {
                let value = self.0.index.get(Keyspace::Maps, id)?;
                let place = value.map(|value| self.index_value::<MapPlace>(&value)).transpose()?;
                match place.is_some_and(|MapPlace(segment, _)| self.refetch(segment)) {
                    true => read(&self.map_bytes(id)?),
                    false => Err(error),
                }
            }
            other => other,
        }
    }

    /// Forgets what is here of a segment in pieces, of which something is damaged, so that it is fetched once more. Only once, and only
    /// if its remote answers: what is here may be all there is. Returns whether it is worth reading again.
    fn refetch(&self, id: SegmentId) -> bool {
        let Some(source) = self.source().filter(|_| self.is_in_pieces(id)) else { return false };
        if lock(&self.0.refetched).contains(&id) || source.read(id, 0..1).is_err() {
            return false;
        }
        lock(&self.0.refetched).insert(id);
        tracing::info!(%id, "a piece is damaged and fetched again");
        let is_gone = LazyFile::discard(&self.0.dir, id).is_ok();
        self.forget_segment(id);
        let mut frames = lock(&self.0.frames);
        let stale: Vec<_> = frames.iter().map(|(key, _)| *key).filter(|(segment, _)| *segment == id).collect();
        stale.iter().for_each(|key| drop(frames.pop(key)));
        is_gone
    }

    /// Does it for the segment that an error is about.
    fn refetch_damaged(&self, error: &StoreError) -> bool {
        match error {
            StoreError::DamagedPage { segment, .. } => self.refetch(*segment),
            StoreError::Damaged { path, .. } => rebuild::file_id(path).is_some_and(|segment| self.refetch(segment)),
            _ => false,
        }
    }

    fn segment(&self, commit: &LoadedCommit) -> Result<Arc<Segment>> {
        let id = commit.placement.segment;
        self.open_segment(id)?.ok_or(StoreError::MissingSegment {
            segment: id,
            log: commit.commit.log,
            lsn: commit.commit.lsn,
        })
    }

    /// Opens a segment of which only pieces are here.
    fn open_pieces(&self, id: SegmentId) -> Result<Option<Segment>> {
        match self.open_pieces_as_they_are(id) {
            Err(error) if error.is_damage() && self.refetch(id) => self.open_pieces_as_they_are(id),
            other => other,
        }
    }

    fn open_pieces_as_they_are(&self, id: SegmentId) -> Result<Option<Segment>> {
        let Some(file) = LazyFile::open(&self.0.dir, id)? else { return Ok(None) };
        let pieces = Pieces { file: Arc::new(file), dir: self.0.dir.clone(), source: self.source() };
        Segment::in_pieces(id, &paths::lazy(&self.0.dir, id), pieces).map(Some)
    }

    /// Returns where pieces of segments come from that are not here.
    pub fn source(&self) -> Option<Arc<dyn SegmentSource>> {
        self.0.source.get().map(Arc::clone)
    }

    /// Drops what is kept in memory of a segment.
    fn forget_segment(&self, id: SegmentId) {
        lock(&self.0.segments).pop(&id);
    }

    /// Tells whether only pieces of a segment are here.
    fn is_in_pieces(&self, id: SegmentId) -> bool {
        !paths::segment(&self.0.dir, id).exists() && paths::lazy(&self.0.dir, id).exists()
    }

    /// Says where pieces of segments come from that are not here; once.
    pub fn fetch_missing_from(&self, source: Arc<dyn SegmentSource>) {
        let _ = self.0.source.set(source);
    }

    fn open_segment(&self, id: SegmentId) -> Result<Option<Arc<Segment>>> {
        if let Some(segment) = lock(&self.0.segments).get(&id) {
            return Ok(Some(Arc::clone(segment)));
        }
        let segment = match Segment::open(id, &paths::segment(&self.0.dir, id))? {
            Some(segment) => segment,
            None => match self.open_pieces(id)? {
                Some(segment) => segment,
                None => return Ok(None),
            },
        };
        let segment = Arc::new(segment);
        lock(&self.0.segments).put(id, Arc::clone(&segment));
        Ok(Some(segment))
    }

    fn frame(&self, segment: &Arc<Segment>, number: usize) -> Result<Arc<Vec<u8>>> {
        let key = (segment.id(), number);
        if let Some(frame) = lock(&self.0.frames).get(&key) {
            return Ok(Arc::clone(frame));
        }
        let frame = Arc::new(segment.frame(number)?);
        lock(&self.0.frames).put(key, Arc::clone(&frame));
        Ok(frame)
    }

    fn missing(&self, commit: &LoadedCommit) -> StoreError {
        StoreError::MissingCommit { log: commit.commit.log, lsn: commit.commit.lsn }
    }

    fn damaged_map(&self, id: &dyn std::fmt::Display, what: &str) -> StoreError {
        StoreError::damaged(&self.0.dir.join(paths::SEGMENTS), format!("page map {id}: {what}"))
    }

    /// Decodes a value of the index; a damaged one says so.
    fn index_value<T: serde::Serialize + serde::de::DeserializeOwned>(&self, value: &[u8]) -> Result<T> {
        cbor::decode(value).map_err(|e| StoreError::damaged(&self.0.dir.join("store"), e.to_string()))
    }
}

/// Creates the folders of a store; those that are there already stay.
fn create_folders(dir: &Path) -> Result<()> {
    for folder in [paths::SEGMENTS, paths::PACKS, paths::TMP] {
        let path = dir.join(folder);
        durable::create_dir_all(&path).map_err(StoreError::io("create", &path))?;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
