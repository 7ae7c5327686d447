//! Renames a ref together with its reflog, HEAD following it.

use std::fs;
use std::io;

use super::log::is_logged;
use super::{Expected, RefEdit, RefError, RefStore, Target};
use crate::model::{RefName, Signature};
use crate::repo::state::operations::RefChange;
use crate::repo::state::reflog::ReflogEntry;
use crate::util::lock::FileLock;

impl RefStore {
    /// Renames `old` to `new`, whose reflog becomes that of `old` and one line more; HEAD moves along if it was on `old`.
    ///
    /// A current branch without commits is renamed by moving HEAD alone.
    /// At every moment at least one of the two names exists. The caller holds the repository lock.
    pub fn rename(
        &self,
        _lock: &FileLock,
        who: &Signature,
        old: &RefName,
        new: &RefName,
        expected: Expected,
        message: &str,
    ) -> Result<(), RefError> {
        let head = RefName::head();
        let is_current = self.read(&head)? == Some(Target::Symbolic(old.clone()));
        let id = match self.read(old)? {
            Some(Target::Object(id)) => Some(id),
            None if is_current => None,
            _ => return Err(RefError::Absent { name: old.clone() }),
        };
        if old == new {
            return Ok(());
        }
        match (expected, self.resolve(new)?) {
            (Expected::MustNotExist, Some(found)) => return Err(RefError::Exists { name: new.clone(), found }),
            (Expected::MustExistAndMatch(_), None) => return Err(RefError::Absent { name: new.clone() }),
            (Expected::MustExistAndMatch(expected), Some(found)) if expected != found => {
                return Err(RefError::Moved { name: new.clone(), expected, found });
            }
            _ => {}
        }
        self.check_nesting(new, Some(old))?;
        let moved_head = is_current.then(|| RefChange {
            name: head.clone(),
            before: Some(Target::Symbolic(old.clone())),
            after: Some(Target::Symbolic(new.clone())),
        });
        let Some(id) = id else {
            self.record(moved_head.into_iter().collect())?;
            return self.write_loose(&head, &Target::Symbolic(new.clone()));
        };
        let made = RefChange { name: new.clone(), before: self.read(new)?, after: Some(Target::Object(id)) };
        let gone = RefChange { name: old.clone(), before: Some(Target::Object(id)), after: None };
        self.record([made, gone].into_iter().chain(moved_head).collect())?;
        let entry = ReflogEntry { old: Some(id), new: Some(id), who: who.clone(), message: message.to_owned() };
        let log = self.log_of_rename(old, &entry)?;
        let is_nested = is_inside(old, new) || is_inside(new, old);
        if is_nested {
            // Both cannot be files at once, so the new name comes to life in the packed file.
            let mut packed = self.packed()?;
            packed.set(new.clone(), id);
            self.write_packed(&packed)?;
        } else {
            self.write_log(new, &log)?;
            self.write_loose(new, &Target::Object(id))?;
        }
        if is_current {
            // Two lines, as in Git: the branch under HEAD goes, and comes again.
            self.append_log(&head, &ReflogEntry { new: None, ..entry.clone() })?;
            self.append_log(&head, &ReflogEntry { old: None, ..entry })?;
            self.write_loose(&head, &Target::Symbolic(new.clone()))?;
        }
        self.remove(&[old])?;
        if is_nested {
            self.write_log(new, &log)?;
        }
        Ok(())
    }

    /// Gives `new` the value and the reflog of `old`, and one line more. The caller holds the repository lock.
    pub fn copy(
        &self,
        lock: &FileLock,
        who: &Signature,
        old: &RefName,
        new: &RefName,
        expected: Expected,
        message: &str,
    ) -> Result<(), RefError> {
        let Some(id) = self.resolve(old)? else { return Err(RefError::Absent { name: old.clone() }) };
        let entry = ReflogEntry { old: Some(id), new: Some(id), who: who.clone(), message: message.to_owned() };
        let log = self.log_of_rename(old, &entry)?;
        self.apply(lock, who, &[RefEdit::detach(new.clone(), id, expected, message)])?;
        self.write_log(new, &log)
    }

    /// Returns the log of `old` as the new name shall have it; `None` if there shall be none.
    fn log_of_rename(&self, old: &RefName, entry: &ReflogEntry) -> Result<Option<Vec<u8>>, RefError> {
        let path = self.reflog(old).path().to_owned();
        let mut log = match fs::read(&path) {
            Ok(log) => log,
            Err(e) if e.kind() == io::ErrorKind::NotFound && is_logged(old) => Vec::new(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RefError::Io { path, source }),
        };
        log.truncate(log.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1));
        log.extend_from_slice(entry.to_line().as_bytes());
        Ok(Some(log))
    }

    fn write_log(&self, name: &RefName, log: &Option<Vec<u8>>) -> Result<(), RefError> {
        let Some(log) = log else { return Ok(()) };
        let path = self.reflog(name).path().to_owned();
        self.clear_way(&path)?;
        self.replace(&path, log)
    }
}

/// Tells whether `inner` lies in the folder that `outer` would be.
fn is_inside(inner: &RefName, outer: &RefName) -> bool {
    inner.as_str().strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/'))
}
