//! Revisions as typed: names and ids of the command line become objects.

use super::error::Failure;
use super::suggest;
use crate::model::{IdPrefix, ObjectId, ObjectKind, RefName, RepoPath};
use crate::repo::objects::ObjectReader;
use crate::repo::{RepoError, Repository};

/// Returns the object that a revision names.
pub fn object(repo: &Repository, text: &str) -> Result<ObjectId, Failure> {
    match text.split_once(':') {
        Some((rev, path)) => {
            let tree = peel(repo, &object(repo, if rev.is_empty() { "HEAD" } else { rev })?, ObjectKind::Tree)?;
            in_tree(repo, &tree, rev, path)
        }
        None => ancestor(repo, text),
    }
}

/// Returns the commit that a revision leads to.
pub fn commit(repo: &Repository, text: &str) -> Result<ObjectId, Failure> {
    peel(repo, &object(repo, text)?, ObjectKind::Commit)
}

/// Abbreviates an id as far as it stays unique, to seven digits at least.
pub fn short(repo: &Repository, id: &ObjectId) -> String {
    let unique = |len: &usize| {
        let prefix = IdPrefix::from_hex(&id.to_hex_with_len(*len)).ok();
        prefix.and_then(|p| repo.with_prefix(&p).ok()).is_none_or(|found| found.len() <= 1)
    };
    id.to_hex_with_len((7..64).find(unique).unwrap_or(64))
}

fn peel(repo: &Repository, id: &ObjectId, kind: ObjectKind) -> Result<ObjectId, Failure> {
    Ok(repo.peel(id, kind).map_err(RepoError::from)?)
}

fn in_tree(repo: &Repository, tree: &ObjectId, rev: &str, path: &str) -> Result<ObjectId, Failure> {
    if path.is_empty() {
        return Ok(*tree);
    }
    let tree = repo.tree(tree).map_err(RepoError::from)?;
    let found = RepoPath::new(path).ok().and_then(|p| tree.get(&p).map(|e| e.snapshot));
    found.ok_or_else(|| {
        let failure = Failure::new(format!("path '{path}' does not exist in '{rev}'"));
        match suggest::nearest(path, tree.entries().iter().map(|e| e.path.as_str())) {
            Some(near) => failure.help(format!("did you mean '{rev}:{near}'?")),
            None => failure.help(format!("'graft ls-tree -r {rev}' lists the files")),
        }
    })
}

/// Resolves `name`, `name~3`, `name^2`, `name^`, in any number.
fn ancestor(repo: &Repository, text: &str) -> Result<ObjectId, Failure> {
    let end = text.find(['~', '^']).unwrap_or(text.len());
    let (base, mut steps) = text.split_at(end);
    let mut id = base_object(repo, base)?;
    while let Some(step) = steps.chars().next() {
        let digits = steps[1..].bytes().take_while(u8::is_ascii_digit).count();
        let n: usize = if digits == 0 { 1 } else { steps[1..=digits].parse().map_err(|_| unknown(repo, text))? };
        id = peel(repo, &id, ObjectKind::Commit)?;
        let (times, nth) = if step == '~' { (n, 1) } else { (usize::from(n > 0), n) };
        for _ in 0..times {
            let commit = repo.commit(&id).map_err(RepoError::from)?;
            id = *commit.parents.get(nth - 1).ok_or_else(|| unknown(repo, text))?;
        }
        steps = &steps[1 + digits..];
        if !steps.is_empty() && !steps.starts_with(['~', '^']) {
            return Err(unknown(repo, text));
        }
    }
    Ok(id)
}

fn base_object(repo: &Repository, name: &str) -> Result<ObjectId, Failure> {
    let name = if name == "@" || name.is_empty() { "HEAD" } else { name };
    for full in ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"] {
        if let Ok(full) = RefName::new(&format!("{full}{name}"))
            && let Some(id) = repo.refs().resolve(&full).map_err(RepoError::from)?
        {
            return Ok(id);
        }
    }
    let Ok(prefix) = IdPrefix::from_hex(name) else { return Err(unknown(repo, name)) };
    match repo.with_prefix(&prefix).map_err(RepoError::from)?.as_slice() {
        [] => Err(unknown(repo, name)),
        [one] => Ok(*one),
        several => {
            let list: Vec<String> = several.iter().map(|id| candidate(repo, id)).collect();
            Err(Failure::new(format!("'{name}' is ambiguous"))
                .help(format!("it may be one of\n  {}", list.join("\n  "))))
        }
    }
}

fn candidate(repo: &Repository, id: &ObjectId) -> String {
    let kind = repo.kind(id).map_or_else(|_| "object".to_owned(), |k| k.to_string());
    let subject = repo.commit(id).map(|c| format!(" {}", c.subject())).unwrap_or_default();
    format!("{} {kind}{subject}", short(repo, id))
}

fn unknown(repo: &Repository, text: &str) -> Failure {
    let names = repo.refs().list("refs/").map(|l| l.refs).unwrap_or_default();
    let failure = Failure::new(format!("unknown revision '{text}'"));
    match suggest::nearest(text, names.iter().map(|r| r.name.short()).chain(["HEAD"])) {
        Some(near) => failure.help(format!("did you mean '{near}'?")),
        None => failure.help("'graft log --oneline' lists commits"),
    }
}
