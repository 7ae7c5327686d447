//! Revspecs: what people type to name a commit, a file in one, or a set of commits, resolved as Git does.
//!
//! A name is looked up as a ref, by `names`' rules, before it is taken for an abbreviated id; 64 digits are always an id. An
//! abbreviation that fits several objects is settled by the kind that its place calls for (a commit before `~`, …).

mod abbrev;
mod error;
mod message;
mod names;
mod parse;
mod reflog;
mod resolve;
mod set;

use std::cell::{Cell, OnceCell};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;

pub use error::{Candidate, RevError, RevWarning};
pub use set::{Range, RevItem, RevSet, is_set};

use crate::model::{ObjectId, RefName};
use crate::repo::error::Result;
use crate::repo::state::config::Config;
use crate::repo::state::index::Index;
use crate::repo::state::monitor::Monitor;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::RefStore;
use crate::repo::{Repository, now_ns};

/// Resolves the revisions of one repository.
pub struct Resolver<'a> {
    objects: &'a dyn ObjectReader,
    refs: &'a RefStore,
    config: &'a Config,
    index: Box<dyn Fn() -> Result<Index> + 'a>,
    /// The top of the worktree, and where the user stands in it.
    top: &'a Path,
    cwd: &'a Path,
    /// Unix seconds.
    now: i64,
    monitor: &'a dyn Monitor,
    said: &'a Said,
    /// How often the existence of a ref was asked for, and all refs once that was often.
    asked: Cell<usize>,
    known: OnceCell<HashSet<RefName>>,
}

/// What the user was told already, so that nothing is told twice.
#[derive(Debug, Default)]
pub struct Said(Mutex<Vec<RevWarning>>);

impl Said {
    fn is_new(&self, warning: RevWarning) -> bool {
        let mut said = self.0.lock().expect("no holder of the lock panics");
        let is_new = !said.contains(&warning);
        if is_new {
            said.push(warning);
        }
        is_new
    }
}

/// What kind of object a place calls for; settles which of several objects an abbreviated id means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any object.
    Object,
    /// A commit, or a tag that leads to one.
    Commitish,
    /// A tree, or what leads to one.
    Treeish,
    /// A commit itself.
    Commit,
}

impl Repository {
    /// Returns the resolver for a user who stands in `cwd`. Warnings go to the monitor.
    pub fn resolver<'a>(&'a self, cwd: &'a Path) -> Resolver<'a> {
        Resolver {
            objects: self,
            refs: self.refs(),
            config: self.config(),
            index: Box::new(|| self.index()),
            top: self.top(),
            cwd,
            now: now_ns() / 1_000_000_000,
            monitor: self.monitor(),
            said: &self.said,
            asked: Cell::default(),
            known: OnceCell::new(),
        }
    }

    /// Abbreviates an id as far as it stays unique, to `core.abbrev` digits at least (7 if not set).
    pub fn abbreviate(&self, id: &ObjectId) -> String {
        self.resolver(self.top()).abbreviate(id, None)
    }
}

impl Resolver<'_> {
    /// Tells the user something, once.
    fn warn(&self, warning: RevWarning) {
        if self.said.is_new(warning.clone()) {
            self.monitor.notice(&warning.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
