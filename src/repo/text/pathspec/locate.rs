//! Turns a typed path into one relative to the top of the worktree.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{PathspecError, wildmatch};
use crate::model::is_reserved;

/// Returns where `typed`, seen from `cwd`, lies below `top`: parts joined by `/`, `""` for the top itself.
///
/// `..` is resolved by the text of the path. Folders on the way must not be symbolic links, or the file would lie
/// elsewhere than its path says; with `has_pattern` that holds for those before the first wildcard.
pub fn locate(top: &Path, cwd: &Path, typed: &Path, has_pattern: bool) -> Result<String, PathspecError> {
    let absolute = flatten(&cwd.join(typed));
    let inside = match absolute.strip_prefix(top) {
        Ok(inside) => inside.to_owned(),
        Err(_) => through_links(top, &absolute)
            .ok_or_else(|| PathspecError::Outside { path: typed.to_owned(), top: top.to_owned() })?,
    };
    let mut text = String::new();
    for part in inside.iter() {
        let part = part.to_str().ok_or_else(|| PathspecError::NotUtf8(typed.to_owned()))?;
        if is_reserved(part) {
            return Err(PathspecError::Reserved { path: typed.to_owned() });
        }
        if !text.is_empty() {
            if !(has_pattern && wildmatch::is_pattern(&text)) && is_symlink(&top.join(&text)) {
                return Err(PathspecError::BeyondSymlink { path: typed.to_owned(), link: text });
            }
            text.push('/');
        }
        text.push_str(part);
    }
    Ok(text)
}

/// Finds a path inside `top` that was typed by way of a symbolic link above it, such as `/tmp` on some systems.
fn through_links(top: &Path, absolute: &Path) -> Option<PathBuf> {
    let top = top.canonicalize().ok()?;
    // The longest ancestor that exists and, resolved, is the top or lies in it; what follows is kept as typed.
    let mut found = None;
    for ancestor in absolute.ancestors() {
        let Ok(resolved) = ancestor.canonicalize() else { continue };
        match resolved.strip_prefix(&top) {
            Ok(_) if resolved == top => found = Some(absolute.strip_prefix(ancestor).ok()?.to_owned()),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    found
}

/// Removes `.` and resolves `..` without asking the file system.
fn flatten(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(flat.pop()),
            Component::Prefix(_) | Component::RootDir => flat.push(part),
            Component::Normal(name) => flat.push::<&OsStr>(name),
        }
    }
    flat
}

fn is_symlink(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_symlink())
}
