//! `clone --lazy` and `hydrate`: what is read is fetched, and nothing else.

use super::Place;
use crate::database::sql;

/// A remote with a database of some 12 MB that does not compress.
pub fn large() -> Place {
    let place = Place::new();
    let random = "CREATE TABLE noise(i INTEGER PRIMARY KEY, b BLOB); \
                  INSERT INTO noise WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) \
                  SELECT i, randomblob(3000) FROM n";
    sql(&place.dir("one").join("big.db"), random);
    place.run("one", &["add", "."]);
    place.run("one", &["commit", "-qm", "big"]);
    place.run("one", &["push"]);
    place
}

pub fn missing(place: &Place, name: &str) -> u64 {
    let answer = place.env.graft_in(&place.dir(name), ["hydrate", "-n", "--json"]).json();
    answer["missing"].as_u64().expect("bytes")
}

#[test]
fn a_query_fetches_just_the_pages_it_needs() {
    let place = large();
    place.env.graft_in(&place.env.outside(), ["clone", "--lazy", &place.url, "two"]).ok();
    assert_eq!(place.run("two", &["log", "--format=%s"]), "big\nfirst\n");
    assert!(!place.dir("two").join("big.db").exists());
    let whole = missing(&place, "two");
    assert!(whole > 11 << 20, "{whole}");
    let query = "SELECT length(b) FROM noise WHERE i = 2345";
    let answer = place.run("two", &["sql", "--at", "HEAD", "--db", "big.db", query]);
    assert!(answer.contains("3000"), "{answer}");
    let fetched = whole - missing(&place, "two");
    assert!(fetched > 0 && fetched <= 1 << 20, "{fetched} bytes for one row");
    // Once more from what is here, without the remote.
    let away = place.dir("away");
    std::fs::rename(place.dir("hub"), &away).expect("move");
    assert_eq!(place.run("two", &["sql", "--at", "HEAD", "--db", "big.db", query]), answer);
    let other = "SELECT sum(length(b)) FROM noise";
    let offline = place.env.graft_in(&place.dir("two"), ["sql", "--at", "HEAD", "--db", "big.db", other]);
    offline.expect(1);
    assert!(offline.stderr().contains("left on a remote") && offline.stderr().contains(&place.url), "{offline}");
    place.env.graft_in(&place.dir("two"), ["restore", "big.db"]).refused(&[
        "left on a remote",
        "does not exist",
        "hydrate",
    ]);
    assert!(!place.dir("two").join("big.db").exists());
    place.env.graft_in(&place.dir("two"), ["hydrate"]).refused(&["left on a remote"]);
    place.run("two", &["fsck"]);
    std::fs::rename(&away, place.dir("hub")).expect("move back");
    place.run("two", &["restore", "."]);
    place.assert_sound("two");
    place.assert_equal("one", "two");
}

#[test]
fn hydrating_brings_all_and_survives_interruptions() {
    let place = large();
    place.env.graft_in(&place.env.outside(), ["clone", "--lazy", &place.url, "two"]).ok();
    place.run("two", &["fsck", "--rebuild-index"]);
    for at in [3, 9, 20] {
        let mut command = place.env.command_in(&place.dir("two"), ["hydrate"]);
        if cfg!(debug_assertions) {
            command.env("GRAFT_CRASH_AT", at.to_string());
        }
        place.env.run(command);
        place.run("two", &["fsck"]);
    }
    place.run("two", &["hydrate"]);
    assert_eq!(missing(&place, "two"), 0);
    std::fs::remove_dir_all(place.dir("hub")).expect("remove");
    place.run("two", &["restore", "."]);
    place.assert_sound("two");
    place.assert_equal("one", "two");
    // It is as good as any other: it can fill another remote.
    place.run("two", &["remote", "set-url", "origin", "../hub2"]);
    place.run("two", &["push", "--all"]);
}

#[test]
fn a_lazy_clone_goes_on_with_the_others() {
    let place = large();
    place.env.graft_in(&place.env.outside(), ["clone", "--lazy", &place.url, "two"]).ok();
    sql(&place.dir("one").join("big.db"), "DELETE FROM noise WHERE i < 3");
    place.run("one", &["commit", "-qam", "less"]);
    place.run("one", &["push"]);
    place.run("two", &["fetch"]);
    let stat = place.run("two", &["diff", "--stat", "HEAD", "origin/main"]);
    assert!(stat.contains("big.db"), "{stat}");
    assert!(missing(&place, "two") > 9 << 20, "a diff reads what differs");
    // A commit of other files, without having the large one.
    place.run("two", &["restore", "app.db"]);
    place.run("two", &["merge", "--ff-only", "origin/main"]);
    sql(&place.dir("two").join("app.db"), "UPDATE item SET n = 77 WHERE id = 7");
    place.run("two", &["add", "app.db"]);
    place.run("two", &["commit", "-qm", "from the lazy one"]);
    place.run("two", &["push"]);
    place.run("one", &["pull"]);
    place.assert_sound("one");
    place.run("one", &["fsck", "--remote"]);
}
