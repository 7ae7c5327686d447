//! Volumes and the remotes that they go with, by the names of the configuration.

use crate::model::VolumeId;
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::monitor::Work;
use crate::store::remote::{Presence, Remote, Traffic};
use crate::store::replica::{Cloned, Fetched, Outcome, Pulled, Pushed, ReplicaError, Replicator};

/// The result of something that a remote took part in.
#[derive(Clone, Debug)]
pub struct Replicated<T> {
    /// What was done.
    pub done: T,
    /// The remote, for people.
    pub url: String,
    /// What went to and fro.
    pub traffic: Traffic,
}

impl Repository {
    /// Pushes a volume. One that goes with no remote yet goes with `name` of `remote` from then on.
    pub fn push_volume(
        &self,
        volume: VolumeId,
        remote: Option<&str>,
        name: Option<&str>,
    ) -> Result<Replicated<Pushed>> {
        self.deny_other(volume, remote)?;
        let (text, name) = match self.store().pairing(volume)? {
            // Before the first push went through, either may still change.
            Some(pairing) if pairing.base.is_none() && pairing.pending.is_none() => {
                (pairing.remote, name.map_or(pairing.name, str::to_owned))
            }
            Some(pairing) => {
                let is_other = name.is_some_and(|name| name != pairing.name);
                if is_other {
                    return Err(self.other(volume, pairing.remote, pairing.name)?.into());
                }
                (pairing.remote, pairing.name)
            }
            None => {
                let text = remote.map_or_else(|| self.default_remote(), |text| Ok(text.to_owned()))?;
                (text, name.map_or_else(|| self.usual_name(volume), |name| Ok(name.to_owned()))?)
            }
        };
        check_name(&name)?;
        self.replicate(&text, "sending", |replicator| replicator.push(volume, &text, &name))
    }

    /// Learns what others have pushed of a volume.
    pub fn fetch_volume(&self, volume: VolumeId, remote: Option<&str>) -> Result<Replicated<Fetched>> {
        let text = self.remote_of(volume, remote)?;
        self.replicate(&text, "fetching", |replicator| replicator.fetch(volume))
    }

    /// Fetches, and moves a volume to the newest state of its remote; see [`Replicator::pull`].
    pub fn pull_volume(&self, volume: VolumeId, remote: Option<&str>, force: bool) -> Result<Replicated<Pulled>> {
        let text = self.remote_of(volume, remote)?;
        self.replicate(&text, "fetching", |replicator| replicator.pull(volume, force))
    }

    /// Finds out what became of an interrupted push of a volume.
    pub fn settle_volume(&self, volume: VolumeId) -> Result<Replicated<Outcome>> {
        let text = self.remote_of(volume, None)?;
        self.replicate(&text, "asking", |replicator| replicator.settle(volume))
    }

    /// Makes a volume that goes with one of a remote.
    pub fn clone_volume(&self, remote: &str, name: &str, tag: Option<&str>) -> Result<Replicated<Cloned>> {
        check_name(name)?;
        self.replicate(remote, "fetching", |replicator| replicator.clone_volume(remote, name, tag))
    }

    /// Brings all pages of a volume. With `dry` it only tells what is missing.
    pub fn hydrate_volume(&self, volume: VolumeId, dry: bool) -> Result<Replicated<Presence>> {
        let text = self.remote_of(volume, None)?;
        self.replicate(&text, "fetching", |replicator| replicator.hydrate(volume, dry))
    }

    /// Lists the volumes of a remote.
    pub fn remote_volumes(&self, remote: &str) -> Result<Replicated<Vec<String>>> {
        let remote = self.open_remote(&self.named_remote(remote)?)?;
        remote.existing_state()?;
        let done = remote.volume_names()?;
        Ok(Replicated { done, url: remote.url().to_owned(), traffic: remote.traffic() })
    }

    /// Returns the remote that a volume goes with, which `typed` must not contradict.
    fn remote_of(&self, volume: VolumeId, typed: Option<&str>) -> Result<String> {
        self.deny_other(volume, typed)?;
        match self.store().pairing(volume)? {
            Some(pairing) => Ok(pairing.remote),
            None => Err(ReplicaError::NotPaired(self.usual_name(volume)?).into()),
        }
    }

    fn deny_other(&self, volume: VolumeId, typed: Option<&str>) -> Result<()> {
        let Some(pairing) = self.store().pairing(volume)? else { return Ok(()) };
        match typed {
            Some(text) if text != pairing.remote => {
                let typed = self.named_remote(text)?.url;
                match self.named_remote(&pairing.remote).is_ok_and(|named| named.url == typed) {
                    true => Ok(()),
                    false => Err(self.other(volume, pairing.remote, pairing.name)?.into()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Returns what a volume is called if nobody says: its first tag, or its id.
    fn usual_name(&self, volume: VolumeId) -> Result<String> {
        Ok(self.store().volume_label(volume)?)
    }

    fn other(&self, volume: VolumeId, remote: String, name: String) -> Result<ReplicaError> {
        Ok(ReplicaError::OtherRemote { volume: self.usual_name(volume)?, remote, name })
    }

    fn replicate<T>(
        &self,
        remote: &str,
        what: &str,
        work: impl FnOnce(&Replicator<'_>) -> Result<T, ReplicaError>,
    ) -> Result<Replicated<T>> {
        let remote: Remote = self.open_remote(&self.named_remote(remote)?)?;
        let monitor = self.monitor();
        let _work = Work::start(monitor, what, None);
        let done = work(&Replicator::new(self.store(), &remote, &|n| monitor.advance(n)))?;
        Ok(Replicated { done, url: remote.url().to_owned(), traffic: remote.traffic() })
    }
}

fn check_name(name: &str) -> Result<(), ReplicaError> {
    let sound = !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['.', '-'])
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    match sound {
        true => Ok(()),
        false => Err(ReplicaError::Name(name.to_owned())),
    }
}
