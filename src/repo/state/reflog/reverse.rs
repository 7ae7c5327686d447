//! Reads the lines of a file from its end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes read at a time: some forty lines.
const BLOCK: u64 = 8192;

/// The complete lines of a file, last first.
pub struct ReverseLines {
    file: File,
    /// Where the bytes of `tail` begin in the file.
    start: u64,
    /// Bytes not yet given out; ends just behind a newline once the torn end is cut off.
    tail: Vec<u8>,
    /// Whether a torn end was looked for.
    trimmed: bool,
}

impl ReverseLines {
    /// Starts at the present end of the file.
    pub fn new(file: File) -> io::Result<Self> {
        let start = file.metadata()?.len();
        Ok(Self { file, start, tail: Vec::new(), trimmed: false })
    }

    /// Returns the next line towards the beginning, without its newline, and its offset.
    pub fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        self.trim()?;
        if self.tail.is_empty() && !self.fill()? {
            return Ok(None);
        }
        loop {
            let body = &self.tail[..self.tail.len() - 1];
            if let Some(at) = body.iter().rposition(|&b| b == b'\n') {
                let mut line = self.tail.split_off(at + 1);
                line.pop();
                return Ok(Some((self.start + at as u64 + 1, line)));
            }
            if !self.fill()? {
                let mut line = std::mem::take(&mut self.tail);
                line.pop();
                return Ok(Some((0, line)));
            }
        }
    }

    /// Returns where the torn end begins, if it ends in zeros, as what was being written never does.
    pub fn zeros_at_end(&mut self) -> io::Result<Option<u64>> {
        let mut last = [1];
        if self.start > 0 {
            self.file.read_exact_at(&mut last, self.start - 1)?;
        }
        Ok(if last == [0] { Some(self.whole_len()?) } else { None })
    }

    /// Returns the length of the file without a torn last line.
    pub fn whole_len(&mut self) -> io::Result<u64> {
        self.trim()?;
        Ok(self.start + self.tail.len() as u64)
    }

    /// Drops what follows the last newline of the file.
    fn trim(&mut self) -> io::Result<()> {
        while !self.trimmed {
            match self.tail.iter().rposition(|&b| b == b'\n') {
                Some(at) => {
                    self.tail.truncate(at + 1);
                    self.trimmed = true;
                }
                None => {
                    self.tail.clear();
                    self.trimmed = !self.fill()?;
                }
            }
        }
        Ok(())
    }

    /// Reads one more block before `tail`; false at the beginning of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start == 0 {
            return Ok(false);
        }
        let from = self.start.saturating_sub(BLOCK);
        let mut block = vec![0; (self.start - from) as usize];
        self.file.read_exact_at(&mut block, from)?;
        block.append(&mut self.tail);
        self.tail = block;
        self.start = from;
        Ok(true)
    }
}
