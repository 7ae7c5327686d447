//! How much of a state is here, where parts may have been left on a remote; nothing is fetched to find out.

use std::collections::HashMap;

use super::container::Pieces;
use super::error::{Result, StoreError};
use super::lazy::LazyFile;
use super::segment::Segment;
use super::{OpenSnapshot, Store, paths};
use crate::model::{PAGE_SIZE, PageIdx, SegmentId};

/// How much of a state is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PagesHere {
    /// Its pages, 4096 bytes each.
    pub pages: u32,
    /// Those that can be read without a remote.
    pub cached: u32,
    /// Its bytes.
    pub bytes: u64,
    /// Those of the pages that can be read without a remote.
    pub cached_bytes: u64,
}

impl PagesHere {
    /// Tells whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.cached == self.pages
    }
}

/// What is here of a segment.
enum Here {
    All,
    Pieces(Box<Segment>),
    /// Not even its tables.
    Nothing,
}

impl Store {
    /// Tells how many pages of a state are here.
    pub fn pages_here(&self, open: &OpenSnapshot) -> Result<PagesHere> {
        open.prepare_scan()?;
        let (pages, bytes) = (open.snapshot().page_count, open.snapshot().byte_len);
        let mut sum = PagesHere { pages, bytes, ..PagesHere::default() };
        let mut segments: HashMap<SegmentId, Here> = HashMap::new();
        for page in (1..=pages).filter_map(PageIdx::new) {
            let is_here = match open.origin(page)? {
                None => true,
                Some(commit) => {
                    let id = commit.placement.segment;
                    let here = match segments.get(&id) {
                        Some(here) => here,
                        None => segments.entry(id).or_insert(self.here(id)?),
                    };
                    let nth = commit.commit.pages.rank(page).ok_or_else(|| self.missing(&commit))?;
                    match here {
                        Here::All => true,
                        Here::Pieces(segment) => segment.is_rank_here(commit.placement.first_rank + nth),
                        Here::Nothing => false,
                    }
                }
            };
            if is_here {
                sum.cached += 1;
                sum.cached_bytes += (bytes - page.byte_offset()).min(PAGE_SIZE as u64);
            }
        }
        Ok(sum)
    }

    fn here(&self, id: SegmentId) -> Result<Here> {
        if !self.is_in_pieces(id) {
            return Ok(Here::All);
        }
        let Some(file) = LazyFile::open(self.dir(), id)? else { return Ok(Here::All) };
        let pieces = Pieces { file: file.into(), dir: self.dir().to_owned(), source: None };
        match Segment::in_pieces(id, &paths::lazy(self.dir(), id), pieces) {
            Ok(segment) => Ok(Here::Pieces(Box::new(segment))),
            Err(StoreError::NotHere { .. }) => Ok(Here::Nothing),
            Err(error) => Err(error),
        }
    }
}
