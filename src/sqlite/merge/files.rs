//! Merging three database files into a fourth, without a repository.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use super::{MergeOptions, Merged, RowMergeError, States, merge};
use crate::model::PageSource;
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::error::DatabaseError;
use crate::sqlite::file_source::{EmptySource, FileSource};
use crate::sqlite::materialize::{MaterializeError, WriteOptions, export, export_to};
use crate::util::fs::TempFile;

/// Why three files were not merged; what was at the place of the result still is.
#[derive(Debug, thiserror::Error)]
pub enum FileMergeError {
    /// One of them cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// They cannot be merged.
    #[error(transparent)]
    Merge(#[from] RowMergeError),
    /// The result cannot be written.
    #[error(transparent)]
    Write(#[from] MaterializeError),
    /// The result cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Merges what `theirs` did since `base` into `ours`, and writes the result to `out`, which is replaced. Without a base, or with
/// an empty file, the two have nothing in common. The three files are only read.
pub fn merge_files(
    [base, ours, theirs]: [Option<&Path>; 3],
    out: &Path,
    options: MergeOptions,
    write: &WriteOptions<'_>,
) -> Result<Merged, FileMergeError> {
    let open = |path: Option<&Path>| -> Result<Arc<dyn PageSource>, FileMergeError> {
        let Some(path) = path else { return Ok(Arc::new(EmptySource)) };
        match classify(path).map_err(|e| DatabaseError::io(path, e))? {
            Detected::Empty => Ok(Arc::new(EmptySource)),
            _ => Ok(Arc::new(FileSource::open(path, write.busy())?)),
        }
    };
    let (base, ours, theirs) = (base.map(|path| open(Some(path))).transpose()?, open(ours)?, open(theirs)?);
    let failed = |source| FileMergeError::Io { path: out.into(), source };
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temp = TempFile::create_in(folder).map_err(failed)?;
    export_to(&*ours, out, &mut temp)?;
    let states = States { base, ours, theirs, differing: (None, None) };
    let merged = {
        let conn = Connection::open(temp.path()).map_err(RowMergeError::Sqlite)?;
        // Nobody else knows the file, and it is made durable as a whole.
        conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF")
            .map_err(RowMergeError::Sqlite)?;
        let merged = merge(&states, &conn, options)?;
        conn.close().map_err(|(_, e)| RowMergeError::Sqlite(e))?;
        merged
    };
    drop(states);
    let result: Box<dyn PageSource> = match classify(temp.path()).map_err(failed)? {
        Detected::Empty => Box::new(EmptySource),
        _ => Box::new(FileSource::open(temp.path(), write.busy())?),
    };
    export(&*result, out, write)?;
    Ok(merged)
}
