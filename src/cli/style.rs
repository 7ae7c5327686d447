//! Colours by role, so that a renderer names what a text is and never how it looks.

use std::io::IsTerminal;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Color, Style};

use super::args::When;

const fn ink(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// Styles of the help texts.
pub const HELP: clap::builder::Styles = clap::builder::Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(ink(AnsiColor::Cyan))
    .error(ink(AnsiColor::Red).bold())
    .invalid(ink(AnsiColor::Yellow));

/// The style of every role; without colour each writes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Theme {
    /// Ids of objects.
    pub id: Style,
    /// `HEAD`.
    pub head: Style,
    /// Branches.
    pub branch: Style,
    /// Branches of remotes.
    pub remote: Style,
    /// Tags.
    pub tag: Style,
    /// Names of things, headings.
    pub heading: Style,
    /// What the next commit takes.
    pub staged: Style,
    /// What it does not take.
    pub unstaged: Style,
    /// Files that Graft does not know.
    pub untracked: Style,
    /// What was added.
    pub added: Style,
    /// What was removed.
    pub removed: Style,
    /// Less important.
    pub dim: Style,
    /// `error:`
    pub error: Style,
    /// `warning:`
    pub warning: Style,
    /// `help:`, `hint:`
    pub help: Style,
    /// Commands that a user may type.
    pub command: Style,
    /// Lines of the commit graph, used in turn.
    pub graph: [Style; 6],
}

impl Theme {
    /// No colour at all.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Git's colours where Git has one.
    pub fn colored() -> Self {
        Self {
            id: ink(AnsiColor::Yellow),
            head: ink(AnsiColor::Cyan).bold(),
            branch: ink(AnsiColor::Green).bold(),
            remote: ink(AnsiColor::Red).bold(),
            tag: ink(AnsiColor::Yellow).bold(),
            heading: Style::new().bold(),
            staged: ink(AnsiColor::Green),
            unstaged: ink(AnsiColor::Red),
            untracked: ink(AnsiColor::Red),
            added: ink(AnsiColor::Green),
            removed: ink(AnsiColor::Red),
            dim: Style::new().dimmed(),
            error: ink(AnsiColor::Red).bold(),
            warning: ink(AnsiColor::Yellow).bold(),
            help: ink(AnsiColor::Cyan).bold(),
            command: ink(AnsiColor::Cyan),
            graph: [
                ink(AnsiColor::Red),
                ink(AnsiColor::Green),
                ink(AnsiColor::Yellow),
                ink(AnsiColor::Blue),
                ink(AnsiColor::Magenta),
                ink(AnsiColor::Cyan),
            ],
        }
    }

    /// Tells whether there are colours.
    pub fn is_colored(&self) -> bool {
        self.heading != Style::new()
    }

    /// Returns the colours if `colored`.
    pub fn new(colored: bool) -> Self {
        if colored { Self::colored() } else { Self::plain() }
    }
}

/// Tells whether to use colour on standard output.
pub fn on_stdout(when: When) -> bool {
    decide(when, || AutoStream::choice(&std::io::stdout()) != ColorChoice::Never)
}

/// Tells whether to use colour on standard error.
pub fn on_stderr(when: When) -> bool {
    decide(when, || AutoStream::choice(&std::io::stderr()) != ColorChoice::Never)
}

fn decide(when: When, auto: impl FnOnce() -> bool) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => auto(),
    }
}

/// Returns the width of the terminal in columns; `None` if standard output is none.
pub fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0).max(20))
}
