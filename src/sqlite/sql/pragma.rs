//! `PRAGMA graft_…`: questions about the repository in the form of pragmas, answered by whoever knows it.
//!
//! SQLite knows nothing of them: a statement that is such a pragma is answered here, with one row per line of the answer.

use super::split::skip_space;
use super::{RunError, Session, SqlError, Stage};
use crate::sqlite::diff::side::quoted;

/// How the names of Graft's pragmas begin.
pub const PREFIX: &str = "graft_";

/// Someone who answers pragmas.
pub trait Pragmas {
    /// Answers a pragma by its full name, in lines; `Err` is a sentence, and what may help.
    fn answer(&self, name: &str, argument: Option<&str>) -> Result<Vec<String>, (String, Option<String>)>;
}

/// A pragma that has been answered: a query that gives its lines.
pub(super) struct Own {
    pub select: String,
    pub lines: String,
}

impl Session {
    /// Has Graft's pragmas answered.
    pub fn set_pragmas(&mut self, pragmas: Box<dyn Pragmas>) {
        self.pragmas = Some(pragmas);
    }

    pub(super) fn own_pragma(&self, statement: &str, at: usize) -> Result<Option<Own>, RunError> {
        let Some(asked) = parse(statement) else { return Ok(None) };
        let answered = match &self.pragmas {
            Some(pragmas) => pragmas.answer(&asked.name, asked.argument.as_deref()),
            None => Err((format!("'{}' needs a repository", asked.name), None)),
        };
        let lines = answered.map_err(|(message, help)| {
            RunError::Sql(Box::new(SqlError {
                message,
                stage: Stage::Step,
                offset: Some(at + asked.at),
                cause: None,
                help,
                read_only: false,
                busy: false,
                disk: false,
            }))
        })?;
        let lines = serde_json::to_string(&lines).map_err(std::io::Error::from)?;
        Ok(Some(Own { select: format!("SELECT value AS {} FROM json_each(?1)", quoted(&asked.name)), lines }))
    }
}

/// A pragma as it stands in a statement.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    name: String,
    argument: Option<String>,
    /// Where its name begins.
    at: usize,
}

/// Takes a statement for a pragma of Graft's, if it is one.
fn parse(statement: &str) -> Option<Asked> {
    let (word, at) = word(statement, skip_space(statement))?;
    if !word.eq_ignore_ascii_case("pragma") {
        return None;
    }
    let mut start = at + skip_space(&statement[at..]);
    let (mut name, mut end) = self::word(statement, start)?;
    if statement[end..].starts_with('.') {
        start = end + 1;
        (name, end) = self::word(statement, start)?;
    }
    if !name.get(..PREFIX.len())?.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let rest = statement[end..].trim().trim_end_matches(';').trim();
    let argument = match rest.strip_prefix('=') {
        Some(value) => Some(value),
        None => rest.strip_prefix('(').and_then(|r| r.strip_suffix(')')),
    };
    Some(Asked { name: name.to_ascii_lowercase(), argument: argument.map(unquoted), at: start })
}

/// Tells whether a statement may ask Graft something.
pub(super) fn mentions_graft(statement: &str) -> bool {
    statement.as_bytes().windows(PREFIX.len()).any(|w| w.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

/// Returns the word at a position, and where it ends.
fn word(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = &text[at..];
    let len = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    (len > 0).then(|| (&rest[..len], at + len))
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    for quote in ['\'', '"', '`'] {
        if text.len() >= 2 && text.starts_with(quote) && text.ends_with(quote) {
            return text[1..text.len() - 1].replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pragmas_of_graft_are_taken() {
        let of = |text: &str| parse(text).map(|a| (a.name, a.argument));
        assert_eq!(of("PRAGMA graft_log"), Some(("graft_log".into(), None)));
        assert_eq!(of(" /* x */ pragma main.Graft_Log = 'a''b' ;"), Some(("graft_log".into(), Some("a'b".into()))));
        assert_eq!(of("pragma graft_debug_page(7);"), Some(("graft_debug_page".into(), Some("7".into()))));
        for other in ["PRAGMA page_size", "SELECT graft_log", "PRAGMA", "PRAGMA gr", "pragmagraft_log", "PRAGMA é"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
