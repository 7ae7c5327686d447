//! Objects as `cat-file -p` and `ls-tree` show them.

use std::fmt::Write;

use super::path::{Quote, quoted};
use crate::cli::style::Theme;
use crate::model::{Commit, Signature, Snapshot, Tag, Tree};

/// Writes a commit in the shape of Git's commit objects.
pub fn commit(commit: &Commit) -> String {
    let mut text = format!("tree {}\n", commit.tree);
    for parent in &commit.parents {
        text += &format!("parent {parent}\n");
    }
    text += &format!("author {}\ncommitter {}\n", stamped(&commit.author), stamped(&commit.committer));
    text + "\n" + &ended(&commit.message)
}

/// Writes a tag in the shape of Git's tag objects.
pub fn tag(tag: &Tag) -> String {
    format!("object {}\ntag {}\ntagger {}\n\n{}", tag.target, tag.name, stamped(&tag.tagger), ended(&tag.message))
}

/// Writes a tag as Git's `show` does; `date` is when it was made.
pub fn tag_for_people(tag: &Tag, date: &str, theme: &Theme) -> String {
    let style = theme.id;
    format!("{style}tag {}{style:#}\nTagger: {}\nDate:   {date}\n\n{}", tag.name, tag.tagger, ended(&tag.message))
}

/// Writes a tree, one line per file.
pub fn tree(tree: &Tree) -> String {
    tree.entries()
        .iter()
        .map(|e| format!("{} snapshot {}\t{}\n", e.mode.octal(), e.snapshot, quoted(e.path.as_str(), Quote::Scripts)))
        .collect()
}

/// Writes a snapshot: what it is, and the storage commits it consists of, newest first.
pub fn snapshot(snapshot: &Snapshot) -> String {
    let mut text = format!(
        "kind {}\nvolume {}\nbytes {}\npages {}\n",
        kind(snapshot),
        snapshot.volume,
        snapshot.byte_len,
        snapshot.page_count
    );
    for range in &snapshot.ranges {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "log {} {}..{}", range.log, range.start, range.end);
        for (i, hash) in range.commits.iter().enumerate().rev() {
            let _ = writeln!(text, "  {} {hash}", range.start.get().saturating_add(i as u64));
        }
    }
    text
}

/// Names what kind of file a snapshot is of.
pub fn kind(snapshot: &Snapshot) -> &'static str {
    match snapshot.kind {
        crate::model::FileKind::Sqlite => "sqlite",
        crate::model::FileKind::Opaque => "opaque",
    }
}

fn stamped(who: &Signature) -> String {
    let sign = if who.offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (who.offset.unsigned_abs() / 60, who.offset.unsigned_abs() % 60);
    format!("{who} {} {sign}{hours:02}{minutes:02}", who.time)
}

fn ended(message: &str) -> String {
    if message.is_empty() || message.ends_with('\n') { message.to_owned() } else { format!("{message}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileKind, FileMode, LogRange, Lsn, ObjectId, RepoPath, TreeEntry};

    fn id(n: u8) -> ObjectId {
        ObjectId::from_bytes([n; 32])
    }

    fn ada() -> Signature {
        Signature { name: "Ada".into(), email: "ada@example.org".into(), time: 1_700_000_000, offset: -90 }
    }

    #[test]
    fn objects_look_like_gits() {
        let made = Commit {
            tree: id(0x11),
            parents: vec![id(0x22)],
            generation: 2,
            author: ada(),
            committer: ada(),
            message: "first".into(),
        };
        let text = format!(
            "tree {}\nparent {}\nauthor Ada <ada@example.org> 1700000000 -0130\ncommitter Ada <ada@example.org> 1700000000 \
             -0130\n\nfirst\n",
            "11".repeat(32),
            "22".repeat(32)
        );
        assert_eq!(commit(&made), text);
        let entry =
            TreeEntry { path: RepoPath::new("é.db").expect("plain"), mode: FileMode::Regular, snapshot: id(1) };
        assert_eq!(tree(&Tree::new(vec![entry])), format!("100644 snapshot {}\t\"\\303\\251.db\"\n", "01".repeat(32)));
        let made = Tag { target: id(3), name: "v1".into(), tagger: ada(), message: "m\n".into() };
        assert!(tag(&made).ends_with("\ntag v1\ntagger Ada <ada@example.org> 1700000000 -0130\n\nm\n"));
    }

    #[test]
    fn a_snapshot_lists_its_storage_commits_newest_first() {
        let hash = |n| crate::model::CommitHash::from_bytes([n; 32]);
        let made = Snapshot {
            volume: crate::model::VolumeId::new(1, [2; 9]),
            kind: FileKind::Sqlite,
            page_count: 2,
            byte_len: 8192,
            ranges: vec![LogRange {
                log: crate::model::LogId::new(1, [2; 9]),
                start: Lsn::FIRST,
                end: Lsn::new(2).expect("2"),
                commits: vec![hash(1), hash(2)],
            }],
        };
        let text = snapshot(&made);
        assert!(text.starts_with("kind sqlite\nvolume "), "{text}");
        assert!(text.ends_with(&format!(" 1..2\n  2 {}\n  1 {}\n", hash(2), hash(1))), "{text}");
    }
}
