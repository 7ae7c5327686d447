//! Pushing and fetching between repositories over a remote in memory.

mod collecting;
mod faults;
mod forged;
mod partial;

use std::fs;
use std::path::Path;

use super::*;
use crate::model::ObjectId;
use crate::repo::ops::add::AddOptions;
use crate::repo::ops::clone::{CloneOptions, Cloned};
use crate::repo::ops::commit::CommitOptions;
use crate::repo::ops::fsck::FsckOptions;
use crate::repo::ops::init::InitOptions;
use crate::repo::{RepoError, Repository, Settings};
use crate::store::remote::{RemoteError, RemoteUrl};

/// Settings of somebody with a name.
fn settings() -> Settings {
    let overrides = vec!["user.name=Ada".to_owned(), "user.email=ada@example.org".to_owned()];
    Settings { overrides, ..Settings::default() }
}

fn init(top: &Path) -> Repository {
    Repository::init(top, &InitOptions::default(), &settings()).expect("init");
    open(top)
}

fn open(top: &Path) -> Repository {
    Repository::open(top, settings()).expect("open")
}

fn url(name: &str) -> RemoteUrl {
    format!("memory:{name}").parse().expect("a URL")
}

/// Writes a file of pages and commits it.
fn commit(repo: &Repository, name: &str, pages: &[u8]) -> ObjectId {
    let bytes: Vec<u8> =
        pages.iter().flat_map(|n| (0..4096u32).map(move |i| (i.wrapping_mul(i) >> 3) as u8 ^ n)).collect();
    fs::write(repo.top().join(name), bytes).expect("write");
    let add = AddOptions { pathspecs: vec![name.into()], cwd: repo.top().to_owned(), ..AddOptions::default() };
    repo.add(&add).expect("add");
    let message = format!("{name} {}", pages.len());
    repo.commit_index(&CommitOptions { message: Some(message), ..CommitOptions::default() }).expect("commit").id
}

fn push(repo: &Repository, specs: &[&str]) -> Pushed {
    try_push(repo, specs).expect("push")
}

fn try_push(repo: &Repository, specs: &[&str]) -> Result<Pushed, RepoError> {
    let refspecs = specs.iter().map(|s| (*s).to_owned()).collect();
    repo.push(&PushOptions { remote: Some("origin".to_owned()), refspecs, ..PushOptions::default() })
}

fn fetch(repo: &Repository) -> Fetched {
    repo.fetch(&FetchOptions { remote: Some("origin".to_owned()), ..FetchOptions::default() }).expect("fetch")
}

fn clone(name: &str, into: &Path) -> Cloned {
    let options = CloneOptions {
        url: url(name),
        into: into.to_owned(),
        name: "origin".to_owned(),
        branch: None,
        checkout: true,
        lazy: false,
        depth: None,
        single_branch: false,
    };
    Repository::clone_from(&options, &settings()).expect("clone")
}

/// A repository with a remote in memory.
fn with_remote(top: &Path, name: &str) -> Repository {
    init(top).add_remote("origin", &url(name)).expect("add a remote");
    open(top)
}

#[test]
fn a_clone_has_all_and_small_changes_cost_little() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "costs");
    let mut pages: Vec<u8> = (0..200).collect();
    commit(&one, "a.bin", &pages);
    for n in 0..70 {
        pages[n] = pages[n].wrapping_add(7);
        commit(&one, "a.bin", &pages);
    }
    let pushed = push(&one, &["main"]);
    assert_eq!(pushed.refs.len(), 1);
    assert!(pushed.refs[0].rejected.is_none() && pushed.sent.objects == 71 * 3, "{pushed:?}");

    let two = clone("costs", &dir.path().join("two"));
    assert_eq!(two.head, one.head_commit().expect("head"));
    let content = |repo: &Repository| fs::read(repo.top().join("a.bin")).expect("read");
    assert!(content(&one) == content(&two.repo));
    assert!(two.repo.fsck(FsckOptions::default()).expect("fsck").findings.is_empty());
    assert!(two.repo.status(&Default::default()).expect("status").is_clean());

    for n in [3, 90, 150] {
        pages[n] ^= 0x55;
    }
    let tip = commit(&one, "a.bin", &pages);
    let pushed = push(&one, &["main"]);
    assert!(pushed.traffic.requests() <= 6 && pushed.traffic.lists == 0, "{pushed:?}");
    let bytes = pushed.traffic.sent + pushed.traffic.received;
    assert!(bytes <= 32 << 10, "{bytes} bytes: {pushed:?}");
    let fetched = fetch(&two.repo);
    assert!(fetched.traffic.requests() <= 6 && fetched.traffic.lists == 0, "{fetched:?}");
    assert_eq!(fetched.refs[0].new, Some(tip));
    assert_eq!(push(&one, &["main"]).traffic.requests(), 1, "nothing to push is found out by one request");
    assert_eq!(fetch(&two.repo).traffic.requests(), 1);
    assert!(open(two.repo.top()).fsck(FsckOptions::default()).expect("fsck").findings.is_empty());
}

#[test]
fn who_comes_second_has_to_fetch_first() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "second");
    commit(&one, "a.bin", &[1, 2, 3]);
    push(&one, &["main"]);
    let two = clone("second", &dir.path().join("two")).repo;
    commit(&one, "a.bin", &[1, 2, 4]);
    push(&one, &["main"]);
    let theirs = commit(&two, "a.bin", &[5, 2, 3]);
    let rejected = |pushed: &Pushed| pushed.refs[0].rejected.clone();
    assert_eq!(rejected(&push(&two, &["main"])), Some(Rejection::FetchFirst));
    fetch(&two);
    assert_eq!(rejected(&push(&two, &["main"])), Some(Rejection::NonFastForward));
    let forced = push(&two, &["+main"]);
    assert!(forced.refs[0].forced && forced.refs[0].new == Some(theirs));
    assert_eq!(rejected(&push(&one, &["main"])), Some(Rejection::FetchFirst));
    let lease = PushOptions {
        remote: Some("origin".to_owned()),
        refspecs: vec!["main".to_owned()],
        leases: vec![Lease { name: None, value: None }],
        ..PushOptions::default()
    };
    assert_eq!(rejected(&one.push(&lease).expect("push")), Some(Rejection::Stale));
    fetch(&one);
    assert_eq!(rejected(&one.push(&lease).expect("push")), None);
}

#[test]
fn tags_branches_and_removals() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "tags");
    let first = commit(&one, "a.bin", &[1]);
    let new = |name, message| crate::repo::ops::tag::NewTag { name, target: first, message, force: false };
    one.create_tag(&new("light", None)).expect("tag");
    let (tag, _) = one.create_tag(&new("heavy", Some("About it"))).expect("tag");
    let all = PushOptions { remote: Some("origin".to_owned()), all: true, tags: true, ..PushOptions::default() };
    assert_eq!(one.push(&all).expect("push").refs.len(), 3);
    let two = clone("tags", &dir.path().join("two")).repo;
    let name = |text: &str| RefName::new(text).expect("valid");
    assert_eq!(two.refs().resolve(&name("refs/tags/heavy")).expect("read"), Some(tag));
    push(&one, &["main:refs/heads/x/y", ":refs/tags/light"]);
    fetch(&two);
    assert_eq!(two.refs().resolve(&name("refs/remotes/origin/x/y")).expect("read"), Some(first));
    push(&one, &[":x/y", "main:refs/heads/x"]);
    let pruned = two.fetch(&FetchOptions { remote: Some("origin".to_owned()), prune: true, ..FetchOptions::default() });
    assert!(pruned.expect("fetch").refs.iter().any(|r| r.new.is_none()));
    assert_eq!(two.refs().resolve(&name("refs/remotes/origin/x")).expect("read"), Some(first));
    let nested = push(&one, &["main:refs/heads/x/z"]);
    assert!(matches!(nested.refs[0].rejected, Some(Rejection::Nested(_))));
}

#[test]
fn a_rebuilt_index_does_not_continue_other_peoples_logs() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "logs");
    commit(&one, "a.bin", &[1, 2, 3]);
    push(&one, &["main"]);
    let two = clone("logs", &dir.path().join("two")).repo;
    two.store().rebuild_index().expect("rebuild");
    // Both go on from the same state; were it the same log, they would claim the same position in it.
    commit(&one, "a.bin", &[1, 2, 4]);
    push(&one, &["main"]);
    commit(&two, "a.bin", &[1, 9, 3]);
    fetch(&two);
    assert!(two.fsck(FsckOptions::default()).expect("fsck").findings.is_empty());
}

#[test]
fn a_failed_clone_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "broken");
    commit(&one, "a.bin", &[1, 2, 3]);
    push(&one, &["main"]);
    let backend = crate::store::remote::open_backend(&url("broken"), &Default::default()).expect("opens");
    let mut key = String::new();
    backend.list("bundles", &mut |one| (key = one.key, true).1).expect("list");
    backend.remove(&key).expect("remove");
    let into = dir.path().join("two");
    let options = CloneOptions {
        url: url("broken"),
        into: into.clone(),
        name: "origin".to_owned(),
        branch: None,
        checkout: true,
        lazy: false,
        depth: None,
        single_branch: false,
    };
    match Repository::clone_from(&options, &settings()) {
        Err(RepoError::Remote(RemoteError::Missing { key: missing, .. })) => assert_eq!(missing, key),
        other => panic!("{:?}", other.err()),
    }
    assert!(!into.exists());
    fs::create_dir(&into).expect("a folder");
    assert!(Repository::clone_from(&options, &settings()).is_err());
    assert_eq!(fs::read_dir(&into).expect("the user's folder stays").count(), 0);
}
