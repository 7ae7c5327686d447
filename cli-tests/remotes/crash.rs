//! A crash at any write, fsync or rename of a push, fetch or clone: the remote and both repositories are sound, nothing is
//! seen in part, and doing it again completes it.

use super::Place;
use crate::crash_points::walk;
use crate::tree::copy_tree;

#[test]
fn push_at_every_crash_point() {
    let place = Place::new();
    place.change("one", 3);
    place.change("one", 5);
    let (hub, one) = (place.dir("hub"), place.dir("one"));
    let kept = place.env.outside().join("kept");
    copy_tree(&hub, &kept.join("hub"));
    copy_tree(&one, &kept.join("one"));
    let back = || {
        copy_tree(&kept.join("hub"), &hub);
        copy_tree(&kept.join("one"), &one);
    };
    let (old, new) = (place.run("one", &["rev-parse", "HEAD~2"]), place.run("one", &["rev-parse", "HEAD"]));
    walk(&place.env, &one, &["push"], &back, &|at| {
        let listed = place.run("one", &["ls-remote", "--heads"]);
        let seen = listed.split('\t').next().expect("an id").to_owned() + "\n";
        assert!(seen == old || seen == new, "at {at}: {listed}");
        // Whatever the remote shows can be cloned.
        place.clone("two");
        place.assert_sound("two");
        assert_eq!(place.run("two", &["rev-parse", "HEAD"]), seen, "at {at}");
        std::fs::remove_dir_all(place.dir("two")).expect("remove");
        place.run("one", &["fsck"]);
        place.run("one", &["push"]);
        assert!(place.run("one", &["ls-remote", "--heads"]).starts_with(new.trim()), "at {at}");
    });
}

#[test]
fn fetch_at_every_crash_point() {
    let place = Place::new();
    place.clone("two");
    place.change("one", 3);
    place.change("one", 5);
    place.run("one", &["push"]);
    let two = place.dir("two");
    let kept = place.env.outside().join("kept");
    copy_tree(&two, &kept);
    let (old, new) = (place.run("two", &["rev-parse", "HEAD"]), place.run("one", &["rev-parse", "HEAD"]));
    walk(&place.env, &two, &["fetch"], &|| copy_tree(&kept, &two), &|at| {
        let seen = place.run("two", &["rev-parse", "origin/main"]);
        assert!(seen == old || seen == new, "at {at}");
        place.run("two", &["fsck"]);
        place.run("two", &["pull"]);
        assert_eq!(place.run("two", &["rev-parse", "HEAD"]), new, "at {at}");
        place.assert_sound("two");
    });
    place.assert_equal("one", "two");
}

#[test]
fn clone_at_some_crash_points() {
    let place = Place::new();
    let outside = place.env.outside();
    let two = place.dir("two");
    let back = || drop(std::fs::remove_dir_all(&two));
    let url = place.url.clone();
    walk(&place.env, &outside, &["clone", &url, "two"], &back, &|at| {
        // An abort runs no clean-up; what is left is in nobody's way.
        back();
        if at % 10 == 0 {
            place.clone("two");
            place.assert_sound("two");
        }
    });
}

#[test]
fn history_grows_back_at_every_crash_point() {
    let place = Place::new();
    for row in 1..4 {
        place.change("one", row);
    }
    place.run("one", &["push"]);
    place.env.graft_in(&place.env.outside(), ["clone", "-q", "--depth", "2", &place.url, "two"]).ok();
    let two = place.dir("two");
    let kept = place.env.outside().join("kept");
    copy_tree(&two, &kept);
    walk(&place.env, &two, &["fetch", "--unshallow"], &|| copy_tree(&kept, &two), &|at| {
        place.run("two", &["fsck"]);
        let count = place.run("two", &["rev-list", "--count", "HEAD"]);
        assert!(count == "2\n" || count == "4\n", "{count} at {at}");
        if place.run("two", &["rev-parse", "--is-shallow-repository"]) == "true\n" {
            place.run("two", &["fetch", "--unshallow"]);
        }
        assert_eq!(place.run("two", &["rev-list", "--count", "HEAD"]), "4\n", "at {at}");
        place.assert_sound("two");
    });
}

/// A database that is not materialized holds the old state or the new one, together with HEAD and the index.
#[test]
fn what_is_not_materialized_at_every_crash_point() {
    let place = Place::new();
    place.env.graft_in(&place.env.outside(), ["clone", "--lazy", &place.url, "two"]).ok();
    let two = place.dir("two");
    let query = |sql: &str| place.run("two", &["sql", sql]);
    let state = || {
        let n = query("SELECT n FROM item WHERE id = 7").trim().to_owned();
        (n, place.run("two", &["status", "--porcelain"]), place.run("two", &["log", "--format=%s"]))
    };
    query("UPDATE item SET n = 1001 WHERE id = 7");
    place.run("two", &["commit", "-qam", "second"]);
    query("UPDATE item SET n = 1002 WHERE id = 7");
    let kept = place.env.outside().join("kept");
    copy_tree(&two, &kept);
    let back = || copy_tree(&kept, &two);
    let cases: [&[&str]; 6] = [
        &["sql", "UPDATE item SET n = 1003 WHERE id = 7"],
        &["commit", "-qam", "third"],
        &["reset", "--hard", "HEAD~1"],
        &["reset", "-q", "HEAD~1"],
        &["stash"],
        &["materialize", "app.db"],
    ];
    for args in cases {
        back();
        let old = state();
        place.run("two", args);
        let new = state();
        walk(&place.env, &two, args, &back, &|at| {
            let seen = state();
            assert!(seen == old || seen == new, "{args:?} at {at}: {seen:?}, neither {old:?} nor {new:?}");
            if at % 4 == 0 {
                place.run("two", &["fsck"]);
            }
            if at % 4 == 2 && seen == old && args[0] != "materialize" {
                place.run("two", args);
                assert_eq!(state(), new, "{args:?} again after {at}");
            }
        });
    }
}
