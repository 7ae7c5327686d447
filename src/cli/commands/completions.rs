//! `graft completions`: prints a script that teaches a shell Graft's commands.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Outcome;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::error::exit;

/// Print a completion script for a shell.
///
/// The script goes to standard output; put it where the shell looks for completions, or load it from the shell's start file.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft completions bash > ~/.local/share/bash-completion/completions/graft\n  graft completions zsh > \
                        ~/.zfunc/_graft\n  graft completions fish > ~/.config/fish/completions/graft.fish"
)]
pub struct Args {
    /// The shell.
    pub shell: Shell,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::Cli::command(), "graft", &mut script);
    ctx.out.write_all(&script)?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::Cli::command(), "graft", &mut script);
            let script = String::from_utf8(script).expect("text");
            assert!(script.contains("completions") && script.contains("no-pager"), "{shell}");
        }
    }
}
