//! Receiving: bundles and segments are verified, written as files of the store, and known to it all at once at the end.
//!
//! Bundles are read from the newest on, more at a time each round, until nothing is missing between what is wanted and what
//! is here already. So no list of what was received has to be kept: cost follows what is new, and a repository that got its
//! history from elsewhere is as good as one that fetched it here. What an interrupted fetch leaves are files that
//! nobody refers to; large segments among them are found there by the next one.
//!
//! Bundles hold more than was asked for: commits of other branches, whose own past may be missing. An object that is in the store
//! has in the store all that it leads to, so those objects are not made part of it.

mod lacking;
mod segments;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::bundle::{Bundle, SegmentEntry, damaged_object};
use super::error::{RemoteError, Result};
use super::parallel;
use super::place::Remote;
use super::root::{BundleEntry, ROOT, RefEntry, Root};
use super::send::is_map;
use super::traffic::Watch;
use crate::model::gid::PackId;
use crate::model::object::ObjectError;
use crate::model::{Commit, CommitHash, LogId, Lsn, ObjectId, ObjectKind, RawObject, SegmentId, Tag, Tree};
use crate::store::container::Section;
use crate::store::entries::{Entry, LogEntry, MapPlace, ObjectPlace, Placement};
use crate::store::pack::PackWriter;
use crate::store::segment::Segment;
use crate::store::segment_merge::SegmentMerge;
use crate::store::{Store, StoreError, paths};
use crate::util::lock::FileLock;
use crate::util::random;

/// As a number of generations: all of them.
pub const WHOLE: u32 = u32::MAX;

/// Bytes after which small storage commits go into another segment.
const SEGMENT_FULL: u64 = 256 << 20;

/// What came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Repository objects.
    pub objects: usize,
    /// Storage commits.
    pub commits: usize,
    /// Bundles that were read.
    pub bundles: usize,
    /// Segments beside bundles that were read.
    pub segments: usize,
}

/// Something on its way into the store.
pub struct Receiver<'a> {
    store: &'a Store,
    remote: &'a Remote,
    watch: &'a dyn Watch,
    pack: Mutex<Option<PackWriter>>,
    objects: HashMap<ObjectId, Section>,
    log: HashMap<(LogId, Lsn), LogEntry>,
    maps: HashMap<[u8; 32], MapPlace>,
    map_bytes: HashMap<[u8; 32], Vec<u8>>,
    gathered: Option<SegmentMerge>,
    beside: HashMap<SegmentId, SegmentEntry>,
    /// Objects that have been looked into, with the generations of commits wanted from there on.
    walked: HashMap<ObjectId, u32>,
    /// Of them, those that were held against what they name.
    linked: HashSet<ObjectId>,
    snapshots: Vec<ObjectId>,
    /// Storage commits that were seen to be right.
    sound: HashSet<CommitHash>,
    /// Of them, those whose page maps were seen to name nothing that is lacking.
    complete: HashSet<CommitHash>,
    /// Of them, those that are new here.
    fresh: HashMap<(LogId, Lsn), LogEntry>,
    received: Received,
    /// Whether segments beside bundles stay on the remote.
    is_lazy: bool,
}

/// Bundles that have not been read yet, newest first.
struct Unread<'a> {
    remote: &'a Remote,
    root: &'a Root,
    recent: Vec<BundleEntry>,
    catalogues: usize,
    round: usize,
}

impl Unread<'_> {
    /// Returns the bundles of the next round; none when there are no more.
    fn next(&mut self) -> Result<Vec<BundleEntry>> {
        while self.recent.len() < self.round && self.catalogues > 0 {
            self.catalogues -= 1;
            let older = self.remote.catalogue(&self.root.catalogues[self.catalogues])?;
            self.recent.splice(..0, older);
        }
        let rest = self.recent.len().saturating_sub(self.round);
        self.round *= 2;
        Ok(self.recent.split_off(rest))
    }
}

impl<'a> Receiver<'a> {
    /// Starts with nothing received.
    pub fn new(store: &'a Store, remote: &'a Remote, watch: &'a dyn Watch) -> Self {
        Self {
            store,
            remote,
            watch,
            pack: Mutex::new(None),
            objects: HashMap::new(),
            log: HashMap::new(),
            maps: HashMap::new(),
            map_bytes: HashMap::new(),
            gathered: None,
            beside: HashMap::new(),
            walked: HashMap::new(),
            linked: HashSet::new(),
            snapshots: Vec::new(),
            sound: HashSet::new(),
            complete: HashSet::new(),
            fresh: HashMap::new(),
            received: Received::default(),
            is_lazy: false,
        }
    }

    /// Leaves the pages in segments beside bundles on the remote, to be fetched when they are read.
    pub fn lazily(self, is_lazy: bool) -> Self {
        Self { is_lazy, ..self }
    }

    /// Receives objects and everything that they lead to, as far as it is not here; of the history, the generations of commits that
    /// stand beside them, at least 1, or [`WHOLE`].
    pub fn receive(&mut self, root: &Root, wanted: &[(ObjectId, u32)]) -> Result<()> {
        let (remote, recent) = (self.remote, root.bundles.clone());
        let mut unread = Unread { remote, root, recent, catalogues: root.catalogues.len(), round: 1 };
        let mut missing = wanted.to_vec();
        loop {
            missing = self.walk(missing)?;
            if let Some((id, _)) = missing.first() {
                let lost = || RemoteError::Missing { url: remote.url().to_owned(), key: format!("object {id}") };
                self.read_bundles(&unread.next()?)?.then_some(()).ok_or_else(lost)?;
                continue;
            }
            self.read_segments()?;
            match self.first_lacking()? {
                None => return self.check_links(),
                Some(what) => {
                    let lost = || RemoteError::Missing { url: remote.url().to_owned(), key: what };
                    self.read_bundles(&unread.next()?)?.then_some(()).ok_or_else(lost)?;
                }
            }
        }
    }

    /// Returns an object that has come or was here already.
    pub fn object(&self, id: &ObjectId) -> Result<RawObject> {
        match (self.objects.get(id), &mut *self.hold_pack()) {
            (Some(section), Some(pack)) => Ok(pack.read(*id, *section)?),
            _ => Ok(self.store.object(id)?),
        }
    }

    /// Checks what a root says that a ref leads to, once that is here.
    pub fn check_peeled(&self, entry: &RefEntry) -> Result<()> {
        let mut raw = self.object(&entry.id)?;
        while raw.kind() == ObjectKind::Tag {
            raw = self.object(&raw.decode::<Tag>()?.target)?;
        }
        let wanted = (raw.id() != entry.id).then(|| raw.id());
        if entry.peeled == wanted {
            return Ok(());
        }
        let what = format!("it does not say what {} leads to", entry.name);
        Err(RemoteError::Damaged { url: self.remote.url().to_owned(), key: ROOT.to_owned(), what })
    }

    /// Tells whether an object that was wanted, or is led to, has come, or was here already.
    pub fn has(&self, id: &ObjectId) -> Result<bool> {
        Ok(self.walked.contains_key(id) || self.store.has_object(id)?)
    }

    /// Returns the commits at which the generations that were asked for end, and which have parents that are not here.
    pub fn cut(&self) -> Result<Vec<ObjectId>> {
        let mut cut = Vec::new();
        for (id, _) in self.walked.iter().filter(|(_, left)| **left == 1) {
            let raw = self.object(id)?;
            if raw.kind() != ObjectKind::Commit {
                continue;
            }
            for parent in raw.decode::<Commit>().map_err(StoreError::Object)?.parents {
                if !self.has(&parent)? {
                    cut.push(*id);
                    break;
                }
            }
        }
        Ok(cut)
    }

    /// Tells what came.
    pub fn received(&self) -> Received {
        Received { objects: self.walked.len(), commits: self.fresh.len(), ..self.received }
    }

    /// Makes all of it part of the store. Refs may name it from then on.
    pub fn publish(mut self, lock: &FileLock) -> Result<Received> {
        let received = self.received();
        let _ = lock;
        let dir = self.store.dir().to_owned();
        if let Some(gathered) = self.gathered.take() {
            let id = gathered.id();
            let index = gathered.finish(&dir)?;
            self.maps.extend(index.maps.iter().map(|(map, s)| (map.into_array(), MapPlace(id, *s))));
        }
        let mut entries: Vec<Entry> = self.maps.iter().map(|(id, place)| Entry::map(id, *place)).collect();
        self.store.index().refresh()?;
        for entry in self.fresh.values() {
            // Somebody else may have fetched it in the meantime; what is here stays.
            if self.store.log_entry_at(entry.commit.log, entry.commit.lsn)?.is_none() {
                entries.push(Entry::log(entry));
            }
        }
        if let Some(pack) = self.hold_pack().take() {
            let id = PackId::new(random::unix_ms(), random::bytes());
            let index = pack.finish(&paths::pack(&dir, id), |object| self.walked.contains_key(object))?;
            entries.extend(index.objects.iter().map(|(object, s)| Entry::object(*object, ObjectPlace(id, *s))));
        }
        self.store.index().publish(&entries)?;
        Ok(received)
    }

    fn hold_pack(&self) -> std::sync::MutexGuard<'_, Option<PackWriter>> {
        // A panic while writing ends the fetch anyway.
        self.pack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the objects that an object names.
    pub(super) fn named_by(raw: &RawObject) -> Result<Vec<ObjectId>, ObjectError> {
        Ok(match raw.kind() {
            ObjectKind::Commit => {
                let commit: Commit = raw.decode()?;
                commit.parents.into_iter().chain([commit.tree]).collect()
            }
            ObjectKind::Tree => raw.decode::<Tree>()?.entries().iter().map(|entry| entry.snapshot).collect(),
            ObjectKind::Tag => vec![raw.decode::<Tag>()?.target],
            ObjectKind::Snapshot => Vec::new(),
        })
    }

    /// Looks into objects and all that they name, and returns those that are neither here nor among what came. Goes by generations,
    /// so that hardly any commit is met a second time with more of them to go.
    fn walk(&mut self, open: Vec<(ObjectId, u32)>) -> Result<Vec<(ObjectId, u32)>> {
        let mut open = VecDeque::from(open);
        let mut missing = Vec::new();
        while let Some((id, left)) = open.pop_front() {
            let before = self.walked.get(&id).copied();
            if before.is_some_and(|seen| seen >= left) {
                continue;
            }
            if !self.objects.contains_key(&id) {
                if !self.store.has_object(&id)? {
                    missing.push((id, left));
                }
                continue;
            }
            self.walked.insert(id, left);
            let raw = self.object(&id)?;
            if raw.kind() == ObjectKind::Snapshot && before.is_none() {
                self.snapshots.push(id);
            }
            let named = match raw.kind() {
                ObjectKind::Commit if left == 1 => vec![raw.decode::<Commit>().map_err(StoreError::Object)?.tree],
                _ => Self::named_by(&raw).map_err(StoreError::Object)?,
            };
            let further = if raw.kind() == ObjectKind::Commit && left != WHOLE { (left - 1).max(1) } else { left };
            open.extend(named.into_iter().map(|id| (id, further)));
        }
        Ok(missing)
    }

    /// Reads bundles; returns whether there were any.
    fn read_bundles(&mut self, entries: &[BundleEntry]) -> Result<bool> {
        let (remote, watch) = (self.remote, self.watch);
        watch.expect(entries.iter().map(|entry| entry.len).sum());
        parallel::each(
            entries,
            |entry| entry.len * 2,
            |entry| {
                let bytes = remote.needed(&entry.key())?;
                watch.passed(bytes.len() as u64);
                let bundle = Bundle::open(entry, bytes, remote.url())?;
                if let Some(inside) = &bundle.inside {
                    for part in &inside.index().commits {
                        let pages = 0..part.commit.pages.len();
                        inside.verify_pages(&part.commit, part.first_rank, pages).map_err(|e| {
                            RemoteError::Damaged { url: remote.url().to_owned(), key: entry.key(), what: e.to_string() }
                        })?;
                    }
                }
                Ok(bundle)
            },
            |entry, bundle| self.take(entry, &bundle),
        )?;
        self.received.bundles += entries.len();
        Ok(!entries.is_empty())
    }

    fn take(&mut self, entry: &BundleEntry, bundle: &Bundle) -> Result<()> {
        let taken = bundle.objects(|object| {
            let id = object.id();
            if self.objects.contains_key(&id) || self.store.has_object(&id)? {
                return Ok(());
            }
            let mut pack = self.hold_pack();
            if pack.is_none() {
                *pack = Some(PackWriter::create(&self.store.dir().join(paths::TMP))?);
            }
            let section = pack.as_mut().expect("just made").add(&object)?;
            drop(pack);
            self.objects.insert(id, section);
            Ok::<_, StoreError>(())
        });
        taken.map_err(|error| damaged_object(self.remote.url(), entry.key(), error))?;
        if let Some(inside) = &bundle.inside {
            self.gather(inside)?;
        }
        self.beside.extend(bundle.index.beside.iter().map(|entry| (entry.id, entry.clone())));
        Ok(())
    }

    /// Copies the storage commits of a segment in memory that are not here.
    fn gather(&mut self, inside: &Segment) -> Result<()> {
        for part in &inside.index().commits {
            let at = (part.commit.log, part.commit.lsn);
            let hash = part.commit.hash();
            let is_here = self.store.log_entry_at(at.0, at.1)?.is_some_and(|entry| entry.commit.hash() == hash);
            if is_here || self.log.get(&at).is_some_and(|entry| entry.commit.hash() == hash) {
                continue;
            }
            let has_room = |g: &SegmentMerge| g.len() < SEGMENT_FULL && g.has_room_for(part.commit.pages.len());
            if self.gathered.as_ref().is_some_and(|g| !has_room(g)) {
                self.finish_gathered()?;
            }
            let merge = match &mut self.gathered {
                Some(merge) => merge,
                None => {
                    let id = SegmentId::new(random::unix_ms(), random::bytes());
                    self.gathered.insert(SegmentMerge::create(id, self.store.dir())?)
                }
            };
            let placement = Placement { segment: inside.id(), first_rank: part.first_rank };
            let entry = LogEntry { commit: part.commit.clone(), volume: part.volume, placement };
            self.log.insert(at, merge.add(&entry, inside)?);
        }
        for (id, section) in &inside.index().maps {
            let id = id.into_array();
            let bytes = inside.map_bytes(*section)?;
            if !is_map(&id, &bytes) || self.map_bytes.contains_key(&id) || self.maps.contains_key(&id) {
                continue;
            }
            if self.gathered.is_none() {
                let id = SegmentId::new(random::unix_ms(), random::bytes());
                self.gathered = Some(SegmentMerge::create(id, self.store.dir())?);
            }
            self.gathered.as_mut().expect("just made").add_map(id, &bytes)?;
            self.map_bytes.insert(id, bytes);
        }
        Ok(())
    }

    fn finish_gathered(&mut self) -> Result<()> {
        if let Some(gathered) = self.gathered.take() {
            let id = gathered.id();
            let index = gathered.finish(self.store.dir())?;
            self.maps.extend(index.maps.iter().map(|(map, s)| (map.into_array(), MapPlace(id, *s))));
        }
        Ok(())
    }
}
