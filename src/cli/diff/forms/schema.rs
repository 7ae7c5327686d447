//! `--schema`: how the schema and the settings differ.

use std::io::Write;

use super::definitions;
use super::head::{Head, other_bytes};
use crate::cli::diff::{DiffWriter, Differs};
use crate::cli::style::Theme;
use crate::repo::worktree::diff::{Content, SelectedFile};

/// Writes the schema objects and settings of a database that differ.
pub struct Schema {
    /// The colours.
    pub theme: Theme,
}

impl DiffWriter for Schema {
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, _: &mut Vec<String>) -> Differs {
        let mut head = Head::new(file.file, &self.theme);
        match &file.content {
            Content::Aside => Ok(false),
            Content::Bytes { old_len, new_len } => {
                head.write(out)?;
                other_bytes(out, *old_len, *new_len)?;
                Ok(true)
            }
            Content::Rows(rows) => definitions::write(rows, &mut head, &self.theme, out),
        }
    }
}
