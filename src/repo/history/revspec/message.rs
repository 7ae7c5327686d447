//! `:/text` and `rev^{/text}`: the newest commit whose message matches.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use regex::RegexBuilder;

use super::{Resolver, RevError};
use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::state::objects::ReadError;

impl Resolver<'_> {
    /// Returns the newest commit that any ref reaches whose message matches.
    pub(super) fn by_message(&self, pattern: &str) -> Result<ObjectId, RevError> {
        let mut tips = Vec::new();
        let mut ids: Vec<ObjectId> = self.refs.list("refs/")?.refs.iter().map(|r| r.id).collect();
        ids.extend(self.refs.resolve(&RefName::head())?);
        // Of equally new commits Git takes HEAD's first, then that of the last ref by name.
        for id in ids.into_iter().rev() {
            match self.objects.peel(&id, ObjectKind::Commit) {
                Ok(commit) => tips.push(commit),
                Err(ReadError::Peel { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.search(tips, pattern)
    }

    /// Returns the newest of `tips` and their ancestors whose message matches. `!-text` stands for messages that do not
    /// match, `!!text` for `!text`.
    pub(super) fn search(&self, tips: Vec<ObjectId>, pattern: &str) -> Result<ObjectId, RevError> {
        let (wanted, text) = match pattern.strip_prefix('!') {
            None => (true, pattern),
            Some(rest) if rest.starts_with('!') => (true, rest),
            Some(rest) => match rest.strip_prefix('-') {
                Some(rest) => (false, rest),
                None => {
                    let reason = "behind '!' stands '-' for messages that do not match, or another '!'";
                    return Err(RevError::Malformed { text: pattern.to_owned(), reason });
                }
            },
        };
        let regex = RegexBuilder::new(text)
            .dot_matches_new_line(true)
            .build()
            .map_err(|e| RevError::Pattern { text: text.to_owned(), reason: e.to_string() })?;
        let mut seen: HashSet<ObjectId> = tips.iter().copied().collect();
        let mut queue = BinaryHeap::new();
        let mut order = 0u64;
        for id in tips {
            order += 1;
            let commit = self.objects.commit(&id)?;
            queue.push((commit.committer.time, Reverse(order), id));
        }
        while let Some((_, _, id)) = queue.pop() {
            let commit = self.objects.commit(&id)?;
            if regex.is_match(&commit.message) == wanted {
                return Ok(id);
            }
            for parent in commit.parents {
                if seen.insert(parent) {
                    order += 1;
                    queue.push((self.objects.commit(&parent)?.committer.time, Reverse(order), parent));
                }
            }
        }
        Err(RevError::NoMessage(pattern.to_owned()))
    }
}
