//! Refspecs: which refs of one side go to which of the other, `[+]<source>[:<destination>]`.

use std::fmt;
use std::str::FromStr;

use crate::model::RefName;

/// One refspec. Names are as typed: short ones are completed by whoever knows the refs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refspec {
    /// Whether it may rewind.
    pub force: bool,
    /// Where it takes from; empty for "remove the destination".
    pub source: String,
    /// Where it goes; `None` if nothing was said.
    pub destination: Option<String>,
}

/// A text that is no refspec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a refspec: {reason}")]
pub struct RefspecError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Refspec {
    type Err = RefspecError;

    fn from_str(text: &str) -> Result<Self, RefspecError> {
        let fail = |reason| Err(RefspecError { text: text.to_owned(), reason });
        let (force, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
        let (source, destination) = match rest.split_once(':') {
            Some((source, "")) => (source, None),
            Some((source, destination)) => (source, Some(destination)),
            None => (rest, None),
        };
        let stars = |name: &str| name.matches('*').count();
        if source.is_empty() && destination.is_none() {
            return fail("it names nothing");
        }
        if stars(source) > 1 || destination.is_some_and(|d| stars(d) != stars(source)) {
            return fail("'*' stands once on either side, or on neither");
        }
        let filled = |name: &str| RefName::new(&format!("refs/x/{}", name.replace('*', "x"))).is_ok();
        if destination.is_some_and(|d| !filled(d)) {
            return fail("the destination is not a valid name");
        }
        Ok(Self { force, source: source.to_owned(), destination: destination.map(str::to_owned) })
    }
}

impl Refspec {
    /// Returns where a ref goes, if this refspec takes it; both by full names.
    pub fn map(&self, name: &RefName) -> Option<RefName> {
        let destination = self.destination.as_deref()?;
        match self.source.split_once('*') {
            None => (self.source == name.as_str()).then(|| RefName::new(destination).ok())?,
            Some((before, after)) => {
                let middle = name.as_str().strip_prefix(before)?.strip_suffix(after)?;
                RefName::new(&destination.replace('*', middle)).ok()
            }
        }
    }

    /// Tells whether the source takes a ref.
    pub fn takes(&self, name: &RefName) -> bool {
        match self.source.split_once('*') {
            None => self.source == name.as_str(),
            Some((before, after)) => {
                let rest = name.as_str().strip_prefix(before);
                rest.is_some_and(|rest| rest.len() >= after.len() && rest.ends_with(after))
            }
        }
    }

    /// Tells whether it stands for many refs.
    pub fn is_pattern(&self) -> bool {
        self.source.contains('*')
    }
}

impl fmt::Display for Refspec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.force { "+" } else { "" }, self.source)?;
        match &self.destination {
            Some(destination) => write!(f, ":{destination}"),
            None => Ok(()),
        }
    }
}

/// Returns the full names that a short name may mean, the likeliest first, as Git looks them up.
pub fn candidates(name: &str) -> Vec<String> {
    ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"].iter().map(|prefix| format!("{prefix}{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RefName {
        RefName::new(text).expect("valid")
    }

    #[test]
    fn refs_are_mapped() {
        let spec: Refspec = "+refs/heads/*:refs/remotes/origin/*".parse().expect("valid");
        assert!(spec.force && spec.is_pattern());
        assert_eq!(spec.map(&name("refs/heads/a/b")), Some(name("refs/remotes/origin/a/b")));
        assert_eq!(spec.map(&name("refs/tags/a")), None);
        let one: Refspec = "refs/heads/a:refs/heads/b".parse().expect("valid");
        assert_eq!(one.map(&name("refs/heads/a")), Some(name("refs/heads/b")));
        assert_eq!(one.map(&name("refs/heads/ab")), None);
        let removal: Refspec = ":refs/heads/x".parse().expect("valid");
        assert_eq!((removal.source.as_str(), removal.to_string().as_str()), ("", ":refs/heads/x"));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", ":", "+", "a/*:b", "a:b/*", "*/*:*/*", "a:b..c", "a:b:c", "a:b c"] {
            assert!(bad.parse::<Refspec>().is_err(), "{bad}");
        }
    }
}
