//! Names for commits: after the nearest tag before them, or by the way that leads to them from a ref.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::walk::{Node, Nodes};
use crate::repo::state::objects::{ObjectReader, ReadError};
use crate::repo::state::refs::Ref;
use crate::repo::text::wildmatch::{self, Flags};

/// Which refs describe a commit.
#[derive(Clone, Debug)]
pub struct DescribeOptions {
    /// Any tag, not only annotated ones.
    pub tags: bool,
    /// Any ref.
    pub all: bool,
    /// Follow only the first parent of merges.
    pub first_parent: bool,
    /// How many tags are weighed against each other; with 0 only an exact match counts.
    pub candidates: usize,
    /// Wildcards for the names of tags, one of which must match; without any all do.
    pub patterns: Vec<String>,
    /// Wildcards for names that are left out.
    pub exclude: Vec<String>,
}

impl Default for DescribeOptions {
    fn default() -> Self {
        Self { tags: false, all: false, first_parent: false, candidates: 10, patterns: Vec::new(), exclude: Vec::new() }
    }
}

/// The nearest ref before a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The ref.
    pub name: RefName,
    /// How many commits have come since; 0 if the ref names the commit itself.
    pub depth: usize,
}

/// How much a ref says about the commit that it names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Ref,
    Tag,
    /// The newer one is the better one.
    Annotated(i64),
}

struct Candidate {
    name: RefName,
    depth: usize,
    /// The flag of the commits that it reaches.
    within: u64,
}

impl Repository {
    /// Describes a commit; `None` if no ref does.
    pub fn describe(&self, commit: ObjectId, options: &DescribeOptions) -> Result<Option<Description>> {
        let refs = self.refs().list(if options.all { "refs/" } else { "refs/tags/" })?.refs;
        Ok(describe(self, &refs, commit, options)?)
    }
}

/// Describes a commit by refs.
///
/// Walks back by date. A ref's depth is the number of commits that the walk met and the ref does not reach; it is
/// complete once all that is left is within the best ref.
pub fn describe(
    objects: &dyn ObjectReader,
    refs: &[Ref],
    commit: ObjectId,
    options: &DescribeOptions,
) -> Result<Option<Description>, ReadError> {
    let named = named(objects, refs, options)?;
    let counts = |rank: Rank| options.tags || options.all || rank > Rank::Tag;
    if let Some((rank, name)) = named.get(&commit)
        && counts(*rank)
    {
        return Ok(Some(Description { name: name.clone(), depth: 0 }));
    }
    if options.candidates == 0 {
        return Ok(None);
    }
    let mut line = Line::new(objects, options.first_parent);
    line.push(commit, 0)?;
    let (mut found, mut seen, mut annotated): (Vec<Candidate>, usize, usize) = (Vec::new(), 0, 0);
    // As many as there are flags.
    let limit = options.candidates.min(60);
    while let Some(id) = line.pop() {
        seen += 1;
        if let Some((rank, name)) = named.get(&id).filter(|(rank, _)| counts(*rank)) {
            if found.len() == limit {
                // Met again when the depth of the best one is completed.
                line.put_back(id)?;
                break;
            }
            let within = 1 << found.len();
            found.push(Candidate { name: name.clone(), depth: seen - 1, within });
            line.mark(id, within);
            annotated += usize::from(*rank > Rank::Tag);
        }
        let flags = line.flags(&id);
        found.iter_mut().filter(|c| flags & c.within == 0).for_each(|c| c.depth += 1);
        if annotated > 0 && line.queue.is_empty() {
            let least = found.iter().map(|c| c.depth).min();
            let best: u64 = found.iter().filter(|c| Some(c.depth) == least).map(|c| c.within).sum();
            if flags & best == best {
                break;
            }
        }
        line.push_parents(&id, flags)?;
    }
    // Of equally near ones the first found stays first.
    let Some(mut best) = found.into_iter().min_by_key(|c| c.depth) else { return Ok(None) };
    while let Some(id) = line.pop() {
        let flags = line.flags(&id);
        if flags & best.within == 0 {
            best.depth += 1;
        } else if line.queue.iter().all(|(_, _, id)| line.flags(id) & best.within != 0) {
            break;
        }
        line.push_parents(&id, flags)?;
    }
    Ok(Some(Description { name: best.name, depth: best.depth }))
}

/// Returns the best ref of every commit that any names.
fn named(
    objects: &dyn ObjectReader,
    refs: &[Ref],
    options: &DescribeOptions,
) -> Result<HashMap<ObjectId, (Rank, RefName)>, ReadError> {
    let mut named: HashMap<ObjectId, (Rank, RefName)> = HashMap::new();
    let fits = |pattern: &String, name: &str| wildmatch::matches(pattern, name, Flags::default());
    for one in refs {
        let short = one.name.short();
        let is_chosen = options.patterns.is_empty() || options.patterns.iter().any(|p| fits(p, short));
        if !is_chosen || options.exclude.iter().any(|p| fits(p, short)) {
            continue;
        }
        let rank = match one.name.as_str().starts_with("refs/tags/") {
            true if objects.kind(&one.id)? == ObjectKind::Tag => Rank::Annotated(objects.tag(&one.id)?.tagger.time),
            true => Rank::Tag,
            false => Rank::Ref,
        };
        let id = match objects.peel(&one.id, ObjectKind::Commit) {
            Ok(id) => id,
            Err(ReadError::Peel { .. }) => continue,
            Err(error) => return Err(error),
        };
        if named.get(&id).is_none_or(|(known, _)| *known < rank) {
            named.insert(id, (rank, one.name.clone()));
        }
    }
    Ok(named)
}

/// A walk by date in which commits hand their flags on to their parents.
struct Line<'a> {
    nodes: Nodes<'a>,
    queue: BinaryHeap<(i64, Reverse<usize>, ObjectId)>,
    known: HashMap<ObjectId, u64>,
    first_parent: bool,
    order: usize,
}

impl<'a> Line<'a> {
    fn new(objects: &'a dyn ObjectReader, first_parent: bool) -> Self {
        let (queue, known) = (BinaryHeap::new(), HashMap::new());
        Self { nodes: Nodes::new(objects), queue, known, first_parent, order: 0 }
    }

    fn push(&mut self, id: ObjectId, flags: u64) -> Result<(), ReadError> {
        if let Some(known) = self.known.get_mut(&id) {
            *known |= flags;
            return Ok(());
        }
        self.known.insert(id, flags);
        self.put_back(id)
    }

    fn put_back(&mut self, id: ObjectId) -> Result<(), ReadError> {
        self.order += 1;
        self.queue.push((self.nodes.get(&id)?.time, Reverse(self.order), id));
        Ok(())
    }

    fn pop(&mut self) -> Option<ObjectId> {
        self.queue.pop().map(|(_, _, id)| id)
    }

    fn flags(&self, id: &ObjectId) -> u64 {
        self.known.get(id).copied().unwrap_or_default()
    }

    fn mark(&mut self, id: ObjectId, flag: u64) {
        *self.known.entry(id).or_default() |= flag;
    }

    fn push_parents(&mut self, id: &ObjectId, flags: u64) -> Result<(), ReadError> {
        let Node { parents, .. } = self.nodes.get(id)?.clone();
        let count = if self.first_parent { 1 } else { parents.len() };
        for parent in parents.into_iter().take(count) {
            self.push(parent, flags)?;
        }
        Ok(())
    }
}

/// What passing to another parent than the first counts.
const MERGE: u64 = 65_535;

/// A way from a ref to a commit.
#[derive(Clone)]
struct Way {
    /// The name of the ref, and the way up to the last merge.
    start: String,
    is_tag: bool,
    /// When the tag or the tip was made.
    time: i64,
    /// First parents since `start`.
    steps: u64,
    distance: u64,
}

impl Way {
    fn weight(&self) -> u64 {
        self.distance + if self.steps > 0 { MERGE } else { 0 }
    }

    /// Tells whether this way is the better one: by tags rather than other refs, then the shorter, then the older.
    fn is_better(&self, other: &Self) -> bool {
        match (self.is_tag, other.is_tag) {
            (true, true) => self.weight() < other.weight(),
            (false, false) => (self.weight(), self.time) < (other.weight(), other.time),
            (is_tag, _) => is_tag,
        }
    }

    /// `main~3^2~1`
    fn name(&self) -> String {
        match self.steps {
            0 => self.start.clone(),
            n => format!("{}~{n}", self.start.strip_suffix("^0").unwrap_or(&self.start)),
        }
    }

    fn to_parent(&self, n: usize) -> Self {
        if n == 0 {
            return Self { steps: self.steps + 1, distance: self.distance + 1, ..self.clone() };
        }
        let start = match self.steps {
            0 => self.start.strip_suffix("^0").unwrap_or(&self.start).to_owned(),
            _ => self.name(),
        };
        Self { start: format!("{start}^{}", n + 1), steps: 0, distance: self.distance + MERGE, ..self.clone() }
    }
}

/// Names commits by the refs that lead to them: `main~3^2`. Those that no ref reaches are missing from the result.
pub fn name_revs(
    objects: &dyn ObjectReader,
    refs: &[Ref],
    commits: &[ObjectId],
) -> Result<HashMap<ObjectId, String>, ReadError> {
    let mut nodes = Nodes::new(objects);
    let mut floor = u64::MAX;
    for id in commits {
        floor = floor.min(nodes.get(id)?.generation);
    }
    let mut tips = Vec::new();
    for one in refs {
        let id = match objects.peel(&one.id, ObjectKind::Commit) {
            Ok(id) => id,
            Err(ReadError::Peel { .. }) => continue,
            Err(error) => return Err(error),
        };
        let is_annotated = objects.kind(&one.id)? == ObjectKind::Tag;
        let time = if is_annotated { objects.tag(&one.id)?.tagger.time } else { nodes.get(&id)?.time };
        let full = one.name.as_str();
        let short = full.strip_prefix("refs/heads/").or_else(|| full.strip_prefix("refs/")).unwrap_or(full);
        let start = if is_annotated { format!("{short}^0") } else { short.to_owned() };
        tips.push((id, Way { start, is_tag: full.starts_with("refs/tags/"), time, steps: 0, distance: 0 }));
    }
    tips.sort_by_key(|(_, way)| (!way.is_tag, way.time));
    let mut ways: HashMap<ObjectId, Way> = HashMap::new();
    for (tip, way) in tips {
        let mut stack = Vec::new();
        let mut name = |id: ObjectId, way: Way, ways: &mut HashMap<ObjectId, Way>| -> Result<bool, ReadError> {
            let is_new = nodes.get(&id)?.generation >= floor && ways.get(&id).is_none_or(|known| way.is_better(known));
            if is_new {
                ways.insert(id, way);
            }
            Ok(is_new)
        };
        if name(tip, way, &mut ways)? {
            stack.push(tip);
        }
        while let Some(id) = stack.pop() {
            let Some(way) = ways.get(&id).cloned() else { continue };
            let mut next = Vec::new();
            for (n, parent) in objects.commit(&id)?.parents.into_iter().enumerate() {
                // As in Git, a commit has its name before those are looked at that come before it.
                if name(parent, way.to_parent(n), &mut ways)? {
                    next.push(parent);
                }
            }
            stack.extend(next.into_iter().rev());
        }
    }
    let wanted: HashSet<ObjectId> = commits.iter().copied().collect();
    Ok(ways.into_iter().filter(|(id, _)| wanted.contains(id)).map(|(id, way)| (id, way.name())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::state::refs::RefStore;
    use crate::repo::testing::{GitObjects, History, Random, seeds};

    #[test]
    fn descriptions_and_names_are_gits() {
        let (mut described, mut far) = (0, 0);
        for seed in 0..seeds(20) {
            let mut random = Random(seed);
            let mut history = History::random(seed, 30);
            let git = &history.git;
            for n in 0..2 + random.below(6) {
                let (id, time) = (history.pick(&mut random), 1_700_000_000 + random.below(2000) as i64);
                let id = match random.below(3) {
                    0 => id.to_string(),
                    _ => {
                        let text =
                            format!("object {id}\ntype commit\ntag v{n}\ntagger A <a@b.c> {time} +0000\n\nabout\n");
                        String::from_utf8(git.feed(&["mktag"], &text)).unwrap().trim().to_owned()
                    }
                };
                std::fs::write(git.top().join(format!(".git/refs/tags/v{n}")), id).unwrap();
            }
            for name in ["main", "dev"] {
                let id = history.pick(&mut random);
                std::fs::write(git.top().join(format!(".git/refs/heads/{name}")), id.to_string()).unwrap();
            }
            history.objects = GitObjects::load(&history.git);
            let (git, objects) = (&history.git, &history.objects);
            let store = RefStore::new(&git.top().join(".git"));
            let commits: Vec<String> = history.commits.iter().map(ToString::to_string).collect();
            for (option, options) in [
                ("--abbrev=7", DescribeOptions::default()),
                ("--tags", DescribeOptions { tags: true, ..DescribeOptions::default() }),
                ("--all", DescribeOptions { all: true, ..DescribeOptions::default() }),
                ("--first-parent", DescribeOptions { first_parent: true, ..DescribeOptions::default() }),
                ("--candidates=2", DescribeOptions { candidates: 2, ..DescribeOptions::default() }),
                ("--match=v[0-2]", DescribeOptions { patterns: vec!["v[0-2]".into()], ..DescribeOptions::default() }),
            ] {
                let mut args = vec!["describe", "--always", "--long", option];
                args.extend(commits.iter().map(String::as_str));
                let theirs = git.run(&args);
                let refs = store.list(if options.all { "refs/" } else { "refs/tags/" }).unwrap().refs;
                for (id, theirs) in history.commits.iter().zip(theirs.lines()) {
                    let ours = describe(objects, &refs, *id, &options).unwrap();
                    let shown = |d: &Description| {
                        let name = if options.all { &d.name.as_str()[5..] } else { d.name.short() };
                        format!("{name}-{}-g{}", d.depth, id.to_hex_with_len(7))
                    };
                    described += usize::from(ours.is_some());
                    far += usize::from(ours.as_ref().is_some_and(|d| d.depth > 3));
                    let ours = ours.as_ref().map_or_else(|| id.to_hex_with_len(7), shown);
                    assert_eq!(ours, theirs, "seed {seed}, {option}");
                }
            }
            let mut args = vec!["name-rev", "--name-only"];
            args.extend(commits.iter().map(String::as_str));
            let theirs = git.run(&args);
            let refs = store.list("refs/").unwrap().refs;
            let names = name_revs(objects, &refs, &history.commits).unwrap();
            for (id, theirs) in history.commits.iter().zip(theirs.lines()) {
                let ours = names.get(id).map_or("undefined", String::as_str);
                assert_eq!(ours, theirs, "seed {seed}: {id}");
            }
        }
        assert!(described > 1500 && far > 150, "{described} described, {far} from afar");
    }
}
