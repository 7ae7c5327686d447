//! Questions about two commits: merge bases, reachability, and how far they are apart.
//!
//! All walk from high to low generations. When a commit is taken, every commit that could reach it has been taken
//! before, so what is known about it is final and nothing below the answer needs to be read.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::nodes::Nodes;
use crate::model::ObjectId;
use crate::repo::state::objects::{ObjectReader, ReadError};

/// Reached from the one side.
const LEFT: u8 = 1;
/// Reached from the other side.
const RIGHT: u8 = 2;
/// Reached from both.
const BOTH: u8 = LEFT | RIGHT;
/// Reached from a merge base, so none itself.
const BELOW: u8 = 4;

/// Commits to be taken in order of generation, each with what has been found out about it.
struct Frontier<'a> {
    nodes: Nodes<'a>,
    queue: BinaryHeap<(u64, Reverse<u64>, ObjectId)>,
    flags: HashMap<ObjectId, u8>,
    /// How many in the queue have which flags.
    count: [usize; 8],
    added: u64,
}

impl<'a> Frontier<'a> {
    fn new(objects: &'a dyn ObjectReader) -> Self {
        let nodes = Nodes::new(objects);
        Self { nodes, queue: BinaryHeap::new(), flags: HashMap::new(), count: [0; 8], added: 0 }
    }

    fn add(&mut self, id: ObjectId, flags: u8) -> Result<(), ReadError> {
        match self.flags.get_mut(&id) {
            Some(known) => {
                self.count[usize::from(*known)] -= 1;
                *known |= flags;
                self.count[usize::from(*known)] += 1;
            }
            None => {
                self.added += 1;
                self.queue.push((self.nodes.get(&id)?.generation, Reverse(self.added), id));
                self.flags.insert(id, flags);
                self.count[usize::from(flags)] += 1;
            }
        }
        Ok(())
    }

    /// Takes the next commit; its flags are final.
    fn take(&mut self) -> Option<(ObjectId, u8)> {
        let (_, _, id) = self.queue.pop()?;
        let flags = self.flags.get(&id).copied().unwrap_or_default();
        self.count[usize::from(flags)] -= 1;
        Some((id, flags))
    }

    fn add_parents(&mut self, id: &ObjectId, flags: u8) -> Result<(), ReadError> {
        for parent in self.nodes.get(id)?.parents.clone() {
            self.add(parent, flags)?;
        }
        Ok(())
    }

    fn has(&self, flags: u8) -> bool {
        self.count[usize::from(flags)] > 0
    }
}

/// Returns the best common ancestors of `one` and any of `others`, newest first: none of them reaches another.
pub fn merge_bases(objects: &dyn ObjectReader, one: ObjectId, others: &[ObjectId]) -> Result<Vec<ObjectId>, ReadError> {
    let mut frontier = Frontier::new(objects);
    frontier.add(one, LEFT)?;
    for other in others {
        frontier.add(*other, RIGHT)?;
    }
    let mut bases = Vec::new();
    // What lies below a base is of no interest, and one side alone meets nothing any more.
    while frontier.has(BOTH) || frontier.has(LEFT) && frontier.has(RIGHT) {
        let Some((id, flags)) = frontier.take() else { break };
        if flags == BOTH {
            bases.push((frontier.nodes.get(&id)?.time, id));
        }
        let passed = if flags & BOTH == BOTH { BOTH | BELOW } else { flags };
        frontier.add_parents(&id, passed)?;
    }
    bases.sort_by_key(|(time, _)| Reverse(*time));
    Ok(bases.into_iter().map(|(_, id)| id).collect())
}

/// Tells whether `descendant` reaches `ancestor`; every commit reaches itself.
pub fn is_ancestor(objects: &dyn ObjectReader, ancestor: ObjectId, descendant: ObjectId) -> Result<bool, ReadError> {
    let mut frontier = Frontier::new(objects);
    let floor = frontier.nodes.get(&ancestor)?.generation;
    frontier.add(descendant, LEFT)?;
    while let Some((id, _)) = frontier.take() {
        if id == ancestor {
            return Ok(true);
        }
        if frontier.nodes.get(&id)?.generation <= floor {
            // The rest has no higher generation, but may have the same: the ancestor itself is the only one of use.
            return Ok(frontier.flags.contains_key(&ancestor));
        }
        frontier.add_parents(&id, LEFT)?;
    }
    Ok(false)
}

/// Counts the commits that only `left` reaches and those that only `right` reaches: ahead and behind.
pub fn ahead_behind(objects: &dyn ObjectReader, left: ObjectId, right: ObjectId) -> Result<(usize, usize), ReadError> {
    let mut frontier = Frontier::new(objects);
    frontier.add(left, LEFT)?;
    frontier.add(right, RIGHT)?;
    let mut counts = (0, 0);
    while frontier.has(LEFT) || frontier.has(RIGHT) {
        let Some((id, flags)) = frontier.take() else { break };
        counts.0 += usize::from(flags == LEFT);
        counts.1 += usize::from(flags == RIGHT);
        frontier.add_parents(&id, flags)?;
    }
    Ok(counts)
}

/// Returns those of `among` that any of `from` reaches.
pub fn reached(
    objects: &dyn ObjectReader,
    from: &[ObjectId],
    among: &[ObjectId],
) -> Result<HashSet<ObjectId>, ReadError> {
    let mut frontier = Frontier::new(objects);
    let mut floor = u64::MAX;
    let mut wanted: HashSet<ObjectId> = among.iter().copied().collect();
    for id in &wanted {
        floor = floor.min(frontier.nodes.get(id)?.generation);
    }
    for id in from {
        frontier.add(*id, LEFT)?;
    }
    let mut found = HashSet::new();
    while !wanted.is_empty()
        && let Some((id, _)) = frontier.take()
    {
        if wanted.remove(&id) {
            found.insert(id);
        }
        // A commit of the lowest generation reaches none of the others.
        if frontier.nodes.get(&id)?.generation > floor {
            frontier.add_parents(&id, LEFT)?;
        }
    }
    Ok(found)
}

/// Returns those of `tips` that reach any of `targets`.
pub fn reaching(
    objects: &dyn ObjectReader,
    tips: &[ObjectId],
    targets: &[ObjectId],
) -> Result<HashSet<ObjectId>, ReadError> {
    let mut frontier = Frontier::new(objects);
    let mut floor = u64::MAX;
    for id in targets {
        floor = floor.min(frontier.nodes.get(id)?.generation);
    }
    for id in tips {
        frontier.add(*id, LEFT)?;
    }
    let mut taken = Vec::new();
    while let Some((id, _)) = frontier.take() {
        if frontier.nodes.get(&id)?.generation > floor {
            frontier.add_parents(&id, LEFT)?;
        }
        taken.push(id);
    }
    // Backwards, every commit comes after all it reaches.
    let mut reaching: HashSet<ObjectId> = targets.iter().copied().collect();
    for id in taken.iter().rev() {
        if frontier.nodes.get(id)?.parents.iter().any(|parent| reaching.contains(parent)) {
            reaching.insert(*id);
        }
    }
    Ok(tips.iter().copied().filter(|tip| reaching.contains(tip)).collect())
}

/// What one side reaches and the other does not.
#[derive(Debug, Default)]
pub struct OnlyIn {
    /// The commits that only the one side reaches, none before one of its parents.
    pub commits: Vec<ObjectId>,
    /// Commits that both reach and that a parent of those is, or that the other side begins with.
    pub border: Vec<ObjectId>,
}

/// Returns the commits that `tips` reach and `others` do not.
pub fn only_in(objects: &dyn ObjectReader, tips: &[ObjectId], others: &[ObjectId]) -> Result<OnlyIn, ReadError> {
    let mut frontier = Frontier::new(objects);
    for id in tips {
        frontier.add(*id, LEFT)?;
    }
    for id in others {
        frontier.add(*id, RIGHT)?;
    }
    let mut found = OnlyIn::default();
    let mut parents = HashSet::new();
    while frontier.has(LEFT)
        && let Some((id, flags)) = frontier.take()
    {
        if flags == LEFT {
            found.commits.push(id);
            parents.extend(frontier.nodes.get(&id)?.parents.iter().copied());
        }
        frontier.add_parents(&id, flags)?;
    }
    found.commits.reverse();
    let only: HashSet<&ObjectId> = found.commits.iter().collect();
    found.border = parents.iter().chain(others).copied().filter(|id| !only.contains(id)).collect();
    found.border.sort();
    found.border.dedup();
    Ok(found)
}
