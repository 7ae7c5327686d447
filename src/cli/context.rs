//! What every command needs: where the user stands, where data and messages go.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::args::Globals;
use super::env;
use super::error::Failure;
use super::messages::Messages;
use super::output::Output;
use super::pager::{self, Pager};
use super::progress::Progress;
use crate::repo::{Repository, Settings};
use crate::store::remote::RemoteEnv;

/// The surroundings of one command.
pub struct Context {
    /// The options of every command.
    pub globals: Globals,
    /// The folder that relative paths start from.
    pub cwd: PathBuf,
    /// Standard output.
    pub out: Output,
    /// Standard error.
    pub say: Messages,
}

impl Context {
    /// Reads the surroundings and applies `-C`.
    pub fn new(globals: Globals) -> Result<Self, Failure> {
        let here = std::env::current_dir().map_err(|e| {
            Failure::new("the current folder is gone").because(&e).help("change to a folder that exists")
        })?;
        let wanted = globals.directory.iter().fold(here.clone(), |at, dir| at.join(dir));
        let cwd = match globals.directory.is_empty() {
            true => here,
            false => std::env::set_current_dir(&wanted).and_then(|()| std::env::current_dir()).map_err(|e| {
                Failure::new(format!("cannot change to '{}'", wanted.display()))
                    .because(&e)
                    .help("name a folder that exists")
            })?,
        };
        Ok(Self { cwd, out: Output::stdout(&globals), say: Messages::stderr(&globals), globals })
    }

    /// Returns the pager that the configuration names, if one may be used.
    pub fn pager(&self, repo: &Repository) -> Option<String> {
        let is_wanted = self.out.may_page() && env::var("GRAFT_PAGER").is_none();
        is_wanted.then(|| self.program(repo, "core.pager")).flatten()
    }

    /// Returns the editor that the configuration names, if it is asked.
    pub fn editor(&self, repo: &Repository) -> Option<String> {
        env::var("GRAFT_EDITOR").is_none().then(|| self.program(repo, "core.editor")).flatten()
    }

    /// Returns a program that the configuration names; that of a repository counts only if it is trusted.
    pub fn program(&self, repo: &Repository, key: &str) -> Option<String> {
        let (program, passed_over) = repo.program(key);
        if passed_over {
            self.untrusted(format_args!("its setting {key} was not used"));
        }
        program
    }

    /// Says what was not run because the repository is not trusted, and how to trust it; once is enough.
    pub fn untrusted(&self, what: impl Display) {
        untrusted(&self.say, what);
    }

    /// Says that a repository just made counts as one of somebody else's, as its maker could not be written down.
    pub fn unrecorded(&self, reason: &str) {
        self.say.warning(format_args!(
            "hooks and aliases of this repository will not run, as it could not be written down that you made it: {reason}"
        ));
    }

    /// Sends what follows through the user's pager, if standard output is a terminal.
    pub fn page(&mut self, configured: Option<String>) {
        if !self.out.may_page() {
            return;
        }
        if let Some(command) = pager::choose(&|name| std::env::var(name).ok(), configured) {
            match Pager::start(&command) {
                Ok(pager) => self.out.page_through(pager),
                Err(e) => self.say.warning(format_args!("cannot start the pager '{command}': {e}")),
            }
        }
    }

    /// Returns a path of the command line as seen from the process's own folder.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.cwd.join(path)
    }

    /// Returns how operations are to run.
    pub fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            lock_timeout: self.globals.lock_timeout.map_or(defaults.lock_timeout, Duration::from_secs),
            busy_timeout: self.globals.busy_timeout.map_or(defaults.busy_timeout, Duration::from_millis),
            monitor: Arc::new(Progress::new(&self.globals, self.say)),
            env: env::identity(&env::var),
            remote_env: RemoteEnv::new(
                std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
            ),
            user_config: env::user_config(&env::var),
            overrides: self.globals.settings.clone(),
            command: env::command_line(),
            trust: env::trust(&env::var),
        }
    }

    /// Opens the repository that the user stands in.
    pub fn repository(&self) -> Result<Repository, Failure> {
        Ok(Repository::discover(&self.cwd, self.settings())?)
    }

    /// Returns the time now, in the user's time zone.
    pub fn now(&self) -> jiff::ZonedDateTime {
        jiff::ZonedDateTime::now()
    }

    /// Returns where the user stands relative to the top of the worktree: `/` between parts, empty at the top.
    pub fn prefix(&self, repo: &Repository) -> String {
        let inside = self.cwd.strip_prefix(repo.top()).unwrap_or(Path::new(""));
        inside.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }
}

/// Says what was not run because a repository is not trusted, and how to trust it; once is enough.
pub fn untrusted(say: &Messages, what: impl Display) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        say.warning(format_args!(
            "{what}: this repository was neither made nor trusted on this machine; 'graft trust' trusts it"
        ));
    }
}
