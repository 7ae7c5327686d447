//! What `status` shows: Git's long form for people, its short form for eyes in a hurry and for scripts.

mod porcelain_v2;
mod short;

use std::fmt::Write;

use super::change::{extent, word};
use super::path::{Quote, seen};
use super::tracking;
use crate::cli::style::Theme;
use crate::repo::state::refs::Head;
use crate::repo::state::types::{ChangeKind, FileChange};
pub use porcelain_v2::{PorcelainV2, porcelain_v2};
pub use short::{ShortForm, short};

/// A status and from where it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Where HEAD is.
    pub head: &'a Head,
    /// Whether there is no commit yet.
    pub unborn: bool,
    /// Changes between HEAD's commit and the index.
    pub staged: &'a [FileChange],
    /// Changes between the index and the worktree.
    pub unstaged: &'a [FileChange],
    /// How many tracked files are not materialized.
    pub unmaterialized: usize,
    /// Files and folders (these end in `/`) that are not tracked; `None` if they were not looked for.
    pub untracked: Option<&'a [String]>,
    /// The folder where the user stands, relative to the top of the worktree; empty at the top.
    pub from: &'a str,
    /// What the branch follows.
    pub upstream: Option<Upstream<'a>>,
}

/// What a branch follows, as people write it, and how far the two are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upstream<'a> {
    /// The branch that is followed.
    pub name: &'a str,
    /// Commits that only the branch has, and only the other one; `None` if that is gone.
    pub apart: Option<(usize, usize)>,
}

/// Writes the long form; `head_name` abbreviates the commit of a detached HEAD.
pub fn long(view: &View<'_>, head_name: &str, theme: &Theme) -> String {
    let mut text = match view.head {
        Head::Branch(name) => format!("On branch {}\n", name.short()),
        Head::Detached(_) => format!("{}HEAD detached at {:#}{head_name}\n", theme.unstaged, theme.unstaged),
    };
    if let Some(upstream) = view.upstream {
        text += &following(upstream);
    }
    if view.unborn {
        text += "\nNo commits yet\n";
    }
    if view.unmaterialized > 0 {
        let n = view.unmaterialized;
        let files = if n == 1 { "1 tracked file is".to_owned() } else { format!("{n} tracked files are") };
        text += &format!("{files} not in the worktree yet (use \"graft materialize <file>...\" to write it)\n\n");
    }
    text += &sections(view, theme);
    let blank = if text.ends_with("\n\n") || !view.unborn { "" } else { "\n" };
    text + blank + verdict(view)
}

/// Says how the branch stands to what it follows, and what to do about that.
fn following(upstream: Upstream<'_>) -> String {
    let hint = match upstream.apart {
        None => {
            let name = upstream.name;
            return format!(
                "Your branch is based on '{name}', but the upstream is gone.\n  (use \"graft branch --unset-upstream\" to fixup)\n\n"
            );
        }
        Some((0, 0)) => "",
        Some((_, 0)) => "  (use \"graft push\" to publish your local commits)\n",
        Some((0, _)) => "  (use \"graft pull\" to update your local branch)\n",
        Some(_) => "  (use \"graft log --graph @ @{u}\" to look at both)\n",
    };
    format!("{}{hint}\n", tracking::sentence(upstream.name, upstream.apart.unwrap_or_default()))
}

/// Writes the sections of changed and untracked files, each with a blank line before and after it.
fn sections(view: &View<'_>, theme: &Theme) -> String {
    let mut text = String::new();
    let mut section = |title: &str, hints: &[&str], lines: &[String]| {
        if !lines.is_empty() {
            let hints: String = hints.iter().map(|h| format!("  (use \"graft {h})\n")).collect();
            // Writing into a String cannot fail.
            let _ = write!(text, "{title}:\n{hints}{}\n", lines.concat());
        }
    };
    let unstage =
        if view.unborn { "rm --cached <file>...\" to unstage" } else { "restore --staged <file>...\" to unstage" };
    let lines = |files: &[FileChange], style| files.iter().map(|f| line(f, view.from, style)).collect::<Vec<_>>();
    section("Changes to be committed", &[unstage], &lines(view.staged, theme.staged));
    let gone = view.unstaged.iter().any(|f| f.change == ChangeKind::Deleted);
    let add = if gone {
        "add/rm <file>...\" to update what will be committed"
    } else {
        "add <file>...\" to update what will be committed"
    };
    let discard = "restore -f <file>...\" to discard changes in working directory";
    section("Changes not staged for commit", &[add, discard], &lines(view.unstaged, theme.unstaged));
    let style = theme.untracked;
    let untracked = |p: &String| format!("\t{style}{}{style:#}\n", seen(p, view.from, Quote::People));
    let files: Vec<String> = view.untracked.unwrap_or_default().iter().map(untracked).collect();
    section("Untracked files", &["add <file>...\" to include in what will be committed"], &files);
    if view.unborn && !text.is_empty() { format!("\n{text}") } else { text }
}

fn line(file: &FileChange, from: &str, style: anstyle::Style) -> String {
    let shown = |path: &str| seen(path, from, Quote::People);
    let name = match &file.renamed_from {
        Some(old) => format!("{} -> {}", shown(old.as_str()), shown(file.path.as_str())),
        None => shown(file.path.as_str()),
    };
    let extent = match (file.change, file.pages_changed) {
        (ChangeKind::Modified | ChangeKind::Renamed, Some(1..)) => format!(" ({})", extent(file)),
        _ => String::new(),
    };
    let label = format!("{}:", word(file.change));
    format!("\t{style}{label:<12}{name}{style:#}{extent}\n")
}

/// Returns the last line: why a commit now would do nothing. Empty if it would do something.
fn verdict(view: &View<'_>) -> &'static str {
    if !view.staged.is_empty() {
        return "";
    }
    if !view.unstaged.is_empty() {
        return "no changes added to commit (use \"graft add\" and/or \"graft commit -a\")\n";
    }
    match view.untracked {
        None => "nothing to commit (use -u to show untracked files)\n",
        Some([]) if view.unborn => "nothing to commit (create/copy files and use \"graft add\" to track)\n",
        Some([]) => "nothing to commit, working tree clean\n",
        Some(_) => "nothing added to commit but untracked files present (use \"graft add\" to track)\n",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cli::render::change::tests::{change, renamed};
    use crate::model::{ObjectId, RefName};

    pub fn main() -> Head {
        Head::Branch(RefName::branch("main").expect("valid"))
    }

    pub fn view<'a>(
        head: &'a Head,
        staged: &'a [FileChange],
        unstaged: &'a [FileChange],
        untracked: &'a [String],
    ) -> View<'a> {
        View {
            head,
            unborn: false,
            staged,
            unstaged,
            unmaterialized: 0,
            untracked: Some(untracked),
            from: "",
            upstream: None,
        }
    }

    fn shown(view: &View<'_>) -> String {
        long(view, "1a2b3c4", &Theme::plain())
    }

    #[test]
    fn all_sections() {
        let staged = [change("new.db", ChangeKind::Added, Some(16)), renamed("a.db", "b.db")];
        let unstaged = [change("app.db", ChangeKind::Modified, Some(3)), change("old.db", ChangeKind::Deleted, None)];
        let untracked = ["data/".to_owned(), "tab\t.db".to_owned()];
        assert_eq!(
            shown(&view(&main(), &staged, &unstaged, &untracked)),
            "On branch main\n\
             Changes to be committed:\n  (use \"graft restore --staged <file>...\" to unstage)\n\
             \tnew file:   new.db\n\trenamed:    a.db -> b.db\n\n\
             Changes not staged for commit:\n  (use \"graft add/rm <file>...\" to update what will be committed)\n  \
             (use \"graft restore -f <file>...\" to discard changes in working directory)\n\
             \tmodified:   app.db (3 pages, 12 KiB of 61 KiB)\n\tdeleted:    old.db\n\n\
             Untracked files:\n  (use \"graft add <file>...\" to include in what will be committed)\n\
             \tdata/\n\t\"tab\\t.db\"\n\n"
        );
    }

    #[test]
    fn nothing_to_commit_says_why() {
        let clean = "On branch main\nnothing to commit, working tree clean\n";
        let head = main();
        assert_eq!(shown(&view(&head, &[], &[], &[])), clean);
        let unborn = View { unborn: true, ..view(&head, &[], &[], &[]) };
        assert_eq!(
            shown(&unborn),
            "On branch main\n\nNo commits yet\n\nnothing to commit (create/copy files and use \"graft add\" to track)\n"
        );
        let untracked = ["x.db".to_owned()];
        let unborn = View { unborn: true, ..view(&head, &[], &[], &untracked) };
        assert_eq!(
            shown(&unborn),
            "On branch main\n\nNo commits yet\n\nUntracked files:\n  (use \"graft add <file>...\" to include in what will be \
             committed)\n\tx.db\n\nnothing added to commit but untracked files present (use \"graft add\" to track)\n"
        );
        let detached = Head::Detached(ObjectId::from_bytes([1; 32]));
        let changed = [change("app.db", ChangeKind::Modified, None)];
        let text = shown(&view(&detached, &[], &changed, &[]));
        assert!(text.starts_with("HEAD detached at 1a2b3c4\nChanges not staged"), "{text}");
        assert!(
            text.ends_with("app.db\n\nno changes added to commit (use \"graft add\" and/or \"graft commit -a\")\n"),
            "{text}"
        );
        let unlooked = View { untracked: None, ..view(&detached, &[], &[], &[]) };
        assert!(shown(&unlooked).ends_with("nothing to commit (use -u to show untracked files)\n"));
    }

    #[test]
    fn files_that_never_arrived_are_counted() {
        let text = |n| shown(&View { unmaterialized: n, ..view(&main(), &[], &[], &[]) });
        assert_eq!(
            text(1),
            "On branch main\n1 tracked file is not in the worktree yet (use \"graft materialize <file>...\" to write it)\n\n\
             nothing to commit, working tree clean\n"
        );
        assert!(text(2).contains("2 tracked files are not"), "{}", text(2));
    }

    #[test]
    fn paths_are_seen_from_a_folder() {
        let changed = [change("a/app.db", ChangeKind::Modified, None), change("top.db", ChangeKind::Modified, None)];
        let text = shown(&View { from: "a", ..view(&main(), &changed, &[], &[]) });
        assert!(text.contains("modified:   app.db\n") && text.contains("modified:   ../top.db\n"), "{text}");
    }
}
