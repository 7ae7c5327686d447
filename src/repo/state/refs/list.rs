//! Lists refs, loose and packed, in name order.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::packed::Packed;
use super::{Ref, RefError, RefStore, Target, is_absent};
use crate::model::{RefName, refname::RefNameError};

/// The refs under a prefix.
#[derive(Debug, Default)]
pub struct RefList {
    /// The sound ones, in name order.
    pub refs: Vec<Ref>,
    /// Why others are not among them: damaged files, and symbolic refs that lead nowhere.
    pub broken: Vec<RefError>,
}

impl RefStore {
    /// Lists the refs whose full names begin with `prefix`: `refs/heads/`, `refs/tags/v1`, or `refs/` for all.
    ///
    /// Fails only if nothing can be listed; single broken refs are reported beside the others.
    pub fn list(&self, prefix: &str) -> Result<RefList, RefError> {
        let mut found: BTreeMap<RefName, Target> = BTreeMap::new();
        let mut broken = Vec::new();
        self.each_loose(prefix, &mut |name| match name.map(|name| (self.read_loose(&name), name)) {
            Ok((Ok(Some(target)), name)) => drop(found.insert(name, target)),
            // It was packed or removed since the folder was read.
            Ok((Ok(None), _)) => {}
            Ok((Err(error), _)) | Err(error) => broken.push(error),
        })?;
        let packed = self.packed().unwrap_or_else(|error| {
            broken.push(error);
            Packed::default()
        });
        let hidden = |name: &RefName| {
            broken.iter().any(|e| matches!(e, RefError::Damaged { name: n, .. } if n == name.as_str()))
        };
        for (name, id) in packed.iter().filter(|(name, _)| name.as_str().starts_with(prefix)) {
            if !hidden(name) {
                found.entry(name.clone()).or_insert(Target::Object(id));
            }
        }
        let mut refs = Vec::with_capacity(found.len());
        for (name, target) in found {
            match self.to_ref(name, target) {
                Ok(one) => refs.push(one),
                Err(error) => broken.push(error),
            }
        }
        Ok(RefList { refs, broken })
    }

    fn to_ref(&self, name: RefName, target: Target) -> Result<Ref, RefError> {
        match target {
            Target::Object(id) => Ok(Ref { name, id, symbolic: None }),
            Target::Symbolic(to) => match self.resolve(&to)? {
                Some(id) => Ok(Ref { name, id, symbolic: Some(to) }),
                None => Err(RefError::Dangling { name, target: to }),
            },
        }
    }

    /// Calls `visit` with the name of every loose ref file whose name begins with `prefix`, in no order.
    pub(super) fn each_loose(
        &self,
        prefix: &str,
        visit: &mut dyn FnMut(Result<RefName, RefError>),
    ) -> Result<(), RefError> {
        let folder = prefix.rfind('/').map_or("", |end| &prefix[..end]);
        self.walk_loose(&self.dir.join(folder), folder, prefix, visit)
    }

    fn walk_loose(
        &self,
        path: &Path,
        name: &str,
        prefix: &str,
        visit: &mut dyn FnMut(Result<RefName, RefError>),
    ) -> Result<(), RefError> {
        let io = |source| RefError::Io { path: path.to_owned(), source };
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) if is_absent(&e) => return Ok(()),
            Err(e) => return Err(io(e)),
        };
        for entry in entries {
            let entry = entry.map_err(io)?;
            let file_name = entry.file_name();
            let child = format!("{name}/{}", file_name.to_string_lossy());
            if !child.starts_with(prefix) && !prefix.starts_with(&format!("{child}/")) {
                continue;
            }
            if entry.file_type().map_err(io)?.is_dir() {
                self.walk_loose(&entry.path(), &child, prefix, visit)?;
            } else {
                visit(RefName::new(&child).map_err(|error| stray(entry.path(), &error)));
            }
        }
        Ok(())
    }

    /// Lists all refs and, last, HEAD if it has a commit: everything where history begins.
    pub fn tips(&self) -> Result<RefList, RefError> {
        let mut list = self.list("refs/")?;
        let name = RefName::head();
        match self.follow(&name) {
            Ok((last, Some(id))) => list.refs.push(Ref { symbolic: Some(last).filter(|l| *l != name), name, id }),
            Ok((_, None)) => {}
            Err(error) => list.broken.push(error),
        }
        Ok(list)
    }
}

/// Reports a file in the folder of refs whose name is not one of a ref.
fn stray(path: std::path::PathBuf, error: &RefNameError) -> RefError {
    RefError::Damaged { name: error.name.clone(), path, content: format!("({})", error.reason) }
}
