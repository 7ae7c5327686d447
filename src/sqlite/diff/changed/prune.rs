//! WITHOUT ROWID tables whose trees are mostly shared: two copies of the trees in which what both share is cut out.
//!
//! SQLite reads the pruned trees as it would read the whole ones, in the order of the key, so nothing here knows what a
//! record holds. A page that both trees have and that does not differ is shared. Of a shared page those children are
//! left out below which everything is shared; its cells between two children that stay, stay. Both trees lose the same
//! rows, as the page and all below it are the same in both. Of a page that is not shared all children stay. A page of a
//! tree has at least two children, so some shared ones stay as well: the first of those that could go, in both trees.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::DiffError;
use super::super::ahead::Ahead;
use super::super::btree::{INDEX_INTERIOR, INDEX_LEAF, with_children};
use super::super::matcher::Of;
use super::{Changed, Inner, Roots};
use crate::model::{PageIdx, PageSource, SourceError};
use crate::util::interrupt;

/// One of the two trees.
struct Tree {
    root: u32,
    height: u32,
    /// The children of every interior page.
    children: HashMap<u32, Vec<u32>>,
    /// The pages by their height above the leaves.
    levels: Vec<HashSet<u32>>,
}

impl Changed {
    /// Prunes the trees of a WITHOUT ROWID table; `None` if that cannot be told from pages, or does not pay.
    pub fn prune(&self, roots: Roots) -> Result<Option<[Arc<dyn PageSource>; 2]>, DiffError> {
        let inner = &mut *self.0.borrow_mut();
        if inner.unexplained {
            return Ok(None);
        }
        let (Some(old), Some(new)) = (inner.tree(Of::Old, roots.old)?, inner.tree(Of::New, roots.new)?) else {
            return Ok(None);
        };
        if old.height == 0 || new.height == 0 {
            return Ok(None);
        }
        let a = inner.pruned(Of::Old, &old, &new)?;
        let b = inner.pruned(Of::New, &new, &old)?;
        Ok(a.zip(b).map(|(a, b)| [a, b]))
    }
}

impl Inner {
    fn tree(&mut self, of: Of, root: u32) -> Result<Option<Tree>, DiffError> {
        let mut tree = Tree { root, height: 0, children: HashMap::new(), levels: Vec::new() };
        let mut level = vec![root];
        loop {
            let Some(first) = level.first().copied() else { return Ok(None) };
            let kind = self.with_node(of, first, |node| Some(node.kind))?;
            tree.levels.push(level.iter().copied().collect());
            match kind {
                Some(INDEX_LEAF) => break,
                Some(INDEX_INTERIOR) if tree.levels.len() < 20 => {}
                _ => return Ok(None),
            }
            let mut below = Vec::new();
            for n in level {
                interrupt::check()?;
                let children = self.with_node(of, n, |node| node.children().filter(|_| node.kind == INDEX_INTERIOR))?;
                let Some(children) = children else { return Ok(None) };
                below.extend_from_slice(&children);
                tree.children.insert(n, children);
            }
            level = below;
        }
        tree.levels.reverse();
        tree.height = tree.levels.len() as u32 - 1;
        Ok(Some(tree))
    }

    /// Returns a state with one of its trees pruned; `None` if a page is not what it should be.
    fn pruned(&mut self, of: Of, tree: &Tree, other: &Tree) -> Result<Option<Arc<dyn PageSource>>, DiffError> {
        let shared = |n: u32, height: usize| {
            other.levels.get(height).is_some_and(|level| level.contains(&n)) && !self.differing.contains(n)
        };
        // Pages below which, or in which, something is not shared.
        let mut dirty: Vec<HashSet<u32>> = Vec::with_capacity(tree.levels.len());
        for (height, level) in tree.levels.iter().enumerate() {
            let below = height.checked_sub(1).and_then(|h| dirty.get(h));
            let is_dirty = |n: &u32| {
                let children = tree.children.get(n).map_or(&[][..], Vec::as_slice);
                !shared(*n, height) || below.is_some_and(|dirty| children.iter().any(|c| dirty.contains(c)))
            };
            let found: HashSet<u32> = level.iter().copied().filter(is_dirty).collect();
            dirty.push(found);
        }
        let mut cuts: Vec<(u32, Vec<usize>)> = Vec::new();
        let mut level = vec![tree.root];
        for height in (1..tree.levels.len()).rev() {
            let mut below = Vec::new();
            for n in level {
                let children = tree.children.get(&n).map_or(&[][..], Vec::as_slice);
                if !shared(n, height) {
                    below.extend_from_slice(children);
                    continue;
                }
                let mut kept: Vec<usize> =
                    (0..children.len()).filter(|i| dirty[height - 1].contains(&children[*i])).collect();
                for spare in 0..children.len().min(2) {
                    if kept.len() < 2 && !kept.contains(&spare) {
                        kept.push(spare);
                    }
                }
                kept.sort_unstable();
                below.extend(kept.iter().map(|i| children[*i]));
                if kept.len() < children.len() {
                    cuts.push((n, kept));
                }
            }
            level = below;
        }
        let pages = self.pages(of);
        let (usable, size) = (pages.usable(), pages.header.page_size);
        let mut cut = HashMap::new();
        for (n, kept) in cuts {
            let Some(page) = pages.read(n)? else { return Ok(None) };
            let Some(page) = with_children(n, &page, usable, &kept) else { return Ok(None) };
            cut.insert(n, page);
        }
        Ok(Some(Arc::new(Pruned { inner: pages.source(), page_size: size, cut })))
    }
}

/// A state in which some pages read otherwise.
struct Pruned {
    inner: Arc<Ahead>,
    page_size: u32,
    cut: HashMap<u32, Vec<u8>>,
}

impl PageSource for Pruned {
    fn byte_len(&self) -> u64 {
        self.inner.byte_len()
    }

    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
        self.inner.read_pages(first, out)?;
        let size = u64::from(self.page_size);
        let (start, end) = (first.byte_offset(), first.byte_offset() + out.len() as u64);
        for n in start / size + 1..=end.div_ceil(size) {
            let Some(page) = u32::try_from(n).ok().and_then(|n| self.cut.get(&n)) else { continue };
            let at = (n - 1) * size;
            let (from, to) = (at.max(start), (at + size).min(end));
            let part = &page[(from - at) as usize..(to - at) as usize];
            out[(from - start) as usize..(to - start) as usize].copy_from_slice(part);
        }
        Ok(())
    }

    fn page_count(&self) -> u32 {
        self.inner.page_count()
    }
}
