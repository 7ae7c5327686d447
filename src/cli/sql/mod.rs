//! The shell of `graft sql`: runs statements and dot-commands from an argument, a file, a pipe or a prompt.
//!
//! What a statement gives is written while SQLite gives it; only tables for people are gathered first. An error ends
//! everything but a prompt, unless `.bail off` says otherwise, and the exit code is then 1.

mod csv;
mod dot;
mod dot_words;
mod grid;
mod import;
mod long;
pub mod mode;
pub mod place;
mod pragma;
mod prompt;
mod report;
mod status;
mod writer;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::Instant;

use super::context::Context;
use super::error::{Failure, exit};
use super::interrupt;
use crate::sqlite::sql::split::{self, Completeness};
use crate::sqlite::sql::{Cells, RunError, Session, Sink};
use crate::store::remote::Traffic;
use long::Long;
use mode::Form;
use place::Place;
pub use report::unsynced;
use writer::Writer;

/// Files that read each other end here.
const MAX_DEPTH: usize = 25;

/// Why running ends before the text does.
#[derive(Debug)]
pub enum Stop {
    /// A statement or a command failed, which the user has been told.
    Failed,
    /// The user interrupted it.
    Interrupted,
    /// `.quit`, with an exit code.
    Quit(u8),
    /// Nothing more can be done.
    Failure(Box<Failure>),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(Box::new(failure))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Failure::from(error).into()
    }
}

/// What goes on after a line.
pub type Flow = Result<(), Stop>;

/// Where a text comes from, for messages about it.
#[derive(Clone, Copy)]
struct Origin<'a> {
    /// The file, if it is one.
    file: Option<&'a Path>,
    /// The number of its first line.
    line: usize,
}

/// A file that results go to instead of standard output.
struct Redirect {
    file: BufWriter<File>,
    once: bool,
}

/// A running shell.
pub struct Shell<'c> {
    ctx: &'c mut Context,
    session: Session,
    place: Place,
    form: Form,
    redirect: Option<Redirect>,
    interactive: bool,
    bail: bool,
    echo: bool,
    timer: bool,
    changes: bool,
    depth: usize,
    statements: u64,
    failed: bool,
}

impl<'c> Shell<'c> {
    /// Opens the database of a place.
    pub fn open(ctx: &'c mut Context, place: Place, form: Form, interactive: bool) -> Result<Self, Failure> {
        let session = place.open()?;
        Ok(Self {
            ctx,
            session,
            place,
            form,
            redirect: None,
            interactive,
            bail: !interactive,
            echo: false,
            timer: false,
            changes: false,
            depth: 0,
            statements: 0,
            failed: false,
        })
    }

    /// Runs one argument of the command line: a dot-command, or statements.
    pub fn run_argument(&mut self, text: &str) -> Flow {
        self.run_lines(BufReader::new(text.as_bytes()), None)
    }

    /// Runs a file.
    pub fn run_file(&mut self, path: &Path) -> Flow {
        if self.depth >= MAX_DEPTH {
            return self.fail(Failure::new(format!("{} is read by itself", path.display())));
        }
        let file = match File::open(self.ctx.resolve(path)) {
            Ok(file) => file,
            Err(e) => return self.fail(Failure::new(format!("cannot read '{}'", path.display())).because(&e)),
        };
        self.depth += 1;
        let done = self.run_lines(BufReader::new(file), Some(path));
        self.depth -= 1;
        done
    }

    /// Runs what standard input gives.
    pub fn run_stdin(&mut self) -> Flow {
        self.run_lines(BufReader::new(io::stdin()), None)
    }

    /// Shows a prompt until the user leaves.
    pub fn run_prompt(&mut self) -> Flow {
        prompt::run(self)
    }

    /// Returns the requests made until now to remotes.
    pub fn traffic(&self) -> Traffic {
        self.place.traffic()
    }

    /// Ends the session; returns the exit code.
    pub fn finish(mut self, flow: Flow) -> Result<u8, Failure> {
        if let Some(mut redirect) = self.redirect.take() {
            redirect.file.flush()?;
        }
        let Self { ctx, session, failed, place, .. } = self;
        report::unrecorded(ctx, session.close());
        if let Some(autosync) = &place.autosync {
            report::unsynced(ctx, &autosync.finish(matches!(flow, Err(Stop::Interrupted))));
        }
        match flow {
            Ok(()) | Err(Stop::Failed) if failed => Ok(exit::NO),
            Ok(()) => Ok(exit::DONE),
            Err(Stop::Failed) => Ok(exit::NO),
            Err(Stop::Interrupted) => Err(Failure::silent(exit::INTERRUPTED)),
            Err(Stop::Quit(code)) => Ok(code),
            Err(Stop::Failure(failure)) => Err(*failure),
        }
    }

    fn run_lines<R: Read>(&mut self, mut input: BufReader<R>, file: Option<&Path>) -> Flow {
        let (mut pending, mut first) = (String::new(), 1);
        for number in 1.. {
            if input.buffer().is_empty() {
                // A program that asks through a pipe waits for the answer before it asks on.
                self.ctx.out.flush()?;
            }
            let mut line = Vec::new();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let Ok(line) = String::from_utf8(line) else {
                let failure = Failure::new(format!("line {number} is not UTF-8"));
                self.fail(failure)?;
                continue;
            };
            self.take_line(&line, number, &mut pending, &mut first, file)?;
        }
        let rest = std::mem::take(&mut pending);
        self.run_text(&rest, Origin { file, line: first })
    }

    /// Takes one more line; runs it if it makes a statement whole or is a dot-command.
    fn take_line(
        &mut self,
        line: &str,
        number: usize,
        pending: &mut String,
        first: &mut usize,
        file: Option<&Path>,
    ) -> Flow {
        let fresh = pending.is_empty();
        if fresh && line.starts_with('.') {
            if self.echo {
                let text = format!("{}\n", line.trim_end());
                self.write(|out| out.write_all(text.as_bytes()))?;
            }
            return self.run_dot(line.trim());
        }
        if fresh && (line.starts_with('#') || line.trim().is_empty()) {
            return Ok(());
        }
        if fresh {
            *first = number;
        }
        pending.push_str(line);
        // Only a semicolon can end a statement.
        if line.contains(';') && split::completeness(pending) == Completeness::Complete {
            let text = std::mem::take(pending);
            return self.run_text(&text, Origin { file, line: *first });
        }
        Ok(())
    }

    /// Runs all statements of a text.
    fn run_text(&mut self, text: &str, origin: Origin<'_>) -> Flow {
        let mut at = 0;
        while split::skip_space(&text[at..]) < text.len() - at {
            let length = split::first(&text[at..]);
            if let Err(error) = self.run_statement(&text[at..]) {
                match error {
                    RunError::Sql(error) => {
                        report::sql(self, &error, &text[..at + length], at, origin);
                        self.failed = true;
                        if self.bail {
                            return Err(Stop::Failed);
                        }
                    }
                    RunError::Interrupted => return Err(Stop::Interrupted),
                    RunError::Output(e) => return Err(e.into()),
                }
            }
            at += length;
        }
        Ok(())
    }

    fn run_statement(&mut self, text: &str) -> Result<(), RunError> {
        if self.echo {
            let statement = text[..split::first(text)].trim().to_owned();
            self.write(|out| writeln!(out, "{statement}"))?;
        }
        self.statements += 1;
        let started = Instant::now();
        let before = self.session.changes();
        let done = self.answer(text);
        interrupt::heard();
        done?;
        if self.changes && self.session.changes().1 != before.1 {
            let (last, total) = self.session.changes();
            self.write(|out| writeln!(out, "changes: {last}   total_changes: {total}"))?;
        }
        if self.timer {
            let took = started.elapsed().as_secs_f64();
            self.write(|out| writeln!(out, "Run Time: real {took:.3}"))?;
        }
        Ok(())
    }

    /// Runs one statement and writes what it gives.
    fn answer(&mut self, text: &str) -> Result<(), RunError> {
        let writer = writer::writer(&self.form, self.statements);
        let stop = self.session.stop_handle();
        let _hook = interrupt::instead(Box::new(move || stop.stop()));
        let done = match &mut self.redirect {
            Some(redirect) => {
                let mut answer = Answer { writer, out: &mut redirect.file, wrote: false };
                let done = self.session.run_first(text, &mut answer);
                let wrote = answer.wrote;
                redirect.file.flush()?;
                if redirect.once && wrote {
                    self.redirect = None;
                }
                done
            }
            None if self.interactive && self.ctx.out.may_page() => {
                let mut long = Long::new(&mut self.ctx.out, self.place.pager.clone());
                let mut answer = Answer { writer, out: &mut long, wrote: false };
                let done = self.session.run_first(text, &mut answer);
                let finished = long.finish();
                done.and_then(|n| finished.map(|()| n).map_err(RunError::from))
            }
            None => {
                let mut answer = Answer { writer, out: &mut self.ctx.out, wrote: false };
                self.session.run_first(text, &mut answer)
            }
        };
        done.map(drop)
    }

    /// Writes where results go.
    fn write<E: From<io::Error>>(&mut self, write: impl FnOnce(&mut dyn Write) -> Result<(), E>) -> Result<(), E> {
        match &mut self.redirect {
            Some(redirect) => {
                write(&mut redirect.file)?;
                Ok(redirect.file.flush()?)
            }
            None => write(&mut self.ctx.out),
        }
    }

    /// Tells the user what failed; goes on if failures are to be ignored.
    fn fail(&mut self, failure: Failure) -> Flow {
        self.failed = true;
        report::failure(self, &failure);
        if self.bail { Err(Stop::Failed) } else { Ok(()) }
    }
}

/// Passes rows on to a writer.
struct Answer<'a> {
    writer: Box<dyn Writer>,
    out: &'a mut dyn Write,
    wrote: bool,
}

impl Sink for Answer<'_> {
    fn begin(&mut self, columns: &[String]) -> io::Result<()> {
        self.wrote = true;
        self.writer.begin(columns, self.out)
    }

    fn row(&mut self, cells: &Cells<'_>) -> io::Result<()> {
        self.writer.row(cells, self.out)
    }

    fn end(&mut self) -> io::Result<()> {
        self.writer.end(self.out)
    }
}
