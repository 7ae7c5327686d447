//! Names of refs: where they are looked for, what upstream they have, and how short they may be written.

use super::abbrev::described;
use super::parse::{Base, Follows, Name};
use super::{Resolver, RevError, RevWarning, Wanted};
use crate::model::{ObjectId, RefName};
use crate::repo::state::objects::ReadError;
use crate::repo::state::refs::{Head, RefError};
use crate::util::nearest::nearest;

/// What may stand around a short name to make a full one, in the order in which refs are looked for.
const PLACES: [(&str, &str); 6] = [
    ("", ""),
    ("refs/", ""),
    ("refs/tags/", ""),
    ("refs/heads/", ""),
    ("refs/remotes/", ""),
    ("refs/remotes/", "/HEAD"),
];

/// A ref that was found by a short name.
pub(super) struct Found {
    /// The ref at the end, symbolic ones followed.
    pub last: RefName,
    /// Its value.
    pub id: ObjectId,
    /// Whether other refs have the same short name.
    pub is_ambiguous: bool,
}

/// Returns the full names that a short one may stand for.
pub(super) fn full_names(short: &str) -> impl Iterator<Item = RefName> {
    PLACES.iter().filter_map(move |(before, after)| RefName::new(&format!("{before}{short}{after}")).ok())
}

impl Resolver<'_> {
    /// Returns the object that a name means: a ref, or an id, whole or abbreviated.
    pub(super) fn name(&self, text: &str, name: &Name, wanted: Wanted) -> Result<ObjectId, RevError> {
        let typed = self.typed(name)?;
        if let Ok(id) = ObjectId::from_hex(&typed.to_ascii_lowercase())
            && name.follows.is_none()
        {
            return Ok(id);
        }
        if let Some(found) = self.find(name)? {
            let is_id = || matches!(self.abbreviated(&typed, Wanted::Object), Ok(Some(_)));
            if found.is_ambiguous || is_id() {
                self.warn(RevWarning::AmbiguousName { name: typed, taken: found.last.clone() });
            }
            return match self.objects.kind(&found.id) {
                Err(ReadError::Missing(_)) => Err(RevError::Dangling { name: found.last, id: found.id }),
                _ => Ok(found.id),
            };
        }
        if let Some(digits) = described(&typed)
            && let Some(id) = self.abbreviated(digits, Wanted::Commit)?
        {
            return Ok(id);
        }
        if let Some(id) = self.abbreviated(&typed, wanted)? {
            return Ok(id);
        }
        Err(self.unknown(text, &typed))
    }

    /// Returns the text that a name stands for: the branch of `@{-n}`.
    pub(super) fn typed(&self, name: &Name) -> Result<String, RevError> {
        match &name.base {
            Base::Plain(text) => Ok(text.clone()),
            Base::Previous(n) => {
                self.refs.previous_branch(*n)?.map_err(|found| RevError::TooFewSwitches { wanted: *n, found })
            }
        }
    }

    /// Finds the ref that a name means.
    pub(super) fn find(&self, name: &Name) -> Result<Option<Found>, RevError> {
        let typed = self.typed(name)?;
        if let Some(follows) = name.follows {
            return self.followed(&typed, follows).map(Some);
        }
        let mut found: Option<Found> = None;
        for full in full_names(&typed) {
            if let (last, Some(id)) = self.refs.follow(&full)? {
                match &mut found {
                    Some(first) => first.is_ambiguous = true,
                    None => found = Some(Found { last, id, is_ambiguous: false }),
                }
            }
        }
        Ok(found)
    }

    fn followed(&self, branch: &str, follows: Follows) -> Result<Found, RevError> {
        let branch = match branch {
            "" | "HEAD" => match self.refs.head()? {
                Head::Branch(name) => name.as_branch().ok_or(RevError::Detached)?.to_owned(),
                Head::Detached(_) => return Err(RevError::Detached),
            },
            other => other.to_owned(),
        };
        let Some(upstream) = self.upstream_of(&branch) else {
            let exists = RefName::branch(&branch).ok().map(|name| self.refs.resolve(&name)).transpose()?.flatten();
            return Err(if exists.is_some() { RevError::NoUpstream(branch) } else { RevError::NoBranch(branch) });
        };
        if follows == Follows::Push && self.push_of(&branch).as_ref() != Some(&upstream) {
            return Err(RevError::NoPush { branch, upstream });
        }
        match self.refs.follow(&upstream)? {
            (last, Some(id)) => Ok(Found { last, id, is_ambiguous: false }),
            (_, None) => Err(RevError::UpstreamGone { branch, upstream }),
        }
    }

    /// Returns the ref that the configuration names as the upstream of a branch: `branch.<name>.merge`, as it is here for the
    /// remote `.`, as last fetched for others.
    pub fn upstream_of(&self, branch: &str) -> Option<RefName> {
        let setting = |key: &str| self.config.get(&format!("branch.{branch}.{key}")).map(|e| e.value.clone());
        let (remote, merge) = (setting("remote")?, setting("merge")?);
        let name = match (remote.as_str(), merge.strip_prefix("refs/heads/")) {
            (".", _) => merge,
            (remote, Some(branch)) => format!("refs/remotes/{remote}/{branch}"),
            _ => return None,
        };
        RefName::new(&name).ok()
    }

    /// Returns the ref that stands here for what a branch is pushed to: its upstream, if that is a branch of a remote and has
    /// the same name.
    pub fn push_of(&self, branch: &str) -> Option<RefName> {
        let remote = self.config.get(&format!("branch.{branch}.remote")).filter(|e| e.value != ".")?;
        let merge = self.config.get(&format!("branch.{branch}.merge"))?;
        let same = merge.value.strip_prefix("refs/heads/") == Some(branch) && !remote.value.is_empty();
        self.upstream_of(branch).filter(|_| same)
    }

    /// Returns the full name of the ref that a revision is the name of, symbolic refs followed; `None` if it is not just
    /// a name, or no ref has it.
    pub fn full_name(&self, text: &str) -> Result<Option<RefName>, RevError> {
        match super::parse::parse(text) {
            Ok(super::parse::Spec::Object(super::parse::Expr::Name(name))) => {
                Ok(self.find(&name)?.map(|found| found.last))
            }
            _ => Ok(None),
        }
    }

    /// Returns the shortest name that means a ref and no other one: `main`, or `heads/main` if a tag is called so too.
    pub fn shorten(&self, name: &RefName) -> Result<String, RefError> {
        for (i, (before, after)) in PLACES.iter().enumerate().skip(1).rev() {
            let Some(short) = name.as_str().strip_prefix(before).and_then(|n| n.strip_suffix(after)) else { continue };
            let mut is_unique = !short.is_empty();
            for (_, (before, after)) in PLACES.iter().enumerate().filter(|(other, _)| *other != i) {
                if let Ok(other) = RefName::new(&format!("{before}{short}{after}")) {
                    is_unique &= !self.exists(&other)?;
                }
            }
            if is_unique {
                return Ok(short.to_owned());
            }
        }
        Ok(name.to_string())
    }

    /// Tells whether there is a ref, for [`Self::shorten`]: after some questions all refs are read once instead.
    fn exists(&self, name: &RefName) -> Result<bool, RefError> {
        let asked = self.asked.get() + 1;
        self.asked.set(asked);
        if asked < 30 || !name.as_str().starts_with("refs/") {
            return Ok(self.refs.resolve(name)?.is_some());
        }
        if self.known.get().is_none() {
            let names = self.refs.list("refs/")?.refs.into_iter().map(|r| r.name).collect();
            // Nobody else can have set it meanwhile.
            let _ = self.known.set(names);
        }
        Ok(self.known.get().is_some_and(|names| names.contains(name)))
    }

    /// Explains why `typed`, a part of the revision `text`, names nothing.
    pub(super) fn unknown(&self, text: &str, typed: &str) -> RevError {
        match self.refs.head() {
            Ok(Head::Branch(branch)) if typed == "HEAD" || Some(typed) == branch.as_branch() => {
                return match self.refs.deny_loss(&branch) {
                    Ok(()) => RevError::Unborn { branch },
                    Err(error) => error.into(),
                };
            }
            Err(error) if typed == "HEAD" => return error.into(),
            _ => {}
        }
        // A branch whose file is gone is no other branch that is called nearly the same.
        for full in full_names(typed) {
            if let Err(error) = self.refs.deny_loss(&full) {
                return error.into();
            }
        }
        let names = self.refs.list("refs/").map(|list| list.refs).unwrap_or_default();
        let known = names.iter().map(|r| r.name.short()).chain(["HEAD"]);
        let near = nearest(typed, known).map(|near| text.replacen(typed, near, 1));
        RevError::Unknown { text: text.to_owned(), near }
    }
}
