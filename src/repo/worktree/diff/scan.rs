//! Finds the pages in which two states differ, where the store does not know: at least one is a file.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use crate::model::page::ZERO_PAGE;
use crate::model::{PAGE_SIZE, PageBuf, PageHash, PageIdx, PageSet, PageSource};
use crate::repo::error::Result;
use crate::sqlite::file_source::FileSource;
use crate::sqlite::header::same_but_volatile;
use crate::store::OpenSnapshot;

/// Finds the pages in which a database file differs from a snapshot, hashing on a second thread.
pub(super) fn scan(stored: &Arc<OpenSnapshot>, file: &FileSource) -> Result<PageSet> {
    stored.prepare_scan()?;
    let (runs, queue) = sync_channel::<(PageIdx, Vec<u8>)>(8);
    std::thread::scope(|scope| {
        let hasher = scope.spawn(move || -> Result<PageSet> {
            let mut differing = PageSet::new();
            let mut known = Vec::new();
            while let Ok((first, bytes)) = queue.recv() {
                let count = (bytes.len() / PAGE_SIZE) as u32;
                let both = stored.snapshot().page_count.saturating_sub(first.get() - 1).min(count);
                known.clear();
                stored.page_hashes(first, both, &mut known)?;
                for (i, page) in bytes.chunks_exact(PAGE_SIZE).enumerate() {
                    let idx = PageIdx::new(first.get() + i as u32).expect("pages count from 1");
                    let page: &PageBuf = page.try_into().expect("one page");
                    if known.get(i) != Some(&PageHash::of(page)) && !(idx == PageIdx::FIRST && excused(stored, page)?) {
                        differing.insert(idx);
                    }
                }
            }
            Ok(differing)
        });
        let read = file.for_each_run(&mut |first, bytes| match runs.send((first, bytes)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        drop(runs);
        let differing = hasher.join().expect("hashing does not panic");
        read?;
        let mut differing = differing?;
        let (file_pages, stored_pages) = (file.page_count(), stored.page_count());
        if let (Some(first), Some(last)) = (PageIdx::new(file_pages + 1), PageIdx::new(stored_pages))
            && first <= last
        {
            differing.insert_range(first..=last);
        }
        Ok(differing)
    })
}

/// Finds the pages in which two database files differ; both are read at once.
pub(super) fn compare_files(old: &FileSource, new: &FileSource) -> Result<PageSet> {
    let (runs, queue) = sync_channel::<(PageIdx, Vec<u8>)>(8);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            old.for_each_run(&mut |first, bytes| match runs.send((first, bytes)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        let mut differing = PageSet::new();
        let mut mark = |first: PageIdx, i: usize| {
            differing.insert(PageIdx::new(first.get() + i as u32).expect("pages count from 1"));
        };
        let read = new.for_each_run(&mut |first, bytes| {
            let other = queue.recv().map_or_else(|_| Vec::new(), |(_, other)| other);
            let len = bytes.len().max(other.len()) / PAGE_SIZE;
            for i in 0..len {
                let page = i * PAGE_SIZE..(i + 1) * PAGE_SIZE;
                if bytes.get(page.clone()) != other.get(page) {
                    mark(first, i);
                }
            }
            ControlFlow::Continue(())
        });
        while let Ok((first, other)) = queue.recv() {
            (0..other.len() / PAGE_SIZE).for_each(|i| mark(first, i));
        }
        drop(queue);
        reader.join().expect("reading does not panic")?;
        read?;
        Ok(differing)
    })
}

/// Tells whether page 1 differs only in what is no content.
fn excused(stored: &OpenSnapshot, new: &PageBuf) -> Result<bool> {
    if stored.snapshot().page_count == 0 {
        return Ok(false);
    }
    let mut old = ZERO_PAGE;
    stored.read(PageIdx::FIRST, &mut old)?;
    Ok(same_but_volatile(&old, new))
}
