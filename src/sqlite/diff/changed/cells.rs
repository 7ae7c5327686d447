//! The cells of leaves in the order of their rowids.

use super::super::DiffError;
use super::super::ahead::{Numbered, Stream};
use super::super::btree::{Cell, Node, TABLE_LEAF};
use super::super::pages::Pages;

/// Leaves from which on a thread reads ahead.
const MANY: usize = 64;

/// The cells of some leaves, one after another.
pub(super) struct Cells {
    leaves: Leaves,
    page: Option<Numbered>,
    i: usize,
    len: usize,
    last: Option<i64>,
}

/// Where leaves come from.
enum Leaves {
    Few(std::vec::IntoIter<u32>),
    Many(Stream),
}

impl Leaves {
    fn next(&mut self, pages: &mut Pages) -> Result<Option<Numbered>, DiffError> {
        match self {
            Self::Many(stream) => stream.next(),
            Self::Few(numbers) => match numbers.next() {
                Some(n) => Ok(Some((n, pages.read(n)?.ok_or(DiffError::Malformed { page: n })?))),
                None => Ok(None),
            },
        }
    }
}

impl Cells {
    pub fn of(leaves: Vec<u32>, pages: &Pages) -> Self {
        let leaves = match leaves.len() < MANY || leaves.iter().any(|n| *n == 0 || *n > pages.count) {
            true => Leaves::Few(leaves.into_iter()),
            false => Leaves::Many(pages.stream(leaves)),
        };
        Self { leaves, page: None, i: 0, len: 0, last: None }
    }

    /// Goes on to the next leaf that has a cell left.
    pub fn settle(&mut self, pages: &mut Pages) -> Result<(), DiffError> {
        while self.i == self.len {
            let Some((n, page)) = self.leaves.next(pages)? else {
                self.page = None;
                return Ok(());
            };
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
