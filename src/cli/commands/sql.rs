//! `graft sql`: SQL over a database of the worktree or over any revision of it.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::ValueHint;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::render::traffic;
use crate::cli::sql::mode::{Form, Mode};
use crate::cli::sql::place::{Place, Wanted};
use crate::cli::sql::{Flow, Shell};

/// Run SQL on a database, as it is or as it was.
///
/// Statements and dot-commands come from the command line, from a file, from standard input, or from a prompt if that is a
/// terminal. With --at they see the database at a revision, which stays in the repository: nothing is checked out and
/// nothing is written to disk. Several states can be joined: ATTACH 'file:app.db?vfs=graft&rev=main~3' AS old.
///
/// Defaults are those of SQLite, foreign keys off among them, and dot-commands those of its shell. An error ends the run with exit
/// code 1, but for the prompt.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft sql 'select count(*) from users'\n  graft sql --at HEAD~3 --mode csv --header 'select * from \
                  users'\n  graft sql --db app.db -f report.sql\n  graft sql --at '@{2 hours ago}' .dump > old.sql\n  graft sql --at v1 \
                  \"attach 'file:app.db?vfs=graft&rev=v2' as new; select * from new.users except select * from users\""
)]
pub struct Args {
    /// The database file; may be left out if only one is tracked.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub db: Option<PathBuf>,

    /// Work on a volume that is no file: its id or tag, see 'graft volume'. Every transaction is one storage commit.
    #[arg(long, value_name = "VOLUME", conflicts_with_all = ["db", "at", "create"])]
    pub volume: Option<String>,

    /// Query a database on a remote, without a clone: its URL, or the name of a remote. Only what is needed is fetched, and nothing of
    /// it is kept.
    #[arg(long, value_name = "URL", conflicts_with_all = ["volume", "create"])]
    pub remote: Option<String>,

    /// Query the database as it was at this revision.
    #[arg(long, value_name = "REV")]
    pub at: Option<String>,

    /// Run the statements and commands of a file; comes before those of the command line.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Vec<PathBuf>,

    /// How rows are written: `box` on a terminal, else `list`.
    #[arg(short, long, value_name = "MODE")]
    pub mode: Option<Mode>,

    /// Show the names of columns also where the mode does not.
    #[arg(long, overrides_with = "no_header")]
    pub header: bool,

    /// Do not show the names of columns.
    #[arg(long)]
    pub no_header: bool,

    /// What is shown for NULL.
    #[arg(long, value_name = "TEXT")]
    pub null: Option<String>,

    /// Open the database for reading only.
    #[arg(long, alias = "read-only")]
    pub readonly: bool,

    /// Make the database if it is not there.
    #[arg(long, conflicts_with_all = ["at", "readonly"])]
    pub create: bool,

    /// Statements and dot-commands.
    #[arg(value_name = "SQL")]
    pub sql: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let wanted = Wanted {
        db: args.db.as_deref(),
        remote: args.remote.as_deref(),
        at: args.at.as_deref(),
        volume: args.volume.as_deref(),
        read_only: args.readonly,
        create: args.create,
    };
    let place = Place::find(ctx, wanted)?;
    let given = !args.sql.is_empty() || !args.file.is_empty();
    let interactive = !given && io::stdin().is_terminal();
    if interactive && ctx.globals.json {
        return Err(Failure::usage("--json needs statements").help("give them as arguments or with -f"));
    }
    let on_terminal = ctx.out.is_terminal();
    let mut form = Form::of(args.mode.unwrap_or(if on_terminal { Mode::Box } else { Mode::List }));
    form.typed = ctx.globals.json;
    form.header = match (args.header, args.no_header) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    // A person has to tell NULL from an empty text.
    let people = matches!(form.mode, Mode::Box) && on_terminal;
    form.null = args.null.clone().unwrap_or_else(|| if people { "NULL".to_owned() } else { String::new() });
    if given && on_terminal {
        ctx.page(place.pager.clone());
    }
    let mut shell = Shell::open(ctx, place, form, interactive)?;
    let flow = all(&mut shell, &args, interactive);
    let spent = shell.traffic();
    let code = shell.finish(flow)?;
    if ctx.globals.verbose > 0 && spent.requests() > 0 {
        ctx.say.note(traffic::traffic(spent));
    }
    Ok(code)
}

fn all(shell: &mut Shell<'_>, args: &Args, interactive: bool) -> Flow {
    for file in &args.file {
        match file.as_os_str() == "-" {
            true => shell.run_stdin()?,
            false => shell.run_file(file)?,
        }
    }
    for text in &args.sql {
        shell.run_argument(text)?;
    }
    match (args.sql.is_empty() && args.file.is_empty(), interactive) {
        (true, true) => shell.run_prompt(),
        (true, false) => shell.run_stdin(),
        _ => Ok(()),
    }
}
