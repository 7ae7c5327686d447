//! What differs between HEAD, the index and the worktree.

use std::path::PathBuf;

use crate::model::page::pages_for;
use crate::model::{ObjectId, RepoPath};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::changes::{Tracked, of_index};
use crate::repo::state::fingerprint::Fingerprint;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::refs::Head;
use crate::repo::state::types::{ChangeKind, FileChange, Warning};
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::capture::{Captured, file_mode};
use crate::repo::worktree::ignore_rules::{self, SearchOptions};

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct StatusOptions {
    /// Files, folders and globs as typed; everything if empty.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
    /// Do not look for untracked files.
    pub no_untracked: bool,
    /// List every untracked file, not just the folder that holds nothing else.
    pub all_untracked: bool,
    /// List ignored files among the untracked ones.
    pub ignored: bool,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where HEAD is.
    pub head: Head,
    /// The commit it leads to; `None` before the first one.
    pub commit: Option<ObjectId>,
    /// Changes between HEAD's commit and the index.
    pub staged: Vec<FileChange>,
    /// Changes between the index and the worktree.
    pub unstaged: Vec<FileChange>,
    /// Tracked files that are not materialized.
    pub unmaterialized: Vec<RepoPath>,
    /// Files and folders (these end in `/`) that are not tracked.
    pub untracked: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

impl Status {
    /// Tells whether the worktree and the index are as HEAD's commit has them.
    pub fn is_clean(&self) -> bool {
        self.staged.is_empty() && self.unstaged.is_empty()
    }
}

impl Repository {
    /// Looks at the repository. Files whose fingerprint is as it was are not opened; others are compared by content,
    /// and if they prove unchanged the index learns their new fingerprint, unless another process holds the lock.
    pub fn status(&self, options: &StatusOptions) -> Result<Status> {
        let specs = Pathspecs::new(self.top(), &options.cwd, &options.pathspecs)?;
        let index = self.index()?;
        let head_files = self.head_files()?;
        let within =
            |files: Vec<Tracked>| -> Vec<Tracked> { files.into_iter().filter(|t| specs.matches(&t.path)).collect() };
        let staged = self.differing(self.compare(&within(head_files), &within(of_index(&index)))?)?;
        let mut unstaged = Vec::new();
        let (mut refreshed, mut unmaterialized, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for entry in index.entries().iter().filter(|e| specs.matches(&e.path)) {
            let (change, print) = self.worktree_change(entry)?;
            warnings.extend(self.warnings_beside(&entry.path, change.as_ref().map_or(entry.kind, |c| c.kind)));
            unmaterialized.extend(self.is_unmaterialized(entry).then(|| entry.path.clone()));
            unstaged.extend(change);
            refreshed.extend(print.map(|p| (entry.path.clone(), p)));
        }
        let mut status = Status {
            head: self.refs().head()?,
            commit: self.head_commit()?,
            staged,
            unstaged,
            unmaterialized,
            untracked: Vec::new(),
            warnings,
        };
        if !options.no_untracked {
            let found = ignore_rules::untracked(
                self.top(),
                &specs,
                &index,
                SearchOptions { include_ignored: options.ignored, collapse: !options.all_untracked },
            )?;
            status.warnings.extend(found.warnings);
            status.untracked = match options.all_untracked {
                true => found.files.iter().map(ToString::to_string).collect(),
                false => found.collapsed,
            };
        }
        self.refresh(&index, refreshed)?;
        Ok(status)
    }

    /// Tells whether a file cannot have changed since it was staged, without opening it as a database.
    pub(in crate::repo) fn is_surely_unchanged(&self, entry: &IndexEntry) -> Result<bool> {
        if self.is_unmaterialized(entry) {
            return self.is_as_staged(entry);
        }
        let Some(known) = &entry.fingerprint else { return Ok(false) };
        let file = self.file_of(&entry.path);
        // A file that cannot be looked at is dealt with by whoever reads it.
        let Ok(Some(now)) = Fingerprint::take(&file) else { return Ok(false) };
        Ok(now.matches(known) && file_mode(&file)? == entry.mode)
    }

    /// Compares one tracked file with its staged state. Gives the change, or the fingerprint to remember.
    pub(in crate::repo) fn worktree_change(
        &self,
        entry: &IndexEntry,
    ) -> Result<(Option<FileChange>, Option<Fingerprint>)> {
        if self.is_surely_unchanged(entry)? {
            return Ok((None, None));
        }
        let captured = self.compare_file(&entry.path, entry)?;
        let unchanged = captured.as_ref().is_some_and(|c| c.is_unchanged() && c.mode == entry.mode);
        if let (true, Some(captured)) = (unchanged, &captured) {
            return Ok((None, captured.fingerprint));
        }
        Ok((Some(change_of(entry, captured.as_ref())), None))
    }

    fn refresh(&self, seen: &Index, refreshed: Vec<(RepoPath, Fingerprint)>) -> Result<()> {
        if refreshed.is_empty() {
            return Ok(());
        }
        // Remembering is a convenience: a read-only repository, or one that is busy, goes without.
        let Ok(Some(lock)) = self.store().try_lock() else { return Ok(()) };
        self.settle_pending(&lock)?;
        let mut index = self.index()?;
        for (path, print) in refreshed {
            let staged = seen.get(&path).map(|e| e.snapshot);
            if index.get(&path).map(|e| e.snapshot) == staged
                && let Some(mut entry) = index.get_mut(&path)
            {
                entry.set_fingerprint(Some(print));
            }
        }
        let _ = self.save_index(&index, &lock);
        Ok(())
    }
}

fn change_of(entry: &IndexEntry, captured: Option<&Captured>) -> FileChange {
    let change = match captured {
        None => ChangeKind::Deleted,
        Some(c) if c.kind != entry.kind => ChangeKind::TypeChanged,
        Some(_) => ChangeKind::Modified,
    };
    let byte_len = captured.map_or(entry.byte_len, |c| c.byte_len);
    FileChange {
        path: entry.path.clone(),
        change,
        kind: captured.map_or(entry.kind, |c| c.kind),
        old: Some(entry.snapshot),
        new: None,
        old_mode: Some(entry.mode),
        new_mode: captured.map(|c| c.mode),
        byte_len,
        page_count: pages_for(byte_len).unwrap_or(u32::MAX),
        pages_changed: None,
        renamed_from: None,
    }
}
