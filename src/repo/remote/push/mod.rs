//! `push`: sends what a remote lacks, then moves its refs in one step.
//!
//! Everything is durable on the remote before its root names it, so a push that stops anywhere leaves the refs as they were,
//! and pushing again completes it. Whoever comes second finds that a ref has moved and is told to fetch first; changes of
//! different refs do not get into each other's way.

mod wishes;

use std::collections::HashSet;

use super::SyncError;
use super::named::NamedRemote;
use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::error::Result;
use crate::repo::history::walk;
use crate::repo::state::monitor::Work;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Change, Expected, RefEdit};
use crate::repo::{RepoError, Repository};
use crate::store::remote::{PLANS, Parcel, Remote, Root, Sent, State, Traffic};

/// What to push.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    /// The remote, by name or URL; the one of the current branch if not given.
    pub remote: Option<String>,
    /// What goes where; the current branch to its upstream if not given.
    pub refspecs: Vec<String>,
    /// Push all branches.
    pub all: bool,
    /// Push all tags.
    pub tags: bool,
    /// Let refs go back.
    pub force: bool,
    /// Let refs go back if they still are where they were last seen.
    pub leases: Vec<Lease>,
    /// Take the names as those of refs to remove.
    pub delete: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Let branches follow what they are pushed to.
    pub set_upstream: bool,
}

/// A promise about where a ref of the remote is, as `--force-with-lease` makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The ref as typed; `None` for all.
    pub name: Option<String>,
    /// The value expected: `Some("")` for absent, `None` for what was last fetched.
    pub value: Option<String>,
}

/// Why a ref was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The remote has commits that are not here, or not among those pushed.
    FetchFirst,
    /// It is not a descendant of what is there.
    NonFastForward,
    /// The tag is there and is another one.
    TagExists,
    /// It is not where the lease says.
    Stale,
    /// A ref to be removed is not there.
    Absent,
    /// One of the two names would lie inside the other.
    Nested(RefName),
}

/// One ref of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefPush {
    /// What was pushed, as typed or by its full name; empty for a removal.
    pub source: String,
    /// The branch or tag here, if it was one.
    pub local: Option<RefName>,
    /// The ref of the remote.
    pub remote: RefName,
    /// Its value before.
    pub old: Option<ObjectId>,
    /// Its value afterwards.
    pub new: Option<ObjectId>,
    /// Whether it went back or aside.
    pub forced: bool,
    /// Why it was not changed.
    pub rejected: Option<Rejection>,
}

impl RefPush {
    /// Tells whether the ref was as wanted already.
    pub fn is_current(&self) -> bool {
        self.rejected.is_none() && self.old == self.new
    }
}

/// What a push did.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The URL.
    pub url: String,
    /// The name of the remote.
    pub name: Option<String>,
    /// The refs, in the order of their names.
    pub refs: Vec<RefPush>,
    /// What was sent.
    pub sent: Sent,
    /// Requests and bytes in all.
    pub traffic: Traffic,
    /// The branches that follow something new: branch here, ref of the remote.
    pub followed: Vec<(RefName, RefName)>,
}

/// What is wanted of one ref.
struct Wish {
    source: String,
    local: Option<RefName>,
    remote: RefName,
    new: Option<ObjectId>,
    force: bool,
    /// The value the remote must have.
    lease: Option<Option<ObjectId>>,
}

/// Why the root was not replaced.
enum Stop {
    /// Nothing is left to change.
    Nothing,
    /// Objects were removed meanwhile.
    Collected,
    Failed(RepoError),
}

impl From<crate::store::remote::RemoteError> for Stop {
    fn from(error: crate::store::remote::RemoteError) -> Self {
        Self::Failed(error.into())
    }
}

/// What a push is about to do.
pub struct Planned<'a> {
    /// The name of the remote, if it has one.
    pub name: Option<&'a str>,
    /// Its URL.
    pub url: &'a str,
    /// What becomes of its refs.
    pub refs: &'a [RefPush],
}

impl Repository {
    /// Pushes. Refs that were refused are among the result; the others went through.
    pub fn push(&self, options: &PushOptions) -> Result<Pushed> {
        self.push_if(options, &mut |_| true)
    }

    /// Pushes if `agrees`, which is asked once, before anything is sent.
    pub fn push_if(&self, options: &PushOptions, agrees: &mut dyn FnMut(&Planned<'_>) -> bool) -> Result<Pushed> {
        let named = match &options.remote {
            Some(text) => self.named_remote(text)?,
            None => self.named_remote(&self.default_remote()?)?,
        };
        let remote = self.open_remote(&named)?;
        for plan in 0..PLANS {
            let state = remote.state()?;
            let wishes = self.wishes(options, &named, &state.root)?;
            if plan == 0 {
                let refs = self.judge_all(&wishes, &state.root)?;
                if !agrees(&Planned { name: named.name.as_deref(), url: remote.url(), refs: &refs }) {
                    return Err(SyncError::NotAgreed(remote.url().to_owned()).into());
                }
            }
            if let Some(pushed) = self.push_wishes(options, &named, &remote, state, &wishes)? {
                return Ok(pushed);
            }
        }
        Err(SyncError::Collecting(remote.url().to_owned()).into())
    }

    /// Pushes once; `None` if it has to be planned anew.
    fn push_wishes(
        &self,
        options: &PushOptions,
        named: &NamedRemote,
        remote: &Remote,
        state: State,
        wishes: &[Wish],
    ) -> Result<Option<Pushed>> {
        let mut refs = self.judge_all(wishes, &state.root)?;
        let goes = |r: &RefPush| r.rejected.is_none() && r.old != r.new;
        let tips: Vec<ObjectId> = refs.iter().filter(|r| goes(r)).filter_map(|r| r.new).collect();
        let mut sent = Sent::default();
        if refs.iter().any(goes) {
            let parcel = self.parcel(&tips, &state.root)?;
            let monitor = self.monitor();
            let work = Work::start(monitor, "pushing", Some(parcel.size()));
            self.store().release();
            sent = remote.send(self.store(), &parcel, options.dry_run, &|n| monitor.advance(n))?;
            drop(work);
            if !options.dry_run {
                let mut latest = refs.clone();
                let planned = state.root.collections;
                let updated = remote.update::<Stop>(state, &mut |root| {
                    if root.collections != planned {
                        return Err(Stop::Collected);
                    }
                    latest = self.judge_all(wishes, root).map_err(Stop::Failed)?;
                    self.change_root(root, &latest, &sent)
                });
                // Nothing is a result too: all that was to be changed has been refused meanwhile.
                match updated {
                    Ok(_) | Err(Stop::Nothing) => {}
                    Err(Stop::Collected) => return Ok(None),
                    Err(Stop::Failed(error)) => return Err(error),
                }
                refs = latest;
            }
        }
        let mut pushed = Pushed {
            url: remote.url().to_owned(),
            name: named.name.clone(),
            refs,
            sent,
            traffic: remote.traffic(),
            followed: Vec::new(),
        };
        if !options.dry_run {
            self.note_pushed(named, &pushed.refs)?;
            if options.set_upstream {
                pushed.followed = self.follow_pushed(named, &pushed.refs)?;
            }
        }
        Ok(Some(pushed))
    }

    /// Writes what was pushed into a root.
    fn change_root(&self, root: &mut Root, refs: &[RefPush], sent: &Sent) -> Result<(), Stop> {
        let going: Vec<_> = refs.iter().filter(|r| r.rejected.is_none() && r.old != r.new).collect();
        if going.is_empty() {
            return Err(Stop::Nothing);
        }
        for one in going {
            match one.new {
                Some(id) => {
                    let peeled = self.peel_tags(&id).map_err(|e| Stop::Failed(e.into()))?.id();
                    root.set(&one.remote, id, (peeled != id).then_some(peeled));
                }
                None => root.unset(&one.remote),
            }
        }
        root.bundles.extend(sent.bundles.iter().filter(|b| !root.bundles.contains(b)).copied().collect::<Vec<_>>());
        let is_branch = |name: &RefName| name.as_branch().is_some();
        if root.head.as_ref().is_none_or(|head| root.get(head).is_none()) {
            let current = self.current_branch().ok().flatten().filter(|name| root.get(name).is_some());
            root.head =
                current.or_else(|| root.refs.iter().map(|r| r.name.clone()).find(is_branch)).or(root.head.take());
        }
        Ok(())
    }

    /// Gathers what a remote with this root lacks of what `tips` lead to.
    fn parcel(&self, tips: &[ObjectId], root: &Root) -> Result<Parcel> {
        let mut there = Vec::new();
        for one in &root.refs {
            let id = one.peeled.unwrap_or(one.id);
            if self.store().has_object(&id)? && self.kind(&id)? == ObjectKind::Commit {
                there.push(id);
            }
        }
        let known_ids: HashSet<ObjectId> = root.refs.iter().map(|r| r.id).collect();
        let (mut objects, mut commits, mut loose_trees) = (Vec::new(), Vec::new(), Vec::new());
        let mut snapshots = Vec::new();
        for tip in tips {
            // Annotated tags, and what they lead to.
            let mut id = *tip;
            while self.kind(&id)? == ObjectKind::Tag && !known_ids.contains(&id) {
                objects.push(id);
                id = self.tag(&id)?.target;
            }
            match self.kind(&id)? {
                ObjectKind::Commit => commits.push(id),
                ObjectKind::Tree => loose_trees.push(id),
                ObjectKind::Snapshot => {
                    snapshots.push(id);
                    objects.push(id);
                }
                ObjectKind::Tag => {}
            }
        }
        let only = walk::only_in(self, &commits, &there)?;
        only.commits.iter().try_for_each(|id| self.needs_parents(id))?;
        let (mut known, mut seen) = (Vec::new(), HashSet::new());
        for id in &only.border {
            for entry in self.tree(&self.commit(id)?.tree)?.entries() {
                if seen.insert(entry.snapshot) {
                    known.push(entry.snapshot);
                }
            }
        }
        let mut trees: HashSet<ObjectId> = HashSet::new();
        for id in &only.border {
            trees.insert(self.commit(id)?.tree);
        }
        let with_trees = only.commits.iter().map(|id| Ok((Some(*id), self.commit(id)?.tree)));
        let alone = loose_trees.into_iter().map(|tree| Ok::<_, RepoError>((None, tree)));
        for pair in with_trees.chain(alone) {
            let (commit, tree) = pair?;
            if trees.insert(tree) {
                for entry in self.tree(&tree)?.entries() {
                    if seen.insert(entry.snapshot) {
                        snapshots.push(entry.snapshot);
                        objects.push(entry.snapshot);
                    }
                }
                objects.push(tree);
            }
            objects.extend(commit);
        }
        let mut once = HashSet::new();
        objects.retain(|id| once.insert(*id));
        Ok(Parcel::gather(self.store(), objects, &snapshots, &known, root.collections)?.named_anew())
    }

    /// Says for every wish what becomes of its ref.
    fn judge_all(&self, wishes: &[Wish], root: &Root) -> Result<Vec<RefPush>> {
        // The names that there will be: what goes makes room for what comes.
        let gone: HashSet<&RefName> = wishes.iter().filter(|w| w.new.is_none()).map(|w| &w.remote).collect();
        let there = root.refs.iter().map(|r| &r.name).filter(|name| !gone.contains(name));
        let made = wishes.iter().filter(|w| w.new.is_some()).map(|w| &w.remote);
        let names: Vec<&RefName> = there.chain(made).collect();
        wishes.iter().map(|wish| self.judge(wish, root, &names)).collect()
    }

    fn judge(&self, wish: &Wish, root: &Root, names: &[&RefName]) -> Result<RefPush> {
        let old = root.get(&wish.remote);
        let mut judged = RefPush {
            source: wish.source.clone(),
            local: wish.local.clone(),
            remote: wish.remote.clone(),
            old,
            new: wish.new,
            forced: false,
            rejected: None,
        };
        if let Some(lease) = wish.lease
            && lease != old
            && old != wish.new
        {
            judged.rejected = Some(Rejection::Stale);
            return Ok(judged);
        }
        let may_rewind = wish.force || wish.lease.is_some();
        judged.rejected = match (old, wish.new) {
            (None, None) => Some(Rejection::Absent),
            (_, None) => None,
            (None, Some(_)) => {
                let nested = names.iter().find(|name| {
                    let (a, b) = (name.as_str(), wish.remote.as_str());
                    a.strip_prefix(b).or_else(|| b.strip_prefix(a)).is_some_and(|rest| rest.starts_with('/'))
                });
                nested.map(|name| Rejection::Nested((*name).clone()))
            }
            (Some(old), Some(new)) if old == new => None,
            (Some(old), Some(new)) => {
                let is_tag = wish.remote.as_str().starts_with("refs/tags/");
                let follows = self.follows(old, new)?;
                judged.forced = (is_tag || follows != Some(true)) && may_rewind;
                match (is_tag, follows) {
                    _ if may_rewind => None,
                    (true, _) => Some(Rejection::TagExists),
                    (false, Some(true)) => None,
                    (false, Some(false)) => Some(Rejection::NonFastForward),
                    (false, None) => Some(Rejection::FetchFirst),
                }
            }
        };
        Ok(judged)
    }

    /// Tells whether `new` has `old` among its ancestors; `None` if `old` is not here.
    fn follows(&self, old: ObjectId, new: ObjectId) -> Result<Option<bool>> {
        if !self.store().has_object(&old)? {
            return Ok(None);
        }
        match (self.kind(&old)?, self.kind(&new)?) {
            (ObjectKind::Commit, ObjectKind::Commit) => Ok(Some(walk::is_ancestor(self, old, new)?)),
            _ => Ok(Some(false)),
        }
    }

    /// Moves the refs that say where the branches of the remote were last seen.
    fn note_pushed(&self, named: &NamedRemote, refs: &[RefPush]) -> Result<()> {
        let mut edits = Vec::new();
        for one in refs.iter().filter(|r| r.rejected.is_none()) {
            let Some(tracking) = named.fetch.iter().find_map(|spec| spec.map(&one.remote)) else { continue };
            let now = self.refs().resolve(&tracking)?;
            match one.new {
                Some(id) if now != Some(id) => edits.push(RefEdit::set(tracking, id, Expected::Any, "update by push")),
                None if now.is_some() => edits.push(RefEdit::delete(tracking, Expected::Any)),
                _ => {}
            }
        }
        self.change_tracking(edits)
    }

    /// Changes refs that say where those of a remote were last seen: what goes first, since it may be in the way.
    pub(super) fn change_tracking(&self, edits: Vec<RefEdit>) -> Result<()> {
        if edits.is_empty() {
            return Ok(());
        }
        let (gone, made): (Vec<_>, Vec<_>) = edits.into_iter().partition(|edit| edit.change == Change::Delete);
        let lock = self.lock()?;
        for part in [gone, made].iter().filter(|part| !part.is_empty()) {
            self.refs().apply(&lock, &self.fetcher(), part)?;
        }
        Ok(())
    }

    fn follow_pushed(&self, named: &NamedRemote, refs: &[RefPush]) -> Result<Vec<(RefName, RefName)>> {
        let Some(name) = &named.name else { return Ok(Vec::new()) };
        let mut followed = Vec::new();
        for one in refs.iter().filter(|r| r.rejected.is_none() && r.new.is_some()) {
            let (Some(local), Some(branch)) = (&one.local, one.remote.as_branch()) else { continue };
            if local.as_branch().is_some()
                && let Ok(upstream) = RefName::new(&format!("refs/remotes/{name}/{branch}"))
            {
                self.follow_upstream(local, &upstream)?;
                followed.push((local.clone(), upstream));
            }
        }
        Ok(followed)
    }
}
