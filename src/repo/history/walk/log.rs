//! Walks the history: by commit date, lazily, or in topological order; with ranges, filters and path limiting as Git.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, HashSet};

use regex::{Regex, RegexBuilder};

use crate::model::{Commit, ObjectId, RepoPath, Signature};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::changes::{self, Tracked};
use crate::repo::state::objects::ObjectReader;
use crate::repo::text::pathspec::Pathspecs;
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
    /// Only commits that changed this file, under the names it had before too; instead of `paths`.
    pub follow: Option<RepoPath>,
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
    /// Only commits whose committer's `Name <email>` matches one of these.
    pub committer: Vec<Pattern>,
    /// Only commits with a line of the message that matches one of these.
    pub grep: Vec<Pattern>,
    /// Only commits of which no line of the message matches one of `grep`.
    pub invert_grep: bool,
    /// Follow only the first parent of merges.
    pub first_parent: bool,
    /// Only commits with at least so many parents.
    pub min_parents: usize,
    /// Only commits with at most so many parents.
    pub max_parents: Option<usize>,
    /// Which of two commits comes first.
    pub order: Order,
    /// The parents of entries are the nearest ancestors that are shown, where commits between did not change the paths.
    /// Only for orders that know all commits: any but by date alone.
    pub rewrite_parents: bool,
    /// Oldest first.
    pub reverse: bool,
}

/// Orders of commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest of those known so far.
    #[default]
    Date,
    /// No parent before all of its children, and lines of history kept together.
    Topological,
    /// No parent before all of its children, otherwise the newest.
    DateTopological,
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
        compiled.map(Self).map_err(|e| {
            // The library draws where it failed, and says in the last line why.
            let drawn = e.to_string();
            let reason = drawn.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            PatternError { text: text.to_owned(), reason }
        })
    }

    /// Makes a pattern that finds just this text.
    pub fn literal(text: &str, ignore_case: bool) -> Result<Self, PatternError> {
        Self::new(&regex::escape(text), ignore_case)
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
    /// Its parents as the walk follows them, without hidden ones; see [`WalkOptions::rewrite_parents`].
    pub parents: Vec<ObjectId>,
    /// The file that is followed, as this commit has it.
    pub followed: Option<RepoPath>,
}

/// A commit that the walk came by.
struct Walked {
    entry: WalkEntry,
    /// Why it is not shown.
    why_not: Option<WhyNot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhyNot {
    /// It has the paths as its only parent followed has them, or no such paths at all.
    Unchanged,
    /// A filter leaves it out.
    Unwanted,
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
    pub(super) repo: &'r Repository,
    pub(super) options: WalkOptions,
    queue: BinaryHeap<Queued>,
    seen: HashSet<ObjectId>,
    hidden: HashSet<ObjectId>,
    order: usize,
    skipped: usize,
    given: usize,
    /// The name that the file which is followed has in commits still to come.
    pub(super) names: HashMap<ObjectId, RepoPath>,
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
            names: HashMap::new(),
            ready: None,
            options,
        };
        walk.hidden = self.ancestors_bounded(&walk.options.hidden, &walk.options.tips)?;
        for tip in walk.options.tips.clone() {
            walk.names.extend(walk.options.follow.clone().map(|path| (tip, path)));
            walk.enqueue(tip)?;
        }
        if walk.options.order != Order::Date || walk.options.reverse {
            let mut all = Vec::new();
            while let Some(walked) = walk.next_walked()? {
                all.push(walked);
            }
            // Commits that are not shown decide on the order too: they stand between those that are.
            if walk.options.order != Order::Date {
                all = topological(all, walk.options.order);
            }
            if walk.options.rewrite_parents {
                rewrite_parents(&mut all);
            }
            let shown = all.into_iter().filter(|w| w.why_not.is_none()).map(|w| w.entry);
            let max = walk.options.max_count.unwrap_or(usize::MAX);
            let mut shown: Vec<WalkEntry> = shown.skip(walk.options.skip).take(max).collect();
            if walk.options.reverse {
                shown.reverse();
            }
            walk.ready = Some(shown.into_iter());
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

    fn next_walked(&mut self) -> Result<Option<Walked>> {
        let Some(Queued { id, commit, .. }) = self.queue.pop() else { return Ok(None) };
        interrupt::check()?;
        let followed = self.names.remove(&id);
        let (parents, changed) = match &followed {
            Some(path) => self.follow_file(path, &commit)?,
            None => self.parents_to_follow(&commit)?,
        };
        for parent in &parents {
            self.enqueue(*parent)?;
        }
        let why_not = match changed {
            false => Some(WhyNot::Unchanged),
            true => (!self.is_wanted(&commit)).then_some(WhyNot::Unwanted),
        };
        let parents = parents.into_iter().filter(|p| !self.hidden.contains(p)).collect();
        Ok(Some(Walked { entry: WalkEntry { id, commit, parents, followed }, why_not }))
    }

    /// Returns the parents to go on with, and whether the commit changed what is looked at. A merge that has the paths
    /// as one of its parents has them goes on with that one alone, as Git simplifies histories; what a hidden branch
    /// brought into it counts only if nothing else did.
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
        let (mut some_count, mut changed, mut changed_from_hidden) = (false, false, false);
        for parent in &parents {
            let tree = self.repo.commit(parent)?.tree;
            let same = tree == commit.tree || self.limited(&tree)? == own;
            let counts = !self.hidden.contains(parent) || self.options.hidden.contains(parent);
            match (same, counts) {
                (true, true) => return Ok((vec![*parent], false)),
                (true, false) => {}
                (false, true) => changed = true,
                (false, false) => changed_from_hidden = true,
            }
            some_count |= counts;
        }
        Ok((parents, if some_count { changed } else { changed_from_hidden }))
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
            && (o.committer.is_empty() || o.committer.iter().any(|p| p.finds(&by(&commit.committer))))
            && (o.grep.is_empty() || o.grep.iter().any(|p| p.finds(&commit.message)) != o.invert_grep)
    }

    fn step(&mut self) -> Result<Option<WalkEntry>> {
        if let Some(ready) = &mut self.ready {
            return Ok(ready.next());
        }
        while self.options.max_count.is_none_or(|max| self.given < max) {
            let Some(walked) = self.next_walked()? else { break };
            if walked.why_not.is_some() {
                continue;
            }
            if self.skipped < self.options.skip {
                self.skipped += 1;
                continue;
            }
            self.given += 1;
            return Ok(Some(walked.entry));
        }
        Ok(None)
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<WalkEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Brings commits, given by date, into an order with no parent before its children.
fn topological(commits: Vec<Walked>, order: Order) -> Vec<Walked> {
    let mut children: HashMap<ObjectId, usize> = commits.iter().map(|w| (w.entry.id, 0)).collect();
    for parent in commits.iter().flat_map(|w| &w.entry.parents) {
        if let Some(n) = children.get_mut(parent) {
            *n += 1;
        }
    }
    let mut ready = Ready { by_date: order == Order::DateTopological, ..Ready::default() };
    // Of several tips the first given comes out first, of parents that are kept on a stack the last one: as Git.
    let tips =
        commits.iter().filter(|w| children[&w.entry.id] == 0).map(|w| (w.entry.commit.committer.time, w.entry.id));
    match ready.by_date {
        true => tips.for_each(|(time, id)| ready.push(time, id)),
        false => tips.rev().for_each(|(time, id)| ready.push(time, id)),
    }
    let mut left: HashMap<ObjectId, Walked> = commits.into_iter().map(|w| (w.entry.id, w)).collect();
    let mut out = Vec::with_capacity(left.len());
    while let Some(id) = ready.pop() {
        let Some(walked) = left.remove(&id) else { continue };
        for parent in &walked.entry.parents {
            if let (Some(n), Some(below)) = (children.get_mut(parent), left.get(parent)) {
                *n -= 1;
                if *n == 0 {
                    ready.push(below.entry.commit.committer.time, *parent);
                }
            }
        }
        out.push(walked);
    }
    out
}

/// Commits of which all children have come out: a stack, or the newest first.
#[derive(Default)]
struct Ready {
    by_date: bool,
    stack: Vec<ObjectId>,
    queue: BinaryHeap<(i64, Reverse<usize>, ObjectId)>,
    pushed: usize,
}

impl Ready {
    fn push(&mut self, time: i64, id: ObjectId) {
        self.pushed += 1;
        match self.by_date {
            true => self.queue.push((time, Reverse(self.pushed), id)),
            false => self.stack.push(id),
        }
    }

    fn pop(&mut self) -> Option<ObjectId> {
        match self.by_date {
            true => self.queue.pop().map(|(.., id)| id),
            false => self.stack.pop(),
        }
    }
}

/// Replaces parents that did not change the paths by what they in turn come from.
fn rewrite_parents(commits: &mut [Walked]) {
    let passed: HashMap<ObjectId, Option<ObjectId>> = commits
        .iter()
        .filter(|w| w.why_not == Some(WhyNot::Unchanged))
        .map(|w| (w.entry.id, w.entry.parents.first().copied()))
        .collect();
    for walked in commits {
        let mut parents: Vec<ObjectId> = Vec::new();
        for parent in &walked.entry.parents {
            let mut at = Some(*parent);
            while let Some(next) = at.and_then(|id| passed.get(&id)) {
                at = *next;
            }
            parents.extend(at.filter(|id| !parents.contains(id)));
        }
        walked.entry.parents = parents;
    }
}
