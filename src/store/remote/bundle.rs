//! Bundles: what one push adds to a remote, in one object. Repository objects, compressed together; small storage commits,
//! as a segment inside; and the names of large segments beside it.
//!
//! A bundle is a container: the segment inside, the objects (their enveloped bytes one after the other, zstd), the index.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::error::{RemoteError, Result as RemoteResult};
use super::root::BundleEntry;
use crate::model::gid::PackId;
use crate::model::{LogId, Lsn, ObjectId, RawObject, SegmentId, limits};
use crate::store::container::{Container, ContainerKind, ContainerWriter, Section};
use crate::store::error::{Result, StoreError};
use crate::store::segment::Segment;
use crate::store::segment_merge::SegmentMerge;
use crate::util::random;

/// Bytes of objects after which a bundle is full.
const OBJECTS_FULL: usize = 8 << 20;
/// Bytes of storage commits after which a bundle is full.
const SEGMENT_FULL: u64 = 8 << 20;
/// How much objects are compressed.
const LEVEL: i32 = 3;
/// Bytes of an envelope at the most.
const ENVELOPE: usize = 64;

/// The index of a bundle.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleIndex {
    /// The segment inside, if there is one.
    pub inside: Option<(SegmentId, Section)>,
    /// Segments that lie beside the bundle.
    pub beside: Vec<SegmentEntry>,
    /// The compressed objects.
    pub objects: Section,
    /// Their length when decompressed.
    pub objects_len: u64,
}

/// A segment beside a bundle, `segments/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentEntry {
    /// Its id.
    pub id: SegmentId,
    /// Its length in bytes.
    pub len: u64,
    /// The storage commits in it.
    pub commits: Vec<(LogId, Lsn)>,
}

/// A bundle that is being filled.
pub struct BundleWriter {
    inside: SegmentMerge<Vec<u8>>,
    beside: Vec<SegmentEntry>,
    objects: Vec<u8>,
}

impl BundleWriter {
    /// Starts an empty bundle.
    pub fn new() -> Self {
        let id = SegmentId::new(random::unix_ms(), random::bytes());
        Self { inside: SegmentMerge::in_memory(id), beside: Vec::new(), objects: Vec::new() }
    }

    /// Adds an object.
    pub fn add_object(&mut self, object: &RawObject) {
        self.objects.extend_from_slice(object.bytes());
    }

    /// Names a segment that lies beside the bundle.
    pub fn add_segment(&mut self, entry: SegmentEntry) {
        self.beside.push(entry);
    }

    /// Returns the segment inside, to add storage commits to.
    pub fn inside(&mut self) -> &mut SegmentMerge<Vec<u8>> {
        &mut self.inside
    }

    /// Tells whether the next things should go into another bundle.
    pub fn is_full(&self) -> bool {
        self.objects.len() >= OBJECTS_FULL || self.inside.len() >= SEGMENT_FULL
    }

    /// Tells whether nothing has been added.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.beside.is_empty() && self.inside.is_empty()
    }

    /// Returns the bytes of the bundle and what the root says of it.
    pub fn finish(self) -> Result<(Vec<u8>, BundleEntry)> {
        let memory = "memory takes what is written";
        let mut out = ContainerWriter::start(ContainerKind::Bundle, Vec::new()).expect(memory);
        let inside = match self.inside.is_empty() {
            true => None,
            false => Some((self.inside.id(), out.write(&self.inside.into_bytes()?).expect(memory))),
        };
        let tail_start = out.position();
        let small = zstd::bulk::compress(&self.objects, LEVEL).expect("memory takes what is compressed");
        let objects = out.write(&small).expect(memory);
        let index = BundleIndex { inside, beside: self.beside, objects, objects_len: self.objects.len() as u64 };
        let bytes = out.end(&index).expect(memory);
        let entry = BundleEntry {
            id: PackId::new(random::unix_ms(), random::bytes()),
            len: bytes.len() as u64,
            tail: bytes.len() as u64 - tail_start,
            hash: ByteArray::new(*blake3::hash(&bytes).as_bytes()),
        };
        Ok((bytes, entry))
    }
}

impl BundleEntry {
    /// Returns the key of the bundle.
    pub fn key(&self) -> String {
        format!("bundles/{}", self.id)
    }
}

impl SegmentEntry {
    /// Returns the key of the segment.
    pub fn key(&self) -> String {
        format!("segments/{}", self.id)
    }
}

/// A bundle that was read and verified.
pub struct Bundle {
    /// What it says of itself.
    pub index: BundleIndex,
    /// The segment inside.
    pub inside: Option<Segment>,
    container: Container,
}

impl Bundle {
    /// Opens a bundle; `url` is for errors.
    pub fn open(entry: &BundleEntry, bytes: Vec<u8>, url: &str) -> RemoteResult<Self> {
        let damaged = |what: String| RemoteError::Damaged { url: url.to_owned(), key: entry.key(), what };
        if bytes.len() as u64 != entry.len || blake3::hash(&bytes).as_bytes() != &*entry.hash {
            return Err(damaged("it does not match its hash".to_owned()));
        }
        // The hash is right, so it was written like that; what fails from here on was never sound.
        Self::parse(&entry.key(), bytes).map_err(|e| damaged(e.to_string()))
    }

    fn parse(key: &str, bytes: Vec<u8>) -> Result<Self> {
        let name = Path::new(key);
        let (container, index) = Container::in_memory::<BundleIndex>(ContainerKind::Bundle, name, Arc::new(bytes))?;
        let inside = match index.inside {
            Some((id, section)) => Some(Segment::in_memory(id, name, container.read(section)?)?),
            None => None,
        };
        if index.objects_len > limits::BUNDLE_OBJECTS {
            return Err(container.damaged("its objects are too long"));
        }
        Ok(Self { index, inside, container })
    }

    /// Gives the objects to `each`, one after the other, so that no more than one of them is in memory.
    pub fn objects<E: From<StoreError>>(&self, mut each: impl FnMut(RawObject) -> Result<(), E>) -> Result<(), E> {
        let small = self.container.read(self.index.objects)?;
        let broken = |e: io::Error| self.container.damaged(&format!("its objects do not decompress: {e}"));
        let mut left = self.index.objects_len;
        let mut bytes = zstd::stream::Decoder::with_buffer(small.as_slice()).map_err(broken)?;
        while left > 0 {
            let cut = || self.container.damaged("its objects are cut short");
            let object = next_object(&mut bytes, left).map_err(broken)?.ok_or_else(cut)?;
            left -= object.bytes().len() as u64;
            each(object)?;
        }
        match bytes.read(&mut [0]).map_err(broken)? {
            0 => Ok(()),
            _ => Err(self.container.damaged("its objects are longer than it says").into()),
        }
    }
}

/// Takes one enveloped object; `None` if it does not lie within `left` bytes, or is longer than an object may be.
fn next_object(bytes: &mut impl Read, left: u64) -> io::Result<Option<RawObject>> {
    let mut object = Vec::new();
    while object.last() != Some(&0) {
        let mut byte = [0];
        if object.len() == ENVELOPE || bytes.read(&mut byte)? == 0 {
            return Ok(None);
        }
        object.push(byte[0]);
    }
    let head = object.len() as u64;
    let text = std::str::from_utf8(&object[..object.len() - 1]).ok();
    let len = text.and_then(|text| text.rsplit_once(' ')?.1.parse::<u64>().ok());
    let Some(len) = len.filter(|len| *len <= limits::OBJECT && head + len <= left) else { return Ok(None) };
    if bytes.take(len).read_to_end(&mut object)? as u64 != len {
        return Ok(None);
    }
    let id = ObjectId::from_bytes(*blake3::hash(&object).as_bytes());
    Ok(RawObject::verify(id, object).ok())
}

/// Says which object of a remote is meant, if it is damaged.
pub fn damaged_object(url: &str, key: String, error: StoreError) -> RemoteError {
    match error {
        StoreError::Damaged { what, .. } => RemoteError::Damaged { url: url.to_owned(), key, what },
        other => other.into(),
    }
}

/// Says which segment of a local store or bundle is meant.
pub fn damaged_segment(url: &str, entry: &SegmentEntry, error: &StoreError) -> RemoteError {
    RemoteError::Damaged { url: url.to_owned(), key: entry.key(), what: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectKind;

    fn all(bundle: &Bundle) -> Result<Vec<RawObject>> {
        let mut objects = Vec::new();
        bundle.objects(|object| {
            objects.push(object);
            Ok::<_, StoreError>(())
        })?;
        Ok(objects)
    }

    #[test]
    fn objects_come_back_and_every_flip_is_seen() {
        let objects: Vec<_> = (0..50u8).map(|n| RawObject::from_body(ObjectKind::Tree, &vec![n; 300])).collect();
        let mut writer = BundleWriter::new();
        assert!(writer.is_empty());
        objects.iter().for_each(|object| writer.add_object(object));
        let (bytes, entry) = writer.finish().expect("memory");
        assert!(bytes.len() < 1500, "objects are compressed: {}", bytes.len());
        let bundle = Bundle::open(&entry, bytes.clone(), "x").expect("sound");
        assert!(all(&bundle).expect("sound") == objects && bundle.inside.is_none());
        for at in (0..bytes.len()).step_by(11) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Bundle::open(&entry, flipped.clone(), "x").is_err(), "byte {at}");
            // Even a bundle that claims to be sound does no harm.
            let lying = BundleEntry { hash: ByteArray::new(*blake3::hash(&flipped).as_bytes()), ..entry };
            let _ = Bundle::open(&lying, flipped, "x").map(|bundle| all(&bundle).map(|objects| objects.len()));
        }
    }
}
