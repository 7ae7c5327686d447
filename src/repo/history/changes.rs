//! Compares two lists of tracked files: trees, or a tree and the index.

use std::collections::HashMap;

use crate::model::{FileKind, FileMode, ObjectId, PageIdx, PageSet, RepoPath, Snapshot, Tree, VolumeId};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::index::Index;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::types::{ChangeKind, FileChange};
use crate::sqlite::header::same_but_volatile;
use crate::store::{OpenSnapshot, differing_pages, read_page};

/// A tracked file of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The file.
    pub path: RepoPath,
    /// Its permission.
    pub mode: FileMode,
    /// Its snapshot.
    pub snapshot: ObjectId,
}

/// Returns the files of a tree, in path order.
pub fn of_tree(tree: &Tree) -> Vec<Tracked> {
    tree.entries().iter().map(|e| Tracked { path: e.path.clone(), mode: e.mode, snapshot: e.snapshot }).collect()
}

/// Returns the files of the index, in path order.
pub fn of_index(index: &Index) -> Vec<Tracked> {
    index.entries().iter().map(|e| Tracked { path: e.path.clone(), mode: e.mode, snapshot: e.snapshot }).collect()
}

impl Repository {
    /// Returns the tracked files of HEAD's commit; none on a branch without commits.
    pub fn head_files(&self) -> Result<Vec<Tracked>> {
        match self.head_commit()? {
            Some(id) => self.commit_files(&id),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the tracked files of a commit.
    pub fn commit_files(&self, commit: &ObjectId) -> Result<Vec<Tracked>> {
        Ok(of_tree(&self.tree(&self.commit(commit)?.tree)?))
    }

    /// Returns what a commit changed against its first parent, with the number of pages that differ.
    pub fn commit_changes(&self, commit: &ObjectId) -> Result<Vec<FileChange>> {
        let mut changes = self.commit_file_changes(commit)?;
        for change in &mut changes {
            self.count_pages(change)?;
        }
        Ok(changes)
    }

    /// Returns what a commit changed against its first parent, without counting the pages that differ.
    pub fn commit_file_changes(&self, commit: &ObjectId) -> Result<Vec<FileChange>> {
        let commit = self.commit(commit)?;
        let old = match commit.parents.first() {
            Some(parent) => self.commit_files(parent)?,
            None => Vec::new(),
        };
        self.compare(&old, &of_tree(&self.tree(&commit.tree)?))
    }

    /// Compares two lists of files, both in path order. Files that are the same on both sides are left out; a deleted
    /// and an added file with one volume are a rename.
    pub fn compare(&self, old: &[Tracked], new: &[Tracked]) -> Result<Vec<FileChange>> {
        let mut out = Vec::new();
        let (mut i, mut j) = (0, 0);
        while i < old.len() || j < new.len() {
            let order = match (old.get(i), new.get(j)) {
                (Some(a), Some(b)) => a.path.cmp(&b.path),
                (Some(_), None) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            };
            let (a, b) = (order.is_le().then(|| &old[i]), order.is_ge().then(|| &new[j]));
            i += usize::from(a.is_some());
            j += usize::from(b.is_some());
            if a != b {
                out.push(self.change(a, b)?);
            }
        }
        self.join_renames(out)
    }

    /// Leaves out files whose two snapshots, made one independently of the other, hold the same.
    pub fn differing(&self, changes: Vec<FileChange>) -> Result<Vec<FileChange>> {
        let mut out = Vec::new();
        for change in changes {
            let is_same = match (change.old, change.new) {
                (Some(old), Some(new))
                    if change.change == ChangeKind::Modified && change.old_mode == change.new_mode =>
                {
                    self.holds_the_same(&old, &new)?
                }
                _ => false,
            };
            if !is_same {
                out.push(change);
            }
        }
        Ok(out)
    }

    /// Tells whether two snapshots have the same content, but for what any writer of a database sets anew.
    fn holds_the_same(&self, old: &ObjectId, new: &ObjectId) -> Result<bool> {
        let (old, new) = (self.snapshot(old)?, self.snapshot(new)?);
        if (old.kind, old.byte_len) != (new.kind, new.byte_len) {
            return Ok(false);
        }
        Ok(self.pages_apart(&self.store().open_snapshot(old)?, &self.store().open_snapshot(new)?)?.is_empty())
    }

    /// Returns the pages in which two states differ; none if it is just what any writer of a database sets anew.
    pub(in crate::repo) fn pages_apart(&self, old: &OpenSnapshot, new: &OpenSnapshot) -> Result<PageSet> {
        let differing = differing_pages(old, new)?;
        let is_database = [old, new].iter().all(|side| side.snapshot().kind == FileKind::Sqlite);
        if is_database && differing.len() == 1 && differing.contains(PageIdx::FIRST) {
            let page = |of| read_page(of, PageIdx::FIRST).map_err(RepoError::Source);
            if same_but_volatile(&page(old)?, &page(new)?) {
                return Ok(PageSet::new());
            }
        }
        Ok(differing)
    }

    /// Fills in how many pages differ, from page sets alone.
    pub fn count_pages(&self, change: &mut FileChange) -> Result<()> {
        if let (Some(old), Some(new)) = (change.old, change.new)
            && change.pages_changed.is_none()
        {
            let open = |id| -> Result<_> { Ok(self.store().open_snapshot(self.snapshot(id)?)?) };
            change.pages_changed = Some(differing_pages(&open(&old)?, &open(&new)?)?.len());
        }
        Ok(())
    }

    fn change(&self, old: Option<&Tracked>, new: Option<&Tracked>) -> Result<FileChange> {
        let read = |side: Option<&Tracked>| side.map(|t| self.snapshot(&t.snapshot)).transpose();
        let (from, to) = (read(old)?, read(new)?);
        let change = match (&from, &to) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Deleted,
            (Some(a), Some(b)) if a.kind != b.kind => ChangeKind::TypeChanged,
            _ => ChangeKind::Modified,
        };
        let shown = to.as_ref().or(from.as_ref()).expect("a change has a side");
        let path = new.or(old).expect("a change has a side").path.clone();
        let same = old.zip(new).is_some_and(|(a, b)| a.snapshot == b.snapshot);
        Ok(FileChange {
            path,
            change,
            kind: shown.kind,
            old: old.map(|t| t.snapshot),
            new: new.map(|t| t.snapshot),
            old_mode: old.map(|t| t.mode),
            new_mode: new.map(|t| t.mode),
            byte_len: shown.byte_len,
            page_count: shown.page_count,
            pages_changed: if same {
                Some(0)
            } else if change == ChangeKind::Added || change == ChangeKind::Deleted {
                Some(shown.page_count)
            } else {
                None
            },
            renamed_from: None,
        })
    }

    fn join_renames(&self, changes: Vec<FileChange>) -> Result<Vec<FileChange>> {
        let is = |c: &FileChange, kind| c.change == kind;
        if !changes.iter().any(|c| is(c, ChangeKind::Added)) {
            return Ok(changes);
        }
        let mut deleted: HashMap<VolumeId, FileChange> = HashMap::new();
        let mut out = Vec::new();
        for change in changes {
            match change.old.filter(|_| is(&change, ChangeKind::Deleted)) {
                Some(old) => {
                    let Snapshot { volume, .. } = self.snapshot(&old)?;
                    if let Some(other) = deleted.insert(volume, change) {
                        out.push(other);
                    }
                }
                None => out.push(change),
            }
        }
        for change in &mut out {
            let Some(new) = change.new.filter(|_| is(change, ChangeKind::Added)) else { continue };
            let Some(from) = deleted.remove(&self.snapshot(&new)?.volume) else { continue };
            change.change = ChangeKind::Renamed;
            (change.old, change.old_mode, change.renamed_from) = (from.old, from.old_mode, Some(from.path));
            change.pages_changed = (change.old == change.new).then_some(0);
        }
        out.extend(deleted.into_values());
        out.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(out)
    }
}
