//! Turns ingested pages into the next storage commit of a volume.
//!
//! Order, each step durable before the next: segment (pages, commit, maps), pack (objects), index tail. A crash in
//! between leaves files that nobody refers to, and the log as it was. All of it happens under the repository lock,
//! which the caller proves with a `&FileLock`; the pages were written before, without it.

use super::Store;
use super::entries::{Entry, Keyspace, LogEntry, MapPlace, ObjectPlace, Placement, VolumeRecord};
use super::error::{Result, StoreError};
use super::ingest::Ingested;
use super::open_snapshot::OpenSnapshot;
use super::segment_writer::SegmentWriter;
use super::{pack, paths, writer};
use crate::model::gid::PackId;
use crate::model::page_map::{self, MapChunk, PageMap};
use crate::model::{
    ChunkId, FileKind, LogId, Lsn, Object, ObjectId, PageIdx, RawObject, Snapshot, StorageCommit, VolumeId, cbor, page,
};
use crate::util::lock::FileLock;
use crate::util::random;

/// Storage commits that a snapshot lists at the most; the next one is a checkpoint.
pub const MAX_LISTED: usize = 64;

/// What an operation adds to the store; nothing is visible before [`Transaction::publish`].
pub struct Transaction<'a> {
    store: &'a Store,
    _lock: &'a FileLock,
    entries: Vec<Entry>,
    objects: Vec<RawObject>,
}

/// The new state of a file, as the caller knows it.
pub struct NewState<'a> {
    /// The volume.
    pub volume: VolumeId,
    /// What the file is.
    pub kind: FileKind,
    /// Bytes of the file.
    pub byte_len: u64,
    /// The state it was compared with.
    pub base: Option<&'a OpenSnapshot>,
}

impl<'a> Transaction<'a> {
    /// Starts an operation under the repository lock, from what other processes have published until now.
    pub fn new(store: &'a Store, lock: &'a FileLock) -> Result<Self> {
        store.index().refresh()?;
        Ok(Self { store, _lock: lock, entries: Vec::new(), objects: Vec::new() })
    }

    /// Returns the store.
    pub(super) fn store(&self) -> &Store {
        self.store
    }

    /// Adds entries for the index.
    pub(super) fn record(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.entries.extend(entries);
    }

    /// Adds an object and returns its id.
    pub fn add_object<T: Object>(&mut self, value: &T) -> ObjectId {
        let raw = value.to_raw();
        let id = raw.id();
        self.objects.push(raw);
        id
    }

    /// Appends a storage commit with the ingested pages and returns the snapshot of the new state, which is not yet
    /// an object. Without a change in pages or length this is a fork: the base's ranges under the new volume.
    pub fn append(&mut self, state: NewState<'_>, ingested: Ingested) -> Result<Snapshot> {
        let page_count = page::pages_for(state.byte_len).ok_or(StoreError::TooLarge { byte_len: state.byte_len })?;
        let old = state.base.map(OpenSnapshot::snapshot);
        let unchanged = ingested.writer.is_none() && old.map_or(0, |o| o.byte_len) == state.byte_len;
        let mut snapshot = Snapshot {
            volume: state.volume,
            kind: state.kind,
            page_count,
            byte_len: state.byte_len,
            ranges: old.map(|o| o.ranges.clone()).unwrap_or_default(),
        };
        if unchanged {
            return Ok(snapshot);
        }
        let mut writer = match ingested.writer {
            Some(writer) => writer,
            None => SegmentWriter::create(self.store.dir())?,
        };
        let written = writer.seal()?;
        let head = old.and_then(Snapshot::head);
        let (log, lsn) = self.next_position(state.volume, head.map(|(log, lsn, _)| (log, lsn)))?;
        let mut commit = StorageCommit {
            log,
            lsn,
            parent: head.map(|(_, _, hash)| hash),
            page_count,
            byte_len: state.byte_len,
            pages: written.pages,
            content: written.content,
            checkpoint: None,
            time: random::unix_ms() as i64,
        };
        let placement = Placement { segment: writer.id(), first_rank: 0 };
        let mut maps = Vec::new();
        if let Some(base) = state.base
            && !commit.is_base()
            && base.snapshot().commit_count() >= MAX_LISTED
        {
            commit.checkpoint = Some(build_map(base, &commit, &mut maps)?.id());
        }
        let hash = commit.hash();
        snapshot.ranges = match old {
            Some(old) if !commit.is_base() => old.ranges_with(log, lsn, hash),
            _ => Snapshot { ranges: Vec::new(), ..snapshot.clone() }.ranges_with(log, lsn, hash),
        };
        let places = writer.finish(commit.clone(), state.volume, maps)?;
        let segment = placement.segment;
        tracing::debug!(volume = %state.volume, %log, %lsn, %segment, pages = commit.pages.len(), "appended");
        self.entries.extend(places.iter().map(|(id, section)| Entry::map(id, MapPlace(segment, *section))));
        self.entries.push(Entry::log(&LogEntry { commit, volume: state.volume, placement }));
        self.entries.push(Entry::volume(state.volume, VolumeRecord { log, head: lsn }));
        Ok(snapshot)
    }

    /// Makes everything durable and findable. Refs and the index may name it from now on.
    pub fn publish(mut self) -> Result<()> {
        if !self.objects.is_empty() {
            let id = PackId::new(random::unix_ms(), random::bytes());
            let index =
                pack::write(&self.objects, &self.store.dir().join(paths::TMP), &paths::pack(self.store.dir(), id))?;
            self.entries.extend(index.objects.iter().map(|(object, s)| Entry::object(*object, ObjectPlace(id, *s))));
        }
        self.store.index().publish(&self.entries)
    }

    /// Continues the volume's log if the base is its newest commit, else starts a new log.
    pub(super) fn next_position(&self, volume: VolumeId, head: Option<(LogId, Lsn)>) -> Result<(LogId, Lsn)> {
        let record = self.store.volume(volume)?;
        let fresh = LogId::new(random::unix_ms(), random::bytes());
        // Asked for new logs as well: whoever copies this folder from now on is recognised.
        let is_ours = writer::may_continue(self.store.dir(), record.map_or(fresh, |r| r.log))?;
        let continued = match (record, head) {
            (Some(r), Some(head)) if is_ours && (r.log, r.head) == head => r.head.next().map(|next| (r.log, next)),
            _ => None,
        };
        // Positions already handed out in this operation are not in the index yet.
        let taken =
            |log: LogId| self.entries.iter().any(|e| e.keyspace == Keyspace::Log && e.key.starts_with(log.as_bytes()));
        Ok(match continued {
            Some((log, lsn)) if !taken(log) => (log, lsn),
            _ => (fresh, Lsn::FIRST),
        })
    }
}

/// Builds the page map as of `commit`: pages it wrote name the commit itself, by position alone, because its hash
/// depends on the map; readers find those pages in the commit before they look into the map.
pub(super) fn build_map(
    base: &OpenSnapshot,
    commit: &StorageCommit,
    maps: &mut Vec<([u8; 32], Vec<u8>)>,
) -> Result<PageMap> {
    base.prepare_scan()?;
    let base_chunks = base.map().map(|m| m.chunks.as_slice()).unwrap_or_default();
    let mut touched = commit.pages.clone();
    for newer in base.commits() {
        touched.union_with(&newer.commit.pages);
    }
    let chunk_count = commit.page_count.div_ceil(page_map::CHUNK_PAGES) as usize;
    // What a shrink once cut off must not come back, so chunks beyond the smallest size since the map are made anew.
    let floor = base.commits().iter().map(|c| c.commit.page_count).min().unwrap_or(0);
    let mut chunks: Vec<ChunkId> = Vec::with_capacity(chunk_count);
    for number in 0..chunk_count {
        let first = number as u32 * page_map::CHUNK_PAGES + 1;
        let last = (first - 1 + page_map::CHUNK_PAGES).min(commit.page_count);
        let first_page = PageIdx::new(first).expect("pages count from 1");
        let is_touched = touched.iter_from(first_page).next().is_some_and(|p| p.get() <= last);
        let whole_before = last == (first - 1 + page_map::CHUNK_PAGES) && last <= floor;
        if let (Some(id), false, true) = (base_chunks.get(number), is_touched, whole_before) {
            chunks.push(*id);
            continue;
        }
        let mut origins = Vec::with_capacity((last - first + 1) as usize);
        for n in first..=last {
            let page = PageIdx::new(n).expect("pages count from 1");
            origins.push(match commit.pages.contains(page) {
                true => None,
                false => base.origin(page)?.map(|c| c.origin()),
            });
        }
        let chunk = MapChunk::new(origins);
        chunks.push(chunk.id());
        maps.push((*chunk.id().as_bytes(), cbor::encode(&chunk)));
    }
    let map = PageMap { chunks };
    maps.push((*map.id().as_bytes(), cbor::encode(&map)));
    Ok(map)
}
