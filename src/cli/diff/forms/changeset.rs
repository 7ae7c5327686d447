//! `--changeset`: a changeset of SQLite's session extension, in a file.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cli::diff::{DiffWriter, Differs};
use crate::cli::error::Failure;
use crate::repo::worktree::diff::SelectedFile;
use crate::sqlite::changeset::{ChangesetError, write_changeset};
use crate::util::fs::TempFile;

/// Writes the changeset of a database into the file that was named.
pub struct Changeset {
    /// The file.
    pub path: PathBuf,
}

impl DiffWriter for Changeset {
    fn file(&mut self, file: &SelectedFile<'_>, _: &mut dyn Write, warnings: &mut Vec<String>) -> Differs {
        let Some(rows) = file.rows() else { return Ok(false) };
        let left_out = into_file(&self.path, &mut |out| {
            write_changeset(rows.selected(), out).map_err(|e| match e {
                ChangesetError::Diff(e) => rows.error(e).into(),
                ChangesetError::Io(e) => cannot_write(&self.path, &e),
                ChangesetError::Inexpressible { .. } => {
                    Failure::new(e.to_string()).help("use --sql, or leave the table out with -t")
                }
            })
        })?;
        warnings.extend(left_out.iter().map(|what| format!("the changeset does not carry over {what}")));
        Ok(true)
    }
}

/// Writes the changeset of databases that do not differ.
pub fn empty(path: &Path) -> Result<(), Failure> {
    into_file(path, &mut |_| Ok(()))
}

/// Writes a file that is there as a whole or not at all.
fn into_file<T>(path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> Result<T, Failure>) -> Result<T, Failure> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temp = TempFile::create_in(folder).map_err(|e| cannot_write(path, &e))?;
    let mut out = BufWriter::new(temp.file());
    let written = write(&mut out)?;
    out.flush().map_err(|e| cannot_write(path, &e))?;
    drop(out);
    temp.sync().and_then(|()| temp.persist(path)).map_err(|e| cannot_write(path, &e))?;
    Ok(written)
}

fn cannot_write(path: &Path, e: &io::Error) -> Failure {
    Failure::new(format!("cannot write '{}'", path.display())).because(e)
}
