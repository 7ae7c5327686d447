//! Three states of all files become one: each file by itself, databases row by row.
//!
//! Nothing is locked and nothing of the repository is changed meanwhile; what is new waits in batches of the store until
//! they are published.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{FileKind, FileMode, ObjectId, PageSource, RepoPath, Tree, TreeEntry, VolumeId};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::ops::merge::MergeError;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::operations::FileState;
use crate::repo::worktree::moves::States;
use crate::sqlite::diff::DiffError;
use crate::sqlite::merge::{self, Favor, MergeOptions, Merged, RowMergeError, merge_pages};
use crate::store::{Batch, Transaction, differing_pages};

/// A file as a whole that the merge cannot decide; it stays as in ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileConflict {
    /// The file, by its name in ours, or else in theirs.
    pub path: RepoPath,
    /// Whether it is about the content, or about the file being there.
    pub kind: FileConflictKind,
}

/// What a conflict of a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileConflictKind {
    /// Both changed a file that is no database.
    Content,
    /// Ours deleted the file, theirs changed it.
    DeleteModify,
    /// Ours changed the file, theirs deleted it.
    ModifyDelete,
    /// Both gave it another name.
    RenameRename,
    /// The name that one side gave to it is that of another file.
    NameTaken,
}

impl FileConflictKind {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::DeleteModify => "delete/modify",
            Self::ModifyDelete => "modify/delete",
            Self::RenameRename => "rename/rename",
            Self::NameTaken => "rename/add",
        }
    }
}

/// A database that was merged row by row.
#[derive(Clone, Debug)]
pub struct MergedDatabase {
    /// Its name in the result.
    pub path: RepoPath,
    /// What came out.
    pub merged: Merged,
}

/// Counts the conflicts of all files.
pub fn conflict_count(files: &[FileConflict], databases: &[MergedDatabase]) -> usize {
    files.len() + databases.iter().map(|d| d.merged.conflicts.len()).sum::<usize>()
}

/// What came out of a merge of all files.
#[derive(Default)]
pub(super) struct ThreeWay {
    /// The merged files; what is in conflict is as in ours.
    files: BTreeMap<RepoPath, MergedFile>,
    /// Databases that were merged row by row.
    pub databases: Vec<MergedDatabase>,
    /// Files that cannot be decided as a whole.
    pub conflicts: Vec<FileConflict>,
}

struct MergedFile {
    mode: FileMode,
    content: Content,
}

enum Content {
    /// A state that is stored.
    Stored(ObjectId),
    /// A new state.
    New(Box<Batch>),
}

/// One file in the three states, under the name that it has in the result.
#[derive(Clone, Debug, Default)]
struct Triple {
    base: Option<FileState>,
    ours: Option<FileState>,
    theirs: Option<FileState>,
}

impl ThreeWay {
    /// Tells whether all of theirs is in the result.
    pub fn is_clean(&self) -> bool {
        conflict_count(&self.conflicts, &self.databases) == 0
    }

    /// Adds what is new to a transaction, and returns the states of all files.
    pub fn publish(self, tx: &mut Transaction<'_>) -> Result<States> {
        let mut states = States::new();
        for (path, MergedFile { mode, content }) in self.files {
            let snapshot = match content {
                Content::Stored(id) => id,
                Content::New(batch) => {
                    let snapshot = tx.append_batch(*batch)?;
                    tx.add_object(&snapshot)
                }
            };
            states.insert(path, FileState { mode, snapshot });
        }
        Ok(states)
    }
}

/// Returns files as a tree.
pub(super) fn tree_of(states: &States) -> Tree {
    let entry = |(path, state): (&RepoPath, &FileState)| TreeEntry {
        path: path.clone(),
        mode: state.mode,
        snapshot: state.snapshot,
    };
    Tree::new(states.iter().map(entry).collect())
}

impl Repository {
    /// Merges what theirs did to files since the base into ours.
    pub(super) fn three_way(
        &self,
        base: &States,
        ours: &States,
        theirs: &States,
        options: MergeOptions,
    ) -> Result<ThreeWay> {
        let mut out = ThreeWay::default();
        let triples = self.triples(base, ours, theirs, &mut out)?;
        for (path, triple) in triples {
            self.merge_file(&path, &triple, options, &mut out)?;
        }
        Ok(out)
    }

    /// Pairs the files of the three states: by name, and by volume where one side gave another name.
    fn triples(
        &self,
        base: &States,
        ours: &States,
        theirs: &States,
        out: &mut ThreeWay,
    ) -> Result<BTreeMap<RepoPath, Triple>> {
        let (to_ours, to_theirs) = (self.renames(base, ours)?, self.renames(base, theirs)?);
        let mut triples: BTreeMap<RepoPath, Triple> = BTreeMap::new();
        let (mut used_o, mut used_t) = (BTreeSet::new(), BTreeSet::new());
        for (old, state) in base {
            let (no, nt) = (to_ours.get(old).unwrap_or(old), to_theirs.get(old).unwrap_or(old));
            let (o, t) = (ours.get(no).copied(), theirs.get(nt).copied());
            let name = match (no == old || o.is_none(), nt == old || t.is_none()) {
                (true, true) => old,
                (true, false) => nt,
                (false, true) => no,
                (false, false) if no == nt => no,
                (false, false) => {
                    out.conflicts.push(FileConflict { path: no.clone(), kind: FileConflictKind::RenameRename });
                    no
                }
            };
            used_o.extend(o.map(|_| no.clone()));
            used_t.extend(t.map(|_| nt.clone()));
            triples.insert(name.clone(), Triple { base: Some(*state), ours: o, theirs: t });
        }
        for (path, state) in ours.iter().filter(|(path, _)| !used_o.contains(*path)) {
            let taken = triples.get(path).is_some_and(|t| t.ours.is_some() || t.base.is_some() && t.theirs.is_some());
            if taken {
                out.conflicts.push(FileConflict { path: path.clone(), kind: FileConflictKind::NameTaken });
            }
            triples.entry(path.clone()).or_default().ours = Some(*state);
        }
        for (path, state) in theirs.iter().filter(|(path, _)| !used_t.contains(*path)) {
            let triple = triples.entry(path.clone()).or_default();
            match triple.theirs {
                None if triple.base.is_none() => triple.theirs = Some(*state),
                None if triple.ours.is_none() => *triple = Triple { theirs: Some(*state), ..Triple::default() },
                _ => out.conflicts.push(FileConflict { path: path.clone(), kind: FileConflictKind::NameTaken }),
            }
        }
        Ok(triples)
    }

    /// Finds the files of the base that have another name in a side: those of the same volume.
    fn renames(&self, base: &States, side: &States) -> Result<BTreeMap<RepoPath, RepoPath>> {
        let volume = |state: &FileState| -> Result<VolumeId> { Ok(self.snapshot(&state.snapshot)?.volume) };
        let mut come = BTreeMap::new();
        for (path, state) in side.iter().filter(|(path, _)| !base.contains_key(*path)) {
            come.insert(volume(state)?, path.clone());
        }
        let mut renames = BTreeMap::new();
        if come.is_empty() {
            return Ok(renames);
        }
        for (path, state) in base.iter().filter(|(path, _)| !side.contains_key(*path)) {
            if let Some(new) = come.remove(&volume(state)?) {
                renames.insert(path.clone(), new);
            }
        }
        Ok(renames)
    }

    fn merge_file(&self, path: &RepoPath, file: &Triple, options: MergeOptions, out: &mut ThreeWay) -> Result<()> {
        let (b, o, t) = (file.base, file.ours, file.theirs);
        let snapshot = |state: Option<FileState>| state.map(|s| s.snapshot);
        let mut take = |state: Option<FileState>, mode: FileMode| {
            if let Some(state) = state {
                out.files.insert(path.clone(), MergedFile { mode, content: Content::Stored(state.snapshot) });
            }
        };
        let mode = match (b.map(|s| s.mode), o.map(|s| s.mode), t.map(|s| s.mode)) {
            (Some(b), Some(o), Some(t)) => {
                if o == b {
                    t
                } else {
                    o
                }
            }
            (_, Some(o), _) => o,
            (_, None, Some(t)) => t,
            (_, None, None) => return Ok(()),
        };
        if snapshot(o) == snapshot(t) || snapshot(t) == snapshot(b) {
            take(o, mode);
            return Ok(());
        }
        if snapshot(o) == snapshot(b) {
            take(t, mode);
            return Ok(());
        }
        let (Some(ours), Some(theirs)) = (o, t) else {
            match options.favor {
                Some(Favor::Ours) => take(o, mode),
                Some(Favor::Theirs) => take(t, mode),
                _ => {
                    take(o, mode);
                    let kind =
                        if o.is_none() { FileConflictKind::DeleteModify } else { FileConflictKind::ModifyDelete };
                    out.conflicts.push(FileConflict { path: path.clone(), kind });
                }
            }
            return Ok(());
        };
        if self.is_same_content(&ours.snapshot, &theirs.snapshot)? {
            take(o, mode);
            return Ok(());
        }
        let is_database = |id: &ObjectId| -> Result<bool> { Ok(self.snapshot(id)?.kind == FileKind::Sqlite) };
        let of_rows = is_database(&ours.snapshot)?
            && is_database(&theirs.snapshot)?
            && b.map_or(Ok(true), |b| is_database(&b.snapshot))?;
        if !of_rows {
            match options.favor {
                Some(Favor::Theirs) => take(t, mode),
                Some(Favor::Ours) => take(o, mode),
                _ => {
                    take(o, mode);
                    out.conflicts.push(FileConflict { path: path.clone(), kind: FileConflictKind::Content });
                }
            }
            return Ok(());
        }
        let (merged, content) =
            self.merge_database(path, b.map(|b| b.snapshot), ours.snapshot, theirs.snapshot, options)?;
        out.files.insert(path.clone(), MergedFile { mode, content });
        out.databases.push(MergedDatabase { path: path.clone(), merged });
        Ok(())
    }

    fn is_same_content(&self, one: &ObjectId, other: &ObjectId) -> Result<bool> {
        let (one, other) = (self.open_snapshot(one)?, self.open_snapshot(other)?);
        Ok(one.byte_len() == other.byte_len() && differing_pages(&one, &other)?.is_empty())
    }

    /// Merges the rows of a database, and keeps the pages of the result for the log of ours.
    fn merge_database(
        &self,
        path: &RepoPath,
        base: Option<ObjectId>,
        ours: ObjectId,
        theirs: ObjectId,
        options: MergeOptions,
    ) -> Result<(Merged, Content)> {
        let base = base.map(|id| self.open_snapshot(&id)).transpose()?;
        let (open_ours, open_theirs) = (self.open_snapshot(&ours)?, self.open_snapshot(&theirs)?);
        let differing = match &base {
            Some(base) => (Some(differing_pages(base, &open_ours)?), Some(differing_pages(base, &open_theirs)?)),
            None => (None, None),
        };
        let states = merge::States {
            base: base.map(|b| b as _),
            ours: open_ours.clone() as _,
            theirs: open_theirs as _,
            differing,
        };
        let (merged, written) = merge_pages(&states, options).map_err(|e| explained(path, e))?;
        if written.pages.is_empty() && written.byte_len == open_ours.byte_len() {
            return Ok((merged, Content::Stored(ours)));
        }
        let mut batch = Batch::start(self.store(), open_ours.snapshot().clone())?;
        for (idx, page) in &written.pages {
            batch.push(*idx, page)?;
        }
        batch.end(written.byte_len)?;
        Ok((merged, Content::New(Box::new(batch))))
    }
}

fn explained(path: &RepoPath, error: RowMergeError) -> RepoError {
    match error {
        RowMergeError::Interrupted(e) | RowMergeError::Diff(DiffError::Interrupted(e)) => e.into(),
        source => MergeError::Rows { path: path.to_string(), source }.into(),
    }
}
