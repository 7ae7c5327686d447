//! `--numstat`: how many rows came and went in each file, as Git counts lines: one that is another came and went.

use std::io::Write;

use crate::cli::diff::{DiffWriter, Differs};
use crate::cli::render::change;
use crate::cli::render::path::{Quote, relative, seen};
use crate::model::FileKind;
use crate::repo::state::types::ChangeKind;
use crate::repo::worktree::diff::SelectedFile;

/// Writes two numbers before the name of a file; a file without rows has `-`.
pub struct Numstat {
    /// Where the user stands.
    pub from: String,
}

impl DiffWriter for Numstat {
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, _: &mut Vec<String>) -> Differs {
        let Some(rows) = file.count()? else { return Ok(false) };
        let change = &file.file.change;
        let path = change.path.as_str();
        let name = match &change.renamed_from {
            Some(from) => change::renamed(&relative(from.as_str(), &self.from), &relative(path, &self.from)),
            None => seen(path, &self.from, Quote::Scripts),
        };
        let has_rows = change.kind == FileKind::Sqlite && change.change != ChangeKind::TypeChanged;
        match file.rows().is_some() || has_rows {
            true => writeln!(out, "{}\t{}\t{name}", rows.inserted + rows.updated, rows.deleted + rows.updated)?,
            false => writeln!(out, "-\t-\t{name}")?,
        }
        Ok(true)
    }
}
