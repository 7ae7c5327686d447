//! Messages on standard error: warnings, hints and remarks, which `--quiet` silences.

use std::fmt::Display;
use std::io::Write;

use super::args::Globals;
use super::style::{self, Theme};

/// Where a command says what is not data.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    theme: Theme,
    quiet: bool,
}

impl Messages {
    /// Writes to standard error.
    pub fn stderr(globals: &Globals) -> Self {
        Self { theme: Theme::new(style::on_stderr(globals.color)), quiet: globals.quiet }
    }

    /// Says that something may not be what the user wants.
    pub fn warning(&self, text: impl Display) {
        self.labelled("warning", self.theme.warning, text);
    }

    /// Names a command that may help.
    pub fn hint(&self, text: impl Display) {
        self.labelled("hint", self.theme.help, text);
    }

    /// Says what was done.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            write_stderr(&format!("{text}\n"));
        }
    }

    fn labelled(&self, label: &str, style: anstyle::Style, text: impl Display) {
        if !self.quiet {
            write_stderr(&format!("{style}{label}:{style:#} {text}\n"));
        }
    }
}

/// Writes to standard error; when that is gone there is nobody to tell.
pub fn write_stderr(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
