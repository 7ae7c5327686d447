//! Paths as people type them, relative to where they stand: files, folders and patterns, as Git's pathspecs.
//!
//! `app.db`, `data/`, `*.db`, `../x`, absolute paths, `:/x` or `:(top)x` (from the top), `:!x` or `:(exclude)x`, and the
//! words `glob`, `icase` and `literal`. A folder stands for all files in it.

mod locate;
mod parse;

use std::path::{Path, PathBuf};

use crate::model::RepoPath;
use crate::repo::text::wildmatch;
use parse::Item;

/// Why an argument cannot name files of the repository.
#[derive(Debug, thiserror::Error)]
pub enum PathspecError {
    /// The argument is empty.
    #[error("the path is empty; use '.' for the current folder")]
    Empty,
    /// The path leads out of the repository.
    #[error("'{}' is outside of the repository at '{}'", path.display(), top.display())]
    Outside {
        /// The path as typed.
        path: PathBuf,
        /// The top of the repository.
        top: PathBuf,
    },
    /// The path is not UTF-8.
    #[error("'{}': a path that is not valid UTF-8 cannot be tracked", .0.display())]
    NotUtf8(PathBuf),
    /// The path lies in a folder that Graft or Git keeps for itself.
    #[error("'{}' lies in a folder that is never tracked", path.display())]
    Reserved {
        /// The path as typed.
        path: PathBuf,
    },
    /// A folder on the way is a symbolic link.
    #[error("'{}' is beyond the symbolic link '{link}'", path.display())]
    BeyondSymlink {
        /// The path as typed.
        path: PathBuf,
        /// The link, relative to the top.
        link: String,
    },
    /// A word between `:(` and `)` is unknown, or the `)` is missing.
    #[error("'{}': '{word}' is no pathspec magic (top, exclude, glob, icase, literal)", path.display())]
    Magic {
        /// The argument as typed.
        path: PathBuf,
        /// The word.
        word: String,
    },
}

/// A selection of paths.
#[derive(Clone, Debug, Default)]
pub struct Pathspecs {
    /// Those that select.
    include: Vec<Item>,
    /// Those that take away again.
    exclude: Vec<Item>,
}

impl Pathspecs {
    /// Reads arguments typed in folder `cwd` of the worktree at `top`; both absolute. No arguments select everything.
    pub fn new(top: &Path, cwd: &Path, args: &[PathBuf]) -> Result<Self, PathspecError> {
        let mut specs = Self::default();
        for arg in args {
            let (item, excludes) = parse::parse(top, cwd, arg)?;
            if excludes { specs.exclude.push(item) } else { specs.include.push(item) }
        }
        Ok(specs)
    }

    /// Selects just these paths and what lies in them.
    pub fn of_paths<'a>(paths: impl IntoIterator<Item = &'a RepoPath>) -> Self {
        Self { include: paths.into_iter().map(Item::of_path).collect(), exclude: Vec::new() }
    }

    /// Tells whether no arguments were given.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Tells whether an argument selects, rather than takes away.
    pub fn includes_any(&self) -> bool {
        !self.include.is_empty()
    }

    /// Tells whether a path is selected; every one is if there are no arguments, or only excluding ones.
    pub fn matches(&self, path: &RepoPath) -> bool {
        self.matches_text(path.as_str())
    }

    /// Tells whether a path is selected by being named itself, not by a folder or a pattern.
    pub fn names(&self, path: &RepoPath) -> bool {
        self.names_text(path.as_str())
    }

    /// The same for a path in its stored form.
    pub fn names_text(&self, path: &str) -> bool {
        self.include.iter().any(|item| item.names(path))
    }

    /// Tells whether everything in a folder is selected (`""` is the top).
    pub fn covers(&self, folder: &str) -> bool {
        let whole = self.include.is_empty() || self.include.iter().any(|item| item.covers(folder));
        whole && !self.exclude.iter().any(|item| item.may_match_in(folder))
    }

    /// Tells whether anything in a folder could be selected (`""` is the top).
    pub fn may_match_in(&self, folder: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|item| item.may_match_in(folder)))
            && !self.exclude.iter().any(|item| item.covers(folder))
    }

    /// Returns the first argument, as typed, that selects none of the given paths.
    pub fn unmatched(&self, paths: &[&RepoPath]) -> Option<PathBuf> {
        let of_nothing = || self.include.first().map(Item::typed).filter(|_| paths.is_empty());
        self.all_unmatched(paths).next().or_else(of_nothing).map(Path::to_owned)
    }

    /// Returns the arguments, as typed, that select none of the given paths; the top always selects something.
    pub fn all_unmatched(&self, paths: &[&RepoPath]) -> impl Iterator<Item = &Path> {
        let selects = |item: &Item| item.is_top() || paths.iter().any(|path| item.matches(path.as_str()));
        self.include.iter().filter(move |item| !selects(item)).map(Item::typed)
    }

    /// Returns the arguments that name one path each, without a pattern, relative to the top.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.include.iter().filter_map(Item::literal)
    }

    fn matches_text(&self, path: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|item| item.matches(path)))
            && !self.exclude.iter().any(|item| item.matches(path))
    }
}

/// Converts a path typed in folder `cwd` to one of a file in the repository, which need not exist.
pub fn repo_path(top: &Path, cwd: &Path, typed: &Path) -> Result<RepoPath, PathspecError> {
    if typed.as_os_str().is_empty() {
        return Err(PathspecError::Empty);
    }
    let text = locate::locate(top, cwd, typed, false)?;
    RepoPath::new(&text).map_err(|_| match text.is_empty() {
        true => PathspecError::Empty,
        false => PathspecError::Reserved { path: typed.to_owned() },
    })
}

#[cfg(test)]
mod tests;
