//! "Did you mean": the known name that is nearest to a mistyped one.

use std::path::{Path, PathBuf};

pub use crate::util::nearest::nearest;

/// Returns the file or folder whose name is nearest to the last part of a path that does not exist.
pub fn file_like(path: &Path) -> Option<PathBuf> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let listing = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names: Vec<String> = listing.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    let near = nearest(wanted, names.iter().map(String::as_str).filter(|n| *n != wanted && !n.starts_with('.')))?;
    Some(folder.map_or_else(|| PathBuf::from(near), |f| f.join(near)))
}
