//! What is wrong with a remote is said in words that help, within seconds, and nothing is changed here.

use std::time::Instant;

use super::{Place, files};
use crate::env::TestEnvironment;
use crate::servers;

#[test]
fn places_that_are_no_remotes() {
    let env = TestEnvironment::init();
    let outside = env.outside();
    env.graft(["clone", "/nowhere/x", "a"]).refused(&["/nowhere/x", "does not exist"]);
    let full = outside.join("full");
    std::fs::create_dir(&full).expect("a folder");
    std::fs::write(full.join("holiday.jpg"), "jpg").expect("a file");
    let full = full.to_str().expect("UTF-8");
    env.graft(["clone", full, "b"]).refused(&["not a Graft remote", "holiday.jpg"]);
    env.graft(["remote", "add", "origin", full]).ok();
    std::fs::write(env.path("x.bin"), "x").expect("a file");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "x"]).ok();
    env.graft(["push", "origin", "main"]).refused(&["not a Graft remote"]);
    env.graft(["clone", "s3://bucket/x", "c"]).refused(&["no credentials", "AWS_ACCESS_KEY_ID"]);
    env.graft(["clone", "gs://bucket/x", "c"]).refused(&["no credentials", "GOOGLE_APPLICATION_CREDENTIALS"]);
    env.graft(["clone", "az://bucket/x?account=y", "c"]).refused(&["no credentials", "AZURE_STORAGE_ACCOUNT_KEY"]);
    for name in ["a", "b", "c"] {
        assert!(!env.path(name).exists(), "{name}");
    }
    let empty = outside.join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    let cloned = env.graft(["clone", empty.to_str().expect("UTF-8"), "d"]);
    cloned.ok();
    assert!(cloned.stderr().contains("no commits yet"), "{cloned}");
}

#[test]
fn damage_is_named_and_does_not_spread() {
    let place = Place::new();
    place.clone("two");
    place.change("one", 3);
    place.run("one", &["push"]);
    let state = |name: &str| (place.run(name, &["for-each-ref"]), place.run(name, &["log", "--oneline"]));
    let before = state("two");
    for file in files(&place.dir("hub")) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        if name == "lock" {
            continue;
        }
        let whole = std::fs::read(&file).expect("read");
        for damage in ["flip", "cut", "gone"] {
            match damage {
                "flip" => {
                    let mut bytes = whole.clone();
                    bytes[whole.len() / 2] ^= 1;
                    std::fs::write(&file, bytes).expect("write");
                }
                "cut" => std::fs::write(&file, &whole[..whole.len() - 5]).expect("write"),
                _ => std::fs::remove_file(&file).expect("remove"),
            }
            // An older bundle is not needed for what is new; a lost root looks like an empty remote to a fetch.
            let fetched = place.env.graft_in(&place.dir("two"), ["fetch", "-n"]);
            let cloned = place.env.graft_in(&place.env.outside(), ["clone", &place.url, "three"]);
            if name != "root" || damage != "gone" {
                assert_eq!(cloned.code(), 128, "{name} {damage}: {cloned}");
                assert!(cloned.stderr().contains(&name), "{name} {damage}: {cloned}");
                assert!(!place.dir("three").exists(), "half a clone is left");
            } else {
                std::fs::remove_dir_all(place.dir("three")).expect("an empty clone");
            }
            drop(fetched);
            let _ = place.env.graft_in(&place.dir("two"), ["fetch"]);
            let after = state("two");
            assert!(after == before || after.0.contains(&place.head("one")), "{name} {damage}");
            place.run("two", &["fsck"]);
            std::fs::write(&file, &whole).expect("write back");
        }
    }
    place.run("two", &["pull"]);
    place.assert_equal("one", "two");
}

#[test]
fn newer_remotes_are_refused() {
    let place = Place::new();
    let root = place.dir("hub").join("root");
    let bytes = std::fs::read(&root).expect("read");
    let newer = [b"graft remote 2 ", &bytes[b"graft remote 1 ".len()..]].concat();
    std::fs::write(&root, newer).expect("write");
    place.env.graft_in(&place.dir("one"), ["fetch"]).refused(&["version 2", "newer graft"]);
    place.change("one", 1);
    place.env.graft_in(&place.dir("one"), ["push"]).refused(&["version 2", "newer graft"]);
}

#[test]
fn a_vanished_remote_is_replaced_from_a_clone() {
    let place = Place::new();
    place.run("one", &["tag", "v1"]);
    place.run("one", &["push", "--tags"]);
    place.clone("two");
    std::fs::remove_dir_all(place.dir("hub")).expect("remove");
    place.env.graft_in(&place.dir("two"), ["fetch"]).refused(&["does not exist", "set-url"]);
    place.run("two", &["remote", "set-url", "origin", "../hub2"]);
    place.run("two", &["push", "--all", "--tags"]);
    let url = place.dir("hub2").to_str().expect("UTF-8").to_owned();
    place.env.graft_in(&place.env.outside(), ["clone", &url, "three"]).ok();
    place.assert_sound("three");
    place.assert_equal("one", "three");
    // Whoever had the old one goes on with the new one, and brings nothing that is here already.
    place.run("one", &["remote", "set-url", "origin", "../hub2"]);
    let fetched = place.env.graft_in(&place.dir("one"), ["fetch", "--json"]).json();
    assert_eq!(fetched["bundles"], 0, "{fetched}");
}

/// What a plain `cargo test` leaves to `cli-tests/run`.
mod on_servers {
    use super::*;

    #[test]
    #[ignore = "needs servers: cli-tests/run"]
    fn buckets_say_what_is_wrong() {
        let server = servers::moto();
        let mut env = TestEnvironment::init();
        let place = format!("endpoint=http://127.0.0.1:{}", server.port);
        env.graft(["clone", &server.url, "x"]).refused(&["no credentials"]);
        for (name, value) in &server.env {
            env.set(name, value.clone());
        }
        env.graft(["clone", &format!("s3://other?{place}"), "x"]).refused(&["s3://other", "does not exist"]);
        drop(server);
        let started = Instant::now();
        env.graft(["clone", &format!("s3://bkt?{place}"), "x"]).refused(&["cannot reach", "endpoint"]);
        assert!(started.elapsed().as_secs() < 20, "within seconds");
        assert!(!env.path("x").exists());
    }
}
