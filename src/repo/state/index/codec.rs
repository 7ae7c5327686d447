//! The bytes of the index file, version 1; all numbers little-endian.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `GRAFTIDX` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | number of entries |
//! | 16 | … | the entries, in ascending byte order of their paths |
//! | end − 32 | 32 | BLAKE3 of everything before |
//!
//! An entry:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | flags: 1 executable, 2 opaque (not SQLite), 4 fingerprint follows, 8 with change counter, 16 with wal, 32 with journal, 64 not materialized |
//! | 4 | length of the path |
//! | … | the path, UTF-8 |
//! | 32 | snapshot id |
//! | 16 | volume id |
//! | 8 | length of the file in bytes |
//! | 5 × 8 | fingerprint: size, mtime (ns, signed), ctime (ns, signed), inode, device |
//! | 4 | change counter |
//! | 3 × 8 | wal: size, mtime (ns, signed), inode |
//! | 3 × 8 | journal: the same |
//!
//! A file that is not materialized has no fingerprint.
//!
//! CBOR would take most of the time in which a whole `status` has to be done.

use std::path::PathBuf;

use super::{IndexEntry, IndexError};
use crate::model::{FileKind, FileMode, ObjectId, RepoPath, VolumeId};
use crate::repo::state::fingerprint::{Fingerprint, SidecarPrint};

/// The version written, and the only one read.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"GRAFTIDX";
const HEADER: usize = 16;
const TRAILER: usize = 32;

const EXECUTABLE: u8 = 1;
const OPAQUE: u8 = 2;
const PRINT: u8 = 4;
const COUNTER: u8 = 8;
const WAL: u8 = 16;
const JOURNAL: u8 = 32;
const UNMATERIALIZED: u8 = 64;

/// Why bytes are no index.
#[derive(Debug, PartialEq, Eq)]
pub enum CodecError {
    /// Damaged, and how.
    Damaged(&'static str),
    /// Of another version.
    Version(u32),
}

impl CodecError {
    /// Says in which file it was found.
    pub fn at(self, path: PathBuf) -> IndexError {
        match self {
            Self::Damaged(reason) => IndexError::Damaged { path, reason },
            Self::Version(version) => IndexError::Version { path, version },
        }
    }
}

/// Encodes entries that are in order.
pub fn encode(entries: &[IndexEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + entries.len() * 192 + TRAILER);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&u32::try_from(entries.len()).expect("fewer than 2^32 paths fit into memory").to_le_bytes());
    for entry in entries {
        encode_entry(entry, &mut out);
    }
    let hash = blake3::hash(&out);
    out.extend_from_slice(hash.as_bytes());
    out
}

fn encode_entry(entry: &IndexEntry, out: &mut Vec<u8>) {
    let print = entry.fingerprint.as_ref();
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    out.push(
        flag(entry.mode == FileMode::Executable, EXECUTABLE)
            | flag(entry.kind == FileKind::Opaque, OPAQUE)
            | flag(print.is_some(), PRINT)
            | flag(print.is_some_and(|p| p.change_counter.is_some()), COUNTER)
            | flag(print.is_some_and(|p| p.wal.is_some()), WAL)
            | flag(print.is_some_and(|p| p.journal.is_some()), JOURNAL)
            | flag(entry.unmaterialized, UNMATERIALIZED),
    );
    let path = entry.path.as_str().as_bytes();
    out.extend_from_slice(&u32::try_from(path.len()).expect("paths are shorter than 4 GiB").to_le_bytes());
    out.extend_from_slice(path);
    out.extend_from_slice(entry.snapshot.as_bytes());
    out.extend_from_slice(entry.volume.as_bytes());
    out.extend_from_slice(&entry.byte_len.to_le_bytes());
    let Some(print) = print else { return };
    for number in [print.size, print.mtime_ns as u64, print.ctime_ns as u64, print.inode, print.dev] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    if let Some(counter) = print.change_counter {
        out.extend_from_slice(&counter.to_le_bytes());
    }
    for side in [print.wal, print.journal].into_iter().flatten() {
        for number in [side.size, side.mtime_ns as u64, side.inode] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
}

/// Decodes and verifies a whole index file.
pub fn decode(bytes: &[u8]) -> Result<Vec<IndexEntry>, CodecError> {
    let damaged = CodecError::Damaged;
    if bytes.get(..8) != Some(MAGIC) {
        return Err(damaged("it does not begin with the mark of an index"));
    }
    // The version is looked at first: a newer one may well end in another kind of checksum.
    let mut input = Input(&bytes[8..]);
    let version = input.u32().ok_or(damaged("it is cut short"))?;
    if version != VERSION {
        return Err(CodecError::Version(version));
    }
    let end = bytes.len().checked_sub(TRAILER).filter(|&end| end >= HEADER).ok_or(damaged("it is cut short"))?;
    if blake3::hash(&bytes[..end]).as_bytes() != &bytes[end..] {
        return Err(damaged("its checksum is wrong"));
    }
    let count = input.u32().ok_or(damaged("it is cut short"))?;
    let mut input = Input(&bytes[HEADER..end]);
    let mut entries: Vec<IndexEntry> = Vec::with_capacity((count as usize).min(input.0.len() / 61));
    for _ in 0..count {
        let entry = decode_entry(&mut input).ok_or(damaged("an entry is invalid"))?;
        if entries.last().is_some_and(|last| last.path >= entry.path) {
            return Err(damaged("its entries are out of order"));
        }
        entries.push(entry);
    }
    if input.0.is_empty() { Ok(entries) } else { Err(damaged("something follows the last entry")) }
}

fn decode_entry(input: &mut Input<'_>) -> Option<IndexEntry> {
    let flags = input.array::<1>()?[0];
    let has = |bit| flags & bit != 0;
    let path_len = input.u32()? as usize;
    let path = RepoPath::new(std::str::from_utf8(input.take(path_len)?).ok()?).ok()?;
    let snapshot = ObjectId::from_bytes(input.array()?);
    let volume = VolumeId::from_bytes(input.array()?)?;
    let byte_len = input.u64()?;
    let fingerprint = match has(PRINT) {
        false => None,
        true => Some(Fingerprint {
            size: input.u64()?,
            mtime_ns: input.u64()? as i64,
            ctime_ns: input.u64()? as i64,
            inode: input.u64()?,
            dev: input.u64()?,
            change_counter: if has(COUNTER) { Some(input.u32()?) } else { None },
            wal: if has(WAL) { Some(input.sidecar()?) } else { None },
            journal: if has(JOURNAL) { Some(input.sidecar()?) } else { None },
        }),
    };
    Some(IndexEntry {
        path,
        mode: if has(EXECUTABLE) { FileMode::Executable } else { FileMode::Regular },
        snapshot,
        volume,
        kind: if has(OPAQUE) { FileKind::Opaque } else { FileKind::Sqlite },
        byte_len,
        fingerprint,
        unmaterialized: has(UNMATERIALIZED),
    })
}

/// What is left to decode.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn sidecar(&mut self) -> Option<SidecarPrint> {
        Some(SidecarPrint { size: self.u64()?, mtime_ns: self.u64()? as i64, inode: self.u64()? })
    }
}
