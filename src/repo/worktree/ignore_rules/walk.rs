//! The walk over the worktree.

use std::ffi::OsStr;
use std::fs::{self, File, FileType};
use std::io;
use std::path::Path;

use super::rules::Rules;
use super::{SearchOptions, UntrackableError, Untracked};
use crate::model::{RepoPath, is_reserved};
use crate::repo::state::index::Index;
use crate::repo::state::types::Warning;
use crate::repo::text::pathspec::Pathspecs;
use crate::sqlite::sidecars::{SUFFIXES, belongs};

/// One search.
pub struct Walk<'a> {
    top: &'a Path,
    specs: &'a Pathspecs,
    index: &'a Index,
    options: SearchOptions,
    rules: Rules,
    found: Untracked,
}

/// What stands in a folder.
struct Item {
    name: String,
    kind: FileType,
}

impl<'a> Walk<'a> {
    pub fn new(top: &'a Path, specs: &'a Pathspecs, index: &'a Index, options: SearchOptions) -> Self {
        Self { top, specs, index, options, rules: Rules::new(top), found: Untracked::default() }
    }

    pub fn run(mut self) -> Result<Untracked, UntrackableError> {
        self.folder("", true)?;
        Ok(self.found)
    }

    /// Searches a folder; `is_open` is false inside of a folder that `collapsed` already lists.
    ///
    /// Returns whether it holds an untracked file.
    fn folder(&mut self, folder: &str, is_open: bool) -> Result<bool, UntrackableError> {
        let Some(items) = self.read(folder)? else { return Ok(false) };
        self.rules.enter(self.top, folder, &mut self.found.warnings);
        let mut any = false;
        for item in &items {
            let path = if folder.is_empty() { item.name.clone() } else { format!("{folder}/{}", item.name) };
            if item.kind.is_dir() {
                any |= self.enter(path, is_open)?;
            } else {
                any |= self.file(path, item, &items, is_open)?;
            }
            // One file is enough to know that a folder shows up.
            if any && !is_open && self.options.collapse {
                break;
            }
        }
        self.rules.leave();
        Ok(any)
    }

    /// Searches a folder inside another, if anything in it can be wanted.
    fn enter(&mut self, path: String, is_open: bool) -> Result<bool, UntrackableError> {
        if !self.specs.may_match_in(&path) {
            return Ok(false);
        }
        if self.top.join(&path).join(".graft").exists() {
            let inside = format!("{path}/");
            if self.specs.names_text(&path) || self.specs.literals().any(|named| named.starts_with(&inside)) {
                return Err(UntrackableError::NestedRepository(path.into()));
            }
            self.found.warnings.push(Warning::NestedRepository(path));
            return Ok(false);
        }
        if !self.options.include_ignored && self.rules.ignores(&self.top.join(&path), true) {
            self.note_ignored(&path);
            return Ok(false);
        }
        let tracks = self.index.within(&path).next().is_some();
        if !is_open || tracks || !self.specs.covers(&path) {
            return self.folder(&path, is_open);
        }
        // Its place among the collapsed names is before whatever is found next.
        let at = self.found.collapsed.len();
        let any = self.folder(&path, false)?;
        if any {
            self.found.collapsed.insert(at, format!("{path}/"));
        }
        Ok(any)
    }

    fn file(&mut self, path: String, item: &Item, siblings: &[Item], is_open: bool) -> Result<bool, UntrackableError> {
        let Ok(repo_path) = RepoPath::new(&path) else { return Ok(false) };
        if !self.specs.matches(&repo_path) || self.index.get(&repo_path).is_some() {
            return Ok(false);
        }
        if !self.options.include_ignored && self.rules.ignores(&self.top.join(&path), false) {
            if self.specs.names_text(&path) {
                self.found.ignored_named.push(repo_path);
            }
            return Ok(false);
        }
        if !item.kind.is_file() {
            return self.skip_special(path, item.kind).map(|()| false);
        }
        let full = self.top.join(&path);
        let is_named = self.specs.names_text(&path);
        if self.is_sidecar(&repo_path, &item.name, siblings) {
            return if is_named { Err(UntrackableError::Sidecar(path.into())) } else { Ok(false) };
        }
        if is_named && let Err(source) = File::open(&full) {
            return Err(UntrackableError::Unreadable { path: full, source });
        }
        if is_open {
            self.found.collapsed.push(path);
        }
        if is_open || !self.options.collapse {
            self.found.files.push(repo_path);
        }
        Ok(true)
    }

    /// Tells whether a file belongs to one beside it, or to a tracked one that is gone: `app.db-wal` to `app.db`.
    fn is_sidecar(&self, path: &RepoPath, name: &str, siblings: &[Item]) -> bool {
        SUFFIXES.iter().any(|suffix| {
            let (Some(main), Some(main_path)) = (name.strip_suffix(suffix), path.as_str().strip_suffix(suffix)) else {
                return false;
            };
            let is_there = siblings.iter().any(|s| s.name == main && s.kind.is_file());
            let is_tracked = || RepoPath::new(main_path).is_ok_and(|main| self.index.get(&main).is_some());
            (is_there || is_tracked()) && belongs(&self.top.join(main_path), suffix)
        })
    }

    fn skip_special(&mut self, path: String, kind: FileType) -> Result<(), UntrackableError> {
        let is_named = self.specs.names_text(&path);
        match (kind.is_symlink(), is_named) {
            (true, true) => return Err(UntrackableError::Symlink(path.into())),
            (false, true) => return Err(UntrackableError::Special(path.into())),
            (true, false) => self.found.warnings.push(Warning::SkippedSymlink(path)),
            (false, false) => self.found.warnings.push(Warning::SkippedSpecial(path)),
        }
        Ok(())
    }

    /// Notes what was named but lies in an ignored folder, or is one.
    fn note_ignored(&mut self, folder: &str) {
        let named: Vec<String> = self.specs.literals().map(str::to_owned).collect();
        for path in named {
            let is_inside = path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let is_tracked = self.index.within(&path).next().is_some();
            if is_inside && !is_tracked && self.top.join(&path).symlink_metadata().is_ok() {
                self.found.ignored_named.extend(RepoPath::new(&path));
            }
        }
    }

    /// Lists a folder in the order of the paths; `None` if it cannot be read.
    fn read(&mut self, folder: &str) -> Result<Option<Vec<Item>>, UntrackableError> {
        let dir = self.top.join(folder);
        let mut items = Vec::new();
        let mut list = || -> io::Result<()> {
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                match entry.file_name().into_string() {
                    Ok(name) if is_reserved(&name) => {}
                    Ok(name) => items.push(Item { name, kind: entry.file_type()? }),
                    Err(name) => self.found.warnings.push(Warning::NotUtf8(lossy(folder, &name))),
                }
            }
            Ok(())
        };
        match list() {
            Ok(()) => {}
            // It vanished while the walk was under way.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !folder.is_empty() => return Ok(None),
            Err(source) if folder.is_empty() || self.specs.names_text(folder) => {
                return Err(UntrackableError::Unreadable { path: dir, source });
            }
            Err(e) => {
                let (path, reason) = (folder.to_owned(), e.to_string());
                self.found.warnings.push(Warning::Unreadable { path, reason });
                return Ok(None);
            }
        }
        // A folder sorts as if its name ended in a slash, since the paths in it do.
        let key = |item: &Item| format!("{}{}", item.name, if item.kind.is_dir() { "/" } else { "" });
        items.sort_by_cached_key(key);
        Ok(Some(items))
    }
}

fn lossy(folder: &str, name: &OsStr) -> String {
    Path::new(folder).join(name).to_string_lossy().into_owned()
}
