//! What lies beside a file of the worktree and concerns it: working files of SQLite's that Graft cannot read through, and other names
//! of the same file (hard links), by which a program may have it open.
//!
//! SQLite names the `-wal` and the `-journal` after the name that a database was opened by. What lies there under another name is
//! neither read nor minded by anybody who comes by this one: a read misses rows or takes uncommitted ones, a write destroys both.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::{FileKind, RepoPath};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::types::Warning;
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::sidecars::{SUFFIXES, belongs, is_named_like_database, unfinished};

/// Why a file is neither read nor written.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    /// It is no database to Graft, but has a working file of SQLite's.
    #[error("'{}' is in use as a database: '{}' holds work of it that only its own program can read", path.display(), sidecar.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// Its `-wal` or `-journal`.
        sidecar: PathBuf,
    },
    /// A program has it open under another name.
    #[error(
        "'{}' is also '{}' (a hard link), and '{}' holds work of it that is missing under this name",
        path.display(), other.display(), sidecar.display()
    )]
    OtherName {
        /// The file.
        path: PathBuf,
        /// Its other name.
        other: PathBuf,
        /// The `-wal` or `-journal` of that name.
        sidecar: PathBuf,
    },
}

/// Fails if rows of a file lie where nobody finds them who comes by this name; `shown` is what the file is called.
pub fn refuse_other_name(file: &Path, shown: &Path) -> Result<(), BesideError> {
    match other_name_in_use(file) {
        Some((other, sidecar)) => {
            let named =
                |path: &Path| path.file_name().map_or_else(|| path.to_owned(), |name| shown.with_file_name(name));
            let (other, sidecar) = (named(&other), named(&sidecar));
            Err(BesideError::OtherName { path: shown.to_owned(), other, sidecar })
        }
        None => Ok(()),
    }
}

impl Repository {
    /// Says what lies beside a file, which is of this kind, and makes what is taken of it less than a program sees.
    pub(super) fn warnings_beside(&self, path: &RepoPath, kind: FileKind) -> Vec<Warning> {
        let file = self.file_of(path);
        let mut out = Vec::new();
        if kind == FileKind::Opaque {
            if let Some(sidecar) = unfinished(&file) {
                let is_journal = sidecar.as_os_str().as_encoded_bytes().ends_with(b"-journal");
                let (path, sidecar) = (path.clone(), self.shown(&sidecar));
                out.push(match is_journal {
                    true => Warning::HalfWritten { path, journal: sidecar },
                    false => Warning::NotInFile { path, wal: sidecar },
                });
            }
            let main_of = |suffix: &&str| path.as_str().strip_suffix(*suffix).and_then(|main| RepoPath::new(main).ok());
            let mains = SUFFIXES.iter().filter_map(|suffix| main_of(suffix).map(|main| (main, suffix)));
            for (main, suffix) in mains {
                let main_file = self.file_of(&main);
                if main_file.is_file() && belongs(&main_file, suffix) {
                    out.push(Warning::TrackedSidecar { path: path.clone(), main });
                }
            }
        }
        let links = links(&file);
        if links > 1 && (kind == FileKind::Sqlite || is_named_like_database(&file)) {
            out.push(match other_name_in_use(&file) {
                Some((other, sidecar)) => {
                    let (other, sidecar) = (self.shown(&other), self.shown(&sidecar));
                    Warning::UsedByOtherName { path: path.clone(), other, sidecar }
                }
                None => Warning::HardLink { path: path.clone(), links },
            });
        }
        out
    }

    /// Fails if rows of a tracked file lie where nobody finds them who comes by this name.
    pub(super) fn refuse_other_name(&self, path: &RepoPath) -> Result<()> {
        Ok(refuse_other_name(&self.file_of(path), Path::new(path.as_str()))?)
    }

    /// Fails if a file that is to be written over or removed has work beside it that would be lost; with `force` that is given up.
    pub(super) fn refuse_unfinished(&self, path: &RepoPath, force: bool) -> Result<()> {
        self.refuse_other_name(path)?;
        let file = self.file_of(path);
        if force || matches!(classify(&file), Ok(Detected::Sqlite(_))) {
            // SQLite itself takes the work of a database in, or rolls it back.
            return Ok(());
        }
        match unfinished(&file) {
            Some(sidecar) => {
                let (path, sidecar) = (PathBuf::from(path.as_str()), PathBuf::from(self.shown(&sidecar)));
                Err(BesideError::Unfinished { path, sidecar }.into())
            }
            None => Ok(()),
        }
    }

    fn shown(&self, file: &Path) -> String {
        file.strip_prefix(self.top()).unwrap_or(file).to_string_lossy().into_owned()
    }
}

/// Returns how many names a file has.
fn links(file: &Path) -> u64 {
    fs::symlink_metadata(file).map_or(0, |meta| if meta.is_file() { meta.nlink() } else { 0 })
}

/// Finds, in the folder of a file, another name of it and the working file of that name which holds something.
fn other_name_in_use(file: &Path) -> Option<(PathBuf, PathBuf)> {
    let own = fs::symlink_metadata(file).ok().filter(|meta| meta.is_file() && meta.nlink() > 1)?;
    for entry in fs::read_dir(file.parent()?).ok()?.flatten() {
        let is_same = || entry.metadata().is_ok_and(|meta| (meta.dev(), meta.ino()) == (own.dev(), own.ino()));
        if Some(entry.file_name().as_os_str()) != file.file_name()
            && is_same()
            && let Some(sidecar) = unfinished(&entry.path())
        {
            return Some((entry.path(), sidecar));
        }
    }
    None
}
