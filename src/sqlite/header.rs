//! The 100-byte database header (SQLite file format, section 1.3).

use std::ops::Range;

use crate::model::PageBuf;

/// Bytes of the header.
pub const HEADER_LEN: usize = 100;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Fields that SQLite or Graft rewrites although no row and no schema object changes: journal mode (18–19), change
/// counter (24–27), schema cookie (40–43), version-valid-for and library version (92–99).
///
/// The cookie is among them because [`super::write_in_place`] must never let it go back to a value that a connected
/// application has already seen with another schema; a real change of the schema changes other bytes as well.
const VOLATILE: [Range<usize>; 4] = [JOURNAL_MODE, 24..28, COOKIE_AT..COOKIE_AT + 4, 92..100];

/// The two bytes that say whether the database is in WAL mode.
pub(super) const JOURNAL_MODE: Range<usize> = 18..20;

/// Where the number of pages lies.
const COUNT_AT: usize = 28;

/// Where the schema cookie lies.
pub(super) const COOKIE_AT: usize = 40;

/// Text encoding of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, little-endian.
    Utf16le,
    /// UTF-16, big-endian.
    Utf16be,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Utf8, Self::Utf16le, Self::Utf16be];

    /// Returns the name that `PRAGMA encoding` takes.
    pub const fn pragma(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16le => "UTF-16le",
            Self::Utf16be => "UTF-16be",
        }
    }
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// SQLite's page size in bytes: a power of two from 512 to 65536.
    pub page_size: u32,
    /// Bytes at the end of each page that SQLite leaves to extensions.
    pub reserved: u8,
    /// The database is in WAL mode.
    pub wal: bool,
    /// Changes with every transaction in rollback mode.
    pub change_counter: u32,
    /// Pages of the database; `None` if the last writer did not keep the field (before SQLite 3.7).
    pub page_count: Option<u32>,
    /// Pages on the freelist.
    pub free_pages: u32,
    /// Changes with every change of the schema.
    pub schema_cookie: u32,
    /// Keeps pointer-map pages.
    pub auto_vacuum: bool,
    /// Shrinks the file only when asked to.
    pub incremental_vacuum: bool,
    /// Text encoding.
    pub encoding: Encoding,
    /// `PRAGMA user_version`.
    pub user_version: i32,
    /// `PRAGMA application_id`.
    pub application_id: i32,
}

impl Header {
    /// Reads the header from the first bytes of a file; `None` if they are not those of a database.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER_LEN || &bytes[..16] != MAGIC {
            return None;
        }
        let page_size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65536,
            n if n >= 512 && n.is_power_of_two() => u32::from(n),
            _ => return None,
        };
        let count = be32(bytes, COUNT_AT);
        Some(Self {
            page_size,
            reserved: bytes[20],
            wal: bytes[19] == 2,
            change_counter: be32(bytes, 24),
            page_count: (count > 0 && bytes[24..28] == bytes[92..96]).then_some(count),
            free_pages: be32(bytes, 36),
            schema_cookie: be32(bytes, 40),
            auto_vacuum: be32(bytes, 52) != 0,
            incremental_vacuum: be32(bytes, 64) != 0,
            encoding: match be32(bytes, 56) & 3 {
                2 => Encoding::Utf16le,
                3 => Encoding::Utf16be,
                _ => Encoding::Utf8,
            },
            user_version: be32(bytes, 60) as i32,
            application_id: be32(bytes, 68) as i32,
        })
    }

    /// Returns the number of bytes that the header says the database has; `None` if it does not say.
    pub fn byte_len(&self) -> Option<u64> {
        self.page_count.map(|n| u64::from(n) * u64::from(self.page_size))
    }

    /// Returns the SQLite page (from 1) that holds the byte 2^30, which is never used.
    pub fn lock_byte_page(&self) -> u32 {
        (1 << 30) / self.page_size + 1
    }
}

/// Tells whether two first pages hold the same rows and schema: all but the volatile fields (journal mode, change counter,
/// schema cookie, library version) is equal.
///
/// The number of pages is volatile too where the old page does not keep it, as writers before SQLite 3.7 do not: the first
/// transaction of a newer one fills it in.
pub fn same_but_volatile(old: &PageBuf, new: &PageBuf) -> bool {
    let (mut old, mut new) = (*old, *new);
    if Header::parse(&old).is_some_and(|h| h.page_count.is_none()) {
        for page in [&mut old, &mut new] {
            page[COUNT_AT..COUNT_AT + 4].fill(0);
        }
    }
    mask(&mut old);
    mask(&mut new);
    old == new
}

/// Zeroes the volatile fields of a first page of any size; one that does not begin like a database stays as it is.
pub(super) fn mask(page1: &mut [u8]) {
    if page1.starts_with(MAGIC) {
        for field in VOLATILE {
            page1[field].fill(0);
        }
    }
}

/// Reads a big-endian number.
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PAGE_SIZE;

    #[test]
    fn rejects_what_is_no_database() {
        let mut page = [0u8; PAGE_SIZE];
        assert_eq!(Header::parse(&page), None);
        page[..16].copy_from_slice(MAGIC);
        assert_eq!(Header::parse(&page), None, "a page size of 0");
        page[16..18].copy_from_slice(&[0, 1]);
        assert_eq!(Header::parse(&page).map(|h| h.page_size), Some(65536));
        assert_eq!(Header::parse(&page[..99]), None);
        page[16..18].copy_from_slice(&[3, 0]);
        assert_eq!(Header::parse(&page), None, "768 is no power of two");
    }

    #[test]
    fn masks_only_databases() {
        let mut page = [7u8; PAGE_SIZE];
        mask(&mut page);
        assert_eq!(page, [7u8; PAGE_SIZE]);
        page[..16].copy_from_slice(MAGIC);
        mask(&mut page);
        assert_eq!(page.iter().filter(|b| **b == 0).count(), 1 + 2 + 4 + 4 + 8);
    }

    #[test]
    fn the_number_of_pages_counts_only_where_it_is_kept() {
        let page = |count: u8, valid_for: u8| {
            let mut page = [0u8; PAGE_SIZE];
            page[..16].copy_from_slice(MAGIC);
            (page[16], page[27], page[31], page[95]) = (16, 8, count, valid_for);
            page
        };
        assert!(same_but_volatile(&page(0, 0), &page(34, 8)), "filled in by a newer writer");
        assert!(!same_but_volatile(&page(33, 8), &page(34, 8)), "another number of pages");
    }
}
