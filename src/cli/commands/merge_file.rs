//! `graft merge-file`: a three-way merge of three database files, without a repository.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::conflicts::{self, Conflict};
use crate::cli::render::size::count;
use crate::sqlite::materialize::WriteOptions;
use crate::sqlite::merge::{Favor, MergeOptions, Renumber, merge_files};

/// Merge three database files row by row.
///
/// What THEIRS changed since BASE is done to OURS: rows cell by cell, schema, settings. The result goes to another file; the three
/// are only read. What cannot be decided is a conflict (exit code 1): the result then holds everything else, and what OURS held where
/// there is a conflict. Triggers do not fire, and constraints hold in the result as far as they did before.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft merge-file base.db ours.db theirs.db -o merged.db\n  graft --json merge-file base.db ours.db \
                        theirs.db -o merged.db"
)]
pub struct Args {
    /// What both come from; `/dev/null` if they have nothing in common.
    #[arg(value_name = "BASE", value_hint = ValueHint::FilePath)]
    pub base: PathBuf,

    /// The file that is changed.
    #[arg(value_name = "OURS", value_hint = ValueHint::FilePath)]
    pub ours: PathBuf,

    /// The file whose changes are made.
    #[arg(value_name = "THEIRS", value_hint = ValueHint::FilePath)]
    pub theirs: PathBuf,

    /// The file to write.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,

    /// Overwrite what is there.
    #[arg(short, long)]
    pub force: bool,

    /// How to merge.
    #[command(flatten)]
    pub how: How,
}

/// Options that say how rows are merged.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct How {
    /// Settle conflicts of cells, deletions and counts: as in ours, as in theirs, or NULL gives way to a value.
    #[arg(short = 'X', long = "strategy-option", value_name = "SIDE")]
    pub favor: Option<Side>,

    /// When new rows of theirs get other integer keys than their own.
    ///
    /// `auto`: where SQLite chose the key (AUTOINCREMENT) and nothing of theirs mentions it but by foreign keys. Foreign keys that
    /// lead there follow.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub renumber: RenumberWhen,

    /// Whether two changes of one row are a conflict if they are in different cells.
    #[arg(long, value_name = "WHAT", default_value = "cell")]
    pub granularity: Granularity,

    /// How rows of tables without a key are paired.
    #[arg(long, value_name = "HOW", default_value = "rowid")]
    pub identity: Identity,
}

/// Which side a conflict is settled by.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// As in ours.
    Ours,
    /// As in theirs.
    Theirs,
    /// NULL gives way to a value, counts of equal rows add up.
    Union,
}

/// When rows get other keys.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenumberWhen {
    /// Where SQLite chose the key.
    Auto,
    /// Wherever an INTEGER PRIMARY KEY is taken.
    Always,
    /// Never.
    Never,
}

/// What a change is.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// A cell.
    Cell,
    /// A row.
    Row,
}

/// How rows without a key are paired.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// By following them from the base.
    Rowid,
    /// As a bag of equal rows.
    Bag,
}

impl How {
    /// Returns the options of the merge.
    pub fn options(self) -> MergeOptions {
        MergeOptions {
            renumber: match self.renumber {
                RenumberWhen::Auto => Renumber::Auto,
                RenumberWhen::Always => Renumber::Always,
                RenumberWhen::Never => Renumber::Never,
            },
            favor: self.favor.map(|side| match side {
                Side::Ours => Favor::Ours,
                Side::Theirs => Favor::Theirs,
                Side::Union => Favor::Union,
            }),
            by_row: self.granularity == Granularity::Row,
            bags: self.identity == Identity::Bag,
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    file: String,
    conflicts: Vec<Conflict<'a>>,
    renumbered: Vec<conflicts::Renumbered<'a>>,
    notes: &'a [String],
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let [base, ours, theirs, out] = [&args.base, &args.ours, &args.theirs, &args.output].map(|path| ctx.resolve(path));
    if out.exists() && !args.force {
        let name = args.output.display();
        return Err(Failure::new(format!("'{name}' is there already")).help("--force replaces it"));
    }
    let settings = ctx.settings();
    let folder = out.parent().unwrap_or(Path::new("/")).to_owned();
    let on_wait = |holders: &crate::sqlite::LockHolders| {
        settings.monitor.waiting(&format!("waiting for a database locked by {holders}"))
    };
    let write = WriteOptions { busy_timeout: settings.busy_timeout, on_wait: &on_wait, ..WriteOptions::new(&folder) };
    let base = (base != Path::new("/dev/null")).then_some(base.as_path());
    let merged = merge_files([base, Some(&ours), Some(&theirs)], &out, args.how.options(), &write)?;
    let code = if merged.conflicts.is_empty() { exit::DONE } else { exit::NO };
    let name = args.output.display().to_string();
    if ctx.out.json {
        let conflicts =
            merged.conflicts.iter().enumerate().map(|(i, c)| conflicts::conflict(i + 1, &name, c)).collect();
        let renumbered = merged.renumbered.iter().map(conflicts::renumbered).collect();
        let answer = Answer { file: name.clone(), conflicts, renumbered, notes: &merged.notes };
        json::write(&mut ctx.out, "merge-file/1", &answer)?;
        return Ok(code);
    }
    conflicts::show(&name, &merged, &mut ctx.out)?;
    match merged.conflicts.len() {
        0 => ctx.say.note(format_args!("Merged into '{name}'")),
        n => {
            let n = count(n as u64, "conflict");
            ctx.say.note(format_args!(
                "{n}: '{name}' holds everything else, and what '{}' held there",
                args.ours.display()
            ));
        }
    }
    Ok(code)
}
