//! How repository code reads objects: a small trait over the store, with peeling and typed reads on top.

use std::collections::{BTreeMap, HashMap};
use std::sync::RwLock;

use crate::model::object::ObjectError;
use crate::model::{Commit, IdPrefix, Object, ObjectId, ObjectKind, RawObject, Snapshot, Tag, Tree};

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No such object.
    #[error("object {0} is missing from the repository")]
    Missing(ObjectId),
    /// The object is damaged or of another kind.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Peeling ended at an object that does not lead to the wanted kind.
    #[error("{id} is a {found} and leads to no {wanted}")]
    Peel {
        /// Where peeling ended.
        id: ObjectId,
        /// The kind wanted.
        wanted: ObjectKind,
        /// The kind found there.
        found: ObjectKind,
    },
    /// The store failed.
    #[error("cannot read object {id}")]
    Store {
        /// The object that was being read, or the lowest id of the prefix that was being looked up.
        id: ObjectId,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Anything that holds repository objects: the store, or memory in tests.
pub trait ObjectReader {
    /// Returns the verified object, or [`ReadError::Missing`].
    fn raw(&self, id: &ObjectId) -> Result<RawObject, ReadError>;

    /// Returns the ids that begin with `prefix`, in ascending order.
    fn with_prefix(&self, prefix: &IdPrefix) -> Result<Vec<ObjectId>, ReadError>;

    /// Returns the kind of an object.
    fn kind(&self, id: &ObjectId) -> Result<ObjectKind, ReadError> {
        Ok(self.raw(id)?.kind())
    }

    /// Reads a commit.
    fn commit(&self, id: &ObjectId) -> Result<Commit, ReadError> {
        decode(self.raw(id)?)
    }

    /// Reads a tree.
    fn tree(&self, id: &ObjectId) -> Result<Tree, ReadError> {
        decode(self.raw(id)?)
    }

    /// Reads a snapshot.
    fn snapshot(&self, id: &ObjectId) -> Result<Snapshot, ReadError> {
        decode(self.raw(id)?)
    }

    /// Reads an annotated tag.
    fn tag(&self, id: &ObjectId) -> Result<Tag, ReadError> {
        decode(self.raw(id)?)
    }

    /// Follows annotated tags, and a commit to its tree, until an object of kind `wanted` is reached.
    fn peel(&self, id: &ObjectId, wanted: ObjectKind) -> Result<ObjectId, ReadError> {
        let mut id = *id;
        loop {
            let raw = self.raw(&id)?;
            match raw.kind() {
                kind if kind == wanted => return Ok(id),
                ObjectKind::Tag => id = decode::<Tag>(raw)?.target,
                ObjectKind::Commit if wanted == ObjectKind::Tree => id = decode::<Commit>(raw)?.tree,
                found => return Err(ReadError::Peel { id, wanted, found }),
            }
        }
    }

    /// Follows annotated tags to what they name and returns that object: Git's `^{}`.
    fn peel_tags(&self, id: &ObjectId) -> Result<RawObject, ReadError> {
        let mut raw = self.raw(id)?;
        while raw.kind() == ObjectKind::Tag {
            raw = self.raw(&decode::<Tag>(raw)?.target)?;
        }
        Ok(raw)
    }
}

fn decode<T: Object>(raw: RawObject) -> Result<T, ReadError> {
    Ok(raw.decode()?)
}

/// Objects held in memory: the repository of tests that need no files.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    objects: RwLock<BTreeMap<ObjectId, (ObjectKind, Vec<u8>)>>,
    reads: RwLock<HashMap<ObjectId, usize>>,
}

impl MemoryObjects {
    /// Starts with no objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an object and returns its id.
    pub fn put<T: Object>(&self, value: &T) -> ObjectId {
        let raw = value.to_raw();
        let id = raw.id();
        self.objects.write().expect("no holder of the lock panics").insert(id, (raw.kind(), raw.bytes().to_vec()));
        id
    }

    /// Returns how many different objects were read so far, for tests of laziness.
    pub fn read_count(&self) -> usize {
        self.reads.read().expect("no holder of the lock panics").len()
    }

    /// Forgets what was read.
    pub fn reset_reads(&self) {
        self.reads.write().expect("no holder of the lock panics").clear();
    }
}

impl ObjectReader for MemoryObjects {
    fn raw(&self, id: &ObjectId) -> Result<RawObject, ReadError> {
        let bytes = {
            let objects = self.objects.read().expect("no holder of the lock panics");
            objects.get(id).map(|(_, bytes)| bytes.clone()).ok_or(ReadError::Missing(*id))?
        };
        *self.reads.write().expect("no holder of the lock panics").entry(*id).or_default() += 1;
        Ok(RawObject::verify(*id, bytes)?)
    }

    fn with_prefix(&self, prefix: &IdPrefix) -> Result<Vec<ObjectId>, ReadError> {
        let objects = self.objects.read().expect("no holder of the lock panics");
        Ok(objects.range(prefix.lowest()..).map(|(id, _)| *id).take_while(|id| prefix.matches(id)).collect())
    }

    fn kind(&self, id: &ObjectId) -> Result<ObjectKind, ReadError> {
        let objects = self.objects.read().expect("no holder of the lock panics");
        objects.get(id).map(|(kind, _)| *kind).ok_or(ReadError::Missing(*id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Signature;

    fn someone() -> Signature {
        Signature { name: "A".into(), email: "a@b".into(), time: 1, offset: 0 }
    }

    #[test]
    fn peeling_follows_tags_and_commits() {
        let objects = MemoryObjects::new();
        let tree = objects.put(&Tree::default());
        let commit = objects.put(&Commit {
            tree,
            parents: vec![],
            generation: 1,
            author: someone(),
            committer: someone(),
            message: "m".into(),
        });
        let tag = |target, name: &str| {
            objects.put(&Tag { target, name: name.into(), tagger: someone(), message: String::new() })
        };
        let outer = tag(tag(commit, "inner"), "outer");
        assert_eq!(objects.peel(&outer, ObjectKind::Commit).unwrap(), commit);
        assert_eq!(objects.peel(&outer, ObjectKind::Tree).unwrap(), tree);
        assert_eq!(objects.peel(&outer, ObjectKind::Tag).unwrap(), outer);
        assert_eq!(objects.peel_tags(&outer).unwrap().id(), commit);
        assert!(matches!(
            objects.peel(&tree, ObjectKind::Commit),
            Err(ReadError::Peel { found: ObjectKind::Tree, .. })
        ));
        let absent = ObjectId::from_bytes([9; 32]);
        assert!(matches!(objects.raw(&absent), Err(ReadError::Missing(id)) if id == absent));
        assert!(matches!(objects.tree(&commit), Err(ReadError::Object(ObjectError::Kind { .. }))));
    }

    #[test]
    fn prefixes_find_all_candidates() {
        let objects = MemoryObjects::new();
        let ids: Vec<ObjectId> = (0..3000u64)
            .map(|n| {
                objects.put(&Tag {
                    target: ObjectId::from_bytes([0; 32]),
                    name: n.to_string(),
                    tagger: someone(),
                    message: String::new(),
                })
            })
            .collect();
        for id in ids.iter().take(50) {
            let text = id.to_hex_with_len(4);
            let found = objects.with_prefix(&IdPrefix::from_hex(&text).unwrap()).unwrap();
            let mut wanted: Vec<_> = ids.iter().filter(|i| i.to_string().starts_with(&text)).copied().collect();
            wanted.sort();
            assert_eq!(found, wanted);
        }
    }
}
