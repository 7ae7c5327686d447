//! From the pages in which two states differ to the rows that may differ, at a cost that follows the change.
//!
//! Both trees of a table are walked down together. A page that both trees have and that does not differ has the same
//! cells and children in both, so only what differs below it is looked at; a page that only one tree has is looked at
//! in full. What is left are the leaves whose rows may differ; their cells are compared as bytes. Rowids that come out
//! are only suspects: SQLite reads both rows and has the last word. Missing one would be a wrong answer, so a page that
//! nothing explains is looked for everywhere: it may be an overflow page that was written over in place, whose leaf
//! page does not differ.

mod cells;
mod kinds;
mod prune;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use cells::Cells;
use kinds::Kinds;

use super::DiffError;
use super::ahead::Ahead;
use super::btree::{Cell, INDEX_INTERIOR, INDEX_LEAF, Node, TABLE_INTERIOR, TABLE_LEAF, be32};
use super::matcher::Of;
use super::pages::{Differing, Pages};
use crate::model::PageSet;
use crate::sqlite::header::Encoding;
use crate::util::interrupt;

/// Overflow pages begin with a page number. Below this many pages its first byte is none of those of b-tree pages.
const MAX_PAGES: u32 = 1 << 25;
/// Steps from a root towards a page that are worth taking before reading all interior pages instead.
pub(super) const MAX_DESCENTS: usize = 4000;

/// The root pages of a table in both states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Roots {
    pub old: u32,
    pub new: u32,
}

/// Leaf pages of one table whose rows may differ, in the order of their keys.
#[derive(Clone, Default)]
pub(super) struct Leaves {
    old: Vec<u32>,
    new: Vec<u32>,
    /// Rows that may differ although their leaves do not, in order.
    rowids: Vec<i64>,
}

/// A row that may differ.
pub(super) struct Suspect<'p> {
    pub rowid: i64,
    /// The old state has it.
    pub in_old: bool,
    /// The new state has it.
    pub in_new: bool,
    /// Both records, as far as they lie on the pages of the tree.
    pub records: Option<(&'p [u8], &'p [u8])>,
}

impl Leaves {
    pub fn is_empty(&self) -> bool {
        self.old.is_empty() && self.new.is_empty() && self.rowids.is_empty()
    }
}

/// Pages by the root that they lie under.
type Marks = HashMap<u32, HashSet<u32>>;

/// Knows which pages differ and what they are.
pub(super) struct Changed(RefCell<Inner>);

struct Inner {
    old: Pages,
    new: Pages,
    differing: Differing,
    /// Pages of indexes or WITHOUT ROWID tables differ.
    index_pages: bool,
    /// Overflow pages differ whose row was not found.
    unexplained: bool,
    /// By root of the old and of the new state: pages that differ, and those above them. Without, all are looked at.
    marks: Option<[Marks; 2]>,
    /// By root of the new state: rows whose overflow pages were written over in place.
    overwritten: HashMap<u32, Vec<i64>>,
    /// Leaves of tables that were looked for when the states were opened.
    found: HashMap<Roots, Leaves>,
}

impl Changed {
    /// Looks at the differing pages; `None` if the states are laid out too differently.
    pub fn open(
        old: Arc<Ahead>,
        new: Arc<Ahead>,
        differing: PageSet,
        tables: &[Roots],
        max_descents: usize,
    ) -> Result<Option<Self>, DiffError> {
        let (Some(old), Some(new)) = (Pages::open(old)?, Pages::open(new)?) else { return Ok(None) };
        let layout = |p: &Pages| (p.header.page_size, p.header.reserved, p.header.encoding);
        if layout(&old) != layout(&new) || old.count.max(new.count) >= MAX_PAGES {
            return Ok(None);
        }
        let differing = Differing::new(differing, old.header.page_size);
        let mut inner = Inner {
            old,
            new,
            differing,
            index_pages: false,
            unexplained: false,
            marks: None,
            overwritten: HashMap::new(),
            found: HashMap::new(),
        };
        // Where much differs, most of it are leaves of tables: they are told from the pages above them, without reading.
        let many = (inner.differing.len() as usize).saturating_mul(tables.len()) > max_descents;
        let known = if many { inner.find_leaves(tables)? } else { HashSet::new() };
        let mut kinds = inner.kinds(&known)?;
        inner.index_pages = kinds.index_pages;
        if !many {
            inner.marks = inner.marks(&kinds, tables, max_descents)?;
        }
        inner.explain(&mut kinds)?;
        inner.find_owners(&mut kinds.overflow, tables)?;
        inner.unexplained = !kinds.overflow.is_empty();
        Ok(Some(Self(RefCell::new(inner))))
    }

    /// Finds the leaves of a table that may hold differing rows; `None` if a page is not what it should be.
    pub fn leaves(&self, roots: Roots) -> Result<Option<Leaves>, DiffError> {
        let inner = &mut *self.0.borrow_mut();
        let rowids = inner.overwritten.get(&roots.new).cloned().unwrap_or_default();
        let leaves = match inner.found.get(&roots) {
            Some(leaves) => Some(leaves.clone()),
            None => inner.leaves(roots, &mut |_| {})?,
        };
        Ok(leaves.map(|leaves| Leaves { rowids, ..leaves }))
    }

    /// Tells whether nothing differs in the tree of a WITHOUT ROWID table.
    pub fn is_same_index(&self, roots: Roots) -> Result<bool, DiffError> {
        let inner = &mut *self.0.borrow_mut();
        if inner.unexplained || roots.old != roots.new {
            return Ok(false);
        }
        Ok(!inner.index_pages || inner.is_same_tree(roots.new)?)
    }

    /// Tells whether texts are stored in UTF-8.
    pub fn is_utf8(&self) -> bool {
        self.0.borrow().new.header.encoding == Encoding::Utf8
    }

    /// Hands out the rows that may differ, in the order of their rowids.
    pub fn suspects(
        &self,
        leaves: Leaves,
        on: &mut dyn FnMut(Suspect<'_>) -> Result<ControlFlow<()>, DiffError>,
    ) -> Result<(), DiffError> {
        let inner = &mut *self.0.borrow_mut();
        let (usable_old, usable_new) = (inner.old.usable(), inner.new.usable());
        let (mut old, mut new) = (Cells::of(leaves.old, &inner.old), Cells::of(leaves.new, &inner.new));
        let mut overwritten = leaves.rowids.into_iter().peekable();
        old.settle(&mut inner.old)?;
        new.settle(&mut inner.new)?;
        loop {
            interrupt::check()?;
            let (a, b) = (old.cell(usable_old)?, new.cell(usable_new)?);
            let rowids = [a.as_ref().map(|c| c.rowid), b.as_ref().map(|c| c.rowid), overwritten.peek().copied()];
            let Some(rowid) = rowids.into_iter().flatten().min() else { return Ok(()) };
            let is_overwritten = overwritten.next_if_eq(&rowid).is_some();
            let (a, b) = (a.filter(|c| c.rowid == rowid), b.filter(|c| c.rowid == rowid));
            let (in_old, in_new) = (a.is_some(), b.is_some());
            let same = match (&a, &b) {
                (Some(a), Some(b)) => a.bytes == b.bytes && !inner.chain_differs(a)? && !is_overwritten,
                _ => false,
            };
            if !same {
                // A row that was written over lies in leaves that both states share.
                let (o, n) = if in_old || in_new { (in_old, in_new) } else { (true, true) };
                let records = a.as_ref().zip(b.as_ref()).map(|(a, b)| (a.payload, b.payload));
                if on(Suspect { rowid, in_old: o, in_new: n, records })?.is_break() {
                    return Ok(());
                }
            }
            if in_old {
                old.advance(&mut inner.old)?;
            }
            if in_new {
                new.advance(&mut inner.new)?;
            }
        }
    }
}

impl Inner {
    fn pages(&mut self, of: Of) -> &mut Pages {
        match of {
            Of::Old => &mut self.old,
            Of::New => &mut self.new,
        }
    }

    /// Marks what lies between the roots and the differing pages; `None` if reading all interior pages is cheaper.
    fn marks(&mut self, kinds: &Kinds, tables: &[Roots], max_descents: usize) -> Result<Option<[Marks; 2]>, DiffError> {
        let mut marks = [Marks::new(), Marks::new()];
        if (kinds.tables[0].len() + kinds.tables[1].len()).saturating_mul(tables.len()) > max_descents {
            return Ok(None);
        }
        for (i, of) in [Of::Old, Of::New].into_iter().enumerate() {
            let mut roots: Vec<u32> = tables.iter().map(|t| if of == Of::Old { t.old } else { t.new }).collect();
            for &n in &kinds.tables[i] {
                if roots.contains(&n) {
                    marks[i].entry(n).or_default().insert(n);
                    continue;
                }
                let Some(rowid) = self.with_node(of, n, |node| node.some_rowid())? else {
                    // Neither a leaf nor an interior page is empty but for a root; whatever it is, look everywhere.
                    return Ok(None);
                };
                for at in 0..roots.len() {
                    let path = self.descend(of, roots[at], n, rowid)?;
                    if !path.is_empty() {
                        marks[i].entry(roots[at]).or_default().extend(path);
                        // Neighbouring pages mostly belong to the same table.
                        roots.swap(0, at);
                        break;
                    }
                }
            }
        }
        Ok(Some(marks))
    }

    /// Returns the pages from a root to page `n`, on the way to a rowid that lies there; none if it is not on it.
    fn descend(&mut self, of: Of, root: u32, n: u32, rowid: i64) -> Result<Vec<u32>, DiffError> {
        let mut path = vec![root];
        while path.len() < 20 {
            let at = *path.last().expect("never empty");
            if at == n {
                return Ok(path);
            }
            let child = self.with_node(of, at, |node| match node.kind {
                TABLE_INTERIOR => node.child_for(rowid),
                _ => None,
            })?;
            let Some(child) = child else { break };
            path.push(child);
            // The page itself was seen already, and a leaf on another way need not be read.
            if child == n {
                return Ok(path);
            }
        }
        Ok(Vec::new())
    }

    fn with_node<T>(&mut self, of: Of, n: u32, f: impl FnOnce(Node<'_>) -> Option<T>) -> Result<Option<T>, DiffError> {
        let pages = self.pages(of);
        let usable = pages.usable();
        let Some(page) = pages.read(n)? else { return Ok(None) };
        Ok(Node::parse(n, &page, usable).and_then(f))
    }

    /// Looks for the leaves of all tables, and returns the differing pages that were met on the way.
    fn find_leaves(&mut self, tables: &[Roots]) -> Result<HashSet<u32>, DiffError> {
        let mut met = HashSet::new();
        for roots in tables {
            let meet = &mut |n| {
                met.insert(n);
            };
            if let Some(leaves) = self.leaves(*roots, meet)? {
                self.found.insert(*roots, leaves);
            }
        }
        Ok(met)
    }

    /// Walks down both trees of a table, and hands every differing page that it meets to `meet`.
    fn leaves(&mut self, roots: Roots, meet: &mut dyn FnMut(u32)) -> Result<Option<Leaves>, DiffError> {
        let (Some(old_height), Some(new_height)) = (self.height(Of::Old, roots.old)?, self.height(Of::New, roots.new)?)
        else {
            return Ok(None);
        };
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for height in (0..=old_height.max(new_height)).rev() {
            if height == old_height {
                old.push(roots.old);
            }
            if height == new_height {
                new.push(roots.new);
            }
            let (in_old, in_new): (HashSet<u32>, HashSet<u32>) =
                (old.iter().copied().collect(), new.iter().copied().collect());
            let common =
                |n: u32, other: &HashSet<u32>, differing: &Differing| other.contains(&n) && !differing.contains(n);
            old.iter().chain(&new).filter(|n| self.differing.contains(**n)).for_each(|n| meet(*n));
            if height == 0 {
                old.retain(|n| !common(*n, &in_new, &self.differing));
                new.retain(|n| !common(*n, &in_old, &self.differing));
                break;
            }
            let mut below = [Vec::new(), Vec::new()];
            for (i, (of, level, other)) in [(Of::Old, &old, &in_new), (Of::New, &new, &in_old)].into_iter().enumerate()
            {
                for &n in level {
                    interrupt::check()?;
                    let Some(children) = self.with_node(of, n, |node| node.children())? else { return Ok(None) };
                    let same = common(n, other, &self.differing);
                    below[i].extend(children.into_iter().filter(|c| !same || self.may_differ(roots, *c, height - 1)));
                }
            }
            [old, new] = below;
        }
        Ok(Some(Leaves { old, new, rowids: Vec::new() }))
    }

    /// Tells whether anything at or below a page that both trees have may differ.
    fn may_differ(&self, roots: Roots, n: u32, height: u32) -> bool {
        let marked = |marks: &Marks, root| marks.get(&root).is_some_and(|m| m.contains(&n));
        match (&self.marks, height) {
            _ if self.differing.contains(n) => true,
            (_, 0) => false,
            (Some([old, new]), _) => marked(old, roots.old) || marked(new, roots.new),
            (None, _) => true,
        }
    }

    /// Returns the number of levels above the leaves; `None` if this is not the tree of a table.
    fn height(&mut self, of: Of, root: u32) -> Result<Option<u32>, DiffError> {
        let mut at = root;
        for height in 0..20 {
            let first = self.with_node(of, at, |node| match node.kind {
                TABLE_LEAF => Some(None),
                TABLE_INTERIOR => node.children().map(|c| c.first().copied()),
                _ => None,
            })?;
            match first {
                Some(None) => return Ok(Some(height)),
                Some(Some(child)) => at = child,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Tells whether no page of an index tree differs, by reading its interior pages.
    fn is_same_tree(&mut self, root: u32) -> Result<bool, DiffError> {
        let mut level = vec![root];
        while let Some(&first) = level.first() {
            if level.iter().any(|n| self.differing.contains(*n)) {
                return Ok(false);
            }
            match self.with_node(Of::New, first, |node| Some(node.kind))? {
                Some(INDEX_LEAF) => return Ok(true),
                Some(INDEX_INTERIOR) => {}
                _ => return Ok(false),
            }
            let mut below = Vec::new();
            for n in level {
                interrupt::check()?;
                match self.with_node(Of::New, n, |node| node.children())? {
                    Some(children) => below.extend(children),
                    None => return Ok(false),
                }
            }
            level = below;
        }
        Ok(true)
    }

    /// Tells whether a cell that is the same in both states has overflow pages that may differ.
    fn chain_differs(&mut self, cell: &Cell<'_>) -> Result<bool, DiffError> {
        let Some((mut next, mut left)) = cell.overflow else { return Ok(false) };
        let usable = self.old.usable() as u64;
        loop {
            if self.differing.contains(next) {
                return Ok(true);
            }
            left = left.saturating_sub(usable - 4);
            if left == 0 {
                return Ok(false);
            }
            match self.old.read(next)?.and_then(|page| be32(&page, 0)) {
                Some(following) if following != 0 => next = following,
                _ => return Ok(true),
            }
        }
    }
}
