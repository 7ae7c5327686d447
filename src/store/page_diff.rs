//! The pages in which two snapshots differ, found without reading page data.

use std::collections::HashMap;

use super::error::Result;
use super::open_snapshot::OpenSnapshot;
use crate::model::{CommitHash, PageIdx, PageSet, page_map};

/// Returns the pages whose contents differ, among them all pages that only one of the two has.
///
/// Only pages written since the two states had a storage commit in common are looked at; where they have none, page
/// maps are compared chunk by chunk, and then everything. Equal contents written twice cancel out.
pub fn differing_pages(a: &OpenSnapshot, b: &OpenSnapshot) -> Result<PageSet> {
    let (count_a, count_b) = (a.snapshot().page_count, b.snapshot().page_count);
    let mut candidates = candidates(a, b)?;
    let common = count_a.min(count_b);
    candidates.truncate(common);
    if candidates.len() > common / 8 {
        a.prepare_scan()?;
        b.prepare_scan()?;
    }
    let mut out = PageSet::new();
    for page in candidates.iter() {
        let (from, to) = (a.origin(page)?, b.origin(page)?);
        let same_origin = match (&from, &to) {
            (Some(x), Some(y)) => x.hash == y.hash,
            (None, None) => true,
            _ => false,
        };
        if !same_origin && a.page_hash(page)? != b.page_hash(page)? {
            out.insert(page);
        }
    }
    if let (Some(first), Some(last)) = (PageIdx::new(common + 1), PageIdx::new(count_a.max(count_b)))
        && first <= last
    {
        out.insert_range(first..=last);
    }
    Ok(out)
}

/// Returns pages among which are all those, within both sizes, that may differ.
fn candidates(a: &OpenSnapshot, b: &OpenSnapshot) -> Result<PageSet> {
    let position: HashMap<CommitHash, usize> = a.commits().iter().enumerate().map(|(i, c)| (c.hash, i)).collect();
    let shared = b.commits().iter().enumerate().find_map(|(j, c)| position.get(&c.hash).map(|i| (*i, j)));
    let (newer_a, newer_b) = shared.unwrap_or((a.commits().len(), b.commits().len()));
    let mut out = PageSet::new();
    let mut floor = u32::MAX;
    for commit in a.commits()[..newer_a].iter().chain(&b.commits()[..newer_b]) {
        out.union_with(&commit.commit.pages);
        floor = floor.min(commit.commit.page_count);
    }
    if shared.is_none() {
        let all = a.snapshot().page_count.min(b.snapshot().page_count);
        match (a.map(), b.map()) {
            (Some(x), Some(y)) => {
                for chunk in 0..all.div_ceil(page_map::CHUNK_PAGES) as usize {
                    if x.chunks.get(chunk) != y.chunks.get(chunk) {
                        let first = chunk as u32 * page_map::CHUNK_PAGES + 1;
                        insert(&mut out, first, first + page_map::CHUNK_PAGES - 1);
                    }
                }
            }
            _ => out.union_with(&PageSet::first(all)),
        }
    }
    // A shrink on one side makes zeros of what lay beyond it, although nothing was written there.
    insert(&mut out, floor.saturating_add(1), a.snapshot().page_count.min(b.snapshot().page_count));
    Ok(out)
}

fn insert(set: &mut PageSet, first: u32, last: u32) {
    if let (Some(first), Some(last)) = (PageIdx::new(first), PageIdx::new(last))
        && first <= last
    {
        set.insert_range(first..=last);
    }
}
