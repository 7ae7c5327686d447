//! The index tail: the newest index entries, in a file that any number of processes may read.
//!
//! ```text
//! 0    magic "GRAFTIDX", version (u16 LE), 6 zero bytes
//! 16   records: payload length (u32 LE), first 16 bytes of the payload's BLAKE3, payload
//!      payload: entries: keyspace (u8), key length (u16 LE), value length (u32 LE), key, value
//! ```
//!
//! One record is one operation; it counts once it is wholly there. A record cut short at the end was never
//! acknowledged: readers pass over it, the next writer cuts it off. Only the holder of the repository lock writes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::entries::{Entry, Keyspace};
use super::error::{Result, StoreError};
use crate::util::fs as durable;

const HEADER: &[u8; 16] = b"GRAFTIDX\x01\0\0\0\0\0\0\0";
const RECORD_HEAD: usize = 20;

/// What tells one state of the file from another: a fold makes a new file, an append a longer one. An inode number may
/// come back, a time does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    inode: u64,
    len: u64,
    changed_ns: i128,
}

impl Seen {
    fn of(meta: &fs::Metadata) -> Self {
        Self {
            inode: meta.ino(),
            len: meta.len(),
            changed_ns: i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec()),
        }
    }
}

/// The tail as it was when it was last read.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    entries: BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>,
    /// Operations recorded.
    operations: usize,
    /// Bytes up to the end of the last whole record.
    valid_len: u64,
    /// What the file that was read looked like from outside.
    seen: Option<Seen>,
    /// Whether a record in the middle does not match its checksum.
    damaged: bool,
}

impl Tail {
    /// Reads the tail; a missing file is an empty tail.
    pub fn load(path: &Path) -> Result<Self> {
        let mut tail = Self {
            path: path.to_owned(),
            entries: BTreeMap::new(),
            operations: 0,
            valid_len: 0,
            seen: None,
            damaged: false,
        };
        tail.reload()?;
        Ok(tail)
    }

    /// Reads again what other processes may have appended or folded away; returns whether anything changed.
    pub fn reload(&mut self) -> Result<bool> {
        let seen = match fs::metadata(&self.path) {
            Ok(m) => Some(Seen::of(&m)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(StoreError::io("read", &self.path)(e)),
        };
        if seen == self.seen {
            return Ok(false);
        }
        self.entries.clear();
        (self.operations, self.valid_len, self.damaged, self.seen) = (0, 0, false, seen);
        let mut bytes = Vec::new();
        match File::open(&self.path).and_then(|mut f| f.read_to_end(&mut bytes)) {
            Ok(_) => self.parse(&bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(StoreError::io("read", &self.path)(e)),
        }
        Ok(true)
    }

    fn parse(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if !bytes.starts_with(HEADER) {
            self.damaged = bytes.len() >= HEADER.len();
            return;
        }
        let mut at = HEADER.len();
        self.valid_len = at as u64;
        while let Some(head) = bytes.get(at..at + RECORD_HEAD) {
            let len = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
            let Some(payload) = bytes.get(at + RECORD_HEAD..at + RECORD_HEAD + len) else { break };
            let entries =
                (blake3::hash(payload).as_bytes()[..16] == head[4..]).then(|| parse_payload(payload)).flatten();
            at += RECORD_HEAD + len;
            let Some(entries) = entries else {
                self.damaged = at < bytes.len();
                return;
            };
            self.entries.extend(entries.into_iter().map(|e| ((e.keyspace, e.key), e.value)));
            self.operations += 1;
            self.valid_len = at as u64;
        }
    }

    /// Returns a value.
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(&(keyspace, key.to_vec())).map(Vec::as_slice)
    }

    /// Iterates over the entries of a keyspace from `start` on, in key order.
    pub fn range(&self, keyspace: Keyspace, start: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .range((keyspace, start.to_vec())..)
            .take_while(move |((k, _), _)| *k == keyspace)
            .map(|((_, key), value)| (key.as_slice(), value.as_slice()))
    }

    /// Iterates over all entries, by keyspace and key.
    pub fn all(&self) -> impl Iterator<Item = (Keyspace, &[u8], &[u8])> {
        self.entries.iter().map(|((k, key), value)| (*k, key.as_slice(), value.as_slice()))
    }

    /// Returns how many operations the tail holds.
    pub fn operations(&self) -> usize {
        self.operations
    }

    /// Returns the length of its valid part in bytes.
    pub fn valid_len(&self) -> u64 {
        self.valid_len
    }

    /// Tells whether a record was lost to damage (not merely cut short at the end).
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Tells whether there is no file, or nothing in it, not even how it begins.
    pub fn is_lost(&self) -> bool {
        self.valid_len == 0 && !self.damaged
    }

    /// Appends the entries of one operation, durably. The caller holds the repository lock.
    pub fn append(&mut self, entries: &[Entry]) -> Result<()> {
        let failed = |e| StoreError::io("write", &self.path)(e);
        let mut bytes = Vec::new();
        if self.valid_len == 0 {
            bytes.extend_from_slice(HEADER);
        }
        if self.seen.is_some_and(|seen| seen.len > self.valid_len) {
            durable::truncate(&self.path, self.valid_len).map_err(failed)?;
        }
        let payload = build_payload(entries);
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&blake3::hash(&payload).as_bytes()[..16]);
        bytes.extend_from_slice(&payload);
        durable::append(&self.path, &bytes).map_err(failed)?;
        self.reload()?;
        Ok(())
    }

    /// Starts a new, empty tail. The caller holds the repository lock and has put all entries elsewhere.
    pub fn clear(&mut self, tmp: &Path) -> Result<()> {
        durable::replace(&self.path, tmp, HEADER).map_err(StoreError::io("write", &self.path))?;
        self.reload()?;
        Ok(())
    }
}

fn build_payload(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let number = Keyspace::ALL.iter().position(|k| *k == entry.keyspace).expect("a keyspace is among all");
        out.push(number as u8);
        out.extend_from_slice(&(entry.key.len() as u16).to_le_bytes());
        out.extend_from_slice(&(entry.value.len() as u32).to_le_bytes());
        out.extend_from_slice(&entry.key);
        out.extend_from_slice(&entry.value);
    }
    out
}

fn parse_payload(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at_checked(7)?;
        let keyspace = *Keyspace::ALL.get(head[0] as usize)?;
        let key_len = u16::from_le_bytes([head[1], head[2]]) as usize;
        let value_len = u32::from_le_bytes(head[3..7].try_into().ok()?) as usize;
        let (key, rest) = rest.split_at_checked(key_len)?;
        let (value, rest) = rest.split_at_checked(value_len)?;
        out.push(Entry { keyspace, key: key.to_vec(), value: value.to_vec() });
        bytes = rest;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str) -> Entry {
        Entry { keyspace: Keyspace::Tags, key: key.into(), value: value.into() }
    }

    #[test]
    fn torn_end_is_cut_and_damage_is_seen() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("tail");
        let mut tail = Tail::load(&path).expect("missing is empty");
        tail.append(&[entry("a", "1"), entry("b", "2")]).expect("append");
        tail.append(&[entry("a", "3")]).expect("append");
        let whole = fs::read(&path).expect("read");

        for cut in whole.len() - 20..whole.len() {
            fs::write(&path, &whole[..cut]).expect("write");
            let mut tail = Tail::load(&path).expect("torn");
            assert_eq!((tail.get(Keyspace::Tags, b"a"), tail.is_damaged()), (Some(&b"1"[..]), false));
            tail.append(&[entry("c", "4")]).expect("append");
            let again = Tail::load(&path).expect("mended");
            assert_eq!(again.get(Keyspace::Tags, b"c"), Some(&b"4"[..]));
            assert_eq!(again.operations(), 2);
        }

        let mut flipped = whole.clone();
        flipped[40] ^= 1;
        fs::write(&path, &flipped).expect("write");
        assert!(Tail::load(&path).expect("loads").is_damaged());
    }
}
