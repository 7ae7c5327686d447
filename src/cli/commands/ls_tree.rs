//! `graft ls-tree`: the files of a commit.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::render::change::kind;
use crate::cli::render::path::{Quote, quoted, relative};
use crate::cli::{json, revs};
use crate::model::{ObjectKind, TreeEntry};
use crate::repo::state::objects::ObjectReader;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::{RepoError, Repository};

/// List the files of a commit.
///
/// A tree holds all files of a commit with their whole paths. Without -r, files in folders below the one that is listed are
/// shown as that folder, which has no object of its own.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft ls-tree -r HEAD\n  graft ls-tree --name-only v1 data/")]
pub struct Args {
    /// Show the files in folders too.
    #[arg(short)]
    pub recursive: bool,

    /// Show paths only.
    #[arg(long, alias = "name-status")]
    pub name_only: bool,

    /// Show the size of each file.
    #[arg(short, long)]
    pub long: bool,

    /// End entries with NUL instead of newline, and quote nothing.
    #[arg(short = 'z')]
    pub nul: bool,

    /// The commit, tag or tree.
    #[arg(value_name = "REV")]
    pub rev: String,

    /// Only these files, folders or patterns.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    path: &'a str,
    r#type: &'static str,
    mode: Option<&'static str>,
    snapshot: Option<String>,
    kind: Option<&'static str>,
    bytes: Option<u64>,
    pages: Option<u32>,
}

/// Something to list.
#[derive(Debug, PartialEq, Eq)]
enum Item<'a> {
    File(&'a TreeEntry),
    Folder(&'a str),
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let id = revs::object(&repo, &args.rev)?;
    let tree = repo.peel(&id, ObjectKind::Tree).and_then(|id| repo.tree(&id)).map_err(RepoError::from)?;
    let from = ctx.prefix(&repo);
    let here = if args.paths.is_empty() && !from.is_empty() { vec![PathBuf::from(".")] } else { args.paths.clone() };
    let specs = Pathspecs::new(repo.top(), &ctx.cwd, &here).map_err(RepoError::from)?;
    let entries: Vec<&TreeEntry> = tree.entries().iter().filter(|e| specs.matches(&e.path)).collect();
    let named = args.paths.iter().map(|p| p.to_string_lossy().into_owned());
    let listed: Vec<String> = match args.paths.is_empty() {
        true => vec![from.clone()],
        false => named.filter(|p| p.ends_with('/')).map(|p| join(&from, p.trim_end_matches('/'))).collect(),
    };
    for item in items(&entries, &listed, args.recursive) {
        if ctx.out.json {
            json::write(&mut ctx.out, "ls-tree/1", &answer(&repo, &item)?)?;
        } else {
            let text = line(&repo, &item, &from, &args)?;
            ctx.out.write_all(text.as_bytes())?;
        }
    }
    Ok(exit::DONE)
}

fn join(from: &str, path: &str) -> String {
    match (from, path) {
        ("", ".") => String::new(),
        ("", path) => path.to_owned(),
        (from, ".") => from.to_owned(),
        (from, path) => format!("{from}/{path}"),
    }
}

/// Gathers files in folders that are not listed themselves into these folders.
fn items<'a>(entries: &[&'a TreeEntry], listed: &[String], recursive: bool) -> Vec<Item<'a>> {
    let mut folders = BTreeSet::new();
    let mut items = Vec::new();
    for entry in entries {
        let path = entry.path.as_str();
        let inside =
            |dir: &&String| dir.is_empty() || path.strip_prefix(dir.as_str()).is_some_and(|r| r.starts_with('/'));
        let depth = listed.iter().filter(inside).map(|d| if d.is_empty() { 0 } else { d.len() + 1 }).max().unwrap_or(0);
        match path[depth..].find('/') {
            Some(at) if !recursive => {
                let folder = &path[..depth + at];
                if folders.insert(folder) {
                    items.push(Item::Folder(folder));
                }
            }
            _ => items.push(Item::File(entry)),
        }
    }
    items
}

fn line(repo: &Repository, item: &Item<'_>, from: &str, args: &Args) -> Result<String, RepoError> {
    let end = if args.nul { '\0' } else { '\n' };
    let (path, meta) = match item {
        Item::File(e) => {
            let size = match args.long {
                true => format!(" {:>7}", repo.snapshot(&e.snapshot)?.byte_len),
                false => String::new(),
            };
            (e.path.as_str(), format!("{} snapshot {}{size}\t", e.mode.octal(), e.snapshot))
        }
        Item::Folder(path) => (*path, format!("040000 folder -{}\t", if args.long { "       -" } else { "" })),
    };
    let path = relative(path, from);
    let path = if args.nul { path } else { quoted(&path, Quote::Scripts) };
    Ok(format!("{}{path}{end}", if args.name_only { "" } else { &meta }))
}

fn answer<'a>(repo: &Repository, item: &Item<'a>) -> Result<Answer<'a>, RepoError> {
    Ok(match item {
        Item::Folder(path) => {
            Answer { path, r#type: "folder", mode: None, snapshot: None, kind: None, bytes: None, pages: None }
        }
        Item::File(e) => {
            let snapshot = repo.snapshot(&e.snapshot)?;
            Answer {
                path: e.path.as_str(),
                r#type: "file",
                mode: Some(e.mode.octal()),
                snapshot: Some(e.snapshot.to_string()),
                kind: Some(kind(snapshot.kind)),
                bytes: Some(snapshot.byte_len),
                pages: Some(snapshot.page_count),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileMode, ObjectId, RepoPath};

    #[test]
    fn folders_stand_for_what_lies_in_them() {
        let entry = |path: &str| TreeEntry {
            path: RepoPath::new(path).expect("plain"),
            mode: FileMode::Regular,
            snapshot: ObjectId::from_bytes([1; 32]),
        };
        let all = [entry("a.db"), entry("d/b.db"), entry("d/e/c.db"), entry("d/f.db")];
        let entries: Vec<&TreeEntry> = all.iter().collect();
        assert_eq!(items(&entries, &[String::new()], false), [Item::File(&all[0]), Item::Folder("d")]);
        assert_eq!(items(&entries, &[String::new()], true).len(), 4);
        let below = items(&entries[1..], &["d".to_owned()], false);
        assert_eq!(below, [Item::File(&all[1]), Item::Folder("d/e"), Item::File(&all[3])]);
    }
}
