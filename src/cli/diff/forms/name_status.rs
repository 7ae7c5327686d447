//! `--name-status`: the names of the files that differ, behind a letter for what happened to them.

use std::io::Write;

use crate::cli::diff::{DiffWriter, Differs};
use crate::cli::render::change;
use crate::cli::render::path::{Quote, seen};
use crate::repo::worktree::diff::SelectedFile;

/// Writes a letter and the name of a file; both names if it was renamed.
pub struct NameStatus {
    /// Where the user stands.
    pub from: String,
}

impl DiffWriter for NameStatus {
    fn by_name(&self) -> bool {
        true
    }

    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, _: &mut Vec<String>) -> Differs {
        let differs = file.differs()?;
        if differs {
            let name = |path: &str| seen(path, &self.from, Quote::People);
            out.write_all(change::status_line(&file.file.change, &name).as_bytes())?;
        }
        Ok(differs)
    }
}
