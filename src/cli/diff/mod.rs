//! Renders differences: of files, and of what is in databases.
//!
//! Rows are streamed: memory does not grow with the number of changes. Where counts stand before the rows, the text waits in a
//! temporary file.

mod forms;
pub mod only;
pub mod target;
pub mod value;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

pub use forms::changeset::empty as empty_changeset;
pub use forms::textconv::TextConv;

use super::error::{Failure, exit};
use super::messages::Messages;
use super::style::Theme;
use super::suggest;
use crate::repo::worktree::diff::{FileDiff, Open, SelectedFile, Wanted};
use crate::sqlite::diff::TablePattern;

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// A changeset, in this file.
    Changeset(PathBuf),
    /// Nothing: only the exit code counts.
    Quiet,
}

impl Format {
    /// Tells whether it writes to standard output.
    pub fn is_shown(&self) -> bool {
        !matches!(self, Self::Quiet | Self::Changeset(_))
    }

    /// Makes the writer. `from` is where the user stands, for names of files.
    pub fn writer(&self, theme: Theme, from: &str) -> Box<dyn DiffWriter> {
        let from = from.to_owned();
        match self {
            Self::Patch => Box::new(forms::patch::Patch { theme }),
            Self::Stat => Box::new(forms::stat::Stat::new(theme, from)),
            Self::Numstat => Box::new(forms::numstat::Numstat { from }),
            Self::Shortstat => Box::new(forms::shortstat::Shortstat::default()),
            Self::Summary => Box::new(forms::summary::Summary { from }),
            Self::NameOnly => Box::new(forms::name_only::NameOnly { from }),
            Self::NameStatus => Box::new(forms::name_status::NameStatus { from }),
            Self::Schema => Box::new(forms::schema::Schema { theme }),
            Self::Json => Box::new(forms::json::Json),
            Self::Csv => Box::new(forms::csv::Csv),
            Self::Pages => Box::new(forms::pages::Pages { from }),
            Self::Sql => Box::new(forms::sql::Sql),
            Self::Changeset(path) => Box::new(forms::changeset::Changeset { path: path.clone() }),
            Self::Quiet => Box::new(forms::quiet::Quiet),
        }
    }
}

/// Whether what is wanted of a file differs.
pub type Differs = Result<bool, Failure>;

/// One form of a diff.
pub trait DiffWriter {
    /// Tells whether only names of files are written, so that the content of those that differ for certain is not needed.
    fn by_name(&self) -> bool {
        false
    }

    /// Writes what stands before all files.
    fn begin(&mut self, _out: &mut dyn Write) -> Result<(), Failure> {
        Ok(())
    }

    /// Writes a file, and tells whether what is wanted of it differs. What is left out goes to `warnings`.
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, warnings: &mut Vec<String>) -> Differs;

    /// Writes what stands behind all files, if any differs.
    fn end(&mut self, _out: &mut dyn Write) -> Result<(), Failure> {
        Ok(())
    }
}

/// What was shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// Something differs.
    pub differs: bool,
    /// The tables of the databases that were opened.
    pub tables: BTreeSet<String>,
}

/// Shows what is wanted of files.
pub fn show(
    files: &[FileDiff],
    open: &Open<'_>,
    wanted: &Wanted,
    writer: &mut dyn DiffWriter,
    out: &mut dyn Write,
    say: Messages,
) -> Result<Shown, Failure> {
    let mut shown = Shown::default();
    writer.begin(out)?;
    for file in files {
        let Some(file) = wanted.of(file, writer.by_name(), open)? else { continue };
        if let Some(rows) = file.rows() {
            shown.tables.extend(rows.both().table_names());
            for pair in rows.selected().unreadable() {
                say.warning(unreadable(&pair.name, "it needs a module or a function that only the application has"));
            }
            rows.selected().check_condition().map_err(|why| unfit_condition(wanted, &why))?;
        }
        let mut warnings = Vec::new();
        let differs = writer.file(&file, out, &mut warnings);
        warnings.into_iter().for_each(|text| say.warning(text));
        shown.differs |= differs?;
    }
    if shown.differs {
        writer.end(out)?;
    }
    Ok(shown)
}

fn unfit_condition(wanted: &Wanted, why: &str) -> Failure {
    let text = wanted.condition.as_deref().unwrap_or_default();
    Failure::usage(format!("'{text}' is no condition for any table that is compared: {why}"))
        .help("name columns as in 'total > 100', and the table with -t")
}

/// Says why rows of a table are missing.
fn unreadable(table: &str, why: &str) -> String {
    format!("the rows of {} are not compared: {why}", value::name(table))
}

/// Fails, naming the nearest, if no table is called like the pattern.
pub fn check_tables(pattern: &TablePattern, known: &BTreeSet<String>) -> Result<(), Failure> {
    if known.iter().any(|t| pattern.matches(t)) {
        return Ok(());
    }
    let failure = Failure::new(format!("no table is called '{}'", pattern.as_str())).exit(exit::FAILED);
    Err(match suggest::nearest(pattern.as_str(), known.iter().map(String::as_str)) {
        Some(near) => failure.help(format!("did you mean '{near}'?")),
        None if known.is_empty() => failure.help("there are no tables in either state"),
        None => {
            let some: Vec<&str> = known.iter().take(10).map(String::as_str).collect();
            let more = if known.len() > some.len() { ", …" } else { "" };
            failure.help(format!("the tables are {}{more}", some.join(", ")))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_table_is_answered_with_the_nearest() {
        let pattern = TablePattern::parse("albms").expect("plain");
        let failure = check_tables(&pattern, &["albums".into(), "artists".into()].into()).expect_err("unknown");
        assert!(crate::cli::error::plain(&failure).contains("did you mean 'albums'?"));
        let pattern = TablePattern::parse("al*").expect("plain");
        assert_eq!(check_tables(&pattern, &["albums".into()].into()), Ok(()));
    }
}
