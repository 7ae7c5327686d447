//! Hooks: programs in `.graft/hooks` that run before or after an operation, as Git runs its own.
//!
//! A hook stands at the top of the worktree, with `GRAFT_DIR` naming the repository folder and the directory of this program
//! first in `PATH`. What it prints goes to standard error, since standard output belongs to the command. Nothing is locked and
//! no file of the index is open while it runs, so it may call Graft itself.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::context::Context;
use super::error::{Failure, exit};
use super::interrupt::Ignored;
use crate::repo::Repository;

/// The number of Linux and others for "this is not a program": a script without a first line that names its interpreter.
const NOT_A_PROGRAM: i32 = 8;

/// A hook about to run.
#[derive(Clone)]
pub struct Hook<'a> {
    name: &'static str,
    file: PathBuf,
    repo: &'a Repository,
    args: Vec<OsString>,
    vars: Vec<(&'static str, OsString)>,
    input: Vec<u8>,
}

impl<'a> Hook<'a> {
    /// Finds a hook that is there and may run; says why if it may not.
    pub fn find(name: &'static str, repo: &'a Repository, ctx: &Context) -> Option<Self> {
        let file = repo.dir().join("hooks").join(name);
        let seen = file.metadata().ok().filter(|seen| seen.is_file())?;
        if !repo.is_trusted() {
            ctx.untrusted(format_args!("the hook '{name}' was not run"));
            return None;
        }
        if seen.permissions().mode() & 0o111 == 0 {
            let shown = file.display();
            ctx.say.hint(format_args!("the hook '{name}' was not run: '{shown}' is not executable"));
            return None;
        }
        Some(Self { name, file, repo, args: Vec::new(), vars: Vec::new(), input: Vec::new() })
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable of its environment.
    pub fn var(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.vars.push((name, value.into()));
        self
    }

    /// Gives it something to read.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs the hook, and fails if it says no; `undone` tells what was not done then.
    pub fn must_agree(&self, undone: &str) -> Result<(), Failure> {
        let status = self.run()?;
        if status.success() {
            return Ok(());
        }
        let name = self.name;
        let failure = Failure::new(format!("the hook '{name}' says no ({status}); {undone}"));
        Err(failure.help("'--no-verify' goes on without it").exit(exit::NO))
    }

    /// Runs the hook after the fact, and returns its exit code: that of a shell if a signal ended it.
    pub fn code(&self) -> Result<u8, Failure> {
        let status = self.run()?;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Ok(u8::try_from(code).unwrap_or(u8::MAX))
    }

    fn run(&self) -> Result<ExitStatus, Failure> {
        self.repo.store().release();
        let _ignored = Ignored::begin();
        self.start(Command::new(&self.file))
            .or_else(|e| match e.raw_os_error() {
                Some(NOT_A_PROGRAM) => {
                    let mut shell = Command::new("sh");
                    shell.arg(&self.file);
                    self.start(shell)
                }
                _ => Err(e),
            })
            .map_err(|e| {
                let failure = Failure::new(format!("cannot run the hook '{}'", self.file.display())).because(&e);
                failure.help("see to it that its first line names a program that is installed, as in '#!/bin/sh'")
            })
    }

    fn start(&self, mut command: Command) -> io::Result<ExitStatus> {
        command
            .args(&self.args)
            .current_dir(self.repo.top())
            .env("GRAFT_DIR", self.repo.dir())
            .env("PATH", path_with_self())
            .envs(self.vars.iter().map(|(name, value)| (name, value)))
            .stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(io::stderr().as_fd().try_clone_to_owned()?);
        let mut child = command.spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            // A hook need not read what it is given.
            let _ = pipe.write_all(&self.input);
        }
        child.wait()
    }
}

/// Returns `PATH` with the folder of this program in front, so that a hook calls the Graft that runs it.
fn path_with_self() -> OsString {
    let own = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let old = std::env::var_os("PATH").unwrap_or_default();
    let all = own.into_iter().chain(std::env::split_paths(&old));
    std::env::join_paths(all).unwrap_or(old)
}
