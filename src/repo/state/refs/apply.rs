//! Applies a transaction: everything is checked first, then logged, then changed in the given order, removals last.
//!
//! Each ref changes atomically. Between two of them a crash can leave the first changed and the second not, so callers
//! put the ref that makes the step valid (HEAD, or the branch) last.

use std::collections::BTreeSet;

use super::log::is_logged;
use super::{Change, Expected, RefEdit, RefError, RefStore, Target};
use crate::model::{ObjectId, RefName, Signature};
use crate::repo::state::operations::RefChange;
use crate::repo::state::reflog::ReflogEntry;
use crate::util::lock::FileLock;

/// An edit whose symbolic refs have been followed.
struct Step<'a> {
    edit: &'a RefEdit,
    /// The ref that changes.
    name: RefName,
    /// The value before, symbolic refs followed.
    old: Option<ObjectId>,
    /// Whether the ref holds its new value already; then, as in Git, only HEAD's log tells of the edit.
    is_same: bool,
}

impl RefStore {
    /// Applies all edits or, if one of them fails its check, none. The caller holds the repository lock and has made
    /// durable what the refs will name; `who` stands in the reflogs.
    pub fn apply(&self, _lock: &FileLock, who: &Signature, edits: &[RefEdit]) -> Result<(), RefError> {
        let steps = edits.iter().map(|edit| self.prepare(edit)).collect::<Result<Vec<_>, _>>()?;
        self.check(&steps)?;
        self.record(steps.iter().filter(|s| !s.is_same).map(|s| self.change_of(s)).collect::<Result<_, _>>()?)?;
        for step in &steps {
            self.log_step(step, &steps, who)?;
        }
        for step in steps.iter().filter(|s| !s.is_same) {
            match &step.edit.change {
                Change::Set(id) => self.write_loose(&step.name, &Target::Object(*id))?,
                Change::Point(target) => self.write_loose(&step.name, &Target::Symbolic(target.clone()))?,
                Change::Drop(_) => self.drop_newest(&step.name)?,
                Change::Delete => {}
            }
        }
        let removed: Vec<&RefName> =
            steps.iter().filter(|s| s.edit.change == Change::Delete).map(|s| &s.name).collect();
        self.remove(&removed)
    }

    /// Fails if [`RefStore::apply`] would refuse these edits.
    pub fn check_edits(&self, edits: &[RefEdit]) -> Result<(), RefError> {
        self.check(&edits.iter().map(|edit| self.prepare(edit)).collect::<Result<Vec<_>, _>>()?)
    }

    fn change_of(&self, step: &Step<'_>) -> Result<RefChange, RefError> {
        let before = match self.read(&step.name) {
            // What it held cannot be brought back.
            Err(RefError::Damaged { .. }) => None,
            held => held?,
        };
        let after = match &step.edit.change {
            Change::Set(id) => Some(Target::Object(*id)),
            Change::Point(target) => Some(Target::Symbolic(target.clone())),
            Change::Drop(_) => self.value_before(&step.name)?.map(Target::Object),
            Change::Delete => None,
        };
        Ok(RefChange { name: step.name.clone(), before, after })
    }

    /// Gives a ref the value that it had before, and takes the newest line off its log.
    fn drop_newest(&self, name: &RefName) -> Result<(), RefError> {
        match self.value_before(name)? {
            // The line now tells of a change that looks as if it had not happened, and counts as gone.
            Some(id) => self.write_loose(name, &Target::Object(id))?,
            None => return self.remove(&[name]),
        }
        self.cut_newest(name)
    }

    /// Fails if a ref is not as expected.
    pub fn verify(&self, _lock: &FileLock, name: &RefName, expected: Expected) -> Result<(), RefError> {
        let name = name.clone();
        match (expected, self.resolve(&name)?) {
            (Expected::MustNotExist, Some(found)) => Err(RefError::Exists { name, found }),
            (Expected::MustExistAndMatch(_), None) => Err(RefError::Absent { name }),
            (Expected::MustExistAndMatch(expected), Some(found)) if expected != found => {
                Err(RefError::Moved { name, expected, found })
            }
            _ => Ok(()),
        }
    }

    /// Removes refs: first where they are hidden, so that none comes back to life, then the files and logs.
    pub(super) fn remove(&self, names: &[&RefName]) -> Result<(), RefError> {
        if names.is_empty() {
            return Ok(());
        }
        let mut packed = self.packed()?;
        if names.iter().filter(|name| packed.remove(name)).count() > 0 {
            self.write_packed(&packed)?;
        }
        for name in names {
            self.remove_loose(name)?;
            self.remove_pruning(self.reflog(name).path())?;
        }
        Ok(())
    }

    fn prepare<'a>(&self, edit: &'a RefEdit) -> Result<Step<'a>, RefError> {
        let is_removal_of_broken = edit.change == Change::Delete && edit.expected == Expected::Any;
        let (last, old) = match self.follow(&edit.name) {
            // A damaged ref can still be removed or, when nothing particular is expected, overwritten.
            Err(RefError::Damaged { .. }) if edit.expected == Expected::Any => (edit.name.clone(), None),
            Err(RefError::Circle { .. }) if is_removal_of_broken => (edit.name.clone(), None),
            result => result?,
        };
        let name = if edit.follow { last } else { edit.name.clone() };
        let is_same = match (&edit.change, old) {
            (Change::Set(new), Some(old)) if *new == old => self.read(&name)? == Some(Target::Object(old)),
            _ => false,
        };
        Ok(Step { edit, name, old, is_same })
    }

    fn check(&self, steps: &[Step<'_>]) -> Result<(), RefError> {
        let mut seen = BTreeSet::new();
        let made: Vec<&RefName> = steps.iter().filter(|s| s.edit.change != Change::Delete).map(|s| &s.name).collect();
        for step in steps {
            let name = step.name.clone();
            if !seen.insert(&step.name) {
                return Err(RefError::Twice { name });
            }
            match (step.edit.expected, step.old) {
                (Expected::MustNotExist, Some(found)) => return Err(RefError::Exists { name, found }),
                (Expected::MustExistAndMatch(_), None) => return Err(RefError::Absent { name }),
                (Expected::MustExistAndMatch(expected), Some(found)) if expected != found => {
                    return Err(RefError::Moved { name, expected, found });
                }
                _ => {}
            }
        }
        for name in &made {
            // A ref that exists has no conflicts, and needs none of the searching.
            if self.read_loose(name).ok().flatten().is_none() {
                self.check_nesting(name, None)?;
            }
            let inside = format!("{name}/");
            if let Some(other) = made.iter().find(|other| other.as_str().starts_with(&inside)) {
                return Err(RefError::Nested { name: (*name).clone(), existing: (*other).clone() });
            }
        }
        Ok(())
    }

    /// Writes the reflog lines of one step: of the ref itself, and of HEAD if HEAD is on it or was given.
    fn log_step(&self, step: &Step<'_>, all: &[Step<'_>], who: &Signature) -> Result<(), RefError> {
        let new = match &step.edit.change {
            Change::Set(id) => Some(*id),
            Change::Point(target) => match all.iter().find(|s| s.name == *target).map(|s| &s.edit.change) {
                Some(Change::Set(id)) => Some(*id),
                _ => self.resolve(target)?,
            },
            Change::Drop(_) | Change::Delete => return Ok(()),
        };
        let entry = ReflogEntry { old: step.old, new, who: who.clone(), message: step.edit.message.clone() };
        let changes = !step.is_same && (new.is_some() || step.old.is_some());
        if changes && (is_logged(&step.name) || self.has_log(&step.name)) {
            self.append_log(&step.name, &entry)?;
        }
        let head = RefName::head();
        if step.name != head && self.follow(&head).is_ok_and(|(last, _)| last == step.name) {
            self.append_log(&head, &entry)?;
        }
        Ok(())
    }
}
