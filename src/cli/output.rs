//! Standard output: buffered, through a pager if asked, closed quietly when the reader has gone.

use std::io::{self, BufWriter, IsTerminal, Seek, SeekFrom, Stdout, Write};

use tempfile::SpooledTempFile;

use super::args::Globals;
use super::pager::Pager;
use super::style::{self, Theme};

/// Where a command writes its data.
pub struct Output {
    sink: Sink,
    /// Styles for the roles of texts.
    pub theme: Theme,
    /// Whether data is wanted as JSON.
    pub json: bool,
    may_page: bool,
    flush_each: bool,
    terminal: bool,
}

enum Sink {
    Stdout(BufWriter<Stdout>),
    Pager(Pager),
    Memory(Vec<u8>),
    Held(Box<Sink>, BufWriter<SpooledTempFile>),
}

/// Bytes held in memory; more go into a temporary file.
const HELD: usize = 1 << 20;

impl Output {
    /// Writes to standard output.
    pub fn stdout(globals: &Globals) -> Self {
        Self {
            sink: Sink::Stdout(BufWriter::with_capacity(64 * 1024, io::stdout())),
            theme: Theme::new(!globals.json && style::on_stdout(globals.color)),
            json: globals.json,
            may_page: !globals.no_pager && !globals.json && io::stdout().is_terminal(),
            flush_each: io::stdout().is_terminal(),
            terminal: io::stdout().is_terminal(),
        }
    }

    /// Gathers what is written.
    #[cfg(test)]
    pub fn memory() -> Self {
        Self {
            sink: Sink::Memory(Vec::new()),
            theme: Theme::plain(),
            json: false,
            may_page: false,
            flush_each: false,
            terminal: false,
        }
    }

    /// Returns what was gathered in memory; empty for other outputs.
    #[cfg(test)]
    pub fn into_text(self) -> String {
        match self.sink {
            Sink::Memory(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => String::new(),
        }
    }

    /// Tells whether a person reads along, directly or through the pager.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Tells whether a pager may be started.
    pub fn may_page(&self) -> bool {
        self.may_page
    }

    /// Sends what follows through `pager`.
    pub fn page_through(&mut self, pager: Pager) {
        self.may_page = false;
        self.flush_each = false;
        match &mut self.sink {
            Sink::Held(sink, _) => **sink = Sink::Pager(pager),
            sink => *sink = Sink::Pager(pager),
        }
    }

    /// Holds back what follows, so that whoever reads it slowly does not hold up those who wait for what it is made from.
    pub fn hold(&mut self) {
        let file = BufWriter::new(SpooledTempFile::new(HELD));
        let sink = std::mem::replace(&mut self.sink, Sink::Memory(Vec::new()));
        self.sink = Sink::Held(Box::new(sink), file);
    }

    /// Lets go of what was held back.
    pub fn release(&mut self) -> io::Result<()> {
        let Sink::Held(sink, file) = std::mem::replace(&mut self.sink, Sink::Memory(Vec::new())) else { return Ok(()) };
        self.sink = *sink;
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        io::copy(&mut file, self)?;
        Ok(())
    }

    /// Flushes, and waits for the pager.
    pub fn finish(&mut self) -> io::Result<()> {
        let done = self.flush();
        if let Sink::Pager(pager) = &mut self.sink {
            pager.wait();
        }
        done
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.sink {
            Sink::Stdout(out) => out.write(bytes),
            Sink::Pager(pager) => pager.write(bytes),
            Sink::Memory(out) => out.write(bytes),
            Sink::Held(_, file) => file.write(bytes),
        }?;
        if self.flush_each && bytes.ends_with(b"\n") {
            self.flush()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stdout(out) => out.flush(),
            Sink::Pager(pager) => pager.flush(),
            Sink::Memory(_) | Sink::Held(..) => Ok(()),
        }
    }
}
