//! "Did you mean": the known name that is nearest to a mistyped one.

use std::path::{Path, PathBuf};

/// Returns the candidate nearest to `word`, if it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&word.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

/// Returns the file or folder whose name is nearest to the last part of a path that does not exist.
pub fn file_like(path: &Path) -> Option<PathBuf> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let listing = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names: Vec<String> = listing.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    let near = nearest(wanted, names.iter().map(String::as_str).filter(|n| *n != wanted && !n.starts_with('.')))?;
    Some(folder.map_or_else(|| PathBuf::from(near), |f| f.join(near)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["status", "commit", "checkout"];
        assert_eq!(nearest("comit", names), Some("commit"));
        assert_eq!(nearest("Statsu", names), Some("status"));
        assert_eq!(nearest("xyzzy", names), None);
    }
}
