//! Lists of refs: which ones, and in which order.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::model::{ObjectId, ObjectKind};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::walk;
use crate::repo::state::objects::{ObjectReader, ReadError};
use crate::repo::state::refs::{Ref, RefError};
use crate::repo::text::wildmatch::{self, Flags};

/// Which refs to list.
#[derive(Clone, Debug, Default)]
pub struct RefQuery {
    /// The beginnings of full names, such as `refs/heads/`; patterns are for what follows.
    pub folders: Vec<String>,
    /// Wildcards, one of which must match; without any all do.
    pub patterns: Vec<String>,
    /// Whether patterns are for full names, and also match as whole leading parts of these.
    pub whole_names: bool,
    /// Whether patterns ignore case, and names are ordered without it.
    pub ignore_case: bool,
    /// Only refs that reach one of these commits.
    pub contains: Vec<ObjectId>,
    /// Only refs that reach none of these.
    pub no_contains: Vec<ObjectId>,
    /// Only refs that one of these reaches.
    pub merged: Vec<ObjectId>,
    /// Only refs that none of these reaches.
    pub no_merged: Vec<ObjectId>,
    /// Only refs that name one of these objects, or tags of them.
    pub points_at: Vec<ObjectId>,
    /// The order; the last key counts most. Refs that are equal by all are ordered by name.
    pub sort: Vec<SortKey>,
}

/// One criterion of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// What is compared.
    pub by: SortBy,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// What refs are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The full name.
    Name,
    /// The full name with numbers compared by value: v1.9 before v1.10.
    Version,
    /// The object's id.
    Id,
    /// The object's kind.
    Kind,
    /// When a commit was written.
    AuthorDate,
    /// When a commit was made.
    CommitterDate,
    /// When a tag was made.
    TaggerDate,
    /// When a commit or tag was made.
    CreatorDate,
}

impl SortKey {
    /// Reads `refname`, `-committerdate`, `version:refname`, …; `None` if there is no such key.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, descending) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
        let by = match text {
            "refname" => SortBy::Name,
            "version:refname" | "v:refname" => SortBy::Version,
            "objectname" => SortBy::Id,
            "objecttype" => SortBy::Kind,
            "authordate" => SortBy::AuthorDate,
            "committerdate" => SortBy::CommitterDate,
            "taggerdate" => SortBy::TaggerDate,
            "creatordate" => SortBy::CreatorDate,
            _ => return None,
        };
        Some(Self { by, descending })
    }
}

impl RefQuery {
    fn matches(&self, one: &Ref, folder: &str) -> bool {
        let name = one.name.as_str();
        let flags = Flags { ignore_case: self.ignore_case, by_component: self.whole_names };
        self.patterns.is_empty()
            || self.patterns.iter().any(|pattern| match self.whole_names {
                true => {
                    let rest = name.strip_prefix(pattern.trim_end_matches('/'));
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                        || wildmatch::matches(pattern, name, flags)
                }
                false => wildmatch::matches(pattern, &name[folder.len()..], flags),
            })
    }

    fn looks_at_history(&self) -> bool {
        !(self.contains.is_empty()
            && self.no_contains.is_empty()
            && self.merged.is_empty()
            && self.no_merged.is_empty())
    }
}

impl Repository {
    /// Lists refs; those that cannot be read come second.
    pub fn list_refs(&self, query: &RefQuery) -> Result<(Vec<Ref>, Vec<RefError>)> {
        let (mut refs, mut broken) = (Vec::new(), Vec::new());
        for folder in &query.folders {
            let list = self.refs().list(folder)?;
            refs.extend(list.refs.into_iter().filter(|r| query.matches(r, folder)));
            broken.extend(list.broken);
        }
        if !query.points_at.is_empty() {
            refs = self.pointing(refs, &query.points_at)?;
        }
        if query.looks_at_history() {
            refs = self.related(refs, query)?;
        }
        self.sort(&mut refs, query)?;
        Ok((refs, broken))
    }

    fn pointing(&self, refs: Vec<Ref>, wanted: &[ObjectId]) -> Result<Vec<Ref>> {
        let mut kept = Vec::new();
        for one in refs {
            let mut id = one.id;
            let is_wanted = loop {
                if wanted.contains(&id) {
                    break true;
                }
                match self.kind(&id)? {
                    ObjectKind::Tag => id = self.tag(&id)?.target,
                    _ => break false,
                }
            };
            if is_wanted {
                kept.push(one);
            }
        }
        Ok(kept)
    }

    /// Keeps refs by what they reach and what reaches them.
    fn related(&self, refs: Vec<Ref>, query: &RefQuery) -> Result<Vec<Ref>> {
        let mut commits = HashMap::new();
        for one in &refs {
            match self.peel(&one.id, ObjectKind::Commit) {
                Ok(commit) => drop(commits.insert(one.name.clone(), commit)),
                Err(ReadError::Peel { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let tips: Vec<ObjectId> = commits.values().copied().collect();
        type Question = fn(&dyn ObjectReader, &[ObjectId], &[ObjectId]) -> Result<HashSet<ObjectId>, ReadError>;
        let swapped: Question = |objects, tips, from| walk::reached(objects, from, tips);
        let questions: [(&[ObjectId], Question, bool); 4] = [
            (&query.contains, walk::reaching, true),
            (&query.no_contains, walk::reaching, false),
            (&query.merged, swapped, true),
            (&query.no_merged, swapped, false),
        ];
        let mut keep: HashSet<ObjectId> = tips.iter().copied().collect();
        for (ids, question, wanted) in questions.into_iter().filter(|(ids, ..)| !ids.is_empty()) {
            let found = question(self, &tips, ids)?;
            keep.retain(|id| found.contains(id) == wanted);
        }
        Ok(refs.into_iter().filter(|r| commits.get(&r.name).is_some_and(|id| keep.contains(id))).collect())
    }

    fn sort(&self, refs: &mut Vec<Ref>, query: &RefQuery) -> Result<()> {
        let folded = |one: &Ref| match query.ignore_case {
            true => one.name.as_str().to_lowercase(),
            false => one.name.to_string(),
        };
        refs.sort_by_cached_key(folded);
        for key in &query.sort {
            let mut keyed: Vec<(Value, Ref)> = Vec::with_capacity(refs.len());
            for one in refs.drain(..) {
                let value = match key.by {
                    SortBy::Name => Value::Text(folded(&one)),
                    SortBy::Version => Value::Version(folded(&one)),
                    SortBy::Id => Value::Text(one.id.to_string()),
                    SortBy::Kind => Value::Text(self.kind(&one.id)?.name().to_owned()),
                    by => Value::Time(self.time_of(&one.id, by)?),
                };
                keyed.push((value, one));
            }
            keyed.sort_by(|(a, _), (b, _)| if key.descending { b.cmp(a) } else { a.cmp(b) });
            refs.extend(keyed.into_iter().map(|(_, one)| one));
        }
        Ok(())
    }

    /// Returns when an object was made, 0 if that is not said.
    fn time_of(&self, id: &ObjectId, by: SortBy) -> Result<i64> {
        Ok(match (self.kind(id)?, by) {
            (ObjectKind::Commit, SortBy::AuthorDate) => self.commit(id)?.author.time,
            (ObjectKind::Commit, SortBy::CommitterDate | SortBy::CreatorDate) => self.commit(id)?.committer.time,
            (ObjectKind::Tag, SortBy::TaggerDate | SortBy::CreatorDate) => self.tag(id)?.tagger.time,
            _ => 0,
        })
    }
}

#[derive(PartialEq, Eq)]
enum Value {
    Text(String),
    Version(String),
    Time(i64),
}

impl Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Version(a), Self::Version(b)) => by_version(a.as_bytes(), b.as_bytes()),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// Compares texts in which numbers count by their value.
fn by_version(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (Some(&x), Some(&y)) = (a.first(), b.first()) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (m, n) = (digits(a), digits(b));
            let number = |text: &[u8]| -> Vec<u8> { text.iter().copied().skip_while(|d| *d == b'0').collect() };
            let (p, q) = (number(&a[..m]), number(&b[..n]));
            match p.len().cmp(&q.len()).then(p.cmp(&q)) {
                Ordering::Equal => (a, b) = (&a[m..], &b[n..]),
                other => return other,
            }
        } else if x != y {
            return x.cmp(&y);
        } else {
            (a, b) = (&a[1..], &b[1..]);
        }
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        let mut names = ["v1.10", "v1.9", "v1.9.1", "v1", "v1.09a", "u2", "v10.0"];
        names.sort_by(|a, b| by_version(a.as_bytes(), b.as_bytes()));
        assert_eq!(names, ["u2", "v1", "v1.9", "v1.9.1", "v1.09a", "v1.10", "v10.0"]);
    }
}
