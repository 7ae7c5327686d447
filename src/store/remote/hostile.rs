//! Remotes that ask for more than there is: each is refused by name, and costs next to nothing.

use std::path::Path;

use super::bundle::{BundleWriter, SegmentEntry};
use super::error::RemoteError;
use super::place::Remote;
use super::receive::{Receiver, WHOLE};
use super::root::{BundleEntry, ROOT, Root};
use super::traffic::Watch;
use super::url::RemoteUrl;
use super::{RemoteEnv, bundle::Bundle};
use crate::model::{LogId, Lsn, Object, ObjectId, ObjectKind, RawObject, RefName, SegmentId, Tree, limits};
use crate::store::{Store, StoreError, StoreOptions};

struct Silent;

impl Watch for Silent {
    fn expect(&self, _: u64) {}
    fn passed(&self, _: u64) {}
}

fn remote(url: &str) -> Remote {
    let url: RemoteUrl = url.parse().expect("a URL");
    Remote::open(&url, &RemoteEnv::default()).expect("opens")
}

/// Puts a bundle and a root that names it into a remote, and returns what receiving the object gives.
fn received(name: &str, writer: BundleWriter, wanted: ObjectId, lazily: bool) -> RemoteError {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::create(dir.path(), StoreOptions::default()).expect("a store");
    let remote = remote(&format!("memory:{name}"));
    let (bytes, entry) = writer.finish().expect("memory");
    remote.write_new(&entry.key(), &bytes).expect("written");
    let mut root = Root::new([7; 16]);
    root.bundles.push(entry);
    Receiver::new(&store, &remote, &Silent).lazily(lazily).receive(&root, &[(wanted, WHOLE)]).expect_err("hostile")
}

#[test]
fn a_segment_is_as_long_as_it_is_and_not_as_long_as_something_says() {
    for (n, len) in [105_000_000_000_000, u64::MAX, 1 << 63, limits::BELIEVED + 1].into_iter().enumerate() {
        for lazily in [false, true] {
            let mut writer = BundleWriter::new();
            let tree = Tree::default().to_raw();
            writer.add_object(&tree);
            let entry =
                SegmentEntry { id: SegmentId::new(1, [5; 9]), len, commits: vec![(LogId::new(1, [5; 9]), Lsn::FIRST)] };
            let (key, name) = (entry.key(), format!("hostile-{n}-{lazily}"));
            writer.add_segment(entry);
            remote(&format!("memory:{name}")).write_new(&key, b"short").expect("written");
            let error = received(&name, writer, tree.id(), lazily);
            assert!(matches!(&error, RemoteError::Damaged { key: named, .. } if *named == key), "{len}: {error}");
        }
    }
}

#[test]
fn objects_that_grow_when_they_are_decompressed_are_refused() {
    let mut writer = BundleWriter::new();
    let huge = RawObject::from_body(ObjectKind::Tree, &vec![0; limits::OBJECT as usize + 1]);
    writer.add_object(&huge);
    let error = received("hostile-huge", writer, huge.id(), false);
    assert!(matches!(&error, RemoteError::Damaged { key, .. } if key.starts_with("bundles/")), "{error}");
}

#[test]
fn a_root_that_names_bundles_without_end_is_damaged() {
    let mut root = Root::new([7; 16]);
    let (bytes, entry) = BundleWriter::new().finish().expect("memory");
    assert!(Bundle::open(&entry, bytes, "x").is_ok());
    for len in [u64::MAX, limits::BUNDLE + 1] {
        root.bundles = vec![BundleEntry { len, ..entry }];
        assert!(matches!(Root::decode(&root.encode(), "x"), Err(RemoteError::Damaged { .. })), "{len}");
    }
}

#[test]
fn a_root_that_is_no_plain_file_or_too_long_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |path: &Path| remote(&path.display().to_string());
    let open = || at(dir.path()).state().expect_err("not a root");
    let root = dir.path().join(ROOT);
    std::os::unix::fs::symlink("/dev/zero", &root).expect("a link");
    assert!(matches!(open(), RemoteError::Io { .. }), "a device");
    std::fs::remove_file(&root).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&root).status().expect("mkfifo runs");
    assert!(made.success() && matches!(open(), RemoteError::Io { .. }), "a pipe that nobody writes to");
    std::fs::remove_file(&root).expect("removed");
    std::fs::File::create(&root).and_then(|file| file.set_len(limits::ROOT + 1)).expect("a file");
    assert!(matches!(open(), RemoteError::Damaged { key, .. } if key == ROOT));
}

#[test]
fn a_root_that_nobody_could_read_is_not_written() {
    let remote = remote("memory:hostile-refs");
    let state = remote.state().expect("empty");
    let outcome = remote.update::<RemoteError>(state, &mut |root| {
        let name = |n: u32| RefName::branch(&format!("{n:09}-{}", "x".repeat(180))).expect("valid");
        root.refs = (0..80_000)
            .map(|n| super::RefEntry { name: name(n), id: ObjectId::from_bytes([3; 32]), peeled: None })
            .collect();
        Ok(())
    });
    assert!(matches!(outcome, Err(RemoteError::TooManyRefs { .. })));
    assert!(!remote.state().expect("as it was").exists());
}

#[test]
fn a_bundle_gives_one_object_after_the_other() {
    let mut writer = BundleWriter::new();
    let objects: Vec<_> = (0..9u8).map(|n| RawObject::from_body(ObjectKind::Tree, &[n; 300])).collect();
    objects.iter().for_each(|object| writer.add_object(object));
    let (bytes, entry) = writer.finish().expect("memory");
    let bundle = Bundle::open(&entry, bytes, "x").expect("sound");
    let mut found = Vec::new();
    let stopped = bundle.objects(|object| {
        found.push(object);
        if found.len() == 4 { Err(StoreError::MissingObject(objects[4].id())) } else { Ok(()) }
    });
    assert!(stopped.is_err() && found == objects[..4]);
}
