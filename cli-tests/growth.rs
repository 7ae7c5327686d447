//! A long history costs what a short one does: objects stay bounded, and so does the disk.

use std::ops::RangeInclusive;

use crate::database::{make, sql};
use crate::env::TestEnvironment;
use crate::tree::disk_usage;

/// Makes one commit for each number, of one row changed to it.
fn one_row_commits(env: &TestEnvironment, numbers: RangeInclusive<u32>) {
    let path = env.path("app.db");
    for at in numbers {
        sql(&path, &format!("UPDATE item SET n = {at} WHERE id = {} % 400 + 1", at * 7919));
        env.graft(["commit", "-qam", &at.to_string()]).ok();
    }
}

/// Bytes of the snapshot object of `app.db` at HEAD.
fn snapshot_size(env: &TestEnvironment) -> u64 {
    let tree = env.graft(["ls-tree", "HEAD"]).ok();
    let id = tree
        .split(|c: char| !c.is_ascii_hexdigit())
        .find(|word| word.len() == 64)
        .unwrap_or_else(|| panic!("no id in {tree}"));
    env.graft(["cat-file", "-s", id]).ok().trim().parse().expect("a size")
}

fn repository() -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 400, "DELETE");
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "start"]).ok();
    env
}

/// Per one-row commit on a database of 60 KB: 30 MB / 2,000 commits, the bound of the design.
const BYTES_PER_COMMIT: u64 = 15_000;

#[test]
fn snapshots_and_disk_stay_bounded() {
    let env = repository();
    let start = disk_usage(&env.dot_graft());
    let mut largest = 0;
    // Beyond two checkpoints (64 storage commits each) and one fold of the index tail (256 operations).
    for round in 0..30 {
        one_row_commits(&env, round * 10 + 1..=round * 10 + 10);
        largest = largest.max(snapshot_size(&env));
    }
    // 64 commits of 32-byte hashes, and what names them.
    assert!(largest <= 6_000, "a snapshot object of {largest} bytes");
    let grown = (disk_usage(&env.dot_graft()) - start) / 300;
    assert!(grown <= BYTES_PER_COMMIT, "{grown} bytes of disk for a one-row commit");
    assert_eq!(env.graft(["log", "--oneline"]).ok().lines().count(), 301);
    env.graft(["fsck"]).ok();
    // The first state still reads through several checkpoints.
    env.graft(["export", "HEAD~300:app.db", "-o", "first.db"]).ok();
    assert_eq!(crate::database::number(&env.path("first.db"), "SELECT sum(n) FROM item"), 0);
}

#[test]
fn a_copy_of_a_tracked_file_takes_no_room() {
    let env = repository();
    let noise = "CREATE TABLE noise(b); WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 200)
                 INSERT INTO noise SELECT randomblob(4000) FROM k";
    sql(&env.path("app.db"), noise);
    env.graft(["commit", "-am", "noise"]).ok();
    let before = disk_usage(&env.dot_graft());
    std::fs::copy(env.path("app.db"), env.path("copy.db")).expect("a copy");
    env.graft(["add", "copy.db"]).ok();
    env.graft(["commit", "-m", "copy"]).ok();
    let grown = disk_usage(&env.dot_graft()) - before;
    assert!(grown < 200_000, "a copy of 800 KB took {grown} bytes");
}
