//! Dot-commands: what the shell of SQLite calls by these names, and `.at`, which moves through the history.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::dot_words::{self, KNOWN};
use super::mode::Mode;
use super::{Flow, Redirect, Shell, Stop, report};
use crate::cli::error::Failure;
use crate::cli::suggest;
use crate::sqlite::sql::{RunError, sqlite_version};

/// The width of a list of names.
const WIDTH: usize = 80;

impl Shell<'_> {
    /// Runs a line that begins with a dot.
    pub(super) fn run_dot(&mut self, line: &str) -> Flow {
        let words = dot_words::split(&line[1..]);
        let (name, rest) = words.split_first().map_or(("", &[][..]), |(n, r)| (n.as_str(), r));
        let Some(known) = dot_words::find(name) else {
            let failure = Failure::usage(format!("there is no command '.{name}'"));
            return self.fail(match suggest::nearest(name, KNOWN.iter().map(|k| k.name)) {
                Some(near) => failure.help(format!("did you mean '.{near}'?")),
                None => failure.help("'.help' lists them"),
            });
        };
        let first = rest.first().map(String::as_str);
        match known.name {
            "at" => self.at(first),
            "bail" => self.switch("bail", first, |s| &mut s.bail),
            "changes" => self.switch("changes", first, |s| &mut s.changes),
            "databases" => self.list_databases(),
            "dump" => self.dump(rest),
            "echo" => self.switch("echo", first, |s| &mut s.echo),
            "exit" => Err(Stop::Quit(first.and_then(|n| n.parse().ok()).unwrap_or(u8::from(self.failed)))),
            "headers" => match on_off(first) {
                Some(on) => {
                    self.form.header = Some(on);
                    Ok(())
                }
                None => self.fail(Failure::usage(".headers is on or off")),
            },
            "help" => self.help(),
            "import" => self.import(rest),
            "indexes" => self.names(first, |s, pattern| s.session.indexes(pattern)),
            "mode" => self.mode(rest),
            "nullvalue" => {
                self.form.null = first.unwrap_or_default().to_owned();
                Ok(())
            }
            "once" => self.redirect_to(first, true),
            "output" => self.redirect_to(first.filter(|f| *f != "stdout"), false),
            "print" => {
                let text = rest.join(" ");
                Ok(self.write(|out| writeln!(out, "{text}"))?)
            }
            "quit" => Err(Stop::Quit(u8::from(self.failed))),
            "read" => match first {
                Some(file) => self.run_file(Path::new(file)),
                None => self.fail(Failure::usage(".read needs a file")),
            },
            "schema" => self.schema(first),
            "separator" => match rest {
                [] => self.fail(Failure::usage(".separator needs what stands between values")),
                [column, row @ ..] => {
                    self.form.separators = (Some(column.clone()), row.first().cloned());
                    Ok(())
                }
            },
            "show" => self.show(),
            "tables" => self.names(first, |s, pattern| s.session.tables(pattern)),
            "timeout" => match first.and_then(|ms| ms.parse().ok()) {
                Some(ms) => {
                    self.ctx.globals.busy_timeout = Some(ms);
                    let done = self.session.wait_for_locks(std::time::Duration::from_millis(ms));
                    self.run_error(done)
                }
                None => self.fail(Failure::usage(".timeout needs a number of milliseconds")),
            },
            "timer" => self.switch("timer", first, |s| &mut s.timer),
            "version" => {
                let text = format!("graft {}\nSQLite {}\n", env!("CARGO_PKG_VERSION"), sqlite_version());
                Ok(self.write(|out| out.write_all(text.as_bytes()))?)
            }
            "width" => {
                self.form.widths = rest.iter().filter_map(|n| n.parse().ok()).collect();
                Ok(())
            }
            other => unreachable!("'.{other}' is listed and runs"),
        }
    }

    /// Goes on after an operation of the session, telling the user if it failed.
    fn run_error(&mut self, done: Result<(), RunError>) -> Flow {
        match done {
            Ok(()) => Ok(()),
            Err(RunError::Interrupted) => Err(Stop::Interrupted),
            Err(RunError::Output(e)) => Err(e.into()),
            Err(RunError::Sql(e)) => {
                let failure = Failure::new(e.message);
                let failure = match e.help {
                    Some(help) => failure.help(help),
                    None => failure,
                };
                self.fail(match e.cause {
                    Some(cause) => failure.because(cause.as_ref()),
                    None => failure,
                })
            }
        }
    }

    fn switch(&mut self, name: &str, word: Option<&str>, setting: fn(&mut Self) -> &mut bool) -> Flow {
        match on_off(word) {
            Some(on) => *setting(self) = on,
            None => return self.fail(Failure::usage(format!(".{name} is on or off"))),
        }
        Ok(())
    }

    fn at(&mut self, rev: Option<&str>) -> Flow {
        let Some(rev) = rev else {
            let text = self.place.rev.clone().unwrap_or_else(|| "the worktree".to_owned());
            return Ok(self.write(|out| writeln!(out, "{text}"))?);
        };
        if self.session.in_transaction() {
            let help = "end it with COMMIT or ROLLBACK first";
            return self.fail(Failure::new("a transaction is open").help(help));
        }
        match self.place.move_to((rev != "-").then(|| rev.to_owned())) {
            Ok(session) => {
                let before = std::mem::replace(&mut self.session, session);
                report::unrecorded(self.ctx, before.close());
            }
            Err(failure) => return self.fail(failure),
        }
        Ok(())
    }

    fn list_databases(&mut self) -> Flow {
        let databases = match self.session.databases() {
            Ok(databases) => databases,
            Err(e) => return self.run_error(Err(e)),
        };
        let mut text = String::new();
        for db in databases {
            let name = db.file.strip_prefix("graft-volume:").map(|name| name.strip_prefix("path:").unwrap_or(name));
            let file = name.unwrap_or(if db.file.is_empty() { "\"\"" } else { &db.file });
            let rev = db.rev.map_or(String::new(), |rev| format!(" at {rev}"));
            text += &format!("{}: {file}{rev} {}\n", db.name, if db.read_only { "r/o" } else { "r/w" });
        }
        Ok(self.write(|out| out.write_all(text.as_bytes()))?)
    }

    fn dump(&mut self, patterns: &[String]) -> Flow {
        let done = match &mut self.redirect {
            Some(redirect) => self
                .session
                .dump(patterns, &mut redirect.file)
                .and_then(|found| Ok(redirect.file.flush().map(|()| found)?)),
            None => self.session.dump(patterns, &mut self.ctx.out),
        };
        for (table, collation) in done.as_deref().unwrap_or_default() {
            self.ctx.say.warning(format_args!(
                "the table {table} needs the collation {collation}, which only its application has: so does what reads this script"
            ));
        }
        self.run_error(done.map(drop))
    }

    fn help(&mut self) -> Flow {
        let heads: Vec<String> = KNOWN.iter().map(|k| format!(".{} {}", k.name, k.arguments)).collect();
        let mut text = String::new();
        for (head, known) in heads.iter().zip(&KNOWN) {
            text += &format!("{head:<24} {}\n", known.about);
        }
        Ok(self.write(|out| out.write_all(text.as_bytes()))?)
    }

    fn names(&mut self, pattern: Option<&str>, list: fn(&Self, &str) -> Result<Vec<String>, RunError>) -> Flow {
        let names = match list(self, pattern.unwrap_or("%")) {
            Ok(names) => names,
            Err(e) => return self.run_error(Err(e)),
        };
        let widest = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
        let columns = (WIDTH / (widest + 2)).max(1);
        let rows = names.len().div_ceil(columns);
        let mut text = String::new();
        for row in 0..rows {
            let line: Vec<String> = names.iter().skip(row).step_by(rows).map(|n| format!("{n:<widest$}")).collect();
            text += &format!("{}\n", line.join("  "));
        }
        Ok(self.write(|out| out.write_all(text.as_bytes()))?)
    }

    fn mode(&mut self, words: &[String]) -> Flow {
        let Some(name) = words.first() else {
            let name = self.form.mode.name();
            return Ok(self.write(|out| writeln!(out, "{name}"))?);
        };
        let Some(mode) = Mode::named(name) else {
            let failure = Failure::usage(format!("there is no mode '{name}'"));
            return self.fail(failure.help(format!("modes are {}", Mode::names().join(", "))));
        };
        self.form.mode = mode;
        self.form.separators = (None, None);
        if let Some(table) = words.get(1) {
            self.form.table.clone_from(table);
        }
        Ok(())
    }

    fn redirect_to(&mut self, file: Option<&str>, once: bool) -> Flow {
        self.redirect = None;
        let Some(file) = file else {
            return if once { self.fail(Failure::usage(".once needs a file")) } else { Ok(()) };
        };
        match File::create(self.ctx.resolve(Path::new(file))) {
            Ok(opened) => self.redirect = Some(Redirect { file: BufWriter::new(opened), once }),
            Err(e) => return self.fail(Failure::new(format!("cannot write '{file}'")).because(&e)),
        }
        Ok(())
    }

    fn schema(&mut self, pattern: Option<&str>) -> Flow {
        match self.session.definitions(pattern) {
            Ok(statements) => {
                let text: String = statements.iter().map(|s| format!("{s}\n")).collect();
                Ok(self.write(|out| out.write_all(text.as_bytes()))?)
            }
            Err(e) => self.run_error(Err(e)),
        }
    }

    fn show(&mut self) -> Flow {
        let on = |yes: bool| if yes { "on" } else { "off" };
        let quoted = |text: &str| format!("\"{}\"", text.escape_debug());
        let widths: Vec<String> = self.form.widths.iter().map(i32::to_string).collect();
        let rows = [
            ("at", self.place.rev.clone().unwrap_or_else(|| "the worktree".to_owned())),
            ("bail", on(self.bail).to_owned()),
            ("changes", on(self.changes).to_owned()),
            ("echo", on(self.echo).to_owned()),
            ("headers", on(self.form.header.unwrap_or(false)).to_owned()),
            ("mode", self.form.mode.name().to_owned()),
            ("nullvalue", quoted(&self.form.null)),
            ("colseparator", quoted(self.form.column_separator())),
            ("rowseparator", quoted(self.form.row_separator())),
            ("timer", on(self.timer).to_owned()),
            ("width", widths.join(" ")),
            ("filename", self.place.shown.clone()),
        ];
        let text: String = rows.iter().map(|(name, value)| format!("{name:>12}: {value}\n")).collect();
        Ok(self.write(|out| out.write_all(text.as_bytes()))?)
    }
}

fn on_off(word: Option<&str>) -> Option<bool> {
    match word?.to_ascii_lowercase().as_str() {
        "on" | "yes" | "1" | "true" => Some(true),
        "off" | "no" | "0" | "false" => Some(false),
        _ => None,
    }
}
