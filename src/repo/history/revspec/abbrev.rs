//! Abbreviated ids: which object one means, and how short an id may be.

use super::{Candidate, Resolver, RevError, Wanted};
use crate::model::{IdPrefix, ObjectId, ObjectKind};
use crate::repo::state::objects::ReadError;

/// The fewest digits of an abbreviated id.
const SHORTEST: usize = 4;

impl Resolver<'_> {
    /// Returns the object that an abbreviated id means; `None` if the text is no such id or no object begins with it.
    pub(super) fn abbreviated(&self, text: &str, wanted: Wanted) -> Result<Option<ObjectId>, RevError> {
        let Ok(prefix) = IdPrefix::from_hex(&text.to_ascii_lowercase()) else { return Ok(None) };
        let found = self.objects.with_prefix(&prefix)?;
        if found.len() <= 1 {
            return Ok(found.first().copied());
        }
        let mut fitting = Vec::new();
        for id in &found {
            if self.fits(id, wanted)? {
                fitting.push(*id);
            }
        }
        if let [one] = fitting.as_slice() {
            return Ok(Some(*one));
        }
        // If none is of the wanted kind, all are shown.
        let listed = if fitting.is_empty() { found } else { fitting };
        let mut candidates = listed.iter().map(|id| self.candidate(id)).collect::<Result<Vec<_>, _>>()?;
        let rank = |kind| match kind {
            ObjectKind::Tag => 0,
            ObjectKind::Commit => 1,
            ObjectKind::Tree => 2,
            ObjectKind::Snapshot => 3,
        };
        candidates.sort_by_key(|c| (rank(c.kind), c.id));
        Err(RevError::Ambiguous { text: text.to_owned(), candidates })
    }

    fn fits(&self, id: &ObjectId, wanted: Wanted) -> Result<bool, ReadError> {
        let kind = self.objects.kind(id)?;
        Ok(match (wanted, kind) {
            (Wanted::Object, _)
            | (Wanted::Commit | Wanted::Commitish | Wanted::Treeish, ObjectKind::Commit)
            | (Wanted::Treeish, ObjectKind::Tree) => true,
            (Wanted::Commitish | Wanted::Treeish, ObjectKind::Tag) => {
                self.fits(&self.objects.tag(id)?.target, wanted)?
            }
            _ => false,
        })
    }

    fn candidate(&self, id: &ObjectId) -> Result<Candidate, ReadError> {
        let kind = self.objects.kind(id)?;
        let (title, time) = match kind {
            ObjectKind::Commit => {
                let commit = self.objects.commit(id)?;
                (Some(commit.subject().to_owned()), Some((commit.committer.time, commit.committer.offset)))
            }
            ObjectKind::Tag => {
                let tag = self.objects.tag(id)?;
                (Some(tag.name), Some((tag.tagger.time, tag.tagger.offset)))
            }
            _ => (None, None),
        };
        Ok(Candidate { id: *id, short: self.abbreviate(id, None), kind, title, time })
    }

    /// Abbreviates an id as far as it stays unique, to `least` digits at least or, if not given, to what `core.abbrev`
    /// says (7 if not set). An id that cannot be looked up stays whole.
    pub fn abbreviate(&self, id: &ObjectId, least: Option<usize>) -> String {
        let least = least.unwrap_or_else(|| self.usual_length()).clamp(SHORTEST, 64);
        let text = id.to_string();
        let prefix = IdPrefix::from_hex(&text[..least]);
        let Some(others) = prefix.ok().and_then(|p| self.objects.with_prefix(&p).ok()) else { return text };
        let shared = others.iter().filter(|other| *other != id).map(|other| {
            let other = other.to_string();
            text.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
        });
        let needed = shared.max().map_or(least, |n| least.max(n + 1));
        text[..needed].to_owned()
    }

    fn usual_length(&self) -> usize {
        match self.config.get("core.abbrev").map(|entry| entry.value.as_str()) {
            Some("no" | "false" | "off") => 64,
            Some(digits) => digits.parse().unwrap_or(7),
            None => 7,
        }
    }
}

/// Returns the digits behind the last `-g` of a text such as `git describe` prints: `v1.0-3-g1a2b3c4`.
pub(super) fn described(text: &str) -> Option<&str> {
    let (_, digits) = text.rsplit_once("-g")?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
}
