//! Opens the two sides of a file: snapshots, worktree files in a read transaction, plain files without a repository.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bytes::same_bytes;
use super::scan::{compare_files, scan};
use super::{FileDiff, FileDiffError};
use crate::model::page::pages_for;
use crate::model::{FileKind, FileMode, ObjectId, PageSet, PageSource, RepoPath, Snapshot};
use crate::repo::error::{RepoError, Result};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::types::{ChangeKind, FileChange};
use crate::repo::text::pathspec::repo_path;
use crate::repo::worktree::capture::file_mode;
use crate::repo::{Repository, Settings};
use crate::sqlite::attach::Busy;
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::diff::{Diff, DiffOptions};
use crate::sqlite::error::DatabaseError;
use crate::sqlite::file_source::{EmptySource, FileSource};
use crate::sqlite::holders::LockHolders;
use crate::store::{OpenSnapshot, differing_pages};

/// Where one side of a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nowhere: the file is not there.
    Absent,
    /// In the store.
    Stored(ObjectId),
    /// The newest state of a volume, of a file that is not materialized.
    Volume(Box<Snapshot>),
    /// In the file system.
    File(PathBuf),
}

/// Two sides, open.
pub enum Opened {
    /// Both are the same.
    Same,
    /// At least one is no database: the bytes differ.
    Bytes {
        /// Bytes of the old side.
        old_len: u64,
        /// Bytes of the new side.
        new_len: u64,
    },
    /// Two databases.
    Rows(Box<Rows>),
}

impl Opened {
    /// Returns the names of the tables of both sides.
    pub fn tables(&self) -> Vec<String> {
        match self {
            Self::Rows(rows) => rows.table_names(),
            Self::Same | Self::Bytes { .. } => Vec::new(),
        }
    }
}

/// Two databases, open side by side.
pub struct Rows {
    /// What differs in them.
    pub diff: Diff,
    /// The 4 KiB pages that differ, where that was found out.
    pub pages: Option<PageSet>,
    /// Bytes of the old side.
    pub old_len: u64,
    /// Bytes of the new side.
    pub new_len: u64,
}

impl Rows {
    /// Returns the names of the tables of both sides.
    pub fn table_names(&self) -> Vec<String> {
        self.diff.tables_by_name().into_iter().map(|t| t.name).collect()
    }
}

impl Repository {
    /// Opens both sides of a file.
    pub fn open_diff(&self, file: &FileDiff, options: DiffOptions) -> Result<Opened> {
        self.open_sides(file.change.path.as_str(), &file.old, &file.new, options)
    }

    pub(in crate::repo) fn open_sides(
        &self,
        name: &str,
        old: &Side,
        new: &Side,
        options: DiffOptions,
    ) -> Result<Opened> {
        open(self.settings(), Some(self), name, old, new, options)
    }

    /// Tells whether a file differs indeed.
    pub fn differs(&self, file: &FileDiff) -> Result<bool> {
        let mode_differs = file.change.old_mode != file.change.new_mode;
        Ok(match (&file.old, &file.new) {
            (Side::Stored(a), Side::Stored(b)) => a != b || mode_differs,
            (Side::Absent, _) | (_, Side::Absent) => true,
            _ => mode_differs || !matches!(self.open_diff(file, DiffOptions::default())?, Opened::Same),
        })
    }
}

/// Describes two files that belong to no repository; `/dev/null` means that there is none.
pub fn files(old: &Path, new: &Path) -> Result<FileDiff> {
    let name = if new == Path::new("/dev/null") { old } else { new };
    let mut file = named_files(&name.to_string_lossy(), old, new)?;
    if old != Path::new("/dev/null") {
        file.old_name = Some(plain_name(&old.to_string_lossy())).filter(|name| *name != file.change.path.as_str());
    }
    Ok(file)
}

/// Describes two files, shown under another name than their own.
pub fn named_files(name: &str, old: &Path, new: &Path) -> Result<FileDiff> {
    let absent = |path: &Path| path == Path::new("/dev/null");
    let side = |path: &Path| if absent(path) { Side::Absent } else { Side::File(path.to_owned()) };
    let (a, b) = (look_at(old)?, look_at(new)?);
    let shown = b.or(a);
    let plain = plain_name(name);
    let kind = if shown.is_some_and(|s| s.0 == FileKind::Sqlite) { FileKind::Sqlite } else { FileKind::Opaque };
    let byte_len = shown.map_or(0, |s| s.2);
    let change = FileChange {
        path: RepoPath::new(&plain).or_else(|_| RepoPath::new("file")).expect("a plain word is a path"),
        change: match (absent(old), absent(new)) {
            (true, false) => ChangeKind::Added,
            (false, true) => ChangeKind::Deleted,
            _ => ChangeKind::Modified,
        },
        kind,
        old: None,
        new: None,
        old_mode: a.map(|s| s.1),
        new_mode: b.map(|s| s.1),
        byte_len,
        page_count: pages_for(byte_len).unwrap_or(u32::MAX),
        pages_changed: None,
        renamed_from: None,
    };
    Ok(FileDiff { change, old_name: None, old: side(old), new: side(new) })
}

fn plain_name(name: &str) -> String {
    name.trim_start_matches(['/', '.']).replace("//", "/")
}

/// Describes two stored states of a file, shown under the name `path`.
pub fn snapshots(repo: &Repository, path: &str, old: ObjectId, new: ObjectId) -> Result<FileDiff> {
    let path = RepoPath::new(path).or_else(|_| RepoPath::new("file")).expect("a plain word is a path");
    let snapshot = repo.snapshot(&new)?;
    let change = FileChange {
        path,
        change: ChangeKind::Modified,
        kind: snapshot.kind,
        old: Some(old),
        new: Some(new),
        old_mode: None,
        new_mode: None,
        byte_len: snapshot.byte_len,
        page_count: snapshot.page_count,
        pages_changed: None,
        renamed_from: None,
    };
    Ok(FileDiff { change, old_name: None, old: Side::Stored(old), new: Side::Stored(new) })
}

/// Describes a stored state and a file of the worktree, `typed` in the folder `cwd`, which need not be tracked.
pub fn snapshot_and_file(repo: &Repository, old: ObjectId, cwd: &Path, typed: &Path) -> Result<FileDiff> {
    let path = repo_path(repo.top(), cwd, typed).ok();
    let volume = path.as_ref().map(|path| repo.unmaterialized(path)).transpose()?.flatten();
    let name = path.map_or_else(|| typed.to_string_lossy().into_owned(), |path| path.to_string());
    let mut file = match volume {
        Some(there) => {
            let mut file = snapshots(repo, &name, old, old)?;
            (file.change.kind, file.change.byte_len) = (there.snapshot.kind, there.snapshot.byte_len);
            file.change.page_count = there.snapshot.page_count;
            file.new = Side::Volume(Box::new(there.snapshot));
            file
        }
        None => named_files(&name, Path::new("/dev/null"), &cwd.join(typed))?,
    };
    file.old = Side::Stored(old);
    (file.change.change, file.change.old, file.change.new) = (ChangeKind::Modified, Some(old), None);
    (file.change.old_mode, file.change.new_mode) = (None, None);
    Ok(file)
}

/// Opens both sides of a file that belongs to no repository.
pub fn open_files(settings: &Settings, file: &FileDiff, options: DiffOptions) -> Result<Opened> {
    open(settings, None, file.change.path.as_str(), &file.old, &file.new, options)
}

/// Returns what a file is, its permission and length; `None` if there is none.
pub(super) fn look(file: &Path) -> Result<Option<(FileKind, FileMode, u64)>> {
    match look_at(file) {
        Err(RepoError::File { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        other => other,
    }
}

fn look_at(file: &Path) -> Result<Option<(FileKind, FileMode, u64)>> {
    if file == Path::new("/dev/null") {
        return Ok(None);
    }
    let meta = file.metadata().map_err(RepoError::file("read", file))?;
    let kind = match classify(file).map_err(RepoError::file("read", file))? {
        Detected::Sqlite(_) => FileKind::Sqlite,
        Detected::Empty | Detected::Other => FileKind::Opaque,
    };
    Ok(Some((kind, file_mode(file)?, meta.len())))
}

/// One side, opened.
pub(super) enum Source {
    Absent,
    Stored(Arc<OpenSnapshot>),
    Database(Arc<FileSource>),
    Bytes(PathBuf, u64),
}

impl Source {
    /// Returns the number of bytes.
    pub fn byte_len(&self) -> u64 {
        match self {
            Self::Absent => 0,
            Self::Stored(s) => s.byte_len(),
            Self::Database(d) => d.byte_len(),
            Self::Bytes(_, len) => *len,
        }
    }

    /// Returns the pages if SQLite can read them: those of a database, or none at all.
    fn pages(&self) -> Option<Arc<dyn PageSource>> {
        match self {
            Self::Stored(s) if s.snapshot().kind == FileKind::Sqlite => Some(Arc::clone(s) as _),
            Self::Database(d) => Some(Arc::clone(d) as _),
            _ if self.byte_len() == 0 => Some(Arc::new(EmptySource)),
            _ => None,
        }
    }
}

fn open(
    settings: &Settings,
    repo: Option<&Repository>,
    name: &str,
    old: &Side,
    new: &Side,
    options: DiffOptions,
) -> Result<Opened> {
    if old == new {
        return Ok(Opened::Same);
    }
    if let (Side::File(a), Side::File(b)) = (old, new)
        && let (Ok(a), Ok(b)) = (a.canonicalize(), b.canonicalize())
        && a == b
    {
        return Ok(Opened::Same);
    }
    let kind_of = |snapshot: &Snapshot| (snapshot.byte_len > 0).then_some(snapshot.kind);
    let stored_kind = |side: &Side| -> Result<Option<FileKind>> {
        match (side, repo) {
            // A file without a byte is a database as well.
            (Side::Stored(id), Some(repo)) => Ok(kind_of(repo.open_snapshot(id)?.snapshot())),
            (Side::Volume(snapshot), _) => Ok(kind_of(snapshot)),
            _ => Ok(None),
        }
    };
    // What is tracked byte for byte is compared byte for byte.
    let opaque = |other: Option<FileKind>| other == Some(FileKind::Opaque);
    let (old_kind, new_kind) = (stored_kind(old)?, stored_kind(new)?);
    let a = source(settings, repo, old, opaque(new_kind))?;
    let b = source(settings, repo, new, opaque(old_kind))?;
    let (old_len, new_len) = (a.byte_len(), b.byte_len());
    let (Some(from), Some(to)) = (a.pages(), b.pages()) else {
        return Ok(match same_bytes(&a, &b)? {
            true => Opened::Same,
            false => Opened::Bytes { old_len, new_len },
        });
    };
    let pages = match (&a, &b) {
        (Source::Stored(a), Source::Stored(b)) => Some(differing_pages(a, b)?),
        (Source::Stored(s), Source::Database(d)) | (Source::Database(d), Source::Stored(s)) => Some(scan(s, d)?),
        (Source::Database(a), Source::Database(b)) => Some(compare_files(a, b)?),
        (Source::Absent, Source::Absent) => return Ok(Opened::Same),
        _ => None,
    };
    if old_len == new_len && pages.as_ref().is_some_and(PageSet::is_empty) {
        return Ok(Opened::Same);
    }
    let diff = Diff::open(from, to, pages.clone(), options)
        .map_err(|source| FileDiffError::Rows { path: name.to_owned(), source })?;
    Ok(Opened::Rows(Box::new(Rows { diff, pages, old_len, new_len })))
}

fn source(settings: &Settings, repo: Option<&Repository>, side: &Side, opaque: bool) -> Result<Source> {
    match side {
        Side::Absent => Ok(Source::Absent),
        Side::Stored(id) => {
            let repo = repo.expect("only a repository has stored sides");
            Ok(Source::Stored(repo.open_snapshot(id)?))
        }
        Side::Volume(snapshot) => {
            let repo = repo.expect("only a repository has volumes");
            Ok(Source::Stored(Arc::new(repo.store().open_snapshot((**snapshot).clone())?)))
        }
        Side::File(path) => {
            let Some((kind, _, byte_len)) = look(path)? else { return Ok(Source::Absent) };
            if kind != FileKind::Sqlite || opaque {
                return Ok(Source::Bytes(path.clone(), byte_len));
            }
            let on_wait = |holders: &LockHolders| {
                settings.monitor.waiting(&format!("waiting for {}, locked by {holders}", path.display()));
            };
            let busy = Busy { timeout: settings.busy_timeout, on_wait: &on_wait };
            match FileSource::open(path, busy) {
                Ok(source) => Ok(Source::Database(Arc::new(source))),
                Err(DatabaseError::NotADatabase { .. } | DatabaseError::Empty { .. }) => {
                    Ok(Source::Bytes(path.clone(), byte_len))
                }
                Err(e) => Err(e.into()),
            }
        }
    }
}
