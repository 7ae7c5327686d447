//! Names of refs, by the rules of `git check-ref-format`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text cannot be the name of a ref.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{name}' is not a valid ref name: {reason}")]
pub struct RefNameError {
    /// The text as given.
    pub name: String,
    /// The rule it breaks.
    pub reason: &'static str,
}

/// A full ref name: `HEAD`, `refs/heads/main`, `refs/tags/v1`, …
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RefName(String);

impl RefName {
    /// The current branch or commit.
    pub fn head() -> Self {
        Self("HEAD".to_owned())
    }

    /// The newest entry of the stash.
    pub fn stash() -> Self {
        Self("refs/stash".to_owned())
    }

    /// Returns `refs/heads/<branch>`.
    pub fn branch(branch: &str) -> Result<Self, RefNameError> {
        if branch.starts_with('-') || branch == "HEAD" {
            return Err(RefNameError { name: branch.to_owned(), reason: "a branch cannot be called that" });
        }
        Self::new(&format!("refs/heads/{branch}"))
    }

    /// Returns `refs/tags/<tag>`.
    pub fn tag(tag: &str) -> Result<Self, RefNameError> {
        if tag.starts_with('-') {
            return Err(RefNameError { name: tag.to_owned(), reason: "it begins with '-'" });
        }
        Self::new(&format!("refs/tags/{tag}"))
    }

    /// Validates a full name: all-capitals such as `HEAD`, or anything under `refs/`.
    pub fn new(name: &str) -> Result<Self, RefNameError> {
        let fail = |reason| Err(RefNameError { name: name.to_owned(), reason });
        let pseudo = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        if !pseudo && !name.starts_with("refs/") {
            return fail("it is neither under refs/ nor all capitals");
        }
        if let Some(reason) = broken_rule(name) {
            return fail(reason);
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as people write it: without `refs/heads/`, `refs/tags/` or `refs/remotes/`.
    pub fn short(&self) -> &str {
        ["refs/heads/", "refs/tags/", "refs/remotes/", "refs/"]
            .iter()
            .find_map(|prefix| self.0.strip_prefix(prefix))
            .unwrap_or(&self.0)
    }

    /// Returns the branch name if this is a branch.
    pub fn as_branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }
}

/// Returns the rule of `git check-ref-format` that a name breaks.
fn broken_rule(name: &str) -> Option<&'static str> {
    if name == "@" {
        return Some("it is '@'");
    }
    if name.contains("..") {
        return Some("it contains '..'");
    }
    if name.contains("@{") {
        return Some("it contains '@{'");
    }
    if name.bytes().any(|b| b < 0x20 || b == 0x7f || b" ~^:?*[\\".contains(&b)) {
        return Some("it contains a space, a control character or one of ~ ^ : ? * [ \\");
    }
    let is_hidden = |c: char| {
        let directs =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        directs || matches!(c, '\u{80}'..='\u{9f}')
    };
    if name.chars().any(is_hidden) {
        return Some("it contains a character that a terminal would obey");
    }
    if name.ends_with('.') {
        return Some("it ends with '.'");
    }
    for part in name.split('/') {
        if part.is_empty() {
            return Some("it has an empty part");
        }
        if part.starts_with('.') {
            return Some("a part begins with '.'");
        }
        if part.ends_with(".lock") {
            return Some("a part ends with '.lock'");
        }
    }
    None
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for RefName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_check_ref_format() {
        for good in ["main", "feature/x", "a.b", "ünï", "a@b", "a-b"] {
            assert!(RefName::branch(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-x",
            "a..b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a b",
            "a~b",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "a/",
            "/a",
            "a//b",
            "a.",
            "a@{b",
            "HEAD",
            "a\u{9b}b",
            "a\u{202e}b",
            "a\u{2066}",
        ] {
            assert!(RefName::branch(bad).is_err(), "{bad}");
        }
        assert_eq!(RefName::new("refs/remotes/origin/main").expect("valid").short(), "origin/main");
    }
}
