//! `--quiet`: nothing is written, the exit code says whether anything differs.

use std::io::Write;

use crate::cli::diff::{DiffWriter, Differs};
use crate::repo::worktree::diff::SelectedFile;

/// Writes nothing.
pub struct Quiet;

impl DiffWriter for Quiet {
    fn by_name(&self) -> bool {
        true
    }

    fn file(&mut self, file: &SelectedFile<'_>, _: &mut dyn Write, _: &mut Vec<String>) -> Differs {
        Ok(file.differs()?)
    }
}
