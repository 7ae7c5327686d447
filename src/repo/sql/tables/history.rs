//! `graft_log` and `graft_commit_parents`.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Function, Shared, boxed, of_date, of_number, of_text, stream, text};
use crate::model::{SourceError, Value};
use crate::repo::history::walk::WalkOptions;
use crate::sqlite::sql::functions::{Signature, TableFunction};

const LOG: Signature = Signature {
    name: "graft_log",
    columns: &[
        ("id", "TEXT"),
        ("author_name", "TEXT"),
        ("author_email", "TEXT"),
        ("author_date", "TEXT"),
        ("committer_name", "TEXT"),
        ("committer_email", "TEXT"),
        ("committer_date", "TEXT"),
        ("time", "INTEGER"),
        ("parents", "INTEGER"),
        ("tree", "TEXT"),
        ("subject", "TEXT"),
        ("message", "TEXT"),
    ],
    arguments: &["rev"],
    required: 0,
};

const PARENTS: Signature = Signature {
    name: "graft_commit_parents",
    columns: &[("id", "TEXT"), ("nr", "INTEGER"), ("parent", "TEXT")],
    arguments: &["rev"],
    required: 0,
};

pub(super) fn add(shared: &Arc<Shared>, all: &mut Vec<Arc<dyn TableFunction>>) {
    let (log, parents) = (Arc::clone(shared), Arc::clone(shared));
    all.push(Arc::new(Function {
        signature: LOG,
        rows: move |arguments: &[Value]| {
            let (shared, options) = (Arc::clone(&log), walk(&log, &arguments[0])?);
            Ok(stream(move |send| {
                for entry in shared.repo.walk(options).map_err(boxed)? {
                    let entry = entry.map_err(boxed)?;
                    let (author, committer) = (&entry.commit.author, &entry.commit.committer);
                    let row = vec![
                        of_text(entry.id.to_string()),
                        of_text(&author.name),
                        of_text(&author.email),
                        of_date(author.time, author.offset),
                        of_text(&committer.name),
                        of_text(&committer.email),
                        of_date(committer.time, committer.offset),
                        Value::Integer(committer.time),
                        of_number(entry.commit.parents.len()),
                        of_text(entry.commit.tree.to_string()),
                        of_text(entry.commit.subject()),
                        of_text(&entry.commit.message),
                    ];
                    if send(row).is_break() {
                        break;
                    }
                }
                Ok(())
            }))
        },
    }));
    all.push(Arc::new(Function {
        signature: PARENTS,
        rows: move |arguments: &[Value]| {
            let (shared, options) = (Arc::clone(&parents), walk(&parents, &arguments[0])?);
            Ok(stream(move |send| {
                for entry in shared.repo.walk(options).map_err(boxed)? {
                    let entry = entry.map_err(boxed)?;
                    for (nr, parent) in (1..).zip(&entry.commit.parents) {
                        let row = vec![of_text(entry.id.to_string()), Value::Integer(nr), of_text(parent.to_string())];
                        if let ControlFlow::Break(()) = send(row) {
                            return Ok(());
                        }
                    }
                }
                Ok(())
            }))
        },
    }));
}

/// Reads which commits are meant: a revision, a range, several words; HEAD if nothing is said.
fn walk(shared: &Shared, argument: &Value) -> Result<WalkOptions, SourceError> {
    let Some(words) = text(argument) else {
        let tips = shared.repo.head_commit().map_err(boxed)?.into_iter().collect();
        return Ok(WalkOptions { tips, ..WalkOptions::default() });
    };
    let resolver = shared.repo.resolver(&shared.cwd);
    // A revision may have spaces in it: '@{2 hours ago}'.
    let set = resolver.set(&[words.as_str()]).or_else(|e| match words.contains(' ') {
        true => resolver.set(&words.split_whitespace().collect::<Vec<_>>()).map_err(|_| e),
        false => Err(e),
    });
    let set = set.map_err(boxed)?;
    let (tips, hidden) = set.commits(&resolver).map_err(boxed)?;
    Ok(WalkOptions { tips, hidden, ..WalkOptions::default() })
}
