//! `--pages`: which pages differ.

use std::io::Write;

use crate::cli::diff::{DiffWriter, Differs};
use crate::cli::render::path::{Quote, seen};
use crate::cli::render::size::{bytes, count};
use crate::model::page::PAGE_SIZE;
use crate::repo::worktree::diff::SelectedFile;

/// Writes how many pages differ in a file, and their numbers.
pub struct Pages {
    /// Where the user stands.
    pub from: String,
}

impl DiffWriter for Pages {
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, _: &mut Vec<String>) -> Differs {
        let path = seen(file.file.change.path.as_str(), &self.from, Quote::People);
        let Some(both) = file.rows().map(|rows| rows.both()) else {
            writeln!(out, "{path}: not a database")?;
            return Ok(true);
        };
        let sizes = format!("{} → {}", bytes(both.old_len), bytes(both.new_len));
        match &both.pages {
            Some(pages) => {
                let changed = count(pages.len().into(), "page");
                let size = bytes(u64::from(pages.len()) * PAGE_SIZE as u64);
                writeln!(out, "{path}: {changed} of 4 KiB, {size}; file {sizes}")?;
                writeln!(out, "  {pages}")?;
            }
            None => writeln!(out, "{path}: file {sizes}; the pages were not compared")?,
        }
        Ok(true)
    }
}
