//! One pathspec: its magic words, its place, and what it matches.

use std::path::{Component, Path, PathBuf};

use super::{PathspecError, locate, wildmatch};
use crate::model::RepoPath;
use wildmatch::Flags;

/// One argument that selects paths.
#[derive(Clone, Debug)]
pub struct Item {
    typed: PathBuf,
    /// Relative to the top, without a slash at the end; `""` for the top itself.
    path: String,
    /// The path ended in a slash: it means a folder.
    is_folder: bool,
    /// The path has wildcards, read like this.
    pattern: Option<Flags>,
    ignore_case: bool,
    /// How many bytes of the path name the folder one stands in; those tell case even with `icase`.
    exact: usize,
}

/// The words before a path.
#[derive(Default)]
struct Magic {
    top: bool,
    exclude: bool,
    glob: bool,
    ignore_case: bool,
    literal: bool,
}

/// Parses an argument; the flag tells whether it excludes.
pub fn parse(top: &Path, cwd: &Path, typed: &Path) -> Result<(Item, bool), PathspecError> {
    if typed.as_os_str().is_empty() {
        return Err(PathspecError::Empty);
    }
    let text = typed.to_str().ok_or_else(|| PathspecError::NotUtf8(typed.to_owned()))?;
    let (magic, rest) = split_magic(text).map_err(|word| PathspecError::Magic { path: typed.to_owned(), word })?;
    let base = if magic.top { top } else { cwd };
    let has_pattern = !magic.literal && wildmatch::is_pattern(rest);
    let path = locate::locate(top, base, Path::new(rest), has_pattern).map_err(|e| name_typed(e, typed))?;
    let is_folder = rest.ends_with('/') || rest.ends_with("/.");
    let exact = if magic.ignore_case {
        length_from(&locate::locate(top, base, Path::new("."), false)?, Path::new(rest), &path)
    } else {
        0
    };
    let flags = Flags { by_component: magic.glob, ignore_case: magic.ignore_case };
    let item = Item {
        typed: typed.to_owned(),
        path,
        is_folder,
        pattern: has_pattern.then_some(flags),
        ignore_case: magic.ignore_case,
        exact,
    };
    Ok((item, magic.exclude))
}

/// Splits `:(words)path`, `:/path`, `:!path` and `:^path`; fails with the word that is unknown.
fn split_magic(text: &str) -> Result<(Magic, &str), String> {
    let mut magic = Magic::default();
    let Some(mut rest) = text.strip_prefix(':') else { return Ok((magic, text)) };
    if let Some(long) = rest.strip_prefix('(') {
        let (words, path) = long.split_once(')').ok_or_else(|| long.to_owned())?;
        for word in words.split(',').filter(|w| !w.is_empty()) {
            match word {
                "top" => magic.top = true,
                "exclude" => magic.exclude = true,
                "glob" => magic.glob = true,
                "icase" => magic.ignore_case = true,
                "literal" => magic.literal = true,
                other => return Err(other.to_owned()),
            }
        }
        return Ok((magic, path));
    }
    loop {
        match rest.chars().next() {
            Some('/') => magic.top = true,
            Some('!' | '^') => magic.exclude = true,
            Some(':') => return Ok((magic, &rest[1..])),
            Some(c) if c.is_ascii_punctuation() && !"*?[\\._-".contains(c) => return Err(c.to_string()),
            _ => return Ok((magic, rest)),
        }
        rest = &rest[1..];
    }
}

/// Returns how many bytes of a path typed in folder `cwd` come from that folder and not from what was typed.
fn length_from(cwd: &str, typed: &Path, path: &str) -> usize {
    let folders: Vec<&str> = cwd.split('/').filter(|f| !f.is_empty()).collect();
    let (mut depth, mut kept) = (folders.len(), folders.len());
    for part in typed.components() {
        match part {
            Component::ParentDir => depth = depth.saturating_sub(1),
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return 0,
        }
        kept = kept.min(depth);
    }
    folders[..kept].iter().map(|f| f.len() + 1).sum::<usize>().min(path.len())
}

/// Puts the whole argument into an error that names a part of it.
fn name_typed(error: PathspecError, typed: &Path) -> PathspecError {
    let path = typed.to_owned();
    match error {
        PathspecError::Outside { top, .. } => PathspecError::Outside { path, top },
        PathspecError::NotUtf8(_) => PathspecError::NotUtf8(path),
        PathspecError::Reserved { .. } => PathspecError::Reserved { path },
        PathspecError::BeyondSymlink { link, .. } => PathspecError::BeyondSymlink { path, link },
        other => other,
    }
}

impl Item {
    /// Selects one path and what lies in it.
    pub fn of_path(path: &RepoPath) -> Self {
        let text = path.as_str().to_owned();
        Self { typed: PathBuf::from(&text), path: text, is_folder: false, pattern: None, ignore_case: false, exact: 0 }
    }

    /// Returns the argument.
    pub fn typed(&self) -> &Path {
        &self.typed
    }

    /// Tells whether it means the whole worktree.
    pub fn is_top(&self) -> bool {
        self.path.is_empty()
    }

    /// Returns the path if it has no pattern.
    pub fn literal(&self) -> Option<&str> {
        self.pattern.is_none().then_some(self.path.as_str())
    }

    /// Tells whether it names exactly this path.
    pub fn names(&self, path: &str) -> bool {
        !self.is_top() && self.same(path, self.path.len())
    }

    /// Tells whether it selects a file.
    pub fn matches(&self, path: &str) -> bool {
        // A name with wildcards in it may also be the plain name of a file, as in Git.
        self.names(path) && !self.is_folder
            || self.covers_plainly(path)
            || self.pattern.is_some_and(|flags| {
                // "pattern/" means a folder, whose files the pattern without the slash does not match.
                !self.is_folder
                    && self.agrees_exactly(path)
                    && path
                        .get(self.exact..)
                        .is_some_and(|rest| wildmatch::matches(&self.path[self.exact..], rest, flags))
            })
    }

    /// Tells whether it selects every file in a folder.
    pub fn covers(&self, folder: &str) -> bool {
        self.names(folder) || self.covers_plainly(folder)
    }

    /// Tells whether it could select a file in a folder.
    pub fn may_match_in(&self, folder: &str) -> bool {
        if folder.is_empty() || self.covers(folder) {
            return true;
        }
        // As far as the item is plain text, the folder must begin with it or be on the way to it.
        let plain = match self.pattern {
            Some(_) => self.path.find(['*', '?', '[', '\\']).unwrap_or(self.path.len()),
            None => self.path.len(),
        };
        if folder.len() >= plain {
            return self.pattern.is_some() && self.same(&folder[..folder.floor_char_boundary(plain)], plain);
        }
        self.same(folder, folder.len()) && (self.pattern.is_some() || self.path.as_bytes()[folder.len()] == b'/')
    }

    /// Tells whether a path lies in the folder of this name.
    fn covers_plainly(&self, path: &str) -> bool {
        let end = self.path.len();
        self.is_top() || path.as_bytes().get(end) == Some(&b'/') && self.same(&path[..end], end)
    }

    /// Compares the first `len` bytes of the item with a text.
    fn same(&self, text: &str, len: usize) -> bool {
        let Some(own) = self.path.get(..len) else { return false };
        own == text || self.ignore_case && self.agrees_exactly(text) && own.to_lowercase() == text.to_lowercase()
    }

    /// Tells whether a text has the part that tells case, as far as the text goes.
    fn agrees_exactly(&self, text: &str) -> bool {
        let len = self.exact.min(text.len());
        self.path.as_bytes()[..len] == text.as_bytes()[..len]
    }
}
