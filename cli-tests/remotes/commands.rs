//! `remote`, `push`, `fetch`, `pull`, `clone` and `ls-remote`: what they say and do.

use super::Place;
use crate::database::sql;
use crate::env::TestEnvironment;

#[test]
fn remotes_have_names() {
    let env = TestEnvironment::init();
    assert_eq!(env.graft(["remote"]).ok(), "");
    env.graft(["remote", "add", "origin", "s3://bucket/app?region=eu-central-1"]).ok();
    env.graft(["remote", "add", "share", "../hub"]).ok();
    assert_eq!(env.graft(["remote"]).ok(), "origin\nshare\n");
    let urls = env.graft(["remote", "-v"]).ok();
    assert!(urls.starts_with("origin\ts3://bucket/app?region=eu-central-1\nshare\t/"), "{urls}");
    assert!(env.graft(["remote", "get-url", "share"]).ok().ends_with("/hub\n"));
    env.graft(["remote", "set-url", "share", "/srv/other"]).ok();
    assert_eq!(env.graft(["remote", "get-url", "share"]).ok(), "/srv/other\n");
    env.graft(["remote", "rename", "share", "mirror"]).ok();
    env.graft(["remote", "remove", "origin"]).ok();
    assert_eq!(env.graft(["remote"]).ok(), "mirror\n");
    env.graft(["remote", "add", "mirror", "/x"]).refused(&["mirror", "set-url"]);
    env.graft(["remote", "add", "a/b", "/x"]).refused(&["a/b"]);
    env.graft(["remote", "remove", "nobody"]).refused(&["nobody", "graft remote -v"]);
    env.graft(["remote", "add", "x", "s3://me:hush@bucket"]).refused(&["secret"]);
    env.graft(["remote", "add", "x", "s3://bucket?secret_access_key=hush"]).refused(&["secret"]);
    env.graft(["remote", "add", "x", "ftp://host/x"]).refused(&["ftp", "s3://"]);
    let config = std::fs::read_to_string(env.dot_graft().join("config.toml")).expect("the configuration");
    assert!(!config.contains("hush"), "{config}");
}

#[test]
fn a_fresh_clone_answers_for_times_before_it() {
    let place = Place::new();
    let (env, two) = (&place.env, place.dir("two"));
    let mut dates = Vec::new();
    for n in 1..=3 {
        let change = format!("CREATE TABLE IF NOT EXISTS t (n); INSERT INTO t VALUES ({n})");
        sql(&place.dir("one").join("shop.db"), &change);
        place.run("one", &["add", "shop.db"]);
        place.run("one", &["commit", "-qm", "A row"]);
        dates.push(place.run("one", &["log", "-1", "--format=%cI"]).trim().to_owned());
    }
    place.run("one", &["push"]);
    place.clone("two");
    for (n, date) in (1..=3).zip(&dates) {
        for name in ["main", "HEAD", "", "origin/main"] {
            let at = format!("{name}@{{{date}}}");
            let asked = env.graft_in(&two, ["sql", "--db", "shop.db", "--at", &at, "SELECT max(n) FROM t"]);
            assert_eq!(asked.ok(), format!("{n}\n"), "{at}");
            assert!(asked.stderr().contains("goes back only to"), "{at}: {}", asked.stderr());
        }
    }
    let before = env.graft_in(&two, ["sql", "--db", "shop.db", "--at", "main@{2001-01-01}", "SELECT max(n) FROM t"]);
    before.refused(&["did not exist then"]);
}

#[test]
fn a_round_of_push_clone_pull() {
    let place = Place::new();
    place.clone("two");
    place.assert_sound("two");
    place.assert_equal("one", "two");
    assert!(place.run("two", &["branch", "-vv"]).contains("[origin/main]"));
    place.change("two", 7);
    let pushed = place.env.graft_in(&place.dir("two"), ["push"]);
    pushed.ok();
    assert!(pushed.stderr().contains("main       -> main"), "{pushed}");
    let again = place.env.graft_in(&place.dir("two"), ["push"]);
    again.ok();
    assert_eq!(again.stderr(), "Everything up-to-date\n");
    let pulled = place.run("one", &["pull"]);
    assert!(pulled.contains("Fast-forward"), "{pulled}");
    assert_eq!(place.run("one", &["pull", "--ff-only"]), "Already up to date.\n");
    assert_eq!(place.head("one"), place.head("two"));
    place.assert_equal("one", "two");
    place.assert_sound("one");
    let listed = place.run("one", &["ls-remote"]);
    assert_eq!(listed, format!("{0}\tHEAD\n{0}\trefs/heads/main\n", place.head("one")));
    let elsewhere = place.env.graft_in(&place.env.outside(), ["ls-remote", "--heads", &place.url]).ok();
    assert_eq!(elsewhere, format!("{}\trefs/heads/main\n", place.head("one")));
}

#[test]
fn who_is_behind_is_told_what_to_do() {
    let place = Place::new();
    place.clone("two");
    place.change("one", 1);
    place.run("one", &["push"]);
    place.change("two", 2);
    let refused = place.env.graft_in(&place.dir("two"), ["push"]);
    refused.expect(1);
    assert!(refused.stderr().contains("(fetch first)") && refused.stderr().contains("graft pull"), "{refused}");
    let answer = place.env.graft_in(&place.dir("two"), ["push", "--json"]);
    answer.expect(1);
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout()).expect("JSON");
    assert_eq!(answer["refs"][0]["reason"], "fetch first");
    place.env.graft_in(&place.dir("two"), ["pull"]).refused(&["diverged", "origin/main", "graft log --graph"]);
    let branches = place.run("two", &["branch", "-vv"]);
    assert!(branches.contains("[origin/main: ahead 1, behind 1]"), "{branches}");
    let status = place.run("two", &["status"]);
    assert!(status.contains("Your branch and 'origin/main' have diverged"), "{status}");
    assert_eq!(place.run("two", &["status", "-sb"]), "## main...origin/main [ahead 1, behind 1]\n");
    assert!(place.run("one", &["status"]).contains("Your branch is up to date with 'origin/main'"));
    place.run("two", &["reset", "--hard", "origin/main"]);
    place.change("two", 3);
    place.run("two", &["push"]);
    place.run("one", &["pull"]);
    place.assert_equal("one", "two");
}

#[test]
fn refs_of_all_kinds_go_and_come() {
    let place = Place::new();
    for args in [
        &["tag", "-a", "v1", "-m", "one"][..],
        &["tag", "light"],
        &["branch", "side"],
        &["push", "--all", "--tags"],
        &["push", "origin", "HEAD:review/x"],
    ] {
        place.run("one", args);
    }
    place.clone("two");
    assert_eq!(place.run("two", &["tag"]), "light\nv1\n");
    let branches = place.run("two", &["branch", "-r"]);
    for name in ["origin/main", "origin/review/x", "origin/side"] {
        assert!(branches.contains(name), "{branches}");
    }
    place.run("one", &["push", "origin", "--delete", "side", "review/x"]);
    place.run("one", &["push", "origin", ":light"]);
    let shown = place.run("two", &["remote", "show", "origin"]);
    assert!(shown.contains("side") && shown.contains("stale"), "{shown}");
    let pruned = place.run("two", &["remote", "prune", "origin"]);
    assert!(pruned.contains("[pruned] origin/side"), "{pruned}");
    place.run("two", &["fetch", "--prune"]);
    assert!(!place.run("two", &["branch", "-r"]).contains("side"));
    place.env.graft_in(&place.dir("one"), ["push", "origin", "--delete", "side"]).expect(1);
    place.env.graft_in(&place.dir("one"), ["push", "origin", "nothing"]).refused(&["nothing"]);
    place.env.graft_in(&place.dir("one"), ["fetch", "origin", "nothing"]).refused(&["nothing", "ls-remote"]);
    // A tag that is there already is not replaced by accident.
    place.change("one", 9);
    place.run("one", &["tag", "-f", "v1"]);
    place.env.graft_in(&place.dir("one"), ["push", "origin", "v1"]).expect(1);
    place.run("one", &["push", "-f", "origin", "v1"]);
    place.env.graft_in(&place.env.outside(), ["clone", "-b", "v1", &place.url, "three"]).ok();
    assert!(place.run("three", &["status"]).contains("HEAD detached"));
    place.assert_equal("one", "three");
    place.env.graft_in(&place.env.outside(), ["clone", "-b", "v9", &place.url, "four"]).refused(&["v9", "ls-remote"]);
    assert!(!place.dir("four").exists());
}

#[test]
fn a_dry_run_tells_and_does_nothing() {
    let place = Place::new();
    place.change("one", 5);
    let before = super::files(&place.dir("hub"));
    let told = place.env.graft_in(&place.dir("one"), ["push", "-n"]);
    told.ok();
    assert!(told.stderr().contains("Would send 3 objects and 1 storage commit in 1 bundle"), "{told}");
    assert_eq!(super::files(&place.dir("hub")), before);
    let sent = place.env.graft_in(&place.dir("one"), ["push", "-v", "--json"]).json();
    assert_eq!(sent["traffic"]["requests"], 3, "{sent}");
    assert!(sent["traffic"]["sent"].as_u64().expect("bytes") < 32 << 10, "{sent}");
}

#[test]
fn large_databases_go_as_they_lie() {
    let place = Place::new();
    let random = "CREATE TABLE noise AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) \
                  SELECT i, randomblob(3000) AS b FROM n";
    sql(&place.dir("one").join("big.db"), random);
    place.run("one", &["add", "."]);
    place.run("one", &["commit", "-qm", "big"]);
    let sent = place.env.graft_in(&place.dir("one"), ["push", "--json"]).json();
    assert_eq!(sent["segments"], 1, "{sent}");
    place.clone("two");
    place.assert_sound("two");
    place.assert_equal("one", "two");
}

#[test]
fn copies_of_a_repository_can_go_on_side_by_side() {
    let place = Place::new();
    // Copied after the first commit: both have the same logs, and neither may go on with the other's.
    crate::tree::copy_tree(&place.dir("one"), &place.dir("two"));
    place.change("one", 1);
    place.run("one", &["push"]);
    place.change("two", 2);
    place.run("two", &["push", "origin", "HEAD:theirs"]);
    for name in ["one", "two"] {
        place.run(name, &["fetch"]);
        place.assert_sound(name);
    }
    place.run("one", &["reset", "-q", "--hard", "origin/theirs"]);
    place.assert_equal("one", "two");
    place.clone("three");
    place.assert_sound("three");
    place.run("one", &["fsck", "--remote"]);
}

#[test]
fn a_history_can_be_cut_off_and_brought_back() {
    let place = Place::new();
    for row in 1..6 {
        place.change("one", row);
    }
    place.run("one", &["push"]);
    place.env.graft_in(&place.env.outside(), ["clone", "--depth", "2", &place.url, "two"]).ok();
    assert_eq!(place.run("two", &["log", "--format=%s"]), "one 5\none 4\n");
    assert_eq!(place.run("two", &["rev-parse", "--is-shallow-repository"]), "true\n");
    place.assert_sound("two");
    place.assert_equal("one", "two");
    place.env.graft_in(&place.dir("two"), ["show", "HEAD~2"]).refused(&["HEAD~2"]);
    place.run("two", &["switch", "-q", "--detach", "HEAD~1"]);
    place.env.graft_in(&place.dir("two"), ["commit", "--amend", "-m", "other"]).refused(&["cut off", "--unshallow"]);
    place.run("two", &["switch", "-q", "main"]);
    place.change("two", 9);
    place.run("two", &["push"]);
    place.run("one", &["pull"]);
    place.assert_equal("one", "two");
    place.env.graft_in(&place.dir("two"), ["push", "../hub2", "main"]).refused(&["cut off", "--unshallow"]);
    place.run("two", &["fetch", "--depth", "4"]);
    assert_eq!(place.run("two", &["rev-list", "--count", "HEAD"]), "4\n");
    place.run("two", &["fetch", "--unshallow"]);
    assert_eq!(place.run("two", &["rev-list", "--count", "HEAD"]), "7\n");
    place.env.graft_in(&place.dir("two"), ["fetch", "--unshallow"]).refused(&["here already"]);
    place.assert_sound("two");
    place.env.graft_in(&place.env.outside(), ["clone", "--depth", "0", &place.url, "three"]).expect(2);
}
