//! Trust: which repositories may name programs to run.
//!
//! Hooks, aliases, pagers and editors of a repository run as the user who merely looks at it. So they count only where the user
//! made the repository on this machine, or said that they trust it. What is trusted is written down outside of any repository,
//! one record per `.graft` folder: where it is, and device, inode, owner and birth of the folder. A copy, a folder that was moved or
//! given to another user, and one that took the place of another have other values, and so ask again.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::repo::error::{RepoError, Result};
use crate::repo::state::config::Origin;
use crate::repo::{DIR, Repository, is_repository};

/// What the user trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The folder of the records; without one nothing is trusted.
    pub records: Option<PathBuf>,
    /// Every repository, for surroundings that are thrown away afterwards.
    pub everything: bool,
}

/// What tells one repository folder from every other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    device: u64,
    inode: u64,
    owner: u32,
    /// Nanoseconds; 0 where the file system does not know.
    born: u128,
}

impl Folder {
    fn look(dir: &Path) -> io::Result<Self> {
        // A link to a repository is a place of its own, so only what is above it is followed.
        let above = dir.parent().ok_or(io::ErrorKind::InvalidInput)?.canonicalize()?;
        let seen = fs::metadata(dir)?;
        let born = seen.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            path: above.join(dir.file_name().ok_or(io::ErrorKind::InvalidInput)?),
            device: seen.dev(),
            inode: seen.ino(),
            owner: seen.uid(),
            born: born.map_or(0, |time| time.as_nanos()),
        })
    }

    /// Writes a line per value; the path comes last, as it may hold anything.
    fn to_bytes(&self) -> Vec<u8> {
        let Self { device, inode, owner, born, .. } = self;
        let values = format!("device {device}\ninode {inode}\nowner {owner}\nborn {born}\npath ");
        [values.as_bytes(), self.path.as_os_str().as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut next = |name: &str| {
            let (line, after) = rest.split_at(rest.iter().position(|&b| b == b'\n')?);
            rest = &after[1..];
            Some(std::str::from_utf8(line).ok()?.strip_prefix(name)?.strip_prefix(' ')?.to_owned())
        };
        let device = next("device")?.parse().ok()?;
        let inode = next("inode")?.parse().ok()?;
        let owner = next("owner")?.parse().ok()?;
        let born = next("born")?.parse().ok()?;
        let path = OsString::from_vec(rest.strip_prefix(b"path ")?.to_vec()).into();
        Some(Self { path, device, inode, owner, born })
    }
}

impl Trust {
    /// Tells whether a repository folder is trusted.
    pub fn covers(&self, dir: &Path) -> bool {
        self.everything || self.is_recorded(dir)
    }

    fn is_recorded(&self, dir: &Path) -> bool {
        let Ok(seen) = Folder::look(dir) else { return false };
        let known = self.record(&seen.path).and_then(|file| fs::read(file).ok());
        known.and_then(|bytes| Folder::from_bytes(&bytes)) == Some(seen)
    }

    /// Trusts a repository folder from now on; returns false if there is no place to write that down.
    pub fn give(&self, dir: &Path) -> Result<bool> {
        let Some(records) = &self.records else { return Ok(false) };
        let seen = Folder::look(dir).map_err(RepoError::file("look at", dir))?;
        let Some(file) = self.record(&seen.path) else { return Ok(false) };
        let write = || {
            fs::create_dir_all(records)?;
            let mut record = tempfile::NamedTempFile::new_in(records)?;
            record.write_all(&seen.to_bytes())?;
            record.persist(&file)?;
            Ok(())
        };
        write().map_err(RepoError::file("write", &file))?;
        Ok(true)
    }

    /// Trusts a repository folder no more, whatever is there now; tells whether it was trusted.
    pub fn revoke(&self, dir: &Path) -> Result<bool> {
        let above = dir.parent().and_then(|above| above.canonicalize().ok());
        let path = above.zip(dir.file_name()).map_or_else(|| dir.to_owned(), |(above, name)| above.join(name));
        let Some(file) = self.record(&path) else { return Ok(false) };
        match fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(RepoError::file("remove", &file)(e)),
        }
    }

    /// Lists the folders that are trusted, sorted, and whether each is still the one that was meant.
    pub fn list(&self) -> Result<Vec<(PathBuf, bool)>> {
        let Some(records) = &self.records else { return Ok(Vec::new()) };
        let entries = match fs::read_dir(records) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(RepoError::file("read", records)(e)),
        };
        let bytes = entries.flatten().filter_map(|entry| fs::read(entry.path()).ok());
        let mut known: Vec<_> = bytes
            .filter_map(|bytes| Folder::from_bytes(&bytes))
            .map(|folder| (Folder::look(&folder.path).is_ok_and(|seen| seen == folder), folder.path))
            .map(|(is_there, path)| (path, is_there))
            .collect();
        known.sort();
        Ok(known)
    }

    /// Returns the file about a place.
    fn record(&self, path: &Path) -> Option<PathBuf> {
        let name = blake3::hash(path.as_os_str().as_bytes()).to_hex();
        Some(self.records.as_ref()?.join(&name.as_str()[..32]))
    }
}

impl Repository {
    /// Returns the folder of the repository that `start` lies in, without opening it.
    pub fn find(start: &Path) -> Result<PathBuf> {
        let mut absolute = std::path::absolute(start).map_err(RepoError::file("find", start))?;
        if absolute.components().any(|part| part == Component::ParentDir) {
            // The folders on the way there and back are none that it lies in.
            absolute = absolute.canonicalize().map_err(RepoError::file("find", start))?;
        }
        let found = absolute.ancestors().map(|dir| dir.join(DIR)).find(|dir| is_repository(dir));
        found.ok_or(RepoError::NotARepository(absolute))
    }

    /// Tells whether what this repository names may run.
    pub fn is_trusted(&self) -> bool {
        self.settings().trust.covers(self.dir())
    }

    /// Returns a setting that names something to run, and whether the repository has one that was passed over because it is not
    /// trusted.
    pub fn program(&self, key: &str) -> (Option<String>, bool) {
        let chosen = self.config().get(key);
        if chosen.is_none_or(|e| !matches!(e.origin, Origin::Repository(_))) || self.is_trusted() {
            return (chosen.map(|e| e.value.clone()), false);
        }
        let own = |e: &&crate::repo::state::config::Entry| !matches!(e.origin, Origin::Repository(_));
        (self.config().get_all(key).into_iter().rfind(own).map(|e| e.value.clone()), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        tmp: tempfile::TempDir,
        trust: Trust,
    }

    impl Place {
        fn new() -> Self {
            let tmp = tempfile::tempdir().unwrap();
            let trust = Trust { records: Some(tmp.path().join("state/trusted")), everything: false };
            Self { tmp, trust }
        }

        fn folder(&self, name: &str) -> PathBuf {
            let dir = self.tmp.path().join(name).join(DIR);
            fs::create_dir_all(&dir).unwrap();
            dir
        }
    }

    #[test]
    fn only_the_folder_itself_in_its_place_is_trusted() {
        let place = Place::new();
        let dir = place.folder("a");
        assert!(!place.trust.covers(&dir));
        assert!(place.trust.give(&dir).unwrap());
        assert!(place.trust.covers(&dir));
        // Moved away, and something else put there.
        let moved = place.tmp.path().join("b");
        fs::rename(place.tmp.path().join("a"), &moved).unwrap();
        assert!(!place.trust.covers(&moved.join(DIR)), "moved");
        assert!(!place.trust.covers(&place.folder("a")), "another one in its place");
        // By another name of the same place it is trusted, behind a link of its own it is not.
        assert!(place.trust.give(&moved.join(DIR)).unwrap());
        std::os::unix::fs::symlink(&moved, place.tmp.path().join("link")).unwrap();
        assert!(place.trust.covers(&place.tmp.path().join("link").join(DIR)));
        fs::create_dir(place.tmp.path().join("c")).unwrap();
        std::os::unix::fs::symlink(moved.join(DIR), place.tmp.path().join("c").join(DIR)).unwrap();
        assert!(!place.trust.covers(&place.tmp.path().join("c").join(DIR)), "a link to a trusted one");
    }

    #[test]
    fn trust_is_listed_and_taken_back() {
        let place = Place::new();
        let (a, b) = (place.folder("a"), place.folder("b\nc"));
        for dir in [&a, &b] {
            assert!(place.trust.give(dir).unwrap());
        }
        fs::remove_dir(&a).unwrap();
        let real = |dir: &Path| dir.parent().unwrap().canonicalize().unwrap().join(DIR);
        assert_eq!(place.trust.list().unwrap(), [(real(&a), false), (real(&b), true)]);
        assert!(place.trust.revoke(&a).unwrap(), "the folder need not be there");
        assert!(place.trust.revoke(&b).unwrap());
        assert!(!place.trust.revoke(&b).unwrap());
        assert_eq!(place.trust.list().unwrap(), []);
        assert!(!place.trust.covers(&b));
    }

    #[test]
    fn without_records_nothing_is_trusted_unless_everything_is() {
        let place = Place::new();
        let dir = place.folder("a");
        let nothing = Trust::default();
        assert!(!nothing.give(&dir).unwrap());
        assert!(!nothing.covers(&dir));
        assert!(Trust { everything: true, records: None }.covers(&dir));
    }

    #[test]
    fn a_record_that_was_cut_short_counts_for_nothing() {
        let place = Place::new();
        let dir = place.folder("a");
        place.trust.give(&dir).unwrap();
        let record = fs::read_dir(place.trust.records.as_ref().unwrap()).unwrap().next().unwrap().unwrap().path();
        let whole = fs::read(&record).unwrap();
        for len in 0..whole.len() {
            fs::write(&record, &whole[..len]).unwrap();
            assert!(!place.trust.covers(&dir), "{len} bytes");
        }
    }
}
