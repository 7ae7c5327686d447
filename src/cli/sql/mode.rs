//! The forms in which rows are written, named as in the shell of SQLite, and what may be set about them.

use clap::ValueEnum;

/// Forms of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Values with | between them; for scripts, and what SQLite's shell does
    List,
    /// A table drawn with ASCII
    Table,
    /// A table drawn with lines; for people, on a terminal
    Box,
    /// Columns side by side
    Column,
    /// Comma-separated values, quoted as RFC 4180 says
    Csv,
    /// Values with tabs between them
    #[value(alias = "tabs")]
    Tsv,
    /// An array of objects
    Json,
    /// One object per line
    Ndjson,
    /// One value per line
    Line,
    /// INSERT statements
    Insert,
    /// SQL literals with commas between them
    Quote,
    /// A table in Markdown
    Markdown,
}

impl Mode {
    /// Returns the mode of a name, or the start of one that only one mode has.
    pub fn named(name: &str) -> Option<Self> {
        Self::from_str(name, true).ok().or_else(|| {
            let starts = |m: &&Self| m.name().starts_with(&name.to_ascii_lowercase());
            let mut found = Self::value_variants().iter().filter(starts);
            found.next().copied().filter(|_| found.next().is_none())
        })
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Table => "table",
            Self::Box => "box",
            Self::Column => "column",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Line => "line",
            Self::Insert => "insert",
            Self::Quote => "quote",
            Self::Markdown => "markdown",
        }
    }

    /// Returns all names.
    pub fn names() -> Vec<&'static str> {
        Self::value_variants().iter().map(|m| m.name()).collect()
    }

    /// Returns what stands between values and what ends a row, if nothing else was set.
    pub fn separators(self) -> (&'static str, &'static str) {
        match self {
            Self::Csv => (",", "\r\n"),
            Self::Tsv => ("\t", "\n"),
            Self::Quote => (",", "\n"),
            _ => ("|", "\n"),
        }
    }
}

/// How rows are written.
#[derive(Clone, Debug)]
pub struct Form {
    /// The mode.
    pub mode: Mode,
    /// Whether column names are shown, where the mode does not say.
    pub header: Option<bool>,
    /// What is shown for NULL, in modes for people.
    pub null: String,
    /// What stands between values, and what ends a row, if set.
    pub separators: (Option<String>, Option<String>),
    /// The least width of columns; negative ones put values to the right.
    pub widths: Vec<i32>,
    /// The table that `insert` names.
    pub table: String,
    /// Rows and errors are wanted as Graft's own JSON, see docs/json.md.
    pub typed: bool,
}

impl Form {
    /// Returns the form of a mode, with nothing set.
    pub fn of(mode: Mode) -> Self {
        Self {
            mode,
            header: None,
            null: String::new(),
            separators: (None, None),
            widths: Vec::new(),
            table: "table".to_owned(),
            typed: false,
        }
    }

    /// Returns what stands between values.
    pub fn column_separator(&self) -> &str {
        self.separators.0.as_deref().unwrap_or(self.mode.separators().0)
    }

    /// Returns what ends a row.
    pub fn row_separator(&self) -> &str {
        self.separators.1.as_deref().unwrap_or(self.mode.separators().1)
    }
}
