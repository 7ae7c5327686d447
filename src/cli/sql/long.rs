//! One answer at the prompt: short ones as they are, those longer than the screen through the pager.

use std::io::{self, Write};

use crate::cli::output::Output;
use crate::cli::pager::{self, Pager};

/// Holds an answer back until it is known whether it fits on the screen.
pub struct Long<'a> {
    out: &'a mut Output,
    configured: Option<String>,
    held: Vec<u8>,
    lines: usize,
    height: usize,
    through: Option<Through>,
}

enum Through {
    Pager(Pager),
    Plain,
}

impl<'a> Long<'a> {
    /// Begins an answer; `configured` is the pager of the configuration.
    pub fn new(out: &'a mut Output, configured: Option<String>) -> Self {
        let height = terminal_size::terminal_size().map_or(24, |(_, h)| usize::from(h.0));
        Self { out, configured, held: Vec::new(), lines: 0, height: height.saturating_sub(2).max(4), through: None }
    }

    /// Ends the answer, and waits until the user has left the pager.
    pub fn finish(mut self) -> io::Result<()> {
        match self.through.take() {
            Some(Through::Pager(mut pager)) => {
                let done = pager.flush();
                pager.wait();
                // Whoever leaves the pager early has seen enough.
                done.or_else(seen_enough)
            }
            _ => {
                self.out.write_all(&self.held)?;
                self.out.flush()
            }
        }
    }

    fn decide(&mut self) -> io::Result<()> {
        let command = pager::choose(&|name| std::env::var(name).ok(), self.configured.clone());
        let pager = command.and_then(|command| Pager::start(&command).ok());
        let held = std::mem::take(&mut self.held);
        match pager {
            Some(mut pager) => {
                pager.write_all(&held).or_else(seen_enough)?;
                self.through = Some(Through::Pager(pager));
            }
            None => {
                self.out.write_all(&held)?;
                self.through = Some(Through::Plain);
            }
        }
        Ok(())
    }
}

fn seen_enough(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    }
}

impl Write for Long<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.through {
            Some(Through::Pager(pager)) => {
                pager.write_all(bytes).or_else(seen_enough)?;
            }
            Some(Through::Plain) => self.out.write_all(bytes)?,
            None => {
                self.held.extend_from_slice(bytes);
                self.lines += bytes.iter().filter(|b| **b == b'\n').count();
                if self.lines > self.height {
                    self.decide()?;
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
