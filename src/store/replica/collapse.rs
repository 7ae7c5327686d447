//! Makes one storage commit of everything that happened to a volume since the sync point.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_bytes::ByteArray;

use super::pairing::Pairing;
use super::{Replicator, Result, state_after};
use crate::model::{Lsn, PAGE_SIZE, PageIdx, PageSet, Snapshot, StorageCommit};
use crate::store::append::build_map;
use crate::store::remote::RemoteError;
use crate::store::remote::volume_log::VolumeEntry;
use crate::store::segment_writer::SegmentWriter;
use crate::store::{MAX_LISTED, OpenSnapshot, Purpose, StoreError, differing_pages, paths};
use crate::util::{fs as durable, random};

/// Pages read at a time.
const RUN: u32 = 64;

impl Replicator<'_> {
    /// Writes the segment of a push and returns its entry; `None` if nothing differs from the sync point.
    pub(super) fn collapse(&self, pairing: &Pairing, head: &Snapshot) -> Result<Option<VolumeEntry>> {
        let open = |snapshot: &Snapshot| self.store.open_snapshot(snapshot.clone());
        let now = Arc::new(open(head)?);
        let pages = match &pairing.synced {
            Some(synced) => {
                let before = open(synced)?;
                let pages = changed(&before, &now)?;
                if pages.is_empty() && synced.byte_len == head.byte_len && synced.kind == head.kind {
                    return Ok(None);
                }
                pages
            }
            None => written(&now, PageIdx::FIRST, head.page_count)?,
        };
        let base = pairing.base.as_ref().map(open).transpose()?;
        let mut writer = self.copy(&now, &pages)?;
        let sealed = writer.seal()?;
        let mut commit = StorageCommit {
            log: pairing.log,
            lsn: pairing.base_lsn().map_or(Some(Lsn::FIRST), Lsn::next).expect("logs are shorter than 2^64"),
            parent: pairing.base.as_ref().and_then(Snapshot::head).map(|(_, _, hash)| hash),
            page_count: head.page_count,
            byte_len: head.byte_len,
            pages: sealed.pages,
            content: sealed.content,
            checkpoint: None,
            time: random::unix_ms() as i64,
        };
        let mut maps = Vec::new();
        if let Some(base) = base.filter(|b| b.snapshot().commit_count() >= MAX_LISTED)
            && !commit.is_base()
        {
            commit.checkpoint = Some(build_map(&base, &commit, &mut maps)?.id());
        }
        let segment = writer.id();
        let path = self.store.outgoing_path(head.volume);
        let places = writer.finish_at(&path, vec![commit.clone()], head.volume, maps)?;
        let len = length(&path)?;
        let maps = places.into_iter().map(|(id, section)| (ByteArray::new(id), section)).collect();
        Ok(Some(VolumeEntry { commit, kind: head.kind, volume: head.volume, segment, len, maps }))
    }

    /// Copies pages of a state into a new segment.
    fn copy(&self, from: &OpenSnapshot, pages: &PageSet) -> Result<SegmentWriter> {
        let mut ingest = self.store.ingest(None, None, Purpose::Store)?;
        'all: for run in pages.runs() {
            let (mut first, end) = (run.start().get(), run.end().get());
            while first <= end {
                crate::util::interrupt::check().map_err(RemoteError::from)?;
                let count = RUN.min(end - first + 1);
                let mut bytes = ingest.buffer();
                bytes.resize(count as usize * PAGE_SIZE, 0);
                let page = PageIdx::new(first).expect("pages count from 1");
                from.read(page, &mut bytes)?;
                if ingest.push(page, bytes).is_break() {
                    break 'all;
                }
                first += count;
            }
        }
        self.store.release();
        match ingest.finish()?.writer {
            Some(writer) => Ok(writer),
            // Only the length has changed.
            None => Ok(SegmentWriter::create(self.store.dir())?),
        }
    }

    /// Keeps the segment of a push that was heard where later states of the remote find it, or removes it: the pages are in the
    /// volume's own log as well, so only small ones, and the page maps of checkpoints, are kept twice.
    pub(super) fn keep_outgoing(&self, entry: &VolumeEntry) -> Result<()> {
        let path = self.store.outgoing_path(entry.volume);
        if entry.len > KEPT && entry.commit.checkpoint.is_none() {
            return Ok(());
        }
        let to = paths::segment(self.store.dir(), entry.segment);
        let failed = |e| StoreError::io("write", &to)(e);
        durable::create_dir_all(to.parent().expect("a segment lies in a folder")).map_err(failed)?;
        match fs::metadata(&path) {
            Ok(_) => Ok(durable::rename(&path, &to).map_err(failed)?),
            // It is there already, or will be fetched when it is read.
            Err(_) => Ok(()),
        }
    }

    /// Removes the segment of a push that is over.
    pub(super) fn drop_outgoing(&self, volume: crate::model::VolumeId) -> Result<()> {
        let path = self.store.outgoing_path(volume);
        Ok(durable::remove(&path).map_err(StoreError::io("remove", &path))?)
    }
}

/// Segments up to this size are kept when they have been sent, in bytes.
const KEPT: u64 = 64 << 10;

/// Returns the pages whose contents differ; those that read as zeros because the volume became shorter in the meantime, too.
fn changed(before: &OpenSnapshot, now: &OpenSnapshot) -> Result<PageSet, StoreError> {
    let (old, new) = (before.snapshot().page_count, now.snapshot().page_count);
    let mut pages = differing_pages(before, now)?;
    pages.truncate(old.min(new));
    // Beyond the old end what was not written reads as zeros for everybody.
    if let Some(first) = PageIdx::new(old.min(new) + 1) {
        pages.union_with(&written(now, first, new)?);
    }
    Ok(pages)
}

/// Returns the pages between two numbers that some storage commit wrote.
fn written(of: &OpenSnapshot, first: PageIdx, last: u32) -> Result<PageSet, StoreError> {
    of.prepare_scan()?;
    let mut pages = PageSet::new();
    for page in (first.get()..=last).filter_map(PageIdx::new) {
        if of.origin(page)?.is_some() {
            pages.insert(page);
        }
    }
    Ok(pages)
}

/// Returns the state that an entry makes of the sync point.
pub(super) fn pushed_state(pairing: &Pairing, entry: &VolumeEntry, volume: crate::model::VolumeId) -> Snapshot {
    state_after(pairing.base.as_ref(), entry, volume)
}

fn length(path: &Path) -> Result<u64, StoreError> {
    Ok(fs::metadata(path).map_err(StoreError::io("read", path))?.len())
}
