//! The container: the one file format behind segments, packs and the bundles of remotes.
//!
//! ```text
//! 0    magic "GRAFTSEG", "GRAFTPAK" or "GRAFTBDL", version (u16 LE), 6 zero bytes
//! 16   sections, one after the other
//! i    index: canonical CBOR, says where the sections are
//! end-64   index offset, index length (u64 LE each), BLAKE3 of the index (32 bytes),
//!          length of the whole file (u64 LE), magic "GRAFTEND"
//! ```
//!
//! A container is written under a temporary name, synced, renamed and never changed afterwards, so a file under its
//! final name is complete unless the disk damaged it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Result, StoreError};
use super::lazy::{LazyFile, SegmentSource};
use crate::model::{cbor, limits};
use crate::util::fs::TempFile;

/// The format version written by this program and the newest it reads.
pub const VERSION: u16 = 1;

const HEADER_LEN: u64 = 16;
const FOOTER_LEN: usize = 64;
const END_MAGIC: &[u8; 8] = b"GRAFTEND";
const WRITE_BUFFER: usize = 1 << 20;

/// What a container holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerKind {
    /// Page contents and storage commits.
    Segment,
    /// Repository objects.
    Pack,
    /// What one push sent to a remote: repository objects and small segments.
    Bundle,
}

impl ContainerKind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Segment => b"GRAFTSEG",
            Self::Pack => b"GRAFTPAK",
            Self::Bundle => b"GRAFTBDL",
        }
    }
}

/// Where a section lies in its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Section(pub u64, pub u64);

impl Section {
    /// Returns the offset of the first byte.
    pub fn offset(self) -> u64 {
        self.0
    }

    /// Returns the length in bytes.
    pub fn len(self) -> u64 {
        self.1
    }
}

/// A file on its way.
pub type NewFile = BufWriter<TempFile>;

/// Writes one container: into a new file, or into memory.
pub struct ContainerWriter<W = NewFile> {
    out: W,
    position: u64,
}

impl<W: Write> ContainerWriter<W> {
    /// Starts a container.
    pub fn start(kind: ContainerKind, mut out: W) -> io::Result<Self> {
        out.write_all(kind.magic())?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&[0; 6])?;
        Ok(Self { out, position: HEADER_LEN })
    }

    /// Returns the offset of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Appends bytes and returns where they lie.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Section> {
        let section = Section(self.position, bytes.len() as u64);
        self.out.write_all(bytes)?;
        self.position += section.len();
        Ok(section)
    }

    /// Writes index and footer.
    pub fn end<T: Serialize>(mut self, index: &T) -> io::Result<W> {
        let index = cbor::encode(index);
        let section = self.write(&index)?;
        let mut footer = [0; FOOTER_LEN];
        footer[..8].copy_from_slice(&section.offset().to_le_bytes());
        footer[8..16].copy_from_slice(&section.len().to_le_bytes());
        footer[16..48].copy_from_slice(blake3::hash(&index).as_bytes());
        footer[48..56].copy_from_slice(&(self.position + FOOTER_LEN as u64).to_le_bytes());
        footer[56..].copy_from_slice(END_MAGIC);
        self.write(&footer)?;
        Ok(self.out)
    }
}

impl ContainerWriter {
    /// Starts a container in the folder for temporary files.
    pub fn create(kind: ContainerKind, tmp: &Path) -> io::Result<Self> {
        Self::start(kind, BufWriter::with_capacity(WRITE_BUFFER, TempFile::create_in(tmp)?))
    }

    /// Returns the path of the unfinished file.
    pub fn path(&self) -> &Path {
        self.out.get_ref().path()
    }

    /// Waits until everything so far is on disk, so that finishing later is short.
    pub fn sync(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync()
    }

    /// Reads back what was written.
    pub fn read_back(&mut self, section: Section) -> io::Result<Vec<u8>> {
        self.out.flush()?;
        let mut bytes = vec![0; section.len() as usize];
        self.out.get_ref().file().read_exact_at(&mut bytes, section.offset())?;
        Ok(bytes)
    }

    /// Writes index and footer and puts the file, durably, at its final place.
    pub fn finish<T: Serialize>(self, index: &T, to: &Path) -> io::Result<()> {
        self.end(index)?.into_inner().map_err(io::IntoInnerError::into_error)?.persist(to)
    }
}

/// An open container.
#[derive(Debug)]
pub struct Container {
    bytes: Bytes,
    path: PathBuf,
    len: u64,
}

/// Where the bytes of a container are.
#[derive(Debug)]
enum Bytes {
    File(File),
    Memory(Arc<Vec<u8>>),
    Lazy(Pieces),
}

/// A file of which pieces are here, and where the others come from.
pub struct Pieces {
    /// The file.
    pub file: Arc<LazyFile>,
    /// The repository folder.
    pub dir: PathBuf,
    /// Where missing pieces come from.
    pub source: Option<Arc<dyn SegmentSource>>,
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.file.fmt(f)
    }
}

impl Container {
    /// Opens a container and reads its verified index; `None` if there is no such file.
    pub fn open<T: Serialize + DeserializeOwned>(kind: ContainerKind, path: &Path) -> Result<Option<(Self, T)>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io("open", path)(e)),
        };
        let len = file.metadata().map_err(StoreError::io("read", path))?.len();
        Self { bytes: Bytes::File(file), path: path.to_owned(), len }.opened(kind).map(Some)
    }

    /// Opens a container in memory; `name` stands for it in errors.
    pub fn in_memory<T: Serialize + DeserializeOwned>(
        kind: ContainerKind,
        name: &Path,
        bytes: Arc<Vec<u8>>,
    ) -> Result<(Self, T)> {
        let len = bytes.len() as u64;
        Self { bytes: Bytes::Memory(bytes), path: name.to_owned(), len }.opened(kind)
    }

    /// Opens a container of which only pieces are here.
    pub fn in_pieces<T: Serialize + DeserializeOwned>(
        kind: ContainerKind,
        name: &Path,
        pieces: Pieces,
    ) -> Result<(Self, T)> {
        let len = pieces.file.len();
        Self { bytes: Bytes::Lazy(pieces), path: name.to_owned(), len }.opened(kind)
    }

    fn opened<T: Serialize + DeserializeOwned>(self, kind: ContainerKind) -> Result<(Self, T)> {
        let index = read_index(kind, &self.path, self.len, &|section| self.read(section))?;
        Ok((self, index))
    }

    /// Reads a section; an error if it does not lie within the file.
    pub fn read(&self, section: Section) -> Result<Vec<u8>> {
        let end = section.offset().checked_add(section.len());
        if end.is_none_or(|end| end > self.len) {
            return Err(self.damaged("it points beyond its end"));
        }
        match &self.bytes {
            Bytes::Lazy(pieces) => pieces.file.read(section, &pieces.dir, pieces.source.as_deref()),
            Bytes::Memory(bytes) => Ok(bytes[section.offset() as usize..][..section.len() as usize].to_vec()),
            Bytes::File(file) => {
                let mut out = vec![0; section.len() as usize];
                file.read_exact_at(&mut out, section.offset()).map_err(StoreError::io("read", &self.path))?;
                Ok(out)
            }
        }
    }

    /// Tells whether bytes can be read without a remote.
    pub fn is_here(&self, section: Section) -> bool {
        match &self.bytes {
            Bytes::Lazy(pieces) => pieces.file.is_here(section),
            _ => true,
        }
    }

    /// Says that the file is not what it should be.
    pub fn damaged(&self, what: &str) -> StoreError {
        StoreError::damaged(&self.path, what)
    }
}

/// Reads the verified index of a container of `len` bytes; `name` stands for it in errors, and `read` reads sections of it.
pub fn read_index<T: Serialize + DeserializeOwned, E: From<StoreError>>(
    kind: ContainerKind,
    name: &Path,
    len: u64,
    read: &dyn Fn(Section) -> Result<Vec<u8>, E>,
) -> Result<T, E> {
    let damaged = |what: &str| StoreError::damaged(name, what);
    if len < HEADER_LEN + FOOTER_LEN as u64 {
        return Err(damaged("it is too short").into());
    }
    // The end first: of a file in pieces everything that tells what is in it comes along.
    let footer = read(Section(len - FOOTER_LEN as u64, FOOTER_LEN as u64))?;
    let header = read(Section(0, HEADER_LEN))?;
    if &header[..8] != kind.magic() {
        return Err(damaged("it does not begin as it should").into());
    }
    let version = u16::from_le_bytes([header[8], header[9]]);
    if version > VERSION {
        return Err(StoreError::NewerVersion { path: name.to_owned(), version, supported: VERSION }.into());
    }
    if version == 0 || header[10..] != [0; 6] {
        return Err(damaged("it does not begin as it should").into());
    }
    let number = |at: usize| u64::from_le_bytes(footer[at..at + 8].try_into().expect("eight bytes"));
    if &footer[56..] != END_MAGIC || number(48) != len {
        return Err(damaged("it does not end as it should").into());
    }
    let place = Section(number(0), number(8));
    if place.offset().checked_add(place.len()).is_none_or(|end| end > len) {
        return Err(damaged("it points beyond its end").into());
    }
    if kind != ContainerKind::Pack && place.len() > limits::INDEX {
        return Err(damaged("its index is too long").into());
    }
    let index = read(place)?;
    if blake3::hash(&index).as_bytes() != &footer[16..48] {
        return Err(damaged("its index does not match its checksum").into());
    }
    Ok(cbor::decode(&index).map_err(|e| damaged(&format!("its index is {e}")))?)
}
