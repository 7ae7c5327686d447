//! Pushes, fetches and clones that are killed at any moment: nothing is seen in part, nobody else has to wait, and doing it again
//! completes it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Place;
use crate::env::TestEnvironment;
use crate::servers;
use crate::tree::copy_tree;

/// A command that is killed again and again, ever later or sooner, so that it happens in its middle on fast and slow machines.
struct Victim<'a> {
    place: &'a Place,
    args: &'a [&'a str],
    lasts: Duration,
    kills: u32,
}

impl<'a> Victim<'a> {
    fn new(place: &'a Place, args: &'a [&'a str]) -> Self {
        Self { place, args, lasts: Duration::from_millis(150), kills: 0 }
    }

    /// Runs it and kills it after a part of the time that it takes; returns whether it got to its end.
    fn run(&mut self, name: &str, part: f64) -> bool {
        let mut command = self.place.env.command_in(&self.place.dir(name), self.args);
        let started = Instant::now();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("graft starts");
        std::thread::sleep(self.lasts.mul_f64(part));
        child.kill().expect("a signal");
        let done = child.wait().expect("an end").success();
        self.kills += u32::from(!done);
        self.lasts = if done { (self.lasts + started.elapsed().min(self.lasts)) / 2 } else { self.lasts.mul_f64(1.1) };
        done
    }
}

/// Kills so many pushes, fetches and clones each. Every round pushes a commit with pages of some megabytes.
fn rounds(place: &Place, rounds: u32) {
    place.clone("two");
    let url = place.url.clone();
    let clone = ["clone", "-q", &url, "three"];
    let (mut push, mut fetch) = (Victim::new(place, &["push", "-q"]), Victim::new(place, &["fetch", "-q"]));
    let mut clone = Victim::new(place, &clone);
    for round in 0..rounds {
        let part = f64::from(round * 7 % rounds + 1) / f64::from(rounds);
        let rows = format!("INSERT INTO item(name, body) SELECT 'r{round}', randomblob(300000) FROM item LIMIT 8");
        crate::database::sql(&place.dir("one").join("app.db"), &rows);
        place.run("one", &["commit", "-qam", &format!("round {round}")]);
        let old = place.run("two", &["rev-parse", "origin/main"]);
        let new = place.run("one", &["rev-parse", "HEAD"]);

        let done = push.run("one", part);
        let listed = place.run("two", &["ls-remote", "--heads"]);
        let seen = listed.split('\t').next().expect("an id").to_owned() + "\n";
        assert!(seen == new || seen == old && !done, "round {round}: {listed}");
        place.run("one", &["push", "-q"]);

        let done = fetch.run("two", part);
        let seen = place.run("two", &["rev-parse", "origin/main"]);
        assert!(seen == new || seen == old && !done, "round {round}");
        place.run("two", &["pull", "-q"]);
        assert_eq!(place.run("two", &["rev-parse", "HEAD"]), new, "round {round}");

        clone.run(".", part);
        let _ = std::fs::remove_dir_all(place.dir("three"));
    }
    let kills = [push.kills, fetch.kills, clone.kills];
    assert!(kills.iter().all(|n| *n > 0), "too late each time: {kills:?} of {rounds}");
    place.assert_sound("one");
    place.assert_sound("two");
    place.assert_equal("one", "two");
    place.run("one", &["fsck", "--remote"]);
}

#[test]
fn transfers_on_a_folder() {
    rounds(&Place::new(), 12);
}

/// Kills so many hydrations, writes to a database that is not materialized, and materializations each.
fn lazy_rounds(rounds: u32) {
    let mut place = super::lazy::large();
    // The folder is copied back each time, and a copy is not the one that is trusted.
    place.env.set("GRAFT_TRUST", "1");
    place.env.graft_in(&place.env.outside(), ["clone", "-q", "--lazy", &place.url, "two"]).ok();
    let (two, kept) = (place.dir("two"), place.dir("kept"));
    copy_tree(&two, &kept);
    let count = || place.run("two", &["sql", "--db", "big.db", "SELECT count(*) FROM noise"]).trim().to_owned();
    let more = "INSERT INTO noise SELECT NULL, randomblob(1000) FROM noise LIMIT 3000";
    let mut hydrate = Victim::new(&place, &["hydrate", "-q"]);
    let insert = ["sql", "--db", "big.db", more];
    let mut write = Victim::new(&place, &insert);
    let mut materialize = Victim::new(&place, &["materialize", "-q", "big.db"]);
    for round in 0..rounds {
        let part = f64::from(round * 3 % rounds + 1) / f64::from(rounds);
        copy_tree(&kept, &two);
        hydrate.run("two", part);
        place.run("two", &["fsck"]);

        copy_tree(&kept, &two);
        let done = write.run("two", part);
        let (seen, short) = (count(), place.run("two", &["status", "--porcelain"]));
        let is_new = (seen.as_str(), short.as_str()) == ("7000", " M big.db\n");
        assert!(is_new || !done && (seen.as_str(), short.as_str()) == ("4000", ""), "round {round}: {seen} {short}");
        place.run("two", &["fsck"]);

        let done = materialize.run("two", part);
        assert_eq!((count(), place.run("two", &["status", "--porcelain"])), (seen, short), "round {round}");
        assert!(two.join("big.db").exists() || !done, "round {round}");
        place.run("two", &["materialize"]);
        place.run("two", &["fsck"]);
    }
    // What is left of an interrupted hydration is used.
    place.run("two", &["hydrate"]);
    std::fs::remove_dir_all(place.dir("hub")).expect("remove");
    place.run("two", &["restore", "-f", "."]);
    place.assert_sound("two");
    place.assert_equal("one", "two");
    let kills = [hydrate.kills, write.kills, materialize.kills];
    assert!(kills.iter().all(|n| *n > 0), "too late each time: {kills:?} of {rounds}");
}

#[test]
fn hydrations_and_lazy_writes() {
    lazy_rounds(6);
}

/// What only `cli-tests/run --all` runs.
mod at_length {
    use super::*;

    #[test]
    #[ignore = "takes minutes: cli-tests/run --all"]
    fn many_transfers_on_a_folder() {
        rounds(&Place::new(), 150);
    }

    #[test]
    #[ignore = "takes minutes: cli-tests/run --all"]
    fn many_hydrations_and_lazy_writes() {
        lazy_rounds(100);
    }
}

/// What a plain `cargo test` leaves to `cli-tests/run`.
mod on_servers {
    use super::*;

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn transfers_on_moto() {
        let server = servers::moto();
        let mut env = TestEnvironment::empty();
        for (name, value) in &server.env {
            env.set(name, value.clone());
        }
        rounds(&Place::at(env, server.url.clone()), 6);
    }
}
