//! Pushing: what happened since the sync point becomes one storage commit of the remote.

use std::fs::File;

use serde_bytes::ByteBuf;

use super::collapse::pushed_state;
use super::pairing::{Pairing, Pending};
use super::{ReplicaError, Replicator, Result, index_entries};
use crate::model::{LogId, Lsn, Snapshot, VolumeId};
use crate::store::remote::volume_log::{self, Appended, VolumeEntry, VolumeMarker};
use crate::store::{StoreError, Transaction};
use crate::util::random;

/// How long a push may be sent again as it is, in milliseconds. Later it is made anew, and what was written since comes along.
const SENT_AS_IT_IS: u64 = 60 * 60 * 1000;
/// Bytes from which on a push first asks whether its place is free.
const LARGE: u64 = 1 << 20;

/// What a push did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The position of the new entry; `None` if there was nothing to push.
    pub lsn: Option<Lsn>,
    /// Pages that were sent.
    pub pages: u32,
    /// Bytes of the segment that was sent.
    pub bytes: u64,
    /// The name of the volume on the remote.
    pub name: String,
    /// Its log there.
    pub log: LogId,
}

/// What became of a push that was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was none.
    None,
    /// It was heard.
    Heard(Lsn),
    /// Somebody else came first.
    Refused(Lsn),
    /// It was not heard, and can be sent again.
    Unheard(Lsn),
}

impl Replicator<'_> {
    /// Pushes a volume. It goes with the volume `name` of the remote from then on, which `remote` stands for in its record.
    pub fn push(&self, volume: VolumeId, remote: &str, name: &str) -> Result<Pushed> {
        let _lock = self.lock(volume)?;
        let mut pairing = match self.store.pairing(volume)? {
            Some(pairing) => pairing,
            None => self.pair(volume, remote, name)?,
        };
        if pairing.base.is_none() {
            self.claim(volume, &mut pairing, name)?;
        }
        let mut sent = Pushed { lsn: None, pages: 0, bytes: 0, name: pairing.name.clone(), log: pairing.log };
        match self.resolve(volume, &mut pairing)? {
            Outcome::None => {}
            Outcome::Heard(lsn) => sent.lsn = Some(lsn),
            Outcome::Refused(lsn) => return Err(self.moved(&pairing, lsn)),
            Outcome::Unheard(_) => self.send_again(volume, &mut pairing, &mut sent)?,
        }
        // What was written while an interrupted push was completed goes in one more.
        let head = self.head(volume)?;
        if pairing.is_synced(&head) {
            return Ok(sent);
        }
        if let Some(lsn) = pairing.fetched_lsn().filter(|lsn| Some(*lsn) > pairing.base_lsn()) {
            return Err(self.moved(&pairing, lsn));
        }
        let Some(entry) = self.collapse(&pairing, &head)? else {
            // The same pages by another way: nothing to tell anybody.
            pairing.synced = Some(head);
            self.save(volume, &pairing)?;
            return Ok(sent);
        };
        let bytes = ByteBuf::from(volume_log::encode(&entry));
        pairing.pending = Some(Pending { entry: bytes, local: head, since: random::unix_ms() });
        self.save(volume, &pairing)?;
        self.send(volume, &mut pairing, &entry, &mut sent)?;
        Ok(sent)
    }

    /// Finds out what became of a push that was interrupted.
    pub fn resolve(&self, volume: VolumeId, pairing: &mut Pairing) -> Result<Outcome> {
        let Some(pending) = pairing.pending.clone() else { return Ok(Outcome::None) };
        let entry = pending.entry(self.store, volume)?;
        let (log, lsn) = (entry.commit.log, entry.commit.lsn);
        match self.remote.volume_entry(log, lsn)? {
            None => Ok(Outcome::Unheard(lsn)),
            Some(found) if found == entry => {
                self.complete(volume, pairing, &entry)?;
                Ok(Outcome::Heard(lsn))
            }
            Some(_) => {
                self.give_up(volume, pairing)?;
                Ok(Outcome::Refused(lsn))
            }
        }
    }

    /// Makes a record of a remote for a volume that has none.
    fn pair(&self, volume: VolumeId, remote: &str, name: &str) -> Result<Pairing> {
        // Says that this is no remote, or one of a newer version, before anything is written to it.
        self.remote.state()?;
        let log = LogId::new(random::unix_ms(), random::bytes());
        let pairing = Pairing::new(remote, name, log);
        self.save(volume, &pairing)?;
        Ok(pairing)
    }

    /// Makes the volume's name on the remote lead to its log. Before that nothing was pushed, so the name may still change.
    fn claim(&self, volume: VolumeId, pairing: &mut Pairing, name: &str) -> Result<()> {
        if pairing.name != name {
            if self.remote.volume(&pairing.name)?.is_some_and(|marker| marker.log == pairing.log) {
                let (remote, name) = (pairing.remote.clone(), pairing.name.clone());
                return Err(ReplicaError::OtherRemote { volume: self.label(volume)?, remote, name });
            }
            pairing.name = name.to_owned();
            self.save(volume, pairing)?;
        }
        let marker = VolumeMarker { log: pairing.log, volume };
        if self.remote.name_volume(&pairing.name, marker)?.log != pairing.log {
            let (url, name) = (self.remote.url().to_owned(), pairing.name.clone());
            if pairing.fetched.is_none() && pairing.pending.is_none() {
                // It goes with nothing yet, so it can go elsewhere.
                let lock = self.store.lock()?;
                self.store.forget_pairing(volume, &lock)?;
            }
            return Err(ReplicaError::Taken { url, name });
        }
        Ok(())
    }

    fn send(&self, volume: VolumeId, pairing: &mut Pairing, entry: &VolumeEntry, sent: &mut Pushed) -> Result<()> {
        let (log, lsn) = (entry.commit.log, entry.commit.lsn);
        // A remote that was emptied, or is another one now, must not be given the end of a log.
        if let Some((log, lsn, hash)) = pairing.base.as_ref().and_then(Snapshot::head) {
            self.remote.expect_entry(log, lsn, hash)?;
        }
        if entry.len > LARGE && self.remote.volume_entry(log, lsn)?.is_some() {
            self.give_up(volume, pairing)?;
            return Err(self.moved(pairing, lsn));
        }
        let path = self.store.outgoing_path(volume);
        let file = File::open(&path).map_err(StoreError::io("read", &path))?;
        self.remote.backend().upload(&entry.segment_key(), &file, entry.len, &|n| (self.passed)(n))?;
        let pending = pairing.pending.as_ref().expect("recorded before it is sent");
        match self.remote.append_entry(log, lsn, &pending.entry)? {
            Appended::Ours => self.complete(volume, pairing, entry)?,
            Appended::Theirs => {
                self.give_up(volume, pairing)?;
                return Err(self.moved(pairing, lsn));
            }
        }
        *sent = Pushed {
            lsn: Some(lsn),
            pages: sent.pages + entry.commit.pages.len(),
            bytes: sent.bytes + entry.len,
            ..sent.clone()
        };
        Ok(())
    }

    /// Sends a push again that was not heard.
    fn send_again(&self, volume: VolumeId, pairing: &mut Pairing, sent: &mut Pushed) -> Result<()> {
        let pending = pairing.pending.as_ref().expect("it was looked at");
        let entry = pending.entry(self.store, volume)?;
        let is_fresh = random::unix_ms().saturating_sub(pending.since) < SENT_AS_IT_IS;
        let is_whole = std::fs::metadata(self.store.outgoing_path(volume)).is_ok_and(|meta| meta.len() == entry.len);
        match is_fresh && is_whole {
            true => self.send(volume, pairing, &entry, sent),
            false => self.give_up(volume, pairing),
        }
    }

    /// Takes note that a push was heard.
    fn complete(&self, volume: VolumeId, pairing: &mut Pairing, entry: &VolumeEntry) -> Result<()> {
        let local = pairing.pending.take().expect("it was sent").local;
        let lock = self.store.lock()?;
        self.keep_outgoing(entry)?;
        let mut tx = Transaction::new(self.store, &lock)?;
        tx.record(index_entries(entry));
        tx.publish()?;
        pairing.advance(pushed_state(pairing, entry, volume), local);
        self.store.save_pairing(volume, pairing, &lock)?;
        self.drop_outgoing(volume)?;
        self.store.release();
        Ok(())
    }

    /// Takes note that a push will not be heard.
    fn give_up(&self, volume: VolumeId, pairing: &mut Pairing) -> Result<()> {
        pairing.pending = None;
        self.save(volume, pairing)?;
        self.drop_outgoing(volume)
    }

    fn moved(&self, pairing: &Pairing, lsn: Lsn) -> ReplicaError {
        ReplicaError::Moved { url: self.remote.url().to_owned(), name: pairing.name.clone(), lsn }
    }
}
