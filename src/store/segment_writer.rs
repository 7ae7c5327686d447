//! Writes a segment: frames and hash blocks as they come, everything else at the end. Memory stays constant but for
//! 16 bytes per frame and 40 per hash block.

use std::path::{Path, PathBuf};

use serde_bytes::ByteArray;

use super::container::{ContainerKind, ContainerWriter, Section};
use super::error::{Result, StoreError};
use super::paths;
use super::segment::{BlockPlace, FramePlace, SegmentCommit, SegmentIndex};
use crate::model::content::{self, HASHES_PER_BLOCK};
use crate::model::gid::SegmentId;
use crate::model::{ContentHash, PAGE_SIZE, PageHash, PageIdx, PageSet, StorageCommit, VolumeId};
use crate::util::{fs as durable, random};

/// Bytes after which written frames are handed to the disk, so that the final sync is short.
const SYNC_EVERY: u64 = 32 << 20;

/// Pages on their way into a segment.
pub struct SegmentWriter {
    id: SegmentId,
    dir: PathBuf,
    out: ContainerWriter,
    frames: Vec<FramePlace>,
    /// Pages in frames.
    ranks: u32,
    /// Pages whose hashes were taken.
    noted: u32,
    block: Vec<u8>,
    blocks: Vec<BlockPlace>,
    pages: PageSet,
    sealed: Vec<Part>,
    synced: u64,
}

/// The pages of one storage commit.
struct Part {
    first_rank: u32,
    blocks: Vec<BlockPlace>,
}

/// What a finished run of pages amounts to: the parts of a storage commit that depend on the pages.
pub struct WrittenPages {
    /// The pages.
    pub pages: PageSet,
    /// The hash over their hashes.
    pub content: ContentHash,
}

impl SegmentWriter {
    /// Starts a segment of the repository folder `dir` (`.graft`).
    pub fn create(dir: &Path) -> Result<Self> {
        let tmp = dir.join(paths::TMP);
        let out = ContainerWriter::create(ContainerKind::Segment, &tmp).map_err(StoreError::io("write", &tmp))?;
        Ok(Self {
            id: SegmentId::new(random::unix_ms(), random::bytes()),
            dir: dir.to_owned(),
            out,
            frames: Vec::new(),
            ranks: 0,
            noted: 0,
            block: Vec::new(),
            blocks: Vec::new(),
            pages: PageSet::new(),
            sealed: Vec::new(),
            synced: 0,
        })
    }

    /// Returns the id the segment will have.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// Returns the number of pages so far.
    pub fn page_count(&self) -> u32 {
        self.ranks
    }

    /// Returns the bytes written so far.
    pub fn byte_count(&self) -> u64 {
        self.out.position()
    }

    /// Adds a frame: its pages with their hashes, in ascending order, and their bytes as [`FrameCompressor`] gives them.
    pub fn add_frame(&mut self, pages: &[(PageIdx, PageHash)], bytes: &[u8]) -> Result<()> {
        self.write_frame(pages.len() as u32, bytes)?;
        pages.iter().try_for_each(|(page, hash)| self.note_page(*page, hash))
    }

    /// Adds a frame of pages that are noted one by one, in the same order; they may belong to several storage commits.
    pub fn write_frame(&mut self, pages: u32, bytes: &[u8]) -> Result<()> {
        let section = self.write(bytes)?;
        self.frames.push(FramePlace { first_rank: self.ranks, len: section.len() as u32, offset: section.offset() });
        self.ranks += pages;
        if self.out.position() - self.synced >= SYNC_EVERY {
            self.synced = self.out.position();
            self.out.sync().map_err(StoreError::io("write", self.out.path()))?;
        }
        Ok(())
    }

    /// Notes the next page of the storage commit that is being written.
    pub fn note_page(&mut self, page: PageIdx, hash: &PageHash) -> Result<()> {
        self.noted += 1;
        self.pages.insert(page);
        self.block.extend_from_slice(hash.as_bytes());
        if self.block.len() == HASHES_PER_BLOCK * 32 { self.end_block() } else { Ok(()) }
    }

    /// Ends a storage commit and says what was written of it. What is written next belongs to the next one.
    pub fn seal_one(&mut self) -> Result<WrittenPages> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let (blocks, pages) = (std::mem::take(&mut self.blocks), std::mem::take(&mut self.pages));
        let digests: Vec<u8> = blocks.iter().flat_map(|b| b.digest).collect();
        self.sealed.push(Part { first_rank: self.noted - pages.len(), blocks });
        Ok(WrittenPages { pages, content: content::content_of_digests(&digests) })
    }

    /// Says what was written, and hands the bytes to the disk so that [`SegmentWriter::finish`] is short.
    pub fn seal(&mut self) -> Result<WrittenPages> {
        let written = self.seal_one()?;
        if self.out.position() > 1 << 20 {
            self.out.sync().map_err(StoreError::io("write", self.out.path()))?;
        }
        Ok(written)
    }

    /// Returns the rank of the first page of a sealed storage commit.
    pub fn first_rank(&self, nth: usize) -> u32 {
        self.sealed[nth].first_rank
    }

    /// Completes the sealed segment with its storage commit and page maps `(id, bytes)`, durably. Returns where the
    /// maps lie.
    pub fn finish(
        self,
        commit: StorageCommit,
        volume: VolumeId,
        maps: Vec<([u8; 32], Vec<u8>)>,
    ) -> Result<Vec<([u8; 32], Section)>> {
        self.finish_all(vec![commit], volume, maps)
    }

    /// As [`SegmentWriter::finish`], with all storage commits that were sealed, in their order.
    pub fn finish_all(
        self,
        commits: Vec<StorageCommit>,
        volume: VolumeId,
        maps: Vec<([u8; 32], Vec<u8>)>,
    ) -> Result<Vec<([u8; 32], Section)>> {
        let path = paths::segment(&self.dir, self.id);
        self.finish_at(&path, commits, volume, maps)
    }

    /// As [`SegmentWriter::finish_all`], with the place of the file.
    pub fn finish_at(
        mut self,
        path: &Path,
        commits: Vec<StorageCommit>,
        volume: VolumeId,
        maps: Vec<([u8; 32], Vec<u8>)>,
    ) -> Result<Vec<([u8; 32], Section)>> {
        debug_assert_eq!((commits.len(), self.noted), (self.sealed.len(), self.ranks), "all pages are in frames");
        let table: Vec<u8> = self.frames.iter().flat_map(|f| f.to_bytes()).collect();
        let frames = self.write(&table)?;
        let mut parts = Vec::with_capacity(commits.len());
        for (commit, Part { first_rank, blocks }) in commits.into_iter().zip(std::mem::take(&mut self.sealed)) {
            let table: Vec<u8> = blocks.iter().flat_map(|b| b.to_bytes()).collect();
            parts.push(SegmentCommit { commit, volume, first_rank, blocks: self.write(&table)? });
        }
        let maps = maps.into_iter().map(|(id, bytes)| Ok((id, self.write(&bytes)?))).collect::<Result<Vec<_>>>()?;
        let index = SegmentIndex {
            commits: parts,
            pages: self.ranks,
            frames,
            maps: maps.iter().map(|(id, section)| (ByteArray::new(*id), *section)).collect(),
        };
        let failed = |e| StoreError::io("write", path)(e);
        durable::create_dir_all(path.parent().expect("a segment lies in a folder")).map_err(failed)?;
        self.out.finish(&index, path).map_err(failed)?;
        Ok(maps)
    }

    fn end_block(&mut self) -> Result<()> {
        let block = std::mem::take(&mut self.block);
        let section = self.write(&block)?;
        self.blocks.push(BlockPlace { digest: content::block_digest(&block), offset: section.offset() });
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Section> {
        self.out.write(bytes).map_err(|e| StoreError::io("write", self.out.path())(e))
    }
}

/// Compresses up to 16 pages; gives the bytes back as they are where compression does not pay.
pub struct FrameCompressor(zstd::bulk::Compressor<'static>);

impl FrameCompressor {
    /// Makes a compressor of the level that DESIGN.md measured best (1).
    pub fn new() -> Self {
        Self(zstd::bulk::Compressor::new(1).expect("level 1 exists"))
    }

    /// Returns the frame's bytes.
    pub fn compress(&mut self, pages: &[u8]) -> Vec<u8> {
        debug_assert!(pages.len().is_multiple_of(PAGE_SIZE), "whole pages");
        match self.0.compress(pages) {
            Ok(small) if small.len() < pages.len() => small,
            _ => pages.to_vec(),
        }
    }
}

impl Default for FrameCompressor {
    fn default() -> Self {
        Self::new()
    }
}
