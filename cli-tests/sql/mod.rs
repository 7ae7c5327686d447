//! `graft sql`: the shell, revisions as databases, and the tables and pragmas about the history.

mod capture;
mod pragmas;
mod prompt;
mod revisions;
mod shell;
mod tables;
mod volume;

use crate::database::sql;
use crate::env::TestEnvironment;

/// A shop with three commits: `HEAD~2`, `HEAD~1` and `HEAD`.
fn shop() -> TestEnvironment {
    let env = TestEnvironment::init();
    let db = env.path("shop.db");
    sql(
        &db,
        "CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL);
         CREATE TABLE tag (word TEXT PRIMARY KEY, uses INTEGER);
         INSERT INTO product VALUES (1, 'tea', 2.5), (2, 'coffee', 3.75);
         INSERT INTO tag VALUES ('hot', 2)",
    );
    env.graft(["add", "shop.db"]).ok();
    env.graft(["commit", "-qm", "Open the shop"]).ok();
    sql(&db, "UPDATE product SET price = 2.75 WHERE id = 1; INSERT INTO product VALUES (3, 'cake', 4)");
    env.graft(["commit", "-qam", "Raise prices"]).ok();
    sql(&db, "DELETE FROM product WHERE id = 2");
    env.graft(["commit", "-qam", "No more coffee"]).ok();
    env
}
