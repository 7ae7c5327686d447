//! `graft_lsn` and `graft_segments`: the storage log below the history.

use std::sync::Arc;

use super::{Function, Shared, boxed, of_number, of_text, ready, text};
use crate::model::{SourceError, Value};
use crate::repo::state::objects::ObjectReader;
use crate::sqlite::sql::functions::{Signature, TableFunction};

const LSN: Signature = Signature {
    name: "graft_lsn",
    columns: &[
        ("log", "TEXT"),
        ("lsn", "INTEGER"),
        ("pages", "INTEGER"),
        ("changed", "INTEGER"),
        ("checkpoint", "INTEGER"),
        ("date", "TEXT"),
        ("segment", "TEXT"),
        ("hash", "TEXT"),
        ("bytes", "INTEGER"),
    ],
    arguments: &["rev", "file"],
    required: 0,
};

const SEGMENTS: Signature = Signature {
    name: "graft_segments",
    columns: &[
        ("segment", "TEXT"),
        ("bytes", "INTEGER"),
        ("commits", "INTEGER"),
        ("pages", "INTEGER"),
        ("file", "TEXT"),
    ],
    arguments: &[],
    required: 0,
};

pub(super) fn add(shared: &Arc<Shared>, all: &mut Vec<Arc<dyn TableFunction>>) {
    let (lsn, segments) = (Arc::clone(shared), Arc::clone(shared));
    all.push(Arc::new(Function {
        signature: LSN,
        rows: move |arguments: &[Value]| Ok(ready(storage_commits(&lsn, arguments)?)),
    }));
    all.push(Arc::new(Function { signature: SEGMENTS, rows: move |_: &[Value]| Ok(ready(list_segments(&segments)?)) }));
}

fn storage_commits(shared: &Shared, arguments: &[Value]) -> Result<Vec<Vec<Value>>, SourceError> {
    let [rev, file] = arguments else { return Ok(Vec::new()) };
    let path = shared.file(file)?;
    let id = match text(rev) {
        Some(rev) => shared.repo.snapshot_at(&shared.cwd, &path, &rev).map_err(boxed)?,
        None => {
            let index = shared.repo.index().map_err(boxed)?;
            let entry =
                index.get(&path).ok_or_else(|| super::CallError::Argument(format!("'{path}' is not tracked")))?;
            entry.snapshot
        }
    };
    let snapshot = shared.repo.snapshot(&id).map_err(boxed)?;
    let mut out = Vec::new();
    for (log, lsn, hash) in snapshot.commits_newest_first() {
        let found = shared.repo.store().storage_commit(log, lsn, hash).map_err(boxed)?;
        let time = jiff::Timestamp::from_millisecond(found.commit.time).map_or(Value::Null, |t| of_text(t.to_string()));
        out.push(vec![
            of_text(log.to_string()),
            of_number(lsn.get()),
            of_number(found.commit.page_count),
            of_number(found.commit.pages.len()),
            Value::Integer(found.commit.checkpoint.is_some().into()),
            time,
            of_text(found.placement.segment.to_string()),
            of_text(hash.to_string()),
            of_number(found.commit.byte_len),
        ]);
    }
    shared.repo.store().release();
    Ok(out)
}

fn list_segments(shared: &Shared) -> Result<Vec<Vec<Value>>, SourceError> {
    let found = shared.repo.store().segments().map_err(boxed)?;
    shared.repo.store().release();
    let row = |s: crate::store::SegmentInfo| {
        vec![
            of_text(s.id.to_string()),
            of_number(s.byte_len),
            of_number(s.commits),
            of_number(s.pages),
            of_text(s.path.to_string_lossy().into_owned()),
        ]
    };
    Ok(found.into_iter().map(row).collect())
}
