//! What `checkout` and `restore` did to each file.

use std::io::Write;

use serde::Serialize;

use super::{Outcome, switched};
use crate::cli::context::Context;
use crate::cli::json;
use crate::cli::render::path::{Quote, seen};
use crate::cli::render::size::count;
use crate::cli::render::view;
use crate::repo::Repository;
use crate::repo::worktree::checkout::{CheckedOut, CheckoutOutcome, Written};

#[derive(Serialize)]
struct Answer<'a> {
    files: Vec<File<'a>>,
    warnings: Vec<String>,
}

/// One file that was written, for `--json`.
#[derive(Serialize)]
pub struct File<'a> {
    path: &'a str,
    how: &'static str,
    pages: Option<u32>,
    saved: Option<String>,
}

/// Shows an outcome: a line per file with `-v`, the number of files otherwise.
pub fn show(done: &CheckoutOutcome, schema: &str, repo: &Repository, ctx: &mut Context) -> Outcome {
    done.warnings.iter().for_each(|w| ctx.say.warning(w));
    if ctx.out.json {
        let files = done.files.iter().map(file).collect();
        json::write(&mut ctx.out, schema, &Answer { files, warnings: view::warnings(&done.warnings) })?;
        return hook(repo, ctx);
    }
    let from = ctx.prefix(repo);
    if ctx.globals.verbose > 0 {
        for file in &done.files {
            writeln!(ctx.out, "{}: {}", seen(file.path.as_str(), &from, Quote::People), how(file.how))?;
        }
    }
    say_saved(done, repo, ctx);
    let changed = done.files.iter().filter(|f| f.how != Written::Unchanged).count();
    ctx.say.note(format_args!("Updated {}", count(changed as u64, "path")));
    hook(repo, ctx)
}

/// Runs the hook after files were brought back; HEAD stays where it is.
fn hook(repo: &Repository, ctx: &mut Context) -> Outcome {
    let head = repo.head_commit()?;
    switched::post_checkout(head, head, false, repo, ctx)
}

/// Says where unsaved work is kept that was overwritten.
pub fn say_saved(done: &CheckoutOutcome, repo: &Repository, ctx: &Context) {
    let from = ctx.prefix(repo);
    for file in &done.files {
        if let Some(saved) = file.saved {
            let (name, id) = (seen(file.path.as_str(), &from, Quote::People), saved.to_hex_with_len(12));
            ctx.say.note(format_args!(
                "What '{name}' held before is kept: 'graft undo' brings it back, 'graft export {id} -o <file>' writes it out"
            ));
        }
    }
}

/// Returns a file for `--json`.
pub fn file(done: &CheckedOut) -> File<'_> {
    let (how, pages) = match done.how {
        Written::Unchanged => ("unchanged", None),
        Written::InPlace { pages } => ("in_place", Some(pages)),
        Written::Replaced => ("replaced", None),
        Written::Removed => ("removed", None),
        Written::InVolume => ("in_volume", None),
        Written::IndexOnly => ("index_only", None),
    };
    File { path: done.path.as_str(), how, pages, saved: done.saved.map(|id| id.to_string()) }
}

fn how(written: Written) -> String {
    match written {
        Written::Unchanged => "as it was".to_owned(),
        Written::InPlace { pages } => format!("{} written in place", count(pages.into(), "page")),
        Written::Replaced => "written anew".to_owned(),
        Written::Removed => "removed".to_owned(),
        Written::InVolume => "moved in its volume; it is not materialized".to_owned(),
        Written::IndexOnly => "in the index".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ObjectId, RepoPath};

    #[test]
    fn each_way_of_writing_has_its_words() {
        let done = CheckedOut {
            path: RepoPath::new("app.db").expect("plain"),
            how: Written::InPlace { pages: 3 },
            saved: Some(ObjectId::from_bytes([1; 32])),
        };
        assert_eq!(how(done.how), "3 pages written in place");
        let json = serde_json::to_string(&file(&done)).expect("plain data");
        assert_eq!(
            json,
            format!("{{\"path\":\"app.db\",\"how\":\"in_place\",\"pages\":3,\"saved\":\"{}\"}}", "01".repeat(32))
        );
    }
}
