//! Finds untracked files: walks the worktree by the rules of `.graftignore`, `.gitignore` and `.graft/info/exclude`.
//!
//! Never seen: `.graft`, `.git`, repositories below this one, and the `-wal`, `-shm` and `-journal` files beside a
//! database.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::DIR;
use super::index::Index;
use super::pathspec::Pathspecs;
use super::types::Warning;
use crate::model::RepoPath;
use crate::model::path::RepoPathError;

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untracked {
    /// The untracked files, in path order.
    pub files: Vec<RepoPath>,
    /// The same as `status` shows them: a folder without any tracked file as `folder/`.
    pub collapsed: Vec<String>,
    /// Files named explicitly that are ignored.
    pub ignored_named: Vec<RepoPath>,
    /// What was passed over.
    pub warnings: Vec<Warning>,
}

/// Why a path that was named explicitly cannot be tracked.
#[derive(Debug, thiserror::Error)]
pub enum UntrackableError {
    /// It is a symbolic link.
    #[error("'{}' is a symbolic link; only files can be tracked", .0.display())]
    Symlink(PathBuf),
    /// It is neither a file nor a folder.
    #[error("'{}' is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    /// It cannot be read.
    #[error("cannot read '{}'", path.display())]
    Unreadable {
        /// The path as typed.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It lies in a repository of its own.
    #[error("'{}' is a repository of its own", .0.display())]
    NestedRepository(PathBuf),
    /// It belongs to a database, beside which SQLite keeps it.
    #[error("'{}' is a working file of the database beside it and is never tracked itself", .0.display())]
    Sidecar(PathBuf),
    /// Its name cannot be the path of a tracked file.
    #[error(transparent)]
    Name(#[from] RepoPathError),
}

/// Finds the untracked files that `specs` mean; ignored ones too if asked.
pub fn untracked(
    top: &Path,
    specs: &Pathspecs,
    index: &Index,
    include_ignored: bool,
) -> Result<Untracked, UntrackableError> {
    let mut found = Untracked::default();
    check_named(top, specs)?;
    let mut files = BTreeSet::new();
    for root in roots(top, specs) {
        walk(top, &root, specs, include_ignored, &mut files, &mut found.warnings);
    }
    let untracked: Vec<RepoPath> = files.into_iter().filter(|p| index.get(p).is_none()).collect();
    for (_, path) in specs.literal() {
        let Ok(path) = RepoPath::new(path) else { continue };
        let is_ignored = path.under(top).is_file() && !untracked.contains(&path) && index.get(&path).is_none();
        if is_ignored {
            found.ignored_named.push(path);
        }
    }
    found.collapsed = collapse(&untracked, index);
    found.files = untracked;
    Ok(found)
}

/// Looks at what was named explicitly: there a thing that cannot be tracked is an error, not something to pass over.
fn check_named(top: &Path, specs: &Pathspecs) -> Result<(), UntrackableError> {
    for (typed, path) in specs.literal().filter(|(_, p)| !p.is_empty()) {
        let full = top.join(path);
        let meta = match full.symlink_metadata() {
            Ok(meta) => meta,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(UntrackableError::Unreadable { path: typed.to_owned(), source }),
        };
        RepoPath::new(path)?;
        if meta.is_symlink() {
            return Err(UntrackableError::Symlink(typed.to_owned()));
        }
        if !meta.is_file() && !meta.is_dir() {
            return Err(UntrackableError::Special(typed.to_owned()));
        }
        let nested =
            full.ancestors().take_while(|d| *d != top).any(|d| d.is_dir() && d.join(DIR).join("HEAD").exists());
        if nested {
            return Err(UntrackableError::NestedRepository(typed.to_owned()));
        }
        if meta.is_file() && is_sidecar(&full) {
            return Err(UntrackableError::Sidecar(typed.to_owned()));
        }
        let opened = if meta.is_dir() { full.read_dir().map(drop) } else { std::fs::File::open(&full).map(drop) };
        opened.map_err(|source| UntrackableError::Unreadable { path: typed.to_owned(), source })?;
    }
    Ok(())
}

/// Returns where walks begin: the named files and folders, or the top if a pattern or nothing is named.
fn roots(top: &Path, specs: &Pathspecs) -> Vec<PathBuf> {
    let literal: Vec<PathBuf> = specs.literal().map(|(_, p)| top.join(p)).filter(|p| p.exists()).collect();
    let has_globs = !specs.is_empty() && specs.may_match_below("\u{0}");
    if specs.is_empty() || has_globs { vec![top.to_owned()] } else { literal }
}

fn walk(
    top: &Path,
    root: &Path,
    specs: &Pathspecs,
    include_ignored: bool,
    files: &mut BTreeSet<RepoPath>,
    warnings: &mut Vec<Warning>,
) {
    // A root below the top is still subject to the rules of the folders above it.
    let above = rules_above(top, root);
    let is_ignored_above = |path: &Path, is_dir: bool| above.matched_path_or_any_parents(path, is_dir).is_ignore();
    if !include_ignored && root != top && is_ignored_above(root, root.is_dir()) {
        return;
    }
    let mut builder = WalkBuilder::new(root);
    builder
        .hidden(false)
        .parents(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .git_ignore(!include_ignored)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(OsStr::cmp);
    if !include_ignored {
        builder.add_custom_ignore_filename(".graftignore");
    }
    let walk_top = top.to_owned();
    builder.filter_entry(move |entry| {
        let name = entry.file_name();
        let is_dir = entry.file_type().is_some_and(|t| t.is_dir());
        if name == OsStr::new(DIR) || name == OsStr::new(".git") {
            return false;
        }
        !(is_dir && entry.path() != walk_top && entry.path().join(DIR).join("HEAD").exists())
    });
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) => {
                warnings.extend(unreadable(top, &e));
                continue;
            }
        };
        let Some(kind) = entry.file_type() else { continue };
        let relative = entry.path().strip_prefix(top).unwrap_or(entry.path());
        if kind.is_dir() {
            continue;
        }
        if !include_ignored && is_ignored_above(entry.path(), false) {
            continue;
        }
        let path = match RepoPath::from_path(relative) {
            Ok(path) if specs.matches(&path) => path,
            Ok(_) => continue,
            Err(_) => {
                warnings.push(Warning::NotUtf8(relative.to_string_lossy().into_owned()));
                continue;
            }
        };
        if kind.is_symlink() {
            warnings.push(Warning::SkippedSymlink(path.to_string()));
        } else if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
            warnings.push(Warning::SkippedSpecial(path.to_string()));
        } else if !is_sidecar(entry.path()) {
            files.insert(path);
        }
    }
}

/// Gathers the rules of `.graft/info/exclude` and of the ignore files in the folders above `root`.
fn rules_above(top: &Path, root: &Path) -> Gitignore {
    let mut builder = GitignoreBuilder::new(top);
    // A file that is not there, or a line that is no pattern, adds no rule.
    let _ = builder.add(top.join(DIR).join("info/exclude"));
    let mut folders: Vec<&Path> = root.ancestors().skip(1).take_while(|d| d.starts_with(top)).collect();
    folders.reverse();
    for folder in folders {
        let rules = [".gitignore", ".graftignore"].map(|name| folder.join(name));
        for file in rules.iter().filter(|f| f.is_file()) {
            for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
                let _ = builder.add_line(Some(file.clone()), &anchored(top, folder, line));
            }
        }
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// Rewrites a rule of a folder's ignore file as one of the top's.
fn anchored(top: &Path, folder: &Path, line: &str) -> String {
    let Some(prefix) = folder.strip_prefix(top).ok().and_then(Path::to_str).filter(|p| !p.is_empty()) else {
        return line.to_owned();
    };
    let (bang, rule) = line.strip_prefix('!').map_or(("", line), |rest| ("!", rest));
    match rule.trim_end() {
        "" => String::new(),
        rule if rule.starts_with('#') => String::new(),
        rule if rule.trim_end_matches('/').contains('/') => format!("{bang}/{prefix}/{}", rule.trim_start_matches('/')),
        rule => format!("{bang}/{prefix}/**/{rule}"),
    }
}

fn unreadable(top: &Path, error: &ignore::Error) -> Option<Warning> {
    match error {
        ignore::Error::WithPath { path, err } => {
            let shown = path.strip_prefix(top).unwrap_or(path).display().to_string();
            Some(Warning::Unreadable { path: shown, reason: err.to_string() })
        }
        ignore::Error::WithDepth { err, .. } => unreadable(top, err),
        // A line of an ignore file that is no pattern is passed over, as Git does.
        _ => None,
    }
}

/// Tells whether a file is the `-wal`, `-shm` or `-journal` of a file that is there.
pub fn is_sidecar(file: &Path) -> bool {
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let main = ["-wal", "-shm", "-journal"].iter().find_map(|suffix| name.strip_suffix(suffix));
    main.is_some_and(|main| !main.is_empty() && file.with_file_name(main).is_file())
}

/// Shows a folder without tracked files as one line.
fn collapse(files: &[RepoPath], index: &Index) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for file in files {
        if out.last().is_some_and(|last| last.ends_with('/') && file.as_str().starts_with(last.as_str())) {
            continue;
        }
        let folders = file.as_str().match_indices('/').map(|(i, _)| &file.as_str()[..i]);
        let wholly = folders.into_iter().find(|folder| index.within(folder).next().is_none());
        out.push(wholly.map_or_else(|| file.to_string(), |folder| format!("{folder}/")));
    }
    out
}
