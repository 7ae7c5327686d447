//! From the parts of a revision to the object that it names.

use std::path::{Component, Path, PathBuf};

use super::parse::{self, Expr, Peel, Spec, Step};
use super::{Resolver, RevError, Wanted};
use crate::model::{ObjectId, ObjectKind, RepoPath};
use crate::repo::state::objects::ReadError;
use crate::repo::text::pathspec::PathspecError;
use crate::util::nearest::nearest;

impl Resolver<'_> {
    /// Returns the id that a revision names. 64 digits are taken as they are: the object need not exist.
    pub fn id(&self, text: &str) -> Result<ObjectId, RevError> {
        self.get(text, Wanted::Object)
    }

    /// Returns the object that a revision names; it exists.
    pub fn object(&self, text: &str) -> Result<ObjectId, RevError> {
        let id = self.id(text)?;
        self.objects.kind(&id).map(|_| id).map_err(|e| self.reading(text, &id, e))
    }

    /// Returns the commit that a revision leads to.
    pub fn commit(&self, text: &str) -> Result<ObjectId, RevError> {
        let id = self.get(text, Wanted::Commitish)?;
        self.peeled(text, &id, ObjectKind::Commit)
    }

    /// Returns the tree that a revision leads to.
    pub fn tree(&self, text: &str) -> Result<ObjectId, RevError> {
        let id = self.get(text, Wanted::Treeish)?;
        self.peeled(text, &id, ObjectKind::Tree)
    }

    /// Returns the id that a revision names; `wanted` settles what an abbreviated id means, no more.
    pub fn get(&self, text: &str, wanted: Wanted) -> Result<ObjectId, RevError> {
        match parse::parse(text)? {
            Spec::Object(expr) => self.expr(text, &expr, wanted),
            Spec::Path { rev, of, path } => {
                let id = self.expr(&rev, &of, Wanted::Treeish)?;
                self.in_tree(&rev, self.peeled(&rev, &id, ObjectKind::Tree)?, &path)
            }
            Spec::Staged { stage, path } => self.in_index(stage, &path),
            Spec::Message(pattern) => self.by_message(&pattern),
        }
    }

    fn expr(&self, text: &str, expr: &Expr, wanted: Wanted) -> Result<ObjectId, RevError> {
        match expr {
            Expr::Name(name) => self.name(text, name, wanted),
            Expr::Reflog(name, at) => self.past(text, name, at),
            Expr::Parent(step, 0) => self.step_commit(step),
            Expr::Parent(step, n) => {
                let parents = self.objects.commit(&self.step_commit(step)?)?.parents;
                parents.get(n - 1).copied().ok_or_else(|| RevError::NoParent {
                    text: step.text.clone(),
                    wanted: *n,
                    found: parents.len(),
                })
            }
            Expr::Ancestor(step, n) => {
                let mut id = self.step_commit(step)?;
                for found in 0..*n {
                    let parents = self.objects.commit(&id)?.parents;
                    id = *parents.first().ok_or_else(|| RevError::NoAncestor {
                        text: step.text.clone(),
                        wanted: *n,
                        found,
                    })?;
                }
                Ok(id)
            }
            Expr::Search(step, pattern) => self.search(vec![self.step_commit(step)?], pattern),
            Expr::Peel(step, peel) => {
                let hint = match peel {
                    Peel::Kind(ObjectKind::Commit) => Wanted::Commitish,
                    Peel::Kind(ObjectKind::Tree) => Wanted::Treeish,
                    _ => Wanted::Object,
                };
                let id = self.expr(&step.text, &step.expr, hint)?;
                match peel {
                    Peel::Kind(kind) => self.peeled(&step.text, &id, *kind),
                    Peel::Any => self.objects.kind(&id).map(|_| id).map_err(|e| self.reading(&step.text, &id, e)),
                    Peel::NoTag => self.without_tags(&step.text, id),
                }
            }
        }
    }

    fn step_commit(&self, step: &Step) -> Result<ObjectId, RevError> {
        let id = self.expr(&step.text, &step.expr, Wanted::Commitish)?;
        self.peeled(&step.text, &id, ObjectKind::Commit)
    }

    fn without_tags(&self, text: &str, id: ObjectId) -> Result<ObjectId, RevError> {
        let mut last = id;
        while self.objects.kind(&last).map_err(|e| self.reading(text, &id, e))? == ObjectKind::Tag {
            last = self.objects.tag(&last)?.target;
        }
        Ok(last)
    }

    pub(super) fn peeled(&self, text: &str, id: &ObjectId, kind: ObjectKind) -> Result<ObjectId, RevError> {
        self.objects.peel(id, kind).map_err(|e| self.reading(text, id, e))
    }

    /// Explains why the object `id`, which `text` names, cannot be read.
    fn reading(&self, text: &str, id: &ObjectId, error: ReadError) -> RevError {
        match error {
            ReadError::Peel { wanted, found, .. } => RevError::Kind { text: text.to_owned(), wanted, found },
            // Nothing is damaged if a user types the id of an object that is not here.
            ReadError::Missing(missing) if missing == *id && text.eq_ignore_ascii_case(&id.to_string()) => {
                RevError::Unknown { text: text.to_owned(), near: None }
            }
            other => other.into(),
        }
    }

    fn in_tree(&self, rev: &str, tree: ObjectId, path: &str) -> Result<ObjectId, RevError> {
        let path = self.path_from_top(path)?;
        if path.is_empty() {
            return Ok(tree);
        }
        let tree = self.objects.tree(&tree)?;
        if let Some(entry) = RepoPath::new(&path).ok().and_then(|p| tree.get(&p)) {
            return Ok(entry.snapshot);
        }
        let paths = || tree.entries().iter().map(|e| &e.path);
        if paths().any(|p| p.is_within(path.trim_end_matches('/'))) {
            return Err(RevError::Folder { rev: rev.to_owned(), path });
        }
        let near = nearest(&path, paths().map(RepoPath::as_str)).map(str::to_owned);
        Err(RevError::NoPath { rev: rev.to_owned(), path, near })
    }

    fn in_index(&self, stage: u8, path: &str) -> Result<ObjectId, RevError> {
        let path = self.path_from_top(path)?;
        let index = (self.index)().map_err(Box::new)?;
        match RepoPath::new(&path).ok().and_then(|p| index.get(&p)) {
            Some(_) if stage > 0 => return Err(RevError::NoStage { path, stage }),
            Some(entry) => return Ok(entry.snapshot),
            None => {}
        }
        if !path.is_empty() && index.within(path.trim_end_matches('/')).next().is_some() {
            return Err(RevError::Folder { rev: String::new(), path });
        }
        let near = nearest(&path, index.entries().iter().map(|e| e.path.as_str())).map(str::to_owned);
        Err(RevError::NotInIndex { path, near })
    }

    /// Turns a path that begins with `./` or `../`, as seen from where the user stands, into one from the top.
    fn path_from_top(&self, path: &str) -> Result<String, RevError> {
        if !(path.starts_with("./") || path.starts_with("../")) {
            return Ok(path.to_owned());
        }
        let inside = self.cwd.strip_prefix(self.top).map(Path::to_owned).or_else(|_| {
            let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
            real(self.cwd).strip_prefix(real(self.top)).map(Path::to_owned)
        });
        let mut parts = inside.unwrap_or_else(|_| PathBuf::new());
        for part in Path::new(path).components() {
            match part {
                Component::ParentDir if !parts.pop() => {
                    let (path, top) = (PathBuf::from(path), self.top.to_owned());
                    return Err(PathspecError::Outside { path, top }.into());
                }
                Component::Normal(name) => parts.push(name),
                _ => {}
            }
        }
        let names: Vec<_> = parts.iter().map(|part| part.to_string_lossy()).collect();
        Ok(names.join("/"))
    }
}
