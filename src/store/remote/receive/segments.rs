//! Segments beside bundles: brought in parts, several at a time, and verified page by page.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Receiver, Result};
use crate::store::StoreError;
use crate::store::entries::{LogEntry, MapPlace, Placement};
use crate::store::lazy::LazyFile;
use crate::store::paths;
use crate::store::remote::bundle::{SegmentEntry, damaged_segment};
use crate::store::remote::error::RemoteError;
use crate::store::remote::parallel;
use crate::store::segment::Segment;
use crate::util::fs::{self as durable, TempFile};

/// Bytes of a segment asked for at a time.
const PART: u64 = 2 << 20;
/// Pages verified in one step.
const VERIFIED_AT_ONCE: u32 = 4096;

impl Receiver<'_> {
    /// Reads the segments beside the bundles, as far as something in them is new, and verifies every page of them.
    pub(super) fn read_segments(&mut self) -> Result<()> {
        let mut wanted = Vec::new();
        for entry in std::mem::take(&mut self.beside).into_values() {
            let mut is_new = false;
            for (log, lsn) in &entry.commits {
                is_new |= !self.log.contains_key(&(*log, *lsn)) && self.store.log_entry_at(*log, *lsn)?.is_none();
            }
            if is_new {
                wanted.push(entry);
            }
        }
        wanted.sort_by_key(|entry| entry.id);
        if !self.is_lazy {
            self.download(&wanted)?;
        }
        for entry in &wanted {
            let segment = match self.is_lazy {
                true => self.segment_in_pieces(entry)?,
                false => self.verified_segment(entry)?,
            };
            for part in &segment.index().commits {
                let placement = Placement { segment: entry.id, first_rank: part.first_rank };
                let found = LogEntry { commit: part.commit.clone(), volume: part.volume, placement };
                self.log.insert((part.commit.log, part.commit.lsn), found);
            }
            for (id, section) in &segment.index().maps {
                self.maps.insert(id.into_array(), MapPlace(entry.id, *section));
            }
        }
        self.received.segments += wanted.len();
        Ok(())
    }

    /// Brings of a segment just what tells what is in it.
    fn segment_in_pieces(&self, entry: &SegmentEntry) -> Result<Arc<Segment>> {
        self.remote.confirm_len(&entry.key(), entry.len)?;
        LazyFile::prepare(self.store.dir(), entry.id, entry.len)?;
        let missing = || RemoteError::Missing { url: self.remote.url().to_owned(), key: entry.key() };
        self.store.open_segment(entry.id)?.ok_or_else(missing)
    }

    fn path(&self, entry: &SegmentEntry) -> std::path::PathBuf {
        paths::segment(self.store.dir(), entry.id)
    }

    /// Puts segments at their places in the store, where nobody refers to them yet.
    fn download(&self, wanted: &[SegmentEntry]) -> Result<()> {
        struct File {
            temp: Mutex<Option<TempFile>>,
            left: std::sync::atomic::AtomicU64,
        }
        self.watch.expect(wanted.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.len)));
        let mut files = Vec::new();
        let mut parts = Vec::new();
        for entry in wanted {
            let path = self.path(entry);
            if std::fs::metadata(&path).is_ok_and(|meta| meta.len() == entry.len) {
                self.watch.passed(entry.len);
                continue;
            }
            self.remote.confirm_len(&entry.key(), entry.len)?;
            let tmp = self.store.dir().join(paths::TMP);
            let temp = TempFile::create_in(&tmp).map_err(StoreError::io("write", &tmp))?;
            let ranges = (0..entry.len).step_by(PART as usize).map(|at| (files.len(), at..(at + PART).min(entry.len)));
            parts.extend(ranges);
            let left = std::sync::atomic::AtomicU64::new(entry.len);
            files.push((entry, File { temp: Mutex::new(Some(temp)), left }));
        }
        parallel::each(
            &parts,
            |(_, range)| range.end - range.start,
            |(at, range)| {
                let (entry, file) = &files[*at];
                let missing = || RemoteError::Missing { url: self.remote.url().to_owned(), key: entry.key() };
                let bytes = self.remote.backend().read_range(&entry.key(), range.clone())?.ok_or_else(missing)?;
                let temp = file.temp.lock().unwrap_or_else(PoisonError::into_inner);
                let temp = temp.as_ref().expect("persisted only after the last part");
                temp.write_at(&bytes, range.start).map_err(StoreError::io("write", temp.path()))?;
                self.watch.passed(bytes.len() as u64);
                Ok::<_, RemoteError>(())
            },
            |(at, range), ()| {
                let (entry, file) = &files[*at];
                let len = range.end - range.start;
                let is_last = file.left.fetch_sub(len, std::sync::atomic::Ordering::SeqCst) == len;
                if !is_last {
                    return Ok(());
                }
                if let Some(temp) = file.temp.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    let path = self.path(entry);
                    let failed = |e| StoreError::io("write", &path)(e);
                    durable::create_dir_all(path.parent().expect("a segment lies in a folder")).map_err(failed)?;
                    temp.persist(&path).map_err(failed)?;
                }
                Ok(())
            },
        )
    }

    /// Brings one segment, and verifies all of it.
    pub(in crate::store) fn one_segment(&self, entry: &SegmentEntry) -> Result<Arc<Segment>> {
        self.download(std::slice::from_ref(entry))?;
        self.verified_segment(entry)
    }

    /// Opens a segment that was downloaded, and verifies all of it; a damaged one is removed again.
    fn verified_segment(&self, entry: &SegmentEntry) -> Result<Arc<Segment>> {
        let path = self.path(entry);
        let checked = || -> Result<Arc<Segment>> {
            let missing = || RemoteError::Missing { url: self.remote.url().to_owned(), key: entry.key() };
            let segment = Arc::new(Segment::open(entry.id, &path)?.ok_or_else(missing)?);
            let mut steps = Vec::new();
            for part in &segment.index().commits {
                segment.part(&part.commit, part.first_rank)?;
                let count = part.commit.pages.len();
                let starts = (0..count.max(1)).step_by(VERIFIED_AT_ONCE as usize);
                steps.extend(starts.map(|at| (part, at..(at + VERIFIED_AT_ONCE).min(count))));
            }
            parallel::each(
                &steps,
                // One thread for each processor is best, and there is no memory to speak of.
                |_| (32 << 20) / std::thread::available_parallelism().map_or(2, |n| n.get() as u64),
                |(part, pages)| Ok(segment.verify_pages(&part.commit, part.first_rank, pages.clone())?),
                |_, ()| Ok::<_, RemoteError>(()),
            )?;
            Ok(segment)
        };
        checked().map_err(|error| match error {
            RemoteError::Store(e) if matches!(*e, StoreError::Damaged { .. } | StoreError::NewerVersion { .. }) => {
                let _ = durable::remove(&path);
                damaged_segment(self.remote.url(), entry, &e)
            }
            other => other,
        })
    }
}
