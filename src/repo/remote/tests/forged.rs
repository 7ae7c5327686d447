//! Objects that say of others what is not so, pushed by somebody who makes them by hand.

use super::*;
use crate::model::{Commit, Object, RefName};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::store::Transaction;

/// Makes an object part of a repository, and a ref that names it.
fn plant<T: Object>(repo: &Repository, value: &T, name: &RefName) -> ObjectId {
    let lock = repo.lock().expect("lock");
    let mut tx = Transaction::new(repo.store(), &lock).expect("a transaction");
    let id = tx.add_object(value);
    tx.publish().expect("published");
    let edit = RefEdit::set(name.clone(), id, Expected::Any, "forged");
    repo.refs().apply(&lock, &repo.fetcher(), &[edit]).expect("set");
    id
}

#[test]
fn a_forged_generation_is_refused_by_fetch_and_told_by_fsck() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "forged");
    let tip = commit(&one, "a.bin", &[1, 2]);
    push(&one, &["main"]);
    let two = clone("forged", &dir.path().join("two")).repo;
    let honest = one.commit(&tip).expect("a commit");
    let forged = Commit { parents: vec![tip], generation: 900, ..honest };
    let forged = plant(&one, &forged, &RefName::branch("bad").expect("valid"));
    let report = one.fsck(FsckOptions::default()).expect("fsck");
    assert!(report.findings.iter().any(|f| f.problem.contains("its generation is 900")), "{:?}", report.findings);
    push(&one, &["bad"]);
    let options = FetchOptions { remote: Some("origin".to_owned()), ..FetchOptions::default() };
    let error = two.fetch(&options).expect_err("forged");
    assert!(
        matches!(&error, RepoError::Remote(RemoteError::Damaged { key, what, .. })
        if *key == format!("object {}", forged) && what.contains("generation")),
        "{error:?}"
    );
    assert!(!two.store().has_object(&forged).expect("readable"), "nothing came");
}

#[test]
fn a_name_of_several_lines_is_no_commit() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = with_remote(&dir.path().join("one"), "lines");
    let tip = commit(&one, "a.bin", &[1, 2]);
    let honest = one.commit(&tip).expect("a commit");
    for name in ["A\nDate: today", "A <b@c>", "A\0"] {
        let mut bad = honest.clone();
        bad.author.name = name.to_owned();
        assert!(bad.to_raw().decode::<Commit>().is_err(), "{name:?}");
    }
    for (parents, generation) in [(vec![], 2), (vec![tip], 1), (vec![], 0)] {
        assert!(Commit { parents, generation, ..honest.clone() }.to_raw().decode::<Commit>().is_err());
    }
}

#[test]
fn what_an_index_tail_knew_is_found_again_when_it_is_lost_or_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    let top = dir.path().join("one");
    let one = init(&top);
    let first = commit(&one, "a.bin", &[1, 2]);
    let tip = commit(&one, "a.bin", &[1, 3]);
    drop(one);
    let tail = top.join(".graft/index-tail");
    let whole = fs::read(&tail).expect("there");
    for kept in [None, Some(0), Some(10), Some(16), Some(whole.len() / 2), Some(whole.len() - 1)] {
        let _ = fs::remove_dir_all(top.join(".graft/store"));
        match kept {
            None => fs::remove_file(&tail).expect("removed"),
            Some(len) => fs::write(&tail, &whole[..len]).expect("cut"),
        }
        let repo = open(&top);
        for id in [tip, first] {
            let short = id.to_hex_with_len(8);
            assert_eq!(repo.resolver(&top).commit(&short).expect("found"), id, "{kept:?}");
        }
    }
}
