//! `pull`: fetches, then moves the current branch forward to what it follows.

use crate::model::{ObjectId, RefName};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::walk;
use crate::repo::ops::merge::{Forward, MergeRequest, MergeResult, Merged};
use crate::repo::remote::SyncError;
use crate::repo::remote::refspec::candidates;
use crate::repo::remote::{FetchOptions, Fetched, Tags};
use crate::repo::state::objects::ObjectReader;
use crate::sqlite::merge::MergeOptions;

/// What to pull.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// The remote, by name or URL; the one of the current branch if not given.
    pub remote: Option<String>,
    /// The branch of the remote; the upstream of the current branch if not given.
    pub branch: Option<String>,
    /// Remove refs here whose counterparts are gone.
    pub prune: bool,
    /// Which tags.
    pub tags: Tags,
    /// Merge, if the branch has commits of its own.
    pub merge: bool,
}

/// What a pull did.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// What was fetched.
    pub fetched: Fetched,
    /// HEAD's commit before.
    pub old: Option<ObjectId>,
    /// The commit that was pulled.
    pub new: ObjectId,
    /// What became of the branch and the worktree.
    pub merged: Merged,
}

impl Repository {
    /// Fetches, and moves the current branch and the worktree forward. A branch with commits of its own is refused, or merged.
    pub fn pull(&self, options: &PullOptions) -> Result<Pulled> {
        let branch = self.current_branch()?.ok_or(SyncError::Detached)?;
        let short = branch.short().to_owned();
        let setting = |key: &str| self.config().get(&format!("branch.{short}.{key}")).map(|e| e.value.clone());
        let follows = setting("remote").filter(|remote| remote != ".");
        let remote = match (&options.remote, follows.clone()) {
            (Some(remote), _) => remote.clone(),
            (None, Some(remote)) => remote,
            (None, None) => {
                return Err(SyncError::NoUpstream { branch: short, remote: self.default_remote()? }.into());
            }
        };
        let wanted = match (&options.branch, setting("merge")) {
            (Some(name), _) => name.clone(),
            (None, Some(merge)) if follows.as_ref() == Some(&remote) => merge,
            _ => return Err(SyncError::NoUpstream { branch: short, remote }.into()),
        };
        let fetch = FetchOptions {
            remote: Some(remote.clone()),
            // What is followed anyway comes along, unless one branch was asked for.
            refspecs: options.branch.iter().cloned().collect(),
            prune: options.prune,
            tags: options.tags,
            ..FetchOptions::default()
        };
        let fetched = self.fetch(&fetch)?;
        let is_wanted = |name: &RefName| candidates(&wanted).iter().any(|c| c == name.as_str());
        let found = fetched.refs.iter().find(|one| one.remote.as_ref().is_some_and(is_wanted));
        let no_such = || SyncError::NoRemoteRef { url: fetched.url.clone(), name: wanted.clone() };
        let tip = found.and_then(|one| one.new).ok_or_else(no_such)?;
        let new = self.peel_tags(&tip)?.id();
        let old = self.refs().resolve(&branch)?;
        let from = format!("{remote}/{}", short_name(&wanted));
        if let Some(old) = old
            && !walk::is_ancestor(self, new, old)?
        {
            let (ahead, behind) = walk::ahead_behind(self, old, new)?;
            if ahead > 0 && options.merge {
                let request = MergeRequest {
                    name: from.clone(),
                    commit: new,
                    message: Some(format!("Merge branch '{}' of {}", short_name(&wanted), fetched.url)),
                    forward: Forward::Auto,
                    rows: MergeOptions::default(),
                    unrelated: false,
                    result: MergeResult::Commit,
                    reason: format!("pull {from}"),
                };
                let merged = self.merge(&request)?;
                return Ok(Pulled { fetched, old: Some(old), new, merged });
            }
            if ahead > 0 {
                return Err(SyncError::Diverged { branch: short, upstream: from, ahead, behind }.into());
            }
        }
        let merged = self.fast_forward(new, &from, &format!("pull {from}"))?;
        Ok(Pulled { fetched, old, new, merged })
    }
}

/// Returns the name of a branch without what all branches begin with.
fn short_name(branch: &str) -> &str {
    branch.trim_start_matches("refs/heads/")
}
