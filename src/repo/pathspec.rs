//! Paths as typed by people: files, folders and globs, relative to where they stand.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::model::RepoPath;

/// Why a path as typed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PathspecError {
    /// It leads out of the worktree.
    #[error("'{}' is outside the repository {}", path.display(), top.display())]
    Outside {
        /// The path as typed.
        path: PathBuf,
        /// The top of the worktree.
        top: PathBuf,
    },
    /// A folder on its way is a symbolic link.
    #[error("'{}' is beyond the symbolic link '{}'", path.display(), link.display())]
    BeyondSymlink {
        /// The path as typed.
        path: PathBuf,
        /// The link.
        link: PathBuf,
    },
    /// It is not valid UTF-8.
    #[error("'{}': a path that is not valid UTF-8 cannot be tracked", .0.display())]
    NotUtf8(PathBuf),
    /// It is empty.
    #[error("an empty path is not a pathspec (use . for everything)")]
    Empty,
    /// The glob is not well-formed.
    #[error("'{}' is not a well-formed pattern: {reason}", path.display())]
    Glob {
        /// The pattern as typed.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Compiled paths; none at all match everything.
#[derive(Clone, Debug, Default)]
pub struct Pathspecs(Vec<Spec>);

#[derive(Clone, Debug)]
struct Spec {
    typed: PathBuf,
    /// Relative to the top, `/` between parts; empty for the top itself.
    path: String,
    glob: Option<GlobMatcher>,
}

impl Pathspecs {
    /// Compiles paths typed by somebody who stands in `cwd`, in the worktree that begins at `top`.
    pub fn new(top: &Path, cwd: &Path, typed: &[PathBuf]) -> Result<Self, PathspecError> {
        typed.iter().map(|t| Spec::new(top, cwd, t)).collect::<Result<_, _>>().map(Self)
    }

    /// Tells whether no path was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether a file is meant.
    pub fn matches(&self, path: &RepoPath) -> bool {
        self.0.is_empty() || self.0.iter().any(|s| s.matches(path))
    }

    /// Tells whether files below a folder (relative to the top, empty for the top) may be meant.
    pub fn may_match_below(&self, folder: &str) -> bool {
        let below = |a: &str, b: &str| b.is_empty() || a == b || a.strip_prefix(b).is_some_and(|r| r.starts_with('/'));
        self.0.is_empty() || self.0.iter().any(|s| s.glob.is_some() || below(folder, &s.path) || below(&s.path, folder))
    }

    /// Returns the first path as typed that means none of `paths`.
    pub fn unmatched(&self, paths: &[&RepoPath]) -> Option<PathBuf> {
        // The top itself needs no match: `add .` in an empty worktree is no mistake.
        let missed = self.0.iter().find(|s| !s.path.is_empty() && !paths.iter().any(|p| s.matches(p)));
        missed.map(|s| s.typed.clone())
    }

    /// Tells whether a file is named by itself, not through a folder or a pattern.
    pub fn names(&self, path: &RepoPath) -> bool {
        self.0.iter().any(|s| s.glob.is_none() && s.path == path.as_str())
    }

    /// Iterates over the paths that are no globs: as typed, and relative to the top.
    pub fn literal(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.0.iter().filter(|s| s.glob.is_none()).map(|s| (s.typed.as_path(), s.path.as_str()))
    }
}

impl Spec {
    fn new(top: &Path, cwd: &Path, typed: &Path) -> Result<Self, PathspecError> {
        if typed.as_os_str().is_empty() {
            return Err(PathspecError::Empty);
        }
        let full = plain(&std::path::absolute(cwd.join(typed)).unwrap_or_else(|_| cwd.join(typed)));
        let outside = || PathspecError::Outside { path: typed.to_owned(), top: top.to_owned() };
        let inside = match full.strip_prefix(top) {
            Ok(inside) => inside.to_owned(),
            // The worktree may be reached through symbolic links.
            Err(_) => {
                let parent = full.parent().and_then(|p| p.canonicalize().ok()).ok_or_else(outside)?;
                let real = top.canonicalize().map_err(|_| outside())?;
                let inside = parent.strip_prefix(real).map_err(|_| outside())?;
                full.file_name().map_or_else(|| inside.to_owned(), |name| inside.join(name))
            }
        };
        if let Some(link) = link_on_the_way(top, &inside) {
            return Err(PathspecError::BeyondSymlink { path: typed.to_owned(), link });
        }
        let path = inside.to_str().ok_or_else(|| PathspecError::NotUtf8(typed.to_owned()))?.to_owned();
        // A file with such a name is meant before a pattern is.
        let is_pattern = path.contains(['*', '?', '[']) && top.join(&inside).symlink_metadata().is_err();
        let glob = match is_pattern {
            false => None,
            true => Some(
                GlobBuilder::new(&path)
                    .literal_separator(false)
                    .build()
                    .map_err(|e| PathspecError::Glob { path: typed.to_owned(), reason: e.kind().to_string() })?
                    .compile_matcher(),
            ),
        };
        Ok(Self { typed: typed.to_owned(), path, glob })
    }

    fn matches(&self, path: &RepoPath) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(path.as_str()),
            None => path.is_within(&self.path),
        }
    }
}

/// Takes `.` and `..` out of a path without asking the file system.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Returns the first folder on the way to a path that is a symbolic link.
fn link_on_the_way(top: &Path, inside: &Path) -> Option<PathBuf> {
    let folders = inside.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty());
    folders.map(|f| top.join(f)).filter(|f| f.is_symlink()).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(cwd: &str, typed: &[&str]) -> Result<Pathspecs, PathspecError> {
        let typed: Vec<PathBuf> = typed.iter().map(PathBuf::from).collect();
        Pathspecs::new(Path::new("/top"), &Path::new("/top").join(cwd), &typed)
    }

    fn path(p: &str) -> RepoPath {
        RepoPath::new(p).expect("valid")
    }

    #[test]
    fn files_folders_and_globs() {
        let s = specs("data", &["app.db", "../x", "*.sqlite"]).expect("valid");
        assert!(s.matches(&path("data/app.db")) && s.matches(&path("x/y")) && s.matches(&path("data/in/a.sqlite")));
        assert!(!s.matches(&path("app.db")) && !s.matches(&path("xy")) && !s.matches(&path("a.sqlite")));
        assert_eq!(s.unmatched(&[&path("x/y"), &path("data/app.db")]), Some(PathBuf::from("*.sqlite")));
        assert!(specs("", &["."]).expect("valid").unmatched(&[]).is_none());
        assert!(specs("", &[]).expect("valid").matches(&path("anything")));
        assert!(s.may_match_below("") && s.may_match_below("data"));
    }

    #[test]
    fn outside_is_an_error() {
        assert!(matches!(specs("a", &["../../b"]), Err(PathspecError::Outside { .. })));
        assert!(matches!(specs("", &["/etc/passwd"]), Err(PathspecError::Outside { .. })));
        assert!(matches!(specs("", &[""]), Err(PathspecError::Empty)));
    }
}
