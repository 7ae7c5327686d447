//! The tag object: a name and a message for another object.

use serde::{Deserialize, Serialize};

use super::{ObjectId, Signature};

/// An annotated tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// What is tagged.
    pub target: ObjectId,
    /// The tag's name without `refs/tags/`.
    pub name: String,
    /// Who made it.
    pub tagger: Signature,
    /// The message.
    pub message: String,
}
