//! Somebody collects while others push, fetch and clone: at every request of the one the others do all of theirs. Nothing that was
//! acknowledged is lost, and nothing that is named is missing.

use std::sync::{Arc, Mutex};

use super::faults::{commit_bytes, noise, shown};
use super::*;
use crate::store::remote::Collected;
use crate::store::remote::faults::{Fault, has_acted, inject, interleave};

/// A repository that pushes and another that collects, in threads if need be.
struct Sides {
    name: String,
    dir: tempfile::TempDir,
    one: Repository,
    two: Repository,
}

impl Sides {
    /// A remote with a small and a large commit, and a large segment that belonged to a branch that is gone.
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let one = with_remote(&dir.path().join("one"), name);
        commit(&one, "b.bin", &[1, 2]);
        commit_bytes(&one, &noise(1));
        push(&one, &["main"]);
        commit_bytes(&one, &noise(2));
        push(&one, &["main:refs/heads/gone"]);
        push(&one, &[":gone"]);
        let two = clone(name, &dir.path().join("two")).repo;
        Self { name: name.to_owned(), dir, one, two }
    }

    /// Checks that the remote shows what was pushed last, and that all of it is there.
    fn assert_sound(&self, what: &str) {
        let report = self.two.verify_remote("origin").expect("readable");
        assert!(report.findings.is_empty(), "{what}: {:?}", report.findings);
        let tracking = RefName::new("refs/remotes/origin/main").expect("valid");
        let pushed = self.one.refs().resolve(&tracking).expect("read");
        assert_eq!(shown(&self.two), pushed, "{what}");
    }
}

fn collect(repo: &Repository) -> Collected {
    repo.collect_remote("origin", false, 0).expect("collected")
}

/// Calls `round` for the first, second, … request until there are no more; each has a remote of its own.
fn each_request(stem: &str, round: impl Fn(&Sides, u64)) {
    for nth in 1.. {
        let sides = Sides::new(&format!("{stem}-{nth}"));
        round(&sides, nth);
        let reached = has_acted(&sides.name);
        sides.assert_sound(&format!("at {nth}"));
        // What is unneeded goes another time at the latest.
        collect(&sides.two);
        sides.assert_sound(&format!("at {nth}, later"));
        if !reached {
            assert!(nth > 1, "{nth} requests");
            return;
        }
    }
}

#[test]
fn a_push_during_a_collection_is_whole() {
    each_request("collect-push", |sides, nth| {
        let one = open(sides.one.top());
        interleave(&sides.name, nth, move || {
            // What lies there without a name, what is new and large, and what is small.
            push(&one, &["main"]);
            commit_bytes(&one, &noise(3));
            push(&one, &["main"]);
            commit(&one, "b.bin", &[1, 3]);
            push(&one, &["main"]);
        });
        collect(&sides.two);
    });
}

#[test]
fn a_collection_during_a_push_disturbs_it_not() {
    each_request("push-collect", |sides, nth| {
        let two = open(sides.two.top());
        interleave(&sides.name, nth, move || _ = collect(&two));
        assert!(push(&sides.one, &["main"]).refs[0].rejected.is_none(), "at {nth}");
    });
}

#[test]
fn a_collection_that_was_held_up_removes_nothing_that_came_since() {
    each_request("collect-late", |sides, nth| {
        let (one, two) = (open(sides.one.top()), open(sides.two.top()));
        interleave(&sides.name, nth, move || {
            collect(&two);
            push(&one, &["main"]);
            collect(&two);
            push(&one, &["main:refs/heads/gone"]);
            push(&one, &[":gone"]);
            commit_bytes(&one, &noise(4));
            push(&one, &["main"]);
        });
        collect(&open(sides.two.top()));
    });
}

#[test]
fn an_interrupted_push_is_sent_again_whole_after_a_collection() {
    each_request("push-again", |sides, nth| {
        // The push has sent its segment and dies; a collection that saw it is held up, and the push is made again.
        let commits = [noise(5), noise(6)].map(|bytes| commit_bytes(&sides.one, &bytes));
        inject(&sides.name, Fault::Before, 6);
        assert!(try_push(&sides.one, &["main"]).is_err(), "{commits:?}");
        let one = open(sides.one.top());
        interleave(&sides.name, nth, move || drop(push(&one, &["main"])));
        collect(&sides.two);
        push(&sides.one, &["main"]);
    });
}

#[test]
fn whoever_reads_during_a_collection_begins_again() {
    for depth in [None, Some(1)] {
        each_request(&format!("clone-collect-{}", depth.is_some()), |sides, nth| {
            push(&sides.one, &["main"]);
            let two = open(sides.two.top());
            interleave(&sides.name, nth, move || _ = collect(&two));
            let options = CloneOptions {
                url: url(&sides.name),
                into: sides.dir.path().join("four"),
                name: "origin".to_owned(),
                branch: None,
                checkout: true,
                lazy: false,
                depth,
                single_branch: depth.is_some(),
            };
            let four = Repository::clone_from(&options, &settings()).expect("cloned");
            assert_eq!(four.head, sides.one.head_commit().expect("head"), "at {nth}");
        });
    }
    each_request("fetch-collect", |sides, nth| {
        push(&sides.one, &["main"]);
        let one = open(sides.one.top());
        interleave(&sides.name, nth, move || _ = collect(&one));
        assert_eq!(fetch(&sides.two).refs[0].new, sides.one.head_commit().expect("head"), "at {nth}");
    });
    each_request("verify-collect", |sides, nth| {
        push(&sides.one, &["main"]);
        let two = open(sides.two.top());
        interleave(&sides.name, nth, move || _ = collect(&two));
        let report = sides.one.verify_remote("origin").expect("readable");
        assert!(report.findings.is_empty(), "at {nth}: {:?}", report.findings);
    });
}

#[test]
fn collections_do_not_get_into_each_others_way() {
    each_request("collect-collect", |sides, nth| {
        push(&sides.one, &["main"]);
        let (two, done) = (open(sides.two.top()), Arc::new(Mutex::new(None)));
        let act = Arc::clone(&done);
        interleave(&sides.name, nth, move || *act.lock().expect("no panic") = Some(collect(&two)));
        collect(&sides.one);
        assert!(done.lock().expect("no panic").is_some() || nth > 3, "at {nth}");
    });
}
