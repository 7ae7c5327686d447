//! Who commits: from the environment, the configuration, Git's configuration, or user and host.

use std::process::Command;

use crate::model::Signature;
use crate::repo::state::config::Config;
use crate::repo::text::date::{self, DateError};

/// What the environment says; filled in by the caller, because operations never look at the environment themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// `GRAFT_AUTHOR_NAME`
    pub author_name: Option<String>,
    /// `GRAFT_AUTHOR_EMAIL`
    pub author_email: Option<String>,
    /// `GRAFT_AUTHOR_DATE`
    pub author_date: Option<String>,
    /// `GRAFT_COMMITTER_NAME`
    pub committer_name: Option<String>,
    /// `GRAFT_COMMITTER_EMAIL`
    pub committer_email: Option<String>,
    /// `GRAFT_COMMITTER_DATE`
    pub committer_date: Option<String>,
    /// The login name.
    pub user: Option<String>,
}

/// Whose signature is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Of whoever wrote the change.
    Author,
    /// Of whoever makes the commit.
    Committer,
}

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Name and mail address.
    pub name_email: Option<(String, String)>,
    /// The date, in any form that Git takes.
    pub date: Option<String>,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The name is empty once characters that a signature cannot hold are taken off.
    #[error("the {what} '{text}' is empty or has only characters that are not allowed")]
    Empty {
        /// `name` or `mail address`.
        what: &'static str,
        /// The text as given.
        text: String,
    },
    /// The date cannot be read.
    #[error(transparent)]
    Date(#[from] DateError),
}

/// Returns the signature of a role at the time `now` (Unix seconds).
pub fn signature(
    role: Role,
    config: &Config,
    env: &Env,
    overrides: &Overrides,
    now: i64,
) -> Result<Signature, IdentityError> {
    let (env_name, env_email, env_date) = match role {
        Role::Author => (&env.author_name, &env.author_email, &env.author_date),
        Role::Committer => (&env.committer_name, &env.committer_email, &env.committer_date),
    };
    let (over_name, over_email) = overrides.name_email.clone().unzip();
    let name = over_name.or_else(|| env_name.clone()).or_else(|| setting(config, "user.name"));
    let email = over_email.or_else(|| env_email.clone()).or_else(|| setting(config, "user.email"));
    let name = name.unwrap_or_else(|| env.user.clone().unwrap_or_else(|| "unknown".to_owned()));
    let email = email.unwrap_or_else(|| format!("{}@{}", env.user.as_deref().unwrap_or("unknown"), host()));
    let (time, offset) = match (&overrides.date, env_date) {
        (Some(typed), _) => date::parse_typed(typed, now)?,
        // Programs set the environment; they are held to whole dates.
        (None, Some(text)) => date::parse(text, now)?,
        (None, None) => (now, date::local_offset(now)),
    };
    Ok(Signature { name: clean("name", name)?, email: clean("mail address", email)?, time, offset })
}

/// Looks into our own configuration, then into Git's.
fn setting(config: &Config, key: &str) -> Option<String> {
    let own = config.get(key).map(|entry| entry.value.clone());
    own.filter(|v| !v.is_empty()).or_else(|| {
        let output = Command::new("git").args(["config", "--get", key]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.trim_end_matches('\n').to_owned()).filter(|t| output.status.success() && !t.is_empty())
    })
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim()).filter(|n| !n.is_empty()).unwrap_or("localhost").to_owned()
}

/// Takes off what Git takes off: angle brackets and line ends anywhere, and punctuation at both ends.
fn clean(what: &'static str, text: String) -> Result<String, IdentityError> {
    let inner: String = text.chars().filter(|c| !matches!(c, '<' | '>' | '\n' | '\0')).collect();
    let crud = |c: char| c <= ' ' || matches!(c, '.' | ',' | ':' | ';' | '"' | '\\' | '\'');
    match inner.trim_matches(crud) {
        "" => Err(IdentityError::Empty { what, text }),
        clean => Ok(clean.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_source_wins() {
        let env = Env {
            author_name: Some("Ada <L>".into()),
            author_email: Some("a@b".into()),
            author_date: Some("@1700000000 +0130".into()),
            ..Env::default()
        };
        let none = Overrides::default();
        let author = signature(Role::Author, &Config::default(), &env, &none, 5).unwrap();
        assert_eq!((author.to_string().as_str(), author.time, author.offset), ("Ada L <a@b>", 1_700_000_000, 90));
        let over = Overrides { name_email: Some(("B".into(), "b@c".into())), date: None };
        assert_eq!(signature(Role::Author, &Config::default(), &env, &over, 5).unwrap().name, "B");
        let bad = Overrides { name_email: Some(("<>".into(), "b@c".into())), date: None };
        assert!(signature(Role::Author, &Config::default(), &env, &bad, 5).is_err());
    }
}
