//! `status -s` and `status --porcelain`: two letters and a path per line, exactly as Git writes them (version 1).

use std::collections::BTreeMap;

use super::View;
use crate::cli::ref_format::track;
use crate::cli::render::change::letter;
use crate::cli::render::path::{Quote, quoted, relative};
use crate::cli::style::Theme;
use crate::repo::state::refs::Head;
use crate::repo::state::types::FileChange;

/// Which of the short forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortForm {
    /// For scripts: paths from the top of the worktree, quoted by Git's rules (`--porcelain`).
    pub porcelain: bool,
    /// Entries end with NUL and are not quoted (`-z`).
    pub nul: bool,
    /// A first line about the branch (`-b`).
    pub branch: bool,
}

/// Writes the short form.
pub fn short(view: &View<'_>, form: ShortForm, theme: &Theme) -> String {
    let end = if form.nul { '\0' } else { '\n' };
    let mut text = String::new();
    if form.branch {
        let branch = match view.head {
            Head::Branch(name) if view.unborn => {
                format!("No commits yet on {}{}{:#}", theme.staged, name.short(), theme.staged)
            }
            Head::Branch(name) => format!("{}{}{:#}", theme.staged, name.short(), theme.staged),
            Head::Detached(_) => format!("{}HEAD (no branch){:#}", theme.unstaged, theme.unstaged),
        };
        let upstream = view.upstream.map_or(String::new(), |u| {
            let state = match track(u.apart) {
                apart if apart.is_empty() => apart,
                apart => format!(" [{apart}]"),
            };
            format!("...{}{}{:#}{state}", theme.unstaged, u.name, theme.unstaged)
        });
        text += &format!("## {branch}{upstream}{end}");
    }
    let mut files: BTreeMap<&str, (Option<&FileChange>, Option<&FileChange>)> = BTreeMap::new();
    for file in view.staged {
        files.entry(file.path.as_str()).or_default().0 = Some(file);
    }
    for file in view.unstaged {
        files.entry(file.path.as_str()).or_default().1 = Some(file);
    }
    for (path, (staged, unstaged)) in files {
        let mark = |file: Option<&FileChange>, style: anstyle::Style| match file.map_or(' ', |f| letter(f.change)) {
            ' ' => " ".to_owned(),
            letter => format!("{style}{letter}{style:#}"),
        };
        text += &format!("{}{} ", mark(staged, theme.staged), mark(unstaged, theme.unstaged));
        let old = staged.and_then(|f| f.renamed_from.as_ref()).or(unstaged.and_then(|f| f.renamed_from.as_ref()));
        text += &match old {
            Some(old) if form.nul => format!("{path}\0{old}"),
            Some(old) => format!("{} -> {}", shown(old.as_str(), view.from, form), shown(path, view.from, form)),
            None => shown(path, view.from, form),
        };
        text.push(end);
    }
    for path in view.untracked.unwrap_or_default() {
        text += &format!("{}??{:#} {}{end}", theme.untracked, theme.untracked, shown(path, view.from, form));
    }
    text
}

fn shown(path: &str, from: &str, form: ShortForm) -> String {
    if form.nul {
        return if form.porcelain { path.to_owned() } else { relative(path, from) };
    }
    let (path, quote) = match form.porcelain {
        true => (path.to_owned(), Quote::Scripts),
        false => (relative(path, from), Quote::People),
    };
    match quoted(&path, quote) {
        // The two letters are set off by a space, so a path with one is quoted here though nowhere else.
        plain if plain.contains(' ') && !plain.starts_with('"') => format!("\"{plain}\""),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{main, view};
    use super::*;
    use crate::cli::render::change::tests::{change, renamed};
    use crate::model::ObjectId;
    use crate::repo::state::types::ChangeKind;

    const PORCELAIN: ShortForm = ShortForm { porcelain: true, nul: false, branch: false };

    #[test]
    fn letters_paths_and_quotes_are_gits() {
        let staged = [
            change("b.db", ChangeKind::Modified, None),
            change("a/n w.db", ChangeKind::Added, None),
            renamed("old.db", "é.db"),
        ];
        let unstaged = [change("b.db", ChangeKind::Modified, None), change("gone.db", ChangeKind::Deleted, None)];
        let untracked = ["data/".to_owned()];
        let head = main();
        let view = View { from: "a", ..view(&head, &staged, &unstaged, &untracked) };
        let text = |form| short(&view, form, &Theme::plain());
        assert_eq!(text(PORCELAIN), "A  \"a/n w.db\"\nMM b.db\n D gone.db\nR  old.db -> \"\\303\\251.db\"\n?? data/\n");
        assert_eq!(
            text(ShortForm { porcelain: false, branch: true, ..PORCELAIN }),
            "## main\nA  \"n w.db\"\nMM ../b.db\n D ../gone.db\nR  ../old.db -> ../é.db\n?? ../data/\n"
        );
        assert_eq!(
            text(ShortForm { nul: true, ..PORCELAIN }),
            "A  a/n w.db\0MM b.db\0 D gone.db\0R  é.db\0old.db\0?? data/\0"
        );
    }

    #[test]
    fn the_branch_line_tells_where_head_is() {
        let form = ShortForm { branch: true, ..PORCELAIN };
        let head = main();
        let unborn = View { unborn: true, ..view(&head, &[], &[], &[]) };
        assert_eq!(short(&unborn, form, &Theme::plain()), "## No commits yet on main\n");
        let head = Head::Detached(ObjectId::from_bytes([1; 32]));
        assert_eq!(short(&view(&head, &[], &[], &[]), form, &Theme::plain()), "## HEAD (no branch)\n");
    }

    #[test]
    fn colour_marks_the_letters_only() {
        let staged = [change("b.db", ChangeKind::Modified, None)];
        let head = main();
        let text = short(&view(&head, &staged, &[], &[]), PORCELAIN, &Theme::colored());
        assert_eq!(text, "\u{1b}[32mM\u{1b}[0m  b.db\n");
    }
}
