//! Pages and positions: `PageIdx` numbers pages from 1, `Lsn` numbers storage commits from 1.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Bytes in a page, whatever SQLite's own page size is.
pub const PAGE_SIZE: usize = 4096;

/// The bytes of one page.
pub type PageBuf = [u8; PAGE_SIZE];

/// A page of zeros: what absent pages read as.
pub const ZERO_PAGE: PageBuf = [0; PAGE_SIZE];

/// Defines a number that starts at 1.
macro_rules! one_based {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name($int);

        impl $name {
            /// The first one.
            pub const FIRST: Self = Self(1);

            /// Wraps a number; `None` for 0.
            pub const fn new(n: $int) -> Option<Self> {
                if n == 0 { None } else { Some(Self(n)) }
            }

            /// Returns the number, at least 1.
            pub const fn get(self) -> $int {
                self.0
            }

            /// Returns the next one; `None` at the end of the number range.
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Self::new(<$int>::deserialize(d)?)
                    .ok_or_else(|| serde::de::Error::custom(concat!(stringify!($name), " starts at 1")))
            }
        }
    };
}

one_based!(
    /// Position of a page in a file: 1, 2, …
    PageIdx,
    u32
);
one_based!(
    /// Log sequence number of a storage commit within its log: 1, 2, …
    Lsn,
    u64
);

impl PageIdx {
    /// Returns the offset of the page's first byte in its file.
    pub const fn byte_offset(self) -> u64 {
        (self.0 as u64 - 1) * PAGE_SIZE as u64
    }

    /// Returns the page that holds byte `offset`; `None` beyond 16 TiB.
    pub fn of_offset(offset: u64) -> Option<Self> {
        u32::try_from(offset / PAGE_SIZE as u64 + 1).ok().map(Self)
    }
}

/// Returns how many pages `byte_len` bytes take; `None` beyond 16 TiB.
pub fn pages_for(byte_len: u64) -> Option<u32> {
    u32::try_from(byte_len.div_ceil(PAGE_SIZE as u64)).ok()
}
