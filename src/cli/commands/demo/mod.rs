//! `graft demo`: a narrated tour on a real database, in a scratch folder.

mod stage;
mod tour;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueHint;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::size::count;
use crate::repo::RepoError;
use crate::sqlite::{DatabaseError, sample};
use stage::Stage;
use tour::Script;

/// What to do about a file that the tour cannot use.
const OTHERWISE: &str = "name an SQLite database, or none for the built-in one";

/// Take a tour: every step on a real database, in a scratch folder.
///
/// Works on a copy of FILE, or on a small record shop that is made for it. Each command is shown as you would type it, run, and
/// checked; nothing outside of the scratch folder is touched, and the folder is kept for you to look around.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft demo\n  graft demo app.db\n  graft demo --rm")]
pub struct Args {
    /// The database to copy; programs may be using it.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Remove the scratch folder when the tour is over.
    #[arg(long)]
    pub rm: bool,
}

/// Runs the command; fails if a command of the tour fails or a check does not hold.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let scratch = tempfile::Builder::new().prefix("graft-demo-").tempdir();
    let scratch = scratch.map_err(|e| {
        Failure::new("cannot make a scratch folder").because(&e).help("set TMPDIR to a folder with free space")
    })?;
    let script = prepare(args.file.as_deref(), scratch.path(), ctx)?;
    // From here on the folder is worth looking at, above all if the tour fails.
    let dir = scratch.keep();
    let mut stage = Stage::new(&dir, ctx)?;
    let played = tour::play(&script, &mut stage);
    let (commands, checks) = stage.played();
    played.map_err(|failure| match stage.is_told_in_json() {
        true => failure,
        false => failure.help(format!("the scratch folder {} shows how far it came", dir.display())),
    })?;
    if args.rm {
        std::fs::remove_dir_all(&dir)
            .map_err(|e| Failure::new(format!("cannot remove '{}'", dir.display())).because(&e))?;
    }
    if !ctx.out.json {
        let (commands, checks) = (count(commands, "command"), count(checks, "check"));
        writeln!(ctx.out, "The tour is over: {commands} run, all {checks} held.")?;
        if !args.rm {
            let style = ctx.out.theme.command;
            let dir = dir.display();
            writeln!(ctx.out, "\nThe scratch folder is kept. Look around, then remove it:")?;
            writeln!(ctx.out, "    {style}cd {dir}{style:#}\n    {style}rm -r {dir}{style:#}")?;
        }
    }
    Ok(exit::DONE)
}

/// Puts the database into the scratch folder, and decides what the program will do with it.
fn prepare(file: Option<&Path>, dir: &Path, ctx: &Context) -> Result<Script, Failure> {
    let Some(file) = file else {
        sample::create(&dir.join("shop.db")).map_err(RepoError::Database)?;
        return Ok(Script::shop());
    };
    let name = file.file_name().and_then(|n| n.to_str()).ok_or_else(|| {
        Failure::new(format!("'{}' does not name a file", file.display()))
            .help("name a database, as in 'graft demo app.db'")
    })?;
    let to = dir.join(name);
    let busy_timeout = ctx.settings().busy_timeout;
    let source = ctx.resolve(file);
    if !source.is_file() {
        return Err(Failure::new(format!("'{}' is not a file", file.display())).help(OTHERWISE));
    }
    sample::copy(&source, &to, busy_timeout).map_err(|e| match e {
        DatabaseError::NotADatabase { .. } | DatabaseError::Empty { .. } => Failure::new(e.to_string()).help(OTHERWISE),
        other => RepoError::Database(other).into(),
    })?;
    Script::for_copy(&to, name, busy_timeout)
}
