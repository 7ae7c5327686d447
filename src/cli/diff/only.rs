//! Which one database a script or a changeset is for, and the file that it goes into.

use std::path::Path;

use crate::cli::error::Failure;
use crate::cli::revs;
use crate::repo::Repository;
use crate::repo::worktree::diff::{FileDiff, Open, Opened, Side};
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::diff::DiffOptions;

/// Returns the one database that differs, as a script or a changeset is for one; nothing if none does.
pub fn only_database(files: Vec<FileDiff>, open: &Open<'_>) -> Result<Vec<FileDiff>, Failure> {
    let mut databases = Vec::new();
    for file in files {
        let is_database = match open(&file, DiffOptions::default())? {
            Opened::Same => continue,
            Opened::Rows(_) => true,
            Opened::Bytes { .. } => false,
        };
        if !is_database || file.new == Side::Absent {
            let what = if is_database { "is gone as a whole" } else { "is no database" };
            return Err(Failure::new(format!("'{}' {what}, which changes of rows cannot say", file.change.path))
                .help("name the database that is meant, as in 'graft diff --sql -- app.db'"));
        }
        databases.push(file);
    }
    match databases.as_slice() {
        [] | [_] => Ok(databases),
        several => {
            let names: Vec<String> = several.iter().map(|f| f.change.path.to_string()).collect();
            Err(Failure::new(format!("{} databases differ: {}", several.len(), names.join(", ")))
                .help("name one of them, as in 'graft diff --sql -- app.db'"))
        }
    }
}

/// Refuses a file for the changeset that was surely meant to be something else.
pub fn check_output(name: &Path, path: &Path, repo: Option<&Repository>) -> Result<(), Failure> {
    let word = name.to_string_lossy();
    let what = match classify(path) {
        Ok(Detected::Sqlite(_)) => "is a database",
        Ok(_) => return Ok(()),
        Err(_) if repo.is_some_and(|repo| revs::object(repo, &word).is_ok()) => "is a revision",
        Err(_) => return Ok(()),
    };
    let failure = Failure::usage(format!("'{word}' {what}, and --changeset takes the name of the file to write"));
    Err(failure.help("as in 'graft diff --changeset=changes.bin HEAD~1 HEAD'"))
}
