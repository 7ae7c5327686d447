//! The commands, one per file: an `Args` struct whose doc comments are the help and the man page, and a `run` that calls one
//! operation and renders its value.

pub mod completions;
pub mod help;

use clap::Subcommand;

use super::context::Context;
use super::error::Failure;

/// What a command ends with: its exit code, or why it failed.
pub type Outcome = Result<u8, Failure>;

/// The commands by what they are for, in the order of `graft help`.
pub const GROUPS: &[(&str, &[&str])] = &[("Get help", &["help", "completions"])];

/// The commands. Their help texts are the documentation of the `Args` structs.
#[derive(Subcommand, Debug)]
#[allow(missing_docs, reason = "a comment on a variant would replace the help text of its Args")]
pub enum Command {
    Completions(completions::Args),
    Help(help::Args),
}

/// Runs a command.
pub fn run(command: Command, ctx: &mut Context) -> Outcome {
    match command {
        Command::Completions(args) => completions::run(args, ctx),
        Command::Help(args) => help::run(args, ctx),
    }
}
