//! Several processes write to one volume of a remote: every push that was acknowledged is in its log, exactly once.

use std::collections::BTreeSet;
use std::thread;

use super::Place;
use crate::env::TestEnvironment;
use crate::servers::{self, Server};

/// Lets `writers` push `rounds` transactions each; whoever comes second goes to the state of the remote and begins again.
fn race(place: &Place, writers: usize, rounds: usize) {
    place.init("zero");
    place.run("zero", &["volume", "new", "--tag", "v"]);
    place.sql("zero", "CREATE TABLE t (who, round, sum); INSERT INTO t VALUES (-1, -1, 0)");
    place.run("zero", &["volume", "push", "v"]);
    for writer in 0..writers {
        place.clone(&format!("w{writer}"));
    }
    let acknowledged = thread::scope(|scope| {
        let writer = |writer: usize| {
            scope.spawn(move || {
                let name = format!("w{writer}");
                let mut lsns = Vec::new();
                for round in 0..rounds {
                    loop {
                        // What is written depends on all that was read.
                        let row = format!("INSERT INTO t SELECT {writer}, {round}, count(*) FROM t");
                        place.graft(&name, &["sql", "--volume", "v", &row]).ok();
                        let pushed = place.graft(&name, &["volume", "push", "v", "--json"]);
                        if pushed.code() == 0 {
                            lsns.push(pushed.json()["lsn"].as_u64().expect("something was pushed"));
                            break;
                        }
                        assert_eq!(pushed.code(), 1, "{pushed}");
                        place.graft(&name, &["volume", "pull", "v", "--force"]).ok();
                    }
                }
                lsns
            })
        };
        let running: Vec<_> = (0..writers).map(writer).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect::<Vec<u64>>()
    });
    place.clone("judge");
    let all: BTreeSet<u64> = acknowledged.iter().copied().collect();
    assert!(all.iter().copied().eq(2..2 + (writers * rounds) as u64), "{acknowledged:?}");
    assert_eq!(acknowledged.len(), all.len(), "no place was given twice: {acknowledged:?}");
    let rows = place
        .sql("judge", "SELECT count(*), count(DISTINCT who || ' ' || round), count(DISTINCT sum), max(sum) FROM t");
    let n = writers * rounds;
    // Each has seen all that came before it: no two have counted the same.
    assert_eq!(rows, format!("{}|{}|{}|{n}\n", n + 1, n + 1, n + 1));
    assert_eq!(place.sql("judge", "PRAGMA integrity_check"), "ok\n");
    let report = place.graft("judge", &["fsck", "--remote", "--json"]).json();
    assert!(report["ok"] == true && report["volume_commits"] == n + 1, "{report}");
}

fn on(server: &Server, writers: usize, rounds: usize) {
    let mut env = TestEnvironment::empty();
    for (name, value) in &server.env {
        env.set(name, value.clone());
    }
    race(&Place { env, url: server.url.clone() }, writers, rounds);
}

#[test]
fn eight_writers_on_a_folder() {
    race(&Place::new(), 8, 2);
}

/// What only `cli-tests/run --all` runs.
mod at_length {
    use super::*;

    #[test]
    #[ignore = "takes minutes: cli-tests/run --all"]
    fn eight_writers_for_long_on_every_server() {
        race(&Place::new(), 8, 25);
        on(&servers::moto(), 8, 15);
        on(&servers::seaweedfs(), 8, 5);
        on(&servers::azurite(), 8, 5);
    }
}

/// What a plain `cargo test` leaves to `cli-tests/run`.
mod on_servers {
    use super::*;

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn eight_writers_on_moto() {
        on(&servers::moto(), 8, 1);
    }
}
