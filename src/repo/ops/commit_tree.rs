//! Recording a commit of any tree, which no ref names yet.

use crate::model::{Commit, ObjectId};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::identity::{Overrides, Role};
use crate::repo::state::objects::ObjectReader;
use crate::store::Transaction;

impl Repository {
    /// Records a commit of a tree with any parents, and returns its id. Nothing else changes.
    pub fn commit_tree(&self, tree: ObjectId, parents: &[ObjectId], message: &str) -> Result<ObjectId> {
        self.tree(&tree)?;
        let commit = self.new_commit(tree, parents, message)?;
        let lock = self.lock()?;
        let mut tx = Transaction::new(self.store(), &lock)?;
        let id = tx.add_object(&commit);
        tx.publish()?;
        Ok(id)
    }

    /// Returns the generation of a commit with these parents.
    pub(super) fn generation_above(&self, parents: &[ObjectId]) -> Result<u64> {
        let mut generation = 1;
        for parent in parents {
            generation = generation.max(self.commit(parent)?.generation + 1);
        }
        Ok(generation)
    }

    /// Returns a commit made by the user, now. The parents are stored already.
    pub(super) fn new_commit(&self, tree: ObjectId, parents: &[ObjectId], message: &str) -> Result<Commit> {
        let mut kept: Vec<ObjectId> = Vec::new();
        let generation = self.generation_above(parents)?;
        for parent in parents {
            if !kept.contains(parent) {
                kept.push(*parent);
            }
        }
        let author = self.signature(Role::Author, &Overrides::default())?;
        let committer = self.signature(Role::Committer, &Overrides::default())?;
        Ok(Commit { tree, parents: kept, generation, author, committer, message: message.to_owned() })
    }
}
