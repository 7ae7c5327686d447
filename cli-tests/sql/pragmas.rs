//! `PRAGMA graft_…`: every one answers, in text and as JSON, and says the same as the commands do.

use serde_json::Value;

use super::shop;
use crate::database::{make, number, sql};
use crate::env::TestEnvironment;

/// Asks a pragma in its JSON form.
#[track_caller]
fn ask(env: &TestEnvironment, pragma: &str) -> Value {
    let (name, argument) = pragma.split_once('=').map_or((pragma, String::new()), |(n, a)| (n, format!(" = {a}")));
    let text = env.graft(["sql", "--db", "big.db", &format!("PRAGMA {name}_json{argument}")]).ok();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{pragma}: {e}: {text}"))
}

/// A database of several pages, added `writes` times after its first commit.
fn big(writes: u32) -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("big.db"), 1500, "DELETE");
    env.graft(["add", "big.db"]).ok();
    env.graft(["commit", "-qm", "One"]).ok();
    for n in 1..=writes {
        sql(&env.path("big.db"), &format!("UPDATE item SET n = {n} WHERE id IN ({n}, {})", n * 10));
        env.graft(["add", "big.db"]).ok();
    }
    env
}

#[test]
fn each_of_them_answers_in_both_forms() {
    let env = big(3);
    env.graft(["tag", "v1"]).ok();
    for pragma in [
        "graft_status",
        "graft_log",
        "graft_log = 'v1'",
        "graft_branches",
        "graft_tags",
        "graft_info",
        "graft_snapshot",
        "graft_version",
        "graft_help",
        "graft_debug_log_lsn",
        "graft_debug_show_lsn = 2",
        "graft_debug_diff_lsn = '1 3'",
        "graft_debug_volume_diff = '1,3'",
        "graft_debug_volume_diff = '1,3,rows'",
        "graft_debug_volume_list",
        "graft_debug_volume_info",
        "graft_debug_volume_status",
        "graft_debug_volume_snapshot",
        "graft_debug_volume_audit",
        "graft_debug_volume_table_log = 'item'",
        "graft_debug_dump_header",
        "graft_debug_page = 2",
    ] {
        let text = env.graft(["sql", "--db", "big.db", &format!("PRAGMA {pragma}")]).ok();
        assert!(!text.trim().is_empty(), "{pragma} says nothing");
        ask(&env, &pragma.replace(" = ", "="));
    }
    env.graft(["sql", "--db", "big.db", "PRAGMA graft_export = 'copy.db'"]).ok();
    assert_eq!(std::fs::read(env.path("copy.db")).expect("copy"), std::fs::read(env.path("big.db")).expect("file"));
}

#[test]
fn the_storage_log_agrees_with_the_database() {
    let env = big(4);
    let log = ask(&env, "graft_debug_log_lsn");
    let log = log.as_array().expect("a list");
    let lsns: Vec<_> = log.iter().map(|c| c["lsn"].as_u64().expect("a number")).collect();
    assert_eq!(lsns, [5, 4, 3, 2, 1]);
    let text = env.graft(["sql", "--db", "big.db", "PRAGMA graft_debug_log_lsn"]).ok();
    let fields: Vec<&str> = text.lines().next().expect("a header").split_whitespace().collect();
    assert_eq!(fields, ["log", "lsn", "pages", "changed", "checkpoint", "time", "segment", "hash"]);
    // The repository commit names what the log has.
    env.graft(["commit", "-qm", "Two"]).ok();
    let snapshot = ask(&env, "graft_snapshot");
    let named: Vec<_> = snapshot["commits"].as_array().expect("a list").iter().map(|c| c["hash"].clone()).collect();
    assert_eq!(named, log.iter().map(|c| c["hash"].clone()).collect::<Vec<_>>());
    // What a commit wrote is what differs from the one before.
    for lsn in 2..=5 {
        let shown = ask(&env, &format!("graft_debug_show_lsn={lsn}"));
        let differing = ask(&env, &format!("graft_debug_diff_lsn='{} {lsn}'", lsn - 1));
        assert_eq!(shown["page_set"], differing["page_set"], "LSN {lsn}");
        let rows = ask(&env, &format!("graft_debug_volume_diff='{},{lsn},rows'", lsn - 1));
        let keys: Vec<_> = rows["rows"].as_array().expect("rows").iter().map(|r| r["key"]["id"].as_u64()).collect();
        assert_eq!(keys, [Some(lsn - 1), Some((lsn - 1) * 10)], "LSN {lsn}");
    }
    let table = ask(&env, "graft_debug_volume_table_log='item'");
    assert_eq!(table.as_array().expect("a list").len(), 5);
    let audit = ask(&env, "graft_debug_volume_audit");
    let bytes = std::fs::read(env.path("big.db")).expect("bytes");
    assert_eq!(audit["pages"].as_u64(), Some(bytes.len() as u64 / 4096));
    assert_eq!(audit["checksum"].as_str().map(str::len), Some(64));
    let header = ask(&env, "graft_debug_dump_header");
    assert_eq!(header["page_count"].as_str().map(str::to_owned), Some((bytes.len() / 4096).to_string()));
    let owners: Vec<String> = (1..=bytes.len() / 4096)
        .flat_map(|n| {
            let page = ask(&env, &format!("graft_debug_page={n}"));
            let holds = page["holds"].as_array().expect("a list").clone();
            holds.into_iter().map(|h| h["owner"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
        })
        .take(8)
        .collect();
    assert!(owners.contains(&"item".to_owned()) && owners[0] == "sqlite_schema", "{owners:?}");
}

#[test]
fn a_tampered_storage_commit_is_named() {
    let env = big(2);
    // One bit of the time of a storage commit is changed where it is kept, and the index, which repeats it, is made anew.
    let log = ask(&env, "graft_debug_log_lsn");
    let segment = log[1]["segment"].as_str().expect("a segment").to_owned();
    let folder = segment[segment.len() - 2..].to_lowercase();
    let path = env.dot_graft().join("segments").join(folder).join(&segment);
    let mut bytes = std::fs::read(&path).expect("the segment");
    let at = bytes.windows(4).rposition(|w| w == b"time").expect("the record has a time") + 6;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    std::fs::remove_file(env.dot_graft().join("index-tail")).expect("the tail");
    for pragma in ["graft_debug_log_lsn", "graft_snapshot", "graft_debug_volume_audit"] {
        let tampered = env.graft(["sql", "--db", "big.db", &format!("PRAGMA {pragma}")]);
        let named = format!("storage commit {}:{}", log[1]["log"].as_str().expect("a log"), log[1]["lsn"]);
        assert!(tampered.expect(1).stderr().contains(&named), "{pragma}: {tampered}");
    }
}

#[test]
fn what_cannot_be_answered_is_an_error() {
    let env = shop();
    let fails = |pragma: &str, words: &[&str]| {
        let outcome = env.graft(["sql", &format!("PRAGMA {pragma}")]);
        assert_eq!(outcome.expect(1).stdout(), "", "{outcome}");
        for word in words {
            assert!(outcome.stderr().contains(word), "{word}: {outcome}");
        }
    };
    fails("graft_lgo", &["there is no pragma 'graft_lgo'", "^--- here", "did you mean 'graft_log'?"]);
    fails("graft_xyzzy", &["PRAGMA graft_help"]);
    fails("graft_debug_page = 999", &["there is no page '999'"]);
    fails("graft_debug_page = 'x'", &["there is no page 'x'"]);
    fails("graft_debug_page", &["needs the number of a page"]);
    fails("graft_debug_show_lsn = '99'", &["there is no storage commit"]);
    fails("graft_debug_show_lsn = 'a:b'", &["no storage commit: LOG:LSN"]);
    fails("graft_debug_diff_lsn = '1'", &["two storage commits are compared"]);
    fails("graft_debug_volume_diff = '1,2,3'", &["'3,5,rows'"]);
    fails("graft_debug_volume_table_log = 'nope'", &["no storage commit has a table 'nope'"]);
    fails("graft_switch = 'mian'", &["did you mean 'main'"]);
    fails("graft_export = 'shop.db'", &["exists already"]);
    // SQLite's own pragmas are SQLite's.
    assert_eq!(env.graft(["sql", "PRAGMA user_version; PRAGMA nonsense"]).ok(), "0\n");
    let outside = TestEnvironment::empty();
    sql(&outside.path("a.db"), "CREATE TABLE t (x)");
    let alone = outside.graft(["sql", "--db", "a.db", "PRAGMA graft_status"]);
    assert!(alone.expect(1).stderr().contains("needs a repository"), "{alone}");
}

#[test]
fn a_switch_is_seen_by_the_session() {
    let env = shop();
    env.graft(["branch", "old", "HEAD~1"]).ok();
    let out = env
        .graft(["sql", "SELECT count(*) FROM product; PRAGMA graft_switch = 'old'; SELECT count(*) FROM product"])
        .ok();
    assert!(out.starts_with("2\n") && out.ends_with("3\n") && out.contains("old"), "{out}");
    assert_eq!(number(&env.path("shop.db"), "SELECT count(*) FROM product"), 3);
    env.graft(["status"]).ok();
}
