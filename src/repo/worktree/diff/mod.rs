//! Diff: which files differ between two states, and for databases what differs in them.
//!
//! Files of the worktree whose fingerprint is as it was are not opened. Others are read once, in one read transaction:
//! the pages are hashed and compared with the stored hashes, and the rows come from the same transaction.

mod bytes;
mod filter;
mod open;
mod scan;
mod selected;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

pub use filter::Filter;
pub use open::{Opened, Rows, Side, files, named_files, open_files, snapshot_and_file, snapshots};
pub use selected::{Content, Open, SelectedFile, SelectedRows, Wanted};

use crate::model::page::pages_for;
use crate::model::{FileKind, FileMode, ObjectId, RepoPath, VolumeId};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::changes::{Tracked, of_index};
use crate::repo::state::index::Index;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::types::{ChangeKind, FileChange};
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::unmaterialized::Unmaterialized;
use crate::sqlite::diff::DiffOptions;

/// The two states to compare: old, then new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The index and the worktree.
    IndexToWorktree,
    /// A commit and the worktree.
    CommitToWorktree(ObjectId),
    /// A commit, or nothing before the first one, and the index.
    CommitToIndex(Option<ObjectId>),
    /// A commit, or nothing, and a commit.
    CommitToCommit(Option<ObjectId>, ObjectId),
}

/// What to compare.
#[derive(Clone, Debug)]
pub struct DiffRequest {
    /// The two states.
    pub target: Target,
    /// Files, folders and globs as typed; everything if empty.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
    /// Swap the two states.
    pub reverse: bool,
}

/// Why files cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum FileDiffError {
    /// A path as typed is tracked in neither state.
    #[error("'{}' is not tracked in either state", path.display())]
    NoMatch {
        /// The path as typed.
        path: PathBuf,
        /// The tracked paths.
        known: Vec<String>,
    },
    /// The rows of a database cannot be compared.
    #[error("cannot compare the rows of '{path}'")]
    Rows {
        /// The file.
        path: String,
        /// Why.
        source: crate::sqlite::diff::DiffError,
    },
}

/// One file that differs, or may: a worktree file is known to differ only when it has been opened.
#[derive(Clone, Debug)]
pub struct FileDiff {
    /// What happened to it.
    pub change: FileChange,
    /// What the old file is called, where two files of different names are compared.
    pub old_name: Option<String>,
    /// Where its old content is.
    pub old: Side,
    /// Where its new content is.
    pub new: Side,
}

impl FileDiff {
    /// Swaps the two states.
    pub fn reversed(self) -> Self {
        let mut change = self.change;
        std::mem::swap(&mut change.old, &mut change.new);
        std::mem::swap(&mut change.old_mode, &mut change.new_mode);
        change.change = match change.change {
            ChangeKind::Added => ChangeKind::Deleted,
            ChangeKind::Deleted => ChangeKind::Added,
            other => other,
        };
        if let Some(from) = &mut change.renamed_from {
            std::mem::swap(from, &mut change.path);
        }
        let old_name = self.old_name.map(|old| {
            let new = change.path.as_str().to_owned();
            change.path = RepoPath::new(&old).unwrap_or_else(|_| change.path.clone());
            new
        });
        Self { change, old_name, old: self.new, new: self.old }
    }
}

impl Repository {
    /// Lists the tables of all databases in the two states, each once.
    pub fn diff_tables(&self, request: &DiffRequest) -> Result<BTreeSet<String>> {
        let specs = Pathspecs::new(self.top(), &request.cwd, &request.pathspecs)?;
        let (old, new) = self.stored_sides(request.target)?;
        let mut names = BTreeSet::new();
        for snapshot in old.iter().chain(&new).filter(|t| specs.matches(&t.path)).map(|t| t.snapshot) {
            let rows = self.open_sides("", &Side::Absent, &Side::Stored(snapshot), DiffOptions::default())?;
            names.extend(rows.tables());
        }
        Ok(names)
    }

    /// Lists the files that differ, in path order. Worktree files that only may differ are listed too; opening them
    /// with [`Repository::open_diff`] tells.
    pub fn diff_files(&self, request: &DiffRequest) -> Result<Vec<FileDiff>> {
        let specs = Pathspecs::new(self.top(), &request.cwd, &request.pathspecs)?;
        let index = self.index()?;
        let (old, new) = self.stored_sides(request.target)?;
        check_matches(&specs, &old, &new)?;
        let old: Vec<Tracked> = old.into_iter().filter(|t| specs.matches(&t.path)).collect();
        let new: Vec<Tracked> = new.into_iter().filter(|t| specs.matches(&t.path)).collect();
        let found = match request.target {
            Target::IndexToWorktree | Target::CommitToWorktree(_) => self.against_worktree(&index, old, &new)?,
            _ => self.compare(&old, &new)?.into_iter().map(FileDiff::stored).collect(),
        };
        Ok(match request.reverse {
            true => found.into_iter().map(FileDiff::reversed).collect(),
            false => found,
        })
    }

    /// Returns the tracked files of both states; the index in place of the worktree.
    fn stored_sides(&self, target: Target) -> Result<(Vec<Tracked>, Vec<Tracked>)> {
        let files = |commit: Option<ObjectId>| commit.map_or(Ok(Vec::new()), |id| self.commit_files(&id));
        let index = || -> Result<_> { Ok(of_index(&self.index()?)) };
        Ok(match target {
            Target::IndexToWorktree => (index()?, index()?),
            Target::CommitToWorktree(id) => (files(Some(id))?, index()?),
            Target::CommitToIndex(id) => (files(id)?, index()?),
            Target::CommitToCommit(old, new) => (files(old)?, files(Some(new))?),
        })
    }

    /// Compares stored files with those in the worktree at paths that the index tracks.
    fn against_worktree(&self, index: &Index, old: Vec<Tracked>, new: &[Tracked]) -> Result<Vec<FileDiff>> {
        let mut out = Vec::new();
        // By volume: a file of the index that has another path than before was renamed.
        let mut gone: HashMap<VolumeId, Tracked> = HashMap::new();
        for file in old.iter().filter(|t| index.get(&t.path).is_none()) {
            if let Some(other) = gone.insert(self.snapshot(&file.snapshot)?.volume, file.clone()) {
                out.extend(self.compare(&[other], &[])?.into_iter().map(FileDiff::stored));
            }
        }
        let wanted: HashSet<&RepoPath> = new.iter().map(|t| &t.path).collect();
        let known: HashMap<&RepoPath, &Tracked> = old.iter().map(|t| (&t.path, t)).collect();
        for entry in index.entries().iter().filter(|e| wanted.contains(&e.path)) {
            let before = match known.get(&entry.path) {
                None if !gone.is_empty() => gone.remove(&self.snapshot(&entry.snapshot)?.volume),
                known => known.map(|t| (*t).clone()),
            };
            if self.is_surely_unchanged(entry)? {
                let now = Tracked { path: entry.path.clone(), mode: entry.mode, snapshot: entry.snapshot };
                let changes = self.compare(before.as_slice(), std::slice::from_ref(&now))?;
                out.extend(changes.into_iter().map(FileDiff::stored));
                continue;
            }
            let file = self.file_of(&entry.path);
            let (now, side) = match self.unmaterialized(&entry.path)? {
                Some(Unmaterialized { snapshot, mode }) => {
                    (Some((snapshot.kind, mode, snapshot.byte_len)), Side::Volume(Box::new(snapshot)))
                }
                None => (open::look(&file)?, Side::File(file)),
            };
            let Some(now) = now else {
                out.extend(self.compare(before.as_slice(), &[])?.into_iter().map(FileDiff::stored));
                continue;
            };
            let mut change = in_worktree(entry.path.clone(), before.as_ref(), now);
            let Some(before) = before else {
                out.push(FileDiff { change, old_name: None, old: Side::Absent, new: side });
                continue;
            };
            if before.path != entry.path {
                (change.change, change.renamed_from) = (ChangeKind::Renamed, Some(before.path.clone()));
            }
            out.push(FileDiff { change, old_name: None, old: Side::Stored(before.snapshot), new: side });
        }
        for file in gone.into_values() {
            out.extend(self.compare(&[file], &[])?.into_iter().map(FileDiff::stored));
        }
        out.sort_by(|a, b| a.change.path.cmp(&b.change.path));
        Ok(out)
    }
}

impl FileDiff {
    /// Describes a change between two stored states.
    pub fn stored(change: FileChange) -> Self {
        let side = |id: Option<ObjectId>| id.map_or(Side::Absent, Side::Stored);
        Self { old: side(change.old), new: side(change.new), old_name: None, change }
    }
}

/// Describes a file of the worktree that may differ.
fn in_worktree(path: RepoPath, old: Option<&Tracked>, (kind, mode, byte_len): (FileKind, FileMode, u64)) -> FileChange {
    FileChange {
        path,
        change: if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added },
        kind,
        old: old.map(|t| t.snapshot),
        new: None,
        old_mode: old.map(|t| t.mode),
        new_mode: Some(mode),
        byte_len,
        page_count: pages_for(byte_len).unwrap_or(u32::MAX),
        pages_changed: None,
        renamed_from: None,
    }
}

fn check_matches(specs: &Pathspecs, old: &[Tracked], new: &[Tracked]) -> Result<()> {
    let known: BTreeSet<&RepoPath> = old.iter().chain(new).map(|t| &t.path).collect();
    let known: Vec<&RepoPath> = known.into_iter().collect();
    match specs.all_unmatched(&known).next() {
        Some(path) => {
            let known = known.iter().map(ToString::to_string).collect();
            Err(FileDiffError::NoMatch { path: path.to_owned(), known }.into())
        }
        None => Ok(()),
    }
}
