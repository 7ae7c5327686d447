//! Mutated inputs for everything that the store reads from disk and from remotes.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteArray;

use super::container::{Container, ContainerKind, ContainerWriter};
use super::entries::{Entry, Keyspace};
use super::pack::PackIndex;
use super::remote::bundle::{Bundle, BundleWriter};
use super::remote::volume_log::{self, VolumeEntry, VolumeMarker};
use super::remote::{BundleEntry, Root};
use super::replica::Pairing;
use super::segment::{Segment, SegmentIndex};
use super::tail::Tail;
use super::{NewState, Purpose, Store, StoreOptions, Transaction, volumes};
use crate::model::gid::PackId;
use crate::model::page_map::{MapChunk, Origin, PageMap};
use crate::model::{
    ChunkId, Commit, CommitHash, ContentHash, FileKind, FileMode, LogId, LogRange, Lsn, Object, ObjectId, PAGE_SIZE,
    PageIdx, PageSet, RawObject, RefName, RepoPath, SegmentId, Signature, Snapshot, StorageCommit, Tag, Tree,
    TreeEntry, VolumeId, cbor,
};
use crate::util::fuzz;

const LOG: [u8; 9] = [5; 9];

fn who() -> Signature {
    Signature { name: "Ada".to_owned(), email: "a@b".to_owned(), time: 7, offset: -60 }
}

fn snapshot() -> Snapshot {
    let commits = vec![CommitHash::from_bytes([4; 32]), CommitHash::from_bytes([5; 32])];
    let end = Lsn::new(2).expect("from 1");
    let ranges = vec![LogRange { log: LogId::new(1, LOG), start: Lsn::FIRST, end, commits }];
    Snapshot { volume: VolumeId::new(1, LOG), kind: FileKind::Sqlite, page_count: 3, byte_len: 12288, ranges }
}

fn storage_commit() -> StorageCommit {
    StorageCommit {
        log: LogId::new(1, LOG),
        lsn: Lsn::FIRST,
        parent: None,
        page_count: 40,
        byte_len: 163_840,
        pages: [1, 2, 3, 9, 40].into_iter().filter_map(PageIdx::new).collect(),
        content: ContentHash::from_bytes([3; 32]),
        checkpoint: None,
        time: 7,
    }
}

/// Mutates the encoding of a value. What decodes must be what it encodes to, and `look` at it must not panic.
fn values<T: Serialize + DeserializeOwned>(name: &str, seed: &T, look: impl Fn(T)) {
    fuzz::run(
        name,
        2000,
        &[cbor::encode(seed)],
        |_| (),
        |bytes| {
            if let Ok(value) = cbor::decode::<T>(bytes) {
                assert!(cbor::encode(&value) == bytes, "one encoding");
                look(value);
            }
        },
    );
}

#[test]
fn values_are_decoded_without_a_panic() {
    let origin = Origin { log: LogId::new(1, LOG), lsn: Lsn::FIRST, commit: CommitHash::from_bytes([4; 32]) };
    let pages = (0..60).map(|n| (n % 7 > 2).then_some(origin));
    values("storage-commit", &storage_commit(), |c| _ = (c.hash(), c.is_base(), c.pages.max()));
    values("page-set", &storage_commit().pages, |set: PageSet| _ = (set.len(), set.runs().count().min(9)));
    values("page-map", &PageMap { chunks: vec![ChunkId::from_bytes([1; 32]); 3] }, |map| _ = map.id());
    values("map-chunk", &MapChunk::new(pages), |chunk| drop((chunk.id(), chunk.unpack())));
    values("snapshot", &snapshot(), |s| _ = (s.is_consistent(), s.head(), s.commits_newest_first().count()));
}

/// Gives a mutated body to the decoder of its kind.
fn objects<T: Object>(name: &str, seed: &T) {
    fuzz::run(
        name,
        2000,
        &[seed.to_raw().body().to_vec()],
        |_| (),
        |body| {
            let raw = RawObject::from_body(T::KIND, body);
            let _ = raw.decode::<T>();
            let _ = crate::model::links::wrong_link::<crate::model::object::ObjectError>(&raw, |_| Ok(None));
        },
    );
}

#[test]
fn objects_are_decoded_without_a_panic() {
    let id = ObjectId::from_bytes([9; 32]);
    let commit = Commit {
        tree: id,
        parents: vec![id],
        generation: 2,
        author: who(),
        committer: who(),
        message: "m\n".to_owned(),
    };
    let path = RepoPath::new("dir/app.db").expect("valid");
    objects("commit", &commit);
    objects("tree", &Tree::new(vec![TreeEntry { path, mode: FileMode::Regular, snapshot: id }]));
    objects("tag", &Tag { target: id, name: "v1".to_owned(), tagger: who(), message: "m".to_owned() });
    objects("snapshot-object", &snapshot());
    let raw = commit.to_raw();
    fuzz::run(
        "envelope",
        2000,
        &[raw.bytes().to_vec()],
        |_| (),
        |bytes| {
            let id = ObjectId::from_bytes(*blake3::hash(bytes).as_bytes());
            let _ = RawObject::verify(id, bytes.to_vec());
        },
    );
}

/// Makes what a container says of its length and index right again.
fn mend_container(bytes: &mut [u8]) {
    let len = bytes.len();
    let Some(footer) = len.checked_sub(64) else { return };
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let (start, size) = (number(footer) as usize, number(footer + 8) as usize);
    let Some(index) = start.checked_add(size).and_then(|end| bytes.get(start..end)) else { return };
    let hash = *blake3::hash(index).as_bytes();
    bytes[footer + 16..footer + 48].copy_from_slice(&hash);
    bytes[footer + 48..footer + 56].copy_from_slice(&(len as u64).to_le_bytes());
    bytes[footer + 56..].copy_from_slice(b"GRAFTEND");
}

/// A segment of 20 pages, and a pack, as files of a store.
fn made(dir: &Path) -> (Vec<u8>, Vec<u8>) {
    let store = Store::create(dir, StoreOptions::default()).expect("a store");
    let lock = store.lock().expect("a lock");
    let mut ingest = store.ingest(None, None, Purpose::Store).expect("starts");
    for n in 1..=20u32 {
        let _ = ingest.push(PageIdx::new(n).expect("from 1"), vec![n as u8; PAGE_SIZE]);
    }
    let mut tx = Transaction::new(&store, &lock).expect("a transaction");
    let state =
        NewState { volume: store.new_volume_id(), kind: FileKind::Opaque, byte_len: 20 * PAGE_SIZE as u64, base: None };
    let snapshot = tx.append(state, ingest.finish().expect("taken in")).expect("appended");
    tx.add_object(&snapshot);
    tx.publish().expect("published");
    let segment = store.segments().expect("listed").remove(0).path;
    let pack = super::rebuild::files_in(&dir.join("packs")).expect("listed").remove(0);
    (std::fs::read(segment).expect("a segment"), std::fs::read(pack).expect("a pack"))
}

#[test]
fn containers_are_read_without_a_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let (segment, pack) = made(dir.path());
    let name = Path::new("x");
    fuzz::run("segment", 1500, &[segment], mend_container, |bytes| {
        let Ok(segment) = Segment::in_memory(SegmentId::new(1, LOG), name, bytes.to_vec()) else { return };
        for part in &segment.index().commits {
            let _ = segment.part(&part.commit, part.first_rank);
            let _ = segment.verify_pages(&part.commit, part.first_rank, 0..part.commit.pages.len().min(40));
            segment.part_len(&part.commit, part.first_rank);
        }
        for (_, section) in &segment.index().maps {
            let _ = segment.map_bytes(*section);
        }
    });
    fuzz::run("pack", 1500, &[pack], mend_container, |bytes| {
        let opened = Container::in_memory::<PackIndex>(ContainerKind::Pack, name, Arc::new(bytes.to_vec()));
        let Ok((container, index)) = opened else { return };
        for (id, section) in index.objects {
            let _ = container.read(section).map(|bytes| RawObject::verify(id, bytes));
        }
    });
    let mut out = ContainerWriter::start(ContainerKind::Segment, Vec::new()).expect("memory");
    let section = out.write(&[7; 100]).expect("memory");
    let bytes = out.end(&vec![section; 3]).expect("memory");
    fuzz::run("container", 2000, &[bytes], mend_container, |bytes| {
        let opened = Container::in_memory::<SegmentIndex>(ContainerKind::Segment, name, Arc::new(bytes.to_vec()));
        let _ = opened.map(|(container, index)| container.read(index.frames).is_ok());
    });
    let mut writer = BundleWriter::new();
    writer.add_object(&snapshot().to_raw());
    writer.add_object(&Tree::default().to_raw());
    let (bundle, entry) = writer.finish().expect("memory");
    fuzz::run("bundle", 2000, &[bundle], mend_container, |bytes| {
        let (len, hash) = (bytes.len() as u64, ByteArray::new(*blake3::hash(bytes).as_bytes()));
        let entry = BundleEntry { len, hash, ..entry };
        let _ =
            Bundle::open(&entry, bytes.to_vec(), "x").map(|bundle| bundle.objects(|_| Ok::<_, super::StoreError>(())));
    });
}

/// Makes the hash in the first line of a root or an entry right again.
fn mend_line(bytes: &mut [u8]) {
    let Some(end) = bytes.iter().take(120).position(|byte| *byte == b'\n').filter(|end| *end >= 64) else { return };
    let hash = blake3::hash(&bytes[end + 1..]).to_hex();
    bytes[end - 64..end].copy_from_slice(hash.as_bytes());
}

#[test]
fn what_remotes_say_is_read_without_a_panic() {
    let mut root = Root::new([7; 16]);
    let entry = BundleEntry { id: PackId::new(1, LOG), len: 900, tail: 40, hash: ByteArray::new([3; 32]) };
    root.set(&RefName::branch("main").expect("valid"), ObjectId::from_bytes([3; 32]), None);
    root.sign(ByteArray::new([1; 16]));
    root.bundles.push(entry);
    fuzz::run("root", 2000, &[root.encode()], mend_line, |bytes| drop(Root::decode(bytes, "x")));
    values("catalogue", &vec![entry; 3], |list: Vec<BundleEntry>| drop(list));
    let of_log = VolumeEntry {
        commit: storage_commit(),
        kind: FileKind::Sqlite,
        volume: VolumeId::new(1, LOG),
        segment: SegmentId::new(1, LOG),
        len: 9000,
        maps: vec![(ByteArray::new([1; 32]), super::container::Section(16, 99))],
    };
    fuzz::run("volume-entry", 2000, &[volume_log::encode(&of_log)], mend_line, |bytes| {
        let _ = volume_log::decode::<VolumeEntry>(bytes, "x", "y");
    });
    let marker = VolumeMarker { log: LogId::new(1, LOG), volume: VolumeId::new(1, LOG) };
    fuzz::run("volume-name", 2000, &[volume_log::encode(&marker)], mend_line, |bytes| {
        let _ = volume_log::decode::<VolumeMarker>(bytes, "x", "y");
    });
}

#[test]
fn files_of_volumes_are_read_without_a_panic() {
    let path = Path::new("x");
    let mend = |bytes: &mut [u8]| {
        if bytes.len() >= 32 {
            let hash = *blake3::hash(&bytes[32..]).as_bytes();
            bytes[..32].copy_from_slice(&hash);
        }
    };
    let mut pairing = Pairing::new("origin", "app", LogId::new(1, LOG));
    pairing.base = Some(snapshot());
    fuzz::run("pairing", 2000, &[volumes::seal(&pairing)], mend, |bytes| drop(volumes::unseal::<Pairing>(path, bytes)));
    fuzz::run("volume-state", 2000, &[volumes::seal(&snapshot())], mend, |bytes| {
        drop(volumes::unseal::<Snapshot>(path, bytes))
    });
}

#[test]
fn an_index_tail_is_read_without_a_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("index-tail");
    let mut tail = Tail::load(&path).expect("empty");
    for n in 0..3u8 {
        let entries = [Entry { keyspace: Keyspace::Objects, key: vec![n; 32], value: vec![n; 40] }];
        tail.append(&entries).expect("appended");
    }
    let seed = std::fs::read(&path).expect("there");
    let mend = |bytes: &mut [u8]| {
        let (mut at, len) = (16, bytes.len());
        while let Some(head) = bytes.get(at..at + 20) {
            let size = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
            let end = at + 20 + size;
            if end > len {
                return;
            }
            let hash = *blake3::hash(&bytes[at + 20..end]).as_bytes();
            bytes[at + 4..at + 20].copy_from_slice(&hash[..16]);
            at = end;
        }
    };
    fuzz::run("index-tail", 1000, &[seed], mend, |bytes| {
        std::fs::write(&path, bytes).expect("written");
        let tail = Tail::load(&path).expect("readable");
        assert!(tail.all().count() <= bytes.len());
    });
}
