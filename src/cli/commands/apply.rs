//! `graft apply`: applies recorded changes to a database.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::diff::value;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::size::count;
use crate::model::RepoPath;
use crate::repo::RepoError;
use crate::repo::text::pathspec::repo_path;
use crate::repo::worktree::beside::refuse_other_name;
use crate::sqlite::apply::{Applied, ApplyError, ApplyOptions, Conflict, apply_changeset, apply_script};
use crate::sqlite::attach::Busy;
use crate::sqlite::holders::LockHolders;
use crate::sqlite::script::MAGIC;

/// Apply changes of rows and schema to a database.
///
/// The changes are what 'graft diff --sql' or 'graft diff --changeset' wrote. They are applied in one transaction: either all of
/// them fit, or the database stays as it is and what does not fit is named (exit code 1): rows that are not as expected, and
/// definitions, settings or rows that the changes would take away and that are not those they were made from. Triggers do not
/// fire. Programs may have the database open.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft diff --sql HEAD~1 HEAD -- app.db > changes.sql\n  graft apply changes.sql\n  graft apply \
                  --check changes.sql other.db"
)]
pub struct Args {
    /// Only find out whether the changes fit.
    #[arg(long)]
    pub check: bool,

    /// Also apply rows that violate a CHECK, or refer to rows that are not there.
    #[arg(long)]
    pub no_verify: bool,

    /// The file with the changes; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// The database to change, if it is not the one that a script names.
    #[arg(value_name = "DATABASE", value_hint = ValueHint::FilePath)]
    pub database: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    database: String,
    applied: bool,
    inserted: u64,
    deleted: u64,
    updated: u64,
    statements: u64,
    conflicts: Vec<InTheWay<'a>>,
}

#[derive(Serialize)]
struct InTheWay<'a> {
    table: Option<&'a str>,
    row: &'a str,
    reason: &'a str,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let bytes = read(&args.file, ctx)?;
    let database = match (&args.database, script(&bytes)) {
        (Some(path), _) => path.clone(),
        (None, Some(script)) => named(script, ctx)?,
        (None, None) => {
            return Err(Failure::usage("a changeset does not name its database")
                .help(format!("name it: 'graft apply {} app.db'", args.file.display())));
        }
    };
    let settings = ctx.settings();
    let on_wait = |holders: &LockHolders| {
        settings.monitor.waiting(&format!("waiting for {}, locked by {holders}", database.display()));
    };
    let busy = Busy { timeout: settings.busy_timeout, on_wait: &on_wait };
    let options = ApplyOptions { busy, check: args.check, verify: !args.no_verify };
    let path = ctx.resolve(&database);
    deny_unmaterialized(&path, &database, ctx)?;
    refuse_other_name(&path, &database).map_err(RepoError::from)?;
    let done = match script(&bytes) {
        Some(script) => apply_script(&path, script, &options),
        None => apply_changeset(&path, &bytes, &options),
    };
    let (applied, conflicts) = match done {
        Ok(applied) => (applied, Vec::new()),
        Err(ApplyError::Conflicts { conflicts, .. }) => (Applied::default(), conflicts),
        Err(e) => return Err(explained(e, &args.file)),
    };
    report(&database, applied, &conflicts, args.check, ctx)
}

fn report(database: &Path, applied: Applied, conflicts: &[Conflict], check: bool, ctx: &mut Context) -> Outcome {
    let Applied { inserted, deleted, updated, others } = applied;
    let name = database.display().to_string();
    if ctx.out.json {
        let conflicts: Vec<InTheWay<'_>> =
            conflicts.iter().map(|c| InTheWay { table: c.table.as_deref(), row: &c.row, reason: &c.reason }).collect();
        let code = if conflicts.is_empty() { exit::DONE } else { exit::NO };
        let applied = conflicts.is_empty() && !check;
        let answer = Answer { database: name, applied, inserted, deleted, updated, statements: others, conflicts };
        json::write(&mut ctx.out, "apply/1", &answer)?;
        return Ok(code);
    }
    if !conflicts.is_empty() {
        for conflict in conflicts {
            let Conflict { table, row, reason, .. } = conflict;
            match table {
                Some(table) => ctx.say.note(format_args!("conflict in {}: {row}: {reason}", value::name(table))),
                None if row.is_empty() => ctx.say.note(format_args!("conflict in the schema: {reason}")),
                None => ctx.say.note(format_args!("conflict in the schema: {reason}: {row}")),
            }
        }
        return Err(Failure::new(format!(
            "{} in '{name}'; nothing was changed",
            count(conflicts.len() as u64, "conflict")
        ))
        .exit(exit::NO)
        .help(match conflicts.iter().all(|c| c.constraint) {
            true => "mend the rows that are in the way; '--no-verify' applies the changes all the same",
            false => "the changes are for another state of the database; 'graft diff' shows what it holds now",
        }));
    }
    let rows = count(inserted + deleted + updated, "row");
    match check {
        true => ctx.say.note(format_args!("All changes fit '{name}': {rows}")),
        false => ctx
            .say
            .note(format_args!("Changed '{name}': {rows} ({inserted} inserted, {deleted} deleted, {updated} updated)")),
    }
    Ok(exit::DONE)
}

fn read(file: &Path, ctx: &Context) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().lock().read_to_end(&mut bytes).map(drop),
        false => std::fs::read(ctx.resolve(file)).map(|all| bytes = all),
    };
    match read {
        Ok(()) => Ok(bytes),
        Err(e) => Err(Failure::from(RepoError::file("read", file)(e))),
    }
}

/// Returns the text of a script.
fn script(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.starts_with(MAGIC))
}

/// Returns the database that a script names: a path from the top of the worktree.
fn named(script: &str, ctx: &Context) -> Result<PathBuf, Failure> {
    let name = script[MAGIC.len()..].lines().next().unwrap_or_default();
    let repo = ctx.repository()?;
    let path = RepoPath::new(name).map(|p| repo.file_of(&p)).unwrap_or_default();
    if !path.exists() && deny_unmaterialized(&path, Path::new(name), ctx).is_ok() {
        return Err(Failure::new(format!("the changes are for '{name}', which is not there"))
            .help("name the database to change: 'graft apply <file> <database>'"));
    }
    Ok(path)
}

/// Refuses a database of a lazy clone that is no file.
fn deny_unmaterialized(path: &Path, shown: &Path, ctx: &Context) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let Ok(repo) = ctx.repository() else { return Ok(()) };
    let Ok(inside) = repo_path(repo.top(), &ctx.cwd, path) else { return Ok(()) };
    match repo.unmaterialized(&inside)? {
        Some(_) => Err(Failure::new(format!("'{}' is not materialized", shown.display()))
            .help(format!("'graft materialize {}' writes the file", shown.display()))),
        None => Ok(()),
    }
}

fn explained(error: ApplyError, file: &Path) -> Failure {
    match error {
        ApplyError::Database(e) => Failure::from(RepoError::Database(e)),
        ApplyError::Impossible { ref what, .. } => Failure::new(error.to_string()).help(match what {
            Some(statement) => format!("nothing was changed; SQLite refused: {statement}"),
            None => "nothing was changed".to_owned(),
        }),
        ApplyError::NotChanges => Failure::new(format!("'{}': {error}", file.display()))
            .help("'graft diff --sql' and 'graft diff --changeset' write what can be applied"),
        ApplyError::Interrupted(_) => Failure::silent(exit::INTERRUPTED),
        ApplyError::Conflicts { .. } => Failure::new(error.to_string()),
    }
}
