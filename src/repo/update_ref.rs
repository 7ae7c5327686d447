//! Changing single refs by hand, with the checks that keep them meaningful.

use super::Repository;
use super::error::Result;
use super::objects::ObjectReader;
use super::refs::{Expected, RefEdit};
use crate::model::{ObjectId, ObjectKind, RefName};

/// Why a ref was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateRefError {
    /// A branch names commits.
    #[error("{name} is a branch, but {id} is a {found}")]
    NotACommit {
        /// The branch.
        name: RefName,
        /// What it was to name.
        id: ObjectId,
        /// What that is.
        found: ObjectKind,
    },
    /// HEAD can be on branches only.
    #[error("HEAD cannot be on {0}, which is no branch")]
    HeadOutside(RefName),
    /// HEAD cannot be removed.
    #[error("HEAD cannot be removed")]
    RemoveHead,
}

impl Repository {
    /// Sets a ref; with `follow`, of a symbolic one the ref at its end.
    pub fn set_ref(&self, name: &RefName, id: ObjectId, expected: Expected, message: &str, follow: bool) -> Result<()> {
        let found = self.kind(&id)?;
        let (last, _) = self.refs().follow(name)?;
        let changed = if follow { &last } else { name };
        if found != ObjectKind::Commit && (changed.as_branch().is_some() || *changed == RefName::head()) {
            return Err(UpdateRefError::NotACommit { name: changed.clone(), id, found }.into());
        }
        let lock = self.lock()?;
        let edit = RefEdit { follow, ..RefEdit::set(name.clone(), id, expected, message) };
        Ok(self.refs().apply(&lock, &self.committer()?, &[edit])?)
    }

    /// Removes a ref; with `follow`, of a symbolic one the ref at its end.
    pub fn remove_ref(&self, name: &RefName, expected: Expected, follow: bool) -> Result<()> {
        let name = if follow { self.refs().follow(name)?.0 } else { name.clone() };
        if name == RefName::head() {
            return Err(UpdateRefError::RemoveHead.into());
        }
        let lock = self.lock()?;
        Ok(self.refs().apply(&lock, &self.committer()?, &[RefEdit::delete(name, expected)])?)
    }

    /// Lets a ref be another name of `target`, which need not exist.
    pub fn point_ref(&self, name: &RefName, target: &RefName, message: &str) -> Result<()> {
        if *name == RefName::head() && target.as_branch().is_none() {
            return Err(UpdateRefError::HeadOutside(target.clone()).into());
        }
        let lock = self.lock()?;
        let edit = RefEdit::point(name.clone(), target.clone(), message);
        Ok(self.refs().apply(&lock, &self.committer()?, &[edit])?)
    }
}
