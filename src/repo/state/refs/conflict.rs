//! A ref cannot be both a file and a folder: finds such conflicts and clears what lies empty in the way.

use std::fs;
use std::io;
use std::path::Path;

use super::{RefError, RefStore, Target};
use crate::model::RefName;
use crate::util::fs as durable;

impl RefStore {
    /// Checks that `name` neither lies inside another ref nor holds one, not counting the ref `except`.
    pub(super) fn check_nesting(&self, name: &RefName, except: Option<&RefName>) -> Result<(), RefError> {
        let nested = |existing: RefName| Err(RefError::Nested { name: name.clone(), existing });
        for parent in parents(name) {
            if except != Some(&parent) && self.exists(&parent)? {
                return nested(parent);
            }
        }
        let inside = format!("{name}/");
        let mut existing = None;
        self.each_loose(&inside, &mut |child| {
            existing = child.ok().filter(|c| except != Some(c)).or(existing.take());
        })?;
        if let Some(child) = existing {
            return nested(child);
        }
        match self.packed()?.iter().find(|(child, _)| child.as_str().starts_with(&inside) && except != Some(child)) {
            Some((child, _)) => nested(child.clone()),
            None => Ok(()),
        }
    }

    /// Tells whether a ref exists, be it damaged.
    fn exists(&self, name: &RefName) -> Result<bool, RefError> {
        match self.read(name) {
            Ok(target) => Ok(target.is_some()),
            Err(RefError::Damaged { .. }) => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Writes the file of a ref, making its folders; conflicts have been ruled out.
    pub(super) fn write_loose(&self, name: &RefName, target: &Target) -> Result<(), RefError> {
        let path = self.path(name);
        self.make_room(&path)?;
        self.replace(&path, super::render(target).as_bytes())
    }

    /// Removes the file of a ref and the folders that this leaves empty.
    pub(super) fn remove_loose(&self, name: &RefName) -> Result<(), RefError> {
        self.remove_pruning(&self.path(name))
    }

    /// Removes a file of a ref or reflog, and its folders as far as they become empty.
    pub(super) fn remove_pruning(&self, path: &Path) -> Result<(), RefError> {
        let io = |source| RefError::Io { path: path.to_owned(), source };
        match durable::remove(path) {
            // The folder is missing, or what should be one is the file of another ref.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
            result => result.map_err(io)?,
        }
        let mut folder = path.parent();
        while let Some(dir) = folder.filter(|dir| self.is_prunable(dir)) {
            if !durable::remove_empty_dir(dir).map_err(io)? {
                break;
            }
            folder = dir.parent();
        }
        Ok(())
    }

    /// Makes the folders for a file and removes empty folders that stand where the file shall be.
    pub(super) fn make_room(&self, path: &Path) -> Result<(), RefError> {
        let io = |source| RefError::Io { path: path.to_owned(), source };
        if path.is_dir() {
            remove_empty_tree(path).map_err(io)?;
        }
        path.parent().map_or(Ok(()), durable::create_dir_all).map_err(io)
    }

    /// Tells whether a folder may vanish: those of `refs/heads`, `refs/tags` and above stay.
    fn is_prunable(&self, dir: &Path) -> bool {
        let Ok(inside) = dir.strip_prefix(&self.dir) else { return false };
        let inside = inside.strip_prefix("logs").unwrap_or(inside);
        inside.components().count() > 2
    }
}

/// Returns the names in which `name` lies: `refs/heads/a` for `refs/heads/a/b`.
fn parents(name: &RefName) -> impl Iterator<Item = RefName> + '_ {
    let text = name.as_str();
    text.match_indices('/').skip(1).filter_map(|(end, _)| RefName::new(&text[..end]).ok())
}

/// Removes a folder that holds nothing but folders.
fn remove_empty_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_empty_tree(&entry.path())?;
        }
    }
    durable::remove_empty_dir(dir).map(drop)
}
