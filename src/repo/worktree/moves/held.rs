//! Files that programs have open while a move is about to replace or remove them.
//!
//! A program would go on with a file that has no name any more, and what it writes there is lost. Databases that are written in place
//! are no matter, and those that cannot be are looked at when they are locked; this is about all the others, before anything is written.

use std::path::PathBuf;

use super::Step;
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::holders::Access;
use crate::sqlite::materialize::refuse_open;
use crate::sqlite::sidecars::may_be_in_use;

impl Repository {
    /// Fails if a program uses one of the files as a database, or may write into it.
    pub(super) fn refuse_held(&self, steps: &[Step<'_>]) -> Result<()> {
        let goes = |step: &&Step<'_>| !step.is_there() && !step.stays_out && step.present.print.is_some();
        let files: Vec<(PathBuf, Access)> = steps
            .iter()
            .filter(goes)
            .map(|step| self.file_of(step.path))
            .filter(|file| !matches!(classify(file), Ok(Detected::Sqlite(_))))
            .map(|file| {
                let access = if may_be_in_use(&file) { Access::Any } else { Access::Write };
                (file, access)
            })
            .collect();
        if files.is_empty() {
            return Ok(());
        }
        Ok(refuse_open(&files, self.settings().busy_timeout)?)
    }
}
