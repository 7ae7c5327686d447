//! Where the tour is played: runs commands and statements, shows them with what they answer, and checks.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::style::Theme;
use crate::repo::RepoError;
use crate::sqlite::sample::App;

/// A scratch folder, and the audience.
pub struct Stage<'a> {
    dir: &'a Path,
    program: std::path::PathBuf,
    out: &'a mut crate::cli::output::Output,
    theme: Theme,
    commands: u64,
    checks: u64,
}

/// A step as JSON.
#[derive(Serialize)]
struct Step<'a> {
    step: &'static str,
    text: &'a str,
    output: &'a str,
    ok: bool,
}

impl<'a> Stage<'a> {
    /// Sets the stage in a folder.
    pub fn new(dir: &'a Path, ctx: &'a mut Context) -> Result<Self, Failure> {
        let program =
            std::env::current_exe().map_err(|e| Failure::new("cannot find this program again").because(&e))?;
        let theme = ctx.out.theme;
        Ok(Self { dir, program, out: &mut ctx.out, theme, commands: 0, checks: 0 })
    }

    /// Returns the scratch folder.
    pub fn dir(&self) -> &'a Path {
        self.dir
    }

    /// Returns how many commands ran and how many checks held.
    pub fn played(&self) -> (u64, u64) {
        (self.commands, self.checks)
    }

    /// Tells whether the audience is a program.
    pub fn is_told_in_json(&self) -> bool {
        self.out.json
    }

    /// Narrates.
    pub fn say(&mut self, text: &str) -> Result<(), Failure> {
        if !self.out.json {
            let style = self.theme.heading;
            writeln!(self.out, "{style}# {text}{style:#}")?;
        }
        Ok(())
    }

    /// Ends a scene.
    pub fn pause(&mut self) -> Result<(), Failure> {
        if !self.out.json {
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// Runs a command of this program as typed, shows it, and returns its output. A command that fails ends the tour.
    pub fn graft(&mut self, args: &[&str]) -> Result<String, Failure> {
        let typed = format!("graft {}", args.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(" "));
        if !self.out.json {
            let style = self.theme.command;
            writeln!(self.out, "$ {style}{typed}{style:#}")?;
            self.out.flush()?;
        }
        let (code, output) = self.run(args, self.theme.heading != anstyle::Style::new())?;
        self.commands += 1;
        let ok = code == Some(i32::from(exit::DONE));
        match self.out.json {
            true => self.step(Step { step: "command", text: &typed, output: &output, ok })?,
            false => self.out.write_all(output.as_bytes())?,
        }
        match code {
            _ if ok => Ok(output),
            Some(code) if code == i32::from(exit::INTERRUPTED) => Err(Failure::silent(exit::INTERRUPTED)),
            Some(code) => Err(Failure::new(format!("'{typed}' ended with exit code {code}"))),
            None => Err(Failure::silent(exit::INTERRUPTED)),
        }
    }

    /// Runs a command behind the scenes and returns its output.
    pub fn ask(&self, args: &[&str]) -> Result<String, Failure> {
        Ok(self.run(args, false)?.1)
    }

    /// Runs this program in the folder; standard error goes where standard output goes, as on a terminal.
    fn run(&self, args: &[&str], colored: bool) -> Result<(Option<i32>, String), Failure> {
        let failed = |e: std::io::Error| Failure::new("cannot start graft").because(&e);
        let (mut reader, writer) = std::io::pipe().map_err(failed)?;
        let mut command = Command::new(&self.program);
        command.arg(if colored { "--color=always" } else { "--color=never" }).args(args).current_dir(self.dir);
        // What is logged is no part of the tour.
        command.env_remove("GRAFT_LOG").stdin(Stdio::null());
        command.stderr(writer.try_clone().map_err(failed)?).stdout(writer);
        let mut child = command.spawn().map_err(failed)?;
        // It holds the writing end, and reading ends only when that is closed.
        drop(command);
        let mut output = Vec::new();
        reader.read_to_end(&mut output).map_err(failed)?;
        let status = child.wait().map_err(failed)?;
        Ok((status.code(), String::from_utf8_lossy(&output).into_owned()))
    }

    /// Lets the program change the database.
    pub fn execute(&mut self, app: &mut App, sql: &str) -> Result<(), Failure> {
        self.sql(sql)?;
        let changed = app.execute(sql).map_err(RepoError::Database)?;
        self.answer(sql, &format!("-- {} changed", crate::cli::render::size::count(changed, "row")))
    }

    /// Lets the program look something up, and returns what it sees.
    pub fn query(&mut self, app: &App, sql: &str) -> Result<String, Failure> {
        self.sql(sql)?;
        let rows = app.query(sql).map_err(RepoError::Database)?;
        let seen = rows.iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n");
        self.answer(sql, &seen)?;
        Ok(seen)
    }

    fn sql(&mut self, sql: &str) -> Result<(), Failure> {
        if !self.out.json {
            let style = self.theme.command;
            writeln!(self.out, "sql> {style}{sql};{style:#}")?;
        }
        Ok(())
    }

    fn answer(&mut self, sql: &str, answer: &str) -> Result<(), Failure> {
        match self.out.json {
            true => self.step(Step { step: "sql", text: sql, output: answer, ok: true }),
            false => Ok(writeln!(self.out, "{answer}")?),
        }
    }

    /// Says what must hold; if it does not, the tour ends.
    pub fn check(&mut self, what: &str, holds: bool) -> Result<(), Failure> {
        match self.out.json {
            true => self.step(Step { step: "check", text: what, output: "", ok: holds })?,
            false => {
                let (mark, style) = if holds { ("✓", self.theme.added) } else { ("✗", self.theme.removed) };
                writeln!(self.out, "{style}{mark} {what}{style:#}")?;
            }
        }
        self.checks += 1;
        if holds { Ok(()) } else { Err(Failure::new(format!("this does not hold: {what}"))) }
    }

    fn step(&mut self, step: Step<'_>) -> Result<(), Failure> {
        Ok(json::write(self.out, "demo/1", &step)?)
    }
}

/// Quotes an argument as a person would for a shell.
fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:~^@=,+%".contains(c);
    match arg.chars().all(plain) && !arg.is_empty() {
        true => arg.to_owned(),
        false if !arg.contains(['"', '\\', '$', '`', '!']) => format!("\"{arg}\""),
        false => format!("'{}'", arg.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn arguments_are_quoted_where_a_shell_wants_it() {
        assert_eq!(quoted("HEAD~1:shop.db"), "HEAD~1:shop.db");
        assert_eq!(quoted("raise prices"), "\"raise prices\"");
        assert_eq!(quoted("it's $5"), "'it'\\''s $5'");
        assert_eq!(quoted(""), "\"\"");
    }
}
