//! Creating a repository.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::RefName;
use crate::model::refname::RefNameError;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::refs::{Head, RefError};
use crate::repo::{DIR, FORMAT, Repository, Settings, is_repository};
use crate::store::{Store, StoreOptions};
use crate::util::fs as durable;

/// How a repository is created.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// The first branch; `main` if not given.
    pub initial_branch: Option<String>,
}

/// What was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitOutcome {
    /// The repository folder.
    pub dir: PathBuf,
    /// The branch HEAD points to.
    pub branch: RefName,
    /// Whether a repository was there already; what it had was left as it is.
    pub reinitialized: bool,
    /// The repository that the new one lies in, if any: its files are tracked by the inner one from now on.
    pub inside: Option<PathBuf>,
    /// Why it could not be written down that the repository is trusted.
    pub untrusted: Option<String>,
}

/// Why a repository could not be created.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The name of the first branch is not valid.
    #[error(transparent)]
    Branch(#[from] RefNameError),
    /// The place is below a repository folder.
    #[error("{} lies inside a repository's own folder", .0.display())]
    InsideGraft(PathBuf),
}

impl Repository {
    /// Creates a repository in `top`, which is created if need be. HEAD comes last: without it there is no repository.
    pub fn init(top: &Path, options: &InitOptions, settings: &Settings) -> Result<InitOutcome> {
        let top = std::path::absolute(top).map_err(RepoError::file("find", top))?;
        if top.components().any(|c| c.as_os_str() == DIR) {
            return Err(InitError::InsideGraft(top).into());
        }
        let name = options.initial_branch.as_deref().unwrap_or("main");
        let branch = RefName::branch(name).map_err(InitError::Branch)?;
        let dir = top.join(DIR);
        if dir.join("HEAD").exists() {
            let repo = Self::open(&top, settings.clone())?;
            let branch = match repo.refs().head() {
                Ok(Head::Branch(branch)) => Some(branch),
                Ok(Head::Detached(_)) => Some(RefName::head()),
                // Whoever names a branch has HEAD made anew; what it held leads nowhere.
                Err(RefError::Damaged { .. }) if options.initial_branch.is_some() => None,
                Err(error) => return Err(error.into()),
            };
            if let Some(branch) = branch {
                return Ok(InitOutcome { dir, branch, reinitialized: true, inside: None, untrusted: None });
            }
        }
        let had_files = is_repository(&dir);
        // What lies in a folder that was there may be somebody else's.
        let is_own = fs::symlink_metadata(&dir).is_err();
        let inside = top.ancestors().skip(1).find(|d| is_repository(&d.join(DIR))).map(Path::to_owned);
        let failed = |path: &Path| RepoError::file("create", path);
        durable::create_dir_all(&dir).map_err(failed(&dir))?;
        Store::create(&dir, StoreOptions::default())?;
        for folder in ["refs/heads", "refs/tags", "logs", "info"] {
            durable::create_dir_all(&dir.join(folder)).map_err(failed(&dir.join(folder)))?;
        }
        let tmp = dir.join("tmp");
        let write = |name: &str, text: String| {
            let path = dir.join(name);
            durable::replace(&path, &tmp, text.as_bytes()).map_err(failed(&path))
        };
        if !dir.join("format").exists() {
            write("format", format!("graft {FORMAT}\n"))?;
        }
        if !dir.join("config.toml").exists() {
            write("config.toml", String::new())?;
        }
        write("HEAD", format!("ref: {branch}\n"))?;
        let untrusted = if is_own { settings.trust.give(&dir).err().map(|e| e.to_string()) } else { None };
        Ok(InitOutcome { dir, branch, reinitialized: had_files, inside, untrusted })
    }
}
