//! Taking files out of the index and the worktree, and moving them.

use std::path::{Path, PathBuf};

use crate::model::RepoPath;
use crate::model::path::RepoPathError;
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::fingerprint::Fingerprint;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::operations::Record;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::moves::Move;
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::materialize::{self, WriteOptions};
use crate::sqlite::sidecars;
use crate::util::fs as durable;
use crate::util::lock::FileLock;

/// What to remove.
#[derive(Clone, Debug, Default)]
pub struct RmOptions {
    /// Files, folders and globs as typed.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
    /// Leave the worktree alone.
    pub cached: bool,
    /// Remove files even if they hold work that is nowhere else.
    pub force: bool,
    /// Allow folders.
    pub recursive: bool,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// What to move.
#[derive(Clone, Debug, Default)]
pub struct MvOptions {
    /// Files or folders as typed.
    pub sources: Vec<PathBuf>,
    /// The new name, or the folder to move into.
    pub destination: PathBuf,
    /// Where the user stands.
    pub cwd: PathBuf,
    /// Overwrite what is at the destination.
    pub force: bool,
    /// Only say what would be moved.
    pub dry_run: bool,
}

/// Why nothing was removed or moved.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// A path matches no tracked file.
    #[error("pathspec '{}' did not match any tracked file", .0.display())]
    NoMatch(PathBuf),
    /// A folder, without `-r`.
    #[error("not removing '{}' recursively without -r", .0.display())]
    Folder(PathBuf),
    /// The worktree has changes that are not staged.
    #[error("'{0}' has local changes")]
    LocalChanges(RepoPath),
    /// The index has changes that are not committed.
    #[error("'{0}' has changes staged that are not committed")]
    StagedChanges(RepoPath),
    /// A program has the database open with work that is not in the file itself.
    #[error("'{path}' is in use: {} holds unfinished work", sidecar.display())]
    InUse {
        /// The database.
        path: RepoPath,
        /// Its `-wal` or `-journal`.
        sidecar: PathBuf,
    },
    /// It lies behind a symbolic link, so it is not in the worktree.
    #[error("'{0}' is beyond a symbolic link, so it is not in the worktree")]
    BehindLink(RepoPath),
    /// The destination exists.
    #[error("destination '{0}' exists")]
    DestinationExists(RepoPath),
    /// The destination is not a folder.
    #[error("destination '{}' is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// The destination cannot be tracked.
    #[error(transparent)]
    Path(#[from] RepoPathError),
    /// A folder would be moved into itself.
    #[error("'{}' cannot be moved into itself", .0.display())]
    IntoItself(PathBuf),
}

impl Repository {
    /// Removes tracked files; returns which. Files with work that is nowhere else stay unless forced.
    pub fn remove(&self, options: &RmOptions) -> Result<Vec<RepoPath>> {
        let specs = Pathspecs::new(self.top(), &options.cwd, &options.pathspecs)?;
        let index = self.index()?;
        let entries: Vec<&IndexEntry> = index.entries().iter().filter(|e| specs.matches(&e.path)).collect();
        let paths: Vec<RepoPath> = entries.iter().map(|e| e.path.clone()).collect();
        if let Some(spec) = specs.unmatched(&paths.iter().collect::<Vec<_>>()) {
            return Err(RemoveError::NoMatch(spec).into());
        }
        let folder = options.pathspecs.iter().find(|p| options.cwd.join(p).is_dir());
        if let Some(folder) = folder.filter(|_| !options.recursive) {
            return Err(RemoveError::Folder(folder.clone()).into());
        }
        if !options.force {
            self.refuse_losses(&entries, options.cached)?;
        }
        if options.dry_run {
            return Ok(paths);
        }
        let lock = self.lock()?;
        let gone = || paths.iter().map(|path| (path.clone(), None));
        let files = if options.cached { Default::default() } else { gone().collect() };
        let plan = Move { files, index: gone().collect(), force: options.force, ..Move::default() };
        self.perform(&lock, &plan)?;
        Ok(paths)
    }

    /// Moves tracked files and folders; returns old and new paths.
    pub fn rename(&self, options: &MvOptions) -> Result<Vec<(RepoPath, RepoPath)>> {
        let index = self.index()?;
        let destination = options.cwd.join(&options.destination);
        let into_folder = destination.is_dir();
        if options.sources.len() > 1 && !into_folder {
            return Err(RemoveError::NotAFolder(options.destination.clone()).into());
        }
        let mut moves = Vec::new();
        for source in &options.sources {
            self.plan_moves(&index, options, source, &destination, into_folder, &mut moves)?;
        }
        if options.dry_run {
            return Ok(moves);
        }
        let lock = self.lock()?;
        let mut index = self.index()?;
        for (from, to) in &moves {
            self.move_file(&mut index, from, to, &lock)?;
        }
        Ok(moves)
    }

    fn refuse_losses(&self, entries: &[&IndexEntry], cached: bool) -> Result<()> {
        let head = self.head_files()?;
        for entry in entries {
            let committed = head.iter().any(|h| h.path == entry.path && h.snapshot == entry.snapshot);
            let file = self.file_of(&entry.path);
            let is_there = || Fingerprint::stat_only(&file).is_ok_and(|p| p.is_some()) || self.is_unmaterialized(entry);
            let present = !cached && is_there();
            if present && self.worktree_change(entry)?.0.is_some() {
                return Err(RemoveError::LocalChanges(entry.path.clone()).into());
            }
            if !committed && !cached {
                return Err(RemoveError::StagedChanges(entry.path.clone()).into());
            }
        }
        Ok(())
    }

    fn plan_moves(
        &self,
        index: &Index,
        options: &MvOptions,
        source: &Path,
        destination: &Path,
        into_folder: bool,
        moves: &mut Vec<(RepoPath, RepoPath)>,
    ) -> Result<()> {
        let specs = Pathspecs::new(self.top(), &options.cwd, &[source.to_owned()])?;
        let from_root = self.relative(&options.cwd.join(source))?;
        let mut to_root = self.relative(destination)?;
        if into_folder && let Some(name) = Path::new(&from_root).file_name() {
            to_root = Path::new(&to_root).join(name).display().to_string();
        }
        if to_root.starts_with(&format!("{from_root}/")) {
            return Err(RemoveError::IntoItself(source.to_owned()).into());
        }
        let found: Vec<&IndexEntry> = index.entries().iter().filter(|e| e.path.is_within(&from_root)).collect();
        if found.is_empty() || specs.is_empty() {
            return Err(RemoveError::NoMatch(source.to_owned()).into());
        }
        for entry in found {
            let rest = &entry.path.as_str()[from_root.len()..];
            let to = RepoPath::new(&format!("{to_root}{rest}")).map_err(RemoveError::Path)?;
            if let Some(path) = [&entry.path, &to].into_iter().find(|path| self.is_behind_link(path)) {
                return Err(RemoveError::BehindLink(path.clone()).into());
            }
            let taken = self.file_of(&to).symlink_metadata().is_ok() || index.get(&to).is_some();
            if taken && !options.force {
                return Err(RemoveError::DestinationExists(to).into());
            }
            if let Some(sidecar) = sidecars::unfinished(&self.file_of(&entry.path))
                && (options.dry_run || !self.settle(&entry.path)?)
            {
                return Err(RemoveError::InUse { path: entry.path.clone(), sidecar }.into());
            }
            moves.push((entry.path.clone(), to));
        }
        Ok(())
    }

    /// Has SQLite finish that work; false if a program has the database open, or only that can read it.
    fn settle(&self, path: &RepoPath) -> Result<bool> {
        if !matches!(classify(&self.file_of(path)), Ok(Detected::Sqlite(_))) {
            return Ok(false);
        }
        let tmp = self.tmp();
        let options = WriteOptions { busy_timeout: self.settings().busy_timeout, ..WriteOptions::new(&tmp) };
        Ok(materialize::settle(&self.file_of(path), &options)?)
    }

    pub(in crate::repo) fn move_file(
        &self,
        index: &mut Index,
        from: &RepoPath,
        to: &RepoPath,
        lock: &FileLock,
    ) -> Result<()> {
        let (source, target) = (self.file_of(from), self.file_of(to));
        let is_file = source.exists();
        if let Some(parent) = target.parent().filter(|_| is_file) {
            durable::create_dir_all(parent).map_err(RepoError::file("create", parent))?;
        }
        let record = Record { moved: vec![(from.clone(), to.clone())], ..Record::default() };
        self.operations().append(record).map_err(RepoError::file("write", self.operations().path()))?;
        if is_file {
            durable::rename(&source, &target).map_err(RepoError::file("move", &source))?;
        }
        self.copy_head(from, to, lock)?;
        if let Some(mut entry) = index.remove(from) {
            // The rename changes the inode's change time, so the old fingerprint says nothing any more.
            entry.fingerprint = None;
            entry.path = to.clone();
            index.insert(entry);
            self.save_index(index, lock)?;
        }
        self.store().remove_head(from, lock)?;
        Ok(())
    }

    fn relative(&self, path: &Path) -> Result<String> {
        let absolute = std::path::absolute(path).map_err(RepoError::file("find", path))?;
        let mut plain = PathBuf::new();
        for part in absolute.components() {
            match part {
                std::path::Component::ParentDir => {
                    plain.pop();
                }
                part => plain.push(part),
            }
        }
        let inside = plain.strip_prefix(self.top()).map_err(|_| RemoveError::NoMatch(path.to_owned()))?;
        Ok(inside.display().to_string())
    }
}
