//! Overwriting a database that other programs keep writing to: they are held off while what they wrote is saved.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::Step;
use super::files::set_mode;
use super::journal::Journal;
use super::seen::{Done, Seen};
use crate::model::{FileKind, FileMode, PageSource};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::operations::{FileState, Record};
use crate::repo::worktree::capture::file_mode;
use crate::sqlite::capture::ScanChunk;
use crate::sqlite::header::same_but_volatile;
use crate::sqlite::materialize::{InPlace, Locked, MaterializeError, WriteOptions};
use crate::store::{Ingested, NewState, OpenSnapshot, Purpose, Transaction, differing_pages};
use crate::util::interrupt;
use crate::util::lock::FileLock;

impl Repository {
    /// Brings a file into its wanted state whatever is written to it: in one write transaction its content is stored, noted
    /// as the state before, and overwritten.
    pub(super) fn overwrite_locked(&self, lock: &FileLock, step: &mut Step<'_>, journal: &mut Journal) -> Result<Done> {
        let file = self.file_of(step.path);
        let changed_again = || MaterializeError::ChangedMeanwhile { path: file.clone() };
        let (Some(target), Some(known)) = (step.target, step.present.state) else { return Err(changed_again().into()) };
        let (open, base) = (self.open_snapshot(&target.snapshot)?, self.open_snapshot(&known.snapshot)?);
        if (open.snapshot().kind, base.snapshot().kind) != (FileKind::Sqlite, FileKind::Sqlite) {
            return Err(changed_again().into());
        }
        self.store().release();
        let mode = file_mode(&file)?;
        let seen = Seen::if_worth(&file, open.byte_len());
        let done = self.with_options(&file, step.present.print, seen.as_ref(), &mut |options| {
            // From here to the end nothing may open the file: closing it would drop SQLite's locks.
            let mut locked = Locked::lock(&file, options)?;
            match self.save_locked(lock, &mut locked, &base, step, mode, journal) {
                Ok(now) => Ok(Done::in_place(&self.write_locked(locked, &open, &now, options)?, seen.as_ref())),
                Err(error) => {
                    locked.release();
                    Err(error)
                }
            }
        })?;
        set_mode(&file, target.mode)?;
        Ok(done)
    }

    fn save_locked(
        &self,
        lock: &FileLock,
        locked: &mut Locked,
        base: &Arc<OpenSnapshot>,
        step: &mut Step<'_>,
        mode: FileMode,
        journal: &mut Journal,
    ) -> Result<OpenSnapshot> {
        let mut ingest = self.store().ingest(Some(Arc::clone(base)), Some(same_but_volatile), Purpose::Store)?;
        let mut interrupted = Ok(());
        let scanned = locked.scan(&mut |chunk| match chunk {
            ScanChunk::Start { .. } => ControlFlow::Continue(()),
            ScanChunk::Pages { first, bytes } => {
                interrupted = interrupt::check();
                let full = std::mem::replace(bytes, ingest.buffer());
                if interrupted.is_err() { ControlFlow::Break(()) } else { ingest.push(first, full) }
            }
        });
        let ingested: Result<Ingested, _> = ingest.finish();
        interrupted?;
        let (byte_len, ingested) = (scanned?.byte_len, ingested?);
        let snapshot = match ingested.changed.is_empty() && byte_len == base.byte_len() {
            true => base.snapshot().clone(),
            false => {
                let mut tx = Transaction::new(self.store(), lock)?;
                let state =
                    NewState { volume: base.snapshot().volume, kind: FileKind::Sqlite, byte_len, base: Some(base) };
                let snapshot = tx.append(state, ingested)?;
                let id = tx.add_object(&snapshot);
                tx.publish()?;
                self.note_saved(step.path, id)?;
                let at = journal.files.iter_mut().find(|change| change.path == *step.path);
                let change = at.expect("every file that is written is in the journal");
                change.before = Some(FileState { mode, snapshot: id });
                (step.present.state, step.present.was_saved) = (change.before, true);
                let record = Record { files: vec![change.clone()], ..Record::default() };
                self.operations().append(record).map_err(RepoError::file("write", self.operations().path()))?;
                self.write_journal(journal)?;
                snapshot
            }
        };
        Ok(self.store().open_snapshot(snapshot)?)
    }

    fn write_locked(
        &self,
        locked: Locked,
        open: &OpenSnapshot,
        now: &OpenSnapshot,
        options: &WriteOptions<'_>,
    ) -> Result<InPlace> {
        let changed = match differing_pages(now, open) {
            Ok(changed) => changed,
            Err(error) => {
                locked.release();
                return Err(error.into());
            }
        };
        Ok(locked.write(open, Some(&changed), options)?)
    }
}
