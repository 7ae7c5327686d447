//! `name@{n}` and `name@{date}`: what a ref was before.

use super::names::full_names;
use super::parse::{self, At, Base, Expr, Name};
use super::{Resolver, RevError, RevWarning};
use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::state::reflog::{AtTime, nth_value, value_at};
use crate::repo::text::date;

impl Resolver<'_> {
    /// Returns the value that a ref had.
    pub(super) fn past(&self, text: &str, name: &Name, at: &At) -> Result<ObjectId, RevError> {
        let (log, value) = self.log_of(text, name)?;
        let shown = || log.short().to_owned();
        let second = match at {
            At::Back(n) => {
                return match nth_value(self.refs.log(&log)?, *n)? {
                    Ok(Some(id)) => Ok(id),
                    Ok(None) => Err(RevError::NotThen { name: shown() }),
                    // A log without entries still knows what the ref is now.
                    Err(0) if *n == 0 => Ok(value),
                    Err(found) => Err(RevError::ReflogTooShort { name: shown(), found }),
                };
            }
            At::Second(second) => *second,
            At::Date(text) => date::approximate(text, self.now)?,
        };
        match value_at(self.refs.log(&log)?, second)? {
            AtTime::Value(Some(id)) => Ok(id),
            AtTime::TooEarly { oldest: Some(id), since } => {
                let found = self.committed_by(id, second)?.ok_or_else(|| RevError::NotThen { name: shown() })?;
                self.warn(RevWarning::LogTooYoung { name: shown(), since });
                Ok(found)
            }
            AtTime::Value(None) | AtTime::TooEarly { oldest: None, .. } => Err(RevError::NotThen { name: shown() }),
            AtTime::Empty => Err(RevError::ReflogTooShort { name: shown(), found: 0 }),
        }
    }

    /// Returns the newest commit that is no younger than a moment, from parent to first parent. A clone knows of the time
    /// before it only what commits say.
    fn committed_by(&self, id: ObjectId, second: i64) -> Result<Option<ObjectId>, RevError> {
        let mut next = self.objects.peel(&id, ObjectKind::Commit).ok();
        while let Some(id) = next {
            let commit = self.objects.commit(&id)?;
            if commit.committer.time <= second {
                return Ok(Some(id));
            }
            next = commit.parents.first().copied();
        }
        Ok(None)
    }

    /// Returns the ref whose reflog a name means: HEAD's own for `HEAD`, that of its branch for an empty name.
    pub fn log_name(&self, text: &str) -> Result<RefName, RevError> {
        match parse::expr(text)? {
            Expr::Name(name) => Ok(self.log_of(text, &name)?.0),
            _ => Err(RevError::Malformed { text: text.to_owned(), reason: "a name of a ref is wanted" }),
        }
    }

    /// Finds the ref whose log is meant, and its present value. Without a name it is the branch that HEAD is on.
    fn log_of(&self, text: &str, name: &Name) -> Result<(RefName, ObjectId), RevError> {
        let is_current = name.base == Base::Plain(String::new());
        if is_current || name.follows.is_some() {
            let head = Name { base: Base::Plain("HEAD".to_owned()), follows: None };
            let found = self.find(if name.follows.is_some() { name } else { &head })?;
            return found.map(|f| (f.last, f.id)).ok_or_else(|| self.unknown(text, "HEAD"));
        }
        let typed = self.typed(name)?;
        let mut without_log = None;
        for full in full_names(&typed) {
            let (last, Some(id)) = self.refs.follow(&full)? else { continue };
            match [full, last].into_iter().find(|name| self.refs.has_log(name)) {
                Some(log) => return Ok((log, id)),
                None => without_log = Some(RevError::NoReflog { name: typed.clone() }),
            }
        }
        Err(without_log.unwrap_or_else(|| self.unknown(text, &typed)))
    }
}
