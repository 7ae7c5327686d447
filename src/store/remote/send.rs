//! Sending: repository objects, and the storage commits that their snapshots need, as bundles and segments.
//!
//! Nothing of it is visible before the caller names the bundles in the root. Segments go first, then the bundles that name
//! them; all are durable when [`Remote::send`] returns. Large segments go as they lie on disk, under names that follow from them, so
//! sending them again after an interruption finds them there.
//!
//! A name is never used again after a collection that may be about to remove it (see `collect`): names of bundles are random, and
//! those of segments follow from the number of collections as well.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;

use super::bundle::{BundleWriter, SegmentEntry};
use super::closure::{Known, Needs};
use super::error::{RemoteError, Result};
use super::parallel;
use super::place::Remote;
use super::root::BundleEntry;
use crate::model::{ChunkId, ObjectId, PageMapId, SegmentId, Snapshot};
use crate::store::entries::LogEntry;
use crate::store::segment_merge::SegmentMerge;
use crate::store::{Store, paths};
use crate::util::fs::TempFile;

/// Storage commits up to this size go into bundles.
const INSIDE: u64 = 1 << 20;
/// Memory that a file under way takes at the most: the parts of it that are sent together.
const FILE_MEMORY: u64 = 32 << 20;

/// What is to be sent.
pub struct Parcel {
    /// Repository objects, those that others name first.
    objects: Vec<ObjectId>,
    /// Storage commits that go into bundles.
    inside: Vec<LogEntry>,
    /// Segments that go as they are, by their names here.
    whole: Vec<(SegmentId, SegmentEntry)>,
    /// Large storage commits in segments with others that are not to be sent.
    alone: Vec<LogEntry>,
    /// Page maps and chunks that go into bundles.
    maps: Vec<[u8; 32]>,
    /// How often objects were removed from the remote when this was planned.
    collections: u64,
}

/// What was sent, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The bundles, for the root to name.
    pub bundles: Vec<BundleEntry>,
    /// Repository objects.
    pub objects: usize,
    /// Storage commits.
    pub commits: usize,
    /// Segments beside the bundles.
    pub segments: usize,
    /// Bytes of segments and bundles, as far as they were not there yet.
    pub bytes: u64,
    /// Requests for them.
    pub requests: u64,
}

impl Parcel {
    /// Gathers what has to be sent along with `objects`, to somebody who can read the snapshots in `known`, and from whom objects were
    /// removed `collections` times.
    pub fn gather(
        store: &Store,
        objects: Vec<ObjectId>,
        snapshots: &[ObjectId],
        known: &[ObjectId],
        collections: u64,
    ) -> Result<Self> {
        let read = |id: &ObjectId| -> Result<Snapshot> {
            Ok(store.object(id)?.decode().map_err(crate::store::StoreError::Object)?)
        };
        let mut there = Known::default();
        for id in known {
            there.add(store, &read(id)?)?;
        }
        let mut needs = Needs::default();
        for id in snapshots {
            there.require(store, &read(id)?, &mut needs)?;
        }
        let mut by_segment: BTreeMap<SegmentId, Vec<LogEntry>> = BTreeMap::new();
        for origin in &needs.commits {
            let missing = || crate::store::StoreError::MissingCommit { log: origin.log, lsn: origin.lsn };
            let entry = store.log_entry(origin)?.ok_or_else(missing)?;
            by_segment.entry(entry.placement.segment).or_default().push(entry);
        }
        let (inside, whole, alone, maps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut parcel = Self { objects, inside, whole, alone, maps, collections };
        let mut maps_sent = HashSet::new();
        for (id, mut entries) in by_segment {
            let segment = store.segment_for(&entries[0])?;
            let wanted: HashSet<_> = entries.iter().map(|e| (e.commit.log, e.commit.lsn)).collect();
            let all = segment.index().commits.iter().all(|c| wanted.contains(&(c.commit.log, c.commit.lsn)));
            let path = paths::segment(store.dir(), id);
            let len = std::fs::metadata(&path).map_err(io("read", &path))?.len();
            if all && len > INSIDE {
                maps_sent.extend(segment.index().maps.iter().map(|(id, _)| id.into_array()));
                parcel.whole.push((id, SegmentEntry { id, len, commits: wanted.into_iter().collect() }));
                continue;
            }
            entries.sort_by_key(|e| e.placement.first_rank);
            for entry in entries {
                match segment.part_len(&entry.commit, entry.placement.first_rank) > INSIDE {
                    true => parcel.alone.push(entry),
                    false => parcel.inside.push(entry),
                }
            }
        }
        parcel.whole.iter_mut().for_each(|(_, segment)| segment.commits.sort());
        parcel.maps = needs.maps.into_iter().filter(|id| !maps_sent.contains(id)).collect();
        Ok(parcel)
    }

    /// Gives the segments that go as they are the names that they have in a push. What collects leaves them theirs: they are there.
    pub fn named_anew(mut self) -> Self {
        // Before the first collection their own names have never been removed.
        if self.collections > 0 {
            for (id, entry) in &mut self.whole {
                entry.id = derived(*id, b"whole", self.collections);
            }
        }
        self
    }

    /// Returns the keys of the segments that go as they are.
    pub(super) fn kept_segments(&self) -> Vec<String> {
        self.whole.iter().map(|(_, segment)| segment.key()).collect()
    }

    /// Tells whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.inside.is_empty() && self.whole.is_empty() && self.alone.is_empty()
    }

    /// Returns about how many bytes of page contents there are.
    pub fn size(&self) -> u64 {
        let pages: u64 = self.inside.iter().chain(&self.alone).map(|e| u64::from(e.commit.pages.len())).sum();
        self.whole.iter().map(|(_, segment)| segment.len).sum::<u64>() + pages * 1024
    }
}

/// A file to send.
struct Outgoing {
    entry: SegmentEntry,
    file: Source,
}

enum Source {
    Stored(File),
    Temporary(TempFile),
}

impl Source {
    fn file(&self) -> &File {
        match self {
            Self::Stored(file) => file,
            Self::Temporary(temp) => temp.file(),
        }
    }
}

impl Remote {
    /// Sends a parcel. With `dry` everything is prepared and counted, and nothing sent. `passed` is told bytes.
    pub fn send(&self, store: &Store, parcel: &Parcel, dry: bool, passed: &(dyn Fn(u64) + Sync)) -> Result<Sent> {
        let mut sent = Sent {
            objects: parcel.objects.len(),
            commits: parcel.inside.len()
                + parcel.alone.len()
                + parcel.whole.iter().map(|(_, segment)| segment.commits.len()).sum::<usize>(),
            segments: parcel.whole.len() + parcel.alone.len(),
            ..Sent::default()
        };
        let files = self.files(store, parcel)?;
        parallel::each(
            &files,
            |out| out.entry.len.min(FILE_MEMORY),
            |out| self.send_file(out, dry, passed),
            |out, was_there| {
                sent.requests += 1 + u64::from(!was_there);
                sent.bytes += if was_there { 0 } else { out.entry.len };
                Ok::<_, RemoteError>(())
            },
        )?;
        let mut bundle = BundleWriter::new();
        files.iter().for_each(|out| bundle.add_segment(out.entry.clone()));
        let mut flush = |bundle: &mut BundleWriter| -> Result<()> {
            let full = std::mem::replace(bundle, BundleWriter::new());
            let (bytes, entry) = full.finish()?;
            if !dry {
                self.write_new(&entry.key(), &bytes)?;
                passed(entry.len);
            }
            sent.bytes += entry.len;
            sent.requests += 1;
            sent.bundles.push(entry);
            Ok(())
        };
        for entry in &parcel.inside {
            let segment = store.segment_for(entry)?;
            bundle.inside().add(entry, &segment)?;
            if bundle.is_full() {
                flush(&mut bundle)?;
            }
        }
        for id in &parcel.maps {
            bundle.inside().add_map(*id, &store.map_or_chunk(id)?)?;
        }
        for id in &parcel.objects {
            bundle.add_object(&store.object(id)?);
            if bundle.is_full() {
                flush(&mut bundle)?;
            }
        }
        if !bundle.is_empty() {
            flush(&mut bundle)?;
        }
        Ok(sent)
    }

    /// Returns whether the file was there already.
    fn send_file(&self, out: &Outgoing, dry: bool, passed: &(dyn Fn(u64) + Sync)) -> Result<bool> {
        let key = out.entry.key();
        if self.backend().size(&key)? == Some(out.entry.len) {
            passed(out.entry.len);
            return Ok(true);
        }
        if !dry {
            self.backend().upload(&key, out.file.file(), out.entry.len, &|n| passed(n))?;
        }
        Ok(false)
    }

    fn files(&self, store: &Store, parcel: &Parcel) -> Result<Vec<Outgoing>> {
        let mut files = Vec::with_capacity(parcel.whole.len() + parcel.alone.len());
        for (id, entry) in &parcel.whole {
            let path = paths::segment(store.dir(), *id);
            let file = File::open(&path).map_err(io("read", &path))?;
            files.push(Outgoing { entry: entry.clone(), file: Source::Stored(file) });
        }
        for entry in &parcel.alone {
            let id = derived(entry.placement.segment, entry.commit.hash().as_bytes(), parcel.collections);
            let mut merge = SegmentMerge::create(id, store.dir())?;
            merge.add(entry, &*store.segment_for(entry)?)?;
            let temp = merge.finish_temp()?;
            let len = temp.file().metadata().map_err(io("read", temp.path()))?.len();
            let commits = vec![(entry.commit.log, entry.commit.lsn)];
            files.push(Outgoing { entry: SegmentEntry { id, len, commits }, file: Source::Temporary(temp) });
        }
        Ok(files)
    }
}

/// Names a segment after what it holds, where that came from, and the number of collections, so that sending it again gives the same
/// name, unless objects were removed meanwhile.
fn derived(from: SegmentId, what: &[u8], collections: u64) -> SegmentId {
    let mut name = blake3::Hasher::new();
    name.update(what).update(&from.as_bytes()[..]).update(&collections.to_le_bytes());
    let random = name.finalize().as_bytes()[..9].try_into().expect("nine bytes");
    SegmentId::new(from.unix_ms(), random)
}

impl Store {
    fn segment_for(&self, entry: &LogEntry) -> Result<std::sync::Arc<crate::store::segment::Segment>> {
        let (segment, log, lsn) = (entry.placement.segment, entry.commit.log, entry.commit.lsn);
        let missing = crate::store::StoreError::MissingSegment { segment, log, lsn };
        Ok(self.open_segment(segment)?.ok_or(missing)?)
    }

    /// Reads and verifies a page map or a chunk of one.
    fn map_or_chunk(&self, id: &[u8; 32]) -> Result<Vec<u8>> {
        let bytes = self.map_bytes(id)?;
        match is_map(id, &bytes) {
            true => Ok(bytes),
            false => {
                let name = blake3::Hash::from_bytes(*id).to_hex();
                Err(self.damaged_map(&name, "its bytes do not match its id").into())
            }
        }
    }
}

/// Tells whether bytes are the page map or chunk with an id.
pub fn is_map(id: &[u8; 32], bytes: &[u8]) -> bool {
    use crate::model::cbor;
    use crate::model::page_map::{MapChunk, PageMap};
    cbor::decode::<PageMap>(bytes).is_ok_and(|map| map.id() == PageMapId::from_bytes(*id))
        || cbor::decode::<MapChunk>(bytes).is_ok_and(|chunk| chunk.id() == ChunkId::from_bytes(*id))
}

fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> RemoteError + use<> {
    let path = path.to_owned();
    move |source| RemoteError::Io { action, path, source }
}
