//! Failures in words for people: what failed, why, the command that helps, and the exit code.
//!
//! This is the only place that explains errors. Off a terminal the layout is plain lines (`error:`, `cause:`, `help:`), with
//! `--json` one object; on a terminal miette draws it. A Rust type name or debug value never appears.

mod explain;
mod files;
mod moving;
mod remote;
mod revision;

pub use explain::{DISK, left_behind_help};

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;

use super::args::When;
use super::{json, messages, style};

/// Exit codes.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// The answer is "no".
    pub const NO: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// Failed.
    pub const FAILED: u8 = 128;
    /// Interrupted by the user.
    pub const INTERRUPTED: u8 = 130;
    /// The reader of standard output has gone; what a shell says of a Git that died of SIGPIPE.
    pub const BROKEN_PIPE: u8 = 141;
}

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    exit: u8,
    message: String,
    causes: Vec<String>,
    help: Option<String>,
}

impl Failure {
    /// Says what failed; the exit code is 128.
    pub fn new(message: impl Into<String>) -> Self {
        Self { exit: exit::FAILED, message: message.into(), causes: Vec::new(), help: None }
    }

    /// Says what is wrong with the command line; the exit code is 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: exit::USAGE, ..Self::new(message) }
    }

    /// Ends with an exit code and without a word.
    pub fn silent(exit: u8) -> Self {
        Self { exit, ..Self::new("") }
    }

    /// Adds the error and everything below it as causes, leaving out what was said already.
    pub fn because(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            let said = self.causes.last().unwrap_or(&self.message);
            if !text.is_empty() && !said.contains(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Names what to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Changes the exit code.
    pub fn exit(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// Says it in other words.
    pub fn reword(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Tells whether another failure has the same message.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.message == other.message
    }

    /// Tells whether the help is a guess at what was meant.
    pub fn asks_back(&self) -> bool {
        self.help.as_ref().is_some_and(|h| h.starts_with("did you mean"))
    }

    /// Returns the exit code.
    pub fn code(&self) -> u8 {
        self.exit
    }
}

/// An error while writing results: standard output is full or gone.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::silent(exit::BROKEN_PIPE),
            _ => {
                let failure = Self::new("cannot write the results").because(&error);
                match explain::system_help(&error) {
                    Some(help) => failure.help(help),
                    None => failure,
                }
            }
        }
    }
}

/// Prints a failure to standard error and returns its exit code.
pub fn print(failure: &Failure, color: When, as_json: bool) -> u8 {
    if failure.message.is_empty() {
        return failure.exit;
    }
    let text = match (as_json, io::stderr().is_terminal()) {
        (true, _) => object(failure),
        (false, true) => drawn(failure, style::on_stderr(color)),
        (false, false) => plain(failure),
    };
    messages::write_stderr(&text);
    failure.exit
}

/// Lays a failure out as plain lines.
pub fn plain(failure: &Failure) -> String {
    let mut text = format!("error: {}\n", failure.message);
    for cause in &failure.causes {
        text.push_str(&format!("cause: {cause}\n"));
    }
    if let Some(help) = &failure.help {
        text.push_str(&format!("help: {help}\n"));
    }
    text
}

fn object(failure: &Failure) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        error: &'a str,
        causes: &'a [String],
        help: Option<&'a str>,
        exit_code: u8,
    }
    let answer = Answer {
        error: &failure.message,
        causes: &failure.causes,
        help: failure.help.as_deref(),
        exit_code: failure.exit,
    };
    let mut out = Vec::new();
    json::write(&mut out, "error/1", &answer).expect("memory takes any text");
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn drawn(failure: &Failure, colored: bool) -> String {
    let theme = if colored { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let width = terminal_size::terminal_size().map_or(80, |(w, _)| usize::from(w.0).clamp(40, 120));
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false);
    match handler.render_report(&mut text, &Drawn(failure, Cause::chain(&failure.causes))) {
        Ok(()) => format!("{}\n", text.trim_end()),
        Err(fmt::Error) => plain(failure),
    }
}

/// A failure as miette wants it.
struct Drawn<'a>(&'a Failure, Option<Cause>);

/// A cause with the causes below it.
#[derive(Debug)]
struct Cause(String, Option<Box<Cause>>);

impl Cause {
    fn chain(causes: &[String]) -> Option<Self> {
        let (first, rest) = causes.split_first()?;
        Some(Self(first.clone(), Self::chain(rest).map(Box::new)))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|c| c as &dyn Error)
    }
}

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for Drawn<'_> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_ref().map(|c| c as &dyn Error)
    }
}

impl Diagnostic for Drawn<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Failure {
        let below = io::Error::new(io::ErrorKind::PermissionDenied, "permission denied");
        Failure::new("cannot read 'app.db'").because(&below).help("make it readable")
    }

    #[test]
    fn three_layouts_of_one_failure() {
        assert_eq!(plain(&sample()), "error: cannot read 'app.db'\ncause: permission denied\nhelp: make it readable\n");
        assert_eq!(
            object(&sample()),
            "{\"schema\":\"graft.error/1\",\"error\":\"cannot read 'app.db'\",\"causes\":[\"permission denied\"],\
             \"help\":\"make it readable\",\"exit_code\":128}\n"
        );
        let drawn = drawn(&sample(), false);
        assert!(drawn.contains("× cannot read 'app.db'") && drawn.contains("╰─▶ permission denied"), "{drawn}");
        assert!(drawn.contains("help: make it readable"), "{drawn}");
    }

    #[test]
    fn a_cause_that_was_said_already_is_left_out() {
        let inner = io::Error::other("disk full");
        assert_eq!(plain(&Failure::new("cannot write: disk full").because(&inner)), "error: cannot write: disk full\n");
    }

    #[test]
    fn a_closed_pipe_is_silent() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code(), failure.message.as_str()), (exit::BROKEN_PIPE, ""));
    }
}
