//! `graft diff`: which rows, columns and schema objects differ between two states.

use std::path::{Path, PathBuf};

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::diff::only::{check_output, only_database};
use crate::cli::diff::target::{self, Asked};
use crate::cli::diff::{self, DiffWriter, Format, TextConv, empty_changeset};
use crate::cli::error::{Failure, exit};
use crate::repo::Repository;
use crate::repo::worktree::diff::{FileDiff, Filter, Open, SelectedFile, Wanted, files, open_files};
use crate::sqlite::diff::{DiffOptions, Identity, Selection, TablePattern};
use clap::{Args as _, FromArgMatches, ValueEnum, ValueHint};

/// Show which rows, columns and schema objects differ between two states.
///
/// Without revisions, compares the worktree with the index; with --staged, the index with the last commit; with one
/// revision, the worktree with that commit; with two, as `A B` or `A..B`, the commits with each other. `A...B` compares B with
/// the commit that both come from.
///
/// Rows are known by their key. A table without one, or with NULL in it, goes by rowid or as a bag of equal rows, as --identity
/// says. A line of the default output begins with `+` for a row that is new, `-` for one that is gone, `~` for one of which
/// some cells differ; `@@` begins a table.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft diff\n  graft diff --stat HEAD~3 -- app.db\n  graft diff -t 'order*' --where 'total > 100' v1..v2\n  \
                  graft diff --no-index old.db new.db"
)]
pub struct Args {
    /// Compare the index with the last commit, or with the revision given.
    #[arg(long, visible_alias = "cached")]
    pub staged: bool,

    /// Compare two files, which need not be in a repository; exits with 1 if they differ.
    #[arg(long)]
    pub no_index: bool,

    /// Show one database as text, a line per row, for the textconv setting of Git.
    #[arg(long, conflicts_with_all = ["staged", "no_index", "format"])]
    pub textconv: bool,

    /// Show everything that differs; the default.
    #[arg(short = 'p', short_alias = 'u', long, group = "format")]
    pub patch: bool,

    /// Show how many rows differ in each table.
    #[arg(long, group = "format")]
    pub stat: bool,

    /// Show for each file how many rows came and how many went, for scripts; a row that is another one counts as both.
    ///
    /// A file that is no database has no rows: it is shown with `-`, as Git shows binary files.
    #[arg(long, group = "format")]
    pub numstat: bool,

    /// Show on one line how many files differ, and how many rows came and went.
    #[arg(long, group = "format")]
    pub shortstat: bool,

    /// Show which files and schema objects came, went or were altered.
    #[arg(long, group = "format")]
    pub summary: bool,

    /// Show the names of the files that differ.
    #[arg(long, group = "format")]
    pub name_only: bool,

    /// Show the names of the files that differ, and a letter for what happened to them.
    #[arg(long, group = "format")]
    pub name_status: bool,

    /// Show how the schema and the settings differ, no rows.
    #[arg(long, group = "format")]
    pub schema: bool,

    /// Show one line of comma-separated values per cell that differs.
    #[arg(long, group = "format")]
    pub csv: bool,

    /// Show a script of SQL that turns the old state into the new one, for 'graft apply' or any SQLite shell; --table, --where and
    /// --diff-filter pick what goes into it.
    #[arg(long, group = "format", conflicts_with = "limit")]
    pub sql: bool,

    /// Write a changeset of SQLite's session extension, which holds rows but no schema, for 'graft apply' or other programs.
    #[arg(long, value_name = "FILE", group = "format", conflicts_with = "limit", value_hint = ValueHint::FilePath)]
    pub changeset: Option<PathBuf>,

    /// Show which pages differ.
    #[arg(long, group = "format")]
    pub pages: bool,

    /// Only tables whose names match the pattern.
    #[arg(short, long, value_name = "GLOB")]
    pub table: Option<String>,

    /// Only rows (and files) that were added (A), deleted (D) or modified (M), and files that were renamed (R) or are a database no
    /// more, or only now (T); small letters leave them out.
    #[arg(long, value_name = "ADMRT", value_parser = Filter::parse)]
    pub diff_filter: Option<Filter>,

    /// Only rows for which an SQL expression holds, as they were or as they are.
    #[arg(long = "where", value_name = "EXPRESSION")]
    pub condition: Option<String>,

    /// Show at most so many rows of each table, and say how many are left out.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,

    /// How rows without an INTEGER PRIMARY KEY are paired.
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub identity: By,

    /// Also show the tables in which virtual tables keep their content.
    #[arg(long)]
    pub shadow: bool,

    /// Exit with 1 if anything differs. With --quiet this is all that happens.
    #[arg(long)]
    pub exit_code: bool,

    /// Swap the two states.
    #[arg(short = 'R', long)]
    pub reverse: bool,

    /// Revisions; then files, folders or patterns, after `--` if they could be taken for revisions.
    #[arg(value_name = "REV|PATH", value_hint = ValueHint::AnyPath)]
    pub what: Vec<String>,

    /// Only these files, folders or patterns.
    #[arg(last = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// How rows are paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// A declared key that holds no NULL, else the rowid
    Auto,
    /// The rowid wherever there is one
    Rowid,
    /// A declared key that holds no NULL, else counting equal rows
    Bag,
}

impl Args {
    fn format(&self, ctx: &Context, repo: Option<&Repository>) -> Result<Format, Failure> {
        if let Some(name) = &self.changeset {
            let path = ctx.resolve(name);
            check_output(name, &path, repo)?;
            if !ctx.out.json {
                return Ok(Format::Changeset(path));
            }
        }
        let wanted = [
            (ctx.out.json, Format::Json),
            (self.stat, Format::Stat),
            (self.numstat, Format::Numstat),
            (self.shortstat, Format::Shortstat),
            (self.summary, Format::Summary),
            (self.name_only, Format::NameOnly),
            (self.name_status, Format::NameStatus),
            (self.schema, Format::Schema),
            (self.csv, Format::Csv),
            (self.pages, Format::Pages),
            (self.sql, Format::Sql),
            (ctx.globals.quiet, Format::Quiet),
        ];
        Ok(wanted.into_iter().find(|(is, _)| *is).map_or(Format::Patch, |(_, format)| format))
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        let pattern = |text: &String| {
            TablePattern::parse(text).map_err(|e| Failure::usage(format!("'{text}' is no pattern")).because(&e))
        };
        Ok(Wanted {
            filter: self.diff_filter.unwrap_or_default(),
            tables: self.table.as_ref().map(pattern).transpose()?,
            condition: self.condition.clone(),
            limit: self.limit,
            options: DiffOptions {
                identity: match self.identity {
                    By::Auto => Identity::Auto,
                    By::Rowid => Identity::Rowid,
                    By::Bag => Identity::Bag,
                },
                shadow: self.shadow,
            },
        })
    }
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    if args.textconv {
        return as_text(&args, ctx);
    }
    if args.no_index {
        return between_files(&args, ctx);
    }
    let repo = match ctx.repository() {
        Err(_) if args.plain_files().is_some() => return between_files(&args, ctx),
        other => other?,
    };
    let (format, wanted) = (args.format(ctx, Some(&repo))?, args.wanted()?);
    let mut writer = format.writer(ctx.out.theme, &ctx.prefix(&repo));
    let asked = target::read(&repo, &ctx.cwd, &args.what, &args.paths, args.staged)?;
    let pager = ctx.pager(&repo);
    if asked.reads_worktree() {
        ctx.out.hold();
    } else if format.is_shown() {
        ctx.page(pager.clone());
    }
    let shown = match asked {
        Asked::Files(mut request) => {
            request.reverse = args.reverse;
            let files = repo
                .diff_files(&request)
                .map_err(|e| target::unknown_word(&repo, &e, &args.what).unwrap_or_else(|| Failure::from(e)))?;
            let open = |file: &FileDiff, options| repo.open_diff(file, options);
            let files = if args.carries_changes() { only_database(files, &open)? } else { files };
            if files.is_empty() {
                args.nothing_to_carry(ctx)?;
            }
            let shown = diff::show(&files, &open, &wanted, &mut *writer, &mut ctx.out, ctx.say)?;
            if let Some(pattern) = &wanted.tables {
                let mut known = shown.tables.clone();
                if !known.iter().any(|t| pattern.matches(t)) {
                    known.extend(repo.diff_tables(&request)?);
                }
                diff::check_tables(pattern, &known)?;
            }
            shown
        }
        Asked::Snapshots(file) => {
            one_pair(&args, *file, &wanted, &mut *writer, ctx, &|f, options| repo.open_diff(f, options))?
        }
    };
    if format.is_shown() {
        ctx.page(pager);
    }
    ctx.out.release()?;
    Ok(args.code(ctx, shown.differs, false))
}

/// Shows what differs between two commits: every row, or just how many.
pub fn between(old: &str, new: &str, only_stat: bool, ctx: &mut Context) -> Outcome {
    let words = ["diff", if only_stat { "--stat" } else { "--patch" }, old, new, "--"];
    let args = Args::augment_args(clap::Command::new("diff")).try_get_matches_from(words);
    let args = args.and_then(|matches| Args::from_arg_matches(&matches)).expect("these words are always valid");
    run(args, ctx)
}

fn between_files(args: &Args, ctx: &mut Context) -> Outcome {
    let (old, new) = args.plain_files().ok_or_else(|| {
        Failure::usage("two files are needed")
            .help("as in 'graft diff --no-index old.db new.db'; /dev/null is an absent one")
    })?;
    let file = files(Path::new(&old), Path::new(&new))?;
    let (format, wanted) = (args.format(ctx, None)?, args.wanted()?);
    let mut writer = format.writer(ctx.out.theme, "");
    let settings = ctx.settings();
    ctx.out.hold();
    let open = |file: &FileDiff, options| open_files(&settings, file, options);
    let shown = one_pair(args, file, &wanted, &mut *writer, ctx, &open)?;
    if format.is_shown() {
        ctx.page(None);
    }
    ctx.out.release()?;
    Ok(args.code(ctx, shown.differs, true))
}

/// Shows one database, as what differs from nothing.
fn as_text(args: &Args, ctx: &mut Context) -> Outcome {
    let [name] = args.what.as_slice() else {
        return Err(Failure::usage("one file is needed").help("as in 'graft diff --textconv app.db'"));
    };
    let file = files(Path::new("/dev/null"), &ctx.resolve(Path::new(name)))?;
    let wanted = args.wanted()?;
    let opened = open_files(&ctx.settings(), &file, wanted.options)?;
    let whole = Selection { limit: None, ..wanted.rows(wanted.filter.rows) };
    let mut warnings = Vec::new();
    let written = TextConv.file(&SelectedFile::new(&file, opened, whole), &mut ctx.out, &mut warnings);
    warnings.into_iter().for_each(|text| ctx.say.warning(text));
    written.map(|_| exit::DONE)
}

/// Shows what differs between two files that are named one by one.
fn one_pair(
    args: &Args,
    file: FileDiff,
    wanted: &Wanted,
    writer: &mut dyn DiffWriter,
    ctx: &mut Context,
    open: &Open<'_>,
) -> Result<diff::Shown, Failure> {
    let file = if args.reverse { file.reversed() } else { file };
    if args.carries_changes() && only_database(vec![file.clone()], open)?.is_empty() {
        args.nothing_to_carry(ctx)?;
        return Ok(diff::Shown::default());
    }
    let shown = diff::show(std::slice::from_ref(&file), open, wanted, writer, &mut ctx.out, ctx.say)?;
    if let Some(pattern) = &wanted.tables {
        diff::check_tables(pattern, &shown.tables)?;
    }
    Ok(shown)
}

impl Args {
    /// Tells whether what is asked for is to be carried over to another database.
    fn carries_changes(&self) -> bool {
        self.sql || self.changeset.is_some()
    }

    /// Writes the changeset of databases that do not differ, if one is asked for.
    fn nothing_to_carry(&self, ctx: &Context) -> Result<(), Failure> {
        self.changeset.as_ref().map_or(Ok(()), |name| empty_changeset(&ctx.resolve(name)))
    }

    fn plain_files(&self) -> Option<(PathBuf, PathBuf)> {
        let all: Vec<PathBuf> = self.what.iter().map(PathBuf::from).chain(self.paths.iter().cloned()).collect();
        match all.as_slice() {
            [old, new] if !self.staged => Some((old.clone(), new.clone())),
            _ => None,
        }
    }

    fn code(&self, ctx: &Context, differs: bool, always: bool) -> u8 {
        if differs && (self.exit_code || always || ctx.globals.quiet) { exit::NO } else { exit::DONE }
    }
}
