//! `--summary`: which files and schema objects came, went, or changed their mode or definition.

use std::io::Write;

use crate::cli::diff::{DiffWriter, Differs, value};
use crate::cli::render::change;
use crate::cli::render::path::{Quote, seen};
use crate::repo::worktree::diff::SelectedFile;
use crate::sqlite::diff::Selected;

/// Writes a line for every file and every schema object.
pub struct Summary {
    /// Where the user stands.
    pub from: String,
}

impl DiffWriter for Summary {
    fn file(&mut self, file: &SelectedFile<'_>, out: &mut dyn Write, _: &mut Vec<String>) -> Differs {
        let change = &file.file.change;
        out.write_all(change::summary(std::slice::from_ref(change)).as_bytes())?;
        let Some(rows) = file.rows() else { return Ok(true) };
        for object in rows.ask(Selected::schema)? {
            let path = seen(change.path.as_str(), &self.from, Quote::People);
            let (kind, name) = (&object.kind, value::name(&object.name));
            let what = match (&object.old_sql, &object.new_sql, &object.renamed_from) {
                (None, ..) => format!("create {kind} {name}"),
                (_, None, _) => format!("drop {kind} {name}"),
                (.., Some(from)) => format!("rename {kind} {} => {name}", value::name(from)),
                _ => format!("alter {kind} {name}"),
            };
            writeln!(out, " {what} in {path}")?;
        }
        Ok(rows.differs()?)
    }
}
