//! Recording a commit.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::model::{Commit, ObjectId, RefName, Signature, Tree};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::history::changes::{of_index, of_tree};
use crate::repo::ops::sign_off::says_nothing;
use crate::repo::state::identity::{Overrides, Role};
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Expected, Head, RefEdit};
use crate::repo::state::types::{FileChange, Warning};
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::capture::How;
use crate::repo::worktree::staging::{self, Staging};
use crate::store::{Purpose, Transaction};

/// What to commit, and how.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// The message; for an amended commit that of the old one if not given.
    pub message: Option<String>,
    /// Stage changed and removed tracked files first.
    pub all: bool,
    /// Replace HEAD's commit.
    pub amend: bool,
    /// Commit even if nothing changes.
    pub allow_empty: bool,
    /// Accept an empty message.
    pub allow_empty_message: bool,
    /// Name and mail address of the author.
    pub author: Option<(String, String)>,
    /// The author's date, in any form that Git takes.
    pub date: Option<String>,
    /// The author, as far as name and date are not given: of the commit whose message is taken, or of the one replaced.
    pub inherit: Inherit,
    /// Commit the worktree state of just these tracked files, whatever else is staged.
    pub pathspecs: Vec<PathBuf>,
    /// Where the user stands.
    pub cwd: PathBuf,
    /// What `all` and `pathspecs` say is in the index, since [`Repository::stage_ahead`] put it there.
    pub is_staged: bool,
}

/// Whose commit a commit is where nothing else is said.
#[derive(Clone, Debug, Default)]
pub enum Inherit {
    /// Of the author of the commit that is replaced, otherwise of whoever works here.
    #[default]
    Replaced,
    /// Of this author.
    Author(Signature),
    /// Of whoever works here.
    Nobody,
}

/// What was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOutcome {
    /// The new commit.
    pub id: ObjectId,
    /// The branch that moved; `None` if HEAD is detached.
    pub branch: Option<RefName>,
    /// Whether it is the first commit of its history.
    pub root: bool,
    /// Whether it replaced another.
    pub amended: bool,
    /// The first line of its message.
    pub subject: String,
    /// What it changes against its first parent.
    pub files: Vec<FileChange>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Why nothing was committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The index is as HEAD's commit has it.
    #[error("nothing to commit")]
    NothingToCommit,
    /// The message is empty.
    #[error("the commit message is empty")]
    EmptyMessage,
    /// There is no commit to amend.
    #[error("there is no commit yet that could be amended")]
    NothingToAmend,
    /// A path matches no tracked file.
    #[error("pathspec '{}' did not match any tracked file", .0.display())]
    NoMatch(PathBuf),
    /// Paths and `--all` at once.
    #[error("paths cannot be combined with --all")]
    PathsWithAll,
    /// The commit that takes the place of another would change nothing.
    #[error("the amended commit would be empty")]
    AmendToEmpty,
    /// Another process moved HEAD in between.
    #[error("HEAD was moved by another process")]
    HeadMoved,
}

impl Repository {
    /// Records the index, or what the options say, as a new commit and moves HEAD's branch to it.
    pub fn commit_index(&self, options: &CommitOptions) -> Result<CommitOutcome> {
        if options.all && !options.pathspecs.is_empty() {
            return Err(CommitError::PathsWithAll.into());
        }
        let specs = Pathspecs::new(self.top(), &options.cwd, &options.pathspecs)?;
        let index = self.index()?;
        if options.is_staged {
            let how = How { purpose: Purpose::Store, opaque: false };
            return self.record(options, &specs, Staging::new(self, &index, how));
        }
        let staging = self.gather(options, &specs, &index)?;
        self.record(options, &specs, staging)
    }

    /// Captures what the options say is to be committed beside what is staged.
    pub(super) fn gather<'r>(
        &'r self,
        options: &CommitOptions,
        specs: &Pathspecs,
        index: &'r Index,
    ) -> Result<Staging<'r>> {
        let wanted: Vec<&IndexEntry> = match options.all || !specs.is_empty() {
            true => index.entries().iter().filter(|e| specs.matches(&e.path)).collect(),
            false => Vec::new(),
        };
        // A path that is staged to go is in HEAD's commit only.
        let committed = if specs.is_empty() { Vec::new() } else { self.head_files()? };
        let known: Vec<_> = wanted.iter().map(|e| &e.path).chain(committed.iter().map(|t| &t.path)).collect();
        if let Some(spec) = specs.unmatched(&known) {
            return Err(CommitError::NoMatch(spec).into());
        }
        let mut staging = self.stage_tracked(index, &wanted, &[], How { purpose: Purpose::Store, opaque: false })?;
        // As in Git, its file is taken as the worktree has it, if that has it still.
        for file in committed.iter().filter(|t| specs.matches(&t.path) && index.get(&t.path).is_none()) {
            staging.capture(&file.path, true)?;
        }
        Ok(staging)
    }

    fn record(&self, options: &CommitOptions, specs: &Pathspecs, staging: Staging<'_>) -> Result<CommitOutcome> {
        let lock = self.lock()?;
        let mut tx = Transaction::new(self.store(), &lock)?;
        let mut index = self.index()?;
        let (staged, warnings) = staging.finish(&mut tx, &index)?;
        staging::apply(&mut index, &staged);

        let head = self.refs().head()?;
        let tip = self.head_commit()?;
        let replaced = match (options.amend, tip) {
            (true, None) => return Err(CommitError::NothingToAmend.into()),
            (true, Some(id)) => {
                self.needs_parents(&id)?;
                Some(self.commit(&id)?)
            }
            (false, _) => None,
        };
        let parents = match &replaced {
            Some(old) => old.parents.clone(),
            None => tip.into_iter().collect(),
        };
        let tree = self.tree_to_record(&index, specs, tip)?;
        let tree_id = tx.add_object(&tree);
        let parent = parents.first().map(|id| self.commit(id)).transpose()?;
        let is_empty = || match &parent {
            Some(parent) => parent.tree == tree_id || self.holds_the_same_files(&parent.tree, &tree),
            None => tree.entries().is_empty(),
        };
        if !options.allow_empty && replaced.is_none() && is_empty() {
            return Err(CommitError::NothingToCommit.into());
        }
        let message = self.message(options, replaced.as_ref())?;
        let generation = self.generation_above(&parents)?;
        let commit = Commit {
            tree: tree_id,
            parents,
            generation,
            author: self.author(options, replaced.as_ref())?,
            committer: self.signature(Role::Committer, &Overrides::default())?,
            message,
        };
        let id = tx.add_object(&commit);
        tx.publish()?;
        // What was staged was compared with the commit that goes, so only what is stored can be compared with the one before it. A merge may
        // well be as its first parent.
        if !options.allow_empty && replaced.is_some() && commit.parents.len() < 2 && is_empty() {
            return Err(CommitError::AmendToEmpty.into());
        }
        self.prepare_index(&index, id, &lock)?;
        let expected = tip.map_or(Expected::MustNotExist, Expected::MustExistAndMatch);
        let action = match (&replaced, tip) {
            (Some(_), _) => "commit (amend)",
            (None, None) => "commit (initial)",
            (None, Some(_)) => "commit",
        };
        let edit = RefEdit::set(RefName::head(), id, expected, format!("{action}: {}", commit.subject()));
        self.refs().apply(&lock, &commit.committer, &[edit])?;
        self.settle_pending(&lock)?;
        if options.is_staged {
            self.forget_ahead()?;
        }
        if options.all || !specs.is_empty() {
            let taken = index.entries().iter().map(|e| &e.path).filter(|path| specs.matches(path));
            self.remember_attributes(taken, &lock);
        }
        drop(lock);
        Ok(CommitOutcome {
            id,
            branch: match head {
                Head::Branch(branch) => Some(branch),
                Head::Detached(_) => None,
            },
            root: commit.parents.is_empty(),
            amended: replaced.is_some(),
            subject: commit.subject().to_owned(),
            files: self.commit_changes(&id)?,
            warnings,
        })
    }

    /// Returns the author: what is given goes before what is inherited.
    fn author(&self, options: &CommitOptions, replaced: Option<&Commit>) -> Result<Signature> {
        let inherited = match &options.inherit {
            Inherit::Replaced => replaced.map(|old| &old.author),
            Inherit::Author(author) => Some(author),
            Inherit::Nobody => None,
        };
        let overrides = Overrides { name_email: options.author.clone(), date: options.date.clone() };
        let Some(old) = inherited else { return self.signature(Role::Author, &overrides) };
        let mut author = old.clone();
        if options.author.is_some() || options.date.is_some() {
            let given = self.signature(Role::Author, &overrides)?;
            if options.author.is_some() {
                (author.name, author.email) = (given.name, given.email);
            }
            if options.date.is_some() {
                (author.time, author.offset) = (given.time, given.offset);
            }
        }
        Ok(author)
    }

    /// Tells whether a tree about to be recorded holds, under other ids, what another one does. A snapshot that is not stored yet
    /// differs, or it would not be made; it is looked up, and not searched for in all files as one that something refers to.
    fn holds_the_same_files(&self, old: &ObjectId, new: &Tree) -> bool {
        let differing = || {
            let old = self.tree(old)?;
            let known: HashSet<ObjectId> = old.entries().iter().map(|e| e.snapshot).collect();
            for entry in new.entries().iter().filter(|e| !known.contains(&e.snapshot)) {
                if !self.store().has_object(&entry.snapshot)? {
                    return Ok(true);
                }
            }
            let changes = self.differing(self.compare(&of_tree(&old), &of_tree(new))?)?;
            Ok::<_, RepoError>(!changes.is_empty())
        };
        differing().is_ok_and(|differs| !differs)
    }

    /// Returns the index as a tree; with paths, HEAD's tree with just these paths as the index has them.
    fn tree_to_record(&self, index: &Index, specs: &Pathspecs, tip: Option<ObjectId>) -> Result<Tree> {
        let all = index.to_tree();
        if specs.is_empty() {
            return Ok(all);
        }
        let old = match tip {
            Some(id) => self.tree(&self.commit(&id)?.tree)?,
            None => Tree::default(),
        };
        let kept = old.entries().iter().filter(|e| !specs.matches(&e.path));
        Ok(Tree::new(kept.chain(all.entries().iter().filter(|e| specs.matches(&e.path))).cloned().collect()))
    }

    fn message(&self, options: &CommitOptions, replaced: Option<&Commit>) -> Result<String> {
        let message = match (&options.message, replaced) {
            (Some(text), _) => tidy(text),
            (None, Some(old)) => old.message.clone(),
            (None, None) => String::new(),
        };
        if says_nothing(&message) && !options.allow_empty_message {
            return Err(CommitError::EmptyMessage.into());
        }
        Ok(message)
    }

    /// Returns the changes that a commit would record, for the editor's template.
    pub fn staged_changes(&self, options: &CommitOptions) -> Result<Vec<FileChange>> {
        let head = self.head_commit()?;
        let base = match (options.amend, head) {
            (true, Some(id)) => self.commit(&id)?.parents.first().copied(),
            _ => head,
        };
        let old = match base {
            Some(id) => of_tree(&self.tree(&self.commit(&id)?.tree)?),
            None => Vec::new(),
        };
        self.compare(&old, &of_index(&self.index()?))
    }
}

/// Strips blank lines at both ends and white space at line ends, and ends the message with one newline, as Git does.
pub fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let start = lines.iter().position(|l| !l.is_empty()).unwrap_or(lines.len());
    let end = lines.iter().rposition(|l| !l.is_empty()).map_or(start, |i| i + 1);
    let mut out = String::new();
    let mut blank = false;
    for line in &lines[start..end] {
        if line.is_empty() && blank {
            continue;
        }
        blank = line.is_empty();
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_tidied_as_git_does() {
        assert_eq!(tidy("\n\n one  \n\n\n two\n\n"), " one\n\n two\n");
        assert_eq!(tidy(" \n\n"), "");
        assert_eq!(tidy("x"), "x\n");
    }
}
