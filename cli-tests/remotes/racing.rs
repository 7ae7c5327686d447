//! Several processes push to one branch: every push that was acknowledged is in the history, exactly once.

use std::collections::BTreeMap;
use std::process::Stdio;
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

#[test]
fn eight_writers_on_moto() {
    on(&servers::moto(), 8, 2);
}

#[test]
fn writers_on_seaweedfs() {
    on(&servers::seaweedfs(), 3, 2);
}

#[test]
fn writers_on_azurite() {
    on(&servers::azurite(), 3, 2);
}

#[test]
#[ignore = "takes minutes"]
fn eight_writers_for_long_on_every_server() {
    race(&Place::new(), 8, 25);
    on(&servers::moto(), 8, 25);
    on(&servers::seaweedfs(), 8, 5);
}
