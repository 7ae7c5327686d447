//! Staging: captured files on their way into the index, a few at a time so that few files are open at once.
//!
//! Files are captured without the repository lock. Full batches are put into the store as they come (nothing refers to
//! them yet); the last one goes with the caller's own transaction, so that a small operation writes one pack.

use std::collections::HashSet;

use crate::model::{FileKind, RepoPath};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::history::changes::Tracked;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::types::{ChangeKind, FileChange, Warning};
use crate::repo::worktree::capture::{Captured, How};
use crate::store::{NewState, Purpose, Transaction};

const BATCH: usize = 64;

/// What becomes of one path of the index.
pub struct Staged {
    /// The change, as the user sees it.
    pub change: FileChange,
    /// The new entry; `None` removes the path.
    pub entry: Option<IndexEntry>,
}

/// Files on their way into the index.
pub struct Staging<'r> {
    repo: &'r Repository,
    /// The index as it was when the operation began.
    index: &'r Index,
    /// Paths whose files are gone: a new file with the content of one of them is that volume, renamed.
    gone: HashSet<RepoPath>,
    how: How,
    /// The files of HEAD's commit, once they are needed.
    head: Option<Vec<Tracked>>,
    batch: Vec<(RepoPath, Option<IndexEntry>, Captured)>,
    done: Vec<Staged>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

impl<'r> Staging<'r> {
    /// Starts with the index as it is now.
    pub fn new(repo: &'r Repository, index: &'r Index, how: How) -> Self {
        Self {
            repo,
            index,
            gone: HashSet::new(),
            how,
            head: None,
            batch: Vec::new(),
            done: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Takes a path out of the index.
    pub fn remove(&mut self, entry: &IndexEntry) -> Result<()> {
        self.gone.insert(entry.path.clone());
        let page_count = crate::model::page::pages_for(entry.byte_len).unwrap_or(u32::MAX);
        let change = FileChange {
            path: entry.path.clone(),
            change: ChangeKind::Deleted,
            kind: entry.kind,
            old: Some(entry.snapshot),
            new: None,
            old_mode: Some(entry.mode),
            new_mode: None,
            byte_len: entry.byte_len,
            page_count,
            pages_changed: Some(page_count),
            renamed_from: None,
        };
        self.done.push(Staged { change, entry: None });
        Ok(())
    }

    /// Captures a path as the worktree has it; returns false if there is no such file. Without `compare` all of it is
    /// stored, whatever is stored already.
    pub fn capture(&mut self, path: &RepoPath, compare: bool) -> Result<bool> {
        let found = self.take(path, compare)?;
        if self.batch.len() >= BATCH && self.how.purpose == Purpose::Store {
            let lock = self.repo.lock()?;
            let mut tx = Transaction::new(self.repo.store(), &lock)?;
            self.append_batch(&mut tx)?;
            tx.publish()?;
        }
        Ok(found)
    }

    /// Notes, or refuses, what lies beside a file that is in the index or on its way there.
    pub fn look_beside(&mut self, path: &RepoPath, kind: FileKind) -> Result<()> {
        self.repo.refuse_other_name(path)?;
        for warning in self.repo.warnings_beside(path, kind) {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &RepoPath, compare: bool) -> Result<bool> {
        let staged = self.index.get(path).cloned();
        let entry = match &staged {
            Some(_) => staged.clone(),
            None => self.committed(path)?,
        };
        let base = entry.as_ref().filter(|_| compare);
        let copies = if compare { self.index.entries() } else { &[] };
        let Some(mut captured) = self.repo.capture(path, base, copies, self.how)? else {
            return Ok(false);
        };
        self.warnings.extend(captured.warning.take());
        self.look_beside(path, captured.kind)?;
        // A file that is again as HEAD's commit has it is not staged under a new identity.
        if compare
            && staged.is_some()
            && !captured.is_unchanged()
            && let Some(committed) = self.committed(path)?
            && committed.snapshot != staged.as_ref().map_or(committed.snapshot, |e| e.snapshot)
        {
            let how = How { purpose: Purpose::Compare, ..self.how };
            let again = self.repo.capture(path, Some(&committed), &[], how)?;
            if let Some(again) = again.filter(Captured::is_unchanged) {
                self.batch.push((path.clone(), Some(committed), again));
                return Ok(true);
            }
        }
        self.batch.push((path.clone(), entry, captured));
        Ok(true)
    }

    /// Returns a path as HEAD's commit has it.
    fn committed(&mut self, path: &RepoPath) -> Result<Option<IndexEntry>> {
        let head = match &mut self.head {
            Some(head) => head,
            None => self.head.insert(match self.repo.head_files() {
                // Adding goes on, and may mend it.
                Err(e) if e.is_damage() => Vec::new(),
                files => files?,
            }),
        };
        let Ok(at) = head.binary_search_by(|t| t.path.cmp(path)) else { return Ok(None) };
        let Tracked { path, mode, snapshot } = head[at].clone();
        match IndexEntry::of(path, mode, snapshot, self.repo).map_err(RepoError::from) {
            Err(e) if e.is_damage() => Ok(None),
            entry => entry.map(Some),
        }
    }

    /// Puts the rest into the caller's transaction and returns what becomes of every path. `now` is the index as it is
    /// under the caller's lock.
    pub fn finish(mut self, tx: &mut Transaction<'_>, now: &'r Index) -> Result<(Vec<Staged>, Vec<Warning>)> {
        self.catch_up(now)?;
        self.append_batch(tx)?;
        self.done.sort_by(|a, b| a.change.path.cmp(&b.change.path));
        Ok((self.done, self.warnings))
    }

    /// Captures again, now that nobody else can stage, the files that another process has staged since the operation
    /// began: which of the two captures is the newer one cannot be told.
    fn catch_up(&mut self, now: &'r Index) -> Result<()> {
        let began = std::mem::replace(&mut self.index, now);
        let moved = |path: &RepoPath| now.get(path).map(|e| e.snapshot) != began.get(path).map(|e| e.snapshot);
        let mut again: Vec<RepoPath> = Vec::new();
        self.batch.retain(|(path, ..)| keep_or_note(moved(path), path, &mut again));
        self.done.retain(|s| keep_or_note(moved(&s.change.path), &s.change.path, &mut again));
        for path in again {
            self.gone.remove(&path);
            match now.get(&path) {
                Some(entry) if self.repo.is_surely_unchanged(entry)? => {}
                entry => {
                    if !self.take(&path, true)?
                        && let Some(entry) = entry
                    {
                        self.remove(entry)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns what would become of every path, and changes nothing.
    pub fn preview(self) -> (Vec<FileChange>, Vec<Warning>) {
        let mut out: Vec<FileChange> = self.done.into_iter().map(|s| s.change).collect();
        for (path, entry, captured) in self.batch {
            let known = entry.as_ref().map(|e| (e.mode, captured.is_unchanged()));
            let change = match known {
                Some((mode, true)) if mode == captured.mode => ChangeKind::Unchanged,
                Some(_) => ChangeKind::Modified,
                None => ChangeKind::Added,
            };
            out.push(FileChange {
                path,
                change,
                kind: captured.kind,
                old: entry.as_ref().map(|e| e.snapshot),
                new: None,
                old_mode: entry.as_ref().map(|e| e.mode),
                new_mode: Some(captured.mode),
                byte_len: captured.byte_len,
                page_count: crate::model::page::pages_for(captured.byte_len).unwrap_or(u32::MAX),
                pages_changed: None,
                renamed_from: None,
            });
        }
        out.sort_by(|a, b| a.path.cmp(&b.path));
        (out, self.warnings)
    }

    fn append_batch(&mut self, tx: &mut Transaction<'_>) -> Result<()> {
        for (path, entry, captured) in std::mem::take(&mut self.batch) {
            let staged = self.append(tx, path, entry, captured)?;
            self.done.push(staged);
        }
        Ok(())
    }

    fn append(
        &self,
        tx: &mut Transaction<'_>,
        path: RepoPath,
        old: Option<IndexEntry>,
        captured: Captured,
    ) -> Result<Staged> {
        let unchanged = captured.is_unchanged();
        let (mode, kind, byte_len) = (captured.mode, captured.kind, captured.byte_len);
        let pages = captured.ingested.changed.len();
        let source = captured.base.as_ref().map(|b| b.snapshot().volume);
        // The file whose content a new path has: gone from its place, it is a rename.
        let origin = match &old {
            Some(_) => None,
            None => self.index.entries().iter().find(|e| source == Some(e.volume) && self.gone.contains(&e.path)),
        };
        let same_volume = old.as_ref().or(origin);
        let unmaterialized = captured.kept.is_some();
        let stored = captured.known.filter(|known| same_volume.is_some_and(|e| e.volume == known.volume));
        let stored = captured.kept.or(stored);
        let volume = stored.as_ref().map(|kept| kept.volume).or(same_volume.map(|e| e.volume));
        let volume = volume.unwrap_or_else(|| self.repo.store().new_volume_id());
        let snapshot = match (same_volume, stored) {
            (Some(entry), _) if unchanged && entry.volume == volume => entry.snapshot,
            (_, Some(stored)) => tx.add_object(&stored),
            _ => {
                let state = NewState { volume, kind, byte_len, base: captured.base.as_deref() };
                let snapshot = tx.append(state, captured.ingested)?;
                tx.add_object(&snapshot)
            }
        };
        let page_count = crate::model::page::pages_for(byte_len).unwrap_or(u32::MAX);
        let change = match (&old, origin) {
            (Some(o), _) if unchanged && o.mode == mode => ChangeKind::Unchanged,
            (Some(o), _) if o.kind != kind => ChangeKind::TypeChanged,
            (Some(_), _) => ChangeKind::Modified,
            (None, Some(_)) => ChangeKind::Renamed,
            (None, None) => ChangeKind::Added,
        };
        let before = old.as_ref().or(origin);
        Ok(Staged {
            change: FileChange {
                path: path.clone(),
                change,
                kind,
                old: before.map(|e| e.snapshot),
                new: Some(snapshot),
                old_mode: before.map(|e| e.mode),
                new_mode: Some(mode),
                byte_len,
                page_count,
                pages_changed: Some(if change == ChangeKind::Added { page_count } else { pages }),
                renamed_from: origin.map(|e| e.path.clone()),
            },
            entry: Some(IndexEntry {
                path,
                mode,
                snapshot,
                volume,
                kind,
                byte_len,
                fingerprint: captured.fingerprint,
                unmaterialized,
            }),
        })
    }
}

fn keep_or_note(moved: bool, path: &RepoPath, again: &mut Vec<RepoPath>) -> bool {
    if moved {
        again.push(path.clone());
    }
    !moved
}

/// Puts staged files into the index.
pub fn apply(index: &mut Index, staged: &[Staged]) {
    let gone: HashSet<&RepoPath> = staged.iter().filter(|s| s.entry.is_none()).map(|s| &s.change.path).collect();
    if !gone.is_empty() {
        index.retain(|e| !gone.contains(&e.path));
    }
    index.extend(staged.iter().filter_map(|s| s.entry.clone()));
}

/// Returns the changes worth telling: a deletion that is half of a rename is told with it.
pub fn changes(staged: Vec<Staged>) -> Vec<FileChange> {
    let renamed: HashSet<RepoPath> = staged.iter().filter_map(|s| s.change.renamed_from.clone()).collect();
    staged
        .into_iter()
        .map(|s| s.change)
        .filter(|c| !(c.change == ChangeKind::Deleted && renamed.contains(&c.path)))
        .collect()
}
