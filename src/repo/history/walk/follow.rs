//! Following a file through its renames.

use super::log::Walk;
use crate::model::{Commit, ObjectId, RepoPath};
use crate::repo::error::Result;
use crate::repo::history::changes::{Tracked, of_tree};
use crate::repo::state::objects::ObjectReader;

impl Walk<'_> {
    /// Returns the parents to go on with, all of them, and whether the commit changed the file that it has as `path`. Notes the name
    /// that the file has in each parent. A merge changes nothing itself, as in Git.
    pub(super) fn follow_file(&mut self, path: &RepoPath, commit: &Commit) -> Result<(Vec<ObjectId>, bool)> {
        let mut parents = commit.parents.clone();
        if self.options.first_parent {
            parents.truncate(1);
        }
        let of = |files: &[Tracked]| files.iter().find(|t| t.path == *path).cloned();
        let files = of_tree(&self.repo.tree(&commit.tree)?);
        let own = of(&files);
        let mut changed = parents.is_empty() && own.is_some();
        for parent in &parents {
            let before = self.repo.commit_files(parent)?;
            let there = of(&before);
            let name = match (&own, &there) {
                (Some(_), None) => {
                    let changes = self.repo.compare(&before, &files)?;
                    changes.into_iter().find(|c| c.path == *path).and_then(|c| c.renamed_from)
                }
                _ => None,
            };
            // Where two ways lead to a commit, the one that came first says what the file is called there.
            self.names.entry(*parent).or_insert_with(|| name.unwrap_or_else(|| path.clone()));
            changed |= own != there;
        }
        Ok((parents, changed && commit.parents.len() < 2))
    }
}
