//! `status --porcelain=v2`: letters, modes, ids and a path per line, exactly as Git writes them.

use std::collections::BTreeMap;

use super::View;
use crate::cli::render::change::letter;
use crate::cli::render::path::{Quote, quoted};
use crate::model::{FileMode, ObjectId};
use crate::repo::state::index::Index;
use crate::repo::state::refs::Head;
use crate::repo::state::types::{ChangeKind, FileChange};

/// How the lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PorcelainV2 {
    /// Entries end with NUL and are not quoted (`-z`).
    pub nul: bool,
    /// Lines about the branch come first (`-b`).
    pub branch: bool,
}

/// Writes the lines; `index` has the states of files that are not staged to change.
pub fn porcelain_v2(view: &View<'_>, index: &Index, commit: Option<ObjectId>, form: PorcelainV2) -> String {
    let end = if form.nul { '\0' } else { '\n' };
    let shown = |path: &str| if form.nul { path.to_owned() } else { quoted(path, Quote::Scripts) };
    let mut lines = if form.branch { headers(view, commit) } else { Vec::new() };
    let mut files: BTreeMap<&str, (Option<&FileChange>, Option<&FileChange>)> = BTreeMap::new();
    for file in view.staged {
        files.entry(file.path.as_str()).or_default().0 = Some(file);
    }
    for file in view.unstaged {
        files.entry(file.path.as_str()).or_default().1 = Some(file);
    }
    for (path, (staged, unstaged)) in files {
        let mark = |file: Option<&FileChange>| file.map_or('.', |f| letter(f.change));
        let file = staged.or(unstaged).expect("a path is listed for one of the two");
        let known = index.get(&file.path);
        let of_index = (known.map(|e| e.mode), known.map(|e| e.snapshot));
        let of_head = staged.map_or(of_index, |f| (f.old_mode, f.old));
        let in_worktree = unstaged.map_or(of_index.0, |f| f.new_mode);
        let states = format!(
            "{}{} N... {} {} {} {} {}",
            mark(staged),
            mark(unstaged),
            mode(of_head.0),
            mode(of_index.0),
            mode(in_worktree),
            id(of_head.1),
            id(of_index.1)
        );
        lines.push(match staged.and_then(|f| Some((f, f.renamed_from.as_ref()?))) {
            Some((file, old)) => {
                let between = if form.nul { '\0' } else { '\t' };
                format!("2 {states} R{} {}{between}{}", likeness(file), shown(path), shown(old.as_str()))
            }
            None => format!("1 {states} {}", shown(path)),
        });
    }
    lines.extend(view.untracked.unwrap_or_default().iter().map(|path| format!("? {}", shown(path))));
    lines.into_iter().map(|line| format!("{line}{end}")).collect()
}

fn headers(view: &View<'_>, commit: Option<ObjectId>) -> Vec<String> {
    let mut lines = vec![
        format!("# branch.oid {}", commit.map_or("(initial)".to_owned(), |id| id.to_string())),
        match view.head {
            Head::Branch(name) => format!("# branch.head {}", name.short()),
            Head::Detached(_) => "# branch.head (detached)".to_owned(),
        },
    ];
    if let Some(upstream) = view.upstream {
        lines.push(format!("# branch.upstream {}", upstream.name));
        lines.extend(upstream.apart.map(|(ahead, behind)| format!("# branch.ab +{ahead} -{behind}")));
    }
    lines
}

fn mode(mode: Option<FileMode>) -> &'static str {
    mode.map_or("000000", FileMode::octal)
}

fn id(id: Option<ObjectId>) -> ObjectId {
    id.unwrap_or(ObjectId::from_bytes([0; 32]))
}

/// Returns how many of a hundred pages of a renamed file are as they were.
fn likeness(file: &FileChange) -> u64 {
    let (all, changed) = (u64::from(file.page_count), u64::from(file.pages_changed.unwrap_or_default()));
    if file.change != ChangeKind::Renamed || all == 0 { 100 } else { 100 * all.saturating_sub(changed) / all }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{main, view};
    use super::*;
    use crate::cli::render::change::tests::{change, renamed};
    use crate::cli::render::status::Upstream;

    #[test]
    fn every_part_of_a_line_is_where_git_has_it() {
        let staged = [
            change("n w.db", ChangeKind::Added, None),
            change("gone.db", ChangeKind::Deleted, None),
            FileChange { pages_changed: Some(4), ..renamed("old\t.db", "é.db") },
        ];
        let untracked = ["a b/".to_owned()];
        let head = main();
        let view = View {
            upstream: Some(Upstream { name: "origin/main", apart: Some((1, 2)) }),
            ..view(&head, &staged, &[], &untracked)
        };
        let text = |nul, branch| porcelain_v2(&view, &Index::default(), None, PorcelainV2 { nul, branch });
        let (zero, seven) = ("00".repeat(32), "07".repeat(32));
        let files = format!(
            "1 D. N... 100644 000000 000000 {seven} {zero} gone.db\n\
             1 A. N... 000000 000000 000000 {zero} {zero} n w.db\n\
             2 R. N... 100644 000000 000000 {seven} {zero} R75 \"\\303\\251.db\"\t\"old\\t.db\"\n\
             ? a b/\n"
        );
        assert_eq!(text(false, false), files);
        let headers = "# branch.oid (initial)\n# branch.head main\n# branch.upstream origin/main\n# branch.ab +1 -2\n";
        assert_eq!(text(false, true), format!("{headers}{files}"));
        assert!(text(true, false).contains("R75 é.db\0old\t.db\0? a b/\0"));
    }
}
