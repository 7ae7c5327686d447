//! Reads the pages of a state ahead of whoever walks through many of them, on a thread of its own.
//!
//! What was read last is kept for a moment: SQLite asks for the same pages when it fetches the rows that lie there.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::DiffError;
use crate::model::{PAGE_SIZE, PageIdx, PageSource, SourceError};

/// Bytes read at once at most.
const RUN_LEN: u64 = 128 << 10;
/// Pages that are not wanted but read along, rather than read twice.
const GAP: u32 = 3;
/// Runs that the thread is ahead.
const AHEAD: usize = 3;
/// Runs kept: those ahead, the one in use and those before it.
const KEPT: usize = AHEAD + 5;

/// A source that remembers what was last read ahead.
pub(super) struct Ahead {
    inner: Arc<dyn PageSource>,
    recent: Mutex<VecDeque<Arc<Run>>>,
}

/// Neighbouring 4 KiB pages.
struct Run {
    first: PageIdx,
    bytes: Vec<u8>,
}

/// An SQLite page with its number.
pub(super) type Numbered = (u32, Arc<[u8]>);

type Batch = Vec<Numbered>;

impl Ahead {
    pub fn new(inner: Arc<dyn PageSource>) -> Arc<Self> {
        Arc::new(Self { inner, recent: Mutex::default() })
    }

    /// Begins to read SQLite pages in the order given.
    pub fn stream(self: &Arc<Self>, pages: Vec<u32>, page_size: u32) -> Stream {
        let (batches, queue) = sync_channel(AHEAD);
        let source = Arc::clone(self);
        let thread = std::thread::spawn(move || {
            let mut rest = &pages[..];
            while !rest.is_empty() {
                let (run, after) = rest.split_at(run_len(rest, page_size));
                rest = after;
                let read = source.read_run(run, page_size);
                let failed = read.is_err();
                if batches.send(read).is_err() || failed {
                    return;
                }
            }
        });
        Stream { queue: Some(queue), thread: Some(thread), batch: Vec::new().into_iter() }
    }

    fn read_run(&self, pages: &[u32], page_size: u32) -> Result<Batch, SourceError> {
        let size = u64::from(page_size);
        let offset = |n: u32| (u64::from(n) - 1) * size;
        let (Some(first), Some(last)) = (pages.first(), pages.last()) else { return Ok(Vec::new()) };
        let start = offset(*first) / PAGE_SIZE as u64 * PAGE_SIZE as u64;
        let end = (offset(*last) + size).next_multiple_of(PAGE_SIZE as u64);
        let idx = PageIdx::of_offset(start).ok_or("a page lies beyond 16 TiB")?;
        let mut bytes = vec![0; (end - start) as usize];
        self.inner.read_pages(idx, &mut bytes)?;
        let batch = pages.iter().map(|n| {
            let at = (offset(*n) - start) as usize;
            (*n, bytes[at..at + size as usize].into())
        });
        let batch = batch.collect();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.truncate(KEPT - 1);
        recent.push_front(Arc::new(Run { first: idx, bytes }));
        Ok(batch)
    }
}

/// Returns how many pages from the first on are read at once: neighbours in ascending order.
fn run_len(pages: &[u32], page_size: u32) -> usize {
    let most = (RUN_LEN / u64::from(page_size)) as u32;
    let near = |(i, pair): (usize, &[u32])| {
        let (before, n) = (pair[0], pair[1]);
        (n <= before || n - before > GAP || n - pages[0] >= most).then_some(i + 1)
    };
    pages.windows(2).enumerate().find_map(near).unwrap_or(pages.len())
}

impl PageSource for Ahead {
    fn byte_len(&self) -> u64 {
        self.inner.byte_len()
    }

    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
        let found = {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.iter().find_map(|run| {
                let at = first.byte_offset().checked_sub(run.first.byte_offset())? as usize;
                (at + out.len() <= run.bytes.len()).then(|| (Arc::clone(run), at))
            })
        };
        match found {
            Some((run, at)) => {
                out.copy_from_slice(&run.bytes[at..at + out.len()]);
                Ok(())
            }
            None => self.inner.read_pages(first, out),
        }
    }

    fn page_count(&self) -> u32 {
        self.inner.page_count()
    }
}

/// Pages that a thread reads.
pub(super) struct Stream {
    queue: Option<Receiver<Result<Batch, SourceError>>>,
    thread: Option<JoinHandle<()>>,
    batch: std::vec::IntoIter<Numbered>,
}

impl Stream {
    /// Returns the next page and its number.
    pub fn next(&mut self) -> Result<Option<Numbered>, DiffError> {
        loop {
            if let Some(page) = self.batch.next() {
                return Ok(Some(page));
            }
            match self.queue.as_ref().map(Receiver::recv) {
                Some(Ok(batch)) => self.batch = batch.map_err(DiffError::Source)?.into_iter(),
                _ => return Ok(None),
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Without a receiver the thread ends at its next page.
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Constant(u32);

    impl PageSource for Constant {
        fn byte_len(&self) -> u64 {
            u64::from(self.0) * PAGE_SIZE as u64
        }

        fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
            for (n, page) in (first.get()..).zip(out.chunks_exact_mut(PAGE_SIZE)) {
                page.fill(n as u8);
            }
            Ok(())
        }
    }

    #[test]
    fn pages_come_in_the_order_asked_for_and_are_remembered() {
        let source = Ahead::new(Arc::new(Constant(200)));
        let wanted: Vec<u32> = [5, 6, 7, 9, 3, 4, 100, 101].into_iter().chain(110..190).collect();
        let mut stream = source.stream(wanted.clone(), 4096);
        let mut seen = Vec::new();
        while let Some((n, page)) = stream.next().expect("readable") {
            assert!(page.iter().all(|b| *b == n as u8));
            seen.push(n);
        }
        assert_eq!(seen, wanted);
        let mut page = [0; PAGE_SIZE];
        source.read_pages(PageIdx::new(189).expect("a page"), &mut page).expect("readable");
        assert_eq!(page[0], 189);
        // Whoever stops early leaves no thread behind.
        drop(source.stream(wanted, 512));
    }
}
