//! Bringing everything that was left on a remote.

use std::collections::HashSet;

use super::closure::{Known, Needs};
use super::error::{RemoteError, Result};
use super::parallel;
use crate::model::{SegmentId, Snapshot};
use crate::store::lazy::{self, BLOCK, LazyFile};
use crate::store::{Store, StoreError};

/// Bytes of a segment asked for at a time.
const PART: u64 = 4 << 20;
/// Pages verified in one step.
const VERIFIED_AT_ONCE: u32 = 4096;

/// What is here of the segments that were left on a remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Segments that are not wholly here.
    pub segments: usize,
    /// Their bytes that are here.
    pub present: u64,
    /// Their bytes in all.
    pub total: u64,
}

impl Store {
    /// Tells how much of the segments that were left on a remote is here.
    pub fn presence(&self) -> Result<Presence> {
        self.presence_of(&lazy::all(self.dir())?)
    }

    /// Tells how much of some of them is here.
    pub fn presence_of(&self, segments: &[SegmentId]) -> Result<Presence> {
        let mut sum = Presence::default();
        for &id in segments {
            if let Some(file) = LazyFile::open(self.dir(), id)? {
                sum.segments += 1;
                sum.present += file.present();
                sum.total += file.len();
            }
        }
        Ok(sum)
    }

    /// Returns the segments in which pages of snapshots lie, of those that are here in pieces.
    pub fn pieces_of(&self, snapshots: &[Snapshot]) -> Result<Vec<SegmentId>> {
        let (mut known, mut needs) = (Known::default(), Needs::default());
        for snapshot in snapshots {
            known.require(self, snapshot, &mut needs)?;
        }
        let mut wanted = HashSet::new();
        for origin in needs.commits {
            wanted.insert(self.load_commit(&origin)?.placement.segment);
        }
        Ok(lazy::all(self.dir())?.into_iter().filter(|id| wanted.contains(id)).collect())
    }

    /// Brings segments that are here in pieces, and verifies them; tells what was here of them. What an interruption left is used.
    pub fn hydrate(&self, segments: &[SegmentId], passed: &(dyn Fn(u64) + Sync)) -> Result<Presence> {
        let before = self.presence_of(segments)?;
        for &id in segments {
            let had_some = LazyFile::open(self.dir(), id)?.is_some_and(|file| file.present() > 0);
            match self.bring(id, passed) {
                // What was here may have come wrong in its time; then the remote's is asked for once.
                Err(RemoteError::Store(e)) if had_some && matches!(*e, StoreError::Damaged { .. }) => {
                    self.bring(id, passed)?;
                }
                other => other?,
            }
        }
        Ok(before)
    }

    /// Brings what is missing of a segment, and verifies all of it. Of a damaged one nothing stays.
    fn bring(&self, id: SegmentId, passed: &(dyn Fn(u64) + Sync)) -> Result<()> {
        let Some(file) = LazyFile::open(self.dir(), id)? else { return Ok(()) };
        let step = PART / BLOCK;
        let mut runs = Vec::new();
        for run in file.missing(0..file.blocks()) {
            runs.extend(run.clone().step_by(step as usize).map(|at| at..(at + step).min(run.end)));
        }
        let source = self.source();
        parallel::each(
            &runs,
            |run| (run.end - run.start) * BLOCK,
            |run| {
                file.fill(run.clone(), self.dir(), source.as_deref())?;
                passed((run.end - run.start) * BLOCK);
                Ok(())
            },
            |_, ()| Ok::<_, RemoteError>(()),
        )?;
        self.verify_segment(id)?;
        file.settle(self.dir())?;
        self.forget_segment(id);
        Ok(())
    }

    /// Returns all segments that are here in pieces.
    pub fn pieces(&self) -> Result<Vec<SegmentId>> {
        Ok(lazy::all(self.dir())?)
    }

    /// Verifies every page of a segment.
    fn verify_segment(&self, id: SegmentId) -> Result<()> {
        self.forget_segment(id);
        let Some(segment) = self.open_segment(id)? else { return Ok(()) };
        for part in &segment.index().commits {
            let count = part.commit.pages.len();
            for at in (0..count).step_by(VERIFIED_AT_ONCE as usize) {
                crate::util::interrupt::check()?;
                let pages = at..(at + VERIFIED_AT_ONCE).min(count);
                segment.verify_pages(&part.commit, part.first_rank, pages).map_err(|error| match error {
                    StoreError::Damaged { path, what } => {
                        // Nothing of it can be trusted; it is fetched again from the beginning.
                        let _ = LazyFile::discard(self.dir(), id);
                        StoreError::Damaged { path, what }
                    }
                    other => other,
                })?;
            }
        }
        Ok(())
    }
}
