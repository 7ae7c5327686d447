//! What every backend has to do, tested on each: a directory, memory, moto, SeaweedFS and Azurite.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use graft::store::remote::{Backend, RemoteEnv, RemoteError, RemoteUrl, open_backend};

use crate::servers::{self, Server};

type Open<'a> = dyn Fn() -> Box<dyn Backend> + Sync + 'a;

/// Runs all of the contract; `racers` writers compete where races are tested.
fn contract(open: &Open<'_>, racers: usize) {
    let backend = open();
    absent_objects(&*backend);
    bytes_come_back(&*backend);
    only_the_expected_state_is_replaced(&*backend);
    large_files(&*backend);
    lists(&*backend);
    one_creator_wins(open, racers);
    no_update_is_lost(open, racers);
}

fn absent_objects(at: &dyn Backend) {
    assert_eq!(at.read("none/at-all").expect("read"), None);
    assert_eq!(at.read_range("none/at-all", 0..4).expect("range"), None);
    assert_eq!(at.size("none/at-all").expect("size"), None);
    at.remove("none/at-all").expect("removing nothing is no error");
    at.list("none", &mut |one| panic!("{one:?}")).expect("an empty list");
}

fn bytes_come_back(at: &dyn Backend) {
    let bytes: Vec<u8> = (0..100_000u32).map(|n| (n % 1021 * n % 251) as u8).collect();
    assert!(at.swap("a/b.c_d-E", None, &bytes).expect("create"));
    assert_eq!(at.read("a/b.c_d-E").expect("read").expect("there").bytes, bytes);
    assert_eq!(at.size("a/b.c_d-E").expect("size"), Some(100_000));
    assert_eq!(at.read_range("a/b.c_d-E", 99_990..100_000).expect("range").expect("there"), bytes[99_990..]);
    assert_eq!(at.read_range("a/b.c_d-E", 7..7).expect("range").expect("there"), b"");
    let beyond = at.read_range("a/b.c_d-E", 99_990..100_010).expect_err("too short");
    assert!(matches!(beyond, RemoteError::Damaged { .. }), "{beyond:?}");
    assert!(at.swap("a/empty", None, b"").expect("create"));
    assert_eq!(at.read("a/empty").expect("read").expect("there").bytes, b"");
    at.remove("a/b.c_d-E").expect("remove");
    assert_eq!(at.read("a/b.c_d-E").expect("read"), None);
}

fn only_the_expected_state_is_replaced(at: &dyn Backend) {
    let version = || at.read("ref").expect("read").expect("there").version;
    assert!(at.swap("ref", None, b"one").expect("create"));
    assert!(!at.swap("ref", None, b"two").expect("it is there"));
    let one = version();
    assert!(at.swap("ref", Some(&one), b"two").expect("update"));
    assert!(!at.swap("ref", Some(&one), b"three").expect("it has moved on"));
    assert_eq!(at.read("ref").expect("read").expect("there").bytes, b"two");
    let two = version();
    at.remove("ref").expect("remove");
    assert!(!at.swap("ref", Some(&two), b"three").expect("it is gone"));
    assert_eq!(at.read("ref").expect("read"), None);
}

fn large_files(at: &dyn Backend) {
    let mut file = tempfile::tempfile().expect("a file");
    let block: Vec<u8> = (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for n in 0..20u8 {
        let mut block = block.clone();
        block[0] = n;
        file.write_all(&block).expect("write");
    }
    for len in [20 << 20, (16 << 20) + 1, 5, 0] {
        let told = AtomicU64::new(0);
        at.upload("segments/large", &file, len, &|n| {
            told.fetch_add(n, Ordering::Relaxed);
        })
        .expect("upload");
        assert_eq!(told.load(Ordering::Relaxed), len);
        assert_eq!(at.size("segments/large").expect("size"), Some(len));
        if len > 17 << 20 {
            let start = 17 << 20;
            let part = at.read_range("segments/large", start - 1..start + 2).expect("range").expect("there");
            assert_eq!(part, [block[block.len() - 1], 17, block[1]]);
        }
    }
}

fn lists(at: &dyn Backend) {
    for key in ["l/1", "l/sub/2", "l-not/3"] {
        assert!(at.swap(key, None, key.as_bytes()).expect("create"));
    }
    let keys = |prefix: &str| {
        let mut found = Vec::new();
        at.list(prefix, &mut |one| {
            assert!(one.modified_ms > 1_600_000_000_000, "{one:?}");
            found.push((one.key, one.len));
            true
        })
        .expect("list");
        found.sort();
        found
    };
    assert_eq!(keys("l"), [("l/1".to_owned(), 3), ("l/sub/2".to_owned(), 7)]);
    assert!(keys("").contains(&("l-not/3".to_owned(), 7)));
    let mut seen = 0;
    at.list("", &mut |_| {
        seen += 1;
        false
    })
    .expect("list");
    assert_eq!(seen, 1, "a list ends when it is told to");
}

fn one_creator_wins(open: &Open<'_>, racers: usize) {
    for round in 0..5 {
        let winners = AtomicUsize::new(0);
        let key = format!("race/{round}");
        std::thread::scope(|scope| {
            for me in 0..racers {
                let (winners, key) = (&winners, &key);
                scope.spawn(move || {
                    if open().swap(key, None, format!("{me}").as_bytes()).expect("create") {
                        winners.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(winners.load(Ordering::SeqCst), 1, "round {round}");
    }
}

fn no_update_is_lost(open: &Open<'_>, racers: usize) {
    let at = open();
    assert!(at.swap("counter", None, b"0 -").expect("create"));
    let rounds = 5;
    std::thread::scope(|scope| {
        for me in 0..racers {
            scope.spawn(move || {
                let at = open();
                for _ in 0..rounds {
                    loop {
                        let found = at.read("counter").expect("read").expect("there");
                        let text = String::from_utf8(found.bytes).expect("text");
                        let count: usize = text.split(' ').next().expect("a number").parse().expect("a number");
                        let next = format!("{} {me}", count + 1);
                        if at.swap("counter", Some(&found.version), next.as_bytes()).expect("swap") {
                            break;
                        }
                    }
                }
            });
        }
    });
    let text = String::from_utf8(at.read("counter").expect("read").expect("there").bytes).expect("text");
    assert_eq!(text.split(' ').next(), Some((racers * rounds).to_string().as_str()));
}

fn env_of(server: &Server) -> RemoteEnv {
    RemoteEnv::new(server.env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
}

fn on(server: &Server, racers: usize) {
    let url: RemoteUrl = server.url.parse().expect("a URL");
    let env = env_of(server);
    contract(&|| open_backend(&url, &env).expect("opens"), racers);
}

#[test]
fn a_directory_keeps_the_contract() {
    let dir = tempfile::tempdir().expect("a folder");
    let url: RemoteUrl = dir.path().join("remote").to_string_lossy().parse().expect("a path");
    contract(&|| open_backend(&url, &RemoteEnv::default()).expect("opens"), 8);
}

#[test]
fn memory_keeps_the_contract() {
    let url: RemoteUrl = "memory:contract".parse().expect("a URL");
    contract(&|| open_backend(&url, &RemoteEnv::default()).expect("opens"), 8);
}

#[test]
fn a_directory_is_not_made_in_nowhere() {
    let url: RemoteUrl = "/nowhere/at/all".parse().expect("a path");
    let at = open_backend(&url, &RemoteEnv::default()).expect("opens");
    assert_eq!(at.read("root").expect("absent"), None);
    assert!(matches!(at.swap("root", None, b"x"), Err(RemoteError::NoPlace { .. })));
}

/// What a plain `cargo test` leaves to `cli-tests/run`.
mod on_servers {
    use super::*;

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn moto_keeps_the_contract() {
        on(&servers::moto(), 8);
    }

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn seaweedfs_keeps_the_contract() {
        // Its contended creates wait for each other a second at a time.
        on(&servers::seaweedfs(), 2);
    }

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn azurite_keeps_the_contract() {
        on(&servers::azurite(), 8);
    }

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn failures_of_buckets_are_told_apart() {
        let server = servers::moto();
        let open = |url: &str, env: &RemoteEnv| open_backend(&url.parse().expect("a URL"), env);
        let env = env_of(&server);
        let other = format!("s3://other?endpoint=http://127.0.0.1:{}", server.port);
        let error = open(&other, &env).expect("opens").swap("root", None, b"x").expect_err("no such bucket");
        assert!(matches!(error, RemoteError::NoPlace { .. }), "{error:?}");
        let error = open(&other, &env).expect("opens").read("root").expect_err("no such bucket");
        assert!(matches!(error, RemoteError::NoPlace { .. }), "{error:?}");
        let error = open(&server.url, &RemoteEnv::default()).err().expect("nobody");
        assert!(matches!(error, RemoteError::NoCredentials { .. }), "{error:?}");
        let port = server.port;
        drop(server);
        let gone = Arc::new(std::time::Instant::now());
        let url = format!("s3://bkt?endpoint=http://127.0.0.1:{port}");
        let error = open(&url, &env).expect("opens").read("root").expect_err("nobody listens");
        assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
        assert!(gone.elapsed().as_secs() < 15, "within seconds");
    }
}
