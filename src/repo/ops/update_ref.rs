//! Changing refs by hand, one or several at once, with the checks that keep them meaningful.

use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::util::lock::FileLock;

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

/// Changes of refs that happen together or not at all.
pub struct RefBatch<'r> {
    repo: &'r Repository,
    edits: Vec<RefEdit>,
    verify: Vec<(RefName, Expected)>,
    lock: Option<FileLock>,
}

impl RefBatch<'_> {
    /// Sets a ref; with `follow`, of a symbolic one the ref at its end.
    pub fn set(&mut self, name: &RefName, id: ObjectId, expected: Expected, message: &str, follow: bool) -> Result<()> {
        let found = self.repo.kind(&id)?;
        let changed = if follow { self.repo.refs().follow(name)?.0 } else { name.clone() };
        if found != ObjectKind::Commit && (changed.as_branch().is_some() || changed == RefName::head()) {
            return Err(UpdateRefError::NotACommit { name: changed, id, found }.into());
        }
        self.edits.push(RefEdit { follow, ..RefEdit::set(name.clone(), id, expected, message) });
        Ok(())
    }

    /// Removes a ref; with `follow`, of a symbolic one the ref at its end.
    pub fn remove(&mut self, name: &RefName, expected: Expected, follow: bool) -> Result<()> {
        let name = if follow { self.repo.refs().follow(name)?.0 } else { name.clone() };
        if name == RefName::head() {
            return Err(UpdateRefError::RemoveHead.into());
        }
        self.edits.push(RefEdit::delete(name, expected));
        Ok(())
    }

    /// Lets a ref be another name of `target`, which need not exist.
    pub fn point(&mut self, name: &RefName, target: &RefName, message: &str) -> Result<()> {
        if *name == RefName::head() && target.as_branch().is_none() {
            return Err(UpdateRefError::HeadOutside(target.clone()).into());
        }
        self.edits.push(RefEdit::point(name.clone(), target.clone(), message));
        Ok(())
    }

    /// Lets all changes depend on what a ref is.
    pub fn expect(&mut self, name: &RefName, expected: Expected) {
        self.verify.push((name.clone(), expected));
    }

    /// Takes the repository lock and finds out whether the changes would happen: then they will.
    pub fn prepare(&mut self) -> Result<()> {
        let lock = match self.lock.take() {
            Some(lock) => lock,
            None => self.repo.lock()?,
        };
        for (name, expected) in &self.verify {
            self.repo.refs().verify(&lock, name, *expected)?;
        }
        self.repo.refs().check_edits(&self.edits)?;
        self.lock = Some(lock);
        Ok(())
    }

    /// Makes the changes.
    pub fn commit(mut self) -> Result<()> {
        self.prepare()?;
        let Some(lock) = &self.lock else { return Ok(()) };
        match self.edits.as_slice() {
            [] => Ok(()),
            edits => Ok(self.repo.refs().apply(lock, &self.repo.committer()?, edits)?),
        }
    }
}

impl Repository {
    /// Begins to gather changes of refs.
    pub fn ref_batch(&self) -> RefBatch<'_> {
        RefBatch { repo: self, edits: Vec::new(), verify: Vec::new(), lock: None }
    }

    /// Sets a ref; with `follow`, of a symbolic one the ref at its end.
    pub fn set_ref(&self, name: &RefName, id: ObjectId, expected: Expected, message: &str, follow: bool) -> Result<()> {
        let mut batch = self.ref_batch();
        batch.set(name, id, expected, message, follow)?;
        batch.commit()
    }

    /// Removes a ref; with `follow`, of a symbolic one the ref at its end.
    pub fn remove_ref(&self, name: &RefName, expected: Expected, follow: bool) -> Result<()> {
        let mut batch = self.ref_batch();
        batch.remove(name, expected, follow)?;
        batch.commit()
    }

    /// Lets a ref be another name of `target`, which need not exist.
    pub fn point_ref(&self, name: &RefName, target: &RefName, message: &str) -> Result<()> {
        let mut batch = self.ref_batch();
        batch.point(name, target, message)?;
        batch.commit()
    }
}
