//! The commit object: a tree, where it comes from, who made it and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ObjectId;

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Full name.
    pub name: String,
    /// Mail address.
    pub email: String,
    /// Unix seconds.
    pub time: i64,
    /// Minutes east of UTC.
    pub offset: i32,
}

impl Signature {
    /// Checks that it is one line, which ends with the address: anything else could pass for more lines of a log.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let is_plain = |text: &str| !text.contains(['\n', '\r', '\0', '<', '>']);
        (is_plain(&self.name) && is_plain(&self.email)).then_some(()).ok_or("with a name that is not one line")
    }
}

/// Writes `Name <email>`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// A point in the repository's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The tracked files.
    pub tree: ObjectId,
    /// The commits it follows, the branch's own first.
    pub parents: Vec<ObjectId>,
    /// One more than the highest generation of the parents; 1 for a root. Bounds walks for merge bases and reachability.
    pub generation: u64,
    /// Who wrote the change.
    pub author: Signature,
    /// Who made the commit.
    pub committer: Signature,
    /// The message.
    pub message: String,
}

impl Commit {
    /// Returns the first line of the message.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or("")
    }
}
