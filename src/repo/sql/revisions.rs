//! Stored states of files for SQL: which snapshot a path and a revision name, open for reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{FileKind, ObjectId, ObjectKind, PageSource, RepoPath, SourceError};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::history::revspec::RevError;
use crate::repo::state::objects::ObjectReader;
use crate::repo::text::pathspec::repo_path;
use crate::repo::volume::volumes::Released;
use crate::sqlite::sql::revisions::Revisions;
use crate::util::nearest::nearest;

/// Why a state cannot be queried.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// The file is tracked byte for byte.
    #[error("'{path}' at {rev} is no database: it is tracked byte for byte")]
    NotADatabase {
        /// The file.
        path: RepoPath,
        /// The revision.
        rev: String,
    },
    /// The revision is a commit without any database.
    #[error("there is no database at {0}")]
    NoDatabase(String),
}

impl Repository {
    /// Returns the snapshot of a file at a revision: a commit or tree that has the file, or the snapshot itself.
    pub fn snapshot_at(&self, cwd: &Path, path: &RepoPath, rev: &str) -> Result<ObjectId> {
        let revs = self.resolver(cwd);
        let id = revs.object(rev)?;
        if self.kind(&id)? == ObjectKind::Snapshot {
            return Ok(id);
        }
        let tree = self.tree(&revs.tree(rev)?)?;
        match tree.get(path) {
            Some(entry) => Ok(entry.snapshot),
            None => {
                let near = nearest(path.as_str(), tree.entries().iter().map(|e| e.path.as_str())).map(str::to_owned);
                Err(RevError::NoPath { rev: rev.to_owned(), path: path.as_str().to_owned(), near }.into())
            }
        }
    }

    /// Lists the databases among the tracked files: those of the index, or those at a revision.
    pub fn databases(&self, cwd: &Path, rev: Option<&str>) -> Result<Vec<RepoPath>> {
        let Some(rev) = rev else {
            let index = self.index()?;
            let databases = index.entries().iter().filter(|e| e.kind == FileKind::Sqlite);
            return Ok(databases.map(|e| e.path.clone()).collect());
        };
        let tree = self.tree(&self.resolver(cwd).tree(rev)?)?;
        let mut found = Vec::new();
        for entry in tree.entries() {
            if self.snapshot(&entry.snapshot)?.kind == FileKind::Sqlite {
                found.push(entry.path.clone());
            }
        }
        Ok(found)
    }
}

/// The revisions of one repository as SQL opens them.
pub struct RepositoryRevisions {
    repo: Arc<Repository>,
    cwd: PathBuf,
}

impl RepositoryRevisions {
    /// Serves revisions named by a user who stands in `cwd`.
    pub fn new(repo: Arc<Repository>, cwd: &Path) -> Self {
        Self { repo, cwd: cwd.to_owned() }
    }

    fn open_state(&self, path: &Path, rev: &str) -> Result<Arc<dyn PageSource>> {
        let path = repo_path(self.repo.top(), &self.cwd, path)?;
        let id = self.repo.snapshot_at(&self.cwd, &path, rev)?;
        let open = self.repo.open_snapshot(&id)?;
        // SQLite takes a file without a byte for an empty database.
        if open.snapshot().kind != FileKind::Sqlite && open.byte_len() > 0 {
            return Err(RevisionError::NotADatabase { path, rev: rev.to_owned() }.into());
        }
        self.repo.store().release();
        Ok(Arc::new(Released::new(open, self.repo.store().clone())))
    }
}

impl Revisions for RepositoryRevisions {
    fn open(&self, path: &Path, rev: &str) -> std::result::Result<Arc<dyn PageSource>, SourceError> {
        self.open_state(path, rev).map_err(|e: RepoError| Box::new(e) as SourceError)
    }
}
