//! Revisions as databases: `file:app.db?vfs=graft&rev=main~3`.
//!
//! Whoever knows refs and objects serves them here for the files below one folder; the file system asks for what a URI
//! names when SQLite opens it. Nothing is written to disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{PageSource, SourceError};

/// Opens stored states of files.
pub trait Revisions: Send + Sync {
    /// Opens the state of the file `path`, an absolute path, at the revision `rev`.
    fn open(&self, path: &Path, rev: &str) -> Result<Arc<dyn PageSource>, SourceError>;
}

static SERVED: Mutex<Vec<(PathBuf, Arc<dyn Revisions>)>> = Mutex::new(Vec::new());

/// Revisions that can be opened as long as this lives.
pub struct Serving(Arc<dyn Revisions>);

/// Serves the revisions of the files below `top`.
pub fn serve(top: &Path, revisions: Arc<dyn Revisions>) -> Serving {
    let top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
    served().push((top, Arc::clone(&revisions)));
    Serving(revisions)
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut served = served();
        if let Some(at) = served.iter().rposition(|(_, revisions)| Arc::ptr_eq(revisions, &self.0)) {
            served.remove(at);
        }
    }
}

fn served() -> MutexGuard<'static, Vec<(PathBuf, Arc<dyn Revisions>)>> {
    SERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens what a URI names.
pub(in crate::sqlite) fn open(path: &Path, rev: &str) -> Result<Arc<dyn PageSource>, SourceError> {
    // A file that is gone has no real path of its own, but its folder may have.
    let real = path.canonicalize().or_else(|e| match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => folder.canonicalize().map(|f| f.join(name)),
        _ => Err(e),
    });
    let real = real.unwrap_or_else(|_| path.to_owned());
    let found = served()
        .iter()
        .filter(|(top, _)| path.starts_with(top) || real.starts_with(top))
        .max_by_key(|(top, _)| top.components().count())
        .map(|(top, revisions)| (real.starts_with(top), Arc::clone(revisions)));
    match found {
        Some((true, revisions)) => revisions.open(&real, rev),
        Some((false, revisions)) => revisions.open(path, rev),
        None => Err(format!("{} lies in no repository that is open", path.display()).into()),
    }
}

/// Returns the URI of the state of a file at a revision.
pub fn uri(path: &Path, rev: &str) -> std::io::Result<String> {
    let mut parameters = String::from("vfs=graft&rev=");
    crate::sqlite::attach::escape(&mut parameters, rev.as_bytes());
    crate::sqlite::attach::uri(path, &parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(&'static str);

    impl Revisions for Says {
        fn open(&self, _: &Path, _: &str) -> Result<Arc<dyn PageSource>, SourceError> {
            Err(self.0.into())
        }
    }

    #[test]
    fn who_ends_first_takes_nobody_else_along() {
        let dir = tempfile::tempdir().unwrap();
        let answer = || open(&dir.path().join("app.db"), "HEAD").err().map(|e| e.to_string()).unwrap();
        let older = serve(dir.path(), Arc::new(Says("older")));
        let newer = serve(dir.path(), Arc::new(Says("newer")));
        assert_eq!(answer(), "newer");
        drop(older);
        assert_eq!(answer(), "newer");
        drop(newer);
        assert!(answer().contains("no repository"));
    }
}
