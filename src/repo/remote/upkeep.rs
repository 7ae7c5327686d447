//! Verifying a remote and removing from it what nobody needs.

use super::SyncError;
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::monitor::{Told, Work};
use crate::store::remote::{Collected, RemoteReport};

impl Repository {
    /// Verifies a remote: everything is read. Damage is a finding, not an error.
    pub fn verify_remote(&self, name: &str) -> Result<RemoteReport> {
        let remote = self.open_remote(&self.named_remote(name)?)?;
        let folder = self.scratch()?;
        let monitor = self.monitor();
        let _work = Work::start(monitor, "verifying", None);
        Ok(remote.verify(folder.path(), &Told(monitor))?)
    }

    /// Removes from a remote what no ref leads to and is older than `grace_seconds`, and merges its bundles.
    pub fn collect_remote(&self, name: &str, dry_run: bool, grace_seconds: u64) -> Result<Collected> {
        let remote = self.open_remote(&self.named_remote(name)?)?;
        if !remote.existing_state()?.exists() && remote.volume_names()?.is_empty() {
            return Err(SyncError::EmptyRemote(remote.url().to_owned()).into());
        }
        let folder = self.scratch()?;
        let monitor = self.monitor();
        let _work = Work::start(monitor, "collecting", None);
        Ok(remote.collect(folder.path(), dry_run, grace_seconds.saturating_mul(1000), &Told(monitor))?)
    }

    /// Makes a folder for a store that lives as long as the operation.
    fn scratch(&self) -> Result<tempfile::TempDir> {
        let tmp = self.tmp();
        tempfile::Builder::new().prefix("remote-").tempdir_in(&tmp).map_err(RepoError::file("write", &tmp))
    }
}
