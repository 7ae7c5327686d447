//! Ids of repository objects and their abbreviations; the only file that knows `gix-hash`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Identity of a repository object: BLAKE3 of its enveloped canonical bytes, 64 hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(gix_hash::ObjectId);

/// Why a text is not an object id or an abbreviation of one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdError {
    /// Not hexadecimal, or of the wrong length.
    #[error("'{0}' is not an object id (4 to 64 hexadecimal digits)")]
    Malformed(String),
}

impl ObjectId {
    /// Wraps the 32 bytes of a BLAKE3 hash.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(gix_hash::ObjectId::Sha256(bytes))
    }

    /// Returns the 32 raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_slice().try_into().expect("a 32-byte id is the only kind ever made")
    }

    /// Parses exactly 64 hex digits.
    pub fn from_hex(text: &str) -> Result<Self, IdError> {
        let malformed = || IdError::Malformed(text.to_owned());
        if text.len() != 64 {
            return Err(malformed());
        }
        gix_hash::ObjectId::from_hex(text.as_bytes()).map(Self).map_err(|_| malformed())
    }

    /// Returns the first `len` hex digits (4 to 64).
    pub fn to_hex_with_len(&self, len: usize) -> String {
        self.0.to_hex_with_len(len).to_string()
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

/// Hexadecimal in text formats, 32 bytes in binary ones.
impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(self.as_bytes()) }
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return Self::from_hex(&String::deserialize(d)?).map_err(serde::de::Error::custom);
        }
        let bytes: serde_bytes::ByteArray<32> = Deserialize::deserialize(d)?;
        Ok(Self::from_bytes(bytes.into_array()))
    }
}

/// An abbreviated object id of 4 to 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdPrefix(gix_hash::Prefix);

impl IdPrefix {
    /// Parses 4 to 64 hex digits.
    pub fn from_hex(text: &str) -> Result<Self, IdError> {
        if text.len() > 64 {
            return Err(IdError::Malformed(text.to_owned()));
        }
        gix_hash::Prefix::from_hex(text).map(Self).map_err(|_| IdError::Malformed(text.to_owned()))
    }

    /// Tells whether `id` begins with this prefix.
    pub fn matches(&self, id: &ObjectId) -> bool {
        self.0.cmp_oid(&id.0).is_eq()
    }

    /// Returns the smallest id that begins with this prefix (the prefix padded with zero digits).
    pub fn lowest(&self) -> ObjectId {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.as_oid().as_bytes());
        ObjectId::from_bytes(bytes)
    }
}

impl fmt::Debug for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdPrefix({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_prefixes_match() {
        let id = ObjectId::from_bytes(*blake3::hash(b"x").as_bytes());
        assert_eq!(id.to_string(), blake3::hash(b"x").to_hex().to_string());
        assert_eq!(ObjectId::from_hex(&id.to_string()), Ok(id));
        let prefix = IdPrefix::from_hex(&id.to_hex_with_len(7)).expect("seven digits");
        assert!(prefix.matches(&id));
        assert!(prefix.lowest() <= id);
        assert!(!prefix.matches(&ObjectId::from_bytes([0; 32])));
        assert!(IdPrefix::from_hex("abc").is_err());
        assert!(ObjectId::from_hex("zz").is_err());
    }
}
