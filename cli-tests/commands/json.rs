//! `--json`: every command gives one object with a schema name, or one object per line.

use serde_json::Value;

use super::{change, small_history};
use crate::database::make;
use crate::env::TestEnvironment;

/// The fields of an object, sorted.
fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_command_has_it() {
    let env = TestEnvironment::empty();
    env.graft(["init", "--json"]).json();
    make(&env.path("app.db"), 10, "DELETE");
    make(&env.path("b.db"), 10, "DELETE");
    env.graft(["config", "set", "core.name", "A"]).ok();
    for args in [
        vec!["status"],
        vec!["add", "."],
        vec!["status"],
        vec!["commit", "-m", "first"],
        vec!["mv", "b.db", "c.db"],
        vec!["rm", "-f", "c.db"],
        vec!["commit", "--allow-empty", "-m", "second"],
        vec!["checkout", "HEAD~1", "--", "app.db"],
        vec!["restore", "app.db"],
        vec!["export", "HEAD:app.db", "-o", "out.db"],
        vec!["rev-parse", "HEAD"],
        vec!["cat-file", "-p", "HEAD"],
        vec!["cat-file", "-t", "HEAD"],
        vec!["cat-file", "-s", "HEAD"],
        vec!["cat-file", "-p", "HEAD^{tree}"],
        vec!["cat-file", "-p", "HEAD:app.db"],
        vec!["show"],
        vec!["config", "get", "core.name"],
        vec!["fsck"],
    ] {
        let shown = format!("{args:?}");
        let value = env.graft([vec!["--json"], args].concat()).json();
        let schema = value["schema"].as_str().expect("a name");
        assert!(schema.starts_with("graft.") && schema.contains('/'), "{shown}: {schema}");
    }
    for args in [vec!["log"], vec!["ls-files"], vec!["ls-tree", "HEAD"], vec!["config", "list"]] {
        let shown = format!("{args:?}");
        let lines = env.graft([args, vec!["--json"]].concat()).ndjson();
        assert!(!lines.is_empty(), "{shown}: nothing");
        for line in lines {
            assert!(line["schema"].is_string(), "{shown}: {line}");
        }
    }
}

#[test]
fn an_error_is_an_object_too() {
    let env = small_history();
    let outcome = env.graft(["--json", "add", "nowhere.db"]);
    outcome.expect(128);
    let error: Value = serde_json::from_str(&outcome.stderr()).expect("one JSON value on standard error");
    assert_eq!(error["schema"], "graft.error/1");
    assert!(error["error"].as_str().expect("a text").contains("nowhere.db"));
    assert_eq!(error["exit_code"], 128);
    let usage = env.graft(["--json", "stauts"]);
    usage.expect(2);
    serde_json::from_str::<Value>(&usage.stderr()).expect("one JSON value on standard error");
}

#[test]
fn status_tells_what_the_letters_tell() {
    let env = small_history();
    change(&env.path("app.db"));
    make(&env.path("new.db"), 3, "DELETE");
    std::fs::remove_file(env.path("data/log.db")).expect("the file goes");
    env.graft(["add", "data"]).ok();
    let status = env.graft(["status", "--json"]).json();
    let text = status.to_string();
    for path in ["app.db", "new.db", "data/log.db"] {
        assert!(text.contains(path), "{path} in {text}");
    }
    assert_eq!(status["branch"], "main", "{text}");
    assert_eq!(status["commit"], env.graft(["rev-parse", "HEAD"]).ok().trim());
}

#[test]
fn log_has_what_a_script_needs() {
    let env = small_history();
    let log = env.graft(["log", "--json"]).ndjson();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0]["id"], env.graft(["rev-parse", "HEAD"]).ok().trim());
    assert_eq!(log[0]["parents"][0], log[1]["id"]);
    assert_eq!(log[0]["message"], "Count the items\n\nAnd keep a log of it.\n");
    assert_eq!(log[0]["author"]["name"], "Ada Author");
    assert_eq!(log[0]["committer"]["email"], "carl@example.org");
    assert!(log[0]["author"]["date"].as_str().expect("a date").starts_with("2026-03-01T"));
    assert_eq!(fields(&log[0]), fields(&log[1]), "every object has the same fields");
}

#[test]
fn odd_names_survive() {
    let env = TestEnvironment::init();
    let name = "tab\tquote\"new\nline \u{1F600}.db";
    make(&env.path("x"), 3, "DELETE");
    std::fs::rename(env.path("x"), env.path(name)).expect("a file");
    env.graft(["add", "."]).ok();
    let files = env.graft(["ls-files", "--json"]).ndjson();
    assert_eq!(files[0]["path"], name);
}
