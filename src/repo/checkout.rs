//! Bringing stored states of files back into the index and the worktree.
//!
//! Unsaved work is never overwritten without `force`; with it, the content that is about to go is put into the store
//! first and its snapshot noted in `logs/saved`, so that it can be brought back.

use std::path::{Path, PathBuf};

use super::Repository;
use super::capture::{How, settled_print};
use super::changes::{Tracked, of_index};
use super::error::{RepoError, Result};
use super::fingerprint::Fingerprint;
use super::index::{Index, IndexEntry};
use super::monitor::Work;
use super::objects::ObjectReader;
use super::pathspec::Pathspecs;
use super::staging::Staging;
use super::types::Warning;
use super::{now_ns, objects};
use crate::model::{FileKind, FileMode, ObjectId, ObjectKind, PageSet, PageSource, RepoPath};
use crate::sqlite::holders::LockHolders;
use crate::sqlite::materialize::{self, MaterializeError, WriteOptions};
use crate::store::{OpenSnapshot, Purpose, Transaction, differing_pages};
use crate::util::fs as durable;
use crate::util::interrupt;

/// Where the wanted state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The index.
    Index,
    /// A commit, tag or tree.
    Rev(ObjectId),
}

/// What to bring back, and where to.
#[derive(Clone, Debug)]
pub struct CheckoutPaths {
    /// Where the wanted state comes from.
    pub source: Source,
    /// Files, folders and globs as typed; at least one.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
    /// Write the index.
    pub staged: bool,
    /// Write the worktree.
    pub worktree: bool,
    /// Overwrite unsaved work (which is kept in the store).
    pub force: bool,
    /// Remove tracked files that the source does not have.
    pub no_overlay: bool,
}

/// How a file came to its wanted state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was in that state already.
    Unchanged,
    /// Pages were written in one SQLite transaction, under the eyes of open connections.
    InPlace {
        /// SQLite pages written.
        pages: u32,
    },
    /// The file was written anew.
    Replaced,
    /// The file was removed.
    Removed,
    /// Only the index was changed.
    IndexOnly,
}

/// One file that was brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedOut {
    /// The file.
    pub path: RepoPath,
    /// How it got there.
    pub how: Written,
    /// The snapshot that keeps the unsaved work which was overwritten.
    pub saved: Option<ObjectId>,
}

/// What was brought back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutOutcome {
    /// The files, in path order.
    pub files: Vec<CheckedOut>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Why nothing was brought back.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// A path matches nothing in the source.
    #[error("pathspec '{}' did not match any file {}", path.display(), place)]
    NoMatch {
        /// The path as typed.
        path: PathBuf,
        /// Where it was looked for.
        place: &'static str,
    },
    /// Files have changes that are not in the index.
    #[error("unsaved changes would be overwritten: {}", list(.0))]
    Unsaved(Vec<RepoPath>),
    /// Files that are not tracked stand where tracked ones would go.
    #[error("untracked files would be overwritten: {}", list(.0))]
    Untracked(Vec<RepoPath>),
    /// A folder stands where a file would go.
    #[error("'{0}' is a folder; a file would go there")]
    FolderInTheWay(RepoPath),
}

fn list(paths: &[RepoPath]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What one file of the worktree looks like before it is written.
struct Present {
    /// The fingerprint under which nothing may change until the file is written.
    print: Option<Fingerprint>,
    /// The snapshot with its very content: the staged one, or the one that keeps its unsaved work.
    content: Option<ObjectId>,
    /// Whether `content` was made to keep unsaved work.
    was_saved: bool,
}

impl Repository {
    /// Brings files back into the index, the worktree or both.
    pub fn checkout_paths(&self, options: &CheckoutPaths) -> Result<CheckoutOutcome> {
        let specs = Pathspecs::new(self.top(), &options.cwd, &options.pathspecs)?;
        let index = self.index()?;
        let wanted = self.wanted(options, &specs, &index)?;
        let stale: Vec<IndexEntry> = match options.no_overlay {
            true => {
                let kept = |e: &&IndexEntry| !specs.matches(&e.path) || wanted.iter().any(|w| w.path == e.path);
                index.entries().iter().filter(|e| !kept(e)).cloned().collect()
            }
            false => Vec::new(),
        };
        let all: Vec<&RepoPath> = wanted.iter().map(|w| &w.path).chain(stale.iter().map(|e| &e.path)).collect();
        if let Some(path) = specs.unmatched(&all) {
            let place = if options.source == Source::Index { "in the index" } else { "in that revision" };
            return Err(CheckoutError::NoMatch { path, place }.into());
        }
        let present = match options.worktree {
            true => self.look_at(&index, &wanted, &all, options.force)?,
            false => Vec::new(),
        };
        let mut out = CheckoutOutcome::default();
        let mut prints = Vec::new();
        for (i, path) in all.iter().enumerate() {
            interrupt::check()?;
            let target = wanted.get(i);
            let how = match (present.get(i), target) {
                (None, _) => Written::IndexOnly,
                (Some(_), None) => self.remove_file(path)?,
                (Some(p), Some(target)) => self.write_file(target, p, &mut out.warnings)?,
            };
            prints.push(self.print_after(path, target.filter(|_| options.worktree))?);
            let saved = present.get(i).and_then(|p| p.content.filter(|_| p.was_saved));
            out.files.push(CheckedOut { path: (*path).clone(), how, saved });
        }
        self.record_checkout(options, &wanted, &stale, &prints)?;
        out.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(out)
    }

    fn wanted(&self, options: &CheckoutPaths, specs: &Pathspecs, index: &Index) -> Result<Vec<Tracked>> {
        let files = match options.source {
            Source::Index => of_index(index),
            Source::Rev(id) => {
                let tree = objects::ObjectReader::peel(self, &id, ObjectKind::Tree)?;
                super::changes::of_tree(&self.tree(&tree)?)
            }
        };
        Ok(files.into_iter().filter(|t| specs.matches(&t.path)).collect())
    }

    /// Looks at the files about to be written, and refuses, or saves, what is nowhere else.
    fn look_at(&self, index: &Index, wanted: &[Tracked], paths: &[&RepoPath], force: bool) -> Result<Vec<Present>> {
        let (mut out, mut unsaved, mut untracked) = (Vec::new(), Vec::new(), Vec::new());
        for (i, path) in paths.iter().enumerate() {
            let file = path.under(self.top());
            if file.is_dir() {
                return Err(CheckoutError::FolderInTheWay((*path).clone()).into());
            }
            // What is read from here on is what may be overwritten, and nothing that is written later.
            let look = || settled_print(&file, true).map(|found| found.map(|(print, _)| print));
            let mut print = look()?;
            let entry = index.get(path);
            let mut known = None;
            if let Some(before) = print {
                known = self.known_content(path, entry, wanted.get(i))?;
                if before.journal.is_some() {
                    // Reading rolled back what a crashed program had left.
                    print = look()?;
                    known = self.known_content(path, entry, wanted.get(i))?;
                }
            }
            let was_saved = print.is_some() && known.is_none();
            if was_saved && !force {
                if entry.is_some() { &mut unsaved } else { &mut untracked }.push((*path).clone());
                continue;
            }
            let content = match was_saved {
                true => Some(self.save_worktree_file(index, path)?),
                false => known,
            };
            out.push(Present { print, content, was_saved });
        }
        if !unsaved.is_empty() {
            return Err(CheckoutError::Unsaved(unsaved).into());
        }
        if !untracked.is_empty() {
            return Err(CheckoutError::Untracked(untracked).into());
        }
        Ok(out)
    }

    /// Returns the snapshot, of the two that are at hand, whose content a worktree file has: the staged one, or the one
    /// about to be written, as after an interruption.
    fn known_content(
        &self,
        path: &RepoPath,
        entry: Option<&IndexEntry>,
        target: Option<&Tracked>,
    ) -> Result<Option<ObjectId>> {
        if let Some(entry) = entry
            && (self.is_surely_unchanged(entry)? || self.holds(path, entry)?)
        {
            return Ok(Some(entry.snapshot));
        }
        let target = target.filter(|t| entry.is_none_or(|e| e.snapshot != t.snapshot));
        let Some(target) = target else { return Ok(None) };
        let target = IndexEntry::of(target.path.clone(), target.mode, target.snapshot, self)?;
        Ok(self.holds(path, &target)?.then_some(target.snapshot))
    }

    /// Compares the content of a worktree file with that of an entry.
    fn holds(&self, path: &RepoPath, entry: &IndexEntry) -> Result<bool> {
        Ok(self.compare_file(path, entry)?.is_some_and(|c| c.is_unchanged()))
    }

    /// Puts the present content of a worktree file into the store and notes it in `logs/saved`.
    fn save_worktree_file(&self, index: &Index, path: &RepoPath) -> Result<ObjectId> {
        let mut staging = Staging::new(self, index, How { purpose: Purpose::Store, opaque: false });
        match staging.capture(path, true) {
            // A broken database is saved as the bytes that are there.
            Err(RepoError::Database(e)) if e.is_unreadable() => {
                staging = Staging::new(self, index, How { purpose: Purpose::Store, opaque: true });
                staging.capture(path, true)?;
            }
            result => drop(result?),
        }
        let lock = self.lock()?;
        let mut tx = Transaction::new(self.store(), &lock)?;
        let (staged, _) = staging.finish(&mut tx, index)?;
        tx.publish()?;
        let id = staged.first().and_then(|s| s.change.new).ok_or_else(|| RepoError::KeepsChanging(path.clone()))?;
        let line = format!("{} {id} {path}\n", now_ns() / 1_000_000_000);
        let log = self.dir().join("logs").join("saved");
        durable::append(&log, line.as_bytes()).map_err(RepoError::file("write", &log))?;
        Ok(id)
    }

    fn write_file(&self, target: &Tracked, present: &Present, warnings: &mut Vec<Warning>) -> Result<Written> {
        let file = target.path.under(self.top());
        let open = self.open_snapshot(&target.snapshot)?;
        let changed = match &present.content {
            Some(content) => {
                let now = self.open_snapshot(content)?;
                let changed = differing_pages(&now, &open)?;
                if changed.is_empty()
                    && now.byte_len() == open.byte_len()
                    && now.snapshot().kind == open.snapshot().kind
                {
                    set_mode(&file, target.mode)?;
                    return Ok(Written::Unchanged);
                }
                Some(changed)
            }
            None => None,
        };
        self.store().release();
        let how = self.write_state(&file, &open, changed.as_ref(), present, warnings)?;
        set_mode(&file, target.mode)?;
        Ok(how)
    }

    fn write_state(
        &self,
        file: &Path,
        open: &OpenSnapshot,
        changed: Option<&PageSet>,
        present: &Present,
        warnings: &mut Vec<Warning>,
    ) -> Result<Written> {
        let _work = Work::start(self.monitor(), &format!("Writing {}", file.display()), None);
        let tmp = self.tmp();
        let on_wait = |holders: &LockHolders| {
            self.monitor().waiting(&format!("waiting for {}, locked by {holders}", file.display()));
        };
        let still_expected = || match (&present.print, Fingerprint::stat_only(file)) {
            // It is asked under the lock, where a journal can only be our own: SQLite begins one by itself where the
            // header does not say how many pages there are.
            (Some(before), Ok(Some(now))) => Fingerprint { journal: before.journal, ..now }.matches(before),
            (None, Ok(None)) => true,
            _ => false,
        };
        let on_progress = |n| self.monitor().advance(n);
        let options = WriteOptions {
            busy_timeout: self.settings().busy_timeout,
            on_wait: &on_wait,
            still_expected: &still_expected,
            on_progress: &on_progress,
            ..WriteOptions::new(&tmp)
        };
        if open.snapshot().kind == FileKind::Sqlite && present.print.is_some() {
            match materialize::write_in_place(file, open, changed, &options) {
                Ok(done) => return Ok(Written::InPlace { pages: done.pages }),
                Err(MaterializeError::Unsuited { .. }) => {}
                Err(MaterializeError::Database(e)) if e.is_unreadable() => {}
                Err(e) => return Err(e.into()),
            }
        }
        if let Some(parent) = file.parent() {
            durable::create_dir_all(parent).map_err(RepoError::file("create", parent))?;
        }
        let written = materialize::write_new(file, open, &options)?;
        let moved = written.moved_aside.into_iter();
        warnings.extend(moved.map(|(path, moved_to)| Warning::OrphanedSidecar { path, moved_to }));
        Ok(Written::Replaced)
    }

    fn remove_file(&self, path: &RepoPath) -> Result<Written> {
        let file = path.under(self.top());
        durable::remove(&file).map_err(RepoError::file("remove", &file))?;
        Ok(Written::Removed)
    }

    fn print_after(&self, path: &RepoPath, written: Option<&Tracked>) -> Result<Option<Fingerprint>> {
        if written.is_none() {
            return Ok(None);
        }
        let file = path.under(self.top());
        let taken = now_ns();
        let print = Fingerprint::take(&file).map_err(RepoError::file("read", &file))?;
        Ok(print.filter(|p| !p.is_racy(taken)))
    }

    /// Brings the index up to date with what was written.
    fn record_checkout(
        &self,
        options: &CheckoutPaths,
        wanted: &[Tracked],
        stale: &[IndexEntry],
        prints: &[Option<Fingerprint>],
    ) -> Result<()> {
        let lock = self.lock()?;
        let mut index = self.index()?;
        let before = index.clone();
        for (target, print) in wanted.iter().zip(prints) {
            let same = index.get(&target.path).is_some_and(|e| e.snapshot == target.snapshot);
            if options.staged || same {
                let fingerprint = match options.worktree {
                    true => *print,
                    false => index.get(&target.path).and_then(|e| e.fingerprint).filter(|_| same),
                };
                index.insert(self.entry_of(target, fingerprint)?);
            } else if let Some(mut entry) = index.get_mut(&target.path) {
                entry.set_fingerprint(None);
            }
        }
        if options.staged {
            for entry in stale {
                index.remove(&entry.path);
            }
        }
        if index != before {
            index.save(self.dir(), &lock)?;
        }
        Ok(())
    }

    /// Returns the index entry of a file in a stored state.
    pub(super) fn entry_of(&self, target: &Tracked, fingerprint: Option<Fingerprint>) -> Result<IndexEntry> {
        let snapshot = self.snapshot(&target.snapshot)?;
        Ok(IndexEntry {
            path: target.path.clone(),
            mode: target.mode,
            snapshot: target.snapshot,
            volume: snapshot.volume,
            kind: snapshot.kind,
            byte_len: snapshot.byte_len,
            fingerprint,
        })
    }
}

fn set_mode(file: &Path, mode: FileMode) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |e| RepoError::file("change the mode of", file)(e);
    let meta = std::fs::metadata(file).map_err(failed)?;
    let old = meta.permissions().mode();
    let new = match mode {
        // Whoever may read may execute, as Git has it.
        FileMode::Executable => old | ((old & 0o444) >> 2),
        FileMode::Regular => old & !0o111,
    };
    if new != old {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(new)).map_err(failed)?;
    }
    Ok(())
}
