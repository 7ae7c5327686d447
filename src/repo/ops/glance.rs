//! A look at a remote without a clone: a repository for the moment, with no more of the remote than the look needs.

use std::path::Path;

use super::clone::{CloneOptions, Cloned};
use crate::repo::error::Result;
use crate::repo::remote::SyncError;
use crate::repo::{RepoError, Repository, Settings};
use crate::store::remote::RemoteUrl;

impl Repository {
    /// Makes a lazy clone in a folder that the caller removes afterwards, and returns it with the revision in it that `rev` is on the
    /// remote; without `rev`, that of its HEAD. Of a branch or tag comes one commit, of any other revision all of the history.
    pub fn glance(url: &RemoteUrl, rev: Option<&str>, into: &Path, settings: &Settings) -> Result<(Cloned, String)> {
        let rev = rev.filter(|rev| *rev != "HEAD" && *rev != "@");
        let options = CloneOptions {
            url: url.clone(),
            into: into.to_owned(),
            name: "origin".to_owned(),
            branch: rev.map(str::to_owned),
            checkout: false,
            depth: Some(1),
            single_branch: true,
            lazy: true,
        };
        let rev = match (Self::clone_from(&options, settings), rev) {
            (Err(RepoError::Sync(SyncError::NoBranch { .. })), Some(rev)) => rev,
            (cloned, _) => return Ok((cloned?, "HEAD".to_owned())),
        };
        let all = CloneOptions { branch: None, depth: None, single_branch: false, ..options };
        let cloned = Self::clone_from(&all, settings)?;
        let find = |rev: &str| cloned.repo.resolver(cloned.repo.top()).object(rev);
        // Of the branches, only the one of the remote's HEAD is a branch here, too.
        let tracked = format!("origin/{rev}");
        let found = match find(rev) {
            Ok(_) => rev.to_owned(),
            Err(_) if find(&tracked).is_ok() => tracked,
            Err(error) => return Err(error.into()),
        };
        Ok((cloned, found))
    }
}
