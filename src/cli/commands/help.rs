//! `graft help`: the same texts as `--help` and the man pages.

use std::io::Write;

use super::Outcome;
use crate::cli::alias;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};

/// Show help for a command.
///
/// Without a command, shows the commands and the options of every command.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft help\n  graft help commit")]
pub struct Args {
    /// The command, and for a group of commands the one below it.
    #[arg(value_name = "COMMAND")]
    pub words: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let mut whole = args::command();
    // Propagates the options of every command and the full names into the commands below.
    whole.build();
    let mut at = &mut whole;
    for word in &args.words {
        let known: Vec<String> = at.get_subcommands().map(|c| c.get_name().to_owned()).collect();
        at = match at.find_subcommand_mut(word) {
            Some(command) => command,
            None if args.words.len() == 1
                && let Some(value) = alias::lookup(word, &ctx.globals.settings)? =>
            {
                writeln!(ctx.out, "'{word}' is aliased to '{value}'")?;
                return Ok(exit::DONE);
            }
            None => {
                let near = crate::cli::suggest::nearest(word, known.iter().map(String::as_str));
                let help =
                    near.map_or("'graft help' lists the commands".to_owned(), |n| format!("did you mean '{n}'?"));
                return Err(Failure::usage(format!("there is no command '{word}'")).help(help));
            }
        };
    }
    let text = at.render_long_help();
    ctx.page(None);
    match ctx.out.theme.heading == anstyle::Style::new() {
        true => write!(ctx.out, "{text}")?,
        false => write!(ctx.out, "{}", text.ansi())?,
    }
    Ok(exit::DONE)
}
