//! Wrong command lines, and help asked for on one: what clap says, in the layout of every other message.

use std::io::{IsTerminal, Write};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Early;
use super::error::{self, Failure, exit};
use super::pager::{self, Pager};

/// Commands of other programs, and what does their work here.
const ELSEWHERE: [(&str, &str); 11] = [
    ("archive backup", "'graft export' writes a file as it was at a revision"),
    (
        "blame annotate praise",
        "graft sql \"SELECT * FROM graft_history('<table>', <key>)\" tells which commits changed a row; 'graft log -p <file>' shows all",
    ),
    (
        "rebase",
        "'graft cherry-pick <older>..<newer>' does commits once more on another branch, 'graft merge' brings branches together",
    ),
    ("rollback", "'graft undo' takes back a command, 'graft restore <file>' what was not committed"),
    ("dump", "'graft sql --db <file> .dump' writes a database as SQL"),
    ("query select shell sqlite sqlite3", "'graft sql' runs SQL on a file or on a revision of it"),
    ("prune repack", "'graft gc' removes what nothing needs"),
    ("ls", "'graft ls-files' lists the tracked files"),
    ("whatchanged shortlog", "'graft log --stat' lists commits and what they changed"),
    ("move rename", "'graft mv' renames a tracked file"),
    ("track", "'graft add' tracks a file"),
];

/// Prints help to standard output or the complaint to standard error, and returns the exit code.
pub fn report(error: &clap::Error, early: &Early) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => show(error, early),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Standard error may be closed; there is nobody left to tell.
            let _ = error.print();
            exit::USAGE
        }
        _ => error::print(&explain(error), early.color, early.json),
    }
}

fn show(error: &clap::Error, early: &Early) -> u8 {
    let text = error.render();
    let rows = terminal_size::terminal_size().map_or(usize::MAX, |(_, height)| usize::from(height.0));
    let long = text.to_string().lines().count() >= rows;
    if long && !early.no_pager && std::io::stdout().is_terminal() {
        let configured = pager::choose(&|name| std::env::var(name).ok(), None);
        if let Some(mut pager) = configured.and_then(|command| Pager::start(&command).ok()) {
            // A reader who leaves before the end has seen enough.
            let _ = write!(pager, "{}", text.ansi());
            pager.wait();
            return exit::DONE;
        }
    }
    match error.print() {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => exit::FAILED,
        _ => exit::DONE,
    }
}

/// Turns clap's paragraphs (`error: …`, `  tip: …`, `Usage: …`) into a message and a line of help.
fn explain(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut message = Vec::new();
    let (mut tips, mut usage) = (Vec::new(), None);
    for line in text.lines().map(str::trim) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            tips.push(meant(tip));
        } else if let Some(line) = line.strip_prefix("Usage: ") {
            usage = Some(format!("usage: {line}"));
        } else if usage.is_none() && tips.is_empty() && !line.is_empty() && !line.starts_with("For more information") {
            message.push(
                line.strip_prefix("error: ").unwrap_or(line).replace("unrecognized subcommand", "there is no command"),
            );
        }
    }
    let message = message.join(" ").replace("invalid digit found in string", "not a number");
    let failure = Failure::usage(message);
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(name))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
        && let Some((_, instead)) = ELSEWHERE.iter().find(|(names, _)| names.split(' ').any(|n| n == name))
    {
        return failure.help(*instead);
    }
    match (tips.is_empty(), usage) {
        (false, _) => failure.help(tips.join("; ")),
        (true, Some(usage)) => failure.help(usage),
        (true, None) => failure.help("add --help to the command to see what it takes"),
    }
}

/// Turns `a similar value exists: 'x'` and `some similar values exist: 'x', 'y'` into a question.
fn meant(tip: &str) -> String {
    match tip.split_once(": ") {
        Some((head, names)) if head.contains("similar") => format!("did you mean {}?", names.replace(", ", " or ")),
        _ => tip.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::args;
    use super::*;

    fn complaint(line: &str) -> String {
        let argv = line.split(' ').map(Into::into).collect();
        let error = args::parse(argv, args::When::Never).expect_err("a wrong line");
        error::plain(&explain(&error))
    }

    #[test]
    fn wrong_lines_are_answered_with_what_was_meant() {
        assert_eq!(
            complaint("graft statsu"),
            "error: there is no command 'statsu'\nhelp: did you mean 'stash' or 'status'?\n"
        );
        assert_eq!(
            complaint("graft archive HEAD"),
            "error: there is no command 'archive'\nhelp: 'graft export' writes a file as it was at a revision\n"
        );
        assert!(complaint("graft blame app.db").contains("graft_history("));
        assert_eq!(meant("some similar subcommands exist: 'a', 'b'"), "did you mean 'a' or 'b'?");
        assert_eq!(
            complaint("graft completions --jsno bash"),
            "error: unexpected argument '--jsno' found\nhelp: did you mean '--json'?\n"
        );
        assert_eq!(
            complaint("graft completions"),
            "error: the following required arguments were not provided: <SHELL>\nhelp: usage: graft completions <SHELL>\n"
        );
        assert_eq!(
            complaint("graft completions bahs"),
            "error: invalid value 'bahs' for '<SHELL>' [possible values: bash, elvish, fish, powershell, zsh]\nhelp: did you mean 'bash'?\n"
        );
        assert!(
            complaint("graft -c nonsense completions bash")
                .starts_with("error: invalid value 'nonsense' for '-c <KEY=VALUE>': a conf")
        );
    }

    #[test]
    fn what_is_named_instead_is_there() {
        let commands = args::Cli::command();
        let known: Vec<&str> = commands.get_subcommands().flat_map(|c| c.get_name_and_visible_aliases()).collect();
        for (names, instead) in ELSEWHERE {
            for name in names.split(' ') {
                assert!(!known.contains(&name), "'{name}' is a command");
            }
            for (_, rest) in instead.match_indices("graft ").map(|(at, word)| instead.split_at(at + word.len())) {
                let command = rest.split([' ', '\'']).next().unwrap_or_default();
                assert!(known.contains(&command), "{command}");
            }
        }
    }
}
