//! The scenes of the tour.

use std::path::Path;
use std::time::Duration;

use super::stage::Stage;
use crate::cli::error::Failure;
use crate::cli::render::size::bytes;
use crate::repo::RepoError;
use crate::sqlite::sample::App;

/// Asks SQLite whether a database is sound.
const CHECK: &str = "PRAGMA quick_check(1)";

/// What the program does with the database between the scenes.
pub struct Script {
    /// The file.
    name: String,
    /// Statements that change something.
    changes: Vec<String>,
    /// A query that is answered differently before and after.
    question: String,
    /// What SQLite says of the database before anything is done to it; `None` if it needs extensions to say something.
    sound: Option<Vec<Vec<String>>>,
    /// The messages of the two commits.
    messages: [&'static str; 2],
}

impl Script {
    /// The record shop.
    pub fn shop() -> Self {
        Self {
            name: "shop.db".to_owned(),
            changes: vec![
                "UPDATE album SET price_cents = price_cents + 100 WHERE artist_id = 3".to_owned(),
                "INSERT INTO customer (name, email, city) VALUES ('Ida Berg', 'ida@example.org', 'Bergen')".to_owned(),
            ],
            question: "SELECT title, price_cents FROM album WHERE artist_id = 3 ORDER BY id LIMIT 1".to_owned(),
            sound: Some(vec![vec!["ok".to_owned()]]),
            messages: ["open the shop", "raise the prices of Nora Lindqvist"],
        }
    }

    /// Any database: a table is added to the copy, under a name that is free.
    pub fn for_copy(path: &Path, name: &str, busy_timeout: Duration) -> Result<Self, Failure> {
        let app = App::open(path, busy_timeout).map_err(RepoError::Database)?;
        let count = |table: &str| format!("SELECT count(*) FROM sqlite_schema WHERE name = '{table}'");
        let mut table = "graft_demo".to_owned();
        let mut n = 1;
        while app.query(&count(&table)).map_err(RepoError::Database)? != [["0"]] {
            n += 1;
            table = format!("graft_demo_{n}");
        }
        Ok(Self {
            name: name.to_owned(),
            changes: vec![
                format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, note TEXT)"),
                format!("INSERT INTO {table} (note) VALUES ('a note of the tour'), ('and another')"),
            ],
            question: count(&table),
            sound: app.query(CHECK).ok(),
            messages: ["first", "add a table of notes"],
        })
    }
}

/// Plays the tour.
pub fn play(script: &Script, stage: &mut Stage<'_>) -> Result<(), Failure> {
    let name = script.name.as_str();
    let file = stage.dir().join(name);
    let original = hash(&file)?;

    stage.say(&format!("A folder with an ordinary SQLite database in it, {name}, becomes a repository."))?;
    stage.graft(&["init"])?;
    stage.graft(&["add", name])?;
    stage.graft(&["commit", "-m", script.messages[0]])?;
    stage.check("the worktree is clean", stage.ask(&["status", "--porcelain"])?.is_empty())?;
    stage.pause()?;

    stage.say("A program that knows nothing of Graft opens the database. It stays connected until the end.")?;
    let mut app = App::open(&file, Duration::from_secs(5)).map_err(RepoError::Database)?;
    let before = stage.query(&app, &script.question)?;
    for change in &script.changes {
        stage.execute(&mut app, change)?;
    }
    let after = stage.query(&app, &script.question)?;
    stage.check("the program sees its change", before != after)?;
    stage.pause()?;

    stage.say("Graft has noticed, and says which rows.")?;
    let status = stage.graft(&["status"])?;
    stage.check("status names the file", status.contains(name))?;
    let changes = stage.graft(&["diff"])?;
    stage.check("diff shows rows", !changes.is_empty())?;
    stage.pause()?;

    stage.say("The new state becomes a commit; only the pages that differ are stored.")?;
    stage.graft(&["commit", "-am", script.messages[1]])?;
    let log = stage.graft(&["log", "--oneline"])?;
    stage.check("the history has two commits", log.lines().count() == 2)?;
    stage.graft(&["show"])?;
    stage.pause()?;

    stage.say("Back to the first state, under the eyes of the program, which need not close or reopen anything.")?;
    stage.graft(&["checkout", "HEAD~1", "--", name])?;
    let seen = stage.query(&app, &script.question)?;
    stage.check("the program reads the old state", seen == before)?;
    stage.graft(&["checkout", "HEAD", "--", name])?;
    let seen = stage.query(&app, &script.question)?;
    stage.check("and the new one again", seen == after)?;
    stage.check("the worktree is clean", stage.ask(&["status", "--porcelain"])?.is_empty())?;
    stage.pause()?;

    stage.say("Any state can be written to another file, byte for byte as it was added.")?;
    let old = if name == "old.db" { "older.db" } else { "old.db" };
    stage.graft(&["export", &format!("HEAD~1:{name}"), "-o", old])?;
    let exported = hash(&stage.dir().join(old))?;
    let size = bytes(original.1);
    stage.check(&format!("{old} equals the {name} of the beginning in all of its {size}"), exported == original)?;
    stage.pause()?;

    stage.say("Everything stored is verified by its hash.")?;
    stage.graft(&["fsck"])?;
    if let Some(sound) = &script.sound {
        let now = app.query(CHECK).map_err(RepoError::Database)?;
        stage.check(&format!("SQLite finds {name} as sound as before"), now == *sound)?;
    }
    stage.pause()
}

/// Returns the hash of a file's contents, and its length in bytes.
fn hash(path: &Path) -> Result<(blake3::Hash, u64), Failure> {
    let read = || -> std::io::Result<_> {
        let mut hasher = blake3::Hasher::new();
        let read = std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
        Ok((hasher.finalize(), read))
    };
    read().map_err(|e| Failure::new(format!("cannot read '{}'", path.display())).because(&e))
}
