//! Packs: the repository objects made by one operation, in one container.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::container::{Container, ContainerKind, ContainerWriter, Section};
use super::error::{Result, StoreError};
use crate::model::{ObjectId, RawObject};

/// The index of a pack: ids in ascending order and where the objects' enveloped bytes lie.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackIndex {
    /// `(id, place)`, sorted by id.
    pub objects: Vec<(ObjectId, Section)>,
}

/// Writes objects as a new pack, durably, and returns its index.
pub fn write(objects: &[RawObject], tmp: &Path, to: &Path) -> Result<PackIndex> {
    let failed = |e| StoreError::io("write", to)(e);
    let mut writer = ContainerWriter::create(ContainerKind::Pack, tmp).map_err(failed)?;
    let mut index = PackIndex { objects: Vec::with_capacity(objects.len()) };
    for object in objects {
        index.objects.push((object.id(), writer.write(object.bytes()).map_err(failed)?));
    }
    index.objects.sort();
    index.objects.dedup_by_key(|(id, _)| *id);
    writer.finish(&index, to).map_err(failed)?;
    Ok(index)
}

/// A pack that is being written, object by object.
pub struct PackWriter {
    writer: ContainerWriter,
    objects: Vec<(ObjectId, Section)>,
}

impl PackWriter {
    /// Starts a pack in the folder for temporary files.
    pub fn create(tmp: &Path) -> Result<Self> {
        let writer = ContainerWriter::create(ContainerKind::Pack, tmp).map_err(StoreError::io("write", tmp))?;
        Ok(Self { writer, objects: Vec::new() })
    }

    /// Adds an object, each one once, and returns where it lies.
    pub fn add(&mut self, object: &RawObject) -> Result<Section> {
        let section = self.writer.write(object.bytes()).map_err(StoreError::io("write", self.writer.path()))?;
        self.objects.push((object.id(), section));
        Ok(section)
    }

    /// Reads back what was added.
    pub fn read(&mut self, id: ObjectId, place: Section) -> Result<RawObject> {
        let bytes = self.writer.read_back(place).map_err(StoreError::io("read", self.writer.path()))?;
        Ok(RawObject::verify(id, bytes)?)
    }

    /// Puts the pack, durably, at its place, with those objects in its index that `is_kept` says; nobody finds the others.
    pub fn finish(self, to: &Path, is_kept: impl Fn(&ObjectId) -> bool) -> Result<PackIndex> {
        let mut index = PackIndex { objects: self.objects };
        index.objects.retain(|(id, _)| is_kept(id));
        index.objects.sort();
        self.writer.finish(&index, to).map_err(StoreError::io("write", to))?;
        Ok(index)
    }
}

/// Reads one object from a pack and checks it; `None` if there is no such pack.
pub fn read(path: &Path, id: ObjectId, place: Section) -> Result<Option<RawObject>> {
    // The object is verified by its id, so the pack's own index need not be read.
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io("open", path)(e)),
    };
    let len = file.metadata().map_err(StoreError::io("read", path))?.len();
    if place.offset().checked_add(place.len()).is_none_or(|end| end > len) {
        return Err(StoreError::damaged(path, format!("object {id} lies beyond its end")));
    }
    let mut bytes = vec![0; place.len() as usize];
    file.read_exact_at(&mut bytes, place.offset()).map_err(StoreError::io("read", path))?;
    RawObject::verify(id, bytes).map(Some).map_err(|e| StoreError::damaged(path, e.to_string()))
}

/// Reads a pack's index; `None` if there is no such pack.
pub fn index(path: &Path) -> Result<Option<PackIndex>> {
    Ok(Container::open(ContainerKind::Pack, path)?.map(|(_, index)| index))
}
