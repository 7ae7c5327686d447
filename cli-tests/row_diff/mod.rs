//! What differs, in rows: `diff` and its views, `apply`, Git's own tools, and the oracle over many databases.

mod apply;
mod diverged;
mod git_tools;
mod oracle;
mod readers;
mod renames;
mod traps;
mod views;

use crate::database::sql;
use crate::env::{Outcome, TestEnvironment};

/// A shop with one commit.
fn shop() -> TestEnvironment {
    let env = TestEnvironment::init();
    sql(
        &env.path("shop.db"),
        "CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, photo BLOB);
         CREATE TABLE tag (word TEXT PRIMARY KEY, uses INTEGER);
         CREATE TABLE note (body TEXT);
         INSERT INTO product VALUES (1, 'tea', 2.5, x'00ff'), (2, 'coffee', 3.75, NULL), (3, 'cake', 4, NULL);
         INSERT INTO tag VALUES ('hot', 2), ('sweet', 1);
         INSERT INTO note VALUES ('first'), ('second')",
    );
    env.graft(["add", "shop.db"]).ok();
    env.graft(["commit", "-qm", "Open the shop"]).ok();
    env
}

/// Checks that two databases have the same rows, schema, settings and counters, in whatever pages.
fn assert_no_row_differs(env: &TestEnvironment, a: &str, b: &str) {
    let said = env.graft(["diff", "--no-index", a, b]).stdout();
    let lines: Vec<&str> = said.lines().skip(1).collect();
    assert!(said.is_empty() || matches!(lines[..], [one] if one.starts_with("no rows differ, ")), "{a} {b}: {said}");
}

/// Returns the lines of `diff --json` of two files that differ.
fn lines(outcome: &Outcome) -> Vec<serde_json::Value> {
    outcome.expect(1).stdout().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// One row of each kind of change, a new column and a new index.
const CHANGES: &str = "UPDATE product SET price = 2.75 WHERE id = 1;
    DELETE FROM product WHERE id = 3;
    INSERT INTO product VALUES (9, 'it''s \"new\"', 1e-20, zeroblob(2000));
    INSERT INTO tag VALUES ('new', NULL);
    ALTER TABLE note ADD COLUMN author TEXT DEFAULT 'nobody';
    UPDATE note SET author = 'Ada' WHERE rowid = 2;
    CREATE INDEX product_name ON product (name);
    PRAGMA user_version = 7;";
