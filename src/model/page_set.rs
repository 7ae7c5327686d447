//! The set of pages that a storage commit, a segment or a difference covers.
//!
//! Encoded as maximal runs, each two LEB128 numbers: the gap to the run before (at least 1 between runs)
//! and the length minus one. One set has one encoding, so it may be part of what is hashed.

use std::fmt;
use std::ops::RangeInclusive;

use roaring::RoaringBitmap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PageIdx;

/// A sorted set of page numbers.
#[derive(Clone, PartialEq, Default)]
pub struct PageSet(RoaringBitmap);

impl PageSet {
    /// Returns the empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the set of pages 1 to `count`.
    pub fn first(count: u32) -> Self {
        let mut set = Self::new();
        if count > 0 {
            set.0.insert_range(1..=count);
        }
        set
    }

    /// Adds a page; returns whether it was new.
    pub fn insert(&mut self, page: PageIdx) -> bool {
        self.0.insert(page.get())
    }

    /// Adds all pages of a range.
    pub fn insert_range(&mut self, range: RangeInclusive<PageIdx>) {
        self.0.insert_range(range.start().get()..=range.end().get());
    }

    /// Takes a page out; returns whether it was in.
    pub fn remove(&mut self, page: PageIdx) -> bool {
        self.0.remove(page.get())
    }

    /// Takes out all pages beyond `count`.
    pub fn truncate(&mut self, count: u32) {
        if count < u32::MAX {
            self.0.remove_range(count + 1..);
        }
    }

    /// Adds all pages of another set.
    pub fn union_with(&mut self, other: &Self) {
        self.0 |= &other.0;
    }

    /// Tells whether a page is in the set.
    pub fn contains(&self, page: PageIdx) -> bool {
        self.0.contains(page.get())
    }

    /// Returns how many pages of the set come before `page`; `None` if `page` is not in it.
    pub fn rank(&self, page: PageIdx) -> Option<u32> {
        self.contains(page).then(|| (self.0.rank(page.get()) - 1) as u32)
    }

    /// Returns the number of pages.
    pub fn len(&self) -> u32 {
        self.0.len() as u32
    }

    /// Tells whether no page is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the highest page.
    pub fn max(&self) -> Option<PageIdx> {
        self.0.max().and_then(PageIdx::new)
    }

    /// Iterates over the pages in order.
    pub fn iter(&self) -> impl Iterator<Item = PageIdx> + '_ {
        self.0.iter().filter_map(PageIdx::new)
    }

    /// Iterates over the pages from `start` on, in order.
    pub fn iter_from(&self, start: PageIdx) -> impl Iterator<Item = PageIdx> + '_ {
        self.0.range(start.get()..).filter_map(PageIdx::new)
    }

    /// Iterates over the maximal runs of neighbouring pages, in order.
    pub fn runs(&self) -> impl Iterator<Item = RangeInclusive<PageIdx>> + '_ {
        let mut iter = self.0.iter();
        std::iter::from_fn(move || {
            let range = iter.next_range()?;
            Some(PageIdx::new(*range.start())?..=PageIdx::new(*range.end())?)
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut free = 1u32;
        for run in self.runs() {
            let (start, end) = (run.start().get(), run.end().get());
            put_varint(&mut out, start - free);
            put_varint(&mut out, end - start);
            free = end.saturating_add(1);
        }
        out
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut set = RoaringBitmap::new();
        let mut free = Some(1u32);
        while !bytes.is_empty() {
            let gap = take_varint(&mut bytes)?;
            let more = take_varint(&mut bytes)?;
            let from = free?;
            if gap == 0 && from != 1 {
                return None;
            }
            let start = from.checked_add(gap)?;
            let end = start.checked_add(more)?;
            set.insert_range(start..=end);
            free = end.checked_add(1);
        }
        Some(Self(set))
    }
}

impl FromIterator<PageIdx> for PageSet {
    fn from_iter<I: IntoIterator<Item = PageIdx>>(pages: I) -> Self {
        Self(pages.into_iter().map(PageIdx::get).collect())
    }
}

impl Extend<PageIdx> for PageSet {
    fn extend<I: IntoIterator<Item = PageIdx>>(&mut self, pages: I) {
        self.0.extend(pages.into_iter().map(PageIdx::get));
    }
}

/// Writes the runs: `1-4 9 12-13`.
impl fmt::Display for PageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, run) in self.runs().enumerate() {
            let space = if i == 0 { "" } else { " " };
            match (run.start(), run.end()) {
                (a, b) if a == b => write!(f, "{space}{a}")?,
                (a, b) => write!(f, "{space}{a}-{b}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageSet({self})")
    }
}

impl Serialize for PageSet {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for PageSet {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes: serde_bytes::ByteBuf = Deserialize::deserialize(d)?;
        Self::from_bytes(&bytes).ok_or_else(|| serde::de::Error::custom("not a page set"))
    }
}

fn put_varint(out: &mut Vec<u8>, mut n: u32) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Takes one number off the front; `None` if it is cut short, too large or longer than need be.
fn take_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut n = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(5) {
        n |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            *bytes = &bytes[i + 1..];
            return if byte == 0 && i > 0 { None } else { u32::try_from(n).ok() };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cbor;
    use proptest::prelude::*;

    fn idx(n: u32) -> PageIdx {
        PageIdx::new(n).expect("from 1")
    }

    proptest! {
        #[test]
        fn encoding_round_trips(pages in proptest::collection::btree_set(1u32..5000, 0..300)) {
            let set: PageSet = pages.iter().copied().map(idx).collect();
            let back: PageSet = cbor::decode(&cbor::encode(&set)).expect("own encoding");
            prop_assert_eq!(&back, &set);
            for (rank, page) in pages.iter().enumerate() {
                prop_assert_eq!(set.rank(idx(*page)), Some(rank as u32));
            }
        }

        #[test]
        fn no_two_encodings_of_one_set(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(set) = PageSet::from_bytes(&bytes) {
                prop_assert_eq!(set.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn edges() {
        let mut set = PageSet::first(3);
        set.insert(idx(u32::MAX));
        assert_eq!(set.to_string(), "1-3 4294967295");
        assert_eq!(PageSet::from_bytes(&set.to_bytes()), Some(set.clone()));
        set.truncate(2);
        assert_eq!(set.to_string(), "1-2");
        assert!(PageSet::new().to_bytes().is_empty());
        assert_eq!(set.rank(idx(9)), None);
    }
}
