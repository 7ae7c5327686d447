//! `--shortstat`: how many rows came and went in all files, on one line.

use std::io::Write;

use crate::cli::diff::{DiffWriter, Differs};
use crate::cli::error::Failure;
use crate::cli::render::size::count;
use crate::model::RowCounts;
use crate::repo::worktree::diff::SelectedFile;

/// Writes ` 2 files changed, 3 insertions(+), 1 deletion(-)`.
#[derive(Default)]
pub struct Shortstat {
    files: u64,
    rows: RowCounts,
}

impl DiffWriter for Shortstat {
    fn file(&mut self, file: &SelectedFile<'_>, _: &mut dyn Write, _: &mut Vec<String>) -> Differs {
        let Some(rows) = file.count()? else { return Ok(false) };
        self.files += 1;
        self.rows += rows;
        Ok(true)
    }

    fn end(&mut self, out: &mut dyn Write) -> Result<(), Failure> {
        let RowCounts { inserted, deleted, updated } = self.rows;
        let (added, removed) = (inserted + updated, deleted + updated);
        let mut text = format!(" {} changed", count(self.files, "file"));
        if added > 0 || removed == 0 {
            text += &format!(", {}(+)", count(added, "insertion"));
        }
        if removed > 0 || added == 0 {
            text += &format!(", {}(-)", count(removed, "deletion"));
        }
        writeln!(out, "{text}")?;
        Ok(())
    }
}
