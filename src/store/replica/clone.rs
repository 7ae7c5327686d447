//! Cloning: a volume that goes with one of a remote, without pages.

use super::pairing::Pairing;
use super::pull::Fetched;
use super::{ReplicaError, Replicator, Result};
use crate::model::{FileKind, Snapshot, VolumeId};

/// What a clone made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloned {
    /// The new volume.
    pub volume: VolumeId,
    /// What was fetched.
    pub fetched: Fetched,
    /// Its state.
    pub state: Snapshot,
}

impl Replicator<'_> {
    /// Makes a volume that goes with the volume `name` of the remote and has its newest state. A failure leaves no volume.
    pub fn clone_volume(&self, remote: &str, name: &str, tag: Option<&str>) -> Result<Cloned> {
        let marker = self
            .remote
            .volume(name)?
            .ok_or_else(|| ReplicaError::NoVolume { url: self.remote.url().to_owned(), name: name.to_owned() })?;
        let volume = self.store.new_volume_id();
        let mut pairing = Pairing::new(remote, name, marker.log);
        let cloned = self.fill(volume, &mut pairing, tag);
        if cloned.is_err() {
            // The failure is the one to tell; a record without a volume is in nobody's way.
            let _ = self.store.remove_volume(volume);
        }
        cloned
    }

    fn fill(&self, volume: VolumeId, pairing: &mut Pairing, tag: Option<&str>) -> Result<Cloned> {
        let (fetched, lengths) = self.learn(volume, pairing)?;
        let empty = Snapshot { volume, kind: FileKind::Opaque, page_count: 0, byte_len: 0, ranges: Vec::new() };
        let state = pairing.fetched.clone().unwrap_or(empty);
        if pairing.fetched.is_some() {
            self.expect_segments(&state, lengths)?;
            pairing.advance(state.clone(), state.clone());
        }
        let lock = self.store.lock()?;
        self.store.save_pairing(volume, pairing, &lock)?;
        // What makes it a volume comes last.
        self.store.save_state(&state, &lock)?;
        drop(lock);
        if let Some(tag) = tag {
            self.store.tag_volume(tag, volume, false)?;
        }
        self.store.release();
        Ok(Cloned { volume, fetched, state })
    }
}
