//! Every command: what it prints, with which exit code, and what it does. Texts are compared with snapshots;
//! `SNAPSHOTS=overwrite cargo test --test cli commands` writes them anew, to be read before they are kept.

mod as_git;
mod clean;
mod commit_options;
mod files;
mod help;
mod history;
mod json;
mod plumbing;
mod ref_transactions;
mod replaced;
mod restore;
mod settings;
mod status;

use std::path::Path;

use crate::database::{make, sql};
use crate::env::TestEnvironment;

/// Two databases in two commits; the newest is on `main`.
fn small_history() -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 100, "DELETE");
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "Add the application's database"]).ok();
    std::fs::create_dir(env.path("data")).expect("a folder");
    make(&env.path("data/log.db"), 30, "DELETE");
    change(&env.path("app.db"));
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "Count the items\n\nAnd keep a log of it."]).ok();
    env
}

/// Changes some rows, as another program would.
fn change(path: &Path) {
    sql(path, "UPDATE item SET n = n + 1 WHERE id < 4");
}
