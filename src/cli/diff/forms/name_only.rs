//! `--name-only`: the names of the files that differ.

use std::io::Write;

use crate::cli::diff::{DiffWriter, Differs};
use crate::cli::render::path::{Quote, seen};
use crate::repo::worktree::diff::SelectedFile;

/// Writes the name of a file.
pub struct NameOnly {
    /// Where the user stands.
    pub from: String,
}

impl DiffWriter for NameOnly {
    fn by_name(&self) -> bool {
        true
    }

    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, _: &mut Vec<String>) -> Differs {
        let differs = file.differs()?;
        if differs {
            writeln!(out, "{}", seen(file.file.change.path.as_str(), &self.from, Quote::People))?;
        }
        Ok(differs)
    }
}
