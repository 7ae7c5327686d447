//! 128-bit identifiers: one byte of kind, 48 bits of Unix milliseconds, 72 random bits; base58 text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a Gid of the wanted kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GidError {
    /// Not base58, or not 16 bytes.
    #[error("'{0}' is not an identifier (base58 of 16 bytes)")]
    Malformed(String),
    /// An identifier, but of another kind.
    #[error("'{text}' is not a {wanted}")]
    WrongKind {
        /// The text as given.
        text: String,
        /// Name of the kind that was wanted.
        wanted: &'static str,
    },
}

/// Defines one kind of Gid.
macro_rules! gid_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The first byte of every identifier of this kind.
            pub const KIND: u8 = $kind;

            /// Makes an identifier from a time in Unix milliseconds and 9 random bytes.
            pub fn new(unix_ms: u64, random: [u8; 9]) -> Self {
                let mut bytes = [0; 16];
                bytes[0] = $kind;
                bytes[1..7].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
                bytes[7..].copy_from_slice(&random);
                Self(bytes)
            }

            /// Wraps 16 raw bytes if their kind byte is right.
            pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
                (bytes[0] == $kind).then_some(Self(bytes))
            }

            /// Returns the 16 raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Returns the creation time in Unix milliseconds.
            pub fn unix_ms(&self) -> u64 {
                let mut ms = [0; 8];
                ms[2..].copy_from_slice(&self.0[1..7]);
                u64::from_be_bytes(ms)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&bs58::encode(self.0).into_string())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self)
            }
        }

        impl FromStr for $name {
            type Err = GidError;

            fn from_str(text: &str) -> Result<Self, GidError> {
                let mut bytes = [0; 16];
                match bs58::decode(text).onto(&mut bytes) {
                    Ok(16) => Self::from_bytes(bytes).ok_or_else(|| GidError::WrongKind {
                        text: text.to_owned(),
                        wanted: stringify!($name),
                    }),
                    _ => Err(GidError::Malformed(text.to_owned())),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let bytes: serde_bytes::ByteArray<16> = Deserialize::deserialize(d)?;
                Self::from_bytes(bytes.into_array())
                    .ok_or_else(|| serde::de::Error::custom(concat!("not a ", stringify!($name))))
            }
        }
    };
}

gid_type!(
    /// Lasting identity of one tracked file.
    VolumeId,
    0x10
);
gid_type!(
    /// One append-only sequence of storage commits with exactly one writer; those of replicated volumes on a remote have many.
    LogId,
    0x11
);
gid_type!(
    /// One immutable segment file.
    SegmentId,
    0x12
);
gid_type!(
    /// One pack of repository objects.
    PackId,
    0x13
);
gid_type!(
    /// One installation that writes logs.
    ClientId,
    0x14
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_kinds_differ() {
        let id = VolumeId::new(1_700_000_000_123, [7; 9]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.unix_ms(), 1_700_000_000_123);
        assert!(matches!(id.to_string().parse::<LogId>(), Err(GidError::WrongKind { .. })));
        assert!("0OIl".parse::<VolumeId>().is_err());
    }
}
