//! Fetching less than all: one branch of several that were pushed together, and histories that are cut off.

use super::*;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::Expected;
use crate::repo::state::shallow::{Depth, ShallowError};

fn sound(repo: &Repository) {
    let found = repo.fsck(FsckOptions::default()).expect("fsck").findings;
    assert!(found.is_empty(), "{found:?}");
}

fn fetch_with(repo: &Repository, specs: &[&str], depth: Option<Depth>) -> Result<Fetched, RepoError> {
    let refspecs = specs.iter().map(|s| (*s).to_owned()).collect();
    repo.fetch(&FetchOptions { remote: Some("origin".to_owned()), refspecs, depth, ..FetchOptions::default() })
}

fn shallow(name: &str, into: &Path, depth: u32) -> Cloned {
    let options = CloneOptions {
        url: url(name),
        into: into.to_owned(),
        name: "origin".to_owned(),
        branch: None,
        checkout: true,
        lazy: false,
        depth: Some(depth),
        single_branch: true,
    };
    Repository::clone_from(&options, &settings()).expect("clone")
}

/// Returns the number of commits that HEAD, or another, leads to.
fn history(repo: &Repository, tip: ObjectId) -> usize {
    crate::repo::history::walk::only_in(repo, &[tip], &[]).expect("walk").commits.len()
}

fn tracked(repo: &Repository, branch: &str) -> ObjectId {
    let name = RefName::new(&format!("refs/remotes/origin/{branch}")).expect("valid");
    repo.refs().resolve(&name).expect("read").expect("it was fetched")
}

/// Makes a commit with the files of another, and lets a branch begin at it.
fn graft_on(repo: &Repository, branch: &str, files_of: ObjectId, parents: &[ObjectId]) -> ObjectId {
    let id = repo.commit_tree(repo.commit(&files_of).expect("read").tree, parents, branch).expect("commit");
    let name = RefName::branch(branch).expect("valid");
    repo.set_ref(&name, id, Expected::Any, "test", false).expect("set");
    id
}

#[test]
fn commits_of_other_branches_are_not_taken_for_complete() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "together");
    let first = commit(&one, "a.bin", &[1]);
    push(&one, &["main"]);
    let two = clone("together", &dir.path().join("two")).repo;
    let states: Vec<_> = (2..5).map(|n| commit(&one, "a.bin", &[1, n])).collect();
    let older = graft_on(&one, "side", states[0], &[first]);
    push(&one, &["side"]);
    let second = graft_on(&one, "side", states[1], &[older]);
    graft_on(&one, "main", states[2], &[first]);
    // One bundle has commits of both branches; the older one of 'side' is in another.
    push(&one, &["main", "side"]);
    fetch_with(&two, &["main"], None).expect("fetch");
    assert!(!two.store().has_object(&second).expect("read"));
    two.store().rebuild_index().expect("rebuild");
    assert!(!two.store().has_object(&second).expect("read"));
    fetch(&two);
    assert_eq!(tracked(&two, "side"), second);
    assert_eq!(history(&two, second), 3);
    sound(&two);
}

#[test]
fn a_history_that_is_cut_off_can_be_worked_on_and_grows_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "shallow");
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(commit(&one, "a.bin", &[n, 7]));
        push(&one, &["main"]);
    }
    push(&one, &["main:other"]);
    let two = shallow("shallow", &dir.path().join("two"), 3).repo;
    assert!(two.refs().list("refs/remotes/origin/other").expect("list").refs.is_empty());
    assert_eq!(history(&two, ids[19]), 3);
    assert_eq!(*two.cut().expect("read"), [ids[17]].into());
    assert!(!two.store().has_object(&ids[16]).expect("read"));
    sound(&two);
    // It goes on, here and there.
    let mine = commit(&two, "a.bin", &[99, 7]);
    push(&two, &["main"]);
    fetch(&one);
    assert_eq!(tracked(&one, "main"), mine);
    sound(&one);
    one.fast_forward(mine, "origin/main", "test").expect("merge");
    ids.extend([mine, commit(&one, "a.bin", &[100, 7])]);
    push(&one, &["main"]);
    fetch(&two);
    assert_eq!(history(&two, ids[21]), 5);
    sound(&two);
    // What needs what is not here is refused.
    two.add_remote("elsewhere", &url("elsewhere")).expect("add a remote");
    let two = open(&dir.path().join("two"));
    let all = PushOptions { remote: Some("elsewhere".to_owned()), all: true, ..PushOptions::default() };
    assert!(matches!(two.push(&all), Err(RepoError::Shallow(ShallowError::Cut(id))) if id == ids[17]));
    fetch_with(&two, &[], Some(Depth::Generations(8))).expect("fetch");
    assert_eq!(history(&two, ids[21]), 8);
    assert_eq!(*two.cut().expect("read"), [ids[14]].into());
    sound(&two);
    // Less than is here takes nothing away.
    fetch_with(&two, &[], Some(Depth::Generations(1))).expect("fetch");
    assert_eq!(history(&two, ids[21]), 8);
    let two = open(&dir.path().join("two"));
    fetch_with(&two, &[], Some(Depth::Whole)).expect("fetch");
    assert_eq!(history(&two, ids[21]), 22);
    assert!(!two.is_shallow().expect("read") && !dir.path().join("two/.graft/shallow").exists());
    sound(&two);
    two.push(&all).expect("push");
}

#[test]
fn the_generations_of_merges_are_counted_on_every_path() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "merges");
    let root = commit(&one, "a.bin", &[1]);
    let left: Vec<_> = (0..4).map(|n| commit(&one, "a.bin", &[1, n])).collect();
    let merge = graft_on(&one, "main", left[3], &[left[3], root]);
    push(&one, &["main"]);
    // The short way ends at the root after two steps; the long way is cut.
    let two = shallow("merges", &dir.path().join("two"), 3).repo;
    assert_eq!(history(&two, merge), 4);
    assert_eq!(*two.cut().expect("read"), [left[2]].into());
    sound(&two);
    fetch_with(&two, &[], Some(Depth::Generations(4))).expect("fetch");
    assert_eq!(*two.cut().expect("read"), [left[1]].into());
    // Now the only commit between is missing: with it nothing is cut off any more.
    fetch_with(&two, &[], Some(Depth::Generations(5))).expect("fetch");
    assert!(!two.is_shallow().expect("read"));
    assert_eq!(history(&two, merge), 6);
    sound(&two);
}

#[test]
fn what_a_page_map_names_comes_from_older_bundles() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "mapped");
    let mut pages = [0; 200];
    // Each page is written once, far more often than a snapshot lists storage commits.
    for n in 0..200 {
        pages[n as usize] = n;
        commit(&one, "a.bin", &pages);
        push(&one, &["main"]);
    }
    let two = shallow("mapped", &dir.path().join("two"), 1).repo;
    sound(&two);
    assert!(
        fs::read(dir.path().join("two/a.bin")).expect("read") == fs::read(dir.path().join("one/a.bin")).expect("read")
    );
}
