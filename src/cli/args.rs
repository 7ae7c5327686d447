//! The command line as a value: global options, the commands in their groups, and what is done to arguments before parsing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum, ValueHint};

use super::commands::{Command, GROUPS};
use super::style;

/// Git for SQLite database files.
///
/// Graft gives ordinary SQLite database files a history of commits. The files stay where they are and stay ordinary: any
/// program reads and writes them while Graft watches from the side. Its commands and options are Git's wherever Git has
/// them.
#[derive(Parser, Debug)]
#[command(
    name = "graft",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "See 'graft help <command>' for one command, and 'graft demo' for a tour.",
    after_long_help = "EXIT STATUS\n    0    done\n    1    the answer is \"no\": nothing to commit, problems found by fsck\n    2    the \
                       command line is wrong\n    128  failed\n    130  interrupted\n\nSee 'graft help <command>' for one command, and \
                       'graft demo' for a tour."
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Run as if started in DIR; several add up.
    #[arg(short = 'C', value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: Vec<PathBuf>,

    /// Set a configuration value for this run only.
    #[arg(short = 'c', value_name = "KEY=VALUE", value_parser = setting)]
    pub settings: Vec<String>,

    /// Print results only, no messages.
    #[arg(short, long, global = true, hide_short_help = true)]
    pub quiet: bool,

    /// Say more, and log what happens to standard error; -vv and -vvv log more still.
    ///
    /// The environment variable GRAFT_LOG chooses by module, as in `GRAFT_LOG=graft::store=trace`.
    #[arg(short, long, global = true, action = ArgAction::Count, hide_short_help = true)]
    pub verbose: u8,

    /// How log lines on standard error are written.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", hide_short_help = true)]
    pub log_format: LogFormat,

    /// Print one JSON object, or one per line where the output is a stream.
    #[arg(long, global = true, hide_short_help = true)]
    pub json: bool,

    /// When to use colour.
    ///
    /// `auto` means on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_short_help = true)]
    pub color: When,

    /// Never use colour, whatever --color says.
    #[arg(long, global = true, hide_short_help = true)]
    pub no_color: bool,

    /// Do not show long output through a pager.
    #[arg(long, global = true, hide_short_help = true)]
    pub no_pager: bool,

    /// Do not show progress bars.
    #[arg(long, global = true, hide_short_help = true)]
    pub no_progress: bool,

    /// Wait this long for another Graft process to finish with the repository.
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = "GRAFT_LOCK_TIMEOUT",
        hide_env_values = true,
        hide_short_help = true
    )]
    pub lock_timeout: Option<u64>,

    /// Wait this long for another program's lock on a database.
    #[arg(
        long,
        global = true,
        value_name = "MILLISECONDS",
        env = "GRAFT_BUSY_TIMEOUT_MS",
        hide_env_values = true,
        hide_short_help = true
    )]
    pub busy_timeout: Option<u64>,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always, even into a file
    Always,
    /// Never
    Never,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// Accepts `key=value`, or a key alone, which means true as in Git.
fn setting(text: &str) -> Result<String, String> {
    let key = text.split_once('=').map_or(text, |(key, _)| key);
    match key.contains('.') {
        true => Ok(text.to_owned()),
        false => Err("a configuration key has a section, as in user.name=Ada".to_owned()),
    }
}

/// Global options that matter before the command line is known to be right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Early {
    /// `--color`.
    pub color: When,
    /// `--json`.
    pub json: bool,
    /// `--no-pager`.
    pub no_pager: bool,
}

impl Early {
    /// Looks for the options in arguments that may turn out to be wrong.
    pub fn scan(argv: &[OsString]) -> Self {
        let mut early = Self::default();
        let words: Vec<&str> = argv.iter().skip(1).map_while(|a| a.to_str()).take_while(|a| *a != "--").collect();
        for (i, word) in words.iter().enumerate() {
            let color = match word.strip_prefix("--color") {
                Some("") => words.get(i + 1).copied(),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            if let Some(when) = color.and_then(|c| When::from_str(c, false).ok()) {
                early.color = when;
            }
            if *word == "--no-color" {
                early.color = When::Never;
            }
            early.json |= *word == "--json";
            early.no_pager |= *word == "--no-pager";
        }
        early
    }
}

/// Global options whose value is the next argument.
const WITH_VALUE: [&str; 6] = ["-C", "-c", "--color", "--log-format", "--lock-timeout", "--busy-timeout"];

/// What stands before the command.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Leading {
    /// The place of the command in the line; behind its end if there is none.
    pub command: usize,
    /// The values of `-C`.
    pub directories: Vec<PathBuf>,
    /// The values of `-c`.
    pub settings: Vec<String>,
}

/// Looks for the command in a line, the program's name first.
pub fn leading_options(argv: &[OsString]) -> Leading {
    let mut leading = Leading { command: 1, ..Leading::default() };
    while let Some(word) = argv.get(leading.command).map(|w| w.to_string_lossy()).filter(|w| w.starts_with('-')) {
        let is_apart = WITH_VALUE.contains(&&*word);
        let value = argv.get(leading.command + 1).filter(|_| is_apart).cloned();
        match (&*word, value) {
            ("-C", Some(value)) => leading.directories.push(value.into()),
            ("-c", Some(value)) => leading.settings.push(value.to_string_lossy().into_owned()),
            (word, _) if word.starts_with("-C") => leading.directories.push(word[2..].into()),
            (word, _) if word.starts_with("-c") => leading.settings.push(word[2..].to_owned()),
            _ => {}
        }
        leading.command += if is_apart { 2 } else { 1 };
    }
    leading
}

/// Rewrites what clap cannot express: `log -5` as `log -n5`, `status -uno` as `status --untracked-files=no`.
pub fn expand(argv: Vec<OsString>) -> Vec<OsString> {
    let at = leading_options(&argv).command;
    let rewritten: fn(&str) -> Option<String> = match argv.get(at).and_then(|a| a.to_str()) {
        Some("log" | "show") => |word| {
            let digits = word.strip_prefix('-').filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            digits.map(|n| format!("-n{n}"))
        },
        Some("rev-parse") => return options_first(argv, at + 1),
        Some("status") => |word| {
            let which = word.strip_prefix("-u").filter(|w| ["no", "normal", "all"].contains(w));
            which.map(|w| format!("--untracked-files={w}"))
        },
        _ => return argv,
    };
    let mut before_paths = true;
    let mut rewrite = |(i, arg): (usize, OsString)| {
        before_paths &= arg != "--";
        match arg.to_str().and_then(rewritten) {
            Some(new) if before_paths && i > at => new.into(),
            _ => arg,
        }
    };
    argv.into_iter().enumerate().map(&mut rewrite).collect()
}

/// Moves options before the words from `from` on, where clap would take them for revisions; those that choose revisions
/// stay in their places, since their order matters.
fn options_first(argv: Vec<OsString>, from: usize) -> Vec<OsString> {
    let chooses = |word: &str| {
        let name = word.split('=').next().unwrap_or(word);
        ["--not", "--all", "--branches", "--tags", "--remotes", "--glob", "--exclude", "-"].contains(&name)
    };
    let (mut front, mut rest): (Vec<OsString>, Vec<OsString>) = (argv[..from].to_vec(), Vec::new());
    let mut words = argv.into_iter().skip(from);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--") => {
                rest.push(word);
                break;
            }
            Some(text) if text.starts_with('-') && !chooses(text) => {
                let value = WITH_VALUE.contains(&text).then(|| words.next()).flatten();
                front.push(word);
                front.extend(value);
            }
            _ => rest.push(word),
        }
    }
    front.into_iter().chain(rest).chain(words).collect()
}

/// Parses a command line, the program's name first.
pub fn parse(argv: Vec<OsString>, color: When) -> Result<Cli, clap::Error> {
    let matches = command().color(color.into()).try_get_matches_from(argv)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if cli.globals.no_color {
        cli.globals.color = When::Never;
    }
    Ok(cli)
}

/// Returns the whole command line with its help texts, commands listed in their groups.
pub fn command() -> clap::Command {
    let bare = Cli::command();
    let mut list = String::new();
    let width = GROUPS.iter().flat_map(|(_, names)| names.iter()).map(|n| n.len()).max().unwrap_or_default();
    let header = style::HELP.get_header();
    for (title, names) in GROUPS {
        list.push_str(&format!("\n{header}{title}{header:#}\n"));
        for name in *names {
            let about =
                bare.find_subcommand(name).and_then(|c| c.get_about()).map(|a| a.to_string()).unwrap_or_default();
            let literal = style::HELP.get_literal();
            list.push_str(&format!("  {literal}{name:<width$}{literal:#} {about}\n"));
        }
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{list}\n{header}Options of every command{header:#}\n{{options}}{{after-help}}"
    );
    let shared: Vec<clap::Arg> = bare.get_arguments().filter(|a| a.is_global_set()).cloned().collect();
    bare.styles(style::HELP).help_template(template).mut_subcommands(|c| without_shared_help(c, &shared))
}

/// Keeps the options of every command out of a command's own help; 'graft help' shows them.
fn without_shared_help(command: clap::Command, shared: &[clap::Arg]) -> clap::Command {
    command
        .args(shared.iter().map(|arg| arg.clone().hide(true)))
        .help_template(
            "{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}{after-help}\n\nSee 'graft help' for the options of every command.",
        )
        .mut_subcommands(|c| without_shared_help(c, shared))
}

impl From<When> for clap::ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn definitions_are_consistent_and_every_command_is_listed_once() {
        command().debug_assert();
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let mut known: Vec<String> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }

    #[test]
    fn what_clap_cannot_express_is_rewritten_before_paths_only() {
        assert_eq!(expand(words("graft log -5 -- -6")), words("graft log -n5 -- -6"));
        assert_eq!(expand(words("graft -C log add log -5")), words("graft -C log add log -5"));
        assert_eq!(expand(words("graft -C x -q log -5 -m")), words("graft -C x -q log -n5 -m"));
        assert_eq!(
            expand(words("graft status -uno -u -- -uall")),
            words("graft status --untracked-files=no -u -- -uall")
        );
    }

    #[test]
    fn options_of_rev_parse_may_follow_revisions() {
        assert_eq!(
            expand(words("graft -q rev-parse HEAD --not v1 --json --color never --branches=x -- --short")),
            words("graft -q rev-parse --json --color never HEAD --not v1 --branches=x -- --short")
        );
    }

    #[test]
    fn early_options_are_found_in_wrong_lines() {
        let early = Early::scan(&words("graft nonsense --color never --json -- --no-pager"));
        assert_eq!((early.color, early.json, early.no_pager), (When::Never, true, false));
        assert_eq!(Early::scan(&words("graft --color=always x")).color, When::Always);
    }

    #[test]
    fn what_stands_before_the_command_is_found() {
        let leading = leading_options(&words("graft -q -C a -Cb -c x.y=1 -cx.z=2 --color never st -C c"));
        let own = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(leading.command, 10);
        assert_eq!(leading.directories, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(leading.settings, own(&["x.y=1", "x.z=2"]));
    }

    #[test]
    fn no_colour_is_never_any() {
        let color = |line: &str| parse(words(line), When::Never).expect("a valid line").globals.color;
        assert_eq!(color("graft status --no-color"), When::Never);
        assert_eq!(color("graft --color always status --no-color"), When::Never);
        assert_eq!(color("graft --no-color status --color=always"), When::Never);
        assert_eq!(color("graft status --color=always"), When::Always);
        assert_eq!(Early::scan(&words("graft --no-color x")).color, When::Never);
    }

    #[test]
    fn settings_have_a_section() {
        assert_eq!(setting("a.b=c=d"), Ok("a.b=c=d".to_owned()));
        assert_eq!(setting("a.b"), Ok("a.b".to_owned()));
        assert!(setting("ab=c").is_err());
    }
}
