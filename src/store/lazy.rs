//! Segments that are not here yet: read from a remote in pieces, which are kept, until all of them are here.
//!
//! `lazy/<SegmentId>` is a sparse file of the segment's full length, `lazy/<SegmentId>.have` a bit for each block of it, headed by
//! the length. A block's bytes are on disk before its bit. Both are caches: nothing is lost with them but time. Readers verify
//! what they get as they do with any segment, so a wrong block is damage that is named, never a wrong answer.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::container::Section;
use super::error::{Result, StoreError};
use super::paths;
use super::remote::Traffic;
use crate::model::SegmentId;
use crate::util::fs as durable;

/// Bytes that are fetched and kept together.
pub const BLOCK: u64 = 32 << 10;
/// Bytes fetched ahead of a sequential reader, at the most.
const AHEAD: u64 = 4 << 20;
/// Readers that are told from each other.
const STREAMS: usize = 4;
/// Bytes at the end of a segment that are fetched first: its index and tables.
const TAIL: u64 = 256 << 10;

/// Where missing pieces come from.
pub trait SegmentSource: Send + Sync {
    /// Reads bytes of a segment.
    fn read(&self, id: SegmentId, range: Range<u64>) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>;

    /// Returns what reading has cost until now.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}

/// A segment of which some pieces are here.
pub struct LazyFile {
    id: SegmentId,
    path: PathBuf,
    file: File,
    len: u64,
    have: Mutex<Vec<u8>>,
    /// Where the latest fetches ended, and how much each fetched, the newest last: a reader that goes on at one of them is given more at
    /// a time. There are several, because whoever reads pages one after the other reads their hashes elsewhere in between.
    streams: Mutex<Vec<(u64, u64)>>,
    fetched: AtomicU64,
}

impl std::fmt::Debug for LazyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LazyFile").field("id", &self.id).field("len", &self.len).finish_non_exhaustive()
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Bits and numbers are whole after every step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn have_path(path: &Path) -> PathBuf {
    path.with_extension("have")
}

impl LazyFile {
    /// Makes the files for a segment of which nothing is here; leaves what there is.
    pub fn prepare(dir: &Path, id: SegmentId, len: u64) -> Result<()> {
        let path = paths::lazy(dir, id);
        let failed = |e| StoreError::io("write", &path)(e);
        durable::create_dir_all(path.parent().expect("it lies in a folder")).map_err(failed)?;
        if have_path(&path).exists() && fs::metadata(&path).is_ok_and(|m| m.len() == len) {
            return Ok(());
        }
        let file = durable::TempFile::create_in(&dir.join(paths::TMP)).map_err(failed)?;
        file.file().set_len(len).map_err(failed)?;
        file.persist(&path).map_err(failed)?;
        let bits = vec![0; len.div_ceil(BLOCK).div_ceil(8) as usize];
        write_have(&path, dir, len, &bits)
    }

    /// Opens the files of a segment; `None` if there are none.
    pub fn open(dir: &Path, id: SegmentId) -> Result<Option<Self>> {
        let path = paths::lazy(dir, id);
        let have = match fs::read(have_path(&path)) {
            Ok(have) => have,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io("read", &path)(e)),
        };
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io("open", &path)(e)),
        };
        let len = have.get(..8).map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes"))).unwrap_or_default();
        let bits = have.get(8..).unwrap_or_default().to_vec();
        if bits.len() as u64 != len.div_ceil(BLOCK).div_ceil(8) || file.metadata().is_ok_and(|m| m.len() != len) {
            return Err(StoreError::damaged(&path, "its list of pieces does not fit its length"));
        }
        let (have, streams) = (Mutex::new(bits), Mutex::default());
        Ok(Some(Self { id, path, file, len, have, streams, fetched: AtomicU64::new(0) }))
    }

    /// Removes what is here of a segment; the next reader begins anew.
    pub fn discard(dir: &Path, id: SegmentId) -> io::Result<()> {
        let path = paths::lazy(dir, id);
        let len = fs::metadata(&path)?.len();
        durable::remove(&have_path(&path))?;
        Self::prepare(dir, id, len).map_err(|e| io::Error::other(e.to_string()))
    }

    /// Returns the length of the segment in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns how many bytes are here.
    pub fn present(&self) -> u64 {
        let blocks = hold(&self.have).iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        (blocks * BLOCK).min(self.len)
    }

    /// Reads bytes, all of which lie within the file; what is not here is fetched from `source`.
    pub fn read(&self, section: Section, dir: &Path, source: Option<&dyn SegmentSource>) -> Result<Vec<u8>> {
        let end = section.offset() + section.len();
        let blocks = section.offset() / BLOCK..end.div_ceil(BLOCK);
        while let Some(run) = self.missing(blocks.clone()).into_iter().next() {
            self.fetch(run, dir, source)?;
        }
        let mut out = vec![0; section.len() as usize];
        self.file.read_exact_at(&mut out, section.offset()).map_err(StoreError::io("read", &self.path))?;
        Ok(out)
    }

    /// Fetches what is missing of some blocks.
    pub fn fill(&self, blocks: Range<u64>, dir: &Path, source: Option<&dyn SegmentSource>) -> Result<()> {
        for run in self.missing(blocks) {
            self.fetch_exactly(run, dir, source)?;
        }
        Ok(())
    }

    /// Tells whether bytes are here.
    pub fn is_here(&self, section: Section) -> bool {
        let end = section.offset() + section.len();
        self.missing(section.offset() / BLOCK..end.div_ceil(BLOCK)).is_empty()
    }

    /// Returns the runs of blocks that are not here.
    pub fn missing(&self, blocks: Range<u64>) -> Vec<Range<u64>> {
        let have = hold(&self.have);
        let mut runs: Vec<Range<u64>> = Vec::new();
        for block in blocks.filter(|b| have[(b / 8) as usize] & (1 << (b % 8)) == 0) {
            match runs.last_mut() {
                Some(run) if run.end == block => run.end += 1,
                _ => runs.push(block..block + 1),
            }
        }
        runs
    }

    /// Returns the number of blocks.
    pub fn blocks(&self) -> u64 {
        self.len.div_ceil(BLOCK)
    }

    /// Fetches a run and, for a reader that goes through the file, what comes next.
    fn fetch(&self, mut run: Range<u64>, dir: &Path, source: Option<&dyn SegmentSource>) -> Result<()> {
        let count = self.blocks();
        if run.end >= count.saturating_sub(2) && self.fetched.load(Ordering::Relaxed) == 0 {
            run.start = run.start.min(count.saturating_sub(TAIL / BLOCK));
        }
        let before = self.stream_to(run.start);
        if let Some(len) = before {
            let ahead = (len * 2).min(AHEAD / BLOCK).max(run.end - run.start);
            run.end = (run.start + ahead).min(count);
            // What is here already at the end need not come again.
            run.end = self.missing(run.clone()).last().map_or(run.end, |last| last.end);
        }
        let mut streams = hold(&self.streams);
        streams.push((run.end, before.map_or(0, |len| len * 2).max(run.end - run.start).min(AHEAD / BLOCK)));
        if streams.len() > STREAMS {
            streams.remove(0);
        }
        drop(streams);
        self.fetch_exactly(run, dir, source)
    }

    /// Returns how much was fetched by the reader that comes to a block now, if it came through all that lies before, and forgets it.
    fn stream_to(&self, block: u64) -> Option<u64> {
        let mut streams = hold(&self.streams);
        let leads_here = |&(end, _): &(u64, u64)| {
            end <= block && block - end <= AHEAD / BLOCK && self.missing(end..block).is_empty()
        };
        let at = streams.iter().rposition(leads_here)?;
        Some(streams.remove(at).1)
    }

    fn fetch_exactly(&self, run: Range<u64>, dir: &Path, source: Option<&dyn SegmentSource>) -> Result<()> {
        let range = run.start * BLOCK..(run.end * BLOCK).min(self.len);
        let not_here = |error: Box<dyn std::error::Error + Send + Sync>| {
            let mut why = error.to_string();
            if let Some(cause) = error.source() {
                why += &format!(" ({cause})");
            }
            StoreError::NotHere { segment: self.id, why }
        };
        let source = source.ok_or_else(|| not_here("no remote to fetch it from is configured".into()))?;
        let bytes = source.read(self.id, range.clone()).map_err(not_here)?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(not_here("the answer is too short".into()));
        }
        let failed = |e| StoreError::io("write", &self.path)(e);
        self.file.write_all_at(&bytes, range.start).and_then(|()| self.file.sync_data()).map_err(failed)?;
        self.fetched.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let mut have = hold(&self.have);
        for block in run {
            have[(block / 8) as usize] |= 1 << (block % 8);
        }
        write_have(&self.path, dir, self.len, &have)
    }

    /// Makes an ordinary segment of it, once all of it is here and verified.
    pub fn settle(&self, dir: &Path) -> Result<()> {
        let to = paths::segment(dir, self.id);
        let failed = |e| StoreError::io("write", &to)(e);
        durable::create_dir_all(to.parent().expect("a segment lies in a folder")).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        durable::rename(&self.path, &to).map_err(failed)?;
        durable::remove(&have_path(&self.path)).map_err(failed)
    }
}

fn write_have(path: &Path, dir: &Path, len: u64, bits: &[u8]) -> Result<()> {
    use std::io::Write;
    let to = have_path(path);
    let write = || -> io::Result<()> {
        let mut file = durable::TempFile::create_in(&dir.join(paths::TMP))?;
        file.write_all(&len.to_le_bytes())?;
        file.write_all(bits)?;
        file.persist_relaxed(&to)
    };
    write().map_err(StoreError::io("write", &to))
}

/// Lists the segments of which some pieces are here.
pub fn all(dir: &Path) -> Result<Vec<SegmentId>> {
    let files = super::rebuild::files_in(&dir.join(paths::LAZY))?;
    Ok(files.iter().filter_map(|path| super::rebuild::file_id(path)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given(Vec<u8>, AtomicU64);

    impl SegmentSource for Given {
        fn read(&self, _: SegmentId, range: Range<u64>) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Ok(self.0[range.start as usize..range.end as usize].to_vec())
        }
    }

    #[test]
    fn pieces_are_fetched_once_and_ahead() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path();
        fs::create_dir(dir.join("tmp")).expect("a folder");
        let bytes: Vec<u8> = (0..3_000_001u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let source = Given(bytes.clone(), AtomicU64::new(0));
        let id = SegmentId::new(5, [1; 9]);
        assert!(LazyFile::open(dir, id).expect("none").is_none());
        LazyFile::prepare(dir, id, bytes.len() as u64).expect("prepared");
        let open = || LazyFile::open(dir, id).expect("opens").expect("there");
        let file = open();
        let read = |file: &LazyFile, at: u64, len: u64| file.read(Section(at, len), dir, Some(&source)).expect("read");
        assert!(file.read(Section(0, 10), dir, None).is_err(), "nothing is made up");
        assert_eq!(read(&file, 2_999_990, 11), bytes[2_999_990..]);
        assert_eq!(read(&file, 2_900_000, 100), bytes[2_900_000..2_900_100]);
        assert_eq!(source.1.load(Ordering::Relaxed), 1, "the end comes along at once");
        for at in (0..2_700_000).step_by(10_000) {
            assert_eq!(read(&file, at, 10_000), bytes[at as usize..at as usize + 10_000]);
        }
        let requests = source.1.load(Ordering::Relaxed);
        assert!(requests < 12, "a scan reads ahead: {requests} requests");
        let again = open();
        assert_eq!(read(&again, 1_000_000, 5), bytes[1_000_000..1_000_005]);
        assert_eq!(source.1.load(Ordering::Relaxed), requests, "what is here is not fetched again");
        again.fill(0..again.blocks(), dir, Some(&source)).expect("filled");
        assert_eq!(again.present(), bytes.len() as u64);
        again.settle(dir).expect("settled");
        assert_eq!(fs::read(paths::segment(dir, id)).expect("read"), bytes);
        assert!(LazyFile::open(dir, id).expect("none").is_none() && all(dir).expect("listed").is_empty());
    }
}
