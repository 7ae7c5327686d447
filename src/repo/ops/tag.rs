//! Making and removing tags.

use crate::model::{ObjectId, RefName, Tag, refname::RefNameError};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::ops::commit::tidy;
use crate::repo::state::identity::{Overrides, Role};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::store::Transaction;

/// What to make.
#[derive(Clone, Debug)]
pub struct NewTag<'a> {
    /// Its name.
    pub name: &'a str,
    /// The object it names.
    pub target: ObjectId,
    /// The message of an annotated tag; without one the tag is just a name.
    pub message: Option<&'a str>,
    /// Whether it may exist already.
    pub force: bool,
}

/// Why a tag was not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// The name breaks a rule.
    #[error("'{}' is not a valid tag name: {}", .0.name.trim_start_matches("refs/tags/"), .0.reason)]
    Name(RefNameError),
    /// There is one already.
    #[error("tag '{0}' already exists")]
    Exists(String),
    /// There is none.
    #[error("tag '{0}' not found")]
    NotFound(String),
    /// An annotated tag without a message.
    #[error("the tag message is empty")]
    EmptyMessage,
}

/// The message has all that the name's own error says.
impl From<RefNameError> for TagError {
    fn from(error: RefNameError) -> Self {
        Self::Name(error)
    }
}

impl Repository {
    /// Makes a tag; returns the object that it names and the one it named before.
    pub fn create_tag(&self, new: &NewTag<'_>) -> Result<(ObjectId, Option<ObjectId>)> {
        let name = RefName::tag(new.name).map_err(TagError::from)?;
        self.kind(&new.target)?;
        let old = self.refs().resolve(&name)?;
        if old.is_some() && !new.force {
            return Err(TagError::Exists(new.name.to_owned()).into());
        }
        let lock = self.lock()?;
        let who = self.signature(Role::Committer, &Overrides::default())?;
        let id = match new.message {
            None => new.target,
            Some(text) => {
                let message = tidy(text);
                if message.is_empty() {
                    return Err(TagError::EmptyMessage.into());
                }
                let tag = Tag { target: new.target, name: new.name.to_owned(), tagger: who.clone(), message };
                let mut tx = Transaction::new(self.store(), &lock)?;
                let id = tx.add_object(&tag);
                tx.publish()?;
                id
            }
        };
        let expected = old.map_or(Expected::MustNotExist, Expected::MustExistAndMatch);
        self.refs().apply(&lock, &who, &[RefEdit::set(name, id, expected, "tag")])?;
        Ok((id, old))
    }

    /// Removes a tag; returns the object that it named.
    pub fn delete_tag(&self, name: &str) -> Result<ObjectId> {
        let absent = || TagError::NotFound(name.to_owned());
        let full = RefName::tag(name).map_err(|_| absent())?;
        let id = self.refs().resolve(&full)?.ok_or_else(absent)?;
        let lock = self.lock()?;
        let edit = RefEdit::delete(full, Expected::MustExistAndMatch(id));
        self.refs().apply(&lock, &self.committer()?, &[edit])?;
        Ok(id)
    }
}
