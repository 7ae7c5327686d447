//! Gathers storage commits of several segments into one: their frames and hashes are copied as they are.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde_bytes::ByteArray;

use super::container::{ContainerKind, ContainerWriter, NewFile, Section};
use super::entries::LogEntry;
use super::error::{Result, StoreError};
use super::segment::{BlockPlace, FRAME_PAGES, FramePlace, Segment, SegmentCommit, SegmentIndex};
use super::segment_writer::FrameCompressor;
use super::{entries::Placement, paths};
use crate::model::{PAGE_SIZE, SegmentId};
use crate::util::fs::{self as durable, TempFile};

/// A segment that is being gathered, in a new file or in memory.
pub struct SegmentMerge<W = NewFile> {
    id: SegmentId,
    out: ContainerWriter<W>,
    commits: Vec<SegmentCommit>,
    frames: Vec<FramePlace>,
    ranks: u32,
    maps: BTreeMap<[u8; 32], Section>,
}

impl SegmentMerge<Vec<u8>> {
    /// Starts a segment in memory.
    pub fn in_memory(id: SegmentId) -> Self {
        let out = ContainerWriter::start(ContainerKind::Segment, Vec::new()).expect("memory takes what is written");
        Self::new(id, out)
    }

    /// Returns the bytes of the segment.
    pub fn into_bytes(self) -> Result<Vec<u8>> {
        let (out, index) = self.tables()?;
        Ok(out.end(&index).expect("memory takes what is written"))
    }
}

impl SegmentMerge {
    /// Starts a segment of the repository folder `dir` (`.graft`).
    pub fn create(id: SegmentId, dir: &Path) -> Result<Self> {
        let tmp = dir.join(paths::TMP);
        let out = ContainerWriter::create(ContainerKind::Segment, &tmp).map_err(StoreError::io("write", &tmp))?;
        Ok(Self::new(id, out))
    }

    /// Completes the segment as a temporary file, for sending it elsewhere.
    pub fn finish_temp(self) -> Result<TempFile> {
        let (out, index) = self.tables()?;
        let file = out.end(&index).and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
        file.map_err(StoreError::io("write", Path::new("a new segment")))
    }

    /// Puts the segment, durably, at its place.
    pub fn finish(self, dir: &Path) -> Result<SegmentIndex> {
        let path = paths::segment(dir, self.id);
        let failed = |e| StoreError::io("write", &path)(e);
        let (out, index) = self.tables()?;
        durable::create_dir_all(path.parent().expect("a segment lies in a folder")).map_err(failed)?;
        out.finish(&index, &path).map_err(failed)?;
        Ok(index)
    }
}

impl<W: Write> SegmentMerge<W> {
    fn new(id: SegmentId, out: ContainerWriter<W>) -> Self {
        Self { id, out, commits: Vec::new(), frames: Vec::new(), ranks: 0, maps: BTreeMap::new() }
    }

    /// Returns the id of the new segment.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// Returns the bytes written so far.
    pub fn len(&self) -> u64 {
        self.out.position()
    }

    /// Tells whether nothing has been added.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.maps.is_empty()
    }

    /// Tells whether the pages of one more commit can still be counted.
    pub fn has_room_for(&self, pages: u32) -> bool {
        self.ranks.checked_add(pages).is_some()
    }

    /// Adds a commit from another segment, where its entry says that it lies, and returns its entry in this one.
    ///
    /// The hashes of its pages are verified, its pages are not.
    pub fn add(&mut self, entry: &LogEntry, from: &Segment) -> Result<LogEntry> {
        let commit = &entry.commit;
        let (old, new, count) = (entry.placement.first_rank, self.ranks, commit.pages.len());
        from.part(commit, old)?;
        match from.whole_frames(old, old + count) {
            Some(frames) => {
                for number in frames {
                    let (bytes, pages) = from.raw_frame(number)?;
                    self.frame(&bytes, pages)?;
                }
            }
            None => self.frame_anew(from, old, count)?,
        }
        let mut table = Vec::new();
        for (number, digest) in from.block_digests(commit, old)?.into_iter().enumerate() {
            let block = from.hash_block(commit, old, number as u32)?;
            let section = self.write(&block)?;
            table.extend_from_slice(&BlockPlace { digest, offset: section.offset() }.to_bytes());
        }
        let blocks = self.write(&table)?;
        self.commits.push(SegmentCommit { commit: commit.clone(), volume: entry.volume, first_rank: new, blocks });
        let placement = Placement { segment: self.id, first_rank: new };
        Ok(LogEntry { placement, ..entry.clone() })
    }

    /// Adds a page map or a chunk of one.
    pub fn add_map(&mut self, id: [u8; 32], bytes: &[u8]) -> Result<()> {
        if !self.maps.contains_key(&id) {
            let section = self.write(bytes)?;
            self.maps.insert(id, section);
        }
        Ok(())
    }

    /// Copies pages whose frames hold others as well.
    fn frame_anew(&mut self, from: &Segment, first: u32, count: u32) -> Result<()> {
        let mut compressor = FrameCompressor::new();
        let mut pages = Vec::with_capacity(FRAME_PAGES * PAGE_SIZE);
        let mut rank = first;
        while rank < first + count {
            let (number, begin) = from.frame_of(rank);
            let frame = from.frame(number)?;
            let inside = &frame[(rank - begin) as usize * PAGE_SIZE..];
            let wanted = inside.len().min((first + count - rank) as usize * PAGE_SIZE);
            pages.extend_from_slice(&inside[..wanted]);
            rank += (wanted / PAGE_SIZE) as u32;
            while pages.len() >= FRAME_PAGES * PAGE_SIZE || (rank == first + count && !pages.is_empty()) {
                let len = pages.len().min(FRAME_PAGES * PAGE_SIZE);
                let bytes = compressor.compress(&pages[..len]);
                self.frame(&bytes, (len / PAGE_SIZE) as u32)?;
                pages.drain(..len);
            }
        }
        Ok(())
    }

    fn frame(&mut self, bytes: &[u8], pages: u32) -> Result<()> {
        let section = self.write(bytes)?;
        self.frames.push(FramePlace { first_rank: self.ranks, len: section.len() as u32, offset: section.offset() });
        self.ranks += pages;
        Ok(())
    }

    fn tables(mut self) -> Result<(ContainerWriter<W>, SegmentIndex)> {
        let table: Vec<u8> = self.frames.iter().flat_map(|f| f.to_bytes()).collect();
        let frames = self.write(&table)?;
        let maps = self.maps.iter().map(|(id, section)| (ByteArray::new(*id), *section)).collect();
        Ok((self.out, SegmentIndex { commits: self.commits, pages: self.ranks, frames, maps }))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Section> {
        let failed = |e: io::Error| StoreError::io("write", Path::new("a new segment"))(e);
        self.out.write(bytes).map_err(failed)
    }
}
