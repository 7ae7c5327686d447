//! Several processes push to one branch: every push that was acknowledged is in the history, exactly once.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Place;
use crate::database::sql;
use crate::env::{Outcome, TestEnvironment, wait};
use crate::servers::{self, Server};

/// Lets `writers` push `rounds` commits each; whoever comes second pulls, commits again and pushes again.
fn race(place: &Place, writers: usize, rounds: usize) {
    for writer in 0..writers {
        place.clone(&format!("w{writer}"));
    }
    let graft = |dir: &std::path::Path, args: &[&str]| -> Outcome {
        let mut command = place.env.command_in(dir, args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("graft starts");
        wait(child, args.join(" "))
    };
    thread::scope(|scope| {
        for writer in 0..writers {
            let graft = &graft;
            scope.spawn(move || {
                let dir = place.dir(&format!("w{writer}"));
                for round in 0..rounds {
                    let name = format!("w{writer} r{round}");
                    loop {
                        let row = writer * rounds + round + 1;
                        sql(&dir.join("app.db"), &format!("UPDATE item SET n = 1000 + {row} WHERE id = {row}"));
                        graft(&dir, &["commit", "-qam", &name]).ok();
                        let pushed = graft(&dir, &["push"]);
                        if pushed.code() == 0 {
                            break;
                        }
                        assert_eq!(pushed.code(), 1, "{pushed}");
                        // The commit is dropped, and made again on top of what the others have.
                        graft(&dir, &["reset", "-q", "--hard", "HEAD~1"]).ok();
                        graft(&dir, &["pull", "-q", "--ff-only"]).ok();
                    }
                }
            });
        }
    });
    place.clone("judge");
    place.assert_sound("judge");
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for line in place.run("judge", &["log", "--format=%s"]).lines() {
        *count.entry(line.to_owned()).or_default() += 1;
    }
    assert_eq!(count.remove("first"), Some(1));
    assert_eq!(count.len(), writers * rounds, "{count:?}");
    assert!(count.values().all(|n| *n == 1), "{count:?}");
    let sum = (1..=writers * rounds).map(|row| 1000 + row as i64).sum::<i64>();
    let rows = format!("SELECT sum(n) FROM item WHERE id <= {}", writers * rounds);
    assert_eq!(crate::database::number(&place.dir("judge").join("app.db"), &rows), sum);
}

/// Says that a writer is done, also when it has failed.
struct Leaving<'a>(&'a AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets `writers` push `rounds` commits each to branches of their own while somebody removes all the time what is unneeded.
fn race_a_collector(place: &Place, writers: usize, rounds: usize) {
    let names: Vec<String> = (0..writers).map(|writer| format!("w{writer}")).collect();
    names.iter().chain([&"collector".to_owned()]).for_each(|name| place.clone(name));
    let at_work = AtomicUsize::new(writers);
    let graft = |name: &str, args: &[&str]| place.env.graft_in(&place.dir(name), args);
    thread::scope(|scope| {
        for (writer, name) in names.iter().enumerate() {
            let (graft, at_work) = (&graft, &at_work);
            scope.spawn(move || {
                let _leaving = Leaving(at_work);
                let branch = format!("HEAD:refs/heads/{name}");
                for round in 0..rounds {
                    place.change(name, (writer * rounds + round + 1) as u32);
                    // One that is sent twice, the second time after it was taken back.
                    for refspec in [branch.as_str(), "HEAD:refs/heads/gone", ":gone", "HEAD:refs/heads/gone"] {
                        let pushed = graft(name, &["push", "-q", "-f", "origin", refspec]);
                        // Others may have removed that branch already.
                        assert!(pushed.code() == 0 || refspec == ":gone" && pushed.code() == 1, "{pushed}");
                    }
                    let fetched = graft(name, &["fetch", "-q", "--prune"]);
                    assert_eq!(fetched.code(), 0, "{fetched}");
                }
            });
        }
        let (graft, at_work) = (&graft, &at_work);
        scope.spawn(move || {
            let mut rounds = 0;
            while at_work.load(Ordering::SeqCst) > 0 || rounds < 2 {
                let collected = graft("collector", &["gc", "--remote", "--force"]);
                assert_eq!(collected.code(), 0, "{collected}");
                let verified = graft("collector", &["fsck", "--remote"]);
                assert_eq!(verified.code(), 0, "{verified}");
                rounds += 1;
            }
        });
    });
    place.run("collector", &["fsck", "--remote"]);
    place.clone("judge");
    place.assert_sound("judge");
    for name in &names {
        let head = place.head(name);
        assert_eq!(place.run("judge", &["rev-parse", &format!("origin/{name}")]).trim(), head, "{name}");
        assert_eq!(
            place.run("judge", &["rev-list", "--count", &format!("origin/{name}")]).trim(),
            (rounds + 1).to_string()
        );
    }
}

#[test]
fn pushes_beside_a_collector_that_spares_nothing() {
    race_a_collector(&Place::new(), 3, 6);
}

fn on(server: &Server, writers: usize, rounds: usize) {
    let mut env = TestEnvironment::empty();
    for (name, value) in &server.env {
        env.set(name, value.clone());
    }
    race(&Place::at(env, server.url.clone()), writers, rounds);
}

#[test]
fn eight_writers_on_a_folder() {
    race(&Place::new(), 8, 3);
}

/// What only `cli-tests/run --all` runs.
mod at_length {
    use super::*;

    #[test]
    #[ignore = "takes minutes: cli-tests/run --all"]
    fn eight_writers_for_long_on_every_server() {
        race(&Place::new(), 8, 25);
        on(&servers::moto(), 8, 25);
        on(&servers::seaweedfs(), 8, 5);
    }
}

/// What a plain `cargo test` leaves to `cli-tests/run`.
mod on_servers {
    use super::*;

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn pushes_beside_a_collector_on_moto() {
        let server = servers::moto();
        let mut env = TestEnvironment::empty();
        for (name, value) in &server.env {
            env.set(name, value.clone());
        }
        race_a_collector(&Place::at(env, server.url.clone()), 2, 1);
    }

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn eight_writers_on_moto() {
        on(&servers::moto(), 8, 2);
    }

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn writers_on_seaweedfs() {
        on(&servers::seaweedfs(), 3, 2);
    }

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn writers_on_azurite() {
        on(&servers::azurite(), 3, 2);
    }
}
