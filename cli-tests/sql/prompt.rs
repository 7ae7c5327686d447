//! The prompt on a terminal: editing, completion, history, statements over several lines, Ctrl-C, the pager.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use super::shop;
use crate::env::TestEnvironment;

/// Types steps into the prompt; returns all that was shown.
#[track_caller]
fn typed(env: &TestEnvironment, steps: &serde_json::Value) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cli-tests/prompt.py");
    let mut command = env.program("python3", env.repo());
    command.arg(script).arg(env.repo()).arg(env!("CARGO_BIN_EXE_graft")).args(["sql", "--db", "shop.db"]);
    command.env("TERM", "xterm").env("GRAFT_PAGER", "sed 's/^/paged /'");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python3 is needed by these tests");
    child.stdin.take().expect("a pipe").write_all(steps.to_string().as_bytes()).expect("steps");
    crate::env::wait(child, "prompt.py".to_owned()).ok()
}

#[test]
fn a_person_works_at_the_prompt() {
    let env = shop();
    let shown = typed(
        &env,
        &json!([
            ["SELECT count(*)\r", "...> "],
            ["  AS n FROM product;\r", "│ 2 │"],
            [".tab\t\r", "product  tag"],
            ["SELECT name FROM prod\t WHERE id = 1;\r", "│ tea  │"],
            ["WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c;\r", null],
            ["\u{3}", "interrupted"],
            ["SELECT 'thrown away'\u{3}", "shop.db> "],
            ["wrong;\r", "here"],
            ["BEGIN;\r", "shop.db*> "],
            ["UPDATE tag SET uses = 99;\r", "shop.db*> "],
            [".at HEAD~1\r", "a transaction is open"],
            ["ROLLBACK;\r", "shop.db> "],
            [".at HEAD~2\r", "shop.db@HEAD~2> "],
            ["SELECT sum(id) FROM product;\r", "│ 3       │"],
            ["\u{1b}[A\r", "│ 3       │"],
            ["SELECT NULL AS n;\r", "│ NULL │"],
            [
                "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60) SELECT i FROM c;\r",
                "paged │ 60 │"
            ],
            ["\u{4}", null],
        ]),
    );
    assert!(shown.trim_end().ends_with("exit 0"), "{shown}");
    assert!(!shown.contains("paged │ tea"), "short answers need no pager: {shown}");
    let history =
        std::fs::read_to_string(env.outside().join("home/.local/state/graft/sql_history")).expect("a history");
    assert!(history.contains("SELECT sum(id) FROM product;") && !history.contains("thrown away"), "{history}");
    assert_eq!(crate::database::number(&env.path("shop.db"), "SELECT uses FROM tag"), 2);
}
