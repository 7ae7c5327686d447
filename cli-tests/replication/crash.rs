//! A crash at any write, fsync or rename of a push, pull or clone: the remote and the volume are sound, and doing it again completes it.

use super::Place;
use crate::crash_points::walk;
use crate::tree::copy_tree;

/// Two repositories with a small volume in common.
fn small() -> Place {
    let mut place = Place::new();
    // Folders are copied back each time, and a copy is not the one that is trusted.
    place.env.set("GRAFT_TRUST", "1");
    place.init("one");
    place.run("one", &["volume", "new", "--tag", "v"]);
    place.sql("one", "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    place.run("one", &["volume", "push", "v"]);
    place.clone("two");
    place
}

fn rows(place: &Place, name: &str) -> String {
    place.sql(name, "SELECT group_concat(x) FROM t")
}

#[test]
fn push_at_every_crash_point() {
    let place = small();
    place.sql("one", "INSERT INTO t VALUES (2)");
    place.sql("one", "INSERT INTO t VALUES (3)");
    let (hub, one, two) = (place.dir("hub"), place.dir("one"), place.dir("two"));
    let kept = place.env.outside().join("kept");
    let all = [(&hub, "hub"), (&one, "one"), (&two, "two")];
    all.iter().for_each(|(dir, name)| copy_tree(dir, &kept.join(name)));
    let back = || all.iter().for_each(|(dir, name)| copy_tree(&kept.join(name), dir));
    walk(&place.env, &one, &["volume", "push", "v"], &back, &|at| {
        // Whatever the remote has can be had, and is all or nothing.
        place.run("two", &["volume", "pull", "v"]);
        let seen = rows(&place, "two");
        assert!(seen == "1\n" || seen == "1,2,3\n", "at {at}: {seen}");
        match at % 4 {
            0 => drop(place.run("one", &["fsck", "--remote"])),
            2 => drop(place.run("one", &["fsck"])),
            _ => {}
        }
        // A pending push is found out by whatever comes next.
        match at % 3 {
            0 => drop(place.run("one", &["volume", "status", "v"])),
            1 => drop(place.run("one", &["volume", "pull", "v"])),
            _ => {}
        }
        let is_heard = seen == "1,2,3\n";
        let settled = place.graft("one", &["volume", "status", "v", "--json"]).json();
        assert_eq!(settled["status"], if is_heard { "up-to-date" } else { "ahead" }, "at {at}: {settled}");
        place.sql("one", "INSERT INTO t VALUES (4)");
        place.run("one", &["volume", "push", "v"]);
        place.run("two", &["volume", "pull", "v"]);
        assert_eq!(rows(&place, "two"), "1,2,3,4\n", "at {at}");
        let answer = place.graft("one", &["volume", "status", "v", "--json"]).json();
        assert!(answer["status"] == "up-to-date" && answer["pending_lsn"].is_null(), "at {at}: {answer}");
        assert!(answer["remote_lsn"] == 2 || answer["remote_lsn"] == 3, "at {at}: each change once: {answer}");
    });
}

#[test]
fn pull_at_every_crash_point() {
    let place = small();
    place.sql("one", "INSERT INTO t VALUES (2)");
    place.run("one", &["volume", "push", "v"]);
    place.sql("one", "INSERT INTO t VALUES (3)");
    place.run("one", &["volume", "push", "v"]);
    let two = place.dir("two");
    let kept = place.env.outside().join("kept");
    copy_tree(&two, &kept);
    walk(&place.env, &two, &["volume", "pull", "v"], &|| copy_tree(&kept, &two), &|at| {
        let seen = rows(&place, "two");
        assert!(seen == "1\n" || seen == "1,2,3\n", "at {at}: {seen}");
        let standing = place.status("two");
        assert!(standing == "up-to-date" || standing == "behind", "at {at}: {standing}");
        if at % 4 == 0 {
            place.run("two", &["fsck"]);
        }
        place.run("two", &["volume", "pull", "v"]);
        assert_eq!(rows(&place, "two"), "1,2,3\n", "at {at}");
        assert_eq!(place.status("two"), "up-to-date", "at {at}");
    });
}

#[test]
fn clone_at_every_crash_point() {
    let place = small();
    place.init("three");
    let three = place.dir("three");
    let kept = place.env.outside().join("kept");
    copy_tree(&three, &kept);
    walk(&place.env, &three, &["volume", "clone", "origin", "v"], &|| copy_tree(&kept, &three), &|at| {
        // Either it is a volume, whole, or none; only its tag may be missing yet.
        place.run("three", &["volume", "status"]);
        let listed = place.graft("three", &["volume", "list", "--json"]).ndjson();
        for volume in &listed {
            let id = volume["volume"].as_str().expect("an id");
            let text = place.run("three", &["sql", "--volume", id, "SELECT x FROM t"]);
            assert_eq!(text, "1\n", "at {at}");
        }
        let is_tagged = !place.run("three", &["volume", "tags"]).is_empty();
        if !is_tagged {
            place.run("three", &["volume", "clone", "origin", "v"]);
        }
        assert_eq!(rows(&place, "three"), "1\n", "at {at}");
        if at % 4 == 0 {
            place.run("three", &["fsck"]);
        }
    });
}
