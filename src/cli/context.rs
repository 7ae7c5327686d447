//! What every command needs: where the user stands, where data and messages go.

use std::path::{Path, PathBuf};

use super::args::Globals;
use super::error::Failure;
use super::logging;
use super::messages::Messages;
use super::output::Output;
use super::pager::{self, Pager};
use super::style;

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
        logging::start(&globals, style::on_stderr(globals.color));
        let here = std::env::current_dir().map_err(|e| {
            Failure::new("the current folder is gone").because(&e).help("change to a folder that exists")
        })?;
        let cwd = globals.directory.iter().fold(here, |at, dir| at.join(dir));
        if !globals.directory.is_empty() {
            std::env::set_current_dir(&cwd)
                .map_err(|e| Failure::new(format!("cannot change to '{}'", cwd.display())).because(&e))?;
        }
        Ok(Self { cwd, out: Output::stdout(&globals), say: Messages::stderr(&globals), globals })
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
}
