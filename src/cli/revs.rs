//! Revisions as typed on the command line, seen from where the user stands.

use super::error::Failure;
use crate::model::ObjectId;
use crate::repo::Repository;
use crate::repo::history::revspec::Resolver;

/// Calls `ask` with the resolver for the folder that the user stands in.
pub fn with<T, E: Into<Failure>>(
    repo: &Repository,
    ask: impl FnOnce(&Resolver<'_>) -> Result<T, E>,
) -> Result<T, Failure> {
    let cwd = std::env::current_dir().unwrap_or_else(|_| repo.top().to_owned());
    ask(&repo.resolver(&cwd)).map_err(Into::into)
}

/// Returns the object that a revision names.
pub fn object(repo: &Repository, text: &str) -> Result<ObjectId, Failure> {
    with(repo, |revs| revs.object(text))
}

/// Returns the commit that a revision leads to.
pub fn commit(repo: &Repository, text: &str) -> Result<ObjectId, Failure> {
    with(repo, |revs| revs.commit(text))
}

/// Abbreviates an id as far as it stays unique.
pub fn short(repo: &Repository, id: &ObjectId) -> String {
    repo.abbreviate(id)
}
