//! Removing from a remote what no ref leads to, and merging small bundles into large ones.
//!
//! What the refs lead to is read, verified, and written again as few bundles; segments beside them stay as they are. Then the
//! root is replaced by one that names the new bundles, and counts one collection more: a push that was planned before finds that
//! when it arrives, and plans again, so it relies on nothing that is about to go. Last, objects that the new root does not lead to
//! are removed, if they are older than a grace period: younger ones may belong to a push on its way. The names and logs of volumes
//! are never removed, and neither are the segments that their entries name.

use std::collections::HashSet;
use std::path::Path;

use super::error::{RemoteError, Result};
use super::place::{FOLDERS, Remote};
use super::receive::Receiver;
use super::root::{BundleEntry, Root};
use super::send::Parcel;
use super::traffic::Watch;
use crate::model::{ObjectId, ObjectKind};
use crate::store::{Store, StoreError, StoreOptions};
use crate::util::random;

/// What a collection did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Bundles before and afterwards.
    pub bundles: (usize, usize),
    /// Objects of the remote removed, and their bytes.
    pub removed: (usize, u64),
    /// Unneeded objects that are too young to be removed, and their bytes.
    pub kept: (usize, u64),
}

impl Remote {
    /// Collects. With `dry` nothing is written or removed. Objects younger than `grace_ms` stay. `tmp` is a folder for what is
    /// read.
    pub fn collect(&self, tmp: &Path, dry: bool, grace_ms: u64, watch: &dyn Watch) -> Result<Collected> {
        let state = self.existing_state()?;
        let mut nothing = |error| Err(error);
        let old = self.all_bundles(&state.root)?;
        let store = Store::create(tmp, StoreOptions::default())?;
        self.receive_all(&store, &state.root, watch)?;
        let parcel = everything(&store, &state.root)?;
        let sent = self.send(&store, &parcel, dry, &|n| watch.passed(n))?;
        let mut report = Collected { bundles: (old.len(), sent.bundles.len()), ..Collected::default() };
        let is_old: HashSet<&BundleEntry> = old.iter().collect();
        let root = match dry || !state.exists() {
            true => Root { bundles: Vec::new(), catalogues: Vec::new(), ..state.root },
            false => self.update::<RemoteError>(state, &mut |root| {
                // What was pushed since stays as it is, behind what was merged.
                let fresh: Vec<_> = self.all_bundles(root)?.into_iter().filter(|b| !is_old.contains(b)).collect();
                root.bundles = sent.bundles.iter().copied().chain(fresh).collect();
                root.catalogues.clear();
                root.collections += 1;
                Ok(())
            })?,
        };
        let mut needed = self.keys_of(&root, &mut nothing)?;
        needed.extend(parcel.kept_segments());
        // Logs of volumes stay, whoever names them; what they lead to is all that they need.
        let mut logs = self.volume_logs()?;
        self.read_logs(&mut logs, &mut nothing)?;
        needed.extend(logs.keys);
        let now = random::unix_ms();
        let mut gone = Vec::new();
        self.backend().list("", &mut |one| {
            if !FOLDERS.iter().any(|folder| one.key.starts_with(folder)) || needed.contains(&one.key) {
                return true;
            }
            let is_young = now.saturating_sub(one.modified_ms.max(0) as u64) < grace_ms;
            let count = if is_young { &mut report.kept } else { &mut report.removed };
            *count = (count.0 + 1, count.1 + one.len);
            if !is_young {
                gone.push(one.key);
            }
            true
        })?;
        if !dry {
            for key in gone {
                self.backend().remove(&key)?;
            }
        }
        Ok(report)
    }

    fn keys_of(&self, root: &Root, failed: &mut dyn FnMut(RemoteError) -> Result<()>) -> Result<HashSet<String>> {
        let bundles = self.all_bundles(root)?;
        let segments = self.segments_beside(&bundles, failed)?;
        let mut keys: HashSet<String> = bundles.iter().map(BundleEntry::key).collect();
        keys.extend(root.catalogues.iter().map(|entry| entry.key()));
        keys.extend(segments.iter().map(|segment| segment.key()));
        Ok(keys)
    }
}

/// Gathers all that the refs of a root lead to, from a store that has it.
fn everything(store: &Store, root: &Root) -> Result<Parcel> {
    let (mut objects, mut snapshots) = (Vec::new(), Vec::new());
    let mut seen: HashSet<ObjectId> = HashSet::new();
    let mut open: Vec<ObjectId> = root.refs.iter().map(|one| one.id).collect();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let raw = store.object(&id)?;
        open.extend(Receiver::named_by(&raw).map_err(StoreError::Object)?);
        if raw.kind() == ObjectKind::Snapshot {
            snapshots.push(id);
        }
        objects.push(id);
    }
    // Neighbours in history compress well together.
    objects.reverse();
    Parcel::gather(store, objects, &snapshots, &[])
}
