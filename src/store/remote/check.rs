//! Verifying a remote: all of it is read, into a store of its own for the time being, and held against the hashes that lead to it.

use std::collections::HashSet;
use std::path::Path;

use super::bundle::{Bundle, SegmentEntry};
use super::error::{RemoteError, Result};
use super::parallel;
use super::place::{FOLDERS, PLANS, Remote};
use super::receive::{Received, Receiver, WHOLE};
use super::root::{BundleEntry, ROOT, Root};
use super::traffic::Watch;
use crate::model::ObjectId;
use crate::store::{Store, StoreOptions};

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteReport {
    /// Refs.
    pub refs: usize,
    /// Bundles.
    pub bundles: usize,
    /// Segments beside them.
    pub segments: usize,
    /// Objects that refs lead to.
    pub objects: usize,
    /// Storage commits that refs lead to.
    pub commits: usize,
    /// Volumes that were pushed by themselves.
    pub volumes: usize,
    /// Storage commits of their logs.
    pub volume_commits: usize,
    /// Bytes of all objects of the remote.
    pub bytes: u64,
    /// Objects of the remote that nothing leads to, and their bytes: what interrupted pushes left.
    pub unneeded: (usize, u64),
    /// What is damaged or missing; empty if all is well.
    pub findings: Vec<String>,
}

/// Everything that a root leads to.
pub(super) struct Inventory {
    /// All bundles, oldest first.
    pub bundles: Vec<BundleEntry>,
    /// All segments beside them.
    pub segments: Vec<SegmentEntry>,
    /// The keys of all of it, the root and the catalogues included.
    pub keys: HashSet<String>,
}

impl Remote {
    /// Verifies everything that the refs lead to and every bundle and segment that is listed. `tmp` is a folder for what is read.
    ///
    /// Damage is a finding, not an error; errors are what keeps from looking.
    pub fn verify(&self, tmp: &Path, watch: &dyn Watch) -> Result<RemoteReport> {
        let mut tries = 1;
        loop {
            let root = self.existing_state()?.root;
            let collections = root.collections;
            let report = self.verify_root(&tmp.join(tries.to_string()), root, watch)?;
            // What is missing may have been removed by a collection meanwhile.
            let is_moved = || Ok::<_, RemoteError>(self.state()?.root.collections != collections);
            if report.findings.is_empty() || tries == PLANS || !is_moved()? {
                return Ok(report);
            }
            tries += 1;
        }
    }

    fn verify_root(&self, tmp: &Path, root: Root, watch: &dyn Watch) -> Result<RemoteReport> {
        let mut report = RemoteReport { refs: root.refs.len(), ..RemoteReport::default() };
        let inventory = match self.inventory(&root, &mut report.findings) {
            Ok(inventory) => inventory,
            Err(error) => {
                report.findings.push(found(error)?);
                return Ok(report);
            }
        };
        (report.bundles, report.segments) = (inventory.bundles.len(), inventory.segments.len());
        for segment in &inventory.segments {
            match self.backend().size(&segment.key())? {
                Some(len) if len == segment.len => {}
                Some(_) => report.findings.push(format!("{} has the wrong length", segment.key())),
                None => report.findings.push(format!("{} is missing", segment.key())),
            }
        }
        if report.findings.is_empty() {
            let store = Store::create(tmp, StoreOptions::default())?;
            match self.receive_all(&store, &root, watch) {
                Ok(received) => (report.objects, report.commits) = (received.objects, received.commits),
                Err(error) => report.findings.push(found(error)?),
            }
        }
        let volumes = self.verify_volumes(&tmp.join("volumes"), &mut report, watch)?;
        self.backend().list("", &mut |one| {
            report.bytes += one.len;
            let is_ours = one.key == ROOT || FOLDERS.iter().any(|folder| one.key.starts_with(folder));
            if is_ours && !inventory.keys.contains(&one.key) && !volumes.contains(&one.key) {
                report.unneeded.0 += 1;
                report.unneeded.1 += one.len;
            }
            true
        })?;
        Ok(report)
    }

    /// Brings everything that the refs lead to into a store.
    pub(super) fn receive_all(&self, store: &Store, root: &Root, watch: &dyn Watch) -> Result<Received> {
        let tips: Vec<(ObjectId, u32)> = root.refs.iter().map(|one| (one.id, WHOLE)).collect();
        let mut receiver = Receiver::new(store, self, watch);
        receiver.receive(root, &tips)?;
        let lock = store.lock()?;
        receiver.publish(&lock)
    }

    /// Reads what a root leads to. A damaged bundle becomes a finding.
    pub(super) fn inventory(&self, root: &Root, findings: &mut Vec<String>) -> Result<Inventory> {
        let bundles = self.all_bundles(root)?;
        let mut keys: HashSet<String> = bundles.iter().map(BundleEntry::key).collect();
        keys.insert(ROOT.to_owned());
        keys.extend(root.catalogues.iter().map(|entry| entry.key()));
        let segments = self.segments_beside(&bundles, &mut |error| {
            findings.push(found(error)?);
            Ok(())
        })?;
        keys.extend(segments.iter().map(SegmentEntry::key));
        Ok(Inventory { bundles, segments, keys })
    }

    /// Reads bundles and returns the segments that lie beside them, each once.
    pub(super) fn segments_beside(
        &self,
        bundles: &[BundleEntry],
        failed: &mut dyn FnMut(RemoteError) -> Result<()>,
    ) -> Result<Vec<SegmentEntry>> {
        let mut segments: Vec<SegmentEntry> = Vec::new();
        let mut seen = HashSet::new();
        parallel::each(
            bundles,
            |entry| entry.len * 2,
            |entry| {
                Ok(self.needed(&entry.key()).and_then(|bytes| Ok(Bundle::open(entry, bytes, self.url())?.index.beside)))
            },
            |_, beside: Result<Vec<SegmentEntry>>| match beside {
                Ok(beside) => {
                    segments.extend(beside.into_iter().filter(|segment| seen.insert(segment.id)));
                    Ok::<_, RemoteError>(())
                }
                Err(error) => failed(error),
            },
        )?;
        segments.sort_by_key(|segment| segment.id);
        Ok(segments)
    }
}

/// Turns damage into a finding, and passes on what is none.
pub(super) fn found(error: RemoteError) -> Result<String> {
    match error {
        RemoteError::Missing { key, .. } => Ok(format!("{key} is missing")),
        RemoteError::Damaged { key, what, .. } => Ok(format!("{key} is damaged: {what}")),
        RemoteError::Store(error) if error.is_damage() => Ok(error.to_string()),
        other => Err(other),
    }
}
