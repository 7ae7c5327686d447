//! Changes of files: the lines of `--stat`, and the summary after a commit.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::path::{Quote, quoted};
use super::size::{bytes, count};
use crate::cli::style::Theme;
use crate::model::page::PAGE_SIZE;
use crate::model::{FileKind, FileMode};
use crate::repo::state::types::{ChangeKind, FileChange};

/// Returns the letter that Git uses for a change.
pub fn letter(change: ChangeKind) -> char {
    match change {
        ChangeKind::Added => 'A',
        ChangeKind::Modified => 'M',
        ChangeKind::Deleted => 'D',
        ChangeKind::Renamed => 'R',
        ChangeKind::TypeChanged => 'T',
        ChangeKind::Unchanged => ' ',
    }
}

/// Returns the word for a change, as `status` and JSON use it.
pub fn word(change: ChangeKind) -> &'static str {
    match change {
        ChangeKind::Added => "new file",
        ChangeKind::Modified => "modified",
        ChangeKind::Deleted => "deleted",
        ChangeKind::Renamed => "renamed",
        ChangeKind::TypeChanged => "typechange",
        ChangeKind::Unchanged => "unchanged",
    }
}

/// Returns the word for a kind of file.
pub fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Sqlite => "sqlite",
        FileKind::Opaque => "opaque",
    }
}

/// Writes how much of a file changed: `3 pages, 12 KiB of 61 KiB`.
pub fn extent(file: &FileChange) -> String {
    match (file.change, file.pages_changed) {
        (ChangeKind::Added, _) => format!("new, {}", bytes(file.byte_len)),
        (ChangeKind::Deleted, _) => format!("gone, {}", bytes(file.byte_len)),
        (_, Some(0)) => "no pages".to_owned(),
        (_, Some(pages)) => {
            let changed = bytes(u64::from(pages) * PAGE_SIZE as u64);
            format!("{}, {changed} of {}", count(pages.into(), "page"), bytes(file.byte_len))
        }
        (_, None) => bytes(file.byte_len),
    }
}

/// Writes one line per file, names padded to one width, and the line of totals.
pub fn stat(files: &[FileChange], theme: &Theme) -> String {
    let names: Vec<String> = files.iter().map(name).collect();
    let width = names.iter().map(|n| n.width()).max().unwrap_or_default();
    let mut text = String::new();
    for (file, name) in files.iter().zip(&names) {
        let style = match file.change {
            ChangeKind::Added => theme.added,
            ChangeKind::Deleted => theme.removed,
            _ => anstyle::Style::new(),
        };
        let padding = " ".repeat(width - name.width());
        // Writing into a String cannot fail, here and below.
        let _ = writeln!(text, " {name}{padding} | {style}{}{style:#}", extent(file));
    }
    text + &totals(files)
}

/// Writes ` 2 files changed, 5 pages, 20 KiB`.
pub fn totals(files: &[FileChange]) -> String {
    let pages: u64 = files.iter().filter_map(|f| f.pages_changed).map(u64::from).sum();
    let files = count(files.len() as u64, "file");
    format!(" {files} changed, {}, {}\n", count(pages, "page"), bytes(pages * PAGE_SIZE as u64))
}

/// Writes a line for every file that appeared, went, moved or changed its mode, as Git does after a commit.
pub fn summary(files: &[FileChange]) -> String {
    let mut text = String::new();
    for file in files {
        let mode = |m: Option<FileMode>| m.map_or("100644", FileMode::octal);
        let path = quoted(file.path.as_str(), Quote::People);
        match file.change {
            ChangeKind::Added => {
                let _ = writeln!(text, " create mode {} {path}", mode(file.new_mode));
            }
            ChangeKind::Deleted => {
                let _ = writeln!(text, " delete mode {} {path}", mode(file.old_mode));
            }
            ChangeKind::Renamed => {
                let _ = writeln!(text, " rename {}", name(file));
            }
            _ if file.old_mode != file.new_mode && file.old_mode.is_some() && file.new_mode.is_some() => {
                let _ = writeln!(text, " mode change {} => {} {path}", mode(file.old_mode), mode(file.new_mode));
            }
            _ => {}
        }
    }
    text
}

/// Writes a letter and a path per file, both paths of a rename, as `--name-status` does.
pub fn name_status(files: &[FileChange]) -> String {
    files.iter().map(|file| status_line(file, &|path| quoted(path, Quote::Scripts))).collect()
}

/// Writes a letter and the path of a file, both paths of a rename; `name` says how a path is written.
pub fn status_line(file: &FileChange, name: &dyn Fn(&str) -> String) -> String {
    let path = name(file.path.as_str());
    match &file.renamed_from {
        Some(from) => format!("R\t{}\t{path}\n", name(from.as_str())),
        None => format!("{}\t{path}\n", letter(file.change)),
    }
}

/// Writes the path of a file for scripts.
pub fn path(file: &FileChange) -> String {
    quoted(file.path.as_str(), Quote::Scripts)
}

/// Writes both names of a file, with what they have in common before and behind the braces, as Git does.
pub fn renamed(old: &str, new: &str) -> String {
    let (shown_old, shown_new) = (quoted(old, Quote::Scripts), quoted(new, Quote::Scripts));
    if shown_old != old || shown_new != new {
        return format!("{shown_old} => {shown_new}");
    }
    let same = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    let prefix = old[..same].rfind('/').map_or(0, |at| at + 1);
    // The slash of the prefix may be that of the rest, too.
    let rest = |path: &str| path.len() - prefix.saturating_sub(1);
    let ends = old.bytes().rev().zip(new.bytes().rev()).take(rest(old).min(rest(new)));
    let same = ends.take_while(|(a, b)| a == b).count();
    let suffix = old[old.len() - same..].find('/').map_or(0, |at| same - at);
    let middle = |path: &str| path.get(prefix..path.len() - suffix).unwrap_or_default().to_owned();
    match prefix + suffix {
        0 => format!("{old} => {new}"),
        _ => format!("{}{{{} => {}}}{}", &old[..prefix], middle(old), middle(new), &old[old.len() - suffix..]),
    }
}

fn name(file: &FileChange) -> String {
    let path = quoted(file.path.as_str(), Quote::People);
    match &file.renamed_from {
        Some(from) => format!("{} => {path}", quoted(from.as_str(), Quote::People)),
        None => path,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{ObjectId, RepoPath};

    /// A change of a database of 61 KiB.
    pub fn change(path: &str, change: ChangeKind, pages_changed: Option<u32>) -> FileChange {
        let there = |is: bool| is.then(|| ObjectId::from_bytes([7; 32]));
        let (old, new) = (change != ChangeKind::Added, change != ChangeKind::Deleted);
        FileChange {
            path: RepoPath::new(path).expect("plain"),
            change,
            kind: FileKind::Sqlite,
            old: there(old),
            new: there(new),
            old_mode: old.then_some(FileMode::Regular),
            new_mode: new.then_some(FileMode::Regular),
            byte_len: 61 * 1024,
            page_count: 16,
            pages_changed,
            renamed_from: None,
        }
    }

    pub fn renamed(from: &str, to: &str) -> FileChange {
        let renamed_from = Some(RepoPath::new(from).expect("plain"));
        FileChange { renamed_from, ..change(to, ChangeKind::Renamed, Some(0)) }
    }

    #[test]
    fn stat_says_pages_and_bytes() {
        let files = [
            change("app.db", ChangeKind::Modified, Some(3)),
            change("data/new.db", ChangeKind::Added, Some(16)),
            change("old.db", ChangeKind::Deleted, Some(16)),
            renamed("a.db", "b.db"),
        ];
        assert_eq!(
            stat(&files, &Theme::plain()),
            " app.db       | 3 pages, 12 KiB of 61 KiB\n data/new.db  | new, 61 KiB\n old.db       | gone, 61 KiB\n a.db => b.db \
             | no pages\n 4 files changed, 35 pages, 140 KiB\n"
        );
        assert_eq!(extent(&change("x", ChangeKind::Modified, Some(1))), "1 page, 4 KiB of 61 KiB");
        assert_eq!(extent(&change("x", ChangeKind::Modified, None)), "61 KiB");
    }

    #[test]
    fn summary_names_what_came_went_moved_or_changed_mode() {
        let executable =
            FileChange { new_mode: Some(FileMode::Executable), ..change("m.db", ChangeKind::Modified, Some(0)) };
        let files = [
            change("app.db", ChangeKind::Modified, Some(3)),
            change("n\"ew.db", ChangeKind::Added, Some(16)),
            change("old.db", ChangeKind::Deleted, Some(16)),
            renamed("a.db", "b.db"),
            executable,
        ];
        assert_eq!(
            summary(&files),
            " create mode 100644 \"n\\\"ew.db\"\n delete mode 100644 old.db\n rename a.db => b.db\n mode change 100644 => 100755 \
             m.db\n"
        );
    }
}
