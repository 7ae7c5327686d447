//! The root of a remote: its refs and the list of what was ever pushed to it, in one object that is replaced as a whole.
//!
//! ```text
//! graft remote 1 <BLAKE3 of what follows, 64 hex digits>\n
//! canonical CBOR of Root
//! ```
//!
//! Replacing it by compare-and-swap is the one moment at which a push becomes visible, all of its refs at once. Every
//! replacement leaves a nonce in it, so that equal content never gives an equal entity tag, and so that whoever lost the
//! answer to a request can see whether it was heard.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::error::{RemoteError, Result};
use crate::model::gid::PackId;
use crate::model::{ObjectId, RefName, cbor, limits};

/// The format version written by this program and the newest it reads.
pub const VERSION: u32 = 1;
/// The key of the root.
pub const ROOT: &str = "root";

const MAGIC: &str = "graft remote ";
/// Replacements whose nonces are remembered.
const UPDATES_KEPT: usize = 64;

/// What one replacement of the root is known by.
pub type Nonce = ByteArray<16>;

/// What a remote holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// The lasting identity of the remote.
    pub id: Nonce,
    /// The nonces of the last replacements, newest last.
    pub updates: Vec<Nonce>,
    /// How often objects were removed; a push that planned before and arrives after has to plan again.
    pub collections: u64,
    /// The branch that a clone checks out.
    pub head: Option<RefName>,
    /// The refs, sorted by name.
    pub refs: Vec<RefEntry>,
    /// The newest bundles, oldest first.
    pub bundles: Vec<BundleEntry>,
    /// Lists of the older ones, oldest first.
    pub catalogues: Vec<CatalogueEntry>,
}

/// One ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefEntry {
    /// Its full name.
    pub name: RefName,
    /// What it names.
    pub id: ObjectId,
    /// What an annotated tag leads to.
    pub peeled: Option<ObjectId>,
}

/// One bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleEntry {
    /// Its id, which names the object `bundles/<id>`.
    pub id: PackId,
    /// Its length in bytes.
    pub len: u64,
    /// How many of them, at its end, are all but page contents.
    pub tail: u64,
    /// The BLAKE3 of its bytes.
    pub hash: ByteArray<32>,
}

/// One list of bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    /// The BLAKE3 of its bytes, which names the object `catalogues/<hash>`.
    pub hash: ByteArray<32>,
    /// Bundles in it.
    pub bundles: u64,
    /// How often lists were merged into it.
    pub level: u8,
}

impl BundleEntry {
    /// Tells whether the bundle may be as long as this says.
    pub(super) fn is_within_limits(&self) -> bool {
        self.len <= limits::BUNDLE
    }
}

impl Root {
    /// Returns the root of a new remote.
    pub fn new(id: [u8; 16]) -> Self {
        Self {
            id: Nonce::new(id),
            updates: Vec::new(),
            collections: 0,
            head: None,
            refs: Vec::new(),
            bundles: Vec::new(),
            catalogues: Vec::new(),
        }
    }

    /// Returns the value of a ref.
    pub fn get(&self, name: &RefName) -> Option<ObjectId> {
        self.refs.binary_search_by(|r| r.name.cmp(name)).ok().map(|at| self.refs[at].id)
    }

    /// Sets a ref to an object, and to what that leads to if it is an annotated tag.
    pub fn set(&mut self, name: &RefName, id: ObjectId, peeled: Option<ObjectId>) {
        let entry = RefEntry { name: name.clone(), id, peeled };
        match self.refs.binary_search_by(|r| r.name.cmp(name)) {
            Ok(at) => self.refs[at] = entry,
            Err(at) => self.refs.insert(at, entry),
        }
    }

    /// Removes a ref.
    pub fn unset(&mut self, name: &RefName) {
        self.refs.retain(|r| r.name != *name);
    }

    /// Signs the next replacement.
    pub fn sign(&mut self, nonce: Nonce) {
        self.updates.push(nonce);
        let surplus = self.updates.len().saturating_sub(UPDATES_KEPT);
        self.updates.drain(..surplus);
    }

    /// Returns the bytes of the object.
    pub fn encode(&self) -> Vec<u8> {
        let body = cbor::encode(self);
        let mut out = format!("{MAGIC}{VERSION} {}\n", blake3::hash(&body).to_hex()).into_bytes();
        out.extend_from_slice(&body);
        out
    }

    /// Reads the object; `url` is for errors.
    pub fn decode(bytes: &[u8], url: &str) -> Result<Self> {
        let damaged =
            |what: &str| RemoteError::Damaged { url: url.to_owned(), key: ROOT.to_owned(), what: what.to_owned() };
        let end = bytes.iter().take(120).position(|&b| b == b'\n').ok_or_else(|| damaged("it has no first line"))?;
        let head = std::str::from_utf8(&bytes[..end]).ok().and_then(|line| line.strip_prefix(MAGIC));
        let (version, hash) = head.and_then(|h| h.split_once(' ')).ok_or_else(|| damaged("it has no first line"))?;
        if version.parse::<u32>().is_ok_and(|v| v > VERSION) {
            let (url, version) = (url.to_owned(), version.to_owned());
            return Err(RemoteError::NewerVersion { url, version, supported: VERSION });
        }
        let body = &bytes[end + 1..];
        if version != VERSION.to_string() || blake3::hash(body).to_hex().as_str() != hash {
            return Err(damaged("it does not match its checksum"));
        }
        let root: Self = cbor::decode(body).map_err(|e| damaged(&e.to_string()))?;
        if !root.refs.windows(2).all(|w| w[0].name < w[1].name) {
            return Err(damaged("its refs are not in order"));
        }
        if !root.bundles.iter().all(BundleEntry::is_within_limits) {
            return Err(damaged("it names a bundle that is too long"));
        }
        Ok(root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_come_back_and_damage_is_named() {
        let mut root = Root::new([7; 16]);
        let (main, id) = (RefName::branch("main").expect("valid"), ObjectId::from_bytes([3; 32]));
        root.set(&main, id, None);
        for n in 0..100 {
            root.sign(Nonce::new([n; 16]));
        }
        assert_eq!((root.updates.len(), root.get(&main)), (64, Some(id)));
        let bytes = root.encode();
        assert_eq!(Root::decode(&bytes, "x").expect("sound"), root);
        for at in (0..bytes.len()).step_by(7) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            assert!(Root::decode(&flipped, "x").is_err(), "byte {at}");
            assert!(Root::decode(&bytes[..at], "x").is_err(), "cut at {at}");
        }
        let newer = String::from_utf8_lossy(&bytes).replacen("remote 1 ", "remote 2 ", 1);
        assert!(matches!(Root::decode(newer.as_bytes(), "x"), Err(RemoteError::NewerVersion { .. })));
    }
}
