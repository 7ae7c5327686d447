//! Owner, group, permissions and extended attributes (access control lists among them) of a file, for the one that takes its place.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use rustix::fs::{XattrFlags, lgetxattr, lgetxattr_query, llistxattr, llistxattr_query, lsetxattr};
use serde::{Deserialize, Serialize};

/// The bits of a mode that are permissions, and those among them that let a program run with the rights of the file's owner or group.
const PERMISSIONS: u32 = 0o7777;
const SET_ID: u32 = 0o6000;
const SET_GROUP: u32 = 0o2000;
const EXECUTE: u32 = 0o111;
const OF_GROUP: u32 = 0o070;
/// The attribute that says of single users and groups what they may do.
const ACCESS_LIST: &str = "system.posix_acl_access";

/// Attributes that belong to a content, not to a place: the system takes them away when a file is written to.
const OF_CONTENT: [&str; 3] = ["security.capability", "security.ima", "security.evm"];

/// What a file has besides its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
    #[serde(default)]
    extended: BTreeMap<String, Vec<u8>>,
}

/// What a file could not be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its owner, by number.
    Owner(u32),
    /// Its group, by number.
    Group(u32),
    /// Its permissions.
    Mode(u32),
    /// An extended attribute.
    Extended(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(uid) => write!(f, "its owner {uid}"),
            Self::Group(gid) => write!(f, "its group {gid}"),
            Self::Mode(mode) => write!(f, "its mode {mode:o}"),
            Self::Extended(name) => write!(f, "its extended attribute {name}"),
        }
    }
}

impl Attributes {
    /// Returns what a file has; it is not opened. `None` if there is none, or something else.
    pub fn of(path: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
        let (mode, uid, gid) = (meta.mode() & PERMISSIONS, meta.uid(), meta.gid());
        Some(Self { mode, uid, gid, extended: extended(path) })
    }

    /// Tells whether a file with these is like another one, but for the permission to execute it.
    pub fn are_like(&self, other: &Self) -> bool {
        let plain = |of: &Self| (of.mode & !EXECUTE, of.uid, of.gid);
        plain(self) == plain(other) && self.extended == other.extended
    }

    /// Leaves out what gives rights to whoever runs a file, and what only the system itself may say of one: the rest may come from a note.
    pub fn harmless(mut self) -> Self {
        self.mode &= !SET_ID;
        self.extended.retain(|name, _| name.starts_with("user.") || name == ACCESS_LIST);
        self
    }

    /// Gives them to a file that the caller has just made and that holds nothing yet; returns what it could not be given.
    pub fn give(&self, path: &Path) -> io::Result<Vec<Lost>> {
        let now = fs::symlink_metadata(path)?;
        let mut lost = Vec::new();
        let mut mode = self.mode;
        let (uid, gid) = ((now.uid() != self.uid).then_some(self.uid), (now.gid() != self.gid).then_some(self.gid));
        if (uid.is_some() || gid.is_some()) && lchown(path, uid, gid).is_err() {
            lost.extend(uid.map(Lost::Owner));
            // Whoever is in the group may give a file to it.
            let has_group = gid.is_none_or(|gid| lchown(path, None, Some(gid)).is_ok());
            lost.extend(gid.filter(|_| !has_group).map(Lost::Group));
            mode &= !SET_ID;
            if !has_group {
                // What the one group may do is not for another one.
                mode &= !OF_GROUP;
            }
        }
        let is_of_group = lost.iter().any(|lost| matches!(lost, Lost::Group(_)));
        for (name, value) in &self.extended {
            if is_of_group && name == ACCESS_LIST {
                lost.push(Lost::Extended(name.clone()));
                continue;
            }
            if lsetxattr(path, name.as_str(), value, XattrFlags::empty()).is_err() {
                lost.push(Lost::Extended(name.clone()));
                if name == ACCESS_LIST {
                    // Beside such a list these bits are what it may give at the most, not what the group has.
                    mode &= !OF_GROUP;
                }
            }
        }
        if fs::set_permissions(path, Permissions::from_mode(mode)).is_err() {
            lost.push(Lost::Mode(mode));
        }
        Ok(lost)
    }
}

/// Gives a new file the group of its folder where that is what the folder wants of files made in it.
pub fn inherit_group(path: &Path, folder: &Path) {
    let wanted = fs::metadata(folder).ok().filter(|meta| meta.mode() & SET_GROUP != 0).map(|meta| meta.gid());
    if let (Some(gid), Ok(now)) = (wanted, fs::symlink_metadata(path))
        && now.gid() != gid
    {
        // A file that they make there themselves is the group's even if they are not in it; this one is not then.
        let _ = lchown(path, None, Some(gid));
    }
}

/// Reads the extended attributes of a file; none where the file system has no such, or does not tell.
fn extended(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; llistxattr_query(path).unwrap_or(0)];
    let len = llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..len].split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    let names = names.filter(|name| !name.is_empty() && !OF_CONTENT.contains(name));
    names.filter_map(|name| Some((name.to_owned(), value(path, name)?))).collect()
}

fn value(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; lgetxattr_query(path, name).ok()?];
    let len = lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(len);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_has_is_given_to_another() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        fs::write(&old, b"").unwrap();
        fs::write(&new, b"").unwrap();
        lsetxattr(&old, "user.note", b"mine", XattrFlags::empty()).expect("extended attributes in the folder of tests");
        fs::set_permissions(&old, Permissions::from_mode(0o440)).unwrap();
        let attributes = Attributes::of(&old).unwrap();
        assert_eq!(attributes.give(&new).unwrap(), []);
        assert_eq!(Attributes::of(&new).unwrap(), attributes);
        assert_eq!(Attributes { mode: 0o6640, ..attributes.clone() }.harmless().mode, 0o640);
        assert!(attributes.are_like(&Attributes { mode: 0o550, ..attributes.clone() }));
        assert!(!attributes.are_like(&Attributes { mode: 0o640, ..attributes.clone() }));
        assert!(!attributes.are_like(&Attributes { extended: BTreeMap::new(), ..attributes.clone() }));
        assert_eq!(Attributes::of(dir.path()), None);
    }

    #[test]
    fn what_cannot_be_given_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("new");
        fs::write(&new, b"").unwrap();
        // No system lets anybody set this one.
        let extended = BTreeMap::from([("nowhere.note".to_owned(), vec![1])]);
        let lost = Attributes { mode: 0o600, extended, ..Attributes::of(&new).unwrap() }.give(&new).unwrap();
        assert_eq!(lost, [Lost::Extended("nowhere.note".to_owned())]);
        assert_eq!(Attributes::of(&new).unwrap().mode, 0o600);
    }
}
