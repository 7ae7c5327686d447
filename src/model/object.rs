//! Repository objects and their envelope: `graft <kind> <len>\0` and the canonical CBOR body; the id is its BLAKE3.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cbor::{self, CborError};
use super::{Commit, ObjectId, Signature, Snapshot, Tag, Tree};

/// The kinds of repository objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// One state of one file.
    Snapshot,
    /// The tracked files of a commit.
    Tree,
    /// A point in the repository's history.
    Commit,
    /// An annotated tag.
    Tag,
}

impl ObjectKind {
    /// Returns the kind's name as it stands in the envelope.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ObjectKind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Snapshot, Self::Tree, Self::Commit, Self::Tag].into_iter().find(|k| k.name() == name).ok_or(())
    }
}

/// Why bytes are not the object that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The envelope is damaged.
    #[error("object {0} has no valid envelope")]
    Envelope(ObjectId),
    /// The bytes hash to something else.
    #[error("object {wanted} is damaged: its bytes hash to {found}")]
    Hash {
        /// The id asked for.
        wanted: ObjectId,
        /// The id of what is there.
        found: ObjectId,
    },
    /// The object is of another kind.
    #[error("object {id} is a {found}, not a {wanted}")]
    Kind {
        /// The object.
        id: ObjectId,
        /// The kind asked for.
        wanted: ObjectKind,
        /// The kind it has.
        found: ObjectKind,
    },
    /// The body is not canonical CBOR of the kind.
    #[error("object {id} cannot be read: {source}")]
    Body {
        /// The object.
        id: ObjectId,
        /// What is wrong with the body.
        source: CborError,
    },
}

/// The enveloped bytes of an object together with its id.
#[derive(Clone, PartialEq, Eq)]
pub struct RawObject {
    id: ObjectId,
    kind: ObjectKind,
    bytes: Vec<u8>,
    body: usize,
}

impl RawObject {
    /// Envelopes and hashes a body.
    pub fn from_body(kind: ObjectKind, body: &[u8]) -> Self {
        let mut bytes = format!("graft {kind} {}\0", body.len()).into_bytes();
        let start = bytes.len();
        bytes.extend_from_slice(body);
        Self { id: ObjectId::from_bytes(*blake3::hash(&bytes).as_bytes()), kind, bytes, body: start }
    }

    /// Checks enveloped bytes against the id under which they were found.
    pub fn verify(id: ObjectId, bytes: Vec<u8>) -> Result<Self, ObjectError> {
        let found = ObjectId::from_bytes(*blake3::hash(&bytes).as_bytes());
        if found != id {
            return Err(ObjectError::Hash { wanted: id, found });
        }
        let envelope = || -> Option<(ObjectKind, usize)> {
            let end = bytes.iter().take(64).position(|&b| b == 0)?;
            let head = std::str::from_utf8(&bytes[..end]).ok()?;
            let (kind, len) = head.strip_prefix("graft ")?.split_once(' ')?;
            let kind = kind.parse().ok()?;
            (len == (bytes.len() - end - 1).to_string()).then_some((kind, end + 1))
        };
        let (kind, body) = envelope().ok_or(ObjectError::Envelope(id))?;
        Ok(Self { id, kind, bytes, body })
    }

    /// Returns the id.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Returns the kind.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Returns the enveloped bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes behind the envelope.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }

    /// Decodes the body as an object of type `T`.
    pub fn decode<T: Object>(&self) -> Result<T, ObjectError> {
        if self.kind != T::KIND {
            return Err(ObjectError::Kind { id: self.id, wanted: T::KIND, found: self.kind });
        }
        let value: T = cbor::decode(self.body()).map_err(|source| ObjectError::Body { id: self.id, source })?;
        match value.check() {
            Ok(()) => Ok(value),
            Err(what) => {
                Err(ObjectError::Body { id: self.id, source: CborError::Malformed(format!("a {} {what}", T::KIND)) })
            }
        }
    }
}

/// A value that is stored as a repository object.
pub trait Object: Serialize + DeserializeOwned {
    /// The kind it is stored as.
    const KIND: ObjectKind;

    /// Checks whether the parts of a decoded value agree with each other, and says what is wrong.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// Encodes, envelopes and hashes the value.
    fn to_raw(&self) -> RawObject {
        RawObject::from_body(Self::KIND, &cbor::encode(self))
    }
}

impl Object for Snapshot {
    const KIND: ObjectKind = ObjectKind::Snapshot;

    fn check(&self) -> Result<(), &'static str> {
        self.is_consistent().then_some(()).ok_or("that contradicts itself")
    }
}

impl Object for Tree {
    const KIND: ObjectKind = ObjectKind::Tree;

    fn check(&self) -> Result<(), &'static str> {
        self.is_sorted().then_some(()).ok_or("whose paths are not in order")
    }
}

impl Object for Commit {
    const KIND: ObjectKind = ObjectKind::Commit;

    fn check(&self) -> Result<(), &'static str> {
        if self.generation == 0 || (self.generation == 1) != self.parents.is_empty() {
            return Err("whose generation does not fit its parents");
        }
        [&self.author, &self.committer].into_iter().try_for_each(Signature::check)
    }
}

impl Object for Tag {
    const KIND: ObjectKind = ObjectKind::Tag;

    fn check(&self) -> Result<(), &'static str> {
        self.tagger.check()
    }
}
