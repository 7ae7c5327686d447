//! Hydrating: bringing all pages of a volume.

use super::{Lengths, Replicator, Result};
use crate::model::VolumeId;
use crate::store::remote::Presence;

impl Replicator<'_> {
    /// Brings all pages of the newest state of a volume, verified; tells what was here. What an interruption left is used. With `dry`
    /// nothing is brought.
    pub fn hydrate(&self, volume: VolumeId, dry: bool) -> Result<Presence> {
        let _lock = self.lock(volume)?;
        let head = self.head(volume)?;
        if self.paired(volume)?.base.as_ref() == Some(&head) {
            self.expect_segments(&head, Lengths::new())?;
        }
        let segments = self.store.pieces_of(std::slice::from_ref(&head))?;
        self.store.release();
        Ok(match dry {
            true => self.store.presence_of(&segments)?,
            false => self.store.hydrate(&segments, self.passed)?,
        })
    }
}
