//! `clone --lazy` and `hydrate`: what is read is fetched, and nothing else.

use super::Place;
use crate::database::sql;
use crate::env::{Outcome, TestEnvironment};
use crate::servers;

/// A remote with a database of some 12 MB that does not compress.
pub fn large() -> Place {
    large_at(Place::new())
}

fn large_at(place: Place) -> Place {
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

/// Returns the requests that a command made, and the bytes it received, from what `-v` says last.
fn traffic(outcome: &Outcome) -> (u64, f64) {
    outcome.ok();
    let text = outcome.stderr();
    let line = text.lines().last().expect("a line about traffic");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[words.len() - 1], "received", "{text}");
    let unit = match words[words.len() - 2] {
        "B" => 1.0,
        "KiB" => 1024.0,
        unit => panic!("{unit} are too many: {text}"),
    };
    let number = |word: &str| word.parse::<f64>().expect("a number");
    (number(words[0]) as u64, number(words[words.len() - 3]) * unit)
}

/// A clone and one query by key, and one without a clone: at most 15 requests and 1 MB each. `served` counts what the server saw.
fn little_is_asked_for(place: &Place, served: &dyn Fn() -> Option<u64>) {
    let outside = place.env.outside();
    let query = "SELECT length(b) FROM noise WHERE i = 2345";
    let before = served();
    let clone = traffic(&place.env.graft_in(&outside, ["clone", "-v", "--lazy", &place.url, "two"]));
    let select = place.env.graft_in(&place.dir("two"), ["-v", "sql", "--db", "big.db", query]);
    assert_eq!(select.stdout(), "3000\n");
    let select = traffic(&select);
    let (requests, bytes) = (clone.0 + select.0, clone.1 + select.1);
    assert!(requests <= 15 && bytes <= 1e6, "{requests} requests, {bytes} bytes: {clone:?} {select:?}");
    let seen = served().zip(before).map_or(requests, |(after, before)| after - before);
    assert_eq!(seen, requests, "the server counts as we do");
    for at in ["main", "HEAD~1"] {
        let before = served();
        let (db, query, answer) = match at {
            "main" => ("big.db", query, "3000\n"),
            _ => ("app.db", "SELECT count(*) FROM item", "400\n"),
        };
        let args = ["-v", "sql", "--remote", &place.url, "--at", at, "--db", db, query];
        let outcome = place.env.graft_in(&outside, args);
        assert_eq!(outcome.stdout(), answer, "{outcome}");
        let (requests, bytes) = traffic(&outcome);
        assert!(requests <= 15 && bytes <= 1e6, "{requests} requests, {bytes} bytes without a clone at {at}");
        let seen = served().zip(before).map_or(requests, |(after, before)| after - before);
        // To find out that it is no branch takes one that is not told.
        let untold = u64::from(at != "main") * u64::from(served().is_some());
        assert_eq!(seen, requests + untold, "the server counts as we do at {at}");
    }
}

#[test]
fn little_is_asked_of_a_folder() {
    little_is_asked_for(&large(), &|| None);
}

#[test]
fn a_remote_is_queried_without_a_clone() {
    let place = large();
    place.run("one", &["tag", "v1", "HEAD~1"]);
    place.run("one", &["switch", "-qc", "side"]);
    sql(&place.dir("one").join("app.db"), "DELETE FROM item WHERE id > 7");
    place.run("one", &["commit", "-qam", "seven"]);
    place.run("one", &["push", "--all"]);
    place.run("one", &["push", "--tags"]);
    let outside = place.env.outside();
    let temp = place.dir("temp");
    std::fs::create_dir(&temp).expect("a folder");
    let run = |dir: &std::path::Path, args: &[&str]| {
        let mut command = place.env.command_in(dir, ["sql", "--remote"].iter().chain(args));
        command.env("TMPDIR", &temp);
        let outcome = place.env.run(command);
        let left: Vec<_> = std::fs::read_dir(&temp).expect("a folder").collect();
        assert!(left.is_empty(), "nothing is left of it: {left:?}");
        outcome
    };
    let count = "SELECT count(*) FROM item";
    for (at, wanted) in [("main", "400\n"), ("v1", "400\n"), ("side", "7\n"), ("side~1", "400\n"), ("HEAD", "400\n")] {
        assert_eq!(run(&outside, &[&place.url, "--at", at, "--db", "app.db", count]).ok(), wanted, "at {at}");
    }
    assert_eq!(run(&outside, &[&place.url, "--at", "v1", count]).ok(), "400\n", "v1 has one database");
    assert_eq!(run(&place.dir("one"), &["origin", "--at", "side", "--db", "app.db", count]).ok(), "7\n", "by name");
    run(&outside, &[&place.url, count]).wrong_usage(&["2 databases"]);
    run(&outside, &[&place.url, "--at", "nothing", count]).refused(&["nothing"]);
    run(&outside, &[&place.url, "--db", "none.db", count]).refused(&["none.db"]);
    run(&outside, &["nowhere", count]).refused(&["nowhere", "does not exist"]);
    run(&outside, &[&place.url, "--db", "app.db", "DELETE FROM item"]).expect(1);
    run(&outside, &[&place.url, "--db", "app.db", ".at -", "DELETE FROM item"]).expect(1);
    assert_eq!(run(&outside, &[&place.url, "--db", "app.db", count]).ok(), "400\n");
}

/// What a plain `cargo test` leaves to `cli-tests/run`.
mod on_servers {
    use super::*;

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn little_is_asked_of_moto() {
        let server = servers::moto();
        let mut env = TestEnvironment::empty();
        for (name, value) in &server.env {
            env.set(name, value.clone());
        }
        little_is_asked_for(&large_at(Place::at(env, server.url.clone())), &|| Some(server.requests()));
    }
}
