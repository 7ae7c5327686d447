//! The reflogs of refs: where they are, which refs have one, and what an interrupted change left in them.

use std::path::Path;

use super::{RefError, RefStore};
use crate::model::{ObjectId, RefName};
use crate::repo::state::reflog::{Reflog, ReflogEntry, ReflogError, ReflogIter};
use crate::util::fs as durable;
use crate::util::lock::FileLock;

impl RefStore {
    /// Iterates over the changes of a ref, newest first; the line of a change that never happened is left out.
    pub fn log(&self, name: &RefName) -> Result<RefLogIter, RefError> {
        // The value is read before the log: a change in between adds a line that then looks as if it had not happened.
        let value = self.resolve(name)?;
        let log = self.reflog(name);
        let mut entries = log.newest_first()?;
        let first = entries.next().filter(|first| match first {
            Ok(entry) => !is_interrupted(name, entry, value),
            Err(_) => true,
        });
        Ok(RefLogIter { first, entries })
    }

    /// Iterates over what the log of a ref says, newest first, whatever the ref itself says: for refs that are damaged.
    pub fn log_as_it_is(&self, name: &RefName) -> Result<RefLogIter, RefError> {
        Ok(RefLogIter { first: None, entries: self.reflog(name).newest_first()? })
    }

    /// Tells whether the log of a ref is there and says nothing.
    pub fn is_log_empty(&self, name: &RefName) -> bool {
        self.reflog(name).is_empty()
    }

    /// Fails if a ref that does not exist once did: a deletion takes the reflog along, so the ref was lost. A reflog of
    /// one line may be that of a ref which an interrupted process did not come to create.
    pub fn deny_loss(&self, name: &RefName) -> Result<(), RefError> {
        match self.reflog(name).newest_first()?.next() {
            Some(Ok(ReflogEntry { old: Some(_), new: Some(value), .. })) => {
                Err(RefError::Lost { name: name.clone(), value })
            }
            _ => Ok(()),
        }
    }

    /// Tells whether a ref has a reflog.
    pub fn has_log(&self, name: &RefName) -> bool {
        self.reflog(name).path().is_file()
    }

    /// Returns the name that HEAD had `n` switches ago: Git's `@{-n}`, a branch name or an object id as it was typed.
    ///
    /// `Ok(Err(count))` if HEAD switched only `count` times.
    pub fn previous_branch(&self, n: usize) -> Result<Result<String, usize>, RefError> {
        let mut count = 0;
        for entry in self.log(&RefName::head())? {
            let entry = entry?;
            let Some((from, _)) = entry.checkout() else { continue };
            count += 1;
            if count == n {
                return Ok(Ok(from.to_owned()));
            }
        }
        Ok(Err(count))
    }

    /// Returns the value that a ref had before its present one.
    pub(super) fn value_before(&self, name: &RefName) -> Result<Option<ObjectId>, RefError> {
        Ok(self.log(name)?.next().transpose()?.and_then(|entry| entry.old))
    }

    /// Takes the newest line off the log of a ref.
    pub(super) fn cut_newest(&self, name: &RefName) -> Result<(), RefError> {
        let log = self.reflog(name);
        if let Some((offset, _)) = log.newest_first()?.next_with_offset().transpose()? {
            log.cut_at(offset)?;
        }
        Ok(())
    }

    /// Takes the value that a ref had `n` changes ago (1 or more) out of its log, as if it had never had it. The caller
    /// holds the repository lock. Tells whether there was such a value.
    pub fn forget_value(&self, _lock: &FileLock, name: &RefName, n: usize) -> Result<bool, RefError> {
        let mut entries = self.log(name)?.collect::<Result<Vec<_>, _>>()?;
        if n == 0 || n >= entries.len() {
            return Ok(false);
        }
        let gone = entries.remove(n);
        entries[n - 1].old = gone.old;
        let lines: String = entries.iter().rev().map(ReflogEntry::to_line).collect();
        self.replace(self.reflog(name).path(), lines.as_bytes())?;
        Ok(true)
    }

    /// Returns the file of a ref's log.
    pub(super) fn reflog(&self, name: &RefName) -> Reflog {
        Reflog::new(self.dir.join("logs").join(name.as_str()))
    }

    /// Appends to the log of a ref whose value so far is `old`, after removing what an interrupted change left.
    pub(super) fn append_log(&self, name: &RefName, entry: &ReflogEntry) -> Result<(), RefError> {
        let log = self.reflog(name);
        self.clear_way(log.path())?;
        if let Some(Ok((offset, last))) = log.newest_first()?.next_with_offset()
            && is_interrupted(name, &last, entry.old)
        {
            log.cut_at(offset)?;
        }
        Ok(log.append(entry)?)
    }

    /// Makes the folders for a log file, and removes logs in its way: no ref belongs to them (that was ruled out), so
    /// they are left from a removal that was interrupted.
    pub(super) fn clear_way(&self, path: &Path) -> Result<(), RefError> {
        for parent in path.ancestors().skip(1).take_while(|p| *p != self.dir) {
            if parent.is_file() {
                durable::remove(parent).map_err(|source| RefError::Io { path: parent.to_owned(), source })?;
            }
        }
        // What lies behind a link is nobody's log.
        if is_folder(path) {
            self.remove_stale_logs(path)?;
        }
        self.make_room(path)
    }

    fn remove_stale_logs(&self, dir: &Path) -> Result<(), RefError> {
        let io = |source| RefError::Io { path: dir.to_owned(), source };
        for entry in std::fs::read_dir(dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if is_folder(&path) { self.remove_stale_logs(&path)? } else { durable::remove(&path).map_err(io)? }
        }
        durable::remove_empty_dir(dir).map(drop).map_err(io)
    }
}

/// Tells whether there is a folder, and no link to one.
fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|m| m.is_dir())
}

/// Tells whether changes of a ref are logged without being asked for, as in Git: of branches, not of tags.
pub(super) fn is_logged(name: &RefName) -> bool {
    let name = name.as_str();
    name == "HEAD"
        || name == "refs/stash"
        || ["refs/heads/", "refs/remotes/"].iter().any(|prefix| name.starts_with(prefix))
}

/// Tells whether the newest entry of a log announces a change that was interrupted before the ref moved.
///
/// HEAD on a branch without commits has no value although its log may be long, so nothing is concluded then.
fn is_interrupted(name: &RefName, newest: &ReflogEntry, value: Option<ObjectId>) -> bool {
    newest.new != value && newest.old == value && !(value.is_none() && *name == RefName::head())
}

/// The changes of a ref, newest first.
pub struct RefLogIter {
    first: Option<Result<ReflogEntry, ReflogError>>,
    entries: ReflogIter,
}

impl Iterator for RefLogIter {
    type Item = Result<ReflogEntry, ReflogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.first.take().or_else(|| self.entries.next())
    }
}
