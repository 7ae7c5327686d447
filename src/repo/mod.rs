//! Git-like operations over the storage log: refs, index, revspecs, status, commit, checkout and the rest.
//!
//! An operation is an `impl Repository` block in a file of its own; it returns values and prints nothing. Whatever
//! changes the repository holds the repository lock while it does, and goes in this order, each step durable before
//! the next: segments, pack, index tail, index (as `index.pending` if a ref moves), ref.

pub mod error;
#[cfg(test)]
mod fuzz;
pub mod history;
pub mod ops;
pub mod remote;
pub mod sql;
pub mod state;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod text;
pub mod volume;
pub mod worktree;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use error::{RepoError, Result};
use history::revspec;
use state::config::{Config, Sources};
use state::identity::{self, Env, Overrides, Role};
use state::monitor::{self, Monitor};
use state::objects::{ObjectReader, ReadError};
use state::operations::OperationLog;
use state::refs::RefStore;
use state::shallow;
use state::trust::Trust;
use worktree::attributes;

use crate::model::{Commit, IdPrefix, ObjectId, RawObject, Signature};
use crate::store::remote::RemoteEnv;
use crate::store::{Store, StoreError, StoreOptions};
use crate::util::lock::FileLock;
use crate::util::stamp::now_ns;

/// The version of the repository format that this program writes and reads.
pub const FORMAT: u32 = 1;
/// The name of the repository folder.
pub const DIR: &str = ".graft";

/// What the caller decides about how operations run.
#[derive(Clone)]
pub struct Settings {
    /// How long to wait for other graft processes.
    pub lock_timeout: Duration,
    /// How long to wait for the locks of other programs on a database.
    pub busy_timeout: Duration,
    /// Who is told about progress.
    pub monitor: Arc<dyn Monitor>,
    /// What the environment says about the user.
    pub env: Env,
    /// What the environment says about how remotes are reached.
    pub remote_env: RemoteEnv,
    /// The user's own configuration file.
    pub user_config: Option<PathBuf>,
    /// Settings of the command line: `key=value`, or `key` for true.
    pub overrides: Vec<String>,
    /// The command as it was typed, for the operation log.
    pub command: String,
    /// Which repositories may name programs to run.
    pub trust: Trust,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
            monitor: Arc::new(monitor::Silent),
            env: Env::default(),
            remote_env: RemoteEnv::default(),
            user_config: None,
            overrides: Vec::new(),
            command: String::new(),
            trust: Trust::default(),
        }
    }
}

/// An open repository.
pub struct Repository {
    top: PathBuf,
    dir: PathBuf,
    store: Store,
    refs: RefStore,
    operations: OperationLog,
    settings: Settings,
    config: Config,
    /// What the user was told of revisions already.
    said: revspec::Said,
    cut: shallow::Cut,
    /// What is remembered of files that are not there, once it was read.
    attributes: Mutex<Option<attributes::Known>>,
}

impl Repository {
    /// Opens the repository that `start` lies in.
    pub fn discover(start: &Path, settings: Settings) -> Result<Self> {
        let dir = Self::find(start)?;
        Self::open(dir.parent().unwrap_or(&dir), settings)
    }

    /// Opens the repository whose worktree begins at `top`.
    pub fn open(top: &Path, settings: Settings) -> Result<Self> {
        let dir = top.join(DIR);
        check_format(&dir)?;
        refuse_links(&dir)?;
        let monitor = Arc::clone(&settings.monitor);
        let options = StoreOptions {
            lock_timeout: settings.lock_timeout,
            on_notice: Arc::new(move |text: &str| monitor.notice(text)),
        };
        let config = Config::load(&Sources {
            user: settings.user_config.clone(),
            repository: Some(dir.join("config.toml")),
            overrides: settings.overrides.clone(),
        })?;
        let store = Store::open(&dir, options)?;
        tracing::debug!(dir = %dir.display(), "opened the repository");
        let operations = OperationLog::new(&dir, &settings.command);
        let repo = Self {
            top: top.to_owned(),
            refs: RefStore::new(&dir).recorded(operations.clone()),
            operations,
            dir,
            store,
            settings,
            config,
            said: revspec::Said::default(),
            cut: shallow::Cut::default(),
            attributes: Mutex::default(),
        };
        repo.keep_promises();
        repo.settle_move_if_idle();
        repo.settle_ahead_if_idle();
        Ok(repo)
    }

    /// Returns the top of the worktree.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Returns the repository folder, `.graft`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the refs.
    pub fn refs(&self) -> &RefStore {
        &self.refs
    }

    /// Returns the operation log.
    pub fn operations(&self) -> &OperationLog {
        &self.operations
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the signature of whoever works here, as of now.
    pub fn signature(&self, role: Role, overrides: &Overrides) -> Result<Signature> {
        let now = now_ns() / 1_000_000_000;
        Ok(identity::signature(role, &self.config, &self.settings.env, overrides, now)?)
    }

    fn monitor(&self) -> &dyn Monitor {
        self.settings.monitor.as_ref()
    }

    fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// Obtains the repository lock and completes what an interrupted operation left half done.
    fn lock(&self) -> Result<FileLock> {
        let lock = self.store.lock()?;
        self.settle_pending(&lock)?;
        self.settle_move(&lock)?;
        self.settle_ahead(&lock)?;
        Ok(lock)
    }
}

impl ObjectReader for Repository {
    fn raw(&self, id: &ObjectId) -> Result<RawObject, ReadError> {
        self.store.object(id).map_err(|e| match e {
            StoreError::MissingObject(id) => ReadError::Missing(id),
            StoreError::Object(e) => ReadError::Object(e),
            other => ReadError::Store { id: *id, source: Box::new(other) },
        })
    }

    /// Reads a commit; without parents where the history is cut off.
    fn commit(&self, id: &ObjectId) -> Result<Commit, ReadError> {
        let mut commit: Commit = self.raw(id)?.decode()?;
        let cut = self.cut().map_err(|e| ReadError::Store { id: *id, source: Box::new(e) })?;
        if cut.contains(id) {
            commit.parents.clear();
        }
        Ok(commit)
    }

    fn with_prefix(&self, prefix: &IdPrefix) -> Result<Vec<ObjectId>, ReadError> {
        let failed = |e| ReadError::Store { id: prefix.lowest(), source: Box::new(e) };
        self.store.objects_with_prefix(prefix).map_err(failed)
    }
}

/// Tells whether a folder is a repository's own, even if it has lost its HEAD.
pub fn is_repository(dir: &Path) -> bool {
    ["HEAD", "format", "packs"].iter().any(|name| dir.join(name).exists())
}

/// Refuses a repository folder in which something is a symbolic link: what is written and removed there would be written and removed
/// somewhere else.
fn refuse_links(dir: &Path) -> Result<()> {
    match crate::util::fs::link_in(dir).map_err(RepoError::file("list", dir))? {
        Some(name) => Err(RepoError::LinkInside(dir.join(name))),
        None => Ok(()),
    }
}

fn check_format(dir: &Path) -> Result<()> {
    let path = dir.join("format");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(RepoError::file("read", &path)(e)),
    };
    let version = text.trim().strip_prefix("graft ").unwrap_or(text.trim());
    match version.parse::<u32>() {
        Ok(n) if n <= FORMAT => Ok(()),
        Ok(_) => Err(RepoError::NewerFormat { dir: dir.to_owned(), version: version.to_owned() }),
        // The file only repeats what every other file says of itself, so losing it loses nothing.
        Err(_) => Ok(()),
    }
}
