//! Databases of a lazy clone that are not in the worktree: read, written, committed, switched and pushed all the same.

use super::Place;
use super::lazy::{large, missing};
use crate::database::sql;

const SUM: &str = "SELECT count(*), sum(length(b)), min(i) FROM noise";

impl Place {
    /// Runs SQL on the large database of a repository.
    #[track_caller]
    fn query(&self, name: &str, query: &str) -> String {
        self.run(name, &["sql", "--db", "big.db", query])
    }

    #[track_caller]
    fn lazily(&self, name: &str) {
        self.env.graft_in(&self.env.outside(), ["clone", "--lazy", &self.url, name]).ok();
    }

    #[track_caller]
    fn short(&self, name: &str) -> String {
        self.run(name, &["status", "--porcelain"])
    }

    #[track_caller]
    fn assert_nowhere(&self, name: &str) {
        assert!(!self.dir(name).join("big.db").exists(), "no file came to be");
        assert!(missing(self, name) > 9 << 20, "little was fetched");
    }
}

#[test]
fn what_never_arrived_is_not_deleted() {
    let place = large();
    place.lazily("two");
    assert_eq!(place.short("two"), "");
    place.env.graft_in(&place.dir("two"), ["commit", "-am", "nothing"]).expect(1);
    place.run("two", &["add", "-A"]);
    assert_eq!(place.short("two"), "");
    assert_eq!(place.run("two", &["diff", "--stat"]), "");
    let status = place.env.graft_in(&place.dir("two"), ["status", "--json"]).json();
    assert_eq!(status["unmaterialized"], serde_json::json!(["app.db", "big.db"]));
    let listed = place.env.graft_in(&place.dir("two"), ["ls-files", "--json"]).ndjson();
    assert!(listed.iter().all(|file| file["materialized"] == false), "{listed:?}");
    place.run("two", &["restore", "app.db"]);
    let listed = place.env.graft_in(&place.dir("two"), ["ls-files", "--json"]).ndjson();
    assert_eq!((&listed[0]["materialized"], &listed[1]["materialized"]), (&true.into(), &false.into()));
    // From now on it is a file like any other.
    std::fs::remove_file(place.dir("two").join("app.db")).expect("remove");
    assert_eq!(place.short("two"), " D app.db\n");
    // Without its index a lazy clone still is one.
    place.run("two", &["restore", "app.db"]);
    std::fs::remove_file(place.dir("two").join(".graft/index")).expect("remove");
    place.query("two", "DELETE FROM noise WHERE i = 1");
    assert_eq!(place.short("two"), " M big.db\n");
    // And so does one that has lost its remote.
    place.run("two", &["remote", "remove", "origin"]);
    assert_eq!(place.short("two"), " M big.db\n");
    // A file that an application makes there counts.
    std::fs::write(place.dir("two").join("big.db"), "mine").expect("write");
    let short = place.env.graft_in(&place.dir("two"), ["status", "--porcelain"]).ok();
    assert_eq!(short, " T big.db\n");
}

#[test]
fn it_is_written_committed_and_pushed_without_being_here() {
    let place = large();
    place.lazily("two");
    place.query("two", "UPDATE noise SET b = x'0102' WHERE i = 1234; DELETE FROM noise WHERE i = 1");
    assert_eq!(place.short("two"), " M big.db\n");
    let stat = place.run("two", &["diff", "--stat"]);
    assert!(stat.contains("+0 -1 ~1"), "{stat}");
    place.run("two", &["add", "big.db"]);
    assert_eq!(place.short("two"), "M  big.db\n");
    place.run("two", &["commit", "-qm", "from afar"]);
    place.assert_sound("two");
    let pushed = place.env.graft_in(&place.dir("two"), ["push", "--json"]).json();
    let sent = pushed["traffic"]["sent"].as_u64().expect("bytes");
    assert!(sent < 64 << 10, "{sent} bytes sent for some pages: {pushed}");
    // More transactions than a snapshot lists storage commits.
    let many: String = (2..80).map(|i| format!("UPDATE noise SET b = x'{i:02x}' WHERE i = {i};")).collect();
    place.query("two", &many);
    place.run("two", &["commit", "-qam", "many"]);
    place.run("two", &["push"]);
    place.assert_nowhere("two");
    place.run("one", &["pull"]);
    for name in ["one", "two"] {
        assert_eq!(place.query(name, SUM), format!("3999|{}|2\n", 3000 * 3920 + 80), "{name}");
        place.assert_sound(name);
    }
    place.run("one", &["fsck", "--remote"]);
    place.clone("three");
    place.assert_sound("three");
    assert_eq!(place.query("three", SUM), place.query("one", SUM));
}

#[test]
fn it_moves_with_branches_and_unsaved_work_stays() {
    let place = large();
    place.lazily("two");
    let count = |name: &str| place.query(name, "SELECT max(i) FROM noise").trim().to_owned();
    place.run("two", &["switch", "-c", "side"]);
    place.query("two", "INSERT INTO noise VALUES(5000, x'00')");
    place.run("two", &["commit", "-qam", "side"]);
    place.run("two", &["switch", "main"]);
    assert_eq!(count("two"), "4000");
    place.run("two", &["merge", "--ff-only", "side"]);
    assert_eq!(count("two"), "5000");
    place.run("two", &["reset", "--hard", "HEAD~1"]);
    assert_eq!(count("two"), "4000");
    assert_eq!(place.short("two"), "");
    // Unsaved work is carried over, and where it cannot be, in the way.
    place.query("two", "INSERT INTO noise VALUES(6000, x'00')");
    place.run("two", &["switch", "-c", "third"]);
    assert_eq!((count("two").as_str(), place.short("two").as_str()), ("6000", " M big.db\n"));
    for args in [&["switch", "side"][..], &["merge", "--ff-only", "side"], &["rm", "big.db"], &["restore", "big.db"]] {
        place.env.graft_in(&place.dir("two"), args).refused(&["big.db"]);
    }
    // The index alone.
    place.run("two", &["add", "big.db"]);
    place.query("two", "INSERT INTO noise VALUES(7000, x'00')");
    assert_eq!(place.short("two"), "MM big.db\n");
    place.run("two", &["restore", "--staged", "big.db"]);
    assert_eq!((count("two").as_str(), place.short("two").as_str()), ("7000", " M big.db\n"));
    place.run("two", &["commit", "-qam", "seven"]);
    place.run("two", &["reset", "HEAD~1"]);
    assert_eq!((count("two").as_str(), place.short("two").as_str()), ("7000", " M big.db\n"));
    place.run("two", &["reset", "--", "big.db"]);
    assert_eq!(count("two"), "7000");
    // Aside and back.
    place.run("two", &["stash"]);
    assert_eq!((count("two").as_str(), place.short("two").as_str()), ("4000", ""));
    place.run("two", &["stash", "pop"]);
    assert_eq!((count("two").as_str(), place.short("two").as_str()), ("7000", " M big.db\n"));
    // By force, and taken back.
    place.run("two", &["switch", "-f", "side"]);
    assert_eq!((count("two").as_str(), place.short("two").as_str()), ("5000", ""));
    place.run("two", &["undo"]);
    assert_eq!((count("two").as_str(), place.short("two").as_str()), ("7000", " M big.db\n"));
    place.run("two", &["commit", "-qam", "again"]);
    // Another name, and gone.
    place.run("two", &["mv", "big.db", "large.db"]);
    assert_eq!(place.short("two"), "R  big.db -> large.db\n");
    place.run("two", &["sql", "--db", "large.db", "DELETE FROM noise WHERE i = 7000"]);
    assert_eq!(place.short("two"), "RM big.db -> large.db\n");
    place.run("two", &["commit", "-qam", "renamed"]);
    place.run("two", &["rm", "large.db"]);
    assert_eq!(place.short("two"), "D  large.db\n");
    place.run("two", &["undo"]);
    place.run("two", &["mv", "large.db", "big.db"]);
    assert_eq!(count("two"), "6000");
    place.assert_nowhere("two");
    place.run("two", &["fsck"]);
}

#[test]
fn a_new_branch_brings_no_file_into_a_lazy_clone() {
    let place = large();
    place.run("one", &["switch", "-c", "more"]);
    std::fs::copy(place.dir("one").join("app.db"), place.dir("one").join("other.db")).expect("copy");
    std::fs::write(place.dir("one").join("text"), "text").expect("write");
    place.run("one", &["add", "."]);
    place.run("one", &["commit", "-qm", "more"]);
    place.run("one", &["push", "-u", "origin", "more"]);
    place.lazily("two");
    place.run("two", &["switch", "more"]);
    assert!(!place.dir("two").join("other.db").exists() && !place.dir("two").join("text").exists());
    assert_eq!(place.short("two"), "");
    place.run("two", &["sql", "--db", "other.db", "UPDATE item SET n = 3 WHERE id = 3"]);
    place.env.graft_in(&place.dir("two"), ["switch", "main"]).refused(&["other.db"]);
    place.run("two", &["commit", "-qam", "other"]);
    place.run("two", &["switch", "main"]);
    assert_eq!(place.run("two", &["ls-files"]), "app.db\nbig.db\n");
    place.run("two", &["switch", "-"]);
    let n = place.run("two", &["sql", "--db", "other.db", "SELECT n FROM item WHERE id = 3"]);
    assert_eq!((n.as_str(), place.short("two").as_str()), ("3\n", ""));
    place.run("two", &["push"]);
    place.run("one", &["pull"]);
    place.assert_sound("one");
}

#[test]
fn offline_it_says_what_is_missing_and_loses_nothing() {
    let place = large();
    place.lazily("two");
    place.query("two", "DELETE FROM noise WHERE i = 17");
    let away = place.dir("away");
    std::fs::rename(place.dir("hub"), &away).expect("move");
    std::fs::write(place.dir("two").join("changes.sql"), "-- graft changes").expect("write");
    let failed = place.env.graft_in(&place.dir("two"), ["apply", "changes.sql", "big.db"]);
    assert!(failed.stderr().contains("graft materialize big.db"), "{failed}");
    std::fs::remove_file(place.dir("two").join("changes.sql")).expect("remove");
    let failed = place.env.graft_in(&place.dir("two"), ["sql", "--db", "big.db", "DELETE FROM noise"]);
    failed.expect(1);
    let text = failed.stderr();
    assert!(text.contains("left on a remote") && text.contains(&place.url) && text.contains("graft hydrate"), "{text}");
    // What is here can be read and committed.
    assert_eq!(place.query("two", "SELECT count(*) FROM noise WHERE i = 17"), "0\n");
    place.run("two", &["commit", "-qam", "offline"]);
    assert_eq!(place.short("two"), "");
    std::fs::rename(&away, place.dir("hub")).expect("move back");
    place.run("two", &["push"]);
    place.run("one", &["pull"]);
    assert_eq!(place.query("one", SUM), place.query("two", SUM));
    place.assert_sound("one");
}

#[test]
fn it_becomes_a_file_when_asked() {
    let place = large();
    place.lazily("two");
    place.query("two", "DELETE FROM noise WHERE i < 11");
    place.run("two", &["commit", "-qam", "fewer"]);
    place.query("two", "DELETE FROM noise WHERE i = 11");
    assert_eq!(place.run("two", &["hydrate", "-n", "--json", "--", "app.db"]).matches("\"segments\":0").count(), 1);
    let only = place.env.graft_in(&place.dir("two"), ["hydrate", "-n", "--json", "HEAD~1", "--", "big.db"]).json();
    assert_eq!(only["segments"], 1);
    let before = missing(&place, "two");
    let audit = || place.env.graft_in(&place.dir("two"), ["volume", "audit", "big.db", "--json"]).json();
    let (part, number) = (audit(), |value: &serde_json::Value| value.as_u64().expect("a number"));
    assert!(part["checksum"].is_null() && number(&part["pages"]) > 4000, "{part}");
    assert!((20..400).contains(&number(&part["cached"])), "{part}");
    assert_eq!(missing(&place, "two"), before, "nothing was fetched to find out");
    place.env.graft_in(&place.dir("two"), ["materialize", "none.db"]).refused(&["none.db", "did not match"]);
    place.run("two", &["materialize", "big.db"]);
    assert_eq!(missing(&place, "two"), 0, "what it needs was brought");
    assert_eq!(place.short("two"), " M big.db\n", "with its unsaved change");
    assert!(!place.dir("two").join("app.db").exists());
    assert_eq!(place.query("two", "SELECT min(i) FROM noise"), "12\n");
    sql(&place.dir("two").join("big.db"), "DELETE FROM noise WHERE i = 12");
    assert_eq!(place.query("two", "SELECT min(i) FROM noise"), "13\n", "SQL is on the file");
    place.run("two", &["materialize"]);
    place.run("two", &["commit", "-qam", "as a file"]);
    let whole = audit();
    assert_eq!((&whole["cached"], whole["checksum"].is_string()), (&whole["pages"], true), "{whole}");
    place.assert_sound("two");
    assert!(place.run("two", &["volume", "list"]).lines().count() == 2, "no head is left over");
    place.run("two", &["push"]);
    place.run("one", &["pull"]);
    assert_eq!(place.query("one", SUM), place.query("two", SUM));
    place.assert_equal("one", "two");
    // A file by now, it is one on other branches, too.
    place.run("two", &["switch", "-q", "--detach", "HEAD~2"]);
    assert_eq!(place.query("two", "SELECT min(i) FROM noise"), "1\n");
    assert!(place.dir("two").join("big.db").exists());
}

#[test]
fn a_file_that_comes_to_be_sets_unsaved_work_aside() {
    let place = large();
    place.lazily("two");
    place.query("two", "DELETE FROM noise WHERE i = 1");
    std::fs::copy(place.dir("one").join("big.db"), place.dir("two").join("big.db")).expect("copy");
    assert_eq!(place.short("two"), "", "the file counts, and is as staged");
    place.run("two", &["switch", "-c", "side"]);
    place.run("two", &["rm", "big.db"]);
    place.run("two", &["commit", "-qm", "without"]);
    let saved = std::fs::read_to_string(place.dir("two").join(".graft/logs/saved")).expect("noted");
    let id = saved.split(' ').nth(1).expect("an id");
    place.run("two", &["export", id, "-o", "saved.db"]);
    let rows = sql_value(&place.dir("two").join("saved.db"), "SELECT count(*) FROM noise");
    assert_eq!(rows, 3999, "what the volume held is kept");
    // And does not come back by itself.
    place.run("two", &["switch", "main"]);
    assert_eq!(place.query("two", "SELECT count(*) FROM noise"), "4000\n");
}

fn sql_value(path: &std::path::Path, query: &str) -> i64 {
    let connection = rusqlite::Connection::open(path).expect("opens");
    connection.query_row(query, [], |row| row.get(0)).expect("one value")
}

#[test]
fn two_paths_of_one_volume_are_two_files() {
    let place = Place::new();
    place.run("one", &["branch", "side"]);
    place.run("one", &["mv", "app.db", "z.db"]);
    place.run("one", &["commit", "-qm", "moved"]);
    place.run("one", &["restore", "--staged", "--worktree", "--source", "side", "app.db"]);
    place.run("one", &["commit", "-qm", "both"]);
    place.run("one", &["push", "--all"]);
    place.lazily("two");
    let n = |file: &str| place.run("two", &["sql", "--db", file, "SELECT n FROM item WHERE id = 7"]).trim().to_owned();
    let old = n("app.db");
    place.run("two", &["sql", "--db", "z.db", "UPDATE item SET n = 1001 WHERE id = 7"]);
    assert_eq!((n("app.db"), n("z.db"), place.short("two")), (old.clone(), "1001".to_owned(), " M z.db\n".to_owned()));
    place.run("two", &["commit", "-qam", "one of them"]);
    assert_eq!(place.run("two", &["diff", "--name-only", "HEAD~1", "HEAD"]), "z.db\n");
    place.run("two", &["sql", "--db", "app.db", "UPDATE item SET n = 1002 WHERE id = 7"]);
    place.run("two", &["stash"]);
    assert_eq!((n("app.db"), n("z.db"), place.short("two")), (old.clone(), "1001".to_owned(), String::new()));
    place.run("two", &["stash", "pop"]);
    assert_eq!(
        (n("app.db"), n("z.db"), place.short("two")),
        ("1002".to_owned(), "1001".to_owned(), " M app.db\n".to_owned())
    );
    place.run("two", &["commit", "-qam", "the other"]);
    place.run("two", &["switch", "--detach", "HEAD~1"]);
    assert_eq!((n("app.db"), n("z.db"), place.short("two")), (old, "1001".to_owned(), String::new()));
    place.run("two", &["reset", "--hard", "main"]);
    place.run("two", &["switch", "side"]);
    assert_eq!((place.run("two", &["ls-files"]), place.short("two")), ("app.db\n".to_owned(), String::new()));
    place.run("two", &["switch", "main"]);
    assert_eq!((n("app.db"), n("z.db"), place.short("two")), ("1002".to_owned(), "1001".to_owned(), String::new()));
    place.run("two", &["fsck"]);
}

#[test]
fn a_database_in_wal_mode_stays_in_it() {
    let place = Place::new();
    sql(&place.dir("one").join("app.db"), "PRAGMA journal_mode = WAL; UPDATE item SET n = 1000 WHERE id = 7");
    place.run("one", &["commit", "-qam", "wal"]);
    place.run("one", &["push"]);
    place.lazily("two");
    let query = |sql: &str| place.run("two", &["sql", "--db", "app.db", sql]);
    assert_eq!(query("SELECT n FROM item WHERE id = 7"), "1000\n");
    query("UPDATE item SET n = 1001 WHERE id = 7");
    query("UPDATE item SET n = 1002 WHERE id = 8");
    assert_eq!(query("SELECT sum(n) FROM item WHERE id IN (7, 8); PRAGMA integrity_check"), "2003\nok\n");
    place.run("two", &["commit", "-qam", "from afar"]);
    place.run("two", &["push"]);
    place.run("two", &["export", "HEAD:app.db", "-o", "x.db"]);
    assert_eq!(std::fs::read(place.dir("two").join("x.db")).expect("read")[18..20], [2, 2]);
    place.run("one", &["pull"]);
    place.assert_sound("one");
    let n = sql_value(&place.dir("one").join("app.db"), "SELECT sum(n) FROM item WHERE id IN (7, 8)");
    assert_eq!(n, 2003);
}
