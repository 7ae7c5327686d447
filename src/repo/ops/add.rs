//! Staging worktree files.

use std::path::{Path, PathBuf};

use crate::model::RepoPath;
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::types::{FileChange, Warning};
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::capture::How;
use crate::repo::worktree::heal::KnownDamage;
use crate::repo::worktree::ignore_rules::{self, SearchOptions};
use crate::repo::worktree::staging::{self, Staging};
use crate::store::{Purpose, Transaction};

/// What to stage.
#[derive(Clone, Debug, Default)]
pub struct AddOptions {
    /// Files, folders and globs as typed.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
    /// Stage new, changed and removed files; of the whole worktree if no path is given.
    pub all: bool,
    /// Stage changed and removed files only; of the whole worktree if no path is given.
    pub update: bool,
    /// Stage ignored files too.
    pub force: bool,
    /// Take files byte for byte, even if they look like databases.
    pub opaque: bool,
    /// Only say what would be staged.
    pub dry_run: bool,
}

/// What was staged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddOutcome {
    /// The files, in path order; files that are as they were among them.
    pub files: Vec<FileChange>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Why nothing was staged.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// No path was given, nor `-A` or `-u`.
    #[error("nothing specified, nothing added")]
    NothingSpecified,
    /// A path matches nothing.
    #[error("pathspec '{}' did not match any files", .0.display())]
    NoMatch(PathBuf),
    /// A path is ignored.
    #[error("'{0}' is ignored by an ignore file")]
    Ignored(RepoPath),
}

impl Repository {
    /// Captures files and puts them into the index. All or nothing: the index is replaced once, at the end.
    pub fn add(&self, options: &AddOptions) -> Result<AddOutcome> {
        if options.pathspecs.is_empty() && !options.all && !options.update {
            return Err(AddError::NothingSpecified.into());
        }
        let specs = Pathspecs::new(self.top(), &options.cwd, &options.pathspecs)?;
        let index = self.index()?;
        let tracked: Vec<&IndexEntry> = index.entries().iter().filter(|e| specs.matches(&e.path)).collect();
        let mut fresh = Vec::new();
        let mut warnings = Vec::new();
        if !options.update {
            let found = ignore_rules::untracked(
                self.top(),
                &specs,
                &index,
                SearchOptions { include_ignored: options.force, collapse: false },
            )?;
            if let Some(path) = found.ignored_named.into_iter().next() {
                return Err(AddError::Ignored(path).into());
            }
            fresh = found.files;
            warnings = found.warnings;
        }
        let known: Vec<&RepoPath> = tracked.iter().map(|e| &e.path).chain(&fresh).collect();
        // An empty folder selects no file, but is there.
        let is_there = |spec: &&Path| options.cwd.join(spec).symlink_metadata().is_ok();
        if let Some(spec) = specs.all_unmatched(&known).find(|spec| !is_there(spec)) {
            return Err(AddError::NoMatch(spec.to_owned()).into());
        }
        let purpose = if options.dry_run { Purpose::Compare } else { Purpose::Store };
        let how = How { purpose, opaque: options.opaque };
        let known = self.known_damage()?;
        let lost = self.lost_states(&specs, &tracked, &known)?;
        let mut staging = self.stage_tracked(&index, &tracked, &lost, how)?;
        for path in &fresh {
            staging.capture(path, true)?;
        }
        if options.dry_run {
            let (files, more) = staging.preview();
            warnings.extend(more);
            return Ok(AddOutcome { files, warnings });
        }
        let lock = self.lock()?;
        let mut tx = Transaction::new(self.store(), &lock)?;
        let mut index = self.index()?;
        let (mut staged, more) = staging.finish(&mut tx, &index)?;
        tx.publish()?;
        self.heal(&lock, &mut staged, &lost, known)?;
        self.remember_attributes(tracked.iter().map(|e| &e.path).chain(&fresh), &lock);
        let before = index.clone();
        staging::apply(&mut index, &staged);
        if index != before {
            self.save_index(&index, &lock)?;
        }
        if tracked.iter().any(|e| specs.names(&e.path)) {
            self.heal_tree(&before, &lock)?;
        }
        warnings.extend(more);
        Ok(AddOutcome { files: staging::changes(staged), warnings })
    }

    /// Returns the files named one by one whose stored state is damaged: they are captured whatever they look like.
    fn lost_states(
        &self,
        specs: &Pathspecs,
        tracked: &[&IndexEntry],
        known: &[KnownDamage],
    ) -> Result<Vec<IndexEntry>> {
        let mut lost = Vec::new();
        for entry in tracked.iter().filter(|e| specs.names(&e.path)) {
            if known.iter().any(|d| d.path == entry.path) || self.needs_healing(entry)? {
                lost.push((*entry).clone());
            }
        }
        Ok(lost)
    }

    /// Captures the tracked files among `entries` that have changed since they were staged.
    pub(super) fn stage_tracked<'r>(
        &'r self,
        index: &'r Index,
        entries: &[&IndexEntry],
        lost: &[IndexEntry],
        how: How,
    ) -> Result<Staging<'r>> {
        let mut staging = Staging::new(self, index, how);
        for entry in entries {
            let is_lost = lost.iter().any(|l| l.path == entry.path);
            if !how.opaque && !is_lost && self.is_surely_unchanged(entry)? {
                staging.look_beside(&entry.path, entry.kind)?;
                continue;
            }
            if !staging.capture(&entry.path, !is_lost)? {
                staging.remove(entry)?;
            }
        }
        Ok(staging)
    }
}
