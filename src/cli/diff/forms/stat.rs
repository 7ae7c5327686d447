//! `--stat`: how much differs in each file, how many rows in each of its tables, and in all.

use std::io::Write;

use unicode_width::UnicodeWidthStr;

use super::counted;
use crate::cli::diff::{DiffWriter, Differs, value};
use crate::cli::error::Failure;
use crate::cli::render::path::{Quote, seen};
use crate::cli::render::size::{bytes, count};
use crate::cli::style::Theme;
use crate::model::RowCounts;
use crate::model::page::PAGE_SIZE;
use crate::repo::state::types::ChangeKind;
use crate::repo::worktree::diff::{Content, SelectedFile};
use crate::sqlite::diff::Selected;

/// Writes a file and, below it, its tables; then what all files sum up to.
pub struct Stat {
    theme: Theme,
    from: String,
    files: u64,
    rows: RowCounts,
}

impl Stat {
    /// Begins with no file; `from` is where the user stands.
    pub fn new(theme: Theme, from: String) -> Self {
        Self { theme, from, files: 0, rows: RowCounts::default() }
    }
}

impl DiffWriter for Stat {
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, _: &mut Vec<String>) -> Differs {
        let (mut tables, mut unshown) = (Vec::new(), Vec::new());
        let mut objects = 0;
        if let Some(rows) = file.rows() {
            objects = rows.ask(Selected::schema)?.len() as u64;
            tables = rows.counts()?;
            unshown = rows.ask(Selected::unshown)?;
            let is_narrowed = rows.selected().selection.is_narrowed();
            if tables.is_empty() && unshown.is_empty() && objects == 0 && (is_narrowed || !rows.differs()?) {
                return Ok(false);
            }
        }
        self.files += 1;
        let name = |path: &str| seen(path, &self.from, Quote::People);
        let change = &file.file.change;
        let path = name(change.path.as_str());
        let path = match &change.renamed_from {
            Some(from) => format!("{} => {path}", name(from.as_str())),
            None => path,
        };
        writeln!(out, " {path} | {}", extent(file))?;
        if objects > 0 {
            writeln!(out, "   {}", count(objects, "schema change"))?;
        }
        let tables: Vec<(String, RowCounts)> =
            tables.into_iter().map(|(pair, counts)| (value::name(&pair.name), counts)).collect();
        let width = tables.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
        let (added, removed) = (self.theme.added, self.theme.removed);
        for (name, counts) in tables {
            let padding = " ".repeat(width - name.width());
            let RowCounts { inserted, deleted, updated } = counts;
            writeln!(
                out,
                "   {name}{padding} | {added}+{inserted}{added:#} {removed}-{deleted}{removed:#} ~{updated}"
            )?;
            self.rows += counts;
        }
        for table in unshown {
            writeln!(out, "   {} | differs, but has no rows of its own", value::name(&table.table))?;
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut dyn Write) -> Result<(), Failure> {
        let rows = match self.rows.total() {
            0 => "no rows".to_owned(),
            n => format!("{}: {}", count(n, "row"), counted(self.rows)),
        };
        writeln!(out, " {} changed, {rows}", count(self.files, "file"))?;
        Ok(())
    }
}

fn extent(file: &SelectedFile<'_>) -> String {
    let change = file.file.change.change;
    let size = |old: u64, new: u64| match change {
        ChangeKind::Added => format!("new, {}", bytes(new)),
        ChangeKind::Deleted => format!("gone, {}", bytes(old)),
        _ if old == new => bytes(new),
        _ => format!("{} → {}", bytes(old), bytes(new)),
    };
    match &file.content {
        Content::Aside => "no pages".to_owned(),
        Content::Bytes { old_len, new_len } => format!("bytes differ, {}", size(*old_len, *new_len)),
        Content::Rows(rows) => {
            let both = rows.both();
            match (&both.pages, change) {
                (Some(pages), ChangeKind::Modified | ChangeKind::Renamed) => {
                    let changed = bytes(u64::from(pages.len()) * PAGE_SIZE as u64);
                    format!("{}, {changed} of {}", count(pages.len().into(), "page"), size(both.old_len, both.new_len))
                }
                _ => size(both.old_len, both.new_len),
            }
        }
    }
}
