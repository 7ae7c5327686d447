//! Writing and removing the files of a move, and the index afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::look::Present;
use super::seen::{Done, Prints, Seen, shows_the_new_file};
use super::{Journal, Move, Step};
use crate::model::{FileKind, FileMode, ObjectId, PageSet, PageSource, RepoPath};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::fingerprint::Fingerprint;
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::monitor::Work;
use crate::repo::state::operations::FileState;
use crate::repo::state::types::Warning;
use crate::repo::worktree::checkout::{CheckedOut, CheckoutError, CheckoutOutcome, Written};
use crate::sqlite::holders::LockHolders;
use crate::sqlite::materialize::{self, MaterializeError, WriteOptions};
use crate::store::{OpenSnapshot, differing_pages};
use crate::util::fs as durable;
use crate::util::interrupt;
use crate::util::lock::FileLock;

/// How often a file is looked at again that was written to between the look and the lock.
const LOOKS: usize = 5;

impl Repository {
    /// Writes the files of a move that are not as they shall be.
    pub(super) fn write_files(
        &self,
        lock: &FileLock,
        index: &Index,
        plan: &Move,
        steps: &mut [Step<'_>],
        journal: &mut Journal,
        out: &mut CheckoutOutcome,
    ) -> Result<Prints> {
        for step in steps.iter_mut() {
            interrupt::check()?;
            if step.stays_out {
                let how = self.move_volume(lock, index, plan, step)?;
                let saved = step.present.state.filter(|_| step.present.was_saved).map(|state| state.snapshot);
                out.files.push(CheckedOut { path: step.path.clone(), how, saved });
                continue;
            }
            let mut done = self.write_file(step.path, step.target, &step.present, &mut out.warnings);
            for _ in 0..LOOKS {
                if !matches!(done, Err(RepoError::Materialize(MaterializeError::ChangedMeanwhile { .. }))) {
                    break;
                }
                done = match self.look_at_one(lock, index, plan, step.path)? {
                    // Something was written that changes nothing, such as a checkpoint of the WAL.
                    Some(now) if now.state == step.present.state => {
                        (step.present.print, step.present.is_settled) = (now.print, now.is_settled);
                        self.write_file(step.path, step.target, &step.present, &mut out.warnings)
                    }
                    // Programs that never stop writing are held off for as long as it takes to save what they wrote.
                    Some(_) => self.overwrite_locked(lock, step, journal),
                    None => return Err(CheckoutError::Unsaved(vec![step.path.clone()]).into()),
                };
            }
            let Done { how, print } = done?;
            step.seen = print;
            let saved = step.present.state.filter(|_| step.present.was_saved).map(|state| state.snapshot);
            out.files.push(CheckedOut { path: step.path.clone(), how, saved });
        }
        let prints = steps.iter().filter_map(|step| Some((step.path.clone(), step.target?, step.seen)));
        Ok(prints.collect())
    }

    /// Brings one file from its present state into another.
    pub(super) fn write_file(
        &self,
        path: &RepoPath,
        target: Option<FileState>,
        present: &Present,
        warnings: &mut Vec<Warning>,
    ) -> Result<Done> {
        let file = self.file_of(path);
        if let Some((parent, _)) =
            path.as_str().rsplit_once('/').filter(|_| target.is_some() && self.is_behind_link(path))
        {
            return Err(CheckoutError::FileInTheWay { path: path.clone(), parent: parent.to_owned() }.into());
        }
        let Some(target) = target else { return Ok(Done { how: self.remove_file(&file, present)?, print: None }) };
        let open = self.open_snapshot(&target.snapshot)?;
        let changed = match &present.state {
            Some(content) if !present.is_volume => {
                let now = self.open_snapshot(&content.snapshot)?;
                let changed = differing_pages(&now, &open)?;
                if changed.is_empty()
                    && now.byte_len() == open.byte_len()
                    && now.snapshot().kind == open.snapshot().kind
                {
                    set_mode(&file, target.mode)?;
                    // What it looked like before its content was compared.
                    return Ok(Done { how: Written::Unchanged, print: present.print.filter(|_| present.is_settled) });
                }
                Some(changed)
            }
            _ => None,
        };
        self.store().release();
        self.write_state(&file, &open, changed.as_ref(), target.mode, present, warnings)
    }

    /// Gives a file that is not materialized its wanted content: the index is about to say so, but until then, and where it will not,
    /// the volume has to.
    fn move_volume(&self, lock: &FileLock, index: &Index, plan: &Move, step: &Step<'_>) -> Result<Written> {
        let Some(target) = step.target else { return Ok(Written::Removed) };
        let staged = plan.index.get(step.path).copied().flatten();
        let content = match index.get(step.path) {
            Some(_) => step.present.state,
            // What is staged is its content from the beginning, if nothing else is left over.
            None => {
                self.drop_heads(lock, index, [step.path.clone()], &[])?;
                staged
            }
        };
        if content.is_none_or(|state| state.snapshot != target.snapshot) {
            self.set_head(step.path, &target.snapshot, lock)?;
        }
        Ok(if step.is_there() { Written::Unchanged } else { Written::InVolume })
    }

    fn write_state(
        &self,
        file: &Path,
        open: &OpenSnapshot,
        changed: Option<&PageSet>,
        mode: FileMode,
        present: &Present,
        warnings: &mut Vec<Warning>,
    ) -> Result<Done> {
        let _work = Work::start(self.monitor(), &format!("Writing {}", file.display()), None);
        let in_place = open.snapshot().kind == FileKind::Sqlite && present.print.is_some();
        if in_place && let Some(done) = self.write_in_place(file, open, changed, mode, present)? {
            return Ok(done);
        }
        self.with_options(file, present.print, None, &mut |options| {
            if let Some(parent) = file.parent() {
                durable::create_dir_all(parent).map_err(RepoError::file("create", parent))?;
            }
            if fs::symlink_metadata(file).is_ok_and(|m| m.is_dir()) {
                // What it held has gone, or the move would not have begun.
                remove_empty_folders(file).map_err(RepoError::file("remove", file))?;
            }
            let written = materialize::write_new(file, open, options)?;
            let moved = written.moved_aside.into_iter();
            warnings.extend(moved.map(|(path, moved_to)| Warning::OrphanedSidecar { path, moved_to }));
            let file_lost = |what| Warning::AttributeLost { path: file.to_owned(), what };
            warnings.extend(written.lost.into_iter().map(file_lost));
            warnings.extend(written.was_linked.then(|| Warning::LinkBroken(file.to_owned())));
            set_mode(file, mode)?;
            let print = Fingerprint::stat_only(file).map_err(RepoError::file("read", file))?;
            Ok(Done {
                how: Written::Replaced,
                print: print.filter(|print| shows_the_new_file(print, &written.published)),
            })
        })
    }

    /// Writes the pages that differ; `None` if that cannot be done in place.
    fn write_in_place(
        &self,
        file: &Path,
        open: &OpenSnapshot,
        changed: Option<&PageSet>,
        mode: FileMode,
        present: &Present,
    ) -> Result<Option<Done>> {
        let seen = Seen::if_worth(file, open.byte_len());
        let written =
            self.with_options(file, present.print, seen.as_ref(), &mut |options| match materialize::write_in_place(
                file, open, changed, options,
            ) {
                Ok(done) => Ok(Some(done)),
                Err(MaterializeError::Unsuited { .. }) => Ok(None),
                Err(MaterializeError::Database(e)) if e.is_unreadable() => Ok(None),
                Err(e) => Err(e.into()),
            })?;
        let Some(written) = written else { return Ok(None) };
        set_mode(file, mode)?;
        Ok(Some(Done::in_place(&written, seen.as_ref())))
    }

    fn remove_file(&self, file: &Path, present: &Present) -> Result<Written> {
        if present.print.is_none() && fs::symlink_metadata(file).is_err() {
            return Ok(Written::Unchanged);
        }
        self.with_options(file, present.print, None, &mut |options| Ok(materialize::remove(file, options)?))?;
        self.prune_folders(file);
        Ok(Written::Removed)
    }

    /// Removes the folders that a removed file leaves empty.
    pub(super) fn prune_folders(&self, file: &Path) {
        let mut folder = file.parent();
        while let Some(dir) = folder.filter(|d| *d != self.top()) {
            if fs::remove_dir(dir).is_err() {
                break;
            }
            folder = dir.parent();
        }
    }

    pub(super) fn with_options<T>(
        &self,
        file: &Path,
        print: Option<Fingerprint>,
        seen: Option<&Seen<'_>>,
        run: &mut dyn FnMut(&WriteOptions<'_>) -> Result<T>,
    ) -> Result<T> {
        let tmp = self.tmp();
        let on_wait = |holders: &LockHolders| {
            self.monitor().waiting(&format!("waiting for {}, locked by {holders}", file.display()));
        };
        let still_expected = || match (&print, Fingerprint::stat_only(file)) {
            // It is asked under the lock, where a journal can only be our own: SQLite begins one by itself where the
            // header does not say how many pages there are.
            (Some(before), Ok(Some(now))) => Fingerprint { journal: before.journal, ..now }.matches(before),
            (None, Ok(None)) => true,
            _ => false,
        };
        let on_progress = |n| self.monitor().advance(n);
        let look = || seen.map_or((), Seen::look);
        let path = file.strip_prefix(self.top()).ok().and_then(Path::to_str).filter(|_| print.is_none());
        let attributes = path.and_then(|path| self.remembered_attributes(path));
        run(&WriteOptions {
            attributes: attributes.as_ref(),
            busy_timeout: self.settings().busy_timeout,
            on_wait: &on_wait,
            still_expected: &still_expected,
            look: seen.map(|_| &look as &dyn Fn()),
            on_progress: &on_progress,
            ..WriteOptions::new(&tmp)
        })
    }

    /// Ends a move whose files are written: index, refs, and the journal.
    pub(super) fn finish(&self, lock: &FileLock, journal: &Journal, prints: &Prints) -> Result<()> {
        let mut index = self.index()?;
        let before = index.clone();
        let leaves_out = self.leaves_files_out(&index);
        let touched: BTreeSet<RepoPath> =
            journal.files.iter().chain(&journal.index).filter(|_| leaves_out).map(|c| c.path.clone()).collect();
        for change in &journal.index {
            match change.after {
                Some(FileState { mode, snapshot }) => {
                    // What is known of a file in just this state stays known.
                    let known = index.get(&change.path).filter(|e| e.snapshot == snapshot).and_then(|e| e.fingerprint);
                    let mut entry = IndexEntry::of(change.path.clone(), mode, snapshot, self)?;
                    entry.fingerprint = known;
                    self.mark(&mut entry, before.get(&change.path), leaves_out);
                    index.insert(entry);
                }
                None => drop(index.remove(&change.path)),
            }
        }
        for change in &journal.files {
            if let Some(mut entry) = index.get_mut(&change.path)
                && (change.after.is_none() || !self.is_vacant(&change.path))
            {
                entry.set_unmaterialized(false);
            }
        }
        for (path, state, print) in prints {
            let is_staged = index.get(path).is_some_and(|e| e.snapshot == state.snapshot);
            if let Some(mut entry) = index.get_mut(path) {
                entry.set_fingerprint(print.filter(|_| is_staged));
            }
        }
        // One that was made of HEAD's tree is not told from it by what it says, but it may come to be.
        if index != before || Index::load(self.dir())?.is_none() {
            self.save_index(&index, lock)?;
        }
        self.refs().apply(lock, &journal.who, &journal.refs)?;
        let known: Vec<ObjectId> =
            journal.files.iter().flat_map(|c| [c.before, c.after]).flatten().map(|s| s.snapshot).collect();
        self.drop_heads(lock, &index, touched, &known)?;
        self.remove_journal()
    }
}

pub(super) fn set_mode(file: &Path, mode: FileMode) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |e| RepoError::file("change the mode of", file)(e);
    let meta = fs::metadata(file).map_err(failed)?;
    let old = meta.permissions().mode();
    let new = match mode {
        // Whoever may read may execute, as Git has it.
        FileMode::Executable => old | ((old & 0o444) >> 2),
        FileMode::Regular => old & !0o111,
    };
    if new != old {
        fs::set_permissions(file, fs::Permissions::from_mode(new)).map_err(failed)?;
    }
    Ok(())
}

fn remove_empty_folders(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        remove_empty_folders(&entry?.path())?;
    }
    fs::remove_dir(dir)
}
