//! Values as `--json` shows them: ids as hexadecimal text, times as RFC 3339, words in lower case.

use serde::Serialize;

use super::change;
use super::date::rfc3339;
use crate::model::{Commit, FileMode, ObjectId, RefName, RepoPath, Signature, Tag, Tree, TreeEntry};
use crate::repo::state::types::{ChangeKind, FileChange, Warning};

/// A change of a file.
#[derive(Debug, Serialize)]
pub struct Change<'a> {
    path: &'a str,
    change: &'static str,
    kind: &'static str,
    old: Option<String>,
    new: Option<String>,
    old_mode: Option<&'static str>,
    new_mode: Option<&'static str>,
    bytes: u64,
    pages: u32,
    pages_changed: Option<u32>,
    renamed_from: Option<&'a str>,
}

/// Shows changes of files.
pub fn changes(files: &[FileChange]) -> Vec<Change<'_>> {
    files.iter().map(one_change).collect()
}

fn one_change(file: &FileChange) -> Change<'_> {
    Change {
        path: file.path.as_str(),
        change: match file.change {
            ChangeKind::Added => "added",
            ChangeKind::Modified => "modified",
            ChangeKind::Deleted => "deleted",
            ChangeKind::Renamed => "renamed",
            ChangeKind::TypeChanged => "type_changed",
            ChangeKind::Unchanged => "unchanged",
        },
        kind: change::kind(file.kind),
        old: file.old.map(|id| id.to_string()),
        new: file.new.map(|id| id.to_string()),
        old_mode: file.old_mode.map(FileMode::octal),
        new_mode: file.new_mode.map(FileMode::octal),
        bytes: file.byte_len,
        pages: file.page_count,
        pages_changed: file.pages_changed,
        renamed_from: file.renamed_from.as_ref().map(RepoPath::as_str),
    }
}

/// Who did something, and when.
#[derive(Debug, Serialize)]
pub struct Person<'a> {
    name: &'a str,
    email: &'a str,
    date: Option<String>,
    unix: i64,
}

/// Shows a signature.
pub fn person(who: &Signature) -> Person<'_> {
    Person { name: &who.name, email: &who.email, date: rfc3339(who.time, who.offset), unix: who.time }
}

/// A commit.
#[derive(Debug, Serialize)]
pub struct CommitView<'a> {
    id: String,
    tree: String,
    parents: Vec<String>,
    author: Person<'a>,
    committer: Person<'a>,
    subject: String,
    message: &'a str,
    refs: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<Change<'a>>>,
}

/// Shows a commit, with what it changed if that was asked for.
pub fn commit<'a>(
    id: &ObjectId,
    commit: &'a Commit,
    refs: &'a [RefName],
    files: Option<&'a [FileChange]>,
) -> CommitView<'a> {
    CommitView {
        id: id.to_string(),
        tree: commit.tree.to_string(),
        parents: commit.parents.iter().map(ToString::to_string).collect(),
        author: person(&commit.author),
        committer: person(&commit.committer),
        subject: super::pretty::subject(&commit.message),
        message: &commit.message,
        refs: refs.iter().map(RefName::as_str).collect(),
        files: files.map(changes),
    }
}

/// An annotated tag.
#[derive(Debug, Serialize)]
pub struct TagView<'a> {
    id: String,
    name: &'a str,
    target: String,
    tagger: Person<'a>,
    message: &'a str,
}

/// Shows a tag.
pub fn tag<'a>(id: &ObjectId, tag: &'a Tag) -> TagView<'a> {
    TagView {
        id: id.to_string(),
        name: &tag.name,
        target: tag.target.to_string(),
        tagger: person(&tag.tagger),
        message: &tag.message,
    }
}

/// The files of a commit.
#[derive(Debug, Serialize)]
pub struct TreeView<'a> {
    id: String,
    files: Vec<TreeFile<'a>>,
}

#[derive(Debug, Serialize)]
struct TreeFile<'a> {
    path: &'a str,
    mode: &'static str,
    snapshot: String,
}

/// Shows a tree.
pub fn tree<'a>(id: &ObjectId, tree: &'a Tree) -> TreeView<'a> {
    let file =
        |e: &'a TreeEntry| TreeFile { path: e.path.as_str(), mode: e.mode.octal(), snapshot: e.snapshot.to_string() };
    TreeView { id: id.to_string(), files: tree.entries().iter().map(file).collect() }
}

/// Shows warnings.
pub fn warnings(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::super::change::tests::{change, renamed};
    use super::super::pretty::tests::sample;
    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).expect("plain data")
    }

    #[test]
    fn changes_have_every_field() {
        let id = "07".repeat(32);
        assert_eq!(
            json(&changes(&[change("app.db", ChangeKind::Modified, Some(3))])),
            format!(
                "[{{\"path\":\"app.db\",\"change\":\"modified\",\"kind\":\"sqlite\",\"old\":\"{id}\",\"new\":\"{id}\",\"old_mode\":\
                 \"100644\",\"new_mode\":\"100644\",\"bytes\":62464,\"pages\":16,\"pages_changed\":3,\"renamed_from\":null}}]"
            )
        );
        assert!(json(&changes(&[renamed("a", "b")])).contains("\"change\":\"renamed\""));
    }

    #[test]
    fn commits_have_ids_dates_and_their_refs() {
        let made = sample();
        let refs = [RefName::head()];
        let text = json(&commit(&ObjectId::from_bytes([1; 32]), &made, &refs, None));
        assert!(text.contains("\"date\":\"2023-11-14T23:13:20+01:00\",\"unix\":1700000000"), "{text}");
        assert!(text.contains("\"refs\":[\"HEAD\"]") && !text.contains("files"), "{text}");
    }
}
