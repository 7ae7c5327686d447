//! What walks need of commits, each read once.

use std::collections::HashMap;

use crate::model::{Commit, ObjectId};
use crate::repo::state::objects::{ObjectReader, ReadError};

/// The place of a commit in the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// The commits it follows.
    pub parents: Vec<ObjectId>,
    /// One more than the highest of its parents: a commit reaches only commits of lower generations.
    pub generation: u64,
    /// When it was committed, Unix seconds.
    pub time: i64,
}

/// Reads commits as nodes and remembers them.
pub struct Nodes<'a> {
    objects: &'a dyn ObjectReader,
    known: HashMap<ObjectId, Node>,
}

impl<'a> Nodes<'a> {
    /// Starts with nothing read.
    pub fn new(objects: &'a dyn ObjectReader) -> Self {
        Self { objects, known: HashMap::new() }
    }

    /// Returns the place of a commit.
    pub fn get(&mut self, id: &ObjectId) -> Result<&Node, ReadError> {
        if !self.known.contains_key(id) {
            let Commit { parents, generation, committer, .. } = self.objects.commit(id)?;
            self.known.insert(*id, Node { parents, generation, time: committer.time });
        }
        Ok(&self.known[id])
    }
}
