//! Forgetting what refs were: old entries of reflogs, or single ones.

use std::collections::HashSet;

use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::history::walk::reached;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::reflog::ReflogEntry;

/// Which entries go.
#[derive(Clone, Debug)]
pub struct ExpireOptions {
    /// The refs; all if empty.
    pub refs: Vec<RefName>,
    /// Entries from before this moment (Unix seconds).
    pub before: i64,
    /// Entries from before this moment that name commits which the ref does not reach any more.
    pub unreachable_before: i64,
    /// Let each entry that stays begin with what the one before it says.
    pub rewrite: bool,
    /// Only find out what would go.
    pub dry_run: bool,
}

/// An entry that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The ref.
    pub name: RefName,
    /// What it said.
    pub entry: ReflogEntry,
}

impl Repository {
    /// Takes old entries out of reflogs. What only they named can then be removed for good.
    pub fn expire_reflogs(&self, options: &ExpireOptions) -> Result<Vec<Expired>> {
        let lock = if options.dry_run { None } else { Some(self.lock()?) };
        let mut names = options.refs.clone();
        if names.is_empty() {
            names.extend(self.refs().list("refs/")?.refs.into_iter().map(|one| one.name));
            names.push(RefName::head());
            names.retain(|name| self.refs().has_log(name));
        }
        let mut out = Vec::new();
        for name in names {
            // An entry is reachable only if both its values are.
            let named = |entry: &ReflogEntry| entry.old.into_iter().chain(entry.new).collect::<Vec<_>>();
            let mut lost: HashSet<ObjectId> = HashSet::new();
            if options.unreachable_before > options.before {
                let mut young = HashSet::new();
                for entry in self.refs().log(&name)? {
                    let entry = entry.map_err(crate::repo::state::refs::RefError::from)?;
                    if entry.who.time < options.unreachable_before {
                        young.extend(named(&entry));
                    }
                }
                lost = self.unreached(&name, young)?;
            }
            let mut goes = |_, entry: &ReflogEntry| {
                let time = entry.who.time;
                time < options.before
                    || (time < options.unreachable_before && named(entry).iter().any(|id| lost.contains(id)))
            };
            let gone = self.refs().prune_log(lock.as_ref(), &name, options.rewrite, &mut goes)?;
            out.extend(gone.into_iter().map(|entry| Expired { name: name.clone(), entry }));
        }
        Ok(out)
    }

    /// Takes single entries out of the reflog of a ref, by how many changes ago they were made. Returns the positions that
    /// there are none for, or that must stay.
    pub fn forget_reflog_entries(&self, name: &RefName, positions: &[usize], options: Forget) -> Result<Vec<usize>> {
        let lock = if options.dry_run { None } else { Some(self.lock()?) };
        let mut left: HashSet<usize> = positions.iter().copied().collect();
        let mut goes = |n: usize, _: &ReflogEntry| left.remove(&n);
        let gone = self.refs().prune_log(lock.as_ref(), name, options.rewrite, &mut goes)?;
        let mut missing: Vec<usize> = left.into_iter().collect();
        let asked: HashSet<usize> = positions.iter().copied().collect();
        if gone.len() + missing.len() < asked.len() {
            missing.push(0);
        }
        missing.sort_unstable();
        Ok(missing)
    }

    /// Returns those of `ids` that are commits which a ref does not reach.
    fn unreached(&self, name: &RefName, mut ids: HashSet<ObjectId>) -> Result<HashSet<ObjectId>> {
        ids.retain(|id| self.kind(id).is_ok_and(|kind| kind == ObjectKind::Commit));
        let tips: Vec<ObjectId> = match self.refs().resolve(name)? {
            // HEAD is everywhere in turn: what any branch has is not lost.
            _ if *name == RefName::head() => self.refs().tips()?.refs.into_iter().map(|one| one.id).collect(),
            tip => tip.into_iter().collect(),
        };
        let tips: Vec<ObjectId> = tips.into_iter().filter_map(|id| self.peeled(&id)).collect();
        let wanted: Vec<ObjectId> = ids.iter().copied().collect();
        let found = reached(self, &tips, &wanted).map_err(RepoError::from)?;
        Ok(ids.into_iter().filter(|id| !found.contains(id)).collect())
    }

    fn peeled(&self, id: &ObjectId) -> Option<ObjectId> {
        match self.kind(id).ok()? {
            ObjectKind::Commit => Some(*id),
            ObjectKind::Tag => self.tag(id).ok().and_then(|tag| self.peeled(&tag.target)),
            _ => None,
        }
    }
}

/// How single entries are taken out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forget {
    /// Let each entry that stays begin with what the one before it says.
    pub rewrite: bool,
    /// Only find out whether there are such entries.
    pub dry_run: bool,
}
