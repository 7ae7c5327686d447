//! What a push is to do with each ref: refspecs, options and the settings of the branch, as in Git.

use std::collections::BTreeMap;

use super::{Lease, PushOptions, Wish};
use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::error::Result;
use crate::repo::remote::named::NamedRemote;
use crate::repo::remote::refspec::candidates;
use crate::repo::remote::{Refspec, SyncError};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::Head;
use crate::repo::{RepoError, Repository};
use crate::store::remote::Root;

impl Repository {
    /// Turns the options into what is wanted of each ref.
    pub(super) fn wishes(&self, options: &PushOptions, named: &NamedRemote, root: &Root) -> Result<Vec<Wish>> {
        let mut wishes: BTreeMap<RefName, Wish> = BTreeMap::new();
        let mut add = |wish: Wish| match wishes.insert(wish.remote.clone(), wish) {
            Some(twice) => Err(RepoError::from(SyncError::Twice(twice.remote))),
            None => Ok(()),
        };
        let same = |name: RefName, id: ObjectId| Wish {
            source: name.short().to_owned(),
            local: Some(name.clone()),
            remote: name,
            new: Some(id),
            force: options.force,
            lease: None,
        };
        for spec in &options.refspecs {
            let spec: Refspec = match options.delete {
                true => format!(":{spec}").parse().map_err(SyncError::from)?,
                false => spec.parse().map_err(SyncError::from)?,
            };
            if spec.is_pattern() {
                for one in self.refs().list("refs/")?.refs {
                    let to = match spec.destination {
                        Some(_) => spec.map(&one.name),
                        None => spec.takes(&one.name).then(|| one.name.clone()),
                    };
                    if let Some(remote) = to {
                        add(Wish { remote, force: options.force || spec.force, ..same(one.name, one.id) })?;
                    }
                }
                continue;
            }
            let mut wish = self.wish(&spec, root)?;
            wish.force |= options.force;
            add(wish)?;
        }
        for (wanted, prefix) in [(options.all, "refs/heads/"), (options.tags, "refs/tags/")] {
            for one in if wanted { self.refs().list(prefix)?.refs } else { Vec::new() } {
                add(same(one.name, one.id))?;
            }
        }
        if options.refspecs.is_empty() && !options.all && !options.tags {
            let (branch, remote, id) = self.default_push(options, named)?;
            add(Wish { remote, ..same(branch, id) })?;
        }
        for lease in &options.leases {
            self.apply_lease(lease, named, &mut wishes)?;
        }
        Ok(wishes.into_values().collect())
    }

    fn apply_lease(&self, lease: &Lease, named: &NamedRemote, wishes: &mut BTreeMap<RefName, Wish>) -> Result<()> {
        for wish in wishes.values_mut() {
            let full = wish.remote.as_str();
            if lease.name.as_ref().is_some_and(|name| !candidates(name).iter().any(|c| c == full)) {
                continue;
            }
            wish.lease = Some(match &lease.value {
                Some(text) if text.is_empty() => None,
                Some(text) => Some(self.resolver(self.top()).object(text)?),
                // What was last seen of it.
                None => {
                    let tracking = named.fetch.iter().find_map(|spec| spec.map(&wish.remote));
                    match tracking {
                        Some(name) => self.refs().resolve(&name)?,
                        None => None,
                    }
                }
            });
        }
        Ok(())
    }

    /// The current branch, the ref it goes to, and its commit.
    fn default_push(&self, options: &PushOptions, named: &NamedRemote) -> Result<(RefName, RefName, ObjectId)> {
        let Head::Branch(branch) = self.refs().head()? else { return Err(SyncError::Detached.into()) };
        let short = branch.short().to_owned();
        let id = self.refs().resolve(&branch)?.ok_or_else(|| SyncError::NoSource(short.clone()))?;
        let setting = |key: &str| self.config().get(&format!("branch.{short}.{key}")).map(|e| e.value.clone());
        let (follows, merge) = (setting("remote"), setting("merge"));
        match (follows, merge) {
            (Some(remote), Some(merge)) if Some(&remote) == named.name.as_ref() => match merge == branch.as_str() {
                true => Ok((branch.clone(), branch, id)),
                false => Err(SyncError::OtherName {
                    branch: short,
                    upstream: format!("{remote}/{}", merge.trim_start_matches("refs/heads/")),
                }
                .into()),
            },
            // A remote that was named, or a wish to follow it, says clearly enough what is meant.
            _ if options.remote.is_some() || options.set_upstream => Ok((branch.clone(), branch, id)),
            _ => Err(SyncError::NoUpstream { branch: short, remote: named.label() }.into()),
        }
    }

    /// Completes the names of one refspec.
    fn wish(&self, spec: &Refspec, root: &Root) -> Result<Wish> {
        let on_remote = |name: &str| {
            let full = candidates(name).into_iter().filter_map(|c| RefName::new(&c).ok());
            full.into_iter().find(|c| root.get(c).is_some())
        };
        let base = Wish {
            source: spec.source.clone(),
            local: None,
            remote: RefName::head(),
            new: None,
            force: spec.force,
            lease: None,
        };
        if spec.source.is_empty() {
            let name = spec.destination.as_deref().unwrap_or_default();
            let guess = RefName::new(name).or_else(|_| RefName::branch(name));
            let remote = on_remote(name).or(guess.ok()).ok_or_else(|| SyncError::VagueDestination(name.to_owned()))?;
            return Ok(Wish { remote, ..base });
        }
        let resolver = self.resolver(self.top());
        let id = resolver.object(&spec.source).map_err(|e| match e.is_unknown() {
            true => RepoError::from(SyncError::NoSource(spec.source.clone())),
            false => e.into(),
        })?;
        let mut local = resolver.full_name(&spec.source)?.filter(|name| name.as_str().starts_with("refs/"));
        if spec.source == "HEAD" || spec.source == "@" {
            local = self.current_branch()?;
        }
        let remote = match &spec.destination {
            None => local.clone().ok_or_else(|| SyncError::VagueDestination(spec.source.clone()))?,
            Some(to) if to.starts_with("refs/") => {
                RefName::new(to).map_err(|_| SyncError::VagueDestination(to.clone()))?
            }
            Some(to) => {
                let like_source = match local.as_ref().map(RefName::as_str) {
                    Some(name) if name.starts_with("refs/tags/") => RefName::tag(to).ok(),
                    Some(name) if name.starts_with("refs/heads/") => RefName::branch(to).ok(),
                    _ => None,
                };
                on_remote(to).or(like_source).ok_or_else(|| SyncError::VagueDestination(to.clone()))?
            }
        };
        if remote.as_branch().is_some() && self.kind(&id)? != ObjectKind::Commit {
            return Err(SyncError::NotACommit(remote).into());
        }
        Ok(Wish { local, remote, new: Some(id), ..base })
    }
}
