//! `update-ref --stdin`: several changes that happen together or not at all, in Git's words.

use std::io::Write;

use serde::Serialize;

use super::super::Outcome;
use super::{Args, expected, full_name};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{json, revs};
use crate::model::ObjectId;
use crate::repo::Repository;
use crate::repo::ops::update_ref::RefBatch;
use crate::repo::state::refs::Expected;

#[derive(Serialize)]
struct Answer<'a> {
    command: &'a str,
    status: &'static str,
}

/// Where a transaction is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Changes happen at the end of the input.
    Implied,
    /// `start` was said.
    Started,
    /// `prepare` was said.
    Prepared,
    /// `commit` or `abort` was said.
    Closed,
}

/// Reads the commands and obeys them.
pub fn run(args: &Args, input: &[u8], repo: &Repository, ctx: &mut Context) -> Outcome {
    let text = std::str::from_utf8(input).map_err(|_| Failure::new("the commands are not UTF-8"))?;
    let mut words = Words { rest: text, nul: args.nul };
    let mut batch = repo.ref_batch();
    let mut state = State::Implied;
    let mut follow = !args.no_deref;
    while let Some(command) = words.command()? {
        match (command.as_str(), state) {
            ("start", State::Implied | State::Closed) => (batch, state) = (repo.ref_batch(), State::Started),
            ("start", _) => return Err(Failure::new("a transaction was started already")),
            (_, State::Closed) => return Err(closed(&command)),
            ("prepare", State::Implied | State::Started) => {
                batch.prepare()?;
                state = State::Prepared;
            }
            ("commit", _) => {
                std::mem::replace(&mut batch, repo.ref_batch()).commit()?;
                state = State::Closed;
            }
            ("abort", _) => (batch, state) = (repo.ref_batch(), State::Closed),
            (_, State::Prepared) => {
                return Err(Failure::new(format!("'{command}' after 'prepare'"))
                    .help("only 'commit' or 'abort' can follow on 'prepare'"));
            }
            ("option", _) => {
                let option = words.argument(&command)?;
                if option != "no-deref" {
                    return Err(Failure::new(format!("there is no option '{option}'")).help("only 'no-deref'"));
                }
                words.end(&command)?;
                follow = false;
                continue;
            }
            _ => {
                change(&command, &mut words, &mut batch, repo, args, follow)?;
                follow = !args.no_deref;
                continue;
            }
        }
        words.end(&command)?;
        if ctx.out.json {
            json::write(&mut ctx.out, "update-ref/1", &Answer { command: &command, status: "ok" })?;
        } else {
            writeln!(ctx.out, "{command}: ok")?;
        }
    }
    if state == State::Implied {
        batch.commit()?;
    }
    Ok(exit::DONE)
}

fn closed(command: &str) -> Failure {
    Failure::new(format!("'{command}' after the end of a transaction")).help("'start' begins another one")
}

/// Adds one change to the transaction.
fn change(
    command: &str,
    words: &mut Words<'_>,
    batch: &mut RefBatch<'_>,
    repo: &Repository,
    args: &Args,
    follow: bool,
) -> Result<(), Failure> {
    if !["update", "create", "delete", "verify", "symref-update"].contains(&command) {
        return Err(Failure::new(format!("there is no command '{command}'"))
            .help("update, create, delete, verify, symref-update, option, start, prepare, commit or abort"));
    }
    let name = full_name(&words.argument(command)?)?;
    let is_none = |text: &str| ObjectId::from_hex(text).is_ok_and(|id| id.as_bytes() == &[0; 32]);
    match command {
        "symref-update" => {
            let target = full_name(&words.argument(command)?)?;
            batch.point(&name, &target, &args.message)?;
        }
        "update" => {
            let new = words.argument(command)?;
            let old = match words.optional(command)? {
                Some(old) => expected(repo, &old)?,
                None => Expected::Any,
            };
            match is_none(&new) {
                true => batch.remove(&name, old, follow)?,
                false => batch.set(&name, revs::object(repo, &new)?, old, &args.message, follow)?,
            }
        }
        "create" => {
            let new = words.argument(command)?;
            if is_none(&new) {
                return Err(Failure::new(format!("{name} cannot be created without a value")));
            }
            batch.set(&name, revs::object(repo, &new)?, Expected::MustNotExist, &args.message, follow)?;
        }
        "delete" => {
            let old = match words.optional(command)? {
                Some(old) if is_none(&old) => {
                    return Err(Failure::new(format!("{name} cannot be removed if it is not there")));
                }
                Some(old) => expected(repo, &old)?,
                None => Expected::Any,
            };
            batch.remove(&name, old, follow)?;
        }
        _ => {
            let old = words.optional(command)?;
            batch.expect(&name, old.map_or(Ok(Expected::MustNotExist), |old| expected(repo, &old))?);
        }
    }
    words.end(command)
}

/// The words of the commands that are still to come.
struct Words<'t> {
    rest: &'t str,
    nul: bool,
}

impl Words<'_> {
    /// Returns the next command; `None` at the end of the input.
    fn command(&mut self) -> Result<Option<String>, Failure> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let end = self.rest.find([' ', '\n', '\0']).unwrap_or(self.rest.len());
        let command = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        match command.is_empty() {
            true => Err(Failure::new("a line without a command")),
            false => Ok(Some(command)),
        }
    }

    /// Returns an argument that must be there.
    fn argument(&mut self, command: &str) -> Result<String, Failure> {
        let missing = || Failure::new(format!("'{command}' lacks an argument"));
        self.next()?.filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    /// Returns the last argument of a command, if it is there.
    fn optional(&mut self, command: &str) -> Result<Option<String>, Failure> {
        // With -z an empty one stands for none, so it is always there.
        match (self.next()?, self.nul) {
            (None, true) => Err(Failure::new(format!("'{command}' lacks an argument"))),
            (Some(text), true) => Ok(Some(text).filter(|text| !text.is_empty())),
            (text, false) => Ok(text),
        }
    }

    fn next(&mut self) -> Result<Option<String>, Failure> {
        if self.nul {
            let Some(rest) = self.rest.strip_prefix([' ', '\0']).filter(|rest| !rest.is_empty()) else {
                return Ok(None);
            };
            let end = rest.find('\0').ok_or_else(|| Failure::new("the last command does not end in NUL"))?;
            self.rest = &rest[end..];
            return Ok(Some(rest[..end].to_owned()));
        }
        let Some(rest) = self.rest.strip_prefix(' ') else { return Ok(None) };
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find([' ', '\n']).unwrap_or(rest.len());
            self.rest = &rest[end..];
            return Ok(Some(rest[..end].to_owned()));
        };
        let mut text = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Ok(Some(text));
                }
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                c => text.push(c),
            }
        }
        Err(Failure::new("a quote is not closed"))
    }

    /// Goes on to the next command.
    fn end(&mut self, command: &str) -> Result<(), Failure> {
        let end = if self.nul { '\0' } else { '\n' };
        match self.rest.strip_prefix(end) {
            Some(rest) => self.rest = rest,
            // A part of a line is not obeyed.
            None if self.rest.is_empty() => {
                return Err(Failure::new(format!("'{command}' at the end of the input is cut off")));
            }
            None => return Err(Failure::new(format!("'{command}' has too many arguments"))),
        }
        Ok(())
    }
}
