//! The environment, read once and handed down as values: who the user is, and where their configuration lies.

use std::ffi::OsString;
use std::path::PathBuf;

use etcetera::BaseStrategy;

use crate::repo::state::identity::Env;
use crate::repo::state::trust::Trust;

/// Returns a variable of the environment; `None` if it is not set, empty or not UTF-8.
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the command line as it was typed, without the program's name; words with blanks in quotes.
pub fn command_line() -> String {
    let quoted = |word: OsString| {
        let word = word.to_string_lossy().into_owned();
        let is_plain = !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "'\"\\$`".contains(c));
        if is_plain { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    std::env::args_os().skip(1).map(quoted).collect::<Vec<_>>().join(" ")
}

/// Returns what the environment says about the user.
pub fn identity(var: &dyn Fn(&str) -> Option<String>) -> Env {
    Env {
        author_name: var("GRAFT_AUTHOR_NAME"),
        author_email: var("GRAFT_AUTHOR_EMAIL"),
        author_date: var("GRAFT_AUTHOR_DATE"),
        committer_name: var("GRAFT_COMMITTER_NAME"),
        committer_email: var("GRAFT_COMMITTER_EMAIL"),
        committer_date: var("GRAFT_COMMITTER_DATE"),
        user: var("USER").or_else(|| var("LOGNAME")).or_else(|| var("USERNAME")),
    }
}

/// Returns the user's own configuration file: `GRAFT_CONFIG_GLOBAL`, or `graft/config.toml` in the folder that the system
/// keeps for such files (`~/.config`). `None` if there is no home.
pub fn user_config(var: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    if let Some(path) = var("GRAFT_CONFIG_GLOBAL") {
        return Some(PathBuf::from(path));
    }
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("graft").join("config.toml"))
}

/// Returns what the user trusts: everything if `GRAFT_TRUST` is 1, otherwise what is written down in the folder that the system
/// keeps for such records (`~/.local/state`).
pub fn trust(var: &dyn Fn(&str) -> Option<String>) -> Trust {
    let folders = etcetera::choose_base_strategy().ok();
    let state = folders.map(|folders| folders.state_dir().unwrap_or_else(|| folders.data_dir()));
    Trust {
        records: state.map(|dir| dir.join("graft").join("trusted")),
        everything: var("GRAFT_TRUST").is_some_and(|value| value == "1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_becomes_values() {
        let var = |name: &str| match name {
            "GRAFT_AUTHOR_NAME" => Some("Ada".to_owned()),
            "LOGNAME" => Some("ada".to_owned()),
            "GRAFT_CONFIG_GLOBAL" => Some("/etc/graft.toml".to_owned()),
            _ => None,
        };
        let env = Env { author_name: Some("Ada".to_owned()), user: Some("ada".to_owned()), ..Env::default() };
        assert_eq!(identity(&var), env);
        assert_eq!(user_config(&var), Some(PathBuf::from("/etc/graft.toml")));
    }
}
