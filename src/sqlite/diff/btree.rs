//! B-tree pages (SQLite file format, section 1.6): children, keys, where cells begin and end. No values.
//!
//! Every function returns `None` for a page that is not what it is taken for.

use std::ops::Range;

/// First byte of the b-tree pages of a table with rowids.
pub(super) const TABLE_INTERIOR: u8 = 5;
pub(super) const TABLE_LEAF: u8 = 13;
/// First byte of the b-tree pages of an index or a WITHOUT ROWID table.
pub(super) const INDEX_INTERIOR: u8 = 2;
pub(super) const INDEX_LEAF: u8 = 10;

/// Bytes of a page that lie before its b-tree header.
fn header_at(page_no: u32) -> usize {
    if page_no == 1 { super::super::header::HEADER_LEN } else { 0 }
}

/// A b-tree page.
#[derive(Clone, Copy)]
pub(super) struct Node<'p> {
    bytes: &'p [u8],
    /// Bytes of a page without the reserved ones at its end.
    usable: usize,
    at: usize,
    pub kind: u8,
    cells: usize,
}

/// A cell of a leaf page, or of an interior page of an index.
pub(super) struct Cell<'p> {
    /// The rowid; 0 in an index.
    pub rowid: i64,
    /// All bytes of the cell on this page, the number of the first overflow page included.
    pub bytes: &'p [u8],
    /// The record, as far as it lies on this page.
    pub payload: &'p [u8],
    /// The first overflow page, and the bytes of the payload that lie there and behind.
    pub overflow: Option<(u32, u64)>,
}

impl<'p> Node<'p> {
    pub fn parse(page_no: u32, bytes: &'p [u8], usable: usize) -> Option<Self> {
        let at = header_at(page_no);
        let kind = *bytes.get(at)?;
        if ![TABLE_INTERIOR, TABLE_LEAF, INDEX_INTERIOR, INDEX_LEAF].contains(&kind) {
            return None;
        }
        let cells = usize::from(be16(bytes, at + 3)?);
        Some(Self { bytes, usable: usable.min(bytes.len()), at, kind, cells })
    }

    pub fn is_leaf(&self) -> bool {
        matches!(self.kind, TABLE_LEAF | INDEX_LEAF)
    }

    fn cell_at(&self, i: usize) -> Option<usize> {
        let header = if self.is_leaf() { 8 } else { 12 };
        be16(self.bytes, self.at + header + 2 * i).map(usize::from)
    }

    /// Returns the children in the order of their keys.
    pub fn children(&self) -> Option<Vec<u32>> {
        if self.is_leaf() {
            return None;
        }
        let mut children = Vec::with_capacity(self.cells + 1);
        for i in 0..self.cells {
            children.push(be32(self.bytes, self.cell_at(i)?)?);
        }
        children.push(be32(self.bytes, self.at + 8)?);
        Some(children)
    }

    /// Returns the rowid in cell `i` of a page of a table.
    fn rowid(&self, i: usize) -> Option<i64> {
        let at = self.cell_at(i)?;
        let key_at = match self.kind {
            TABLE_INTERIOR => at + 4,
            TABLE_LEAF => at + varint(self.bytes, at)?.1,
            _ => return None,
        };
        Some(varint(self.bytes, key_at)?.0 as i64)
    }

    /// Returns a rowid that leads to this page from the root of its table.
    pub fn some_rowid(&self) -> Option<i64> {
        if self.cells == 0 { None } else { self.rowid(0) }
    }

    /// Returns the child in which a rowid lies.
    pub fn child_for(&self, rowid: i64) -> Option<u32> {
        let (mut low, mut high) = (0, self.cells);
        while low < high {
            let middle = (low + high) / 2;
            if self.rowid(middle)? < rowid { low = middle + 1 } else { high = middle }
        }
        match low == self.cells {
            true => be32(self.bytes, self.at + 8),
            false => be32(self.bytes, self.cell_at(low)?),
        }
    }

    /// Returns the number of cells.
    pub fn len(&self) -> usize {
        self.cells
    }

    /// Returns cell `i`, which must have a payload.
    pub fn cell(&self, i: usize) -> Option<Cell<'p>> {
        let start = self.cell_at(i)?;
        let mut at = start;
        if self.kind == INDEX_INTERIOR {
            at += 4;
        }
        let (payload, len) = varint(self.bytes, at)?;
        at += len;
        let mut rowid = 0;
        if self.kind == TABLE_LEAF {
            let (key, len) = varint(self.bytes, at)?;
            rowid = key as i64;
            at += len;
        } else if self.kind == TABLE_INTERIOR {
            return None;
        }
        let local = self.local_len(payload)?;
        let Range { start: record, mut end } = at..at.checked_add(local)?;
        let payload_on_page = self.bytes.get(record..end)?;
        let overflow = if local as u64 == payload {
            None
        } else {
            let first = be32(self.bytes, end)?;
            end += 4;
            Some((first, payload - local as u64))
        };
        Some(Cell { rowid, bytes: self.bytes.get(start..end)?, payload: payload_on_page, overflow })
    }

    /// Returns how many bytes of a payload lie on the page itself.
    fn local_len(&self, payload: u64) -> Option<usize> {
        let usable = self.usable as u64;
        let min = (usable.checked_sub(12)? * 32 / 255).checked_sub(23)?;
        let max = match self.kind {
            TABLE_LEAF => usable - 35,
            _ => (usable - 12) * 64 / 255 - 23,
        };
        if payload <= max {
            return Some(payload as usize);
        }
        let wanted = min + (payload - min) % (usable - 4);
        Some(if wanted <= max { wanted } else { min } as usize)
    }
}

/// Returns an interior page with only some of its children, at least two, by their positions in order. The cells that
/// stand between those stay where they are on the page; SQLite reads it, but must not write it.
pub(super) fn with_children(page_no: u32, page: &[u8], usable: usize, kept: &[usize]) -> Option<Vec<u8>> {
    let node = Node::parse(page_no, page, usable).filter(|node| !node.is_leaf())?;
    let (last, before) = kept.split_last().filter(|(_, before)| !before.is_empty())?;
    let mut out = page.to_vec();
    for (i, child) in before.iter().enumerate() {
        let cell = node.cell_at(*child).filter(|_| *child < node.cells)? as u16;
        let at = node.at + 12 + 2 * i;
        out.get_mut(at..at + 2)?.copy_from_slice(&cell.to_be_bytes());
    }
    let right = *node.children()?.get(*last)?;
    out.get_mut(node.at + 3..node.at + 5)?.copy_from_slice(&(before.len() as u16).to_be_bytes());
    out.get_mut(node.at + 8..node.at + 12)?.copy_from_slice(&right.to_be_bytes());
    Some(out)
}

/// Reads a number of 1 to 9 bytes, the last of which counts in full, and its length.
pub(super) fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut n = 0u64;
    for i in 0..8 {
        let byte = *bytes.get(at + i)?;
        n = n << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((n, i + 1));
        }
    }
    Some((n << 8 | u64::from(*bytes.get(at + 8)?), 9))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Reads a big-endian number.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_nine_bytes_use_all_bits_of_the_last() {
        assert_eq!(varint(&[0x7f], 0), Some((127, 1)));
        assert_eq!(varint(&[0x81, 0x00], 0), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9], 0), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0xff; 8], 0), None);
        assert_eq!(varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], 0), Some((1, 9)));
    }
}
