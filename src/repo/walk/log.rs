//! Walks the history: by commit date, lazily, or in topological order; with ranges, filters and path limiting as Git.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};

use regex::{Regex, RegexBuilder};

use crate::model::{Commit, ObjectId, Signature};
use crate::repo::Repository;
use crate::repo::changes::{self, Tracked};
use crate::repo::error::Result;
use crate::repo::objects::ObjectReader;
use crate::repo::pathspec::Pathspecs;
use crate::util::interrupt;

/// Which commits, in which order.
#[derive(Clone, Debug, Default)]
pub struct WalkOptions {
    /// Commits to begin with.
    pub tips: Vec<ObjectId>,
    /// Commits that are left out together with all their ancestors.
    pub hidden: Vec<ObjectId>,
    /// Only commits that changed these paths.
    pub paths: Pathspecs,
    /// At most so many.
    pub max_count: Option<usize>,
    /// Leave out so many first.
    pub skip: usize,
    /// Only commits made at this time (Unix seconds) or later.
    pub since: Option<i64>,
    /// Only commits made at this time (Unix seconds) or earlier.
    pub until: Option<i64>,
    /// Only commits whose author's `Name <email>` matches one of these.
    pub author: Vec<Pattern>,
    /// Only commits with a line of the message that matches one of these.
    pub grep: Vec<Pattern>,
    /// Follow only the first parent of merges.
    pub first_parent: bool,
    /// Only commits with at least so many parents.
    pub min_parents: usize,
    /// Only commits with at most so many parents.
    pub max_parents: Option<usize>,
    /// No parent before all of its children, and lines of history kept together.
    pub topological: bool,
    /// Oldest first.
    pub reverse: bool,
}

/// A regular expression to look for.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// A text is no regular expression.
#[derive(Debug, thiserror::Error)]
#[error("'{text}' is not a regular expression: {reason}")]
pub struct PatternError {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Pattern {
    /// Compiles a regular expression, which is looked for in every line by itself.
    pub fn new(text: &str, ignore_case: bool) -> Result<Self, PatternError> {
        let compiled = RegexBuilder::new(text).case_insensitive(ignore_case).multi_line(true).build();
        compiled.map(Self).map_err(|e| PatternError { text: text.to_owned(), reason: e.to_string() })
    }

    fn finds(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// One commit of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkEntry {
    /// Its id.
    pub id: ObjectId,
    /// The commit.
    pub commit: Commit,
    /// Its parents as the walk follows them: with path limiting the nearest shown ancestors' lines.
    pub parents: Vec<ObjectId>,
}

/// A commit in the queue: the newest comes first, of equally new ones the one that was queued first.
struct Queued {
    time: i64,
    order: usize,
    id: ObjectId,
    commit: Commit,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        self.time.cmp(&other.time).then(other.order.cmp(&self.order))
    }
}

/// A running walk.
pub struct Walk<'r> {
    repo: &'r Repository,
    options: WalkOptions,
    queue: BinaryHeap<Queued>,
    seen: HashSet<ObjectId>,
    hidden: HashSet<ObjectId>,
    order: usize,
    skipped: usize,
    given: usize,
    /// Commits already brought into their final order.
    ready: Option<std::vec::IntoIter<WalkEntry>>,
}

impl Repository {
    /// Begins a walk. In date order without hidden commits it reads no more commits than it gives.
    pub fn walk(&self, options: WalkOptions) -> Result<Walk<'_>> {
        let mut walk = Walk {
            repo: self,
            queue: BinaryHeap::new(),
            seen: HashSet::new(),
            hidden: HashSet::new(),
            order: 0,
            skipped: 0,
            given: 0,
            ready: None,
            options,
        };
        walk.hidden = self.ancestors_bounded(&walk.options.hidden, &walk.options.tips)?;
        for tip in walk.options.tips.clone() {
            walk.enqueue(tip)?;
        }
        if walk.options.topological || walk.options.reverse {
            let mut all = Vec::new();
            while let Some(entry) = walk.next_by_date()? {
                all.push(entry);
            }
            if walk.options.topological {
                all = topological(all);
            }
            if walk.options.reverse {
                all.reverse();
            }
            walk.ready = Some(all.into_iter());
        }
        Ok(walk)
    }

    /// Returns the ancestors of `hidden`, themselves included, as far down as `tips` can reach into them.
    ///
    /// Walks both by generation, highest first, so that all children of a commit are known before it; ends when
    /// nothing but hidden commits is left.
    fn ancestors_bounded(&self, hidden: &[ObjectId], tips: &[ObjectId]) -> Result<HashSet<ObjectId>> {
        let mut found: HashSet<ObjectId> = hidden.iter().copied().collect();
        if hidden.is_empty() {
            return Ok(found);
        }
        let mut queue: BinaryHeap<(u64, ObjectId)> = BinaryHeap::new();
        let mut seen = HashSet::new();
        let mut visible = 0usize;
        for id in hidden.iter().chain(tips) {
            if seen.insert(*id) {
                queue.push((self.commit(id)?.generation, *id));
                visible += usize::from(!found.contains(id));
            }
        }
        while let Some((_, id)) = queue.pop() {
            interrupt::check()?;
            let is_hidden = found.contains(&id);
            if !is_hidden {
                visible -= 1;
            } else if visible == 0 {
                // What is left is hidden, and so are its ancestors.
                break;
            }
            for parent in self.commit(&id)?.parents {
                let is_new = seen.insert(parent);
                if is_new {
                    queue.push((self.commit(&parent)?.generation, parent));
                }
                match (is_hidden, is_new) {
                    (true, true) => drop(found.insert(parent)),
                    (true, false) if found.insert(parent) => visible -= 1,
                    (false, true) => visible += 1,
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}

impl Walk<'_> {
    fn enqueue(&mut self, id: ObjectId) -> Result<()> {
        if self.hidden.contains(&id) || !self.seen.insert(id) {
            return Ok(());
        }
        let commit = self.repo.commit(&id)?;
        self.order += 1;
        self.queue.push(Queued { time: commit.committer.time, order: self.order, id, commit });
        Ok(())
    }

    fn next_by_date(&mut self) -> Result<Option<WalkEntry>> {
        while let Some(Queued { id, commit, .. }) = self.queue.pop() {
            interrupt::check()?;
            let (parents, changed) = self.parents_to_follow(&commit)?;
            for parent in &parents {
                self.enqueue(*parent)?;
            }
            if !changed || !self.is_wanted(&commit) {
                continue;
            }
            let parents = parents.into_iter().filter(|p| !self.hidden.contains(p)).collect();
            return Ok(Some(WalkEntry { id, commit, parents }));
        }
        Ok(None)
    }

    /// Returns the parents to go on with, and whether the commit changed what is looked at. A merge that has the paths
    /// as one of its parents has them goes on with that one alone, as Git simplifies histories.
    fn parents_to_follow(&self, commit: &Commit) -> Result<(Vec<ObjectId>, bool)> {
        let mut parents = commit.parents.clone();
        if self.options.first_parent {
            parents.truncate(1);
        }
        if self.options.paths.is_empty() {
            return Ok((parents, true));
        }
        let own = self.limited(&commit.tree)?;
        if parents.is_empty() {
            return Ok((parents, !own.is_empty()));
        }
        for parent in &parents {
            let tree = self.repo.commit(parent)?.tree;
            if tree == commit.tree || self.limited(&tree)? == own {
                return Ok((vec![*parent], false));
            }
        }
        Ok((parents, true))
    }

    fn limited(&self, tree: &ObjectId) -> Result<Vec<Tracked>> {
        let files = changes::of_tree(&self.repo.tree(tree)?);
        Ok(files.into_iter().filter(|t| self.options.paths.matches(&t.path)).collect())
    }

    fn is_wanted(&self, commit: &Commit) -> bool {
        let o = &self.options;
        let time = commit.committer.time;
        let by = |s: &Signature| s.to_string();
        o.since.is_none_or(|t| time >= t)
            && o.until.is_none_or(|t| time <= t)
            && commit.parents.len() >= o.min_parents
            && o.max_parents.is_none_or(|n| commit.parents.len() <= n)
            && (o.author.is_empty() || o.author.iter().any(|p| p.finds(&by(&commit.author))))
            && (o.grep.is_empty() || o.grep.iter().any(|p| p.finds(&commit.message)))
    }

    fn step(&mut self) -> Result<Option<WalkEntry>> {
        loop {
            if self.options.max_count.is_some_and(|max| self.given >= max) {
                return Ok(None);
            }
            let next = match &mut self.ready {
                Some(ready) => ready.next(),
                None => self.next_by_date()?,
            };
            let Some(entry) = next else { return Ok(None) };
            if self.skipped < self.options.skip {
                self.skipped += 1;
                continue;
            }
            self.given += 1;
            return Ok(Some(entry));
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<WalkEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Brings commits, given by date, into an order with no parent before its children; lines of history stay together.
fn topological(commits: Vec<WalkEntry>) -> Vec<WalkEntry> {
    let mut children: HashMap<ObjectId, usize> = commits.iter().map(|e| (e.id, 0)).collect();
    for parent in commits.iter().flat_map(|e| &e.parents) {
        if let Some(n) = children.get_mut(parent) {
            *n += 1;
        }
    }
    // A stack, filled so that of several tips the first given comes out first, and of parents the last one: as Git.
    let mut ready: Vec<ObjectId> = commits.iter().filter(|e| children[&e.id] == 0).map(|e| e.id).rev().collect();
    let mut left: HashMap<ObjectId, WalkEntry> = commits.into_iter().map(|e| (e.id, e)).collect();
    let mut out = Vec::with_capacity(left.len());
    while let Some(id) = ready.pop() {
        let Some(entry) = left.remove(&id) else { continue };
        for parent in &entry.parents {
            if let Some(n) = children.get_mut(parent) {
                *n -= 1;
                if *n == 0 {
                    ready.push(*parent);
                }
            }
        }
        out.push(entry);
    }
    out
}
