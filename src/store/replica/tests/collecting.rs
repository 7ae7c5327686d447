//! Somebody collects while others push, fetch and clone volumes: no entry ever names a segment that was removed.

use super::*;
use crate::store::remote::Collected;
use crate::store::remote::faults::{Fault, has_acted, inject, interleave, settle};

fn collect(name: &str) -> Collected {
    let tmp = tempfile::tempdir().expect("a folder");
    open_remote(name).collect(tmp.path(), false, 0, &Unwatched).expect("collected")
}

/// Checks that somebody who comes now gets all that a volume has.
fn assert_whole(one: &Side, what: &str) {
    assert_remote_sound(&one.remote);
    let tmp = tempfile::tempdir().expect("a folder");
    let two = Side::clone(tmp.path(), &one.remote);
    two.hydrate().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(two.read().expect("readable") == one.read().expect("readable"), "{what}");
}

#[test]
fn a_collection_during_a_push_takes_nothing_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    for nth in 1.. {
        // The first push of a volume, and one that comes behind it; small, and so large that its place is asked for first.
        let name = format!("replica-push-collect-{nth}");
        let one = Side::new(&dir.path().join(&name), &name);
        let mut reached = false;
        for (n, pages) in [3, 300, 2].into_iter().enumerate() {
            one.write(1, noise(n as u64, pages), 400);
            let to = name.clone();
            interleave(&name, nth, move || _ = collect(&to));
            one.push().unwrap_or_else(|e| panic!("at {nth}: {e}"));
            reached |= has_acted(&name);
            assert_whole(&one, &format!("at {nth}, push {n}"));
        }
        if !reached {
            assert!(nth > 3, "{nth} requests");
            return;
        }
    }
}

#[test]
fn a_push_during_a_collection_is_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    for nth in 1.. {
        let name = format!("replica-collect-push-{nth}");
        let one = Side::new(&dir.path().join(&name), &name);
        one.write(1, noise(1, 3), 400);
        one.push().expect("pushed");
        // The segment is there and the entry is not: the push is on its way.
        one.write(1, noise(2, 3), 400);
        inject(&name, Fault::After, 2);
        assert!(one.push().is_err() && settle(&name));
        assert_eq!((keys(&name, "segments").len(), keys(&name, "logs").len()), (2, 1));
        let again = Side { store: open_store(one.store.dir(), &name), remote: name.clone(), id: one.id };
        interleave(&name, nth, move || {
            again.push().expect("sent again as it is");
            again.write(7, noise(3, 1), 400);
            again.push().expect("pushed");
        });
        collect(&name);
        let reached = has_acted(&name);
        one.push().expect("pushed");
        assert_whole(&one, &format!("at {nth}"));
        if !reached {
            assert!(nth > 3, "{nth} requests");
            return;
        }
    }
}

#[test]
fn what_a_push_left_goes_when_its_place_is_taken() {
    let dir = tempfile::tempdir().expect("a folder");
    let name = "replica-collect-left";
    let one = Side::new(&dir.path().join("one"), name);
    one.write(1, noise(1, 3), 3);
    one.push().expect("pushed");
    let two = Side::clone(&dir.path().join("two"), name);
    one.write(1, noise(2, 3), 3);
    inject(name, Fault::After, 2);
    assert!(one.push().is_err() && settle(name));
    let kept = collect(name);
    assert_eq!((kept.removed.0, kept.kept.0), (0, 1), "it may be sent again");
    two.write(2, noise(3, 1), 3);
    two.push().expect("pushed");
    let gone = collect(name);
    assert_eq!((gone.removed.0, gone.kept.0), (1, 0), "it cannot have its place any more");
    assert!(matches!(one.push(), Err(ReplicaError::Moved { .. })));
    assert_whole(&two, "afterwards");
}
