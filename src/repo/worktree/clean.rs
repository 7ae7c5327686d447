//! Removing what is not tracked.
//!
//! What goes was never recorded, so nothing can bring it back: the plan is made first, a database that a program has
//! open stops everything before the first file is removed, and folders go only when they are empty by then.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{RepoPath, is_reserved};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::fingerprint::sidecar_path;
use crate::repo::state::index::Index;
use crate::repo::state::types::Warning;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::ignore_rules::{self, SearchOptions};
use crate::sqlite::holders::openers;
use crate::sqlite::sidecars::{SUFFIXES, belongs, may_be_in_use};
use crate::util::fs as durable;

/// What to remove.
#[derive(Clone, Debug, Default)]
pub struct CleanOptions {
    /// Files, folders and globs as typed; what is in `cwd` if empty.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
    /// Go into folders in which nothing is tracked; always done for what is named.
    pub folders: bool,
    /// Which files.
    pub ignored: Ignored,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// Which untracked files are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ignored {
    /// Those that no rule ignores.
    #[default]
    Keep,
    /// All of them.
    Too,
    /// Those that rules ignore.
    Only,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default)]
pub struct Cleaned {
    /// Files, and whole folders (these end in `/`), in path order.
    pub paths: Vec<String>,
    /// All files, those in folders too; the `-wal`, `-shm` and `-journal` of a database go without being listed.
    pub files: Vec<RepoPath>,
    /// What was passed over.
    pub warnings: Vec<Warning>,
}

/// Why nothing was removed.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// Other programs have databases open.
    #[error("{} in use: {}", if .0.len() == 1 { "a database is" } else { "databases are" }, .0.join(", "))]
    InUse(Vec<String>),
}

impl Repository {
    /// Removes untracked files; databases go with what SQLite keeps beside them.
    pub fn clean(&self, options: &CleanOptions) -> Result<Cleaned> {
        let mut typed = options.pathspecs.clone();
        if !Pathspecs::new(self.top(), &options.cwd, &typed)?.includes_any() {
            typed.push(".".into());
        }
        let specs = Pathspecs::new(self.top(), &options.cwd, &typed)?;
        let index = self.index()?;
        let found = |include_ignored| {
            let search = SearchOptions { include_ignored, collapse: false };
            ignore_rules::untracked(self.top(), &specs, &index, search)
        };
        let mut all = found(options.ignored != Ignored::Keep)?;
        let mut others = HashSet::new();
        if options.ignored == Ignored::Only {
            others.extend(found(false)?.files);
            all.files.retain(|path| !others.contains(path));
        }
        let doomed = all.files.iter().filter(|path| !is_sidecar_of_tracked(path, &index));
        let mut plan = Plan {
            repo: self,
            index: &index,
            cwd: &options.cwd,
            specs: &specs,
            doomed: doomed.cloned().collect(),
            deep: options.folders || !options.pathspecs.is_empty(),
            ignored: options.ignored,
            others,
            out: Cleaned { warnings: all.warnings, ..Cleaned::default() },
            folders: Vec::new(),
        };
        plan.folder("").map_err(RepoError::file("read", self.top()))?;
        let Plan { out, folders, .. } = plan;
        self.refuse_open(&out.files)?;
        if !options.dry_run {
            let _lock = self.lock()?;
            for path in &out.files {
                self.remove_with_sidecars(path)?;
            }
            for folder in folders {
                let folder = self.top().join(folder);
                durable::remove_empty_dir(&folder).map_err(RepoError::file("remove", &folder))?;
            }
        }
        Ok(out)
    }

    fn refuse_open(&self, files: &[RepoPath]) -> Result<()> {
        let databases: Vec<&RepoPath> = files.iter().filter(|path| may_be_in_use(&self.file_of(path))).collect();
        let paths: Vec<PathBuf> = databases.iter().map(|path| self.file_of(path)).collect();
        let held = openers(&paths).into_iter().map(|(i, who)| format!("'{}' by {who}", databases[i]));
        match held.collect::<Vec<_>>() {
            none if none.is_empty() => Ok(()),
            held => Err(CleanError::InUse(held).into()),
        }
    }

    /// The main file goes last, so that no sidecar is ever left without it.
    fn remove_with_sidecars(&self, path: &RepoPath) -> Result<()> {
        let file = self.file_of(path);
        for suffix in SUFFIXES.iter().filter(|suffix| belongs(&file, suffix)) {
            let sidecar = sidecar_path(&file, suffix);
            durable::remove(&sidecar).map_err(RepoError::file("remove", &sidecar))?;
        }
        durable::remove(&file).map_err(RepoError::file("remove", &file))
    }
}

/// Tells whether a file is the rest of a tracked database that is not there: it may hold the last of its content.
fn is_sidecar_of_tracked(path: &RepoPath, index: &Index) -> bool {
    SUFFIXES.iter().any(|suffix| {
        let main = path.as_str().strip_suffix(suffix).and_then(|main| RepoPath::new(main).ok());
        main.is_some_and(|main| index.get(&main).is_some())
    })
}

/// Finds out which folders go as a whole.
struct Plan<'r> {
    repo: &'r Repository,
    index: &'r Index,
    cwd: &'r Path,
    specs: &'r Pathspecs,
    doomed: HashSet<RepoPath>,
    deep: bool,
    ignored: Ignored,
    /// With [`Ignored::Only`], the untracked files that are not ignored.
    others: HashSet<RepoPath>,
    out: Cleaned,
    /// Folders that go, the inner ones first.
    folders: Vec<String>,
}

impl Plan<'_> {
    /// Lists what goes in a folder (`""` is the top); tells whether everything does.
    fn folder(&mut self, folder: &str) -> io::Result<bool> {
        let mut items = Vec::new();
        for entry in fs::read_dir(self.repo.top().join(folder))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { return Ok(false) };
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            items.push((path, entry.file_type()?.is_dir()));
        }
        items.sort_by_cached_key(|(path, is_dir)| if *is_dir { format!("{path}/") } else { path.clone() });
        let mut whole = true;
        for (path, is_dir) in items {
            whole &= if is_dir { self.inner(&path)? } else { self.file(&path) };
        }
        Ok(whole)
    }

    fn file(&mut self, path: &str) -> bool {
        let Ok(name) = RepoPath::new(path) else { return false };
        if self.doomed.contains(&name) {
            self.out.paths.push(path.to_owned());
            self.out.files.push(name);
            return true;
        }
        SUFFIXES.iter().any(|suffix| {
            let main = path.strip_suffix(suffix).and_then(|main| RepoPath::new(main).ok());
            main.is_some_and(|main| self.doomed.contains(&main))
        })
    }

    /// Lists a folder in another one; tells whether it goes.
    fn inner(&mut self, path: &str) -> io::Result<bool> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let full = self.repo.top().join(path);
        let is_repository = || [".graft", ".git"].iter().any(|dir| full.join(dir).symlink_metadata().is_ok());
        if is_reserved(name) || !self.specs.may_match_in(path) || is_repository() {
            return Ok(false);
        }
        let tracks = self.index.within(path).next().is_some();
        // As Git does, ignored files are looked for beside others.
        if !tracks && !self.deep && !self.others.iter().any(|other| other.is_within(path)) {
            return Ok(false);
        }
        let (paths, files) = (self.out.paths.len(), self.out.files.len());
        let whole = match self.folder(path) {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => false,
            other => other?,
        };
        // Nobody's own folder is taken away from under them.
        let stands_in = self.cwd.starts_with(&full);
        let goes = whole && !stands_in && !tracks && self.deep && self.specs.covers(path);
        // Its files decide about a folder; where it has none, the rules do.
        let meant = || match self.ignored {
            Ignored::Keep => !self.ignores(path),
            Ignored::Too => true,
            Ignored::Only => self.ignores(path),
        };
        if !goes || (self.out.files.len() == files && !meant()) {
            return Ok(false);
        }
        self.out.paths.truncate(paths);
        self.out.paths.push(format!("{path}/"));
        self.folders.push(path.to_owned());
        Ok(true)
    }

    fn ignores(&self, folder: &str) -> bool {
        RepoPath::new(&format!("{folder}/x")).is_ok_and(|inside| ignore_rules::is_ignored(self.repo.top(), &inside))
    }
}
