//! The name of a configuration value.

use std::fmt;
use std::str::FromStr;

use super::ConfigError;

/// A key: section and name in lower case, the subsection as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    section: String,
    subsection: Option<String>,
    name: String,
}

impl Key {
    /// Returns the section, `remote` of `remote.origin.url`.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// Returns the subsection, `origin` of `remote.origin.url`.
    pub fn subsection(&self) -> Option<&str> {
        self.subsection.as_deref()
    }

    /// Returns the name, `url` of `remote.origin.url`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Key {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let parts = || -> Option<Self> {
            let (section, rest) = text.split_once('.')?;
            let (subsection, name) = match rest.rsplit_once('.') {
                Some((subsection, name)) => (Some(subsection), name),
                None => (None, rest),
            };
            let is_word = |word: &str| {
                !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            };
            let is_named = name.starts_with(|c: char| c.is_ascii_alphabetic());
            let is_plain = subsection.is_none_or(|s| !s.is_empty() && !s.contains(['\n', '\0']));
            (is_word(section) && is_word(name) && is_named && is_plain).then(|| Self {
                section: section.to_ascii_lowercase(),
                subsection: subsection.map(str::to_owned),
                name: name.to_ascii_lowercase(),
            })
        };
        parts().ok_or_else(|| ConfigError::Key(text.to_owned()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subsection {
            Some(subsection) => write!(f, "{}.{subsection}.{}", self.section, self.name),
            None => write!(f, "{}.{}", self.section, self.name),
        }
    }
}
