//! The command line: arguments, rendering, pager, progress, error reports and exit codes.
//!
//! One call of a command is: parse, one operation of `repo`, render its value, exit code. Data goes to standard output
//! through [`output::Output`], everything else to standard error through [`messages::Messages`]. The environment, the
//! clock and the terminal are read here and handed down; no other storey looks at them.

pub mod alias;
pub mod args;
pub mod commands;
pub mod context;
pub mod diff;
pub mod editor;
pub mod env;
pub mod error;
pub mod history;
pub mod hooks;
pub mod interrupt;
pub mod json;
pub mod logging;
pub mod man;
pub mod messages;
pub mod output;
pub mod pager;
pub mod panic;
pub mod progress;
pub mod ranges;
pub mod ref_args;
pub mod ref_format;
pub mod render;
pub mod revs;
pub mod sql;
pub mod style;
pub mod suggest;
pub mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use context::Context;
use error::{Failure, exit};

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    panic::install_hook();
    interrupt::install_handler();
    let argv: Vec<OsString> = std::env::args_os().collect();
    let code = std::panic::catch_unwind(|| run(argv)).unwrap_or(exit::FAILED);
    crate::util::fs::report_crash_points();
    ExitCode::from(code)
}

/// Runs one command line, the program's name first, and returns its exit code.
fn run(argv: Vec<OsString>) -> u8 {
    let early = args::Early::scan(&argv);
    let argv = match alias::expand(argv) {
        Ok(alias::Expanded::Words(argv)) => args::expand(argv),
        Ok(alias::Expanded::Ran(code)) => return code,
        Err(failure) => return error::print(&failure, early.color, early.json),
    };
    let early = args::Early::scan(&argv);
    let parsed = match args::parse(argv, early.color) {
        Ok(parsed) => parsed,
        Err(error) => return usage::report(&error, &early),
    };
    let json = parsed.globals.json;
    logging::start(&parsed.globals, parsed.command.lists_more(), style::on_stderr(parsed.globals.color));
    let mut ctx = match Context::new(parsed.globals) {
        Ok(ctx) => ctx,
        Err(failure) => return error::print(&failure, early.color, json),
    };
    let started = std::time::Instant::now();
    let outcome = commands::run(parsed.command, &mut ctx);
    tracing::debug!(took = ?started.elapsed(), "done");
    // What was written before a failure is shown first, and the pager is gone before the error is printed.
    let flushed = ctx.out.finish().map_err(Failure::from);
    match outcome.and_then(|code| flushed.map(|()| code)) {
        Ok(code) => code,
        Err(failure) => error::print(&failure, early.color, json),
    }
}
