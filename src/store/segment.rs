//! Segments: the page contents of storage commits, in compressed frames with an index for random access.
//!
//! Sections of a segment, besides the container's own:
//!
//! * frames: up to 16 pages each, zstd-compressed, or raw where that is not smaller;
//! * hash blocks: the 32-byte hashes of up to 512 neighbouring pages (by rank) of one commit;
//! * the block table of each commit: 40 bytes per block, its digest and offset (u64 LE); the digests tie the hashes to
//!   the commit's `content` (see [`crate::model::content`]);
//! * the frame table: 16 bytes per frame, `first rank (u32 LE), length (u32 LE), offset (u64 LE)`;
//! * page maps and their chunks.
//!
//! The *rank* of a page is its position among all pages of the segment.

use std::cell::RefCell;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use zstd::bulk::Decompressor;

use super::container::{self, Container, ContainerKind, Pieces, Section};
use super::error::{Result, StoreError};
use crate::model::content::{self, HASHES_PER_BLOCK};
use crate::model::{PAGE_SIZE, PageHash, SegmentId, StorageCommit, VolumeId};

/// Pages per frame at the most.
pub const FRAME_PAGES: usize = 16;
/// Hash blocks kept in memory per segment.
const BLOCKS_KEPT: usize = 256;

/// Bytes of an entry in a block table.
const BLOCK_ENTRY: usize = 40;

thread_local! {
    /// Making one costs as much as decompressing a frame.
    static DECOMPRESSOR: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("memory for a decompressor"));
}

/// Where a hash block lies and what it hashes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// The digest of the block.
    pub digest: [u8; 32],
    /// The offset of its first byte.
    pub offset: u64,
}

/// Bytes of an entry in the frame table.
const FRAME_ENTRY: usize = 16;

/// Where a frame lies and which pages it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlace {
    /// The rank of its first page.
    pub first_rank: u32,
    /// Its length in bytes.
    pub len: u32,
    /// The offset of its first byte.
    pub offset: u64,
}

/// What a segment holds, as its container index says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentIndex {
    /// The storage commits, in rank order.
    pub commits: Vec<SegmentCommit>,
    /// Pages in all.
    pub pages: u32,
    /// The frame table.
    pub frames: Section,
    /// Page maps and chunks, by id.
    pub maps: Vec<(serde_bytes::ByteArray<32>, Section)>,
}

/// One storage commit of a segment.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentCommit {
    /// The commit.
    pub commit: StorageCommit,
    /// The volume it was made for.
    pub volume: VolumeId,
    /// The rank of its first page.
    pub first_rank: u32,
    /// Its block table.
    pub blocks: Section,
}

type Bytes = Arc<Vec<u8>>;

/// An open segment.
pub struct Segment {
    id: SegmentId,
    container: Container,
    index: SegmentIndex,
    frames: Vec<FramePlace>,
    /// Verified blocks of page hashes, by first rank of their commit and number of the block.
    blocks: Mutex<HashMap<(u32, u32), Bytes>>,
    /// Verified block tables, by first rank of their commit.
    tables: Mutex<HashMap<u32, Arc<Vec<BlockPlace>>>>,
}

impl Segment {
    /// Opens a segment; `None` if there is no such file.
    pub fn open(id: SegmentId, path: &Path) -> Result<Option<Self>> {
        match Container::open::<SegmentIndex>(ContainerKind::Segment, path)? {
            Some((container, index)) => Self::of(id, container, index).map(Some),
            None => Ok(None),
        }
    }

    /// Opens a segment in memory; `name` stands for it in errors.
    pub fn in_memory(id: SegmentId, name: &Path, bytes: Vec<u8>) -> Result<Self> {
        let (container, index) = Container::in_memory::<SegmentIndex>(ContainerKind::Segment, name, Arc::new(bytes))?;
        Self::of(id, container, index)
    }

    /// Opens a segment of which only pieces are here.
    pub fn in_pieces(id: SegmentId, name: &Path, pieces: Pieces) -> Result<Self> {
        let (container, index) = Container::in_pieces::<SegmentIndex>(ContainerKind::Segment, name, pieces)?;
        Self::of(id, container, index)
    }

    fn of(id: SegmentId, container: Container, index: SegmentIndex) -> Result<Self> {
        let table = container.read(index.frames)?;
        let frames: Vec<_> = table.chunks_exact(FRAME_ENTRY).map(FramePlace::from_bytes).collect();
        let ends = frames.iter().skip(1).map(|f| f.first_rank).chain([index.pages]);
        let sound = frames.first().is_none_or(|f| f.first_rank == 0)
            && frames.is_empty() == (index.pages == 0)
            && frames.iter().zip(ends).all(|(f, end)| f.first_rank < end && end - f.first_rank <= FRAME_PAGES as u32);
        if !sound {
            return Err(container.damaged("its frame table is wrong"));
        }
        Ok(Self { id, container, index, frames, blocks: Mutex::default(), tables: Mutex::default() })
    }

    /// Returns the segment's id.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// Returns the container index.
    pub fn index(&self) -> &SegmentIndex {
        &self.index
    }

    /// Returns the part of a commit whose first page has this rank.
    pub fn part(&self, commit: &StorageCommit, first_rank: u32) -> Result<&SegmentCommit> {
        self.index
            .commits
            .iter()
            .find(|p| p.first_rank == first_rank && p.commit.log == commit.log && p.commit.lsn == commit.lsn)
            .filter(|p| {
                let blocks = (commit.pages.len() as usize).div_ceil(HASHES_PER_BLOCK);
                p.blocks.len() == (blocks * BLOCK_ENTRY) as u64
                    && first_rank.checked_add(commit.pages.len()).is_some_and(|end| end <= self.index.pages)
            })
            .ok_or_else(|| self.container.damaged("it does not hold the storage commit it should"))
    }

    /// Returns the frames that hold exactly the pages of ranks `start..end`; `None` if one reaches beyond them.
    pub fn whole_frames(&self, start: u32, end: u32) -> Option<std::ops::Range<usize>> {
        let first = self.frames.partition_point(|f| f.first_rank < start);
        let last = self.frames.partition_point(|f| f.first_rank < end);
        let begins = |at: usize| self.frames.get(at).map_or(self.index.pages, |f| f.first_rank);
        (begins(first) == start && begins(last) == end).then_some(first..last)
    }

    /// Returns the bytes of a frame as they lie in the file, and how many pages it has.
    pub fn raw_frame(&self, number: usize) -> Result<(Vec<u8>, u32)> {
        let place = self.frames[number];
        let end = self.frames.get(number + 1).map_or(self.index.pages, |f| f.first_rank);
        Ok((self.container.read(Section(place.offset, u64::from(place.len)))?, end - place.first_rank))
    }

    /// Returns about how many bytes the pages of a commit take.
    pub fn part_len(&self, commit: &StorageCommit, first_rank: u32) -> u64 {
        let end = first_rank.saturating_add(commit.pages.len());
        let inside =
            self.frames.iter().filter(|f| f.first_rank < end && f.first_rank + FRAME_PAGES as u32 > first_rank);
        inside.map(|f| u64::from(f.len)).sum()
    }

    /// Returns the digests of a commit's hash blocks, verified.
    pub fn block_digests(&self, commit: &StorageCommit, first_rank: u32) -> Result<Vec<[u8; 32]>> {
        Ok(self.block_table(commit, first_rank)?.iter().map(|place| place.digest).collect())
    }

    /// Reads and verifies the pages of a commit with these positions among its pages.
    pub fn verify_pages(&self, commit: &StorageCommit, first_rank: u32, pages: std::ops::Range<u32>) -> Result<()> {
        // A commit without pages has hashes all the same: none.
        self.block_table(commit, first_rank)?;
        let mut nth = pages.start;
        while nth < pages.end {
            let (number, first) = self.frame_of(first_rank + nth);
            let frame = self.frame(number)?;
            let skip = (first_rank + nth - first) as usize;
            for page in frame.chunks_exact(PAGE_SIZE).skip(skip).take((pages.end - nth) as usize) {
                if blake3::hash(page).as_bytes() != self.page_hash(commit, first_rank, nth)?.as_bytes() {
                    let (log, lsn) = (commit.log, commit.lsn);
                    let what = format!("page number {nth} of storage commit {log}:{lsn} does not match its hash");
                    return Err(self.container.damaged(&what));
                }
                nth += 1;
            }
        }
        Ok(())
    }

    /// Returns the number of the frame that holds a rank, and the rank of the frame's first page.
    pub fn frame_of(&self, rank: u32) -> (usize, u32) {
        let frame = self.frames.partition_point(|f| f.first_rank <= rank) - 1;
        (frame, self.frames[frame].first_rank)
    }

    /// Tells whether the page of a rank can be read without a remote.
    pub fn is_rank_here(&self, rank: u32) -> bool {
        let place = self.frames[self.frame_of(rank).0];
        self.container.is_here(Section(place.offset, u64::from(place.len)))
    }

    /// Reads and decompresses a frame: 1 to 16 pages, not yet verified.
    pub fn frame(&self, number: usize) -> Result<Vec<u8>> {
        let place = self.frames[number];
        let end = self.frames.get(number + 1).map_or(self.index.pages, |f| f.first_rank);
        let raw_len = (end - place.first_rank) as usize * PAGE_SIZE;
        let bytes = self.container.read(Section(place.offset, u64::from(place.len)))?;
        if bytes.len() == raw_len {
            return Ok(bytes);
        }
        let raw = DECOMPRESSOR
            .with_borrow_mut(|decompressor| decompressor.decompress(&bytes, raw_len))
            .map_err(|e| self.container.damaged(&format!("frame {number} does not decompress: {e}")))?;
        if raw.len() != raw_len {
            return Err(self.container.damaged(&format!("frame {number} has the wrong length")));
        }
        Ok(raw)
    }

    /// Returns the hash of the page with position `nth` among the pages of a commit, verified against the commit.
    pub fn page_hash(&self, commit: &StorageCommit, first_rank: u32, nth: u32) -> Result<PageHash> {
        let number = nth / HASHES_PER_BLOCK as u32;
        let block = self.hash_block(commit, first_rank, number)?;
        let at = (nth as usize % HASHES_PER_BLOCK) * 32;
        let hash = block.get(at..at + 32).ok_or_else(|| self.container.damaged("its page hashes are wrong"))?;
        Ok(PageHash::from_bytes(hash.try_into().expect("32 bytes")))
    }

    /// Returns the verified page hashes `512 * number ..` of a commit.
    pub fn hash_block(&self, commit: &StorageCommit, first_rank: u32, number: u32) -> Result<Arc<Vec<u8>>> {
        let key = (first_rank, number);
        if let Some(block) = lock(&self.blocks).get(&key) {
            return Ok(Arc::clone(block));
        }
        let table = self.block_table(commit, first_rank)?;
        let wrong = || self.container.damaged("its page hashes do not match the storage commit");
        let place = table.get(number as usize).ok_or_else(wrong)?;
        let start = number * HASHES_PER_BLOCK as u32;
        let count = u64::from(commit.pages.len().saturating_sub(start)).min(HASHES_PER_BLOCK as u64);
        let block = Arc::new(self.container.read(Section(place.offset, count * 32))?);
        if content::block_digest(&block) != place.digest {
            return Err(wrong());
        }
        let mut blocks = lock(&self.blocks);
        if blocks.len() >= BLOCKS_KEPT {
            blocks.clear();
        }
        blocks.insert(key, Arc::clone(&block));
        Ok(block)
    }

    /// Reads a page map or a chunk; the caller verifies it by its id.
    pub fn map_bytes(&self, section: Section) -> Result<Vec<u8>> {
        self.container.read(section)
    }

    fn block_table(&self, commit: &StorageCommit, first_rank: u32) -> Result<Arc<Vec<BlockPlace>>> {
        if let Some(table) = lock(&self.tables).get(&first_rank) {
            return Ok(Arc::clone(table));
        }
        let bytes = self.container.read(self.part(commit, first_rank)?.blocks)?;
        let table: Vec<_> = bytes.chunks_exact(BLOCK_ENTRY).map(BlockPlace::from_bytes).collect();
        let digests: Vec<u8> = table.iter().flat_map(|p| p.digest).collect();
        if content::content_of_digests(&digests) != commit.content {
            return Err(self.container.damaged("its page hashes do not match the storage commit"));
        }
        let table = Arc::new(table);
        lock(&self.tables).insert(first_rank, Arc::clone(&table));
        Ok(table)
    }
}

impl SegmentIndex {
    /// Reads what a segment of `len` bytes holds, by `read`, which reads sections of it; `name` stands for it in errors.
    pub fn read<E: From<StoreError>>(
        name: &Path,
        len: u64,
        read: &dyn Fn(Section) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        container::read_index(ContainerKind::Segment, name, len, read)
    }
}

impl FramePlace {
    /// Returns the entry of a frame table.
    pub fn to_bytes(self) -> [u8; FRAME_ENTRY] {
        let mut out = [0; FRAME_ENTRY];
        out[..4].copy_from_slice(&self.first_rank.to_le_bytes());
        out[4..8].copy_from_slice(&self.len.to_le_bytes());
        out[8..].copy_from_slice(&self.offset.to_le_bytes());
        out
    }

    fn from_bytes(entry: &[u8]) -> Self {
        let number = |range: std::ops::Range<usize>| u32::from_le_bytes(entry[range].try_into().expect("four bytes"));
        let offset = u64::from_le_bytes(entry[8..].try_into().expect("eight bytes"));
        Self { first_rank: number(0..4), len: number(4..8), offset }
    }
}

impl BlockPlace {
    /// Returns the entry of a block table.
    pub fn to_bytes(self) -> [u8; BLOCK_ENTRY] {
        let mut out = [0; BLOCK_ENTRY];
        out[..32].copy_from_slice(&self.digest);
        out[32..].copy_from_slice(&self.offset.to_le_bytes());
        out
    }

    fn from_bytes(entry: &[u8]) -> Self {
        let (digest, offset) = entry.split_at(32);
        Self {
            digest: digest.try_into().expect("32 bytes"),
            offset: u64::from_le_bytes(offset.try_into().expect("eight bytes")),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
