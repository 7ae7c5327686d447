//! Every request of a push, fetch and clone goes wrong in every way: what is seen stays sound, and doing it again ends in the
//! same state as without faults.

use super::*;
use crate::model::RefName;
use crate::store::remote::faults::{Fault, each_request, inject, settle};

fn main() -> RefName {
    RefName::branch("main").expect("valid")
}

/// What the remote shows as its `main`.
pub(super) fn shown(repo: &Repository) -> Option<ObjectId> {
    let named = repo.named_remote("origin").expect("a remote");
    let refs = repo.remote_refs(&named).expect("readable").refs;
    refs.into_iter().find(|(name, ..)| *name == main()).map(|(_, id, _)| id)
}

/// Contents that do not compress, so that they go as a segment of their own.
pub(super) fn noise(seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    bytes.resize(1_200_000, 0);
    reader.fill(&mut bytes);
    bytes
}

pub(super) fn commit_bytes(repo: &Repository, bytes: &[u8]) -> ObjectId {
    fs::write(repo.top().join("a.bin"), bytes).expect("write");
    let add = AddOptions { pathspecs: vec!["a.bin".into()], cwd: repo.top().to_owned(), ..AddOptions::default() };
    repo.add(&add).expect("add");
    let message = Some("change".to_owned());
    repo.commit_index(&CommitOptions { message, ..CommitOptions::default() }).expect("commit").id
}

#[test]
fn pushes_survive_every_fault_at_every_request() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "faulty-push");
    let mut old = commit(&one, "a.bin", &[1]);
    push(&one, &["main"]);
    let mut seed = 0;
    let rounds = each_request("faulty-push", |fault, nth| {
        seed += 1;
        // Alternately small, inside of a bundle, and large, beside it.
        let new = match seed % 2 {
            0 => commit(&one, "a.bin", &[seed as u8, (seed >> 8) as u8, 7]),
            _ => commit_bytes(&one, &noise(seed)),
        };
        inject("faulty-push", fault, nth);
        let outcome = try_push(&one, &["main"]);
        let reached = settle("faulty-push");
        let seen = shown(&one);
        assert!(seen == Some(old) || seen == Some(new), "{fault:?} at {nth}");
        if let Ok(pushed) = &outcome {
            assert!(pushed.refs[0].rejected.is_none(), "{fault:?} at {nth}: {pushed:?}");
            assert_eq!(seen, Some(new), "{fault:?} at {nth}: acknowledged");
        }
        if matches!(fault, Fault::RefusedBefore | Fault::RefusedAfter | Fault::Slow) {
            assert!(outcome.is_ok(), "{fault:?} at {nth}: {:?}", outcome.err());
        }
        // What is seen can be had, whole.
        let two = clone("faulty-push", &dir.path().join(format!("two{seed}")));
        assert_eq!(two.head, seen, "{fault:?} at {nth}");
        assert!(two.repo.fsck(FsckOptions::default()).expect("fsck").findings.is_empty(), "{fault:?} at {nth}");
        fs::remove_dir_all(two.repo.top()).expect("remove");
        assert!(push(&one, &["main"]).refs[0].rejected.is_none());
        assert_eq!(shown(&one), Some(new), "{fault:?} at {nth}: again");
        old = new;
        reached
    });
    assert!(rounds > 20, "{rounds}");
}

#[test]
fn fetches_survive_every_fault_at_every_request() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "faulty-fetch");
    commit(&one, "a.bin", &[1]);
    push(&one, &["main"]);
    let two = clone("faulty-fetch", &dir.path().join("two")).repo;
    let tracking = RefName::new("refs/remotes/origin/main").expect("valid");
    let mut seed = 0;
    let rounds = each_request("faulty-fetch", |fault, nth| {
        seed += 1;
        let old = two.refs().resolve(&tracking).expect("read");
        commit(&one, "a.bin", &[seed as u8, 3]);
        push(&one, &["main"]);
        let new = commit_bytes(&one, &noise(seed));
        push(&one, &["main"]);
        inject("faulty-fetch", fault, nth);
        let options = FetchOptions { remote: Some("origin".to_owned()), ..FetchOptions::default() };
        let outcome = two.fetch(&options);
        let reached = settle("faulty-fetch");
        let seen = two.refs().resolve(&tracking).expect("read");
        match &outcome {
            Ok(_) => assert_eq!(seen, Some(new), "{fault:?} at {nth}"),
            Err(error) => assert_eq!(seen, old, "{fault:?} at {nth}: {error}"),
        }
        assert!(two.fsck(FsckOptions::default()).expect("fsck").findings.is_empty(), "{fault:?} at {nth}");
        fetch(&two);
        assert_eq!(two.refs().resolve(&tracking).expect("read"), Some(new), "{fault:?} at {nth}: again");
        reached
    });
    assert!(rounds > 15, "{rounds}");
    assert!(open(two.top()).fsck(FsckOptions::default()).expect("fsck").findings.is_empty());
}

#[test]
fn clones_survive_every_fault_at_every_request() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "faulty-clone");
    for seed in 0..3 {
        commit(&one, "a.bin", &[seed, 1]);
        push(&one, &["main"]);
    }
    let tip = commit_bytes(&one, &noise(99));
    push(&one, &["main"]);
    let into = dir.path().join("two");
    let options = CloneOptions {
        url: url("faulty-clone"),
        into: into.clone(),
        name: "origin".to_owned(),
        branch: None,
        checkout: true,
        lazy: false,
        depth: None,
        single_branch: false,
    };
    let rounds = each_request("faulty-clone", |fault, nth| {
        inject("faulty-clone", fault, nth);
        let outcome = Repository::clone_from(&options, &settings());
        let reached = settle("faulty-clone");
        match outcome {
            Ok(cloned) => {
                assert_eq!(cloned.head, Some(tip), "{fault:?} at {nth}");
                assert!(cloned.repo.fsck(FsckOptions::default()).expect("fsck").findings.is_empty());
                fs::remove_dir_all(&into).expect("remove");
            }
            Err(error) => assert!(!into.exists(), "{fault:?} at {nth}: half a clone is left after {error}"),
        }
        reached
    });
    assert!(rounds > 15, "{rounds}");
}
