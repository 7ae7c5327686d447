//! Takes in the pages of a file: hashes them, finds those that differ from a base, and compresses these into a segment.
//!
//! ```text
//! caller ── runs of pages ──► 2 workers (hash, compare, compress full frames) ──► collector (order, small frames, file)
//! ```
//!
//! Memory is constant: a handful of buffers, whatever the size of the file.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::Store;
use super::error::Result;
use super::open_snapshot::OpenSnapshot;
use super::segment::FRAME_PAGES;
use super::segment_writer::{FrameCompressor, SegmentWriter};
use crate::model::page::ZERO_PAGE;
use crate::model::{PAGE_SIZE, PageBuf, PageHash, PageIdx, PageSet};

const WORKERS: usize = 2;
const QUEUE: usize = 4;

/// Tells whether two contents of page 1 differ only in what does not count (`old`, `new`).
pub type SamePage1 = fn(&PageBuf, &PageBuf) -> bool;

/// What to do with the pages that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Store them.
    Store,
    /// Stop at the first one.
    Compare,
}

/// What an ingest found.
pub struct Ingested {
    /// The segment with the changed pages; `None` if no page is to be stored.
    pub writer: Option<SegmentWriter>,
    /// The pages that differ from the base; when comparing, at least one if there is any.
    pub changed: PageSet,
}

/// Pages on their way in.
pub struct Ingest {
    jobs: Option<SyncSender<Job>>,
    spare: Receiver<Vec<u8>>,
    workers: Vec<JoinHandle<()>>,
    collector: Option<JoinHandle<Result<Ingested>>>,
    stop: Arc<AtomicBool>,
    sequence: u64,
}

struct Job {
    sequence: u64,
    first: PageIdx,
    bytes: Vec<u8>,
}

/// The pages of one job that differ, as frames ready to write and loose pages.
struct Done {
    sequence: u64,
    parts: Result<Vec<Part>>,
}

enum Part {
    Frame(Vec<(PageIdx, PageHash)>, Vec<u8>),
    Page(PageIdx, PageHash, Vec<u8>),
    /// Page 1 with a difference that counts only if something else differs too.
    SoftPage1(PageHash, Vec<u8>),
}

struct Worker {
    base: Option<Arc<OpenSnapshot>>,
    same_page1: Option<SamePage1>,
    purpose: Purpose,
    compressor: FrameCompressor,
    old: Vec<PageHash>,
}

impl Ingest {
    /// Starts taking in a file. With a base only pages that differ from it count; `same_page1` may excuse page 1.
    pub fn start(
        store: &Store,
        base: Option<Arc<OpenSnapshot>>,
        same_page1: Option<SamePage1>,
        purpose: Purpose,
    ) -> Result<Self> {
        if let Some(base) = &base {
            base.prepare_scan()?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (jobs, job_queue) = sync_channel::<Job>(QUEUE);
        let job_queue = Arc::new(Mutex::new(job_queue));
        let (done, done_queue) = sync_channel::<Done>(QUEUE);
        let (used, spare) = sync_channel::<Vec<u8>>(QUEUE * 4);
        let workers = (0..WORKERS)
            .map(|_| {
                let (queue, done, used) = (Arc::clone(&job_queue), done.clone(), used.clone());
                let mut worker = Worker {
                    base: base.clone(),
                    same_page1,
                    purpose,
                    compressor: FrameCompressor::new(),
                    old: Vec::new(),
                };
                std::thread::spawn(move || {
                    while let Some(job) = next_job(&queue) {
                        let parts = worker.examine(&job);
                        let _ = used.try_send(job.bytes);
                        if done.send(Done { sequence: job.sequence, parts }).is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        let collector = Collector::new(store.dir().to_owned(), purpose, Arc::clone(&stop));
        let collector = std::thread::spawn(move || collector.run(&done_queue));
        Ok(Self { jobs: Some(jobs), spare, workers, collector: Some(collector), stop, sequence: 0 })
    }

    /// Returns an empty buffer, one that was used before if there is one.
    pub fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.spare.try_recv().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Takes in a run of whole pages; runs come in page order. `Break` says that nothing more is needed.
    pub fn push(&mut self, first: PageIdx, bytes: Vec<u8>) -> ControlFlow<()> {
        debug_assert!(bytes.len().is_multiple_of(PAGE_SIZE), "whole pages");
        let job = Job { sequence: self.sequence, first, bytes };
        self.sequence += 1;
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent && !self.stop.load(Ordering::Relaxed) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Waits for all pages to be dealt with.
    pub fn finish(mut self) -> Result<Ingested> {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            worker.join().expect("a worker does not panic");
        }
        self.collector.take().expect("finished once").join().expect("the collector does not panic")
    }
}

fn next_job(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl Worker {
    fn examine(&mut self, job: &Job) -> Result<Vec<Part>> {
        let count = (job.bytes.len() / PAGE_SIZE) as u32;
        self.old.clear();
        if let Some(base) = &self.base {
            // Pages beyond the base's end are new, even where they hold zeros.
            let known = base.snapshot().page_count.saturating_sub(job.first.get() - 1).min(count);
            base.page_hashes(job.first, known, &mut self.old)?;
        }
        let mut loose = Vec::new();
        let mut soft = None;
        for (i, bytes) in job.bytes.chunks_exact(PAGE_SIZE).enumerate() {
            let hash = PageHash::from_bytes(*blake3::hash(bytes).as_bytes());
            if self.old.get(i) == Some(&hash) {
                continue;
            }
            let page = PageIdx::new(job.first.get() + i as u32).expect("pages count from 1");
            if page == PageIdx::FIRST && self.excused(bytes)? {
                soft = Some(Part::SoftPage1(hash, bytes.to_vec()));
                continue;
            }
            loose.push((page, hash, bytes));
            if self.purpose == Purpose::Compare {
                break;
            }
        }
        Ok(soft.into_iter().chain(self.frames(&loose)).collect())
    }

    /// Compresses full frames here, in parallel; what is left over is gathered by the collector.
    fn frames(&mut self, loose: &[(PageIdx, PageHash, &[u8])]) -> Vec<Part> {
        let mut parts = Vec::new();
        for group in loose.chunks(FRAME_PAGES) {
            if group.len() == FRAME_PAGES && self.purpose == Purpose::Store {
                let bytes: Vec<u8> = group.iter().flat_map(|(_, _, bytes)| bytes.iter().copied()).collect();
                let pages = group.iter().map(|(page, hash, _)| (*page, *hash)).collect();
                parts.push(Part::Frame(pages, self.compressor.compress(&bytes)));
            } else {
                parts.extend(group.iter().map(|(page, hash, bytes)| Part::Page(*page, *hash, bytes.to_vec())));
            }
        }
        parts
    }

    fn excused(&self, new: &[u8]) -> Result<bool> {
        let (Some(same), Some(base)) = (self.same_page1, &self.base) else { return Ok(false) };
        if base.snapshot().page_count == 0 {
            return Ok(false);
        }
        let mut old = ZERO_PAGE;
        base.read(PageIdx::FIRST, &mut old)?;
        Ok(same(&old, new.try_into().expect("one page")))
    }
}

struct Collector {
    dir: PathBuf,
    purpose: Purpose,
    stop: Arc<AtomicBool>,
    writer: Option<SegmentWriter>,
    changed: PageSet,
    loose: Vec<(PageIdx, PageHash)>,
    loose_bytes: Vec<u8>,
    soft: Option<(PageHash, Vec<u8>)>,
    compressor: FrameCompressor,
}

impl Collector {
    fn new(dir: PathBuf, purpose: Purpose, stop: Arc<AtomicBool>) -> Self {
        Self {
            dir,
            purpose,
            stop,
            writer: None,
            changed: PageSet::new(),
            loose: Vec::new(),
            loose_bytes: Vec::new(),
            soft: None,
            compressor: FrameCompressor::new(),
        }
    }

    fn run(mut self, queue: &Receiver<Done>) -> Result<Ingested> {
        let mut early = BTreeMap::new();
        let mut next = 0;
        let mut failure = None;
        // After a failure the queue is still drained, so that the workers come to an end.
        while let Ok(done) = queue.recv() {
            early.insert(done.sequence, done.parts);
            while let Some(parts) = early.remove(&next) {
                next += 1;
                if failure.is_none()
                    && let Err(e) = parts.and_then(|parts| self.take(parts))
                {
                    failure = Some(e);
                    self.stop.store(true, Ordering::Relaxed);
                }
            }
        }
        if let Some(e) = failure {
            return Err(e);
        }
        self.flush()?;
        Ok(Ingested { writer: self.writer, changed: self.changed })
    }

    fn take(&mut self, parts: Vec<Part>) -> Result<()> {
        for part in parts {
            if let Part::SoftPage1(hash, bytes) = part {
                self.soft = Some((hash, bytes));
                continue;
            }
            if let Some((hash, bytes)) = self.soft.take() {
                self.add_page(PageIdx::FIRST, hash, &bytes)?;
            }
            match part {
                Part::Page(page, hash, bytes) => self.add_page(page, hash, &bytes)?,
                Part::Frame(pages, bytes) => {
                    self.flush()?;
                    self.add_frame(&pages, &bytes)?;
                }
                Part::SoftPage1(..) => {}
            }
            if self.purpose == Purpose::Compare {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn add_page(&mut self, page: PageIdx, hash: PageHash, bytes: &[u8]) -> Result<()> {
        if self.purpose == Purpose::Compare {
            self.changed.insert(page);
            return Ok(());
        }
        self.loose.push((page, hash));
        self.loose_bytes.extend_from_slice(bytes);
        if self.loose.len() == FRAME_PAGES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.loose.is_empty() {
            return Ok(());
        }
        let pages = std::mem::take(&mut self.loose);
        let bytes = self.compressor.compress(&self.loose_bytes);
        self.loose_bytes.clear();
        self.add_frame(&pages, &bytes)
    }

    fn add_frame(&mut self, pages: &[(PageIdx, PageHash)], bytes: &[u8]) -> Result<()> {
        self.changed.extend(pages.iter().map(|(page, _)| *page));
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(SegmentWriter::create(&self.dir)?),
        };
        writer.add_frame(pages, bytes)
    }
}
