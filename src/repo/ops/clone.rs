//! `clone`: a new repository with the history of a remote, and its branch checked out.
//!
//! A clone that fails leaves nothing behind: whatever it made is removed again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::error::Result;
use crate::repo::ops::init::InitOptions;
use crate::repo::remote::SyncError;
use crate::repo::remote::{FetchOptions, Fetched, Tags};
use crate::repo::state::config::Key;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::repo::state::shallow::Depth;
use crate::repo::state::trust::Trust;
use crate::repo::worktree::checkout::{CheckoutPaths, Source};
use crate::repo::{DIR, RepoError, Repository, Settings};
use crate::store::remote::{PLANS, Remote, RemoteUrl, Root};

/// What to clone, and how.
#[derive(Clone, Debug)]
pub struct CloneOptions {
    /// The remote.
    pub url: RemoteUrl,
    /// The folder of the new repository.
    pub into: PathBuf,
    /// The name of the remote in it.
    pub name: String,
    /// The branch or tag to check out; the one that the remote says if not given.
    pub branch: Option<String>,
    /// Whether files are written to the worktree.
    pub checkout: bool,
    /// How many generations of commits come; all if not given.
    pub depth: Option<u32>,
    /// Whether just the branch or tag that is checked out is fetched, now and later.
    pub single_branch: bool,
    /// Whether large parts stay on the remote until they are read; no files are written then.
    pub lazy: bool,
}

/// What a clone did.
pub struct Cloned {
    /// The new repository.
    pub repo: Repository,
    /// What was fetched.
    pub fetched: Fetched,
    /// The commit that is checked out; `None` if the remote has none.
    pub head: Option<ObjectId>,
    /// Why it could not be written down that the repository is trusted.
    pub untrusted: Option<String>,
}

/// Removes what was made of a clone, and the trust in it, unless that is complete.
struct Unfinished {
    top: PathBuf,
    trust: Trust,
    was_there: bool,
    armed: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        // The failure that led here is the one to tell; what cannot be removed is still no repository without HEAD's commit.
        let _ = self.trust.revoke(&self.top.join(DIR));
        if !self.was_there {
            let _ = fs::remove_dir_all(&self.top);
            return;
        }
        for entry in fs::read_dir(&self.top).into_iter().flatten().flatten() {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

impl Repository {
    /// Clones a remote.
    pub fn clone_from(options: &CloneOptions, settings: &Settings) -> Result<Cloned> {
        let top = std::path::absolute(&options.into).map_err(RepoError::file("find", &options.into))?;
        if top.exists() && !is_empty(&top) {
            return Err(SyncError::NotEmpty(top).into());
        }
        let remote = Remote::open(&options.url, &settings.remote_env)?;
        let mut tries = 1;
        loop {
            // A remote that cannot be read is found out before anything is made.
            let root = remote.existing_state()?.root;
            let collections = root.collections;
            match Self::clone_of(&remote, root, &top, options, settings) {
                // Somebody merged and removed what the root named a moment ago.
                Err(RepoError::Remote(error)) if tries < PLANS && remote.was_collected(collections, &error)? => {
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    /// Clones a remote whose root has been read, into a folder that is not there or is empty.
    fn clone_of(
        remote: &Remote,
        root: Root,
        top: &Path,
        options: &CloneOptions,
        settings: &Settings,
    ) -> Result<Cloned> {
        let was_there = top.is_dir();
        let typed = options.branch.as_deref();
        let branch = match typed {
            Some(name) => RefName::branch(name).ok().filter(|full| root.get(full).is_some()),
            None => root.head.clone(),
        };
        let tag =
            typed.filter(|_| branch.is_none()).and_then(|t| RefName::tag(t).ok()).filter(|t| root.get(t).is_some());
        if let (Some(name), None, None) = (typed, &branch, &tag) {
            let (url, branch) = (options.url.to_string(), name.to_owned());
            return Err(SyncError::NoBranch { url, branch }.into());
        }
        let trust = settings.trust.clone();
        let mut unfinished = Unfinished { top: top.to_owned(), trust, was_there, armed: true };
        let first = branch.as_ref().and_then(|name| name.as_branch()).map(str::to_owned);
        let made = Self::init(top, &InitOptions { initial_branch: first }, settings)?;
        let fresh = Self::open(top, settings.clone())?;
        fresh.add_remote(&options.name, &options.url)?;
        if options.lazy {
            let key = format!("remote.{}.promisor", options.name).parse::<Key>()?;
            fresh.edit_config(|file| file.set(&key, "true"))?;
        }
        if let (Some(one), true) = (branch.as_ref().or(tag.as_ref()), options.single_branch) {
            let key = format!("remote.{}.fetch", options.name).parse::<Key>()?;
            let spec = match one.as_branch() {
                Some(short) => format!("+{one}:refs/remotes/{}/{short}", options.name),
                None => format!("+{one}:{one}"),
            };
            fresh.edit_config(|file| file.set(&key, &spec))?;
        }
        let repo = Self::open(top, settings.clone())?;
        let fetch = FetchOptions {
            remote: Some(options.name.clone()),
            tags: if options.single_branch { Tags::Follow } else { Tags::All },
            depth: options.depth.map(Depth::Generations),
            is_clone: true,
            ..FetchOptions::default()
        };
        let fetched = repo.fetch_from(&fetch, &repo.named_remote(&options.name)?, remote, root)?;
        let head = repo.start(options, branch.as_ref(), tag.as_ref())?;
        unfinished.armed = false;
        Ok(Cloned { repo, fetched, head, untrusted: made.untrusted })
    }

    /// Sets up HEAD and the worktree of a new clone.
    fn start(
        &self,
        options: &CloneOptions,
        branch: Option<&RefName>,
        tag: Option<&RefName>,
    ) -> Result<Option<ObjectId>> {
        let name = &options.name;
        let tracking = |branch: &RefName| RefName::new(&format!("refs/remotes/{name}/{}", branch.short())).ok();
        let message = format!("clone: from {}", options.url);
        let mut edits = Vec::new();
        let mut head = None;
        if let Some(upstream) = branch.and_then(tracking)
            && let Some(id) = self.refs().resolve(&upstream)?
        {
            head = Some(id);
            edits.push(RefEdit::set(RefName::head(), id, Expected::Any, message.clone()));
            if options.branch.is_none()
                && let Ok(symbolic) = RefName::new(&format!("refs/remotes/{name}/HEAD"))
            {
                edits.push(RefEdit::point(symbolic, upstream, message.clone()));
            }
        } else if let Some(tag) = tag
            && let Some(id) = self.refs().resolve(tag)?
        {
            let id = self.peel(&id, ObjectKind::Commit)?;
            head = Some(id);
            edits.push(RefEdit::detach(RefName::head(), id, Expected::Any, message));
        }
        if !edits.is_empty() {
            let lock = self.lock()?;
            self.refs().apply(&lock, &self.fetcher(), &edits)?;
        }
        if let Some(branch) = branch.and_then(RefName::as_branch) {
            let upstream = RefName::new(&format!("refs/remotes/{name}/{branch}"));
            let full = RefName::branch(branch);
            if let (Ok(full), Ok(upstream)) = (full, upstream) {
                self.follow_upstream(&full, &upstream)?;
            }
        }
        let Some(id) = head else { return Ok(None) };
        if (options.checkout || options.lazy) && !self.tree(&self.commit(&id)?.tree)?.entries().is_empty() {
            self.checkout_paths(&CheckoutPaths {
                source: Source::Rev(id),
                pathspecs: vec![PathBuf::from(":/")],
                cwd: self.top().to_owned(),
                staged: true,
                worktree: !options.lazy,
                force: false,
                no_overlay: false,
            })?;
        }
        Ok(Some(id))
    }
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

/// Returns the folder that a clone of `url` goes into when none is named: the last part of its path.
pub fn folder_for(url: &RemoteUrl) -> Option<String> {
    let last = url.path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&url.bucket);
    let name = last.strip_suffix(DIR).unwrap_or(last);
    (!name.is_empty() && name != "." && name != "..").then(|| name.to_owned())
}
