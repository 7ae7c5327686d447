//! Rows as tables for people: `table`, `box`, `column` and `markdown`, laid out as SQLite's shell does.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

use super::mode::{Form, Mode};
use super::writer::{Writer, shown};
use crate::sqlite::sql::Cells;

/// Gathers rows, since the widths of the columns follow from all of them.
pub struct Grid {
    form: Form,
    header: Vec<String>,
    rows: Vec<Vec<Vec<String>>>,
}

impl Grid {
    /// Makes an empty one.
    pub fn new(form: Form) -> Self {
        Self { form, header: Vec::new(), rows: Vec::new() }
    }

    fn widths(&self) -> Vec<usize> {
        let least = |i: usize| self.form.widths.get(i).map_or(0, |w| w.unsigned_abs() as usize);
        let mut widths: Vec<usize> = self.header.iter().enumerate().map(|(i, h)| width(h).max(least(i))).collect();
        for row in &self.rows {
            for (have, cell) in widths.iter_mut().zip(row) {
                *have = cell.iter().map(|l| width(l)).max().unwrap_or(0).max(*have);
            }
        }
        widths
    }
}

/// Puts a value on display: split at line ends, tabs widened, control characters made visible.
fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split('\n')
        .map(|line| {
            let mut out = String::with_capacity(line.len());
            for c in line.trim_end_matches('\r').chars() {
                match c {
                    '\t' => {
                        let to = (width(&out) / 8 + 1) * 8;
                        out.extend(std::iter::repeat_n(' ', to - width(&out)));
                    }
                    '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or(' ')),
                    '\x7f' => out.push('\u{2421}'),
                    c if c.is_control() => out.push('\u{fffd}'),
                    c => out.push(c),
                }
            }
            out
        })
        .collect()
}

fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The lines between cells of a mode.
struct Frame {
    top: Option<[&'static str; 4]>,
    middle: [&'static str; 4],
    bottom: Option<[&'static str; 4]>,
    side: &'static str,
}

fn frame(mode: Mode) -> Frame {
    match mode {
        Mode::Box => Frame {
            top: Some(["┌", "─", "┬", "┐"]),
            middle: ["├", "─", "┼", "┤"],
            bottom: Some(["└", "─", "┴", "┘"]),
            side: "│",
        },
        Mode::Table => Frame {
            top: Some(["+", "-", "+", "+"]),
            middle: ["+", "-", "+", "+"],
            bottom: Some(["+", "-", "+", "+"]),
            side: "|",
        },
        _ => Frame { top: None, middle: ["|", "-", "|", "|"], bottom: None, side: "|" },
    }
}

fn rule(widths: &[usize], parts: [&str; 4]) -> String {
    let bars: Vec<String> = widths.iter().map(|w| parts[1].repeat(w + 2)).collect();
    format!("{}{}{}\n", parts[0], bars.join(parts[2]), parts[3])
}

impl Writer for Grid {
    fn begin(&mut self, columns: &[String], _: &mut dyn Write) -> io::Result<()> {
        self.header = columns.iter().map(|c| lines(c.as_bytes()).join(" ")).collect();
        Ok(())
    }

    fn row(&mut self, cells: &Cells<'_>, _: &mut dyn Write) -> io::Result<()> {
        self.rows.push(cells.iter().map(|c| lines(&shown(c, &self.form.null))).collect());
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let widths = self.widths();
        let to_right = |i: usize| self.form.widths.get(i).is_some_and(|w| *w < 0);
        let pad = |i: usize, text: &str| {
            let space = " ".repeat(widths[i].saturating_sub(width(text)));
            if to_right(i) { format!("{space}{text}") } else { format!("{text}{space}") }
        };
        let several = self.rows.iter().any(|row| row.iter().any(|cell| cell.len() > 1));
        let last = self.rows.len() - 1;
        let empty = String::new();
        let row_lines = |row: &[Vec<String>]| -> Vec<Vec<String>> {
            let height = row.iter().map(Vec::len).max().unwrap_or(1);
            let at = |n: usize| row.iter().enumerate().map(|(i, c)| pad(i, c.get(n).unwrap_or(&empty))).collect();
            (0..height).map(at).collect()
        };
        if self.form.mode == Mode::Column {
            if self.form.header != Some(false) {
                let names: Vec<String> = self.header.iter().enumerate().map(|(i, h)| pad(i, h)).collect();
                let bars: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
                writeln!(out, "{}\n{}", names.join("  "), bars.join("  "))?;
            }
            for (n, row) in self.rows.iter().enumerate() {
                for line in row_lines(row) {
                    writeln!(out, "{}", line.join("  "))?;
                }
                if several && n < last {
                    writeln!(out)?;
                }
            }
            return Ok(());
        }
        let frame = frame(self.form.mode);
        let between = format!(" {} ", frame.side);
        if let Some(parts) = frame.top {
            out.write_all(rule(&widths, parts).as_bytes())?;
        }
        let centred = |(i, h): (usize, &String)| {
            let space = widths[i] - width(h);
            format!("{}{h}{}", " ".repeat(space / 2), " ".repeat(space - space / 2))
        };
        let names: Vec<String> = self.header.iter().enumerate().map(centred).collect();
        writeln!(out, "{side} {} {side}", names.join(&between), side = frame.side)?;
        out.write_all(rule(&widths, frame.middle).as_bytes())?;
        for (n, row) in self.rows.iter().enumerate() {
            for line in row_lines(row) {
                writeln!(out, "{side} {} {side}", line.join(&between), side = frame.side)?;
            }
            if several && n < last && self.form.mode != Mode::Markdown {
                out.write_all(rule(&widths, frame.middle).as_bytes())?;
            }
        }
        match frame.bottom {
            Some(parts) => out.write_all(rule(&widths, parts).as_bytes()),
            None => Ok(()),
        }
    }
}
