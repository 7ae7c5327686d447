//! `fetch`: brings what refs of a remote lead to, verifies all of it, then moves the refs that follow them.
//!
//! Nothing is part of the store before everything is there and sound; refs move last. A fetch that stops anywhere leaves the
//! repository as it was, and fetching again completes it.

use std::collections::{BTreeMap, BTreeSet};

use super::named::NamedRemote;
use super::refspec::candidates;
use super::{Refspec, SyncError};
use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::error::Result;
use crate::repo::history::walk;
use crate::repo::state::monitor::{Told, Work};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::repo::state::shallow::Depth;
use crate::repo::{RepoError, Repository};
use crate::store::remote::{PLANS, Received, Receiver, Remote, Root, Traffic, WHOLE};

/// Which tags to fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tags {
    /// Those of commits that are here afterwards.
    #[default]
    Follow,
    /// All of them.
    All,
    /// None.
    None,
}

/// What to fetch.
#[derive(Clone, Debug, Default)]
pub struct FetchOptions {
    /// The remote, by name or URL; the one of the current branch if not given.
    pub remote: Option<String>,
    /// Which refs, and where to; those of the configuration if not given.
    pub refspecs: Vec<String>,
    /// Remove refs here whose counterparts are gone.
    pub prune: bool,
    /// Which tags.
    pub tags: Tags,
    /// Let refs go back even where no refspec says so.
    pub force: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// How much of the history; up to what is here if not given.
    pub depth: Option<Depth>,
    /// Whether the branch that is checked out may be moved; only for a new repository.
    pub is_clone: bool,
}

/// One ref of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefFetch {
    /// The ref of the remote; `None` if it is gone there.
    pub remote: Option<RefName>,
    /// The ref here; `None` if it was fetched for this once.
    pub local: Option<RefName>,
    /// Its value before.
    pub old: Option<ObjectId>,
    /// Its value afterwards; `None` if it was removed.
    pub new: Option<ObjectId>,
    /// Whether it went back or aside.
    pub forced: bool,
    /// Whether it was left as it is, because it would have gone back or aside.
    pub rejected: bool,
}

/// What a fetch did.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The URL.
    pub url: String,
    /// The name of the remote.
    pub name: Option<String>,
    /// The refs that were looked at.
    pub refs: Vec<RefFetch>,
    /// What came.
    pub received: Received,
    /// Requests and bytes in all.
    pub traffic: Traffic,
    /// The branch that a clone checks out.
    pub head: Option<RefName>,
}

/// A ref of the remote and where it goes.
struct Wanted {
    remote: RefName,
    id: ObjectId,
    local: Option<RefName>,
    force: bool,
}

impl Repository {
    /// Fetches from one remote.
    pub fn fetch(&self, options: &FetchOptions) -> Result<Fetched> {
        let named = match &options.remote {
            Some(text) => self.named_remote(text)?,
            None => self.named_remote(&self.default_remote()?)?,
        };
        let remote = self.open_remote(&named)?;
        let mut tries = 1;
        loop {
            let root = remote.existing_state()?.root;
            let collections = root.collections;
            match self.fetch_from(options, &named, &remote, root) {
                // Somebody merged and removed what the root named a moment ago.
                Err(RepoError::Remote(error)) if tries < PLANS && remote.was_collected(collections, &error)? => {
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    /// As [`Repository::fetch`], from a remote whose root has been read already.
    pub(in crate::repo) fn fetch_from(
        &self,
        options: &FetchOptions,
        named: &NamedRemote,
        remote: &Remote,
        root: Root,
    ) -> Result<Fetched> {
        let mut wanted = self.wanted_refs(options, named, &root)?;
        let generations = options.depth.map_or(WHOLE, Depth::generations);
        let missing = |all: &[Wanted]| -> Result<Vec<(ObjectId, u32)>> {
            let mut out = Vec::new();
            for one in all {
                if !self.store().has_object(&one.id)? {
                    out.push((one.id, generations));
                }
            }
            Ok(out)
        };
        let monitor = self.monitor();
        let watch = Told(monitor);
        let promised = named.name.as_ref().and_then(|name| self.config().get(&format!("remote.{name}.promisor")));
        let is_lazy = promised.is_some_and(|entry| entry.value == "true");
        let mut receiver = Receiver::new(self.store(), remote, &watch).lazily(is_lazy);
        let work = Work::start(monitor, "fetching", None);
        let mut new = missing(&wanted)?;
        if let Some(depth) = options.depth {
            new.extend(self.beyond_cut(&self.commits_here(&wanted)?, depth)?);
        }
        if !options.dry_run {
            self.store().release();
            receiver.receive(&root, &new)?;
            let mut tags = self.followed_tags(options, named, &root, &receiver)?;
            // One that was asked for comes anyway.
            let asked: BTreeSet<&RefName> = wanted.iter().filter_map(|one| one.local.as_ref()).collect();
            tags.retain(|tag| !asked.contains(&tag.remote));
            let more = missing(&tags)?;
            wanted.extend(tags);
            receiver.receive(&root, &more)?;
            for one in wanted.iter().filter(|one| is_branch(one)) {
                if receiver.object(&one.id)?.kind() != ObjectKind::Commit {
                    return Err(SyncError::NotACommit(one.remote.clone()).into());
                }
            }
            let names: BTreeSet<&RefName> = wanted.iter().map(|one| &one.remote).collect();
            root.refs.iter().filter(|one| names.contains(&one.name)).try_for_each(|one| receiver.check_peeled(one))?;
        }
        drop(work);
        let lock = self.lock()?;
        let received = receiver.received();
        if !options.dry_run {
            let mut cut = (*self.cut()?).clone();
            cut.extend(receiver.cut()?);
            self.set_cut(cut.clone(), &lock)?;
            receiver.publish(&lock)?;
            self.set_cut(self.still_cut(&cut)?, &lock)?;
        }
        let mut refs = Vec::new();
        let mut edits = Vec::new();
        for one in &wanted {
            let judged = self.judge_fetch(one, options)?;
            if let (Some(local), false) = (&judged.local, judged.rejected || judged.old == judged.new) {
                let message = match (judged.old, judged.forced) {
                    (None, _) => "fetch: storing head",
                    (_, true) => "fetch: forced-update",
                    _ => "fetch: fast-forward",
                };
                let expected = judged.old.map_or(Expected::MustNotExist, Expected::MustExistAndMatch);
                edits.push(RefEdit::set(local.clone(), one.id, expected, message));
            }
            refs.push(judged);
        }
        if options.prune {
            for gone in self.gone(options, named, &root)? {
                let old = self.refs().resolve(&gone)?;
                edits.insert(0, RefEdit::delete(gone.clone(), Expected::Any));
                refs.push(RefFetch { remote: None, local: Some(gone), old, new: None, forced: false, rejected: false });
            }
        }
        if !options.dry_run {
            let who = self.fetcher();
            // Removals free names that lie inside others; they have to be done before those are made.
            let (gone, made): (Vec<_>, Vec<_>) =
                edits.into_iter().partition(|edit| edit.change == crate::repo::state::refs::Change::Delete);
            for part in [gone, made].iter().filter(|part| !part.is_empty()) {
                self.refs().apply(&lock, &who, part)?;
            }
            if let Some(first) = wanted.first().filter(|_| !options.is_clone)
                && let Ok(name) = RefName::new("FETCH_HEAD")
            {
                let edit = RefEdit::set(name, first.id, Expected::Any, "fetch");
                self.refs().apply(&lock, &who, &[edit])?;
            }
        }
        drop(lock);
        let (url, name) = (remote.url().to_owned(), named.name.clone());
        // What is in a segment that stays there is read from its end.
        let traffic = remote.traffic().plus(self.promised_traffic());
        Ok(Fetched { url, name, refs, received, traffic, head: root.head })
    }

    /// Turns refspecs into refs of the remote and where they go.
    fn wanted_refs(&self, options: &FetchOptions, named: &NamedRemote, root: &Root) -> Result<Vec<Wanted>> {
        let specs: Vec<Refspec> = match options.refspecs.is_empty() {
            true => named.fetch.clone(),
            false => options.refspecs.iter().map(|s| s.parse().map_err(SyncError::from)).collect::<Result<_, _>>()?,
        };
        let mut found: BTreeMap<(RefName, Option<RefName>), Wanted> = BTreeMap::new();
        let mut add = |wanted: Wanted| drop(found.insert((wanted.remote.clone(), wanted.local.clone()), wanted));
        for spec in &specs {
            if spec.is_pattern() {
                for one in &root.refs {
                    if spec.takes(&one.name) {
                        add(Wanted {
                            remote: one.name.clone(),
                            id: one.id,
                            local: spec.map(&one.name),
                            force: spec.force,
                        });
                    }
                }
                continue;
            }
            let typed = if spec.source.is_empty() { "HEAD" } else { &spec.source };
            let full = match typed {
                "HEAD" => root.head.clone(),
                typed => {
                    candidates(typed).into_iter().filter_map(|c| RefName::new(&c).ok()).find(|c| root.get(c).is_some())
                }
            };
            let no_such = || SyncError::NoRemoteRef { url: named.url.to_string(), name: typed.to_owned() };
            let remote = full.ok_or_else(no_such)?;
            let id = root.get(&remote).ok_or_else(no_such)?;
            let local = match &spec.destination {
                Some(to) if to.starts_with("refs/") => RefName::new(to).ok(),
                Some(to) if remote.as_str().starts_with("refs/tags/") => RefName::tag(to).ok(),
                Some(to) => RefName::branch(to).ok(),
                // What is tracked anyway is taken note of.
                None => named.fetch.iter().find_map(|spec| spec.map(&remote)),
            };
            let force = spec.force || spec.destination.is_none();
            add(Wanted { remote, id, local, force });
        }
        if options.refspecs.is_empty() && named.fetch.is_empty() {
            // A URL: its HEAD, for this once.
            let head = root.head.clone().and_then(|name| Some((root.get(&name)?, name)));
            if let Some((id, remote)) = head {
                add(Wanted { remote, id, local: None, force: false });
            }
        }
        if options.tags == Tags::All {
            for one in root.refs.iter().filter(|one| is_tag(&one.name)) {
                add(Wanted { remote: one.name.clone(), id: one.id, local: Some(one.name.clone()), force: false });
            }
        }
        let current = self.current_branch()?;
        for one in found.values() {
            if let (Some(local), false) = (&one.local, options.is_clone)
                && Some(local) == current.as_ref()
                && self.refs().resolve(local)?.is_some_and(|old| old != one.id)
            {
                return Err(SyncError::CheckedOut(local.short().to_owned()).into());
            }
        }
        Ok(found.into_values().collect())
    }

    /// Returns the commits here that refs of the remote name.
    fn commits_here(&self, wanted: &[Wanted]) -> Result<Vec<ObjectId>> {
        let mut here = Vec::new();
        for one in wanted {
            if self.store().has_object(&one.id)? {
                let peeled = self.peel_tags(&one.id)?;
                here.extend((peeled.kind() == ObjectKind::Commit).then(|| peeled.id()));
            }
        }
        Ok(here)
    }

    /// Returns the tags that are not here, of objects that are, or have just come.
    fn followed_tags(
        &self,
        options: &FetchOptions,
        named: &NamedRemote,
        root: &Root,
        receiver: &Receiver<'_>,
    ) -> Result<Vec<Wanted>> {
        let mut tags = Vec::new();
        if options.tags != Tags::Follow || named.name.is_none() {
            return Ok(tags);
        }
        for one in root.refs.iter().filter(|one| is_tag(&one.name)) {
            let is_reached = receiver.has(&one.peeled.unwrap_or(one.id))?;
            if is_reached && self.refs().resolve(&one.name)?.is_none() {
                let (remote, local) = (one.name.clone(), Some(one.name.clone()));
                tags.push(Wanted { remote, id: one.id, local, force: false });
            }
        }
        Ok(tags)
    }

    fn judge_fetch(&self, one: &Wanted, options: &FetchOptions) -> Result<RefFetch> {
        let old = match &one.local {
            Some(local) => self.refs().resolve(local)?,
            None => None,
        };
        let (remote, local) = (Some(one.remote.clone()), one.local.clone());
        let mut judged = RefFetch { remote, local, old, new: Some(one.id), forced: false, rejected: false };
        let Some(old) = old.filter(|old| *old != one.id) else { return Ok(judged) };
        if options.dry_run && !self.store().has_object(&one.id)? {
            return Ok(judged);
        }
        let is_forward = self.kind(&old)? == ObjectKind::Commit
            && self.kind(&one.id)? == ObjectKind::Commit
            && !judged.local.as_ref().is_some_and(is_tag)
            && walk::is_ancestor(self, old, one.id)?;
        judged.forced = !is_forward;
        judged.rejected = !is_forward && !one.force && !options.force;
        Ok(judged)
    }

    /// Returns the refs here that follow refs which the remote does not have.
    fn gone(&self, options: &FetchOptions, named: &NamedRemote, root: &Root) -> Result<Vec<RefName>> {
        let mut specs = named.fetch.clone();
        if !options.refspecs.is_empty() {
            specs = options.refspecs.iter().map(|s| s.parse().map_err(SyncError::from)).collect::<Result<_, _>>()?;
        }
        let mut gone = Vec::new();
        for spec in specs.iter().filter(|spec| spec.is_pattern()) {
            let Some(folder) = spec.destination.as_deref().and_then(|d| d.split_once('*')) else { continue };
            for here in self.refs().list(folder.0)?.refs {
                let is_there = root.refs.iter().any(|one| spec.map(&one.name).as_ref() == Some(&here.name));
                if !is_there && here.symbolic.is_none() {
                    gone.push(here.name);
                }
            }
        }
        Ok(gone)
    }

    /// Returns the refs that pruning would remove.
    pub fn prunable(&self, name: &str) -> Result<Vec<RefName>> {
        let named = self.named_remote(name)?;
        let root = self.open_remote(&named)?.existing_state()?.root;
        self.gone(&FetchOptions::default(), &named, &root)
    }

    /// Removes refs that follow what a remote does not have any more.
    pub fn prune_remote(&self, name: &str, dry_run: bool) -> Result<Vec<RefName>> {
        let gone = self.prunable(name)?;
        if !dry_run && !gone.is_empty() {
            let edits: Vec<_> = gone.iter().map(|name| RefEdit::delete(name.clone(), Expected::Any)).collect();
            let lock = self.lock()?;
            self.refs().apply(&lock, &self.fetcher(), &edits)?;
        }
        Ok(gone)
    }
}

fn is_tag(name: &RefName) -> bool {
    name.as_str().starts_with("refs/tags/")
}

fn is_branch(one: &Wanted) -> bool {
    let within =
        |name: &RefName| name.as_str().starts_with("refs/heads/") || name.as_str().starts_with("refs/remotes/");
    one.local.as_ref().is_some_and(within) || one.remote.as_branch().is_some()
}
