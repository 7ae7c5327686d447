//! What a transaction asks of one ref.

use serde::{Deserialize, Serialize};

use crate::model::{ObjectId, RefName};

/// What a ref becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It names an object.
    Set(ObjectId),
    /// It names another ref, which need not exist.
    Point(RefName),
    /// It is removed, together with its reflog.
    Delete,
    /// This value and its line of the reflog go; the ref has the value before again, or is removed if there was none.
    Drop(ObjectId),
}

/// What a ref must be for its change to happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    #[default]
    Any,
    /// Absent.
    MustNotExist,
    /// Present with this value.
    MustExistAndMatch(ObjectId),
}

/// One change of one ref. What was expected of it is not written down: it is checked before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefEdit {
    /// The ref.
    pub name: RefName,
    /// What it becomes.
    pub change: Change,
    /// What it must be, symbolic refs followed.
    #[serde(skip)]
    pub expected: Expected,
    /// The line for the reflog.
    pub message: String,
    /// Whether a symbolic ref is followed and the ref at its end changed. Never for [`Change::Point`].
    pub follow: bool,
}

impl RefEdit {
    /// Sets a ref; of a symbolic one (HEAD on a branch) the ref at its end.
    pub fn set(name: RefName, id: ObjectId, expected: Expected, message: impl Into<String>) -> Self {
        Self { name, change: Change::Set(id), expected, message: message.into(), follow: true }
    }

    /// Sets this very ref even if it is symbolic: detaches HEAD.
    pub fn detach(name: RefName, id: ObjectId, expected: Expected, message: impl Into<String>) -> Self {
        Self { follow: false, ..Self::set(name, id, expected, message) }
    }

    /// Makes a ref symbolic: attaches HEAD to a branch.
    pub fn point(name: RefName, target: RefName, message: impl Into<String>) -> Self {
        let change = Change::Point(target);
        Self { name, change, expected: Expected::Any, message: message.into(), follow: false }
    }

    /// Removes this very ref and its reflog.
    pub fn delete(name: RefName, expected: Expected) -> Self {
        Self { name, change: Change::Delete, expected, message: String::new(), follow: false }
    }

    /// Takes the value `id` off a ref, which must be its present one, as off a stack.
    pub fn drop_value(name: RefName, id: ObjectId) -> Self {
        let expected = Expected::MustExistAndMatch(id);
        Self { name, change: Change::Drop(id), expected, message: String::new(), follow: false }
    }
}
