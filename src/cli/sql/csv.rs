//! Records of a text file: comma-separated values as RFC 4180 says, or with any other separator.

use std::io::{self, BufRead};

/// Reads records one by one.
pub struct Records<R> {
    input: R,
    separator: u8,
    /// Whether quotes mean anything.
    quoted: bool,
    line: u64,
}

impl<R: BufRead> Records<R> {
    /// Reads values separated by `separator`; with `quoted` they may stand in double quotes.
    pub fn new(input: R, separator: u8, quoted: bool) -> Self {
        Self { input, separator, quoted, line: 0 }
    }

    /// Returns the number of the line that was read last.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Returns the next record; an unfinished quote is an error that names the line it began on.
    pub fn read(&mut self) -> io::Result<Option<Vec<Vec<u8>>>> {
        let mut text = Vec::new();
        if self.input.read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        let began = self.line;
        if began == 1 && text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        let mut record = Vec::new();
        let mut at = 0;
        loop {
            let mut field = Vec::new();
            if self.quoted && text.get(at) == Some(&b'"') {
                at += 1;
                loop {
                    match text.get(at) {
                        Some(b'"') if text.get(at + 1) == Some(&b'"') => {
                            field.push(b'"');
                            at += 2;
                        }
                        Some(b'"') => {
                            at += 1;
                            break;
                        }
                        Some(byte) => {
                            field.push(*byte);
                            at += 1;
                        }
                        None => {
                            text.clear();
                            at = 0;
                            if self.input.read_until(b'\n', &mut text)? == 0 {
                                let what = format!("the quote that line {began} begins is never closed");
                                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                            }
                            self.line += 1;
                        }
                    }
                }
            }
            // What follows a closing quote up to the separator belongs to the value, as in SQLite's shell.
            let rest = &text[at..];
            let end = rest.iter().position(|b| *b == self.separator || *b == b'\n').unwrap_or(rest.len());
            let ends_record = rest.get(end) != Some(&self.separator);
            let tail = &rest[..end];
            field.extend_from_slice(match ends_record {
                true => tail.strip_suffix(b"\r").unwrap_or(tail),
                false => tail,
            });
            record.push(field);
            at += end + 1;
            if ends_record {
                return Ok(Some(record));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, quoted: bool) -> Vec<Vec<String>> {
        let mut records = Records::new(text.as_bytes(), b',', quoted);
        let mut out = Vec::new();
        while let Some(record) = records.read().expect("sound") {
            out.push(record.into_iter().map(|f| String::from_utf8(f).expect("UTF-8")).collect());
        }
        out
    }

    #[test]
    fn values_may_be_quoted() {
        assert_eq!(
            all("a,b\r\n1,\"x,\"\"y\"\"\nz\"\n,\n", true),
            vec![vec!["a", "b"], vec!["1", "x,\"y\"\nz"], vec!["", ""]]
        );
        assert_eq!(all("\u{feff}a,\"b", false), vec![vec!["a", "\"b"]]);
        let unfinished = Records::new("x\n\"open\n".as_bytes(), b',', true);
        let mut unfinished = unfinished;
        unfinished.read().expect("sound");
        let error = unfinished.read().expect_err("open");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
