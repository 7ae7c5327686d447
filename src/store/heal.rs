//! Mends damage from content that is there again.
//!
//! A storage commit's identity covers what its pages are, not where they lie. So a commit whose segment is lost or
//! damaged is mended by writing its pages, gathered from what is left of the segment and from a file that has the same
//! content, into a new segment under the same identity, and a lost snapshot object by deriving it from the log again.

use std::collections::HashMap;

use super::append::{Transaction, build_map};
use super::entries::{Entry, Keyspace, LogEntry, MapPlace, Placement};
use super::error::Result;
use super::open_snapshot::{LoadedCommit, OpenSnapshot};
use super::segment::{FRAME_PAGES, Segment};
use super::segment_writer::{FrameCompressor, SegmentWriter};
use super::{Store, paths};
use crate::model::page::ZERO_PAGE;
use crate::model::page_map::Origin;
use crate::model::{CommitHash, FileKind, Object, ObjectId, PageHash, PageIdx, PageSet, Snapshot, VolumeId, page};

impl Store {
    /// Derives the snapshot with this id from the storage log; `None` if no state of the log has it.
    pub fn derive_snapshot(&self, id: &ObjectId, volume: VolumeId, kind: FileKind) -> Result<Option<Snapshot>> {
        let mut by_hash: HashMap<CommitHash, LogEntry> = HashMap::new();
        for (_, value) in self.index().all(Keyspace::Log)? {
            let entry: LogEntry = self.index_value(&value)?;
            by_hash.insert(entry.commit.hash(), entry);
        }
        for head in by_hash.values() {
            let commit = &head.commit;
            let Some(page_count) = page::pages_for(commit.byte_len) else { continue };
            let ranges = ranges_to(head.commit.hash(), &by_hash);
            let snapshot = Snapshot { volume, kind, page_count, byte_len: commit.byte_len, ranges };
            if snapshot.to_raw().id() == *id {
                return Ok(Some(snapshot));
            }
        }
        Ok(None)
    }

    /// Returns the pages of a commit that cannot be read; `None` if its segment cannot be opened at all.
    fn damaged_pages(&self, commit: &LoadedCommit) -> Option<PageSet> {
        let segment = self.fresh_segment(commit)?;
        let mut damaged = PageSet::new();
        for (nth, page) in commit.commit.pages.iter().enumerate() {
            if sound_page(&segment, commit, nth as u32).is_none() {
                damaged.insert(page);
            }
        }
        Some(damaged)
    }

    /// Opens a commit's segment past all caches.
    fn fresh_segment(&self, commit: &LoadedCommit) -> Option<Segment> {
        let id = commit.placement.segment;
        let segment = match Segment::open(id, &paths::segment(self.dir(), id)).ok()? {
            Some(segment) => segment,
            None => self.open_pieces(id).ok()??,
        };
        segment.part(&commit.commit, commit.placement.first_rank).ok()?;
        Some(segment)
    }
}

impl Transaction<'_> {
    /// Writes again what is damaged of the storage commits of `old`, with pages taken from `fresh` where need be.
    ///
    /// Returns whether all of them have a whole segment again (once published). Pages of older states that are nowhere
    /// any more stay damaged.
    pub fn heal(&mut self, old: &Snapshot, fresh: &OpenSnapshot) -> Result<bool> {
        let store = self.store().clone();
        for (log, lsn, commit) in old.commits_newest_first() {
            let Ok(commit) = store.load_commit(&Origin { log, lsn, commit }) else { return Ok(false) };
            let damaged = store.damaged_pages(&commit);
            if damaged.as_ref().is_some_and(PageSet::is_empty) {
                continue;
            }
            if !self.rewrite(&store, old.volume, &commit, fresh)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn rewrite(&mut self, store: &Store, volume: VolumeId, old: &LoadedCommit, fresh: &OpenSnapshot) -> Result<bool> {
        let commit = &old.commit;
        let segment = store.fresh_segment(old);
        let mut writer = SegmentWriter::create(store.dir())?;
        let mut compressor = FrameCompressor::new();
        let pages: Vec<PageIdx> = commit.pages.iter().collect();
        for (i, group) in pages.chunks(FRAME_PAGES).enumerate() {
            let (mut hashes, mut bytes) = (Vec::new(), Vec::new());
            for (j, page) in group.iter().enumerate() {
                let nth = (i * FRAME_PAGES + j) as u32;
                let wanted = segment.as_ref().and_then(|s| s.page_hash(commit, old.placement.first_rank, nth).ok());
                let content = match segment.as_ref().and_then(|s| sound_page(s, old, nth)) {
                    Some(content) => content,
                    None => {
                        let mut content = ZERO_PAGE;
                        if fresh.read(*page, &mut content).is_err() {
                            return Ok(false);
                        }
                        content.to_vec()
                    }
                };
                let hash = PageHash::from_bytes(*blake3::hash(&content).as_bytes());
                // A page that was overwritten since is lost; under its hash it stays known as damaged, and the
                // other pages of the commit are saved.
                hashes.push((*page, wanted.unwrap_or(hash)));
                bytes.extend_from_slice(&content);
            }
            writer.add_frame(&hashes, &compressor.compress(&bytes))?;
        }
        if writer.seal()?.content != commit.content {
            return Ok(false);
        }
        let Some(maps) = maps_of(store, old, volume)? else { return Ok(false) };
        let placement = Placement { segment: writer.id(), first_rank: 0 };
        let places = writer.finish(commit.clone(), volume, maps)?;
        let maps = places.iter().map(|(id, section)| Entry::map(id, MapPlace(placement.segment, *section)));
        self.record(maps.chain([Entry::log(&LogEntry { commit: commit.clone(), volume, placement })]));
        store.forget(old);
        Ok(true)
    }
}

/// A page map or chunk: its id and its bytes.
type MapBytes = ([u8; 32], Vec<u8>);

/// Returns the page map of a checkpoint with all of its chunks that are not elsewhere; made anew from the commit's
/// parent, because what lies in the damaged segment cannot be trusted to be complete.
fn maps_of(store: &Store, old: &LoadedCommit, volume: VolumeId) -> Result<Option<Vec<MapBytes>>> {
    let Some(wanted) = old.commit.checkpoint else { return Ok(Some(Vec::new())) };
    let Some(parent) = old.commit.parent else { return Ok(None) };
    let mut by_hash = HashMap::new();
    for (_, value) in store.index().all(Keyspace::Log)? {
        let entry: LogEntry = store.index_value(&value)?;
        by_hash.insert(entry.commit.hash(), entry);
    }
    let Some(head) = by_hash.get(&parent) else { return Ok(None) };
    let base = Snapshot {
        volume,
        kind: FileKind::Opaque,
        page_count: head.commit.page_count,
        byte_len: head.commit.byte_len,
        ranges: ranges_to(parent, &by_hash),
    };
    let mut maps = Vec::new();
    let Ok(base) = store.open_snapshot(base) else { return Ok(None) };
    let map = build_map(&base, &old.commit, &mut maps)?;
    Ok((map.id() == wanted).then_some(maps))
}

/// Returns the ranges of the snapshot whose newest commit this is, as appending made them.
fn ranges_to(head: CommitHash, by_hash: &HashMap<CommitHash, LogEntry>) -> Vec<crate::model::LogRange> {
    let mut chain = Vec::new();
    let mut next = Some(head);
    while let Some(entry) = next.and_then(|hash| by_hash.get(&hash)) {
        chain.push(&entry.commit);
        next = if entry.commit.is_base() { None } else { entry.commit.parent };
    }
    let mut snapshot = Snapshot {
        volume: VolumeId::new(0, [0; 9]),
        kind: FileKind::Opaque,
        page_count: 0,
        byte_len: 0,
        ranges: Vec::new(),
    };
    for commit in chain.into_iter().rev() {
        snapshot.ranges = snapshot.ranges_with(commit.log, commit.lsn, commit.hash());
    }
    snapshot.ranges
}

/// Reads one page past all caches; `None` if it is damaged.
fn sound_page(segment: &Segment, commit: &LoadedCommit, nth: u32) -> Option<Vec<u8>> {
    let first_rank = commit.placement.first_rank;
    let wanted = segment.page_hash(&commit.commit, first_rank, nth).ok()?;
    let (frame, first) = segment.frame_of(first_rank + nth);
    let at = (first_rank + nth - first) as usize * crate::model::PAGE_SIZE;
    let bytes = segment.frame(frame).ok()?.get(at..at + crate::model::PAGE_SIZE)?.to_vec();
    (blake3::hash(&bytes).as_bytes() == wanted.as_bytes()).then_some(bytes)
}
