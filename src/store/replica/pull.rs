//! Fetching and pulling: what others pushed becomes known here, and then the state of the volume.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::pairing::Pairing;
use super::push::Outcome;
use super::{Lengths, ReplicaError, Replicator, Result, index_entries, state_after};
use crate::model::page_map::Origin;
use crate::model::{LogId, Lsn, SegmentId, Snapshot, VolumeId};
use crate::store::entries::{Keyspace, LogEntry, log_key};
use crate::store::lazy::LazyFile;
use crate::store::remote::Known;
use crate::store::remote::volume_log::VolumeEntry;
use crate::store::{Store, StoreError, Transaction, VolumeError, paths};

/// How long a pull waits for a transaction to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a fetch brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// How many new entries.
    pub entries: u64,
    /// The newest LSN of the remote; `None` if it has none.
    pub lsn: Option<Lsn>,
    /// What became of a push that had been interrupted.
    pub outcome: Outcome,
}

/// What a pull did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What was fetched.
    pub fetched: Fetched,
    /// Whether the volume has another state now.
    pub is_moved: bool,
    /// The volume that has the old state, if that would have been lost, and its tag.
    pub kept: Option<(VolumeId, String)>,
}

impl Replicator<'_> {
    /// Learns what others have pushed. The state of the volume stays.
    pub fn fetch(&self, volume: VolumeId) -> Result<Fetched> {
        let _lock = self.lock(volume)?;
        let mut pairing = self.paired(volume)?;
        let (fetched, _) = self.learn(volume, &mut pairing)?;
        Ok(fetched)
    }

    /// Fetches, and moves the volume to the newest state of the remote. A volume with changes of its own is left as it is, but with
    /// `force` it moves all the same, and another volume keeps what it was.
    pub fn pull(&self, volume: VolumeId, force: bool) -> Result<Pulled> {
        let _lock = self.lock(volume)?;
        let mut pairing = self.paired(volume)?;
        let (fetched, lengths) = self.learn(volume, &mut pairing)?;
        let mut pulled = Pulled { fetched, is_moved: false, kept: None };
        let Some(newest) = pairing.fetched.clone() else { return Ok(pulled) };
        if !self.has_to_move(&pairing, &self.head(volume)?, force)? {
            return Ok(pulled);
        }
        // Pages come from here on; the volume can be opened as soon as it has its new state.
        self.expect_segments(&newest, lengths)?;
        let _writing = self.keep_writers_out(volume)?;
        let head = self.head(volume)?;
        if !self.has_to_move(&pairing, &head, force)? {
            return Ok(pulled);
        }
        if !pairing.is_synced(&head) {
            pulled.kept = Some(self.keep(&head)?);
            // What was on its way is part of what is kept.
            pairing.pending = None;
        }
        let lock = self.store.lock()?;
        // Pages can be written without a transaction, too.
        if self.head(volume)? != head {
            return Err(VolumeError::Moved(volume).into());
        }
        self.store.save_state(&newest, &lock)?;
        pairing.advance(newest.clone(), newest);
        self.store.save_pairing(volume, &pairing, &lock)?;
        self.store.release();
        pulled.is_moved = true;
        Ok(pulled)
    }

    /// Tells whether a pull moves a volume from this state; diverged volumes need `force`.
    fn has_to_move(&self, pairing: &Pairing, head: &Snapshot, force: bool) -> Result<bool> {
        let is_behind = pairing.fetched_lsn() > pairing.base_lsn();
        match pairing.is_synced(head) {
            // Where nothing is new, the volume's own pages are as good, and they are here.
            true => Ok(is_behind),
            false if force || !is_behind => Ok(force),
            false => Err(ReplicaError::Diverged {
                volume: self.label(head.volume)?,
                name: pairing.name.clone(),
                ahead: self.store.ahead(pairing, head)?,
                behind: pairing.behind(),
            }),
        }
    }

    /// Resolves an interrupted push and learns the entries behind the newest that is known.
    pub(super) fn learn(&self, volume: VolumeId, pairing: &mut Pairing) -> Result<(Fetched, Lengths)> {
        let outcome = self.resolve(volume, pairing)?;
        let known = pairing.fetched.as_ref().and_then(Snapshot::head).map(|(_, lsn, hash)| (lsn, hash));
        if let Some((lsn, _)) = known {
            self.relearn_if_lost(pairing.log, lsn)?;
        }
        let entries = self.remote.volume_entries_after(pairing.log, known)?;
        let mut lengths = Lengths::new();
        let mut state = pairing.fetched.clone();
        for entry in &entries {
            state = Some(state_after(state.as_ref(), entry, volume));
            lengths.insert(entry.commit.hash(), (entry.segment, entry.len));
        }
        if !entries.is_empty() {
            self.record(&entries)?;
            pairing.fetched = state;
            self.save(volume, pairing)?;
            self.store.release();
        }
        let lsn = pairing.fetched_lsn();
        Ok((Fetched { entries: entries.len() as u64, lsn, outcome }, lengths))
    }

    /// Makes entries of the remote part of the index.
    fn record(&self, entries: &[VolumeEntry]) -> Result<()> {
        // Page maps are read to find out what belongs to a state, so their segments come first.
        for entry in entries.iter().filter(|entry| !entry.maps.is_empty()) {
            self.expect_segment(entry.segment, entry.len)?;
        }
        let lock = self.store.lock()?;
        let mut tx = Transaction::new(self.store, &lock)?;
        tx.record(entries.iter().flat_map(index_entries));
        Ok(tx.publish()?)
    }

    /// Learns a log again if the index was rebuilt from files that do not tell of it.
    fn relearn_if_lost(&self, log: LogId, end: Lsn) -> Result<()> {
        let is_lost = |lsn| Ok::<_, StoreError>(self.store.log_entry_at(log, lsn)?.is_none());
        if !is_lost(end)? && !is_lost(Lsn::FIRST)? {
            return Ok(());
        }
        let all: Vec<Lsn> = (1..=end.get()).filter_map(Lsn::new).collect();
        self.record(&self.remote.volume_entries(log, &all)?)
    }

    /// Makes room for the segments that a state of the remote needs and that are not here.
    pub(super) fn expect_segments(&self, state: &Snapshot, mut lengths: Lengths) -> Result<()> {
        let needed = self.store.origins_of(state)?;
        let mut unknown = Vec::new();
        let mut absent = Vec::new();
        for origin in needed {
            let Some(entry) = self.store.log_entry(&origin)? else { continue };
            if self.store.is_expected(entry.placement.segment)? {
                continue;
            }
            match lengths.remove(&origin.commit) {
                Some((segment, len)) => absent.push((segment, len)),
                None => unknown.push(origin.lsn),
            }
        }
        if let Some((log, ..)) = state.head() {
            unknown.sort();
            let entries = self.remote.volume_entries(log, &unknown)?;
            absent.extend(entries.iter().map(|entry| (entry.segment, entry.len)));
        }
        for (segment, len) in absent {
            self.expect_segment(segment, len)?;
        }
        self.store.release();
        Ok(())
    }

    /// Makes room for a segment that is fetched when it is read.
    fn expect_segment(&self, id: SegmentId, len: u64) -> Result<()> {
        if paths::segment(self.store.dir(), id).exists() {
            return Ok(());
        }
        self.remote.confirm_len(&format!("segments/{id}"), len)?;
        Ok(LazyFile::prepare(self.store.dir(), id, len)?)
    }

    /// Waits for a transaction that writes to the volume, and keeps others from beginning.
    fn keep_writers_out(&self, volume: VolumeId) -> Result<crate::util::lock::FileLock> {
        let started = Instant::now();
        loop {
            if let Some(lock) = self.store.try_lock_volume(volume)? {
                return Ok(lock);
            }
            if started.elapsed() > PATIENCE {
                return Err(ReplicaError::Writing(self.label(volume)?));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes a volume of a state that would be lost, and names it.
    fn keep(&self, head: &Snapshot) -> Result<(VolumeId, String)> {
        let tags = self.store.volume_tags()?;
        let stem = self.label(head.volume)?;
        let taken = |name: &String| tags.contains_key(name);
        let name = (1..).map(|n| format!("{stem}.kept-{n}")).find(|name| !taken(name)).expect("there are more numbers");
        let id = self.store.fork_volume(head)?;
        self.store.tag_volume(&name, id, false)?;
        Ok((id, name))
    }
}

impl Store {
    /// Returns the storage commits that a state needs, those that its page map names included.
    pub(super) fn origins_of(&self, state: &Snapshot) -> Result<Vec<Origin>> {
        let mut needs = Default::default();
        Known::default().require(self, state, &mut needs)?;
        let mut seen = HashSet::new();
        Ok(needs.commits.into_iter().filter(|origin| seen.insert(origin.commit)).collect())
    }

    /// Tells whether a segment is here, or known to be elsewhere.
    fn is_expected(&self, id: SegmentId) -> Result<bool> {
        Ok(paths::segment(self.dir(), id).exists() || LazyFile::open(self.dir(), id)?.is_some())
    }

    /// Returns the number of storage commits of a volume since the sync point.
    pub(super) fn ahead(&self, pairing: &Pairing, head: &Snapshot) -> Result<u64, VolumeError> {
        let hash_of = |state: &Option<Snapshot>| state.as_ref().and_then(Snapshot::head).map(|(_, _, hash)| hash);
        let ends = [hash_of(&pairing.synced), hash_of(&pairing.base)];
        let is_end = |hash| ends.contains(&Some(hash));
        let mut count = 0;
        let mut last = None;
        for (log, lsn, hash) in head.commits_newest_first() {
            if is_end(hash) {
                return Ok(count);
            }
            (count, last) = (count + 1, Some((log, lsn)));
        }
        // A commit that wrote everything hides those before it.
        while let Some((log, lsn)) = last {
            let Some(value) = self.index().get(Keyspace::Log, &log_key(log, lsn))? else { break };
            let entry: LogEntry = self.index_value(&value)?;
            match (entry.commit.parent, Lsn::new(lsn.get() - 1)) {
                (Some(parent), Some(before)) if !is_end(parent) => {
                    count += 1;
                    last = Some((log, before));
                }
                _ => break,
            }
        }
        Ok(count)
    }
}
