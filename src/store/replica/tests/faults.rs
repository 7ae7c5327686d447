//! Every request of a push, fetch, pull and clone goes wrong in every way: what is seen stays sound, and doing it again ends in the
//! same state as without faults.

use super::*;
use crate::store::remote::faults::{Fault, each_request, each_request_of, inject, settle};

/// What can go wrong with requests that only read.
const READING: [Fault; 3] = [Fault::Before, Fault::Truncated, Fault::Flipped];

#[test]
fn pushes_survive_every_fault_at_every_request() {
    let dir = tempfile::tempdir().expect("a folder");
    let name = "replica-faulty-push";
    let mut one = Side::new(&dir.path().join("one"), name);
    one.write(1, noise(1, 20), 20);
    one.push().expect("pushed");
    let two = Side::clone(&dir.path().join("two"), name);
    let (mut seed, mut lsn) = (0, 1);
    let rounds = each_request(name, |fault, nth| {
        seed += 1;
        let what = format!("{fault:?} at {nth}");
        let old = one.read().expect("readable");
        // Alternately small, and so large that its place is asked for first.
        one.write(3, noise(seed, if seed % 2 == 0 { 1 } else { 300 }), 400);
        let new = one.read().expect("readable");
        inject(name, fault, nth);
        let outcome = one.push();
        let reached = settle(name);
        assert_remote_sound(name);
        two.pull(false).expect("whatever is there can be had");
        let seen = two.read().expect("readable");
        assert!(seen == old || seen == new, "{what}");
        if outcome.is_ok() {
            assert!(seen == new, "{what}: acknowledged");
        }
        if matches!(fault, Fault::RefusedBefore | Fault::RefusedAfter | Fault::Slow) {
            assert!(outcome.is_ok(), "{what}: {:?}", outcome.err());
        }
        // Another process goes on, maybe after more was written.
        one.reopen();
        if seed % 3 == 0 {
            one.write(1, noise(seed + 1000, 1), 400);
        }
        one.push().unwrap_or_else(|e| panic!("{what}: again: {e}"));
        assert_eq!(one.standing().relation, Relation::UpToDate, "{what}");
        two.pull(false).expect("pulled");
        assert!(two.read().expect("readable") == one.read().expect("readable"), "{what}");
        // Every change is in the log once.
        let is_new = two.standing().fetched.expect("pushed").get() - lsn;
        lsn += is_new;
        let most = if seed % 3 == 0 { 2 } else { 1 };
        assert!(is_new >= 1 && is_new <= most, "{what}: {is_new}");
        reached
    });
    assert!(rounds > 25, "{rounds}");
}

#[test]
fn first_pushes_survive_every_fault_at_every_request() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut count = 0;
    for fault in Fault::ALL {
        for nth in 1.. {
            let name = format!("replica-faulty-first-{count}");
            count += 1;
            let one = Side::new(&dir.path().join(&name), &name);
            one.write(1, noise(1, 3), 3);
            inject(&name, fault, nth);
            let outcome = one.push();
            let reached = settle(&name);
            assert_remote_sound(&name);
            if outcome.is_err() {
                one.push().expect("again");
            }
            let two = Side::clone(&dir.path().join(format!("{name}-two")), &name);
            assert!(two.read().expect("readable") == one.read().expect("readable"), "{fault:?} at {nth}");
            assert_eq!((keys(&name, "logs").len(), keys(&name, "volumes").len()), (1, 1), "{fault:?} at {nth}");
            if !reached {
                break;
            }
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn fetches_and_pulls_survive_every_fault_at_every_request() {
    let dir = tempfile::tempdir().expect("a folder");
    let name = "replica-faulty-pull";
    let one = Side::new(&dir.path().join("one"), name);
    one.write(1, noise(1, 20), 20);
    one.push().expect("pushed");
    let mut two = Side::clone(&dir.path().join("two"), name);
    let mut seed = 0;
    let mut round = |fault, nth, pull: bool| {
        seed += 1;
        let what = format!("{fault:?} at {nth}");
        let old = two.read().expect("readable");
        for n in 0..2 {
            one.write(n * 7 + 1, noise(seed * 10 + u64::from(n), 2), 20);
            one.push().expect("pushed");
        }
        inject(name, fault, nth);
        let outcome = match pull {
            true => two.pull(false).map(|pulled| pulled.fetched),
            false => two.fetch(),
        };
        let reached = settle(name);
        if outcome.is_ok() {
            assert_eq!(two.standing().fetched, one.standing().fetched, "{what}");
        }
        two.reopen();
        let seen = two.read().expect("readable");
        assert!(seen == old || pull && seen == one.read().expect("readable"), "{what}");
        two.pull(false).expect("again");
        assert!(two.read().expect("readable") == one.read().expect("readable"), "{what}");
        assert_eq!(two.standing().relation, Relation::UpToDate, "{what}");
        reached
    };
    // A pull is a fetch to begin with.
    for nth in 1..=4 {
        [Fault::Before, Fault::Flipped, Fault::Truncated]
            .into_iter()
            .for_each(|fault| assert!(round(fault, nth, false) || nth > 3));
    }
    let rounds = each_request_of(&READING, name, |fault, nth| round(fault, nth, true));
    assert!(rounds > 12, "{rounds}");
    assert_remote_sound(name);
}

#[test]
fn clones_and_reads_survive_every_fault_at_every_request() {
    let dir = tempfile::tempdir().expect("a folder");
    let name = "replica-faulty-clone";
    let one = Side::new(&dir.path().join("one"), name);
    one.write(1, noise(1, 90), 90);
    for n in 0..5u32 {
        one.write(n + 1, noise(u64::from(n), 1), 90);
        one.push().expect("pushed");
    }
    let wanted = one.read().expect("readable");
    let mut count = 0;
    let rounds = each_request_of(&READING, name, |fault, nth| {
        count += 1;
        let into = dir.path().join(format!("two{count}"));
        let store = open_store(&into, name);
        inject(name, fault, nth);
        let outcome = Replicator::new(&store, &open_remote(name), &|_| ()).clone_volume("origin", "v", None);
        let reached = settle(name);
        if outcome.is_err() {
            assert!(store.volumes().expect("listed").is_empty(), "{fault:?} at {nth}: half a clone");
        }
        let two = Side::clone(&into, name);
        // Every fourth is read whole, the others by a page.
        if count % 4 == 0 {
            assert!(two.read().expect("readable") == wanted, "{fault:?} at {nth}");
        }
        drop(two);
        std::fs::remove_dir_all(&into).expect("removed");
        reached
    });
    assert!(rounds > 20, "{rounds}");
}

#[test]
fn pages_that_come_wrong_come_once_more() {
    let dir = tempfile::tempdir().expect("a folder");
    let name = "replica-faulty-read";
    let one = Side::new(&dir.path().join("one"), name);
    one.write(1, noise(1, 90), 90);
    one.push().expect("pushed");
    for n in 0..70u32 {
        one.write(n + 1, noise(u64::from(n), 1), 90);
        one.push().expect("pushed");
    }
    let wanted = one.read().expect("readable");
    for nth in (1..).step_by(9) {
        let into = dir.path().join(format!("two{nth}"));
        let two = Side::clone(&into, name);
        inject(name, Fault::Flipped, nth);
        let seen = two.read().unwrap_or_else(|e| panic!("at {nth}: {e}"));
        let reached = settle(name);
        assert!(seen == wanted, "at {nth}");
        if !reached {
            break;
        }
    }
    // What comes wrong while the page map is read does not stay, either.
    let mut nth = 1;
    loop {
        let into = dir.path().join(format!("three{nth}"));
        let store = open_store(&into, name);
        inject(name, Fault::Flipped, nth);
        let _ = Replicator::new(&store, &open_remote(name), &|_| ()).clone_volume("origin", "v", None);
        let reached = settle(name);
        let again = Replicator::new(&store, &open_remote(name), &|_| ()).clone_volume("origin", "v", None);
        again.unwrap_or_else(|e| panic!("at {nth}: {e}"));
        if !reached {
            break;
        }
        nth += 7;
    }
}
