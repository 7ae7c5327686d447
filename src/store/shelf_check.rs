//! Checks of the fjall store before it is opened: what its libraries take on trust, and answer with a panic or a request for more memory
//! than there is. Blocks of tables have checksums that are looked at when they are read.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::shelf_reader::ReadError;
use crate::util::panics::caught;

/// The file that says which version of a tree counts: its number (8 bytes), the XXH3 of its file (16 bytes), a zero.
const CURRENT: &str = "current";
const TABLES: &str = "tables";
/// What files with sections end with: `SFA!`, version, kind of checksum, checksum (16 bytes), offset of the list of sections, length of it.
const TRAILER: u64 = 38;
/// Bytes of a list of sections at the most: tables have about ten.
const LIST: u64 = 1 << 16;
/// Bytes of a table in a version: id (8), kind of checksum (1), checksum (16), number (8).
const TABLE: usize = 33;

/// Checks the files of the tree in a folder that are read whole when it is opened.
pub fn check_tree(tree: &Path) -> Result<(), ReadError> {
    let current = read(tree.join(CURRENT))?;
    let (number, checksum) = match current.as_slice() {
        [head @ .., 0] if head.len() == 24 => head.split_at(8),
        _ => return Err(damaged(format!("{CURRENT} is of no use"))),
    };
    let number = u64::from_le_bytes(number.try_into().expect("eight bytes"));
    let path = tree.join(format!("v{number}"));
    let version = read(path.clone())?;
    if xxhash_rust::xxh3::xxh3_128(&version).to_le_bytes() != checksum {
        return Err(damaged(format!("v{number} does not match its checksum")));
    }
    let unknown = || damaged(format!("v{number} is of another form"));
    let listed = sections(&path)?.ok_or_else(unknown)?;
    let (_, start, len) = listed.iter().find(|(name, ..)| name == b"tables").ok_or_else(unknown)?;
    let listed = version.get(*start as usize..).and_then(|rest| rest.get(..*len as usize)).ok_or_else(unknown)?;
    for table in tables(listed).ok_or_else(unknown)? {
        if sections(&tree.join(TABLES).join(table.to_string()))?.is_none() {
            return Err(damaged(format!("table {table} is damaged")));
        }
    }
    Ok(())
}

/// A section: its name, offset and length.
type Section = (Vec<u8>, u64, u64);

/// Returns the ids of the tables of a version, of which there are levels of runs.
fn tables(mut listed: &[u8]) -> Option<Vec<u64>> {
    let mut out = Vec::new();
    for _ in 0..take::<1>(&mut listed)?[0] {
        for _ in 0..take::<1>(&mut listed)?[0] {
            for _ in 0..u32::from_le_bytes(take(&mut listed)?) {
                let table = take::<TABLE>(&mut listed)?;
                out.push(u64::from_le_bytes(table[..8].try_into().ok()?));
            }
        }
    }
    Some(out)
}

/// Returns the list of sections of a file; `None` if it is not one.
fn sections(path: &Path) -> Result<Option<Vec<Section>>, ReadError> {
    read_list(path).map(|list| list.as_deref().and_then(parse_list)).map_err(|e| ReadError::Io(path.to_owned(), e))
}

fn read_list(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let Some(end) = file.metadata()?.len().checked_sub(TRAILER) else { return Ok(None) };
    let mut number = [0; 8];
    file.read_exact_at(&mut number, end + TRAILER - 16)?;
    let start = u64::from_le_bytes(number);
    let Some(len) = end.checked_sub(start).filter(|len| *len <= LIST) else { return Ok(None) };
    let mut list = vec![0; len as usize];
    file.read_exact_at(&mut list, start)?;
    Ok(Some(list))
}

fn parse_list(mut list: &[u8]) -> Option<Vec<Section>> {
    if &take::<4>(&mut list)? != b"TOC!" {
        return None;
    }
    let count = u32::from_le_bytes(take(&mut list)?);
    let mut out = Vec::new();
    for _ in 0..count {
        let (start, len) = (u64::from_le_bytes(take(&mut list)?), u64::from_le_bytes(take(&mut list)?));
        let name = u16::from_le_bytes(take(&mut list)?);
        let (name, rest) = list.split_at_checked(name.into())?;
        list = rest;
        out.push((name.to_vec(), start, len));
    }
    list.is_empty().then_some(out)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_at_checked(N)?;
    *bytes = rest;
    head.try_into().ok()
}

/// Runs what the libraries do; a panic of theirs means that the store is damaged.
pub fn guarded<T>(run: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    caught(run).unwrap_or_else(|said| Err(damaged(format!("it is damaged: {said}"))))
}

fn read(path: PathBuf) -> Result<Vec<u8>, ReadError> {
    fs::read(&path).map_err(|e| ReadError::Io(path, e))
}

fn damaged(what: String) -> ReadError {
    ReadError::Damaged(what)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::entries::Keyspace;
    use super::super::error::StoreError;
    use super::super::shelf::Shelf;
    use super::super::shelf_reader;
    use super::*;

    /// Every damaged byte is told of, or does not matter: nothing panics, and nothing asks for more memory than there is.
    #[test]
    fn a_damaged_byte_is_an_error_and_no_panic() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = dir.path().join("store");
        let shelf = || Shelf::new(store.clone(), Duration::ZERO, Arc::new(|_| ()));
        let entries: Vec<_> = (0..40u32).map(|n| (n.to_be_bytes(), vec![n as u8; 40])).collect();
        let ingest = || shelf().ingest(entries.iter().map(|(k, v)| (Keyspace::Log, k.as_slice(), v.as_slice())));
        ingest().expect("taken in");
        let mut told = 0;
        let trees: Vec<_> = shelf_reader::trees(&store).collect();
        let is_filled =
            |tree: &&PathBuf| fs::read_dir(tree.join(TABLES)).is_ok_and(|mut tables| tables.next().is_some());
        for tree in trees.iter().filter(is_filled).flat_map(|tree| [tree.clone(), tree.join(TABLES)]) {
            for entry in fs::read_dir(&tree).expect("a folder").flatten().filter(|e| e.path().is_file()) {
                let good = fs::read(entry.path()).expect("readable");
                let steps = (0..good.len()).filter(|at| *at < 60 || at + 120 > good.len() || at % 97 == 0);
                for (at, value) in steps.flat_map(|at| [(at, 0), (at, 0xff), (at, good[at] ^ 1)]) {
                    let mut bad = good.clone();
                    bad[at] = value;
                    fs::write(entry.path(), &bad).expect("written");
                    for (key, value) in entries.iter().step_by(26) {
                        match shelf().get(Keyspace::Log, key) {
                            Ok(found) => assert_eq!(found.as_ref(), Some(value), "{:?} {at}", entry.path()),
                            Err(StoreError::Index { .. }) => told += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                fs::write(entry.path(), &good).expect("written");
            }
        }
        assert!(told > 100, "{told}");
        ingest().expect("as it was");
        let current = fs::read(trees[0].join(CURRENT)).expect("readable");
        let path = trees[0].join(format!("v{}", current[0]));
        let mut bad = fs::read(&path).expect("readable");
        bad[10] ^= 0x40;
        fs::write(&path, bad).expect("written");
        assert!(matches!(ingest(), Err(StoreError::Index { .. })), "who writes is told as well");
    }
}
