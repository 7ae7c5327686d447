//! Tests of the index: order, round trips, damage, and the time it takes to load.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{Snapshot, object::Object};
use crate::repo::state::fingerprint::SidecarPrint;
use crate::repo::state::objects::MemoryObjects;

fn entry(path: &str) -> IndexEntry {
    IndexEntry {
        path: RepoPath::new(path).unwrap(),
        mode: FileMode::Regular,
        snapshot: ObjectId::from_bytes(*blake3::hash(path.as_bytes()).as_bytes()),
        volume: VolumeId::new(1, [3; 9]),
        kind: FileKind::Sqlite,
        byte_len: 4096,
        fingerprint: None,
        unmaterialized: false,
    }
}

fn print(seed: u64) -> Fingerprint {
    let side = SidecarPrint { size: seed, mtime_ns: -(seed as i64), inode: seed ^ 3 };
    Fingerprint {
        size: seed,
        mtime_ns: seed as i64 - 1000,
        ctime_ns: seed as i64,
        inode: seed.rotate_left(7),
        dev: 2,
        change_counter: seed.is_multiple_of(2).then_some(seed as u32),
        wal: seed.is_multiple_of(3).then_some(side),
        journal: seed.is_multiple_of(5).then_some(side),
    }
}

fn lock(dir: &Path) -> FileLock {
    fs::create_dir_all(dir.join("tmp")).unwrap();
    FileLock::acquire(&dir.join("lock"), Duration::ZERO, &|_| ()).unwrap()
}

#[test]
fn saves_and_loads() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Index::load(dir.path()).unwrap().is_none(), "there is no index yet");
    let mut index = Index::default();
    for path in ["b.db", "a/x.db", "a-b.db", "a.db", "a/y.db"] {
        assert_eq!(index.insert(entry(path)), None);
    }
    index.get_mut(&RepoPath::new("a.db").unwrap()).unwrap().set_fingerprint(Some(print(30)));
    index.save(dir.path(), &lock(dir.path())).unwrap();
    let loaded = Index::load(dir.path()).unwrap().unwrap();
    assert_eq!(loaded, index);
    let names: Vec<_> = loaded.entries().iter().map(|e| e.path.as_str()).collect();
    assert_eq!(names, ["a-b.db", "a.db", "a/x.db", "a/y.db", "b.db"]);
    let within = |dir| loaded.within(dir).map(|e| e.path.as_str()).collect::<Vec<_>>();
    assert_eq!(within("a"), ["a/x.db", "a/y.db"]);
    assert_eq!(within("a.db"), ["a.db"]);
    assert_eq!(within("").len(), 5);
    assert!(within("c").is_empty());
}

#[test]
fn changes_keep_the_order() {
    let mut index = Index::default();
    index.extend([entry("b"), entry("a"), IndexEntry { byte_len: 1, ..entry("b") }]);
    index.extend([IndexEntry { byte_len: 2, ..entry("a") }, entry("c")]);
    let lens: Vec<_> = index.entries().iter().map(|e| (e.path.as_str(), e.byte_len)).collect();
    assert_eq!(lens, [("a", 2), ("b", 1), ("c", 4096)]);
    assert_eq!(index.insert(entry("a")).unwrap().byte_len, 2);
    assert!(index.remove(&RepoPath::new("b").unwrap()).is_some());
    assert!(index.remove(&RepoPath::new("b").unwrap()).is_none());
    index.retain(|e| e.path.as_str() != "a");
    assert_eq!(index.len(), 1);
}

#[test]
fn trees_become_indexes_and_back() {
    let objects = MemoryObjects::new();
    let snapshot = Snapshot {
        volume: VolumeId::new(5, [1; 9]),
        kind: FileKind::Opaque,
        page_count: 1,
        byte_len: 10,
        ranges: vec![],
    };
    let id = objects.put(&snapshot);
    assert_eq!(id, snapshot.to_raw().id());
    let path = RepoPath::new("x/y").unwrap();
    let tree = Tree::new(vec![TreeEntry { path, mode: FileMode::Executable, snapshot: id }]);
    let index = Index::from_tree(&tree, &objects).unwrap();
    assert_eq!(index.entries()[0].byte_len, 10);
    assert_eq!(index.entries()[0].kind, FileKind::Opaque);
    assert_eq!(index.to_tree(), tree);
}

#[test]
fn damage_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = Index::default();
    index.extend([entry("a"), IndexEntry { fingerprint: Some(print(30)), ..entry("b") }]);
    index.save(dir.path(), &lock(dir.path())).unwrap();
    let path = dir.path().join("index");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).unwrap();
        let err = Index::load(dir.path()).expect_err("every flipped bit is noticed");
        assert!(err.to_string().contains("index"), "{err}");
    }
    for len in 0..good.len() {
        fs::write(&path, &good[..len]).unwrap();
        assert!(matches!(Index::load(dir.path()), Err(IndexError::Damaged { .. })), "cut to {len} bytes");
    }
    let mut newer = good.clone();
    newer[8] = 2;
    fs::write(&path, newer).unwrap();
    assert!(matches!(Index::load(dir.path()), Err(IndexError::Version { version: 2, .. })));
}

#[test]
fn ten_thousand_entries_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = Index::default();
    index.extend(
        (0..10_000).map(|n| IndexEntry {
            fingerprint: Some(print(n)),
            ..entry(&format!("folder/{:03}/file-{n}.db", n % 700))
        }),
    );
    index.save(dir.path(), &lock(dir.path())).unwrap();
    assert_eq!(Index::load(dir.path()).unwrap().unwrap(), index);
}

proptest! {
    #[test]
    fn any_index_round_trips(paths in prop::collection::btree_map("[a-c]{1,3}(/[a-c.é]{1,2}x){0,2}", any::<u64>(), 0..20)) {
        let entries: Vec<_> = paths
            .iter()
            .map(|(path, &seed)| IndexEntry {
                mode: if seed & 1 == 0 { FileMode::Regular } else { FileMode::Executable },
                kind: if seed & 2 == 0 { FileKind::Sqlite } else { FileKind::Opaque },
                byte_len: seed,
                fingerprint: (seed & 4 == 0).then(|| print(seed >> 8)),
                unmaterialized: seed & 8 != 0,
                ..entry(path)
            })
            .collect();
        prop_assert_eq!(codec::decode(&codec::encode(&entries)).unwrap(), entries);
    }

    #[test]
    fn junk_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        // With the right mark, version and checksum, so that the entries themselves are parsed.
        bytes.splice(0..0, b"GRAFTIDX\x01\0\0\0\x02\0\0\0".iter().copied());
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        let _ = codec::decode(&bytes);
    }
}
