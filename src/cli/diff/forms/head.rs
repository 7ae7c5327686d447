//! The lines before the first difference of a file, as Git has them.

use std::io::{self, Write};

use crate::cli::render::path::{Quote, quoted};
use crate::cli::render::size::bytes;
use crate::cli::style::Theme;
use crate::model::FileMode;
use crate::repo::state::types::ChangeKind;
use crate::repo::worktree::diff::FileDiff;

/// The lines before the first difference, written when there is one.
pub(super) struct Head {
    text: Option<String>,
}

impl Head {
    /// Prepares the lines for a file.
    pub fn new(file: &FileDiff, theme: &Theme) -> Self {
        Self { text: Some(header(file, theme)) }
    }

    /// Writes the lines, if they were not yet.
    pub fn write(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match self.text.take() {
            Some(text) => out.write_all(text.as_bytes()),
            None => Ok(()),
        }
    }

    /// Tells whether the lines were written.
    pub fn is_written(&self) -> bool {
        self.text.is_none()
    }
}

/// Writes what there is to say of a file that is no database.
pub(super) fn other_bytes(out: &mut dyn Write, old_len: u64, new_len: u64) -> io::Result<()> {
    writeln!(out, "the bytes differ: {} → {}", bytes(old_len), bytes(new_len))
}

fn header(file: &FileDiff, theme: &Theme) -> String {
    let change = &file.change;
    let new = change.path.as_str();
    let was = change.renamed_from.as_ref().map(|p| p.as_str());
    let old = was.or(file.old_name.as_deref()).unwrap_or(new);
    let side = |letter: char, path: &str| quoted(&format!("{letter}/{path}"), Quote::People);
    let bold = theme.heading;
    let mut text = format!("{bold}diff --graft {} {}{bold:#}\n", side('a', old), side('b', new));
    let mode = |m: Option<FileMode>| m.map_or("100644", FileMode::octal);
    let mut line = |words: String| text.push_str(&format!("{bold}{words}{bold:#}\n"));
    match change.change {
        ChangeKind::Added => line(format!("new file mode {}", mode(change.new_mode))),
        ChangeKind::Deleted => line(format!("deleted file mode {}", mode(change.old_mode))),
        _ if change.old_mode != change.new_mode && change.old_mode.is_some() && change.new_mode.is_some() => {
            line(format!("old mode {}", mode(change.old_mode)));
            line(format!("new mode {}", mode(change.new_mode)));
        }
        _ => {}
    }
    if change.renamed_from.is_some() {
        line(format!("rename from {}", quoted(old, Quote::People)));
        line(format!("rename to {}", quoted(new, Quote::People)));
    }
    text
}
