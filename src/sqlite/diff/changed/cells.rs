//! The cells of leaves in the order of their rowids.

use std::sync::Arc;

use super::super::DiffError;
use super::super::btree::{Cell, Node, TABLE_LEAF};
use super::super::pages::Pages;

/// The cells of some leaves, one after another.
pub(super) struct Cells {
    leaves: std::vec::IntoIter<u32>,
    page: Option<(u32, Arc<[u8]>)>,
    i: usize,
    len: usize,
    last: Option<i64>,
}

impl Cells {
    pub fn of(leaves: Vec<u32>) -> Self {
        Self { leaves: leaves.into_iter(), page: None, i: 0, len: 0, last: None }
    }

    /// Goes on to the next leaf that has a cell left.
    pub fn settle(&mut self, pages: &mut Pages) -> Result<(), DiffError> {
        while self.i == self.len {
            let Some(n) = self.leaves.next() else {
                self.page = None;
                return Ok(());
            };
            let page = pages.read(n)?.ok_or(DiffError::Malformed { page: n })?;
            let node = Node::parse(n, &page, pages.usable()).filter(|node| node.kind == TABLE_LEAF);
            self.len = node.ok_or(DiffError::Malformed { page: n })?.len();
            self.i = 0;
            self.page = Some((n, page));
        }
        Ok(())
    }

    /// Returns the cell that is next.
    pub fn cell(&self, usable: usize) -> Result<Option<Cell<'_>>, DiffError> {
        let Some((n, page)) = &self.page else { return Ok(None) };
        let malformed = DiffError::Malformed { page: *n };
        let cell = Node::parse(*n, page, usable).and_then(|node| node.cell(self.i)).ok_or(malformed)?;
        if self.last.is_some_and(|last| last >= cell.rowid) {
            return Err(DiffError::Malformed { page: *n });
        }
        Ok(Some(cell))
    }

    /// Goes on to the next cell.
    pub fn advance(&mut self, pages: &mut Pages) -> Result<(), DiffError> {
        self.last = self.cell(pages.usable())?.map(|c| c.rowid);
        self.i += 1;
        self.settle(pages)
    }
}
