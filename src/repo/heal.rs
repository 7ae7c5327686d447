//! Mends damage of the store when the lost content is added again.

use std::collections::HashMap;

use super::Repository;
use super::error::Result;
use super::index::{Index, IndexEntry};
use super::objects::ObjectReader;
use super::staging::Staged;
use crate::model::{Object, Snapshot};
use crate::store::Transaction;
use crate::util::lock::FileLock;

/// Stored pages up to this many bytes are verified when their file is added by name.
const VERIFIED_BYTES: u64 = 16 << 20;

impl Repository {
    /// Tells whether the stored state of a file needs mending. Looks at segment indexes and, for small files, at pages.
    pub(super) fn needs_healing(&self, entry: &IndexEntry) -> Result<bool> {
        let check = || -> Result<bool> {
            let open = self.store().open_snapshot(self.snapshot(&entry.snapshot)?)?;
            self.store().check_segments(&open)?;
            if entry.byte_len > VERIFIED_BYTES {
                return Ok(false);
            }
            Ok(!self.store().verify_snapshot(&open, &mut HashMap::new(), &mut |_| true)?.is_empty())
        };
        match check() {
            Err(e) if e.is_damage() => Ok(true),
            other => other,
        }
    }

    /// Mends what can be mended of the states that were staged before, from those just staged; then the old state,
    /// which has the same content under the identity that history knows, stays staged.
    pub(super) fn heal(&self, lock: &FileLock, staged: &mut [Staged], lost: &[IndexEntry]) -> Result<()> {
        for old in lost {
            let Some(now) = staged.iter_mut().find(|s| s.change.path == old.path) else { continue };
            let Some(entry) = now.entry.as_mut() else { continue };
            let fresh = self.open_snapshot(&entry.snapshot)?;
            let mut tx = Transaction::new(self.store(), lock)?;
            let Some(snapshot) = self.old_snapshot(old, &mut tx)? else { continue };
            if !tx.heal(&snapshot, &fresh)? {
                continue;
            }
            tx.publish()?;
            let healed = self.store().open_snapshot(snapshot)?;
            let same = crate::store::differing_pages(&healed, &fresh)?.is_empty() && old.byte_len == entry.byte_len;
            if same && old.kind == entry.kind && !self.needs_healing(old)? {
                (entry.snapshot, entry.volume) = (old.snapshot, old.volume);
                now.change.new = Some(old.snapshot);
                now.change.pages_changed = Some(0);
            }
            self.monitor().notice(&format!("mended the stored state of '{}'", old.path));
        }
        Ok(())
    }

    /// Reads a snapshot object, or derives it from the log and stores it again.
    fn old_snapshot(&self, entry: &IndexEntry, tx: &mut Transaction<'_>) -> Result<Option<Snapshot>> {
        match self.snapshot(&entry.snapshot) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(_) => {
                let derived = self.store().derive_snapshot(&entry.snapshot, entry.volume, entry.kind)?;
                if let Some(snapshot) = &derived {
                    tx.add_object(snapshot);
                }
                Ok(derived)
            }
        }
    }

    /// Stores HEAD's tree again if it is lost and the index still has the same files.
    pub(super) fn heal_tree(&self, index: &Index, lock: &FileLock) -> Result<()> {
        let Some(head) = self.head_commit()? else { return Ok(()) };
        let Ok(commit) = self.commit(&head) else { return Ok(()) };
        if self.tree(&commit.tree).is_err() && index.to_tree().to_raw().id() == commit.tree {
            let mut tx = Transaction::new(self.store(), lock)?;
            tx.add_object(&index.to_tree());
            tx.publish()?;
            self.monitor().notice("mended the list of files of the last commit");
        }
        Ok(())
    }
}
