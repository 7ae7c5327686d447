//! The record of which log of a remote a volume goes with: `volumes/<VolumeId>.remote`, replaced atomically and durably.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Replicator, Result, lsn_of};
use crate::model::{LogId, Lsn, Snapshot, VolumeId};
use crate::store::remote::volume_log::{self, VolumeEntry};
use crate::store::{Store, StoreError, paths, volumes};
use crate::util::fs as durable;
use crate::util::lock::FileLock;

/// Which log of which remote a volume goes with, and how far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairing {
    /// The remote: its name in the configuration, or its URL.
    pub remote: String,
    /// The name of the volume there.
    pub name: String,
    /// The log there.
    pub log: LogId,
    /// The sync point on the remote: a state in ranges of its log. `None` before the first push or pull.
    pub base: Option<Snapshot>,
    /// The sync point here: the state of the volume that has the same content.
    pub synced: Option<Snapshot>,
    /// The newest state of the remote that is known here.
    pub fetched: Option<Snapshot>,
    /// A push whose outcome is not known yet.
    pub pending: Option<Pending>,
}

/// A push on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The bytes of the entry, as they are sent.
    pub entry: ByteBuf,
    /// The state of the volume that it is.
    pub local: Snapshot,
    /// When it was made, Unix milliseconds.
    pub since: u64,
}

impl Pairing {
    /// Starts with nothing replicated.
    pub fn new(remote: &str, name: &str, log: LogId) -> Self {
        let (remote, name) = (remote.to_owned(), name.to_owned());
        Self { remote, name, log, base: None, synced: None, fetched: None, pending: None }
    }

    /// Tells whether a state of the volume has the content of the sync point.
    pub fn is_synced(&self, head: &Snapshot) -> bool {
        match &self.synced {
            Some(synced) => head == synced || self.base.as_ref() == Some(head),
            None => head.ranges.is_empty(),
        }
    }

    /// Returns the LSN of the sync point on the remote.
    pub fn base_lsn(&self) -> Option<Lsn> {
        lsn_of(self.base.as_ref())
    }

    /// Returns the newest LSN of the remote that is known here.
    pub fn fetched_lsn(&self) -> Option<Lsn> {
        lsn_of(self.fetched.as_ref())
    }

    /// Moves the sync point to a state of the remote that has the content of a state of the volume.
    pub(super) fn advance(&mut self, base: Snapshot, synced: Snapshot) {
        if self.fetched_lsn() <= lsn_of(Some(&base)) {
            self.fetched = Some(base.clone());
        }
        (self.base, self.synced) = (Some(base), Some(synced));
    }
}

impl Pending {
    /// Reads the entry.
    pub(super) fn entry(&self, store: &Store, volume: VolumeId) -> Result<VolumeEntry> {
        let path = store.pairing_path(volume);
        let decoded = volume_log::decode(&self.entry, "here", "pending");
        Ok(decoded.map_err(|_| StoreError::damaged(&path, "the push that it holds is damaged"))?)
    }
}

/// Returns the remotes that the volumes of a repository folder (`.graft`) go with, by name or URL, each once. A damaged record is
/// passed over; whoever needs it says so.
pub fn remotes_of_volumes(dir: &Path) -> Vec<String> {
    let dir = dir.join(paths::VOLUMES);
    let mut out: Vec<String> = Vec::new();
    for volume in paired_in(&dir).unwrap_or_default() {
        let path = dir.join(format!("{volume}.remote"));
        let pairing = fs::read(&path).ok().and_then(|bytes| volumes::unseal::<Pairing>(&path, &bytes).ok());
        out.extend(pairing.map(|pairing| pairing.remote));
    }
    out.sort();
    out.dedup();
    out
}

fn paired_in(dir: &Path) -> Result<Vec<VolumeId>, StoreError> {
    let names = volumes::names_in(dir)?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(".remote")?.parse().ok()).collect())
}

impl Store {
    /// Returns which log of a remote a volume goes with, if any.
    pub fn pairing(&self, volume: VolumeId) -> Result<Option<Pairing>> {
        let path = self.pairing_path(volume);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io("read", &path)(e).into()),
        };
        let mut pairing: Pairing = volumes::unseal(&path, &bytes)?;
        let states = [&pairing.base, &pairing.synced, &pairing.fetched];
        if states.into_iter().flatten().any(|s| s.volume != volume || !s.is_consistent()) {
            return Err(StoreError::damaged(&path, "it describes another volume").into());
        }
        // A pull that stopped after its last step but one: the volume has the state, and this was not told.
        if let Some(state) = self.volume_state(volume)?.map(|v| v.snapshot)
            && pairing.fetched.as_ref() == Some(&state)
        {
            pairing.advance(state.clone(), state);
        }
        Ok(Some(pairing))
    }

    /// Records which log of a remote a volume goes with.
    pub(super) fn save_pairing(&self, volume: VolumeId, pairing: &Pairing, _lock: &FileLock) -> Result<()> {
        Ok(self.replace_file(&self.pairing_path(volume), &volumes::seal(pairing))?)
    }

    /// Lets a volume go with no remote.
    pub(super) fn forget_pairing(&self, volume: VolumeId, _lock: &FileLock) -> Result<()> {
        let path = self.pairing_path(volume);
        Ok(durable::remove(&path).map_err(StoreError::io("remove", &path))?)
    }

    /// Lets the volumes that go with one remote go with it under another name.
    pub fn rename_remote_of_volumes(&self, old: &str, new: &str, lock: &FileLock) -> Result<()> {
        for volume in self.paired_volumes()? {
            if let Some(mut pairing) = self.pairing(volume)?.filter(|pairing| pairing.remote == old) {
                pairing.remote = new.to_owned();
                self.save_pairing(volume, &pairing, lock)?;
            }
        }
        Ok(())
    }

    /// Lists the volumes that go with a remote.
    pub fn paired_volumes(&self) -> Result<Vec<VolumeId>> {
        let dir = self.dir().join(paths::VOLUMES);
        let mut volumes = paired_in(&dir)?;
        // A clone that was killed leaves a record and no volume.
        volumes.retain(|volume| dir.join(volume.to_string()).exists());
        Ok(volumes)
    }

    pub(in crate::store) fn pairing_path(&self, volume: VolumeId) -> PathBuf {
        self.dir().join(paths::VOLUMES).join(format!("{volume}.remote"))
    }

    pub(in crate::store) fn sync_lock_path(&self, volume: VolumeId) -> PathBuf {
        self.dir().join(paths::VOLUMES).join(format!("{volume}.sync"))
    }

    /// Where the segments of pushes on their way lie.
    pub(in crate::store) fn outgoing_path(&self, volume: VolumeId) -> PathBuf {
        self.dir().join(paths::VOLUMES).join("outgoing").join(volume.to_string())
    }
}

impl Replicator<'_> {
    /// Keeps other replications of a volume out as long as the result lives.
    pub(super) fn lock(&self, volume: VolumeId) -> Result<FileLock> {
        let path = self.store.sync_lock_path(volume);
        let options = &self.store.0.options;
        // A background push of a large change may take long; whoever comes second is told.
        let patience = options.lock_timeout.max(Duration::from_secs(1));
        Ok(FileLock::acquire(&path, patience, &|holder| {
            (options.on_notice)(&format!("waiting for the replication of the volume by {holder}"));
        })?)
    }

    /// Records a pairing under the repository lock.
    pub(super) fn save(&self, volume: VolumeId, pairing: &Pairing) -> Result<()> {
        let lock = self.store.lock()?;
        self.store.save_pairing(volume, pairing, &lock)
    }

    /// Returns the newest state of a volume.
    pub(super) fn head(&self, volume: VolumeId) -> Result<Snapshot> {
        let state = self.store.volume_state(volume)?;
        Ok(state.ok_or_else(|| crate::store::VolumeError::NotFound(volume.to_string()))?.snapshot)
    }

    /// Returns the pairing of a volume that has one.
    pub(super) fn paired(&self, volume: VolumeId) -> Result<Pairing> {
        match self.store.pairing(volume)? {
            Some(pairing) => Ok(pairing),
            None => Err(super::ReplicaError::NotPaired(self.label(volume)?)),
        }
    }

    /// Returns what people call a volume: its first tag, or its id.
    pub(super) fn label(&self, volume: VolumeId) -> Result<String> {
        Ok(self.store.volume_label(volume)?)
    }
}
