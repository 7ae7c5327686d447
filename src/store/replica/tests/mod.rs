//! Volumes between two stores and a remote in memory.

mod collecting;
mod faults;
mod model;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::model::{FileKind, PAGE_SIZE, PageIdx, Snapshot, VolumeId};
use crate::store::remote::{Presence, RemoteEnv, RemoteError, Traffic, Watch};
use crate::store::{SegmentSource, StoreError, StoreOptions, page_run};

/// A store with one volume that goes with `v` of a remote in memory.
pub struct Side {
    pub store: Store,
    remote: String,
    pub id: VolumeId,
}

struct Source(String);

struct Unwatched;

impl Watch for Unwatched {
    fn expect(&self, _: u64) {}

    fn passed(&self, _: u64) {}
}

impl SegmentSource for Source {
    fn read(&self, id: SegmentId, range: Range<u64>) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(open_remote(&self.0).read_segment(id, range)?)
    }
}

pub fn open_remote(name: &str) -> Remote {
    Remote::open(&format!("memory:{name}").parse().expect("a URL"), &RemoteEnv::default()).expect("opens")
}

/// Opens the store in a folder, whose missing pages come from a remote.
pub fn open_store(dir: &Path, remote: &str) -> Store {
    let store = Store::create(dir, StoreOptions::default()).expect("a store");
    store.fetch_missing_from(Arc::new(Source(remote.to_owned())));
    store
}

impl Side {
    /// A volume that nobody has seen yet.
    pub fn new(dir: &Path, remote: &str) -> Self {
        let store = open_store(dir, remote);
        let id = store.create_volume(FileKind::Opaque).expect("a volume");
        Self { store, remote: remote.to_owned(), id }
    }

    /// A clone of what is on the remote.
    pub fn clone(dir: &Path, remote: &str) -> Self {
        let store = open_store(dir, remote);
        let there = open_remote(remote);
        let id = Replicator::new(&store, &there, &|_| ()).clone_volume("origin", "v", None).expect("cloned").volume;
        Self { store, remote: remote.to_owned(), id }
    }

    /// The same once more, as another process has it.
    pub fn reopen(&mut self) {
        self.store = open_store(self.store.dir(), &self.remote);
    }

    pub fn with<T>(&self, work: impl FnOnce(&Replicator<'_>) -> T) -> (T, Traffic) {
        let remote = open_remote(&self.remote);
        let done = work(&Replicator::new(&self.store, &remote, &|_| ()));
        (done, remote.traffic())
    }

    pub fn push(&self) -> Result<Pushed> {
        self.with(|r| r.push(self.id, "origin", "v")).0
    }

    pub fn fetch(&self) -> Result<Fetched> {
        self.with(|r| r.fetch(self.id)).0
    }

    pub fn pull(&self, force: bool) -> Result<Pulled> {
        self.with(|r| r.pull(self.id, force)).0
    }

    pub fn hydrate(&self) -> Result<Presence> {
        self.with(|r| r.hydrate(self.id, false)).0
    }

    pub fn state(&self) -> Snapshot {
        self.store.volume_state(self.id).expect("readable").expect("there").snapshot
    }

    pub fn standing(&self) -> Standing {
        self.store.standing(self.id).expect("readable").expect("paired")
    }

    /// Writes bytes at a page; the volume then has `pages` pages.
    pub fn write(&self, at: u32, bytes: Vec<u8>, pages: u32) {
        let state = self.state();
        let first = PageIdx::new(at).expect("from 1");
        let len = u64::from(pages) * PAGE_SIZE as u64;
        self.store.write_volume(&state, FileKind::Opaque, len, page_run(first, bytes)).expect("written");
    }

    pub fn read(&self) -> Result<Vec<u8>, StoreError> {
        self.read_state(self.state())
    }

    pub fn read_state(&self, state: Snapshot) -> Result<Vec<u8>, StoreError> {
        let open = self.store.open_snapshot(state)?;
        let mut out = vec![0; open.snapshot().page_count as usize * PAGE_SIZE];
        open.read(PageIdx::FIRST, &mut out)?;
        Ok(out)
    }
}

/// Contents that tell pages apart and do not compress.
pub fn noise(seed: u64, pages: u32) -> Vec<u8> {
    let mut bytes = vec![0; pages as usize * PAGE_SIZE];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

pub fn assert_remote_sound(remote: &str) {
    let tmp = tempfile::tempdir().expect("a folder");
    let report = open_remote(remote).verify(tmp.path(), &Unwatched).expect("readable");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

fn keys(remote: &str, prefix: &str) -> Vec<String> {
    let mut out = Vec::new();
    let remote = open_remote(remote);
    remote
        .backend()
        .list(prefix, &mut |one| {
            out.push(one.key);
            true
        })
        .expect("listed");
    out.sort();
    out
}

#[test]
fn many_writes_are_one_entry_and_a_clone_has_them_all() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = Side::new(&dir.path().join("one"), "replica-basic");
    one.write(1, noise(1, 500), 500);
    let (pushed, traffic) = one.with(|r| r.push(one.id, "origin", "v"));
    assert_eq!(pushed.expect("pushed").pages, 500);
    assert!(traffic.requests() <= 8, "{traffic:?}");
    for n in 0..30 {
        one.write(n + 1, noise(100 + u64::from(n), 2), 500);
    }
    assert_eq!((one.standing().relation, one.standing().ahead), (Relation::Ahead, 30));
    let (pushed, traffic) = one.with(|r| r.push(one.id, "origin", "v"));
    let pushed = pushed.expect("pushed");
    assert_eq!((pushed.lsn.map(|l| l.get()), pushed.pages), (Some(2), 31));
    assert!(traffic.requests() == 3 && traffic.lists == 0, "{traffic:?}");
    assert_eq!(one.standing().relation, Relation::UpToDate);
    let (again, traffic) = one.with(|r| r.push(one.id, "origin", "v"));
    assert!(again.expect("nothing").lsn.is_none() && traffic.requests() == 0, "{traffic:?}");

    let two = Side::clone(&dir.path().join("two"), "replica-basic");
    let page = one.store.open_snapshot(one.state()).expect("opens");
    let lazy = two.store.open_snapshot(two.state()).expect("opens");
    let wanted = PageIdx::new(400).expect("from 1");
    assert_eq!(
        crate::store::read_page(&page, wanted).expect("read"),
        crate::store::read_page(&lazy, wanted).expect("read")
    );
    let here = two.store.presence().expect("readable");
    assert!(here.present < here.total / 3, "one page brings little: {here:?}");
    assert_eq!(two.read().expect("readable"), one.read().expect("readable"));
    two.hydrate().expect("hydrated");
    assert_eq!(two.store.presence().expect("readable").segments, 0);

    // The other way round, and back.
    two.write(9, noise(7, 1), 700);
    two.push().expect("pushed");
    let (fetched, traffic) = one.with(|r| r.fetch(one.id));
    assert_eq!(fetched.expect("fetched").entries, 1);
    assert!(traffic.requests() <= 4 && traffic.lists == 0, "{traffic:?}");
    assert_eq!((one.standing().relation, one.standing().behind), (Relation::Behind, 1));
    assert!(one.pull(false).expect("pulled").is_moved);
    assert_eq!(one.read().expect("readable"), two.read().expect("readable"));
    assert!(!one.pull(false).expect("pulled").is_moved);
    one.write(700, noise(8, 1), 700);
    one.push().expect("pushed");
    two.pull(false).expect("pulled");
    assert_eq!(one.read().expect("readable"), two.read().expect("readable"));
    assert_remote_sound("replica-basic");
}

#[test]
fn a_remote_that_moved_refuses_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = Side::new(&dir.path().join("one"), "replica-moved");
    one.write(1, noise(1, 5), 5);
    one.push().expect("pushed");
    let two = Side::clone(&dir.path().join("two"), "replica-moved");
    two.write(2, noise(2, 1), 5);
    two.push().expect("pushed");
    one.write(3, noise(3, 1), 5);
    one.write(4, noise(4, 1), 5);
    let mine = one.read().expect("readable");
    assert!(matches!(one.push(), Err(ReplicaError::Moved { lsn, .. }) if lsn.get() == 2));
    assert_eq!(one.standing().relation, Relation::Ahead, "nobody has fetched");
    one.fetch().expect("fetched");
    assert!(matches!(one.push(), Err(ReplicaError::Moved { .. })));
    let standing = one.standing();
    assert_eq!((standing.relation, standing.ahead, standing.behind), (Relation::Diverged, 2, 1));
    assert!(matches!(one.pull(false), Err(ReplicaError::Diverged { ahead: 2, behind: 1, .. })));
    assert_eq!(one.read().expect("readable"), mine, "untouched");
    let (kept, tag) = one.pull(true).expect("pulled").kept.expect("kept");
    assert_eq!(one.read().expect("readable"), two.read().expect("readable"));
    assert_eq!(one.store.volume_tags().expect("tags").get(&tag), Some(&kept));
    let kept = one.store.volume_state(kept).expect("readable").expect("there").snapshot;
    assert_eq!(one.read_state(kept).expect("readable"), mine);
    one.write(3, noise(3, 1), 5);
    assert_eq!(one.push().expect("pushed").lsn.map(|l| l.get()), Some(3));
    // Only the segments of entries are there: what was refused took one along, which is garbage.
    assert_eq!(keys("replica-moved", "logs").len(), 3);
    assert_remote_sound("replica-moved");
    let gone = open_remote("replica-moved").collect(&dir.path().join("gc"), false, 0, &Unwatched).expect("collected");
    assert_eq!(gone.removed.0, 1);
    assert_remote_sound("replica-moved");
    let three = Side::clone(&dir.path().join("three"), "replica-moved");
    assert_eq!(three.read().expect("readable"), one.read().expect("readable"));
}

#[test]
fn a_name_belongs_to_one_log() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = Side::new(&dir.path().join("one"), "replica-name");
    one.push().expect("an empty volume has a name, too");
    let empty = Side::clone(&dir.path().join("empty"), "replica-name");
    assert!(empty.state().ranges.is_empty());
    one.write(1, noise(1, 2), 2);
    one.push().expect("pushed");
    assert!(empty.pull(false).expect("pulled").is_moved);
    let two = Side::new(&dir.path().join("two"), "replica-name");
    two.write(1, noise(2, 2), 2);
    assert!(matches!(two.push(), Err(ReplicaError::Taken { name, .. }) if name == "v"));
    two.with(|r| r.push(two.id, "origin", "w")).0.expect("another name");
    assert!(matches!(two.with(|r| r.clone_volume("origin", "nothing", None)).0, Err(ReplicaError::NoVolume { .. })));
    assert_eq!(open_remote("replica-name").volume_names().expect("listed"), ["v", "w"]);
    assert_remote_sound("replica-name");
}

#[test]
fn damage_and_loss_on_the_remote_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = Side::new(&dir.path().join("one"), "replica-damage");
    one.write(1, noise(1, 40), 40);
    one.push().expect("pushed");
    one.write(3, noise(2, 1), 40);
    one.push().expect("pushed");
    let remote = open_remote("replica-damage");
    let backend = remote.backend();
    let put = |key: &str, bytes: &[u8]| {
        backend.remove(key).expect("removed");
        assert!(backend.swap(key, None, bytes).expect("written"));
    };
    for key in keys("replica-damage", "") {
        let whole = backend.read(&key).expect("read").expect("there").bytes;
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for bytes in [Some(flipped), None] {
            match &bytes {
                Some(bytes) => put(&key, bytes),
                None => backend.remove(&key).expect("removed"),
            }
            let tmp = tempfile::tempdir().expect("a folder");
            let report = remote.verify(tmp.path(), &Unwatched).expect("readable");
            // The end of a log and a name leave no trace.
            let is_last = key.ends_with("2");
            let named = report.findings.iter().any(|f| f.contains(&key) || f.contains("has no name"));
            assert!(named || is_last && bytes.is_none(), "{key}: {:?}", report.findings);
            let into = tempfile::tempdir().expect("a folder");
            let store = open_store(into.path(), "replica-damage");
            let replicator = Replicator::new(&store, &remote, &|_| ());
            let outcome = replicator.clone_volume("origin", "v", None);
            match (key.starts_with("segments"), outcome) {
                (false, Err(ReplicaError::Remote(error))) => {
                    assert!(error.to_string().contains(&key), "{key}: {error}")
                }
                (false, Err(ReplicaError::NoVolume { name, .. })) => assert!(bytes.is_none() && key.ends_with(&name)),
                (false, Ok(cloned)) => assert!(is_last && bytes.is_none() && cloned.fetched.entries == 1),
                (true, Ok(cloned)) => {
                    let error = replicator.hydrate(cloned.volume, false).expect_err("a segment is not sound");
                    let id = key.trim_start_matches("segments/");
                    assert!(error.to_string().contains(id), "{key}: {error}");
                }
                (_, outcome) => panic!("{key}: {outcome:?}"),
            }
            if !key.starts_with("segments") && store.volumes().expect("listed").len() == 1 {
                assert!(is_last, "half a clone is left: {key}");
            }
            put(&key, &whole);
        }
    }
    // A remote that lost what this volume was synced with is not given the end of a log.
    one.write(4, noise(5, 1), 40);
    let last = keys("replica-damage", "logs").pop().expect("two entries");
    backend.remove(&last).expect("removed");
    for outcome in [one.push().map(drop), one.fetch().map(drop), one.pull(false).map(drop)] {
        assert!(matches!(outcome, Err(ReplicaError::Remote(RemoteError::Missing { key, .. })) if key == last));
    }
    assert_eq!(keys("replica-damage", "logs").len(), 1);
}

#[test]
fn an_index_made_anew_learns_the_log_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut one = Side::new(&dir.path().join("one"), "replica-rebuild");
    one.write(1, noise(1, 80), 80);
    one.push().expect("pushed");
    for n in 0..5 {
        one.write(n + 1, noise(u64::from(n) + 50, 1), 80);
        one.push().expect("pushed");
    }
    let mut two = Side::clone(&dir.path().join("two"), "replica-rebuild");
    let wanted = one.read().expect("readable");
    for side in [&mut one, &mut two] {
        let _ = std::fs::remove_dir_all(side.store.dir().join("store"));
        std::fs::remove_file(side.store.dir().join("index-tail")).expect("removed");
        side.reopen();
        side.store.rebuild_index().expect("rebuilt");
    }
    two.pull(false).expect("pulled");
    assert_eq!(two.read().expect("readable"), wanted);
    one.pull(false).expect("pulled");
    one.write(9, noise(3, 1), 80);
    one.push().expect("pushed");
    two.pull(false).expect("pulled");
    assert_eq!(two.read().expect("readable"), one.read().expect("readable"));
}
