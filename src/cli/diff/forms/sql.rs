//! `--sql`: a script that turns the old state of a database into the new one.

use std::io::Write;

use crate::cli::diff::{DiffWriter, Differs};
use crate::cli::error::Failure;
use crate::repo::worktree::diff::SelectedFile;
use crate::sqlite::script::{ScriptError, write_script};

/// Writes the script for a database.
pub struct Sql;

impl DiffWriter for Sql {
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, warnings: &mut Vec<String>) -> Differs {
        let Some(rows) = file.rows().filter(|rows| rows.both().pages.is_none() || rows.differs().unwrap_or(true))
        else {
            return Ok(false);
        };
        let written = write_script(rows.selected(), file.file.change.path.as_str(), out);
        let left_out = written.map_err(|e| match e {
            ScriptError::Diff(e) => rows.error(e).into(),
            ScriptError::Io(e) => Failure::from(e),
            ScriptError::Inexpressible { .. } => {
                Failure::new(e.to_string()).help("leave out --where and --diff-filter, or the table with -t")
            }
        })?;
        warnings.extend(left_out.iter().map(|what| format!("the script does not carry over {what}")));
        Ok(true)
    }
}
