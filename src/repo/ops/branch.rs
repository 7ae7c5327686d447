//! Making, renaming and removing branches, with Git's checks, and what they follow.

use crate::model::{ObjectId, RefName, Signature, refname::RefNameError};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::history::walk;
use crate::repo::state::config::Key;
use crate::repo::state::identity::{Overrides, Role};
use crate::repo::state::refs::{Expected, Head, RefEdit, RefError};

/// What to make.
#[derive(Clone, Debug)]
pub struct NewBranch<'a> {
    /// Its name.
    pub name: &'a str,
    /// The commit it begins at.
    pub start: ObjectId,
    /// The revision that named the commit, for the reflog.
    pub start_text: &'a str,
    /// The branch that it follows from now on.
    pub upstream: Option<RefName>,
    /// Whether it may exist already.
    pub force: bool,
}

/// A branch that was made or moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The branch.
    pub name: RefName,
    /// Its commit.
    pub id: ObjectId,
    /// The commit it had before.
    pub old: Option<ObjectId>,
    /// What it follows now.
    pub upstream: Option<RefName>,
}

/// A branch that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The branch.
    pub name: RefName,
    /// The commit it had.
    pub id: ObjectId,
    /// The upstream that has its commits although HEAD has not.
    pub only_in: Option<RefName>,
}

/// Why a branch was not made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum BranchError {
    /// The name breaks a rule.
    #[error("'{}' is not a valid branch name: {}", .0.name.trim_start_matches("refs/heads/"), .0.reason)]
    Name(RefNameError),
    /// There is one already.
    #[error("a branch named '{0}' already exists")]
    Exists(String),
    /// HEAD is on it.
    #[error("the branch '{0}' is checked out here")]
    CheckedOut(String),
    /// There is none.
    #[error("branch '{0}' not found")]
    NotFound(String),
    /// It has commits that would be lost with it.
    #[error("the branch '{name}' is not fully merged into {into}")]
    Unmerged {
        /// The branch.
        name: String,
        /// What was looked at: its upstream or HEAD.
        into: String,
    },
    /// HEAD is on no branch, and none was named.
    #[error("HEAD is not on a branch")]
    Detached,
    /// The branch has no commits yet.
    #[error("the branch '{0}' has no commits yet")]
    Unborn(String),
    /// What a branch was to follow is no branch.
    #[error("'{0}' is not a branch that could be followed")]
    NoUpstream(String),
    /// A branch was to stop following, but follows nothing.
    #[error("the branch '{0}' has no upstream")]
    FollowsNothing(String),
}

/// The message has all that the name's own error says.
impl From<RefNameError> for BranchError {
    fn from(error: RefNameError) -> Self {
        Self::Name(error)
    }
}

impl Repository {
    /// Returns the branch that HEAD is on.
    pub fn current_branch(&self) -> Result<Option<RefName>> {
        match self.refs().head()? {
            Head::Branch(name) => Ok(Some(name)),
            Head::Detached(_) => Ok(None),
        }
    }

    /// Returns the full name of a branch as typed, where `@{-1}` means the branch before.
    pub fn branch_name(&self, typed: &str) -> Result<RefName> {
        let previous = typed.strip_prefix("@{-").and_then(|t| t.strip_suffix('}')).and_then(|n| n.parse().ok());
        if let Some(n @ 1..) = previous
            && let Ok(name) = self.refs().previous_branch(n)?
        {
            return Ok(RefName::branch(&name).map_err(BranchError::from)?);
        }
        Ok(RefName::branch(typed).map_err(BranchError::from)?)
    }

    pub(in crate::repo) fn committer(&self) -> Result<Signature> {
        self.signature(Role::Committer, &Overrides::default())
    }

    /// Makes a branch or, with `force`, moves it.
    pub fn create_branch(&self, new: &NewBranch<'_>) -> Result<Made> {
        let name = self.branch_name(new.name)?;
        let old = self.refs().resolve(&name)?;
        if old.is_some() && !new.force {
            return Err(BranchError::Exists(name.short().to_owned()).into());
        }
        if old.is_some() && self.current_branch()?.as_ref() == Some(&name) {
            return Err(BranchError::CheckedOut(name.short().to_owned()).into());
        }
        let lock = self.lock()?;
        let (expected, message) = match old {
            Some(old) => (Expected::MustExistAndMatch(old), format!("branch: Reset to {}", new.start_text)),
            None => (Expected::MustNotExist, format!("branch: Created from {}", new.start_text)),
        };
        let edit = RefEdit::set(name.clone(), new.start, expected, message);
        self.refs().apply(&lock, &self.committer()?, &[edit])?;
        drop(lock);
        if let Some(upstream) = &new.upstream {
            self.follow_upstream(&name, upstream)?;
        }
        Ok(Made { name, id: new.start, old, upstream: new.upstream.clone() })
    }

    /// Removes a branch. Without `force` its commits must be in its upstream or, if it has none, in HEAD's.
    pub fn delete_branch(&self, name: &RefName, force: bool) -> Result<Deleted> {
        let short = || name.short().to_owned();
        if self.current_branch()?.as_ref() == Some(name) {
            return Err(BranchError::CheckedOut(short()).into());
        }
        let id = match self.refs().resolve(name) {
            Ok(Some(id)) => id,
            Ok(None) if self.refs().read(name)?.is_some() && force => return self.delete_dangling(name),
            Ok(None) => return Err(BranchError::NotFound(short()).into()),
            Err(RefError::Damaged { .. }) if force => return self.delete_dangling(name),
            Err(error) => return Err(error.into()),
        };
        let mut only_in = None;
        if !force && let Some(branch) = name.as_branch() {
            let head = self.head_commit()?;
            let upstream = self.resolver(self.top()).upstream_of(branch);
            let followed = upstream.and_then(|name| Some((self.refs().resolve(&name).ok()??, name)));
            let within = |tip: Option<ObjectId>| match tip {
                Some(tip) => walk::is_ancestor(self, id, tip),
                None => Ok(false),
            };
            let (tip, into) = match &followed {
                Some((tip, name)) => (Some(*tip), format!("'{}'", name.short())),
                None => (head, "HEAD".to_owned()),
            };
            if !within(tip)? {
                return Err(BranchError::Unmerged { name: short(), into }.into());
            }
            if followed.is_some() && !within(head)? {
                only_in = followed.map(|(_, name)| name);
            }
        }
        let lock = self.lock()?;
        let edit = RefEdit::delete(name.clone(), Expected::MustExistAndMatch(id));
        self.refs().apply(&lock, &self.committer()?, &[edit])?;
        drop(lock);
        self.forget_settings(name)?;
        Ok(Deleted { name: name.clone(), id, only_in })
    }

    /// Removes a ref that leads nowhere.
    fn delete_dangling(&self, name: &RefName) -> Result<Deleted> {
        let lock = self.lock()?;
        self.refs().apply(&lock, &self.committer()?, &[RefEdit::delete(name.clone(), Expected::Any)])?;
        drop(lock);
        self.forget_settings(name)?;
        Ok(Deleted { name: name.clone(), id: ObjectId::from_bytes([0; 32]), only_in: None })
    }

    fn forget_settings(&self, name: &RefName) -> Result<()> {
        let Some(branch) = name.as_branch() else { return Ok(()) };
        if self.config().subsections("branch").contains(&branch) {
            self.edit_config(|file| Ok(file.remove_section("branch", branch)))?;
        }
        Ok(())
    }

    /// Renames a branch with its reflog and settings; HEAD moves along.
    pub fn rename_branch(&self, old: &RefName, new: &RefName, force: bool) -> Result<()> {
        let expected = self.check_target(old, new, force)?;
        let message = format!("Branch: renamed {old} to {new}");
        let lock = self.lock()?;
        self.refs().rename(&lock, &self.committer()?, old, new, expected, &message)?;
        drop(lock);
        self.move_settings(old, new, true)
    }

    /// Makes a branch like another one, reflog and settings included.
    pub fn copy_branch(&self, old: &RefName, new: &RefName, force: bool) -> Result<()> {
        let expected = self.check_target(old, new, force)?;
        if old == new {
            return Ok(());
        }
        let lock = self.lock()?;
        let message = format!("Branch: copied {old} to {new}");
        self.refs().copy(&lock, &self.committer()?, old, new, expected, &message)?;
        drop(lock);
        self.move_settings(old, new, false)
    }

    fn check_target(&self, old: &RefName, new: &RefName, force: bool) -> Result<Expected> {
        let current = self.current_branch()?;
        let exists = self.refs().resolve(old)?.is_some();
        if !exists && current.as_ref() != Some(old) {
            return Err(BranchError::NotFound(old.short().to_owned()).into());
        }
        match self.refs().resolve(new)? {
            Some(_) if old == new => Ok(Expected::Any),
            None => Ok(Expected::MustNotExist),
            Some(_) if !force => Err(BranchError::Exists(new.short().to_owned()).into()),
            Some(_) if current.as_ref() == Some(new) => Err(BranchError::CheckedOut(new.short().to_owned()).into()),
            Some(id) => Ok(Expected::MustExistAndMatch(id)),
        }
    }

    fn move_settings(&self, old: &RefName, new: &RefName, is_rename: bool) -> Result<()> {
        let (Some(old), Some(new)) = (old.as_branch(), new.as_branch()) else { return Ok(()) };
        if old == new || !self.config().subsections("branch").contains(&old) {
            return Ok(());
        }
        let settings: Vec<(String, String)> = self
            .config()
            .list()
            .filter(|e| e.key.section() == "branch" && e.key.subsection() == Some(old))
            .map(|e| (e.key.name().to_owned(), e.value.clone()))
            .collect();
        self.edit_config(|file| {
            if is_rename {
                file.rename_section("branch", old, new);
                return Ok(());
            }
            file.remove_section("branch", new);
            for (name, value) in settings {
                file.set(&format!("branch.{new}.{name}").parse::<Key>()?, &value)?;
            }
            Ok(())
        })
    }

    /// Lets a branch follow another one, here or of a remote.
    pub fn follow_upstream(&self, branch: &RefName, upstream: &RefName) -> Result<()> {
        let refuse = || BranchError::NoUpstream(upstream.short().to_owned());
        // As in Git: a branch that followed itself would always count as merged.
        if upstream == branch {
            return Ok(());
        }
        let Some(name) = branch.as_branch() else { return Err(BranchError::Detached.into()) };
        let (remote, merge) = match upstream.as_str().strip_prefix("refs/remotes/") {
            Some(rest) => {
                let (remote, branch) = rest.split_once('/').ok_or_else(refuse)?;
                (remote.to_owned(), format!("refs/heads/{branch}"))
            }
            None if upstream.as_branch().is_some() => (".".to_owned(), upstream.to_string()),
            None => return Err(refuse().into()),
        };
        self.edit_config(|file| {
            file.set(&format!("branch.{name}.remote").parse::<Key>()?, &remote)?;
            file.set(&format!("branch.{name}.merge").parse::<Key>()?, &merge)
        })
    }

    /// Lets a branch follow nothing any more.
    pub fn unfollow(&self, branch: &RefName) -> Result<()> {
        let Some(name) = branch.as_branch() else { return Err(BranchError::Detached.into()) };
        let removed = self.edit_config(|file| {
            let remote = file.unset(&format!("branch.{name}.remote").parse::<Key>()?);
            Ok(file.unset(&format!("branch.{name}.merge").parse::<Key>()?) || remote)
        })?;
        if removed { Ok(()) } else { Err(BranchError::FollowsNothing(name.to_owned()).into()) }
    }
}
