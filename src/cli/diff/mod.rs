//! Renders differences: of files, and of what is in databases.
//!
//! Rows are streamed: memory does not grow with the number of changes. Where counts stand before the rows, the text waits in a
//! temporary file.

mod csv;
mod database;
mod filter;
mod lines;
mod patch;
pub mod script;
mod stat;
pub mod target;
pub mod textconv;
pub mod value;
mod words;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use database::Database;
pub use filter::Filter;
use globset::GlobMatcher;

use super::context::Context;
use super::error::{Failure, exit};
use super::render::change;
use super::render::path::{Quote, quoted, relative};
use super::render::size::{bytes, count};
use super::suggest;
use crate::model::RowChange;
use crate::model::page::PAGE_SIZE;
use crate::repo::RepoError;
use crate::repo::worktree::diff::{FileDiff, Opened, Side};
use crate::sqlite::diff::{Compared, DiffOptions};

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Everything that differs.
    #[default]
    Patch,
    /// How many rows differ per table.
    Stat,
    /// How many rows came and went per file, as numbers.
    Numstat,
    /// How many came and went in all.
    Shortstat,
    /// Files and schema objects that came or went.
    Summary,
    /// Names of files.
    NameOnly,
    /// Letters and names of files.
    NameStatus,
    /// The schema alone.
    Schema,
    /// One JSON object per line.
    Json,
    /// One line per cell.
    Csv,
    /// Pages.
    Pages,
    /// A script that turns the old state into the new one.
    Sql,
    /// A changeset, in a file.
    Changeset,
    /// Nothing: only the exit code counts.
    Quiet,
}

/// What is shown, and of what.
#[derive(Clone, Debug)]
pub struct View {
    /// What is shown.
    pub format: Format,
    /// Only these tables.
    pub tables: Option<GlobMatcher>,
    /// Only these kinds of change.
    pub filter: Filter,
    /// Only rows for which this holds, as they were or as they are.
    pub condition: Option<String>,
    /// At most so many rows per table.
    pub limit: Option<u64>,
    /// How rows are paired.
    pub options: DiffOptions,
    /// The file for a changeset.
    pub output: Option<PathBuf>,
    /// Where the user stands, for names of files.
    pub from: String,
}

impl View {
    /// Shows everything, seen from the top of the worktree.
    pub fn whole(format: Format) -> Self {
        Self {
            format,
            tables: None,
            filter: Filter::default(),
            condition: None,
            limit: None,
            options: DiffOptions::default(),
            output: None,
            from: String::new(),
        }
    }

    /// Tells whether only some tables or rows are wanted.
    fn is_narrowed(&self) -> bool {
        self.tables.is_some() || self.condition.is_some() || self.filter.narrows_rows()
    }

    /// Tells whether only rows are wanted, and neither the schema nor other changes of the file.
    fn wants_rows_only(&self) -> bool {
        self.condition.is_some() || self.filter.narrows_rows()
    }
}

/// How many rows differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Inserted rows.
    pub inserted: u64,
    /// Deleted rows.
    pub deleted: u64,
    /// Updated rows.
    pub updated: u64,
}

impl Tally {
    fn add(&mut self, change: &RowChange) {
        match change {
            RowChange::Insert { count, .. } => self.inserted += count,
            RowChange::Delete { count, .. } => self.deleted += count,
            RowChange::Update { .. } => self.updated += 1,
        }
    }

    fn total(self) -> u64 {
        self.inserted + self.deleted + self.updated
    }

    fn text(self) -> String {
        let parts = [(self.inserted, "inserted"), (self.deleted, "deleted"), (self.updated, "updated")];
        let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        said.join(", ")
    }
}

/// How a file is opened.
pub type Open<'a> = dyn Fn(&FileDiff, DiffOptions) -> Result<Opened, RepoError> + 'a;

/// What was shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// Something differs.
    pub differs: bool,
    /// The tables of the databases that were opened.
    pub tables: BTreeSet<String>,
}

/// Shows files.
pub fn show(ctx: &mut Context, files: &[FileDiff], open: &Open<'_>, view: &View) -> Result<Shown, Failure> {
    let mut seen = Shown::default();
    let mut totals = stat::Totals::default();
    if view.format == Format::Csv {
        csv::header(&mut ctx.out)?;
    }
    for file in files {
        let certain = matches!(
            (&file.old, &file.new),
            (Side::Absent, _) | (_, Side::Absent) | (Side::Stored(_), Side::Stored(_))
        );
        let by_name = matches!(view.format, Format::NameOnly | Format::NameStatus | Format::Quiet);
        if by_name && certain && view.tables.is_none() && view.condition.is_none() {
            if view.filter.takes_file(file.change.change) {
                seen.differs = true;
                name(ctx, file, view)?;
            }
            continue;
        }
        let filter = match by_name {
            true => view.filter.takes_file(file.change.change).then(Filter::default),
            false => view.filter.for_rows_of(file.change.change),
        };
        let Some(filter) = filter else { continue };
        let of_file = View { filter, ..view.clone() };
        let view = &of_file;
        let opened = open(file, view.options)?;
        seen.tables.extend(opened.tables());
        let moved = file.change.old_mode != file.change.new_mode || file.change.renamed_from.is_some();
        let rows = match &opened {
            Opened::Same if !moved || view.is_narrowed() => continue,
            Opened::Bytes { .. } if view.tables.is_some() || view.condition.is_some() => continue,
            Opened::Same | Opened::Bytes { .. } if !view.filter.takes_file(file.change.change) => continue,
            Opened::Same | Opened::Bytes { .. } => None,
            Opened::Rows(rows) => Some(rows.as_ref()),
        };
        let database = rows.map(|rows| Database { file, rows, view });
        warn_unreadable(ctx, database.as_ref());
        database.as_ref().map_or(Ok(()), Database::check_condition)?;
        let one = match (&database, by_name) {
            (Some(db), true) => db.differs()?,
            (None, true) => true,
            (_, false) => match view.format {
                Format::Stat => stat::file(ctx, file, &opened, database.as_ref(), view, &mut totals)?,
                Format::Numstat | Format::Shortstat => stat::numbers(ctx, file, database.as_ref(), view, &mut totals)?,
                Format::Summary => stat::summary(ctx, file, database.as_ref())?,
                Format::Json => lines::file(ctx, file, &opened, database.as_ref())?,
                Format::Csv => csv::file(ctx, file, database.as_ref())?,
                Format::Sql => script::file(ctx, file, database.as_ref())?,
                Format::Changeset => script::changeset(ctx, database.as_ref())?,
                Format::Pages => pages(ctx, file, &opened, view)?,
                _ => patch::file(ctx, file, &opened, database.as_ref(), view)?,
            },
        };
        if by_name && one {
            name(ctx, file, view)?;
        }
        seen.differs |= one;
    }
    match view.format {
        Format::Stat if seen.differs => stat::totals(ctx, &totals)?,
        Format::Shortstat if seen.differs => stat::short(ctx, &totals)?,
        _ => {}
    }
    Ok(seen)
}

/// Fails, naming the nearest, if no table is called like the pattern.
pub fn check_tables(pattern: &str, glob: &GlobMatcher, known: &BTreeSet<String>) -> Result<(), Failure> {
    if known.iter().any(|t| glob.is_match(t)) {
        return Ok(());
    }
    let failure = Failure::new(format!("no table is called '{pattern}'")).exit(exit::FAILED);
    Err(match suggest::nearest(pattern, known.iter().map(String::as_str)) {
        Some(near) => failure.help(format!("did you mean '{near}'?")),
        None if known.is_empty() => failure.help("there are no tables in either state"),
        None => {
            let some: Vec<&str> = known.iter().take(10).map(String::as_str).collect();
            let more = if known.len() > some.len() { ", …" } else { "" };
            failure.help(format!("the tables are {}{more}", some.join(", ")))
        }
    })
}

fn warn_unreadable(ctx: &Context, database: Option<&Database<'_>>) {
    for pair in database.into_iter().flat_map(|db| db.rows.diff.tables().iter().filter(|t| db.wants_pair(t))) {
        if pair.compared == Compared::Unreadable {
            unreadable(ctx, &pair.name, "it needs a module or a function that only the application has");
        }
    }
}

fn unreadable(ctx: &Context, table: &str, why: &str) {
    ctx.say.warning(format_args!("the rows of {} are not compared: {why}", value::name(table)));
}

fn shown(path: &str, view: &View) -> String {
    quoted(&relative(path, &view.from), Quote::People)
}

fn name(ctx: &mut Context, file: &FileDiff, view: &View) -> Result<(), Failure> {
    let path = shown(file.change.path.as_str(), view);
    match (view.format, &file.change.renamed_from) {
        (Format::NameOnly, _) => writeln!(ctx.out, "{path}")?,
        (Format::NameStatus, Some(from)) => writeln!(ctx.out, "R\t{}\t{path}", shown(from.as_str(), view))?,
        (Format::NameStatus, None) => writeln!(ctx.out, "{}\t{path}", change::letter(file.change.change))?,
        _ => {}
    }
    Ok(())
}

fn pages(ctx: &mut Context, file: &FileDiff, opened: &Opened, view: &View) -> Result<bool, Failure> {
    let path = shown(file.change.path.as_str(), view);
    let Opened::Rows(rows) = opened else {
        writeln!(ctx.out, "{path}: not a database")?;
        return Ok(true);
    };
    let sizes = format!("{} → {}", bytes(rows.old_len), bytes(rows.new_len));
    match &rows.pages {
        Some(pages) => {
            let changed = count(pages.len().into(), "page");
            let size = bytes(u64::from(pages.len()) * PAGE_SIZE as u64);
            writeln!(ctx.out, "{path}: {changed} of 4 KiB, {size}; file {sizes}")?;
            writeln!(ctx.out, "  {pages}")?;
        }
        None => writeln!(ctx.out, "{path}: file {sizes}; the pages were not compared")?,
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_table_is_answered_with_the_nearest() {
        let glob = globset::Glob::new("albms").expect("plain").compile_matcher();
        let failure = check_tables("albms", &glob, &["albums".into(), "artists".into()].into()).expect_err("unknown");
        assert!(crate::cli::error::plain(&failure).contains("did you mean 'albums'?"));
        let glob = globset::Glob::new("al*").expect("plain").compile_matcher();
        assert_eq!(check_tables("al*", &glob, &["albums".into()].into()), Ok(()));
    }
}
