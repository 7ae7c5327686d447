//! How a volume stands to its remote.

use super::pairing::Pairing;
use super::push::Outcome;
use super::{Replicator, Result, lsn_of};
use crate::model::{LogId, Lsn, Snapshot, VolumeId};
use crate::store::Store;

/// Which of the two has changed since the sync point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Neither.
    UpToDate,
    /// The volume here.
    Ahead,
    /// The remote.
    Behind,
    /// Both.
    Diverged,
}

/// How a volume stands to its remote, as far as that is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The volume.
    pub volume: VolumeId,
    /// The remote, by name or URL.
    pub remote: String,
    /// The name of the volume there.
    pub name: String,
    /// Its log there.
    pub log: LogId,
    /// Which has changed.
    pub relation: Relation,
    /// Storage commits here since the sync point.
    pub ahead: u64,
    /// Storage commits of the remote since the sync point.
    pub behind: u64,
    /// The newest storage commit here.
    pub local: Option<(LogId, Lsn)>,
    /// The sync point: its LSN on the remote.
    pub synced: Option<Lsn>,
    /// The newest LSN of the remote that is known here.
    pub fetched: Option<Lsn>,
    /// A push to this LSN was interrupted, and nobody has found out yet what became of it.
    pub pending: Option<Lsn>,
}

impl Pairing {
    /// Returns the number of storage commits of the remote since the sync point.
    pub fn behind(&self) -> u64 {
        let number = |lsn: Option<Lsn>| lsn.map_or(0, Lsn::get);
        number(self.fetched_lsn()).saturating_sub(number(self.base_lsn()))
    }
}

impl Store {
    /// Returns how a volume stands to its remote, by what is known here; `None` if it goes with none. Sends no request.
    pub fn standing(&self, volume: VolumeId) -> Result<Option<Standing>> {
        let Some(pairing) = self.pairing(volume)? else { return Ok(None) };
        let Some(state) = self.volume_state(volume)? else { return Ok(None) };
        let head = state.snapshot;
        let ahead = if pairing.is_synced(&head) { 0 } else { self.ahead(&pairing, &head)?.max(1) };
        let behind = pairing.behind();
        let relation = match (ahead, behind) {
            (0, 0) => Relation::UpToDate,
            (_, 0) => Relation::Ahead,
            (0, _) => Relation::Behind,
            (_, _) => Relation::Diverged,
        };
        let pending = match &pairing.pending {
            Some(pending) => Some(pending.entry(self, volume)?.commit.lsn),
            None => None,
        };
        Ok(Some(Standing {
            volume,
            relation,
            ahead,
            behind,
            local: head.head().map(|(log, lsn, _)| (log, lsn)),
            synced: lsn_of(pairing.base.as_ref()),
            fetched: lsn_of(pairing.fetched.as_ref()),
            pending,
            remote: pairing.remote,
            name: pairing.name,
            log: pairing.log,
        }))
    }

    /// Returns the newest state of the remote that is known here.
    pub fn fetched_state(&self, volume: VolumeId) -> Result<Option<Snapshot>> {
        Ok(self.pairing(volume)?.and_then(|pairing| pairing.fetched))
    }
}

impl Replicator<'_> {
    /// Finds out what became of a push that was interrupted, if there is one.
    pub fn settle(&self, volume: VolumeId) -> Result<Outcome> {
        let _lock = self.lock(volume)?;
        let mut pairing = self.paired(volume)?;
        self.resolve(volume, &mut pairing)
    }
}
