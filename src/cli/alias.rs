//! Aliases: `alias.st = "status -s"` makes `graft st`, and `alias.up = "!git pull"` runs a shell.
//!
//! A command that is built in is never an alias, and an alias that a repository names counts only where the repository is
//! trusted, since it could run anything.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::args::{Globals, leading_options};
use super::commands::GROUPS;
use super::context::untrusted;
use super::env;
use super::error::{Failure, exit};
use super::interrupt::Ignored;
use super::messages::Messages;
use crate::repo::state::config::{Config, Origin, Sources};
use crate::repo::{RepoError, Repository};

/// What a command line turns out to be.
pub enum Expanded {
    /// A command line without aliases.
    Words(Vec<OsString>),
    /// A shell command of an alias, which has run and ended with this exit code.
    Ran(u8),
}

/// Replaces aliases in a command line, the program's name first.
pub fn expand(mut argv: Vec<OsString>) -> Result<Expanded, Failure> {
    let mut seen: Vec<String> = Vec::new();
    loop {
        let leading = leading_options(&argv);
        let Some(word) = argv.get(leading.command).and_then(|w| w.to_str()) else { return Ok(Expanded::Words(argv)) };
        if word.starts_with('-') || is_built_in(word) {
            return Ok(Expanded::Words(argv));
        }
        let place = Place::new(&leading.directories, leading.settings);
        let Some(value) = place.alias(word)? else { return Ok(Expanded::Words(argv)) };
        let word = word.to_owned();
        if let Some(shell) = value.strip_prefix('!') {
            return place.run(shell, &argv[leading.command + 1..]).map(Expanded::Ran);
        }
        seen.push(word.clone());
        let words = split(&value).map_err(|reason| {
            Failure::new(format!("the alias '{word}' cannot be read: {reason}"))
                .help(format!("correct it: 'graft config set alias.{word} …'"))
        })?;
        argv.splice(leading.command..=leading.command, words.into_iter().map(OsString::from));
        let next = argv.get(leading_options(&argv).command).and_then(|w| w.to_str()).unwrap_or_default();
        if seen.iter().any(|name| name == next) && !is_built_in(next) {
            let chain = seen.join("' → '");
            return Err(Failure::new(format!("the alias '{word}' never ends: '{chain}' → '{next}'"))
                .help("let one of them name a command"));
        }
    }
}

/// Returns what an alias stands for where the user stands, with these settings of the command line.
pub fn lookup(word: &str, settings: &[String]) -> Result<Option<String>, Failure> {
    Place::new(&[], settings.to_vec()).alias(word)
}

fn is_built_in(word: &str) -> bool {
    GROUPS.iter().any(|(_, names)| names.contains(&word))
}

/// Where aliases are looked for.
struct Place {
    cwd: PathBuf,
    /// The repository folder, if there is one.
    dir: Option<PathBuf>,
    settings: Vec<String>,
}

impl Place {
    fn new(directories: &[PathBuf], settings: Vec<String>) -> Self {
        let here = std::env::current_dir().unwrap_or_default();
        let cwd = directories.iter().fold(here, |at, dir| at.join(dir));
        Self { dir: Repository::find(&cwd).ok(), cwd, settings }
    }

    fn alias(&self, word: &str) -> Result<Option<String>, Failure> {
        let sources = Sources {
            user: env::user_config(&env::var),
            repository: self.dir.as_ref().map(|dir| dir.join("config.toml")),
            overrides: self.settings.clone(),
        };
        let config = Config::load(&sources).map_err(RepoError::from)?;
        let entries = config.get_all(&format!("alias.{word}"));
        let is_own = |origin: &Origin| !matches!(origin, Origin::Repository(_)) || self.is_trusted();
        if let Some(last) = entries.last()
            && !is_own(&last.origin)
        {
            let say = Messages::stderr(&Globals::default());
            untrusted(&say, format_args!("the alias '{word}' was not used"));
        }
        Ok(entries.iter().rev().find(|e| is_own(&e.origin)).map(|e| e.value.clone()))
    }

    fn is_trusted(&self) -> bool {
        self.dir.as_ref().is_some_and(|dir| env::trust(&env::var).covers(dir))
    }

    /// Runs a shell command at the top of the worktree, with the rest of the line as its arguments.
    fn run(&self, command: &str, rest: &[OsString]) -> Result<u8, Failure> {
        let top = self.dir.as_deref().and_then(Path::parent).unwrap_or(&self.cwd);
        let prefix = self.cwd.strip_prefix(top).unwrap_or(Path::new(""));
        let prefix = if prefix.as_os_str().is_empty() {
            OsString::new()
        } else {
            [prefix.as_os_str(), OsStr::new("/")].into_iter().collect()
        };
        let text = if rest.is_empty() { command.to_owned() } else { format!("{command} \"$@\"") };
        let _ignored = Ignored::begin();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(text).arg(command).args(rest).current_dir(top).env("GRAFT_PREFIX", prefix);
        let status = shell.status().map_err(|e| Failure::new("cannot start a shell").because(&e))?;
        let signal = || 128 + std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or_default();
        Ok(u8::try_from(status.code().unwrap_or_else(signal)).unwrap_or(exit::FAILED))
    }
}

/// Splits a text into words as Git does: at blanks outside of quotes; a backslash takes the next character as it is, but for
/// inside of single quotes.
fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if quote.is_none() && c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            c if quote == Some(c) => quote = None,
            '\\' if quote != Some('\'') => {
                word.get_or_insert_default().push(chars.next().ok_or("it ends with a backslash")?);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed");
    }
    words.extend(word);
    if words.is_empty() { Err("it is empty") } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_git_does() {
        let words = |text| split(text).map(|w| w.join("|"));
        assert_eq!(words("status  -s").as_deref(), Ok("status|-s"));
        assert_eq!(
            words(r#"log --format='%h "x"' "a b"c \"d e\ f"#).as_deref(),
            Ok(r#"log|--format=%h "x"|a bc|"d|e f"#)
        );
        assert_eq!(words(r#"x '' "\"" 'a\b'"#).as_deref(), Ok(r#"x||"|a\b"#));
        assert!(split("log '").is_err() && split("log \\").is_err() && split("  ").is_err());
    }
}
