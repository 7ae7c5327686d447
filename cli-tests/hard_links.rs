//! Databases with several names (hard links): the working files lie under the name that a program opened.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::app::App;
use crate::database::{make, number, sql};
use crate::env::TestEnvironment;

/// A database in two commits, and another name of its file.
fn linked(journal: &str, name: &str) -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 1000, journal);
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    sql(&env.path("app.db"), "UPDATE item SET n = 1");
    env.graft(["commit", "-am", "two"]).ok();
    fs::write(env.path(".graftignore"), "*\n").expect("a file");
    fs::create_dir(env.path("other")).expect("a folder");
    fs::hard_link(env.path("app.db"), env.path(name)).expect("a link");
    env
}

#[test]
fn another_name_is_told() {
    let env = linked("DELETE", "other/name.db");
    for args in [&["status"][..], &["add", "app.db"], &["commit", "--allow-empty", "-am", "x"]] {
        let outcome = env.graft(args);
        let text = outcome.expect(0).stderr();
        assert!(text.contains("'app.db' is a file with 2 names") && text.contains("cp -p app.db"), "{outcome}");
    }
    let answer = env.graft(["status", "--json"]).json();
    assert!(answer["warnings"][0].as_str().is_some_and(|w| w.contains("hard links")), "{answer}");
    // The advice.
    fs::copy(env.path("app.db"), env.path("app.db.own")).expect("a copy");
    fs::rename(env.path("app.db.own"), env.path("app.db")).expect("renamed");
    assert_eq!(env.graft(["status"]).expect(0).stderr(), "");
    // Files that no program uses as a database may have as many names as they like.
    fs::write(env.path("text"), "text").expect("a file");
    fs::hard_link(env.path("text"), env.path("other/text")).expect("a link");
    assert_eq!(env.graft(["add", "-f", "text"]).expect(0).stderr(), "");
}

#[test]
fn rows_under_another_name_are_not_missed() {
    for (journal, sidecar) in [("WAL", "live.db-wal"), ("DELETE", "live.db-journal")] {
        let env = linked(journal, "live.db");
        let mut app = Some(App::open(&env.path("live.db")));
        let live = app.as_mut().expect("it runs");
        live.sql("PRAGMA wal_autocheckpoint = 0");
        if journal == "DELETE" {
            // Pages that change are written into the file before the end of the transaction, and that does not come.
            live.sql("PRAGMA cache_size = 1");
            live.sql("BEGIN");
        }
        live.sql("UPDATE item SET n = 2, body = hex(body)");
        if journal == "DELETE" {
            app.take().expect("it runs").kill();
        }
        let script = env.graft(["diff", "--sql", "HEAD~1", "HEAD"]).ok();
        fs::write(env.path("script.sql"), script).expect("a file");
        let before = fs::read(env.path("app.db")).expect("read");
        let said = env.graft(["status"]).expect(0).stderr();
        assert!(said.contains("'app.db' is also 'live.db'") && said.contains(sidecar), "{said}");
        let moves: [&[&str]; 10] = [
            &["sql", "--db", "app.db", "SELECT count(*) FROM item"],
            &["apply", "script.sql", "app.db"],
            &["add", "app.db"],
            &["add", "-A"],
            &["commit", "-am", "three"],
            &["stash"],
            &["checkout", "-f", "HEAD~1", "--", "app.db"],
            &["switch", "-f", "--detach", "HEAD~1"],
            &["reset", "--hard", "HEAD~1"],
            &["rm", "-f", "app.db"],
        ];
        for args in moves {
            env.graft(args).refused(&["'app.db' is also 'live.db'", sidecar]);
            assert!(fs::read(env.path("app.db")).expect("read") == before, "{journal}: {args:?} wrote");
        }
        drop(app);
        // Whoever comes by the other name finds what is there.
        let (sum, change) = if journal == "WAL" { (2000, " M app.db\n") } else { (1000, "") };
        assert_eq!(number(&env.path("live.db"), "SELECT sum(n) FROM item"), sum);
        assert_eq!(number(&env.path("app.db"), "SELECT sum(n) FROM item"), sum);
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), change);
        env.graft(["commit", "--allow-empty", "-am", "three"]).ok();
    }
}

#[test]
fn writing_in_place_keeps_the_link_and_replacing_says_that_it_ends() {
    let env = linked("DELETE", "live.db");
    let links = |name: &str| fs::metadata(env.path(name)).expect("a file").nlink();
    env.graft(["checkout", "HEAD~1", "--", "app.db"]).ok();
    assert_eq!((links("app.db"), number(&env.path("live.db"), "SELECT sum(n) FROM item")), (2, 0));
    env.graft(["checkout", "HEAD", "--", "app.db"]).ok();
    sql(&env.path("app.db"), "PRAGMA page_size = 8192; VACUUM");
    env.graft(["commit", "-am", "other pages"]).ok();
    let outcome = env.graft(["checkout", "HEAD~1", "--", "app.db"]);
    assert!(outcome.expect(0).stderr().contains("app.db' is a file of its own now"), "{outcome}");
    assert_eq!((links("app.db"), links("live.db")), (1, 1));
    assert_eq!(number(&env.path("live.db"), "PRAGMA page_size"), 8192);
}
