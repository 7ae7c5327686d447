//! `graft config`: shows and changes settings.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{env, json};
use crate::repo::ops::configure::edit_user_config;
use crate::repo::state::config::{Config, ConfigError, ConfigFile, Entry, Key, Origin, Sources};
use crate::repo::{RepoError, Repository};

/// Show or change settings.
///
/// Settings are `section.name` or `section.subsection.name`, as in Git. They come from your own file (--global) and from the
/// repository's, .graft/config.toml, which outranks it; `graft -c key=value` outranks both. Git's older way of writing works
/// too: `graft config user.name` shows a setting, `graft config user.name Ada` changes it.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft config [--global|--local] get <KEY>\n       graft config [--global|--local] set <KEY> <VALUE>\n       graft \
                      config [--global|--local] unset <KEY>\n       graft config [--global|--local] list [--show-origin]",
    after_help = "Examples:\n  graft config set user.name \"Ada Lovelace\"\n  graft config --global set user.email \
                  ada@example.org\n  graft config get core.pager\n  graft config list --show-origin"
)]
pub struct Args {
    /// Your own file, for all repositories.
    #[arg(long)]
    pub global: bool,

    /// The repository's file; where changes go if nothing else is said.
    #[arg(long, conflicts_with = "global")]
    pub local: bool,

    /// Show where each value comes from.
    #[arg(long)]
    pub show_origin: bool,

    /// Show all values of a setting that has several.
    #[arg(long)]
    pub all: bool,

    /// Add a value instead of replacing the one that is there.
    #[arg(long)]
    pub add: bool,

    /// End entries with NUL instead of newline, the value after a newline.
    #[arg(short = 'z', long = "null")]
    pub nul: bool,

    /// The same as `list`.
    #[arg(short, long, hide = true)]
    pub list: bool,

    /// The same as `get`.
    #[arg(long, hide = true)]
    pub get: bool,

    /// The same as `unset`.
    #[arg(long, hide = true)]
    pub unset: bool,

    /// What to do, the setting, and its new value.
    #[arg(value_name = "ACTION|KEY|VALUE", allow_negative_numbers = true, num_args = 0..=3)]
    pub words: Vec<String>,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
enum Action<'a> {
    Get(&'a str),
    Set(&'a str, &'a str),
    Unset(&'a str),
    List,
}

#[derive(Serialize)]
struct Answer {
    key: String,
    value: String,
    scope: &'static str,
    file: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    match action(&args)? {
        Action::Get(key) => get(key, &args, ctx),
        Action::Set(key, value) => {
            let key: Key = key.parse()?;
            change(&args, ctx, |file| if args.add { file.add(&key, value) } else { file.set(&key, value) })?;
            Ok(exit::DONE)
        }
        Action::Unset(key) => {
            let key: Key = key.parse()?;
            let removed = change(&args, ctx, |file| Ok(file.unset(&key)))?;
            Ok(if removed { exit::DONE } else { exit::NO })
        }
        Action::List => list(&args, ctx),
    }
}

fn action(args: &Args) -> Result<Action<'_>, Failure> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    Ok(match (words.as_slice(), args.list, args.get, args.unset) {
        ([], true, ..) | (["list"], ..) => Action::List,
        ([key], false, false, true) | (["unset", key], ..) => Action::Unset(key),
        (["get", key], ..) => Action::Get(key),
        (["set", key, value], ..) => Action::Set(key, value),
        ([key], ..) if !matches!(*key, "get" | "set" | "unset") => Action::Get(key),
        ([key, value], false, false, false) if !matches!(*key, "get" | "set" | "list") => Action::Set(key, value),
        _ => {
            return Err(Failure::usage("config wants get <key>, set <key> <value>, unset <key> or list")
                .help("as in 'graft config set user.name \"Ada Lovelace\"'"));
        }
    })
}

fn get(key: &str, args: &Args, ctx: &mut Context) -> Outcome {
    key.parse::<Key>()?;
    let config = load(args, ctx)?;
    let found = match args.all {
        true => config.get_all(key),
        false => config.get(key).into_iter().collect(),
    };
    for entry in &found {
        show(entry, false, args, ctx)?;
    }
    Ok(if found.is_empty() { exit::NO } else { exit::DONE })
}

fn list(args: &Args, ctx: &mut Context) -> Outcome {
    let config = load(args, ctx)?;
    for entry in config.list() {
        show(entry, true, args, ctx)?;
    }
    Ok(exit::DONE)
}

fn show(entry: &Entry, with_key: bool, args: &Args, ctx: &mut Context) -> Result<(), Failure> {
    if ctx.out.json {
        json::write(&mut ctx.out, "config/1", &answer(entry))?;
    } else {
        let text = line(entry, with_key, args.show_origin, args.nul);
        ctx.out.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn line(entry: &Entry, with_key: bool, show_origin: bool, nul: bool) -> String {
    let origin = match (show_origin, nul) {
        (false, _) => String::new(),
        (true, true) => format!("{}\0", entry.origin),
        (true, false) => format!("{}\t", entry.origin),
    };
    let between = if nul { '\n' } else { '=' };
    let key = if with_key { format!("{}{between}", entry.key) } else { String::new() };
    format!("{origin}{key}{}{}", entry.value, if nul { '\0' } else { '\n' })
}

fn answer(entry: &Entry) -> Answer {
    let (scope, file) = match &entry.origin {
        Origin::User(path) => ("global", Some(path.display().to_string())),
        Origin::Repository(path) => ("local", Some(path.display().to_string())),
        Origin::CommandLine => ("command", None),
    };
    Answer { key: entry.key.to_string(), value: entry.value.clone(), scope, file }
}

/// Reads the settings in force, or those of one file.
fn load(args: &Args, ctx: &Context) -> Result<Config, Failure> {
    let settings = ctx.settings();
    let repository = match args.global {
        true => None,
        false => match Repository::discover(&ctx.cwd, ctx.settings()) {
            Ok(repo) => Some(repo.dir().join("config.toml")),
            Err(RepoError::NotARepository(_)) if !args.local => None,
            Err(e) => return Err(e.into()),
        },
    };
    let everything = !args.global && !args.local;
    let sources = Sources {
        user: settings.user_config.filter(|_| !args.local),
        repository,
        overrides: if everything { settings.overrides } else { Vec::new() },
    };
    Ok(Config::load(&sources)?)
}

fn change<T>(
    args: &Args,
    ctx: &Context,
    edit: impl FnOnce(&mut ConfigFile) -> Result<T, ConfigError>,
) -> Result<T, Failure> {
    if args.global {
        return Ok(edit_user_config(&user_file()?, edit)?);
    }
    match Repository::discover(&ctx.cwd, ctx.settings()) {
        Err(e @ RepoError::NotARepository(_)) => {
            Err(Failure::from(e).help("'graft config --global' changes your own settings, without a repository"))
        }
        Err(e) => Err(e.into()),
        Ok(repo) => Ok(repo.edit_config(edit)?),
    }
}

fn user_file() -> Result<PathBuf, Failure> {
    let missing =
        || Failure::new("there is no home folder to keep your own settings in").help("set HOME or GRAFT_CONFIG_GLOBAL");
    env::user_config(&env::var).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn args(line: &str) -> Args {
        let argv = format!("graft config {line}");
        match crate::cli::args::parse(argv.split(' ').map(Into::into).collect(), Default::default())
            .expect("parses")
            .command
        {
            super::super::Command::Config(args) => args,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn both_ways_of_writing_mean_the_same() {
        for (line, wanted) in [
            ("get a.b", Action::Get("a.b")),
            ("a.b", Action::Get("a.b")),
            ("--get a.b", Action::Get("a.b")),
            ("set a.b c", Action::Set("a.b", "c")),
            ("--global a.b c", Action::Set("a.b", "c")),
            ("set a.b -1", Action::Set("a.b", "-1")),
            ("unset a.b", Action::Unset("a.b")),
            ("--unset a.b", Action::Unset("a.b")),
            ("list", Action::List),
            ("-l", Action::List),
        ] {
            assert_eq!(action(&args(line)), Ok(wanted), "{line}");
        }
        for line in ["set a.b", "get", "--list a.b c"] {
            assert!(action(&args(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn lines_name_key_value_and_origin() {
        let origin = Origin::Repository(Arc::from(std::path::Path::new("/r/config.toml")));
        let entry = Entry { key: "user.name".parse().expect("a key"), value: "Ada".to_owned(), origin };
        assert_eq!(line(&entry, false, false, false), "Ada\n");
        assert_eq!(line(&entry, true, true, false), "file:/r/config.toml\tuser.name=Ada\n");
        assert_eq!(line(&entry, true, true, true), "file:/r/config.toml\0user.name\nAda\0");
        assert_eq!(answer(&entry).scope, "local");
    }
}
