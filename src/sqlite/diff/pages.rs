//! The SQLite pages of both states, and which of them differ.

use std::collections::HashMap;
use std::sync::Arc;

use super::DiffError;
use super::ahead::{Ahead, Stream};
use super::btree::be32;
use crate::model::{PAGE_SIZE, PageIdx, PageSet, PageSource};
use crate::sqlite::header::Header;

/// Bytes of pages kept for another look.
const CACHE_LEN: usize = 1 << 20;

/// The pages of one state.
pub(super) struct Pages {
    source: Arc<Ahead>,
    pub header: Header,
    /// Number of pages.
    pub count: u32,
    cache: HashMap<u32, Arc<[u8]>>,
}

impl Pages {
    /// Prepares to read; `None` if the state does not begin like a database.
    pub fn open(source: Arc<Ahead>) -> Result<Option<Self>, DiffError> {
        let mut first = vec![0; PAGE_SIZE];
        source.read_pages(PageIdx::FIRST, &mut first).map_err(DiffError::Source)?;
        let Some(header) = Header::parse(&first) else { return Ok(None) };
        let count = (source.byte_len() / u64::from(header.page_size)) as u32;
        Ok(Some(Self { source, header, count, cache: HashMap::new() }))
    }

    /// Bytes of a page that hold content.
    pub fn usable(&self) -> usize {
        self.header.page_size as usize - usize::from(self.header.reserved)
    }

    /// Reads a page; `None` beyond the end.
    pub fn read(&mut self, n: u32) -> Result<Option<Arc<[u8]>>, DiffError> {
        if n == 0 || n > self.count {
            return Ok(None);
        }
        if let Some(page) = self.cache.get(&n) {
            return Ok(Some(page.clone()));
        }
        let size = self.header.page_size as usize;
        let offset = (u64::from(n) - 1) * size as u64;
        let within = (offset % PAGE_SIZE as u64) as usize;
        let mut buf = vec![0; size.max(PAGE_SIZE)];
        let first = PageIdx::of_offset(offset).expect("a source never holds more than 16 TiB");
        self.source.read_pages(first, &mut buf).map_err(DiffError::Source)?;
        let page: Arc<[u8]> = buf[within..within + size].into();
        if self.cache.len() * size >= CACHE_LEN {
            self.cache.clear();
        }
        self.cache.insert(n, page.clone());
        Ok(Some(page))
    }

    /// Returns where the pages come from.
    pub fn source(&self) -> Arc<Ahead> {
        Arc::clone(&self.source)
    }

    /// Begins to read many pages.
    pub fn stream(&self, pages: Vec<u32>) -> Stream {
        self.source.stream(pages, self.header.page_size)
    }

    /// Lists the free pages; `None` if the list is damaged.
    pub fn free_pages(&mut self) -> Result<Option<Vec<u32>>, DiffError> {
        let Some(first) = self.read(1)?.and_then(|page| be32(&page, 32)) else { return Ok(None) };
        let mut free = Vec::new();
        let mut trunk = first;
        while trunk != 0 {
            let Some(page) = self.read(trunk)? else { return Ok(None) };
            if free.len() > self.count as usize {
                return Ok(None);
            }
            free.push(trunk);
            let (Some(next), Some(len)) = (be32(&page, 0), be32(&page, 4)) else { return Ok(None) };
            free.extend((0..len as usize).map_while(|i| be32(&page, 8 + 4 * i)));
            trunk = next;
        }
        Ok(Some(free))
    }
}

/// The pages in which the states differ.
pub(super) struct Differing {
    set: PageSet,
    page_size: u32,
}

impl Differing {
    pub fn new(set: PageSet, page_size: u32) -> Self {
        Self { set, page_size }
    }

    /// Tells whether an SQLite page may differ.
    pub fn contains(&self, n: u32) -> bool {
        let start = (u64::from(n) - 1) * u64::from(self.page_size);
        let (Some(first), Some(last)) =
            (PageIdx::of_offset(start), PageIdx::of_offset(start + u64::from(self.page_size) - 1))
        else {
            return true;
        };
        match first == last {
            true => self.set.contains(first),
            false => self.set.iter_from(first).next().is_some_and(|p| p <= last),
        }
    }

    /// Returns the number of 4 KiB pages that differ.
    pub fn len(&self) -> u32 {
        self.set.len()
    }

    /// Lists the SQLite pages that may differ, in order.
    pub fn pages(&self) -> Vec<u32> {
        let size = u64::from(self.page_size);
        let mut pages: Vec<u32> = Vec::new();
        for run in self.set.runs() {
            let first = (run.start().byte_offset() / size) as u32 + 1;
            let last = ((run.end().byte_offset() + PAGE_SIZE as u64 - 1) / size) as u32 + 1;
            let next = pages.last().map_or(first, |n| first.max(n + 1));
            pages.extend(next..=last);
        }
        pages
    }
}
