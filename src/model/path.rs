//! Paths of tracked files: UTF-8, relative to the top of the worktree, `/` between parts.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text cannot be the path of a tracked file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RepoPathError {
    /// The path is empty.
    #[error("the path is empty")]
    Empty,
    /// The path is not valid UTF-8.
    #[error("the path is not valid UTF-8: {0}")]
    NotUtf8(String),
    /// The path has a part such as `..`, an empty part, or begins with `/`.
    #[error("'{0}' is not a plain path inside the repository")]
    NotPlain(String),
    /// The path lies in a folder that Graft or Git keeps for itself.
    #[error("'{0}' lies in a folder that is never tracked")]
    Reserved(String),
}

/// A validated path of a tracked file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RepoPath(String);

impl RepoPath {
    /// Validates a path in its stored form.
    pub fn new(path: &str) -> Result<Self, RepoPathError> {
        if path.is_empty() {
            return Err(RepoPathError::Empty);
        }
        for part in path.split('/') {
            match part {
                "" | "." | ".." => return Err(RepoPathError::NotPlain(path.to_owned())),
                _ if is_reserved(part) => return Err(RepoPathError::Reserved(path.to_owned())),
                _ if part.contains('\0') => return Err(RepoPathError::NotPlain(path.to_owned())),
                _ => {}
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// Converts a relative file system path without `.` and `..`.
    pub fn from_path(path: &Path) -> Result<Self, RepoPathError> {
        let mut text = String::new();
        for part in path.components() {
            let Component::Normal(part) = part else {
                return Err(RepoPathError::NotPlain(path.display().to_string()));
            };
            let part = part.to_str().ok_or_else(|| RepoPathError::NotUtf8(path.display().to_string()))?;
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(part);
        }
        Self::new(&text)
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns where the file is below `top`.
    pub fn under(&self, top: &Path) -> PathBuf {
        top.join(&self.0)
    }

    /// Tells whether this is `dir` or lies below it; every path lies below `""`.
    pub fn is_within(&self, dir: &str) -> bool {
        dir.is_empty() || self.0.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Tells whether a file system may take a name for `.git` or `.graft`: without regard to case, with dots or spaces at its end, a
/// stream of it, its short form, or characters in it that Apple's file systems ignore. Git refuses the same (CVE-2014-9390).
pub fn is_reserved(name: &str) -> bool {
    let ignored =
        |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let plain: String = name.chars().filter(|c| !ignored(*c)).collect();
    let plain = plain.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']).to_ascii_lowercase();
    [".git", ".graft", "git~1", "graft~1"].contains(&plain.as_str())
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for RepoPath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_pass() {
        for bad in ["", "/a", "a//b", "a/../b", "./a", "a/", "x/.git/y", ".graft"] {
            assert!(RepoPath::new(bad).is_err(), "{bad}");
        }
        let reserved = [
            ".GIT/hooks/post-checkout",
            ".Graft/config.toml",
            "a/.git./x",
            ".git /x",
            ".git::$INDEX_ALLOCATION/x",
            "GIT~1/config",
            "graft~1/x",
            ".g\u{200c}it/config",
            ".gi\u{feff}t",
        ];
        for bad in reserved {
            assert!(matches!(RepoPath::new(bad), Err(RepoPathError::Reserved(_))), "{bad}");
        }
        for good in [".gitignore", "git", ".github/x", "graft", "a.git", "git~10", "x.graft", ".grafts"] {
            assert!(RepoPath::new(good).is_ok(), "{good}");
        }
        let path = RepoPath::from_path(Path::new("data/app.db")).expect("plain");
        assert!(path.is_within("data") && path.is_within("") && path.is_within("data/app.db"));
        assert!(!path.is_within("dat"));
    }
}
