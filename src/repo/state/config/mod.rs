//! Configuration: TOML files of the user and the repository, and what the command line says for one run.
//!
//! Keys are Git's, `section.name` or `section.subsection.name`; sections and names do not tell upper from lower case,
//! subsections do. In TOML a section is a table, a subsection a table inside it, and a key with several values an array:
//!
//! ```toml
//! [user]
//! name = "A U Thor"
//! [branch."feature/x"]
//! remote = "origin"
//! ```

mod edit;
mod key;
mod value;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml_edit::{DocumentMut, Item, TableLike, Value};

pub use edit::ConfigFile;
pub use key::Key;
pub use value::parse_duration;

/// Why the configuration could not be read, used or changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or replaced.
    #[error("cannot access the configuration {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{}, line {line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The file has a key without section, or one whose value is neither text, number, truth value nor a list of those.
    #[error("{}: '{key}' {reason}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The key as far as known.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The text is no key.
    #[error("'{0}' is not a configuration key (section.name or section.subsection.name)")]
    Key(String),
    /// A value is not of the kind that its key needs.
    #[error("{key} = '{value}' ({origin}) is not {wanted}")]
    Value {
        /// The key.
        key: String,
        /// The value as written.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What it should be.
        wanted: &'static str,
    },
    /// One value was to replace several.
    #[error("{}: '{key}' has {count} values", path.display())]
    Several {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// How many values it has.
        count: usize,
    },
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user's own file, for all repositories.
    User(Arc<Path>),
    /// The repository's file.
    Repository(Arc<Path>),
    /// `-c key=value`, for one run.
    CommandLine,
}

/// Writes what Git's `--show-origin` does.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(path) | Self::Repository(path) => write!(f, "file:{}", path.display()),
            Self::CommandLine => f.write_str("command line:"),
        }
    }
}

/// One value of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value as text.
    pub value: String,
    /// Where it stands.
    pub origin: Origin,
}

/// Which files to read; missing ones are empty.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The user's file.
    pub user: Option<PathBuf>,
    /// The repository's file.
    pub repository: Option<PathBuf>,
    /// `key=value` or `key` (for true) from the command line.
    pub overrides: Vec<String>,
}

/// The configuration in force.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Ascending precedence.
    entries: Vec<Entry>,
}

impl Config {
    /// Reads all sources. The command line outranks the repository, which outranks the user.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut entries = Vec::new();
        if let Some(path) = &sources.user {
            read_file(path, &Origin::User(path.as_path().into()), &mut entries)?;
        }
        if let Some(path) = &sources.repository {
            read_file(path, &Origin::Repository(path.as_path().into()), &mut entries)?;
        }
        for text in &sources.overrides {
            let (key, value) = text.split_once('=').unwrap_or((text, "true"));
            entries.push(Entry { key: key.parse()?, value: value.to_owned(), origin: Origin::CommandLine });
        }
        Ok(Self { entries })
    }

    /// Returns the value in force of a key such as `user.name`, with its origin.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let key: Key = key.parse().ok()?;
        self.entries.iter().rev().find(|e| e.key == key)
    }

    /// Returns all values of a key, the one in force last.
    pub fn get_all(&self, key: &str) -> Vec<&Entry> {
        let Ok(key) = key.parse::<Key>() else { return Vec::new() };
        self.entries.iter().filter(|e| e.key == key).collect()
    }

    /// Iterates over all values in ascending precedence.
    pub fn list(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Returns the subsections of a section in force, sorted: the names of all remotes for `remote`.
    pub fn subsections(&self, section: &str) -> Vec<&str> {
        let of_section = self.entries.iter().filter(|e| e.key.section().eq_ignore_ascii_case(section));
        let mut names: Vec<&str> = of_section.filter_map(|e| e.key.subsection()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn read_file(path: &Path, origin: &Origin, entries: &mut Vec<Entry>) -> Result<(), ConfigError> {
    flatten(&parse_file(path)?, path, origin, entries)
}

/// Reads and parses a file; a missing one is an empty document.
fn parse_file(path: &Path) -> Result<DocumentMut, ConfigError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => String::new(),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            let bytes = fs::read(path).map_err(|source| ConfigError::Io { path: path.to_owned(), source })?;
            let valid = std::str::from_utf8(&bytes).map_or_else(|e| e.valid_up_to(), str::len);
            return Err(ConfigError::Syntax {
                path: path.to_owned(),
                line: line_of(&bytes, valid),
                reason: "the text is not valid UTF-8".to_owned(),
            });
        }
        Err(source) => return Err(ConfigError::Io { path: path.to_owned(), source }),
    };
    text.parse::<DocumentMut>().map_err(|e| ConfigError::Syntax {
        path: path.to_owned(),
        line: line_of(text.as_bytes(), e.span().map_or(0, |span| span.start)),
        reason: e.message().to_owned(),
    })
}

fn line_of(text: &[u8], at: usize) -> usize {
    text[..at.min(text.len())].iter().filter(|&&b| b == b'\n').count() + 1
}

/// Turns the tables of a document into entries.
fn flatten(doc: &DocumentMut, path: &Path, origin: &Origin, entries: &mut Vec<Entry>) -> Result<(), ConfigError> {
    for (section, item) in doc.iter() {
        let Some(table) = item.as_table_like() else {
            return Err(shape(path, section, "stands outside of any section"));
        };
        flatten_table(table, section, "", path, origin, entries)?;
    }
    Ok(())
}

fn flatten_table(
    table: &dyn TableLike,
    section: &str,
    subsection: &str,
    path: &Path,
    origin: &Origin,
    entries: &mut Vec<Entry>,
) -> Result<(), ConfigError> {
    for (name, item) in table.iter() {
        if let Some(inner) = item.as_table_like() {
            let deeper = if subsection.is_empty() { name.to_owned() } else { format!("{subsection}.{name}") };
            flatten_table(inner, section, &deeper, path, origin, entries)?;
            continue;
        }
        let dotted =
            if subsection.is_empty() { format!("{section}.{name}") } else { format!("{section}.{subsection}.{name}") };
        let key: Key = dotted.parse().map_err(|_| shape(path, &dotted, "is not a key"))?;
        let Some(values) = texts(item) else {
            return Err(shape(path, &dotted, "has a value of a kind that is not used"));
        };
        entries.extend(values.into_iter().map(|value| Entry { key: key.clone(), value, origin: origin.clone() }));
    }
    Ok(())
}

/// Returns the values of an item as texts; `None` if they are of another kind.
fn texts(item: &Item) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(s) => Some(s.value().clone()),
        Value::Integer(n) => Some(n.value().to_string()),
        Value::Float(n) => Some(n.value().to_string()),
        Value::Boolean(b) => Some(b.value().to_string()),
        Value::Datetime(d) => Some(d.value().to_string()),
        _ => None,
    };
    match item.as_value()? {
        Value::Array(array) => array.iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}

fn shape(path: &Path, key: &str, reason: &'static str) -> ConfigError {
    ConfigError::Shape { path: path.to_owned(), key: key.to_owned(), reason }
}

#[cfg(test)]
mod tests;
