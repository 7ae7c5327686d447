//! Removing from a remote what no ref leads to, and merging small bundles into large ones, whatever others do meanwhile.
//!
//! What the refs lead to is read, verified, and written again as few bundles; segments beside them stay as they are. Then all that is
//! there is listed, and after that the root is replaced by one that names the new bundles and counts one collection more. What was listed
//! and is not led to by the new root is *condemned*, and removed at any later time. This is safe under every order of requests, because
//! no root to come can name anything condemned:
//!
//! * A push names what it found in the root it read, and what it sent. If it read the root before the collection, it finds another
//!   number of collections when it arrives, and plans again.
//! * If it read the root after the collection, what it sends has names that were not there when the list was made: those of bundles are
//!   random, those of segments follow from the number of collections ([`super::send`]). A catalogue is named by its content, so it is
//!   condemned only if a bundle in it is listed no more, as then nobody can have reason to write it again.
//! * Of two collections the first to replace the root wins; the other begins again.
//!
//! Pushes of volumes have no root. The names and entries of their logs are never removed, and neither are the segments that entries name.
//! A segment that is to be named by an entry yet is recognised by the storage commit in it: it stays while the place of that commit in
//! its log is free. Once another entry has the place, no entry will ever name the segment. The list comes before the look at
//! the logs, and the name of a volume is there before its first segment.

use std::collections::HashSet;
use std::path::Path;

use super::backend::Listed;
use super::error::{RemoteError, Result};
use super::place::{FOLDERS, PLANS, Remote, State, pause};
use super::receive::Receiver;
use super::root::{BundleEntry, Root};
use super::send::Parcel;
use super::traffic::Watch;
use crate::model::{LogId, ObjectId, ObjectKind};
use crate::store::segment::SegmentIndex;
use crate::store::{Store, StoreError, StoreOptions};
use crate::util::random;

/// What a collection did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Bundles before and afterwards.
    pub bundles: (usize, usize),
    /// Objects of the remote removed, and their bytes.
    pub removed: (usize, u64),
    /// Unneeded objects that stay, and their bytes: too young, or perhaps part of a push that is on its way.
    pub kept: (usize, u64),
}

/// Why a collection came to no end.
enum Stop {
    /// Another one came first.
    Collected,
    Failed(RemoteError),
}

impl From<RemoteError> for Stop {
    fn from(error: RemoteError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Remote {
    /// Collects. With `dry` nothing is written or removed. Objects younger than `grace_ms` stay. `tmp` is a folder for what is
    /// read.
    pub fn collect(&self, tmp: &Path, dry: bool, grace_ms: u64, watch: &dyn Watch) -> Result<Collected> {
        for tries in 0..PLANS {
            let state = self.existing_state()?;
            let planned = state.root.collections;
            match self.collect_once(&tmp.join(tries.to_string()), state, dry, grace_ms, watch) {
                Ok(done) => return Ok(done),
                Err(Stop::Failed(error)) if !self.was_collected(planned, &error)? => return Err(error),
                Err(_) => pause(tries),
            }
        }
        Err(RemoteError::Busy { url: self.url().to_owned(), tries: PLANS })
    }

    fn collect_once(
        &self,
        tmp: &Path,
        state: State,
        dry: bool,
        grace_ms: u64,
        watch: &dyn Watch,
    ) -> Result<Collected, Stop> {
        let old = self.all_bundles(&state.root)?;
        let planned = state.root.collections;
        let store = Store::create(tmp, StoreOptions::default())?;
        self.receive_all(&store, &state.root, watch)?;
        let parcel = everything(&store, &state.root)?;
        let sent = self.send(&store, &parcel, dry, &|n| watch.passed(n))?;
        let listed = self.listed()?;
        let is_old: HashSet<&BundleEntry> = old.iter().collect();
        // Even without a root, as of volumes alone or after a first push that was interrupted, the collection has to be counted.
        let root = match dry || !state.exists() && listed.is_empty() {
            true => Root { bundles: Vec::new(), catalogues: Vec::new(), ..state.root },
            false => self.update::<Stop>(state, &mut |root| {
                if root.collections != planned {
                    return Err(Stop::Collected);
                }
                // What was pushed since stays as it is, behind what was merged.
                let fresh: Vec<_> = self.all_bundles(root)?.into_iter().filter(|b| !is_old.contains(b)).collect();
                root.bundles = sent.bundles.iter().copied().chain(fresh).collect();
                root.catalogues.clear();
                root.collections += 1;
                Ok(())
            })?,
        };
        let bundles = self.all_bundles(&root)?;
        let mut needed: HashSet<String> = bundles.iter().map(BundleEntry::key).collect();
        needed.extend(root.catalogues.iter().map(|entry| entry.key()));
        needed.extend(self.segments_beside(&bundles, &mut |error| Err(error))?.iter().map(|segment| segment.key()));
        needed.extend(parcel.kept_segments());
        let condemned = Condemned { remote: self, bundles: bundles.into_iter().collect(), logs: self.named_logs()? };
        let mut logs = self.volume_logs()?;
        self.read_logs(&mut logs, &mut |error| Err(error))?;
        needed.extend(logs.keys);
        let mut report = Collected { bundles: (old.len(), sent.bundles.len()), ..Collected::default() };
        let now = random::unix_ms();
        for one in listed.iter().filter(|one| !needed.contains(&one.key)) {
            let is_young = now.saturating_sub(one.modified_ms.max(0) as u64) < grace_ms;
            let stays = is_young || !condemned.holds(one)?;
            let count = if stays { &mut report.kept } else { &mut report.removed };
            *count = (count.0 + 1, count.1 + one.len);
            if !stays && !dry {
                self.backend().remove(&one.key)?;
            }
        }
        Ok(report)
    }

    /// Lists what may be removed if nothing leads to it.
    fn listed(&self) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        let removable = FOLDERS.iter().filter(|folder| !["volumes/", "logs/"].contains(folder));
        for folder in removable {
            self.backend().list(folder.trim_end_matches('/'), &mut |one| {
                listed.push(one);
                true
            })?;
        }
        Ok(listed)
    }

    /// Returns the logs that volumes have.
    fn named_logs(&self) -> Result<HashSet<LogId>> {
        let mut logs = HashSet::new();
        for name in self.volume_names()? {
            logs.extend(self.volume(&name)?.map(|marker| marker.log));
        }
        Ok(logs)
    }
}

/// What is listed and not led to by the root of a collection, and whether something to come may yet lead to it.
struct Condemned<'a> {
    remote: &'a Remote,
    /// The bundles that are listed by that root.
    bundles: HashSet<BundleEntry>,
    /// The logs that volumes have.
    logs: HashSet<LogId>,
}

impl Condemned<'_> {
    /// Tells whether nothing will ever lead to an object again.
    fn holds(&self, one: &Listed) -> Result<bool> {
        match one.key.split_once('/') {
            Some(("catalogues", _)) => self.holds_catalogue(&one.key),
            Some(("segments", _)) if !self.logs.is_empty() => self.holds_segment(one),
            _ => Ok(true),
        }
    }

    fn holds_catalogue(&self, key: &str) -> Result<bool> {
        match self.remote.catalogue_of_key(key) {
            Ok(bundles) => Ok(bundles.iter().any(|bundle| !self.bundles.contains(bundle))),
            Err(RemoteError::Missing { .. } | RemoteError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn holds_segment(&self, one: &Listed) -> Result<bool> {
        let missing = || RemoteError::Missing { url: self.remote.url().to_owned(), key: one.key.clone() };
        let index = SegmentIndex::read::<RemoteError>(Path::new(&one.key), one.len, &|section| {
            let range = section.offset()..section.offset() + section.len();
            self.remote.backend().read_range(&one.key, range)?.ok_or_else(missing)
        });
        let index = match index {
            Ok(index) => index,
            // Somebody else has removed it.
            Err(RemoteError::Missing { .. }) => return Ok(false),
            // Nobody can read it, whoever names it.
            Err(RemoteError::Store(error)) if error.is_damage() => return Ok(true),
            Err(error) => return Err(error),
        };
        for commit in index.commits.iter().map(|part| &part.commit).filter(|c| self.logs.contains(&c.log)) {
            match self.remote.volume_entry(commit.log, commit.lsn)? {
                None => return Ok(false),
                Some(entry) if entry.segment_key() == one.key => return Ok(false),
                Some(_) => {}
            }
        }
        Ok(true)
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
    Parcel::gather(store, objects, &snapshots, &[], root.collections)
}

#[cfg(test)]
mod tests {
    use super::super::bundle::BundleWriter;
    use super::super::faults::{has_acted, interleave};
    use super::*;
    use crate::store::remote::RemoteEnv;

    struct Unwatched;

    impl Watch for Unwatched {
        fn expect(&self, _: u64) {}

        fn passed(&self, _: u64) {}
    }

    fn open(name: &str) -> Remote {
        Remote::open(&format!("memory:{name}").parse().expect("a URL"), &RemoteEnv::default()).expect("opens")
    }

    /// Adds an empty bundle, as a push does.
    fn add_bundle(remote: &Remote) -> BundleEntry {
        let (bytes, entry) = BundleWriter::new().finish().expect("memory");
        remote.write_new(&entry.key(), &bytes).expect("written");
        let state = remote.state().expect("readable");
        let edit = &mut |root: &mut Root| {
            root.bundles.push(entry);
            Ok(())
        };
        remote.update::<RemoteError>(state, edit).expect("heard");
        entry
    }

    #[test]
    fn a_catalogue_that_may_be_written_again_stays() {
        let tmp = tempfile::tempdir().expect("a folder");
        for nth in 1.. {
            let name = format!("collect-catalogue-{nth}");
            let remote = open(&name);
            add_bundle(&remote);
            let other = open(&name);
            // Between the look at the root and the list.
            interleave(&name, 2, move || {
                let bundles: Vec<_> = (0..64).map(|_| add_bundle(&other)).collect();
                // Somebody had come so far when another came first.
                other.write_catalogue(bundles[..48].to_vec(), 0).expect("written");
                let name = other.url().trim_start_matches("memory:").to_owned();
                interleave(&name, nth, move || _ = add_bundle(&other));
            });
            remote.collect(&tmp.path().join(nth.to_string()), false, 0, &Unwatched).expect("collected");
            if !has_acted(&name) {
                assert!(nth > 4, "{nth} requests");
                return;
            }
            let root = remote.state().expect("readable").root;
            let all = remote.all_bundles(&root).unwrap_or_else(|e| panic!("at {nth}: {e}"));
            assert_eq!(all.len(), 65, "at {nth}");
        }
    }
}
