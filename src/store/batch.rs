//! Several storage commits of one volume that become durable together: their pages share one segment.
//!
//! Pages are compressed and written, without waiting for the disk, as they come; memory holds at most one frame of them. Positions in
//! the log are given out when the batch is appended to a transaction, under the repository lock, so a batch that is dropped
//! leaves nothing, and the log no gap.

use std::sync::Arc;

use super::append::build_map;
use super::entries::{Entry, LogEntry, MapPlace, Placement, VolumeRecord};
use super::error::{Result, StoreError};
use super::segment::FRAME_PAGES;
use super::segment_writer::{FrameCompressor, SegmentWriter, WrittenPages};
use super::{LoadedCommit, MAX_LISTED, OpenSnapshot, Store, Transaction};
use crate::model::{PAGE_SIZE, PageBuf, PageHash, PageIdx, Snapshot, StorageCommit, page};
use crate::util::random;

/// Storage commits that a batch holds at the most.
const MAX_STATES: usize = 1024;

/// Storage commits on their way.
pub struct Batch {
    base: Snapshot,
    writer: SegmentWriter,
    compressor: FrameCompressor,
    /// Pages that are noted and not yet in a frame.
    frame: Vec<u8>,
    states: Vec<State>,
}

/// One storage commit, but for its position.
struct State {
    written: WrittenPages,
    byte_len: u64,
    time: i64,
}

impl Batch {
    /// Starts a batch on top of a published state.
    pub fn start(store: &Store, base: Snapshot) -> Result<Self> {
        let writer = SegmentWriter::create(store.dir())?;
        let frame = Vec::with_capacity(FRAME_PAGES * PAGE_SIZE);
        Ok(Self { base, writer, compressor: FrameCompressor::new(), frame, states: Vec::new() })
    }

    /// Tells whether another storage commit may be added.
    pub fn has_room(&self) -> bool {
        self.states.len() < MAX_STATES
    }

    /// Returns the bytes that wait for being published.
    pub fn byte_count(&self) -> u64 {
        self.writer.byte_count()
    }

    /// Adds a page of the next storage commit; pages come in ascending order.
    pub fn push(&mut self, idx: PageIdx, page: &PageBuf) -> Result<()> {
        self.writer.note_page(idx, &PageHash::of(page))?;
        self.frame.extend_from_slice(page);
        if self.frame.len() == FRAME_PAGES * PAGE_SIZE { self.end_frame() } else { Ok(()) }
    }

    /// Ends a storage commit; the file then has `byte_len` bytes.
    pub fn end(&mut self, byte_len: u64) -> Result<()> {
        if page::pages_for(byte_len).is_none() {
            return Err(StoreError::TooLarge { byte_len });
        }
        let written = self.writer.seal_one()?;
        self.states.push(State { written, byte_len, time: random::unix_ms() as i64 });
        Ok(())
    }

    fn end_frame(&mut self) -> Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let bytes = self.compressor.compress(&self.frame);
        self.writer.write_frame((self.frame.len() / PAGE_SIZE) as u32, &bytes)?;
        self.frame.clear();
        Ok(())
    }
}

impl Transaction<'_> {
    /// Appends the storage commits of a batch and returns the snapshot of the newest state, which is not yet an object.
    ///
    /// If that would list too many of them, the newest is a checkpoint; those before it are states in between, which no snapshot object
    /// needs, and have none.
    pub fn append_batch(&mut self, mut batch: Batch) -> Result<Snapshot> {
        batch.end_frame()?;
        let Batch { base, writer, states, .. } = batch;
        let (volume, segment, last) = (base.volume, writer.id(), states.len());
        let below = OpenSnapshot::open(self.store(), base.clone())?;
        let mut snapshot = base;
        let mut next = None;
        let (mut newer, mut maps) = (Vec::new(), Vec::new());
        for (nth, State { written, byte_len, time }) in states.into_iter().enumerate() {
            let head = snapshot.head();
            let (log, lsn) = match next {
                Some(position) => position,
                None => self.next_position(volume, head.map(|(log, lsn, _)| (log, lsn)))?,
            };
            let page_count = page::pages_for(byte_len).ok_or(StoreError::TooLarge { byte_len })?;
            let mut commit = StorageCommit {
                log,
                lsn,
                parent: head.map(|(_, _, hash)| hash),
                page_count,
                byte_len,
                pages: written.pages,
                content: written.content,
                checkpoint: None,
                time,
            };
            if nth + 1 == last && !commit.is_base() && snapshot.commit_count() >= MAX_LISTED {
                let before = below.with_newer(snapshot.clone(), &newer);
                commit.checkpoint = Some(build_map(&before, &commit, &mut maps)?.id());
            }
            let hash = commit.hash();
            let lower = Snapshot { page_count, byte_len, ..snapshot };
            let ranges = match commit.is_base() {
                true => Snapshot { ranges: Vec::new(), ..lower.clone() }.ranges_with(log, lsn, hash),
                false => lower.ranges_with(log, lsn, hash),
            };
            snapshot = Snapshot { ranges, ..lower };
            next = Some((log, lsn.next().ok_or(StoreError::TooLarge { byte_len })?));
            tracing::debug!(%volume, %log, %lsn, %segment, pages = commit.pages.len(), "appended");
            let placement = Placement { segment, first_rank: writer.first_rank(nth) };
            newer.push(Arc::new(LoadedCommit { commit, hash, placement }));
        }
        let Some(newest) = newer.last() else { return Ok(snapshot) };
        let record = VolumeRecord { log: newest.commit.log, head: newest.commit.lsn };
        let places = writer.finish_all(newer.iter().map(|c| c.commit.clone()).collect(), volume, maps)?;
        self.record(places.iter().map(|(id, section)| Entry::map(id, MapPlace(segment, *section))));
        self.record(
            newer.iter().map(|c| Entry::log(&LogEntry { commit: c.commit.clone(), volume, placement: c.placement })),
        );
        self.record([Entry::volume(volume, record)]);
        Ok(snapshot)
    }
}
