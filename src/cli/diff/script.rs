//! `--sql` and `--changeset`: what turns the old state of a database into the new one.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{Database, Open};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::revs;
use crate::repo::Repository;
use crate::repo::worktree::diff::{FileDiff, Opened, Side};
use crate::sqlite::changeset::{ChangesetError, write_changeset};
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::diff::{DiffOptions, Picked};
use crate::sqlite::script::{ScriptError, write_script};
use crate::util::fs::TempFile;

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

/// Writes the script for a database.
pub(super) fn file(ctx: &mut Context, file: &FileDiff, database: Option<&Database<'_>>) -> Result<bool, Failure> {
    let Some(db) = database.filter(|db| db.rows.pages.is_none() || db.differs().unwrap_or(true)) else {
        return Ok(false);
    };
    let name = file.change.path.as_str();
    let written = picked(db, |picked| write_script(&db.rows.diff, name, picked, &mut ctx.out));
    let left_out = written.map_err(|e| match e {
        ScriptError::Diff(e) => db.error(e),
        ScriptError::Io(e) => Failure::from(e),
        ScriptError::Inexpressible { .. } => {
            Failure::new(e.to_string()).help("leave out --where and --diff-filter, or the table with -t")
        }
    })?;
    for what in left_out {
        ctx.say.warning(format_args!("the script does not carry over {what}"));
    }
    Ok(true)
}

/// Writes the changeset of a database into the file that was named.
pub(super) fn changeset(ctx: &mut Context, database: Option<&Database<'_>>) -> Result<bool, Failure> {
    let (Some(db), Some(path)) = (database, database.and_then(|db| db.view.output.as_deref())) else {
        return Ok(false);
    };
    let left_out = into_file(path, &mut |out| {
        picked(db, |picked| write_changeset(&db.rows.diff, picked, out)).map_err(|e| match e {
            ChangesetError::Diff(e) => db.error(e),
            ChangesetError::Io(e) => cannot_write(path, &e),
            ChangesetError::Inexpressible { .. } => {
                Failure::new(e.to_string()).help("use --sql, or leave the table out with -t")
            }
        })
    })?;
    for what in left_out {
        ctx.say.warning(format_args!("the changeset does not carry over {what}"));
    }
    Ok(true)
}

/// Calls `write` with what the options pick.
fn picked<T>(db: &Database<'_>, write: impl FnOnce(&Picked<'_>) -> T) -> T {
    write(&Picked {
        table: &|table| db.wants(table),
        rows: &|pair, sink| db.pairs(pair, sink),
        rows_only: db.view.wants_rows_only(),
        settings: !db.view.is_narrowed(),
    })
}

/// Writes the changeset of databases that do not differ.
pub fn empty_changeset(path: &Path) -> Result<(), Failure> {
    into_file(path, &mut |_| Ok(()))
}

/// Writes a file that is there as a whole or not at all.
fn into_file<T>(path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> Result<T, Failure>) -> Result<T, Failure> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temp = TempFile::create_in(folder).map_err(|e| cannot_write(path, &e))?;
    let mut out = BufWriter::new(temp.file());
    let written = write(&mut out)?;
    out.flush().map_err(|e| cannot_write(path, &e))?;
    drop(out);
    temp.sync().and_then(|()| temp.persist(path)).map_err(|e| cannot_write(path, &e))?;
    Ok(written)
}

fn cannot_write(path: &Path, e: &io::Error) -> Failure {
    Failure::new(format!("cannot write '{}'", path.display())).because(e)
}
