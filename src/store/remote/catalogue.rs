//! Catalogues: lists of older bundles, so that the root stays small however often is pushed.
//!
//! When the root lists too many bundles, the oldest become a catalogue; when there are too many catalogues of one level, they
//! become one of the next. Catalogues are named by their hash and never change.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::error::{RemoteError, Result};
use super::place::Remote;
use super::root::{BundleEntry, CatalogueEntry, Root};
use crate::model::cbor;

/// Bundles that the root lists at the most, and how many of them become a catalogue then.
const RECENT: usize = 64;
const FOLDED: usize = 48;
/// Catalogues of one level at the most.
const FAN: usize = 16;

/// A list of bundles, oldest first.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    bundles: Vec<BundleEntry>,
}

impl CatalogueEntry {
    /// Returns the key of the catalogue.
    pub fn key(&self) -> String {
        format!("catalogues/{}", blake3::Hash::from_bytes(self.hash.into_array()).to_hex())
    }
}

impl Remote {
    /// Reads the bundles of a catalogue.
    pub fn catalogue(&self, entry: &CatalogueEntry) -> Result<Vec<BundleEntry>> {
        let key = entry.key();
        let bundles = self.catalogue_of_key(&key)?;
        match bundles.len() as u64 == entry.bundles && bundles.iter().all(BundleEntry::is_within_limits) {
            true => Ok(bundles),
            false => Err(self.damaged_catalogue(&key, "it does not have the bundles it should")),
        }
    }

    /// Reads the bundles of the catalogue with a key.
    pub(super) fn catalogue_of_key(&self, key: &str) -> Result<Vec<BundleEntry>> {
        let bytes = self.needed(key)?;
        if key.rsplit('/').next() != Some(blake3::hash(&bytes).to_hex().as_str()) {
            return Err(self.damaged_catalogue(key, "it does not match its hash"));
        }
        let list: Catalogue = cbor::decode(&bytes).map_err(|e| self.damaged_catalogue(key, &e.to_string()))?;
        Ok(list.bundles)
    }

    fn damaged_catalogue(&self, key: &str, what: &str) -> RemoteError {
        RemoteError::Damaged { url: self.url().to_owned(), key: key.to_owned(), what: what.to_owned() }
    }

    /// Returns all bundles, oldest first.
    pub fn all_bundles(&self, root: &Root) -> Result<Vec<BundleEntry>> {
        let mut all = Vec::new();
        for entry in &root.catalogues {
            all.extend(self.catalogue(entry)?);
        }
        all.extend(&root.bundles);
        Ok(all)
    }

    /// Moves bundles out of a root that lists too many.
    pub(super) fn fold(&self, root: &mut Root) -> Result<()> {
        while root.bundles.len() > RECENT {
            let old = root.bundles.drain(..FOLDED).collect();
            root.catalogues.push(self.write_catalogue(old, 0)?);
            while let Some(run) = full_run(&root.catalogues) {
                let level = root.catalogues[run.start].level.saturating_add(1);
                let mut merged = Vec::new();
                for entry in &root.catalogues[run.clone()] {
                    merged.extend(self.catalogue(entry)?);
                }
                let merged = self.write_catalogue(merged, level)?;
                root.catalogues.splice(run, [merged]);
            }
        }
        Ok(())
    }

    pub(super) fn write_catalogue(&self, bundles: Vec<BundleEntry>, level: u8) -> Result<CatalogueEntry> {
        let count = bundles.len() as u64;
        let bytes = cbor::encode(&Catalogue { bundles });
        let hash = ByteArray::new(*blake3::hash(&bytes).as_bytes());
        let entry = CatalogueEntry { hash, bundles: count, level };
        self.write_new(&entry.key(), &bytes)?;
        Ok(entry)
    }
}

/// Returns the places of catalogues to merge: the last ones, of one level, if there are enough of them.
fn full_run(all: &[CatalogueEntry]) -> Option<std::ops::Range<usize>> {
    let level = all.last()?.level;
    let count = all.iter().rev().take_while(|entry| entry.level == level).count();
    (count >= FAN).then(|| all.len() - count..all.len())
}
