//! What the differing pages are, and to which rows those belong that are no b-tree pages.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::super::DiffError;
use super::super::btree::{Cell, INDEX_INTERIOR, INDEX_LEAF, Node, TABLE_INTERIOR, TABLE_LEAF, be32};
use super::super::matcher::Of;
use super::{Inner, Roots};
use crate::util::interrupt;

/// The differing pages by what they are.
#[derive(Default)]
pub(super) struct Kinds {
    /// Pages of tables, in the old and in the new state.
    pub tables: [Vec<u32>; 2],
    /// All pages with cells, in the old and in the new state.
    pub cells: [Vec<u32>; 2],
    pub index_pages: bool,
    /// Pages that may be overflow pages in both states.
    pub overflow: BTreeSet<u32>,
}

impl Inner {
    /// Looks at the first byte of every page that differs, but for those known to belong to tables.
    pub(super) fn kinds(&mut self, known: &HashSet<u32>) -> Result<Kinds, DiffError> {
        let mut kinds = Kinds::default();
        let mut wanted = self.differing.pages();
        wanted.retain(|n| *n > 1 && !known.contains(n));
        let within = |count: u32| wanted.iter().copied().filter(|n| *n <= count).collect();
        let (mut old, mut new) = (self.old.stream(within(self.old.count)), self.new.stream(within(self.new.count)));
        for n in wanted.iter().copied() {
            interrupt::check()?;
            let old = if n <= self.old.count { old.next()?.map(|(_, page)| page) } else { None };
            let new = if n <= self.new.count { new.next()?.map(|(_, page)| page) } else { None };
            if old == new {
                continue;
            }
            let first = |page: &Option<Arc<[u8]>>| page.as_ref().map(|p| p[0]);
            for (i, kind) in [first(&old), first(&new)].into_iter().enumerate() {
                match kind {
                    Some(TABLE_LEAF) => {
                        kinds.tables[i].push(n);
                        kinds.cells[i].push(n);
                    }
                    Some(TABLE_INTERIOR) => kinds.tables[i].push(n),
                    Some(INDEX_LEAF | INDEX_INTERIOR) => {
                        kinds.index_pages = true;
                        kinds.cells[i].push(n);
                    }
                    _ => {}
                }
            }
            if let (Some(0 | 1), Some(0 | 1)) = (first(&old), first(&new)) {
                kinds.overflow.insert(n);
            }
        }
        Ok(kinds)
    }

    /// Takes out of the possible overflow pages what is known to be something else, or to belong to a differing page.
    pub(super) fn explain(&mut self, kinds: &mut Kinds) -> Result<(), DiffError> {
        let overflow = &mut kinds.overflow;
        if overflow.is_empty() {
            return Ok(());
        }
        overflow.remove(&self.old.header.lock_byte_page());
        if self.old.header.auto_vacuum {
            let entries = self.old.usable() as u32 / 5 + 1;
            let lock = self.old.header.lock_byte_page();
            let is_map = |n: u32| (n - 2).is_multiple_of(entries);
            overflow.retain(|n| !(is_map(*n) || *n == lock + 1 && is_map(lock)));
        }
        for of in [Of::Old, Of::New] {
            if overflow.is_empty() {
                return Ok(());
            }
            for n in self.pages(of).free_pages()?.unwrap_or_default() {
                overflow.remove(&n);
            }
        }
        // Leaves that were not read until now: some overflow page has to be explained.
        for leaves in self.found.values() {
            kinds.cells[0].extend_from_slice(&leaves.old);
            kinds.cells[1].extend_from_slice(&leaves.new);
        }
        for (i, of) in [(1, Of::New), (0, Of::Old)] {
            for &n in &kinds.cells[i] {
                if overflow.is_empty() {
                    return Ok(());
                }
                interrupt::check()?;
                self.each_chain(of, n, &mut |_, chain| {
                    overflow.retain(|n| !chain.contains(n));
                    !overflow.is_empty()
                })?;
            }
        }
        Ok(())
    }

    /// Calls `on` with the rowid and the overflow pages of every cell on a page that has some, until it says no.
    fn each_chain(&mut self, of: Of, n: u32, on: &mut dyn FnMut(i64, &[u32]) -> bool) -> Result<(), DiffError> {
        let usable = self.pages(of).usable();
        let Some(page) = self.pages(of).read(n)? else { return Ok(()) };
        let Some(node) = Node::parse(n, &page, usable) else { return Ok(()) };
        let mut chain = Vec::new();
        for i in 0..node.len() {
            let Some(Cell { rowid, overflow: Some((first, len)), .. }) = node.cell(i) else { continue };
            chain.clear();
            let (mut next, mut left) = (first, len);
            while let Some(page) = self.pages(of).read(next)? {
                chain.push(next);
                left = left.saturating_sub(usable as u64 - 4);
                match be32(&page, 0) {
                    Some(following) if left > 0 => next = following,
                    _ => break,
                }
            }
            if !on(rowid, &chain) {
                break;
            }
        }
        Ok(())
    }

    /// Looks through all leaves for the rows to which overflow pages belong, and takes those pages out.
    pub(super) fn find_owners(&mut self, overflow: &mut BTreeSet<u32>, tables: &[Roots]) -> Result<(), DiffError> {
        for roots in tables {
            if overflow.is_empty() {
                return Ok(());
            }
            let mut found = Vec::new();
            let mut level = vec![roots.new];
            while !level.is_empty() && !overflow.is_empty() {
                let mut below = Vec::new();
                for n in level {
                    interrupt::check()?;
                    let children = self.with_node(Of::New, n, |node| match node.kind {
                        TABLE_INTERIOR => node.children(),
                        _ => Some(Vec::new()),
                    })?;
                    let children = children.unwrap_or_default();
                    if children.is_empty() {
                        self.each_chain(Of::New, n, &mut |rowid, chain| {
                            let before = overflow.len();
                            overflow.retain(|n| !chain.contains(n));
                            if overflow.len() < before {
                                found.push(rowid);
                            }
                            !overflow.is_empty()
                        })?;
                    }
                    below.extend(children);
                }
                level = below;
            }
            if !found.is_empty() {
                found.sort_unstable();
                self.overwritten.insert(roots.new, found);
            }
        }
        Ok(())
    }
}
