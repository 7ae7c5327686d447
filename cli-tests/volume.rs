//! `graft volume`: pages in, pages out, one storage commit per write, and what is refused.

use std::io::Write;
use std::process::Stdio;

use crate::env::{Outcome, TestEnvironment};

/// Writes pages to a volume.
fn write(env: &TestEnvironment, args: &[&str], bytes: &[u8]) -> Outcome {
    let mut command = env.command([&["volume", "write-pages"], args].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("graft starts");
    // One that refuses does not read.
    child.stdin.take().expect("a pipe").write_all(bytes).ok();
    crate::env::wait(child, format!("graft volume write-pages {args:?}"))
}

/// Bytes that do not repeat.
fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut n = seed;
    std::iter::repeat_with(|| {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (n >> 24) as u8
    })
    .take(len)
    .collect()
}

fn page(env: &TestEnvironment, volume: &str, number: usize, at: Option<&str>) -> Vec<u8> {
    let number = number.to_string();
    let mut args = vec!["volume", "read-page", volume, &number];
    args.extend(at.iter().flat_map(|at| ["--at", at]));
    env.graft(args).expect(0).bytes().to_vec()
}

#[test]
fn what_is_written_is_read_at_every_lsn() {
    let env = TestEnvironment::init();
    let id = env.graft(["volume", "new", "--tag", "notes"]).ok().trim().to_owned();
    assert_eq!(env.graft(["volume", "info", "notes"]).ok().lines().next(), Some(format!("volume:  {id}").as_str()));
    let mut wanted = noise(5 * 4096 + 100, 1);
    write(&env, &["notes"], &wanted).ok();
    let mut states = vec![wanted.clone()];
    // In the middle, beyond the end, a part of a page, the same again, shorter.
    wanted[4096..2 * 4096].copy_from_slice(&noise(4096, 2));
    write(&env, &["notes", "--first", "2"], &wanted[4096..2 * 4096]).ok();
    states.push(wanted.clone());
    wanted.resize(8 * 4096, 0);
    wanted.extend(noise(4096, 3));
    write(&env, &[&id[..8], "--first", "9"], &wanted[8 * 4096..]).ok();
    states.push(wanted.clone());
    wanted[2 * 4096..2 * 4096 + 5].copy_from_slice(b"hello");
    write(&env, &["notes", "--first", "3"], b"hello").ok();
    states.push(wanted.clone());
    let same = write(&env, &["notes", "--first", "3"], &wanted[2 * 4096..3 * 4096]);
    assert!(same.expect(0).stderr().contains("Nothing differs"), "{same}");
    wanted.truncate(4096 + 7);
    write(&env, &["notes", "--truncate"], &wanted).ok();
    states.push(wanted.clone());
    let log = env.graft(["volume", "log", "notes", "--json"]).ndjson();
    assert_eq!(log.iter().map(|c| c["lsn"].as_u64()).collect::<Vec<_>>(), [5, 4, 3, 2, 1].map(Some));
    assert_eq!(log[2]["changed"], 1);
    for (lsn, state) in (1..).zip(&states) {
        let lsn = lsn.to_string();
        let mut read = Vec::new();
        for number in 1..=state.len().div_ceil(4096) {
            read.extend(page(&env, "notes", number, Some(&lsn)));
        }
        read.truncate(state.len());
        assert!(read == *state, "LSN {lsn}");
        let hash = env.graft(["volume", "checksum", "notes", "--at", &lsn]).ok();
        assert_eq!(hash.trim(), blake3::hash(state).to_hex().as_str(), "LSN {lsn}");
    }
    env.graft(["volume", "read-page", "notes", "3"]).fails(&["there is no page 3: the volume has 2"]);
    assert_eq!(env.graft(["volume", "snapshot", "notes", "--json"]).json()["bytes"].as_u64(), Some(4096 + 7));
    // The index is only an index.
    std::fs::remove_dir_all(env.dot_graft().join("store")).ok();
    std::fs::remove_file(env.dot_graft().join("index-tail")).expect("the tail");
    assert_eq!(env.graft(["volume", "checksum", "notes"]).ok().trim(), blake3::hash(&wanted).to_hex().as_str());
}

#[test]
fn forks_go_their_own_way() {
    let env = TestEnvironment::init();
    env.graft(["volume", "new", "--tag", "a"]).ok();
    write(&env, &["a"], &noise(40 * 4096, 7)).ok();
    write(&env, &["a", "--first", "3"], &noise(4096, 8)).ok();
    let before = env.graft(["volume", "checksum", "a", "--at", "1"]).ok();
    env.graft(["volume", "fork", "a", "--at", "1", "--tag", "b"]).ok();
    assert_eq!(env.graft(["volume", "checksum", "b"]).ok(), before);
    for n in 0..5 {
        write(&env, &["b", "--first", "10"], &noise(4096, 20 + n)).ok();
        write(&env, &["a", "--first", "10"], &noise(4096, 40 + n)).ok();
    }
    assert_eq!(page(&env, "b", 10, None), noise(4096, 24));
    assert_eq!(page(&env, "a", 10, None), noise(4096, 44));
    assert_eq!(page(&env, "b", 3, None), noise(40 * 4096, 7)[2 * 4096..3 * 4096]);
    let log = env.graft(["volume", "log", "b", "--json"]).ndjson();
    assert_eq!(log.len(), 6, "its own five and the one it began with");
    assert_eq!(env.graft(["volume", "tags"]).ok().lines().count(), 2);
    env.graft(["volume", "rm", "b"]).ok();
    env.graft(["volume", "info", "b"]).refused(&["there is no volume 'b'"]);
    assert_eq!(env.graft(["volume", "tags"]).ok().lines().count(), 1);
}

#[test]
fn damage_is_found_and_named() {
    let env = TestEnvironment::init();
    env.graft(["volume", "new", "--tag", "a"]).ok();
    write(&env, &["a"], &noise(40 * 4096, 7)).ok();
    let before = env.graft(["fsck", "--json"]).json();
    assert_eq!(before["checked"]["page_bytes"].as_u64(), Some(40 * 4096), "{before}");
    let segment =
        env.graft(["volume", "log", "a", "--json"]).ndjson()[0]["segment"].as_str().expect("a segment").to_owned();
    let file = env.dot_graft().join("segments").join(segment[segment.len() - 2..].to_lowercase()).join(segment);
    let mut bytes = std::fs::read(&file).expect("the segment");
    bytes[5000..5016].fill(0xa5);
    std::fs::write(&file, bytes).expect("written");
    let found = env.graft(["fsck"]);
    assert!(found.expect(1).stdout().contains("volume "), "{found}");
    env.graft(["volume", "checksum", "a"]).fails(&["damaged"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let env = TestEnvironment::init();
    crate::database::make(&env.path("app.db"), 100, "DELETE");
    env.graft(["add", "app.db"]).ok();
    let file = std::fs::read(env.path("app.db")).expect("bytes");
    assert_eq!(env.graft(["volume", "checksum", "app.db"]).ok().trim(), blake3::hash(&file).to_hex().as_str());
    let refused = write(&env, &["app.db"], b"x");
    assert!(refused.expect(128).stderr().contains("is the file 'app.db'"), "{refused}");
    env.graft(["volume", "rm", "app.db"]).refused(&["is the file 'app.db'"]);
    env.graft(["volume", "info", "nope"]).refused(&["there is no volume 'nope'"]);
    for name in ["a b", "../x", "-x", ".x", "", "ä"] {
        let made = env.graft(["volume", "new", &format!("--tag={name}")]);
        assert!(made.code() != 0, "{name:?}: {made}");
    }
    assert_eq!(env.graft(["volume", "list"]).ok().lines().count(), 1, "nothing that failed was kept");
    env.graft(["volume", "new", "-t", "x"]).ok();
    env.graft(["volume", "new", "-t", "x"]).refused(&["the tag 'x' names another volume"]);
    env.graft(["volume", "read-page", "x", "0"]).wrong_usage(&["pages count from 1"]);
    env.graft(["volume", "checksum", "x", "--at", "1"]).wrong_usage(&["'1' is no LSN"]);
    let far = write(&env, &["x", "--first", "4294967295"], &[1; 3 * 4096]);
    assert!(far.code() != 0, "{far}");
    let state = env.dot_graft().join("volumes");
    for entry in
        std::fs::read_dir(&state).expect("a folder").map(|e| e.expect("an entry").path()).filter(|p| p.is_file())
    {
        std::fs::write(entry, [0; 50]).expect("written");
    }
    env.graft(["volume", "info", "x"]).fails(&["damaged"]);
}
