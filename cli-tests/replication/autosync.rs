//! `volume.autosync`: transactions are pushed in the background, and nothing that a remote does is felt by them.

use std::fs::File;
use std::time::{Duration, Instant};

use super::Place;

const ROWS: &str = "CREATE TABLE n (x); INSERT INTO n VALUES (1); INSERT INTO n VALUES (2); INSERT INTO n VALUES (3);";

#[test]
fn what_a_session_commits_is_pushed_by_its_end() {
    let place = Place::with_volume("one");
    place.run("one", &["config", "set", "volume.autosync", "true"]);
    let outcome = place.graft("one", &["sql", "--volume", "v", ROWS]);
    assert_eq!((outcome.ok().as_str(), outcome.stderr().as_str()), ("", ""));
    let answer = place.graft("one", &["volume", "status", "v", "--json"]).json();
    assert_eq!(answer["status"], "up-to-date");
    let pushes = answer["remote_lsn"].as_u64().expect("pushed");
    assert!((2..=5).contains(&pushes), "transactions go together: {answer}");
    place.clone("two");
    assert_eq!(place.sql("two", "SELECT sum(x) FROM n; PRAGMA integrity_check"), "6\nok\n");
    // A volume can be left out, and one that goes with no remote says so.
    place.run("one", &["config", "set", "volume.v.autosync", "false"]);
    place.sql("one", "INSERT INTO n VALUES (4)");
    assert_eq!(place.status("one"), "ahead");
    place.run("one", &["volume", "new", "--tag", "alone"]);
    let outcome = place.graft("one", &["sql", "--volume", "alone", ROWS]);
    outcome.ok();
    assert!(outcome.stderr().contains("'alone' was not pushed: it goes with no remote yet"), "{outcome}");
    // Pages without SQL go the same way.
    place.run("one", &["volume", "push", "alone"]);
    std::fs::write(place.dir("page"), [7; 4096]).expect("write");
    let mut command = place.env.command_in(&place.dir("one"), ["volume", "write-pages", "alone", "--first", "90"]);
    command.stdin(File::open(place.dir("page")).expect("open"));
    place.env.run(command).ok();
    let answer = place.graft("one", &["volume", "status", "alone", "--json"]).json();
    assert!(answer["status"] == "up-to-date" && answer["synced_lsn"] == 2, "{answer}");
}

#[test]
fn a_remote_in_trouble_fails_and_delays_no_transaction() {
    let place = Place::with_volume("one");
    place.clone("two");
    place.run("one", &["config", "set", "volume.v.autosync", "true"]);
    std::fs::rename(place.dir("hub"), place.dir("away")).expect("rename");
    let outcome = place.graft("one", &["sql", "--volume", "v", ROWS]);
    outcome.ok();
    assert!(outcome.stderr().contains("warning: 'v' was not pushed: ") && outcome.stderr().contains("volume push v"));
    std::fs::rename(place.dir("away"), place.dir("hub")).expect("rename");
    assert_eq!(place.status("one"), "ahead");

    // One that does not answer: the transactions are there at once, and the session ends when it has waited.
    let lock = File::open(place.dir("hub").join("lock")).expect("a lock");
    lock.lock().expect("locked");
    place.run("one", &["config", "set", "volume.autosyncWait", "700ms"]);
    let started = Instant::now();
    let outcome = place.graft("one", &["sql", "--volume", "v", "INSERT INTO n VALUES (4); SELECT sum(x) FROM n"]);
    assert_eq!(outcome.ok(), "10\n");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert!(outcome.stderr().contains("'v' was not pushed: it takes longer than 0.7 s"), "{outcome}");
    drop(lock);
    assert_eq!(place.status("one"), "ahead", "what was on its way has not arrived");

    // What comes next takes it along; somebody else who comes first is no failure of a transaction either.
    place.sql("one", "INSERT INTO n VALUES (5)");
    place.run("two", &["volume", "pull", "v"]);
    assert_eq!(place.sql("two", "SELECT sum(x) FROM n"), "15\n");
    place.sql("two", "INSERT INTO n VALUES (6)");
    place.run("two", &["volume", "push", "v"]);
    let outcome = place.graft("one", &["sql", "--volume", "v", "INSERT INTO n VALUES (7); INSERT INTO n VALUES (8)"]);
    outcome.ok();
    assert_eq!(outcome.stderr().matches("was not pushed").count(), 1, "{outcome}");
    assert!(outcome.stderr().contains("(fetch first)"), "{outcome}");
}
