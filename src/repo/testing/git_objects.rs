//! The objects of a Git repository, read through Git's own ids, so that both sides of a test name the same things.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::TestGit;
use crate::model::{
    Commit, FileMode, IdPrefix, ObjectId, ObjectKind, RawObject, RepoPath, Signature, Tag, Tree, TreeEntry,
};
use crate::repo::state::objects::{ObjectReader, ReadError};

/// The header lines of an object: keys and values.
type Header<'a> = Vec<(&'a str, &'a str)>;

/// What a Git repository held when it was read; a blob counts as a snapshot.
pub struct GitObjects {
    objects: BTreeMap<ObjectId, (ObjectKind, Vec<u8>)>,
    generations: HashMap<ObjectId, u64>,
    read: RefCell<HashSet<ObjectId>>,
}

impl GitObjects {
    /// Reads all objects at once.
    pub fn load(git: &TestGit) -> Self {
        let bytes = git.feed(&["cat-file", "--batch-all-objects", "--batch"], "");
        let mut objects = BTreeMap::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let end = rest.iter().position(|&b| b == b'\n').unwrap();
            let head = std::str::from_utf8(&rest[..end]).unwrap();
            let [id, kind, len] = head.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let kind = if kind == "blob" { ObjectKind::Snapshot } else { kind.parse().unwrap() };
            let len: usize = len.parse().unwrap();
            objects.insert(ObjectId::from_hex(id).unwrap(), (kind, rest[end + 1..][..len].to_vec()));
            rest = &rest[end + 1 + len + 1..];
        }
        let mut all = Self { objects, generations: HashMap::new(), read: RefCell::default() };
        let commits: Vec<ObjectId> =
            all.objects.iter().filter(|(_, (kind, _))| *kind == ObjectKind::Commit).map(|(id, _)| *id).collect();
        for id in commits {
            all.number(id);
        }
        all.forget_reads();
        all
    }

    fn number(&mut self, id: ObjectId) -> u64 {
        if let Some(known) = self.generations.get(&id) {
            return *known;
        }
        let parents = self.commit(&id).unwrap().parents;
        let generation = parents.into_iter().map(|parent| self.number(parent) + 1).max().unwrap_or(1);
        self.generations.insert(id, generation);
        generation
    }

    /// Returns how many different objects were read since the last [`Self::forget_reads`].
    pub fn reads(&self) -> usize {
        self.read.borrow().len()
    }

    /// Starts to count reads afresh.
    pub fn forget_reads(&self) {
        self.read.borrow_mut().clear();
    }

    /// Iterates over all objects in the order of their ids.
    pub fn all(&self) -> impl Iterator<Item = (ObjectId, ObjectKind)> {
        self.objects.iter().map(|(id, (kind, _))| (*id, *kind))
    }

    fn get(&self, id: &ObjectId) -> Result<&(ObjectKind, Vec<u8>), ReadError> {
        self.read.borrow_mut().insert(*id);
        self.objects.get(id).ok_or(ReadError::Missing(*id))
    }

    /// Returns the header of a commit or tag, and its message.
    fn text(&self, id: &ObjectId, wanted: ObjectKind) -> Result<(Header<'_>, String), ReadError> {
        let (kind, bytes) = self.get(id)?;
        if *kind != wanted {
            return Err(ReadError::Peel { id: *id, wanted, found: *kind });
        }
        let (head, message) = std::str::from_utf8(bytes).unwrap().split_once("\n\n").unwrap();
        Ok((head.lines().map(|l| l.split_once(' ').unwrap()).collect(), message.to_owned()))
    }

    fn flatten(&self, id: &ObjectId, folder: &str, entries: &mut Vec<TreeEntry>) -> Result<(), ReadError> {
        let mut rest = self.get(id)?.1.as_slice();
        while !rest.is_empty() {
            let end = rest.iter().position(|&b| b == 0).unwrap();
            let (mode, name) = std::str::from_utf8(&rest[..end]).unwrap().split_once(' ').unwrap();
            let child = ObjectId::from_bytes(rest[end + 1..][..32].try_into().unwrap());
            rest = &rest[end + 33..];
            match mode {
                "40000" => self.flatten(&child, &format!("{folder}{name}/"), entries)?,
                _ => entries.push(TreeEntry {
                    path: RepoPath::new(&format!("{folder}{name}")).unwrap(),
                    mode: FileMode::Regular,
                    snapshot: child,
                }),
            }
        }
        Ok(())
    }
}

fn id(hex: &str) -> ObjectId {
    ObjectId::from_hex(hex).unwrap()
}

fn one<'a>(head: &Header<'a>, key: &str) -> &'a str {
    head.iter().find(|(k, _)| *k == key).unwrap().1
}

fn signature(text: &str) -> Signature {
    let (name, rest) = text.split_once(" <").unwrap();
    let (email, rest) = rest.split_once("> ").unwrap();
    let (time, zone) = rest.split_once(' ').unwrap();
    let zone: i32 = zone.parse().unwrap();
    let offset = zone / 100 * 60 + zone % 100;
    Signature { name: name.into(), email: email.into(), time: time.parse().unwrap(), offset }
}

impl ObjectReader for GitObjects {
    fn raw(&self, id: &ObjectId) -> Result<RawObject, ReadError> {
        panic!("{id} is Git's, so it has no bytes of ours")
    }

    fn with_prefix(&self, prefix: &IdPrefix) -> Result<Vec<ObjectId>, ReadError> {
        Ok(self.objects.range(prefix.lowest()..).map(|(id, _)| *id).take_while(|id| prefix.matches(id)).collect())
    }

    fn kind(&self, id: &ObjectId) -> Result<ObjectKind, ReadError> {
        Ok(self.get(id)?.0)
    }

    fn commit(&self, of: &ObjectId) -> Result<Commit, ReadError> {
        let (head, message) = self.text(of, ObjectKind::Commit)?;
        Ok(Commit {
            tree: id(one(&head, "tree")),
            parents: head.iter().filter(|(k, _)| *k == "parent").map(|(_, hex)| id(hex)).collect(),
            generation: self.generations.get(of).copied().unwrap_or_default(),
            author: signature(one(&head, "author")),
            committer: signature(one(&head, "committer")),
            message,
        })
    }

    fn tree(&self, id: &ObjectId) -> Result<Tree, ReadError> {
        match self.kind(id)? {
            ObjectKind::Tree => {
                let mut entries = Vec::new();
                self.flatten(id, "", &mut entries)?;
                Ok(Tree::new(entries))
            }
            found => Err(ReadError::Peel { id: *id, wanted: ObjectKind::Tree, found }),
        }
    }

    fn tag(&self, of: &ObjectId) -> Result<Tag, ReadError> {
        let (head, message) = self.text(of, ObjectKind::Tag)?;
        let name = one(&head, "tag").to_owned();
        Ok(Tag { target: id(one(&head, "object")), name, tagger: signature(one(&head, "tagger")), message })
    }

    fn peel(&self, id: &ObjectId, wanted: ObjectKind) -> Result<ObjectId, ReadError> {
        match self.kind(id)? {
            kind if kind == wanted => Ok(*id),
            ObjectKind::Tag => self.peel(&self.tag(id)?.target, wanted),
            ObjectKind::Commit if wanted == ObjectKind::Tree => Ok(self.commit(id)?.tree),
            found => Err(ReadError::Peel { id: *id, wanted, found }),
        }
    }
}
