//! A volume as a value of its own: pages that are read at an LSN and written a transaction at a time, without SQLite and without commits.
//!
//! A reader sees one state, whatever is written meanwhile. A writer gathers pages on top of the state it began with and makes them one
//! storage commit, with the next LSN; if somebody else has written to the volume since, it fails and nothing is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Store;
use super::open_snapshot::OpenSnapshot;
use super::volumes::{PageRuns, VolumeError};
use crate::model::{FileKind, LogRange, Lsn, PAGE_SIZE, PageBuf, PageIdx, Snapshot, VolumeId};

/// A volume of a store.
#[derive(Clone)]
pub struct Volume {
    store: Store,
    id: VolumeId,
}

/// One state of a volume.
pub struct VolumeReader {
    store: Store,
    open: Arc<OpenSnapshot>,
}

/// A transaction on a volume; dropped without [`VolumeWriter::commit`] it leaves nothing behind.
pub struct VolumeWriter {
    volume: Volume,
    base: Snapshot,
    pages: BTreeMap<PageIdx, Box<PageBuf>>,
}

impl Volume {
    /// Makes an empty volume.
    pub fn create(store: &Store) -> Result<Self, VolumeError> {
        Ok(Self { store: store.clone(), id: store.create_volume(FileKind::Opaque)? })
    }

    /// Finds a volume by its tag, its id or the beginning of its id.
    pub fn find(store: &Store, name: &str) -> Result<Self, VolumeError> {
        Ok(Self { store: store.clone(), id: store.find_volume(name)?.id })
    }

    /// Returns the id.
    pub fn id(&self) -> VolumeId {
        self.id
    }

    /// Names the volume. A tag that names another one stays as it is, and that is an error.
    pub fn tag(&self, name: &str) -> Result<(), VolumeError> {
        self.store.tag_volume(name, self.id, false)
    }

    /// Opens the newest state.
    pub fn reader(&self) -> Result<VolumeReader, VolumeError> {
        VolumeReader::open(&self.store, self.newest()?)
    }

    /// Opens the state as of an LSN of the newest log. The error is [`super::StoreError::MissingCommit`] if the volume has no such LSN.
    pub fn reader_at(&self, lsn: Lsn) -> Result<VolumeReader, VolumeError> {
        let newest = self.newest()?;
        let (log, ..) = newest.head().ok_or_else(|| VolumeError::NotFound(self.id.to_string()))?;
        let state = match ranges_until(&newest, lsn) {
            Some(ranges) => {
                let hash = *ranges[0].commits.last().expect("a range lists its end");
                let commit = self.store.storage_commit(log, lsn, hash)?;
                let (page_count, byte_len) = (commit.commit.page_count, commit.commit.byte_len);
                Snapshot { page_count, byte_len, ranges, ..newest }
            }
            // What came before a storage commit that holds all pages is in the log alone.
            None => Snapshot { volume: self.id, ..self.store.storage_log()?.state(log, lsn, newest.kind)? },
        };
        VolumeReader::open(&self.store, state)
    }

    /// Begins a transaction on the newest state.
    pub fn writer(&self) -> Result<VolumeWriter, VolumeError> {
        Ok(VolumeWriter { volume: self.clone(), base: self.newest()?, pages: BTreeMap::new() })
    }

    fn newest(&self) -> Result<Snapshot, VolumeError> {
        let state = self.store.volume_state(self.id)?;
        Ok(state.ok_or_else(|| VolumeError::NotFound(self.id.to_string()))?.snapshot)
    }
}

/// Returns the ranges of a state as far as an LSN of its newest log; `None` if that is not among them.
fn ranges_until(state: &Snapshot, lsn: Lsn) -> Option<Vec<LogRange>> {
    let (log, ..) = state.head()?;
    let at = state.ranges.iter().position(|r| r.log == log && r.start <= lsn && lsn <= r.end)?;
    let mut ranges = state.ranges[at..].to_vec();
    let newest = &mut ranges[0];
    newest.end = lsn;
    newest.commits.truncate((lsn.get() - newest.start.get() + 1) as usize);
    Some(ranges)
}

impl VolumeReader {
    fn open(store: &Store, state: Snapshot) -> Result<Self, VolumeError> {
        Ok(Self { store: store.clone(), open: Arc::new(store.open_snapshot(state)?) })
    }

    /// Returns the state.
    pub fn snapshot(&self) -> &Snapshot {
        self.open.snapshot()
    }

    /// Returns the LSN; `None` before anything was written.
    pub fn lsn(&self) -> Option<Lsn> {
        self.snapshot().head().map(|(_, lsn, _)| lsn)
    }

    /// Returns the number of pages: that of the highest one ever written.
    pub fn page_count(&self) -> u32 {
        self.snapshot().page_count
    }

    /// Reads one page, 4096 bytes, verified against its hash; a page that was never written holds zeros.
    pub fn read_page(&self, page: PageIdx) -> Result<PageBuf, VolumeError> {
        let mut bytes = [0; PAGE_SIZE];
        if page.get() <= self.page_count() {
            self.open.read(page, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// Makes a volume that begins with this state and goes its own way from here. No page is copied.
    pub fn fork(&self) -> Result<Volume, VolumeError> {
        Ok(Volume { store: self.store.clone(), id: self.store.fork_volume(self.snapshot())? })
    }
}

impl VolumeWriter {
    /// Writes one page, 4096 bytes; one beyond the end makes the volume longer.
    pub fn write_page(&mut self, page: PageIdx, bytes: &PageBuf) {
        self.pages.insert(page, Box::new(*bytes));
    }

    /// Makes the pages one storage commit, durable, and returns the new state. Pages that are as they were are left out; if all are,
    /// there is no new LSN. The error is [`VolumeError::Moved`] if the volume was written to since the transaction began.
    pub fn commit(self) -> Result<VolumeReader, VolumeError> {
        let Self { volume, base, pages } = self;
        let end = pages.keys().next_back().map_or(0, |last| last.byte_offset() + PAGE_SIZE as u64);
        let runs: PageRuns = pages.into_iter().map(|(page, bytes)| (page, bytes.to_vec())).collect();
        let state = volume.store.write_volume(&base, base.kind, base.byte_len.max(end), runs)?;
        VolumeReader::open(&volume.store, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{StoreError, StoreOptions};

    fn page(n: u32) -> PageIdx {
        PageIdx::new(n).unwrap()
    }

    fn lsn(n: u64) -> Lsn {
        Lsn::new(n).unwrap()
    }

    fn write(volume: &Volume, n: u32, byte: u8) -> VolumeReader {
        let mut writer = volume.writer().unwrap();
        writer.write_page(page(n), &[byte; PAGE_SIZE]);
        writer.commit().unwrap()
    }

    #[test]
    fn every_lsn_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), StoreOptions::default()).unwrap();
        let volume = Volume::create(&store).unwrap();
        assert_eq!((volume.reader().unwrap().lsn(), volume.reader().unwrap().page_count()), (None, 0));
        // More than the commits after which one holds all pages.
        const COUNT: u64 = 300;
        for n in 1..=COUNT {
            let reader = write(&volume, n as u32 % 7 + 1, n as u8);
            assert_eq!(reader.lsn(), Some(lsn(n)));
        }
        for n in [1, 2, 6, 7, 8, 63, 64, 65, 150, 299, COUNT] {
            let reader = volume.reader_at(lsn(n)).unwrap();
            assert_eq!(reader.lsn(), Some(lsn(n)));
            for p in 1..=7u64 {
                let last = (1..=n).rev().find(|n| n % 7 + 1 == p).unwrap_or(0);
                assert_eq!(reader.read_page(page(p as u32)).unwrap(), [last as u8; PAGE_SIZE], "page {p} at {n}");
            }
        }
        assert!(matches!(volume.reader_at(lsn(COUNT + 1)), Err(VolumeError::Store(StoreError::MissingCommit { .. }))));
    }

    #[test]
    fn forks_go_their_own_ways_and_who_comes_second_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), StoreOptions::default()).unwrap();
        let volume = Volume::create(&store).unwrap();
        volume.tag("main").unwrap();
        let first = write(&volume, 1000, 1);
        assert_eq!((first.page_count(), first.read_page(page(1)).unwrap()), (1000, [0; PAGE_SIZE]));
        let fork = first.fork().unwrap();
        let mut late = Volume::find(&store, "main").unwrap().writer().unwrap();
        write(&volume, 1, 2);
        write(&fork, 1, 3);
        assert_eq!(volume.reader().unwrap().read_page(page(1)).unwrap(), [2; PAGE_SIZE]);
        assert_eq!(fork.reader().unwrap().read_page(page(1)).unwrap(), [3; PAGE_SIZE]);
        assert_eq!(first.read_page(page(1)).unwrap(), [0; PAGE_SIZE]);
        late.write_page(page(2), &[4; PAGE_SIZE]);
        assert!(matches!(late.commit(), Err(VolumeError::Moved(id)) if id == volume.id()));
        // What is as it was makes no commit.
        assert_eq!(write(&volume, 1, 2).lsn(), Some(lsn(2)));
    }
}
