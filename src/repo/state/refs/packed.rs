//! `packed-refs`: many refs in one file, one `<id> <name>` line each, sorted, with a checksum as the last line.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::{RefError, RefStore, Target};
use crate::model::{ObjectId, RefName};
use crate::util::fs as durable;
use crate::util::lock::FileLock;

const HEADER: &str = "# graft packed-refs 1\n";
const CHECKSUM: &str = "# blake3 ";

/// The refs of `packed-refs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed {
    refs: BTreeMap<RefName, ObjectId>,
}

impl Packed {
    pub fn get(&self, name: &RefName) -> Option<ObjectId> {
        self.refs.get(name).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&RefName, ObjectId)> {
        self.refs.iter().map(|(name, id)| (name, *id))
    }

    pub fn set(&mut self, name: RefName, id: ObjectId) {
        self.refs.insert(name, id);
    }

    pub fn remove(&mut self, name: &RefName) -> bool {
        self.refs.remove(name).is_some()
    }

    pub fn render(&self) -> String {
        let mut text = HEADER.to_owned();
        for (name, id) in &self.refs {
            text.push_str(&format!("{id} {name}\n"));
        }
        let hash = blake3::hash(text.as_bytes());
        text.push_str(&format!("{CHECKSUM}{hash}\n"));
        text
    }

    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let body = text.strip_prefix(HEADER).ok_or("it does not begin with the mark of packed refs")?;
        let end = body.rfind(CHECKSUM).ok_or("it is cut short")?;
        let sum = &body[end + CHECKSUM.len()..];
        let (lines, covered) = (&body[..end], &text[..HEADER.len() + end]);
        if sum.strip_suffix('\n') != Some(blake3::hash(covered.as_bytes()).to_hex().as_str()) {
            return Err("its checksum is wrong");
        }
        let entry = |line: &str| -> Option<(RefName, ObjectId)> {
            let (id, name) = line.split_once(' ')?;
            Some((RefName::new(name).ok()?, ObjectId::from_hex(id).ok()?))
        };
        let refs = lines.lines().map(entry).collect::<Option<_>>().ok_or("a line is invalid")?;
        Ok(Self { refs })
    }
}

impl RefStore {
    /// Reads `packed-refs`; a missing file holds no refs.
    pub(super) fn packed(&self) -> Result<Packed, RefError> {
        let path = self.dir.join("packed-refs");
        match fs::read_to_string(&path) {
            Ok(text) => Packed::parse(&text).map_err(|reason| RefError::DamagedPacked { path, reason }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Packed::default()),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                Err(RefError::DamagedPacked { path, reason: "it is not text" })
            }
            Err(source) => Err(RefError::Io { path, source }),
        }
    }

    pub(super) fn write_packed(&self, packed: &Packed) -> Result<(), RefError> {
        self.replace(&self.dir.join("packed-refs"), packed.render().as_bytes())
    }

    /// Moves every loose, not symbolic ref into `packed-refs`; returns how many refs that file then has.
    pub fn pack(&self, _lock: &FileLock) -> Result<usize, RefError> {
        let mut packed = self.packed()?;
        let mut loose = Vec::new();
        self.each_loose("refs/", &mut |name| {
            let Ok(name) = name else { return };
            // A damaged ref stays where it is and hides its packed line, so that nobody mistakes an old value for it.
            if let Ok(Some(Target::Object(id))) = self.read_loose(&name) {
                packed.set(name.clone(), id);
                loose.push(name);
            }
        })?;
        self.write_packed(&packed)?;
        for name in &loose {
            self.remove_loose(name)?;
        }
        Ok(packed.refs.len())
    }

    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), RefError> {
        let tmp = self.dir.join("tmp");
        let io = |source| RefError::Io { path: path.to_owned(), source };
        durable::create_dir_all(&tmp).map_err(io)?;
        durable::replace(path, &tmp, bytes).map_err(io)
    }
}
