//! The 32-byte BLAKE3 hashes of the storage layer, one type per thing hashed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Defines a 32-byte hash type with hex text form and CBOR byte-string encoding.
macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 raw bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Returns the 32 raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Parses exactly 64 hex digits.
            pub fn from_hex(text: &str) -> Option<Self> {
                blake3::Hash::from_hex(text).ok().map(|h| Self(*h.as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let bytes: serde_bytes::ByteArray<32> = Deserialize::deserialize(d)?;
                Ok(Self(bytes.into_array()))
            }
        }
    };
}

hash_type!(
    /// Identity of a storage commit: BLAKE3 over its canonical bytes, see [`crate::model::StorageCommit`].
    CommitHash
);
hash_type!(
    /// BLAKE3 of one page: exactly 4096 bytes, a short last page zero-padded.
    PageHash
);
hash_type!(
    /// Hash over the page hashes of one storage commit, see [`crate::model::content`].
    ContentHash
);
hash_type!(
    /// Identity of a page map: BLAKE3 over the list of its chunk ids.
    PageMapId
);
hash_type!(
    /// Identity of one chunk of a page map.
    ChunkId
);

impl PageHash {
    /// Hashes one page of [`crate::model::PAGE_SIZE`] bytes.
    pub fn of(page: &crate::model::PageBuf) -> Self {
        Self(*blake3::hash(page).as_bytes())
    }
}
