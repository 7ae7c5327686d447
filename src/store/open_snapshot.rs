//! An opened snapshot: finds and verifies any page of one state of a file.
//!
//! Trust runs from the snapshot object's commit hashes to the storage commits, from their `content` to the page
//! hashes, and from those to the pages; through a checkpoint it runs from the page map's id to the chunks and from
//! the commit hashes named there on.

use std::sync::{Arc, OnceLock};

use super::entries::Placement;
use super::error::{Result, StoreError};
use super::segment::Segment;
use super::{Store, entries::LogEntry};
use crate::model::page::ZERO_PAGE;
use crate::model::page_map::{self, MapChunk, Origin, PageMap};
use crate::model::{
    CommitHash, PAGE_SIZE, PageBuf, PageHash, PageIdx, PageSource, Snapshot, SourceError, StorageCommit,
};

/// A storage commit with its place, checked against the hash that names it.
#[derive(Debug)]
pub struct LoadedCommit {
    /// The commit.
    pub commit: StorageCommit,
    /// Its hash.
    pub hash: CommitHash,
    /// Where its pages lie.
    pub placement: Placement,
}

/// One state of a file, open for reading.
pub struct OpenSnapshot {
    store: Store,
    snapshot: Snapshot,
    /// Newest first; all that a reader needs.
    commits: Vec<Arc<LoadedCommit>>,
    /// The map of the oldest commit, if that is a checkpoint.
    map: Option<PageMap>,
    /// Which commit wrote each page: an index into `sources`, or 0 for none. Made when first needed.
    dense: OnceLock<Dense>,
}

struct Dense {
    sources: Vec<Arc<LoadedCommit>>,
    pages: Vec<u32>,
}

impl OpenSnapshot {
    /// Opens a snapshot: loads and checks its storage commits, but no page.
    pub fn open(store: &Store, snapshot: Snapshot) -> Result<Self> {
        let mut commits = Vec::with_capacity(snapshot.commit_count());
        let mut map = None;
        for (log, lsn, commit) in snapshot.commits_newest_first() {
            let loaded = store.load_commit(&Origin { log, lsn, commit })?;
            let is_base = loaded.commit.is_base();
            if let Some(id) = loaded.commit.checkpoint {
                map = Some(store.load_map(id)?);
            }
            commits.push(loaded);
            if is_base {
                break;
            }
        }
        Ok(Self { store: store.clone(), snapshot, commits, map, dense: OnceLock::new() })
    }

    /// Opens a later state, whose storage commits above this one, oldest first, are not published yet.
    pub(super) fn with_newer(&self, snapshot: Snapshot, newer: &[Arc<LoadedCommit>]) -> Self {
        let mut commits: Vec<Arc<LoadedCommit>> = Vec::with_capacity(newer.len() + self.commits.len());
        for commit in newer.iter().rev().chain(&self.commits) {
            commits.push(Arc::clone(commit));
            if commit.commit.is_base() {
                break;
            }
        }
        // A base among the newer ones wrote every page.
        let map = (commits.len() > newer.len()).then(|| self.map.clone()).flatten();
        Self { store: self.store.clone(), snapshot, commits, map, dense: OnceLock::new() }
    }

    /// Returns the snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Returns the storage commits a reader needs, newest first.
    pub fn commits(&self) -> &[Arc<LoadedCommit>] {
        &self.commits
    }

    /// Returns the page map of the checkpoint below all newer commits, if there is one.
    pub fn map(&self) -> Option<&PageMap> {
        self.map.as_ref()
    }

    /// Returns the commit that wrote a page; `None` if it reads as zeros.
    pub fn origin(&self, page: PageIdx) -> Result<Option<Arc<LoadedCommit>>> {
        if page.get() > self.snapshot.page_count {
            return Ok(None);
        }
        if let Some(dense) = self.dense.get() {
            return Ok(dense.source(page).cloned());
        }
        for commit in &self.commits {
            if commit.commit.pages.contains(page) {
                return Ok(Some(Arc::clone(commit)));
            }
            if page.get() > commit.commit.page_count {
                return Ok(None);
            }
        }
        let Some(map) = &self.map else { return Ok(None) };
        let (chunk, nth) = page_map::locate(page);
        let Some(id) = map.chunks.get(chunk) else { return Ok(None) };
        let origins = self.store.load_chunk(*id)?;
        match origins.get(nth).copied().flatten() {
            Some(origin) => self.store.load_commit(&origin).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the origin of every page of a chunk of the page map, with newer commits taken into account.
    pub fn chunk_origins(&self, chunk: usize) -> Result<MapChunk> {
        let first = chunk as u32 * page_map::CHUNK_PAGES;
        let last = (first + page_map::CHUNK_PAGES).min(self.snapshot.page_count);
        let mut out = Vec::new();
        for n in first..last {
            let page = PageIdx::new(n + 1).expect("one more than a number");
            out.push(self.origin(page)?.map(|c| c.origin()));
        }
        Ok(MapChunk::new(out))
    }

    /// Returns the hash of a page; that of the zero page where nothing was written.
    pub fn page_hash(&self, page: PageIdx) -> Result<PageHash> {
        match self.page_hash_once(page) {
            Err(error) if self.store.refetch_damaged(&error) => self.page_hash_once(page),
            other => other,
        }
    }

    fn page_hash_once(&self, page: PageIdx) -> Result<PageHash> {
        match self.origin(page)? {
            Some(commit) => {
                let nth = commit.commit.pages.rank(page).ok_or_else(|| self.store.missing(&commit))?;
                let segment = self.store.segment(&commit)?;
                segment.page_hash(&commit.commit, commit.placement.first_rank, nth)
            }
            None => Ok(zero_hash()),
        }
    }

    /// Appends the hashes of the pages `first`, `first + 1`, …, `count` of them, to `out`.
    pub fn page_hashes(&self, first: PageIdx, count: u32, out: &mut Vec<PageHash>) -> Result<()> {
        let before = out.len();
        match self.page_hashes_once(first, count, out) {
            Err(error) if self.store.refetch_damaged(&error) => {
                out.truncate(before);
                self.page_hashes_once(first, count, out)
            }
            other => other,
        }
    }

    fn page_hashes_once(&self, first: PageIdx, count: u32, out: &mut Vec<PageHash>) -> Result<()> {
        self.prepare_scan()?;
        let mut run = Run::default();
        for n in first.get()..first.get() + count {
            let page = PageIdx::new(n).expect("pages count from 1");
            match self.origin(page)? {
                Some(commit) => {
                    let nth = run.rank(&commit, page).ok_or_else(|| self.store.missing(&commit))?;
                    let segment = run.segment(&self.store, &commit)?;
                    out.push(segment.page_hash(&commit.commit, commit.placement.first_rank, nth)?);
                }
                None => out.push(zero_hash()),
            }
        }
        Ok(())
    }

    /// Makes look-ups of all pages fast, at 4 bytes per page.
    pub fn prepare_scan(&self) -> Result<()> {
        if self.dense.get().is_none() {
            let dense = Dense::build(self)?;
            let _ = self.dense.set(dense);
        }
        Ok(())
    }

    /// As [`PageSource::read_pages`], with the store's own error.
    pub fn read(&self, first: PageIdx, out: &mut [u8]) -> Result<()> {
        match self.read_once(first, out) {
            // What came from a remote may have come wrong.
            Err(error) if self.store.refetch_damaged(&error) => self.read_once(first, out),
            other => other,
        }
    }

    fn read_once(&self, first: PageIdx, out: &mut [u8]) -> Result<()> {
        assert!(out.len().is_multiple_of(PAGE_SIZE), "whole pages are read");
        if out.len() > 16 * PAGE_SIZE {
            self.prepare_scan()?;
        }
        let mut run = Run::default();
        for (n, buf) in (first.get()..).zip(out.chunks_exact_mut(PAGE_SIZE)) {
            let page = PageIdx::new(n).expect("pages count from 1");
            let Some(commit) = self.origin(page)? else {
                buf.fill(0);
                continue;
            };
            let nth = run.rank(&commit, page).ok_or_else(|| self.store.missing(&commit))?;
            let damaged = |segment: &Segment, what: String| StoreError::DamagedPage {
                page,
                log: commit.commit.log,
                lsn: commit.commit.lsn,
                segment: segment.id(),
                what,
            };
            let segment = run.segment(&self.store, &commit)?;
            let rank = commit.placement.first_rank + nth;
            let wanted = segment.page_hash(&commit.commit, commit.placement.first_rank, nth)?;
            let (number, first_rank) = segment.frame_of(rank);
            let frame = run.frame(&self.store, &segment, number).map_err(|e| match e {
                StoreError::NotHere { .. } => e,
                other => damaged(&segment, other.to_string()),
            })?;
            let at = (rank - first_rank) as usize * PAGE_SIZE;
            let bytes =
                frame.get(at..at + PAGE_SIZE).ok_or_else(|| damaged(&segment, "the frame is too short".to_owned()))?;
            if blake3::hash(bytes).as_bytes() != wanted.as_bytes() {
                return Err(damaged(&segment, "its bytes do not match their hash".to_owned()));
            }
            buf.copy_from_slice(bytes);
        }
        Ok(())
    }
}

impl PageSource for OpenSnapshot {
    fn byte_len(&self) -> u64 {
        self.snapshot.byte_len
    }

    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
        Ok(self.read(first, out)?)
    }

    fn page_count(&self) -> u32 {
        self.snapshot.page_count
    }
}

impl LoadedCommit {
    /// Checks an entry of the index against the hash that something trusted names.
    pub fn verify(entry: LogEntry, wanted: &Origin) -> Result<Self> {
        let found = entry.commit.hash();
        let same_place = entry.commit.log == wanted.log && entry.commit.lsn == wanted.lsn;
        if found != wanted.commit || !same_place {
            return Err(StoreError::OtherCommit { log: wanted.log, lsn: wanted.lsn, wanted: wanted.commit, found });
        }
        Ok(Self { commit: entry.commit, hash: found, placement: entry.placement })
    }

    /// Returns the commit's coordinates and hash.
    pub fn origin(&self) -> Origin {
        Origin { log: self.commit.log, lsn: self.commit.lsn, commit: self.hash }
    }
}

/// What neighbouring pages share: the commit, its segment, the frame and the rank that comes next.
#[derive(Default)]
struct Run {
    segment: Option<Arc<Segment>>,
    commit: Option<Arc<LoadedCommit>>,
    frame: Option<(usize, Arc<Vec<u8>>)>,
    last: Option<(PageIdx, u32)>,
}

impl Run {
    fn enter(&mut self, commit: &Arc<LoadedCommit>) {
        if !self.commit.as_ref().is_some_and(|c| Arc::ptr_eq(c, commit)) {
            *self = Self { commit: Some(Arc::clone(commit)), ..Self::default() };
        }
    }

    /// Returns the position of a page among the pages of its commit; ranks of neighbours follow each other.
    fn rank(&mut self, commit: &Arc<LoadedCommit>, page: PageIdx) -> Option<u32> {
        self.enter(commit);
        let rank = match self.last {
            Some((last, rank)) if last.next() == Some(page) => rank + 1,
            _ => commit.commit.pages.rank(page)?,
        };
        self.last = Some((page, rank));
        Some(rank)
    }

    fn segment(&mut self, store: &Store, commit: &Arc<LoadedCommit>) -> Result<Arc<Segment>> {
        self.enter(commit);
        if self.segment.is_none() {
            self.segment = Some(store.segment(commit)?);
        }
        Ok(Arc::clone(self.segment.as_ref().expect("just set")))
    }

    fn frame(&mut self, store: &Store, segment: &Arc<Segment>, number: usize) -> Result<Arc<Vec<u8>>> {
        match &self.frame {
            Some((n, frame)) if *n == number => Ok(Arc::clone(frame)),
            _ => {
                let frame = store.frame(segment, number)?;
                self.frame = Some((number, Arc::clone(&frame)));
                Ok(frame)
            }
        }
    }
}

impl Dense {
    fn build(of: &OpenSnapshot) -> Result<Self> {
        let count = of.snapshot.page_count as usize;
        let mut dense = Self { sources: Vec::new(), pages: vec![0; count] };
        if let Some(map) = &of.map {
            dense.fill_from_map(of, map)?;
        }
        for commit in of.commits.iter().rev() {
            // A shrink hides for ever what lay beyond it.
            let end = (commit.commit.page_count as usize).min(count);
            dense.pages[end..].fill(0);
            dense.sources.push(Arc::clone(commit));
            let code = dense.sources.len() as u32;
            for run in commit.commit.pages.runs() {
                let start = (run.start().get() as usize - 1).min(count);
                dense.pages[start..(run.end().get() as usize).min(count)].fill(code);
            }
        }
        Ok(dense)
    }

    fn fill_from_map(&mut self, of: &OpenSnapshot, map: &PageMap) -> Result<()> {
        let mut codes = std::collections::HashMap::new();
        for (chunk, id) in map.chunks.iter().enumerate() {
            let start = chunk * page_map::CHUNK_PAGES as usize;
            let origins = of.store.load_chunk(*id)?;
            for (slot, origin) in self.pages.iter_mut().skip(start).zip(origins.iter()) {
                let Some(origin) = origin else { continue };
                *slot = match codes.get(origin) {
                    Some(code) => *code,
                    None => {
                        self.sources.push(of.store.load_commit(origin)?);
                        let code = self.sources.len() as u32;
                        codes.insert(*origin, code);
                        code
                    }
                };
            }
        }
        Ok(())
    }

    fn source(&self, page: PageIdx) -> Option<&Arc<LoadedCommit>> {
        let code = *self.pages.get(page.get() as usize - 1)?;
        self.sources.get((code as usize).checked_sub(1)?)
    }
}

fn zero_hash() -> PageHash {
    static HASH: OnceLock<PageHash> = OnceLock::new();
    *HASH.get_or_init(|| PageHash::of(&ZERO_PAGE))
}

/// Reads one page of a source.
pub fn read_page(source: &dyn PageSource, page: PageIdx) -> Result<PageBuf, SourceError> {
    let mut buf = ZERO_PAGE;
    source.read_pages(page, &mut buf)?;
    Ok(buf)
}
