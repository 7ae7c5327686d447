//! `graft_branches`, `graft_tags` and `graft_refs`.

use std::sync::Arc;

use super::{Function, Shared, boxed, of_date, of_text, ready};
use crate::model::{ObjectId, ObjectKind, RefName, SourceError, Value};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::{Head, Ref};
use crate::sqlite::sql::functions::{Signature, TableFunction};

const BRANCHES: Signature = Signature {
    name: "graft_branches",
    columns: &[
        ("name", "TEXT"),
        ("id", "TEXT"),
        ("current", "INTEGER"),
        ("remote", "INTEGER"),
        ("upstream", "TEXT"),
        ("date", "TEXT"),
        ("subject", "TEXT"),
    ],
    arguments: &[],
    required: 0,
};

const TAGS: Signature = Signature {
    name: "graft_tags",
    columns: &[
        ("name", "TEXT"),
        ("id", "TEXT"),
        ("commit_id", "TEXT"),
        ("annotated", "INTEGER"),
        ("tagger_name", "TEXT"),
        ("tagger_email", "TEXT"),
        ("date", "TEXT"),
        ("message", "TEXT"),
    ],
    arguments: &[],
    required: 0,
};

const REFS: Signature = Signature {
    name: "graft_refs",
    columns: &[("name", "TEXT"), ("id", "TEXT"), ("kind", "TEXT"), ("target", "TEXT")],
    arguments: &[],
    required: 0,
};

pub(super) fn add(shared: &Arc<Shared>, all: &mut Vec<Arc<dyn TableFunction>>) {
    let of = |signature, rows: fn(&Shared) -> Result<Vec<Vec<Value>>, SourceError>| {
        let shared = Arc::clone(shared);
        Arc::new(Function { signature, rows: move |_: &[Value]| Ok(ready(rows(&shared)?)) }) as Arc<dyn TableFunction>
    };
    all.extend([of(BRANCHES, branches), of(TAGS, tags), of(REFS, refs)]);
}

fn list(shared: &Shared, prefix: &str) -> Result<Vec<Ref>, SourceError> {
    Ok(shared.repo.refs().list(prefix).map_err(boxed)?.refs)
}

fn branches(shared: &Shared) -> Result<Vec<Vec<Value>>, SourceError> {
    let head = shared.repo.refs().head().map_err(boxed)?;
    let resolver = shared.repo.resolver(&shared.cwd);
    let mut out = Vec::new();
    for (prefix, remote) in [("refs/heads/", false), ("refs/remotes/", true)] {
        for one in list(shared, prefix)? {
            let name = one.name.as_str().strip_prefix(prefix).unwrap_or_default().to_owned();
            let commit = shared.repo.commit(&one.id).map_err(boxed)?;
            let upstream = (!remote).then(|| resolver.upstream_of(&name)).flatten();
            let current = matches!(&head, Head::Branch(branch) if *branch == one.name);
            out.push(vec![
                of_text(name),
                of_text(one.id.to_string()),
                Value::Integer(current.into()),
                Value::Integer(remote.into()),
                upstream.map_or(Value::Null, |u: RefName| of_text(u.as_str())),
                of_date(commit.committer.time, commit.committer.offset),
                of_text(commit.subject()),
            ]);
        }
    }
    Ok(out)
}

fn tags(shared: &Shared) -> Result<Vec<Vec<Value>>, SourceError> {
    let mut out = Vec::new();
    for one in list(shared, "refs/tags/")? {
        let repo = &shared.repo;
        let name = one.name.as_str().strip_prefix("refs/tags/").unwrap_or_default().to_owned();
        let annotated = repo.kind(&one.id).map_err(boxed)? == ObjectKind::Tag;
        let commit: Option<ObjectId> = repo.peel(&one.id, ObjectKind::Commit).ok();
        let mut row = vec![
            of_text(name),
            of_text(one.id.to_string()),
            commit.map_or(Value::Null, |id| of_text(id.to_string())),
            Value::Integer(annotated.into()),
        ];
        match annotated {
            true => {
                let tag = repo.tag(&one.id).map_err(boxed)?;
                row.extend([
                    of_text(&tag.tagger.name),
                    of_text(&tag.tagger.email),
                    of_date(tag.tagger.time, tag.tagger.offset),
                    of_text(&tag.message),
                ]);
            }
            false => row.extend(std::iter::repeat_n(Value::Null, 4)),
        }
        out.push(row);
    }
    Ok(out)
}

fn refs(shared: &Shared) -> Result<Vec<Vec<Value>>, SourceError> {
    let mut out = Vec::new();
    if let Some(id) = shared.repo.head_commit().map_err(boxed)? {
        let target = match shared.repo.refs().head().map_err(boxed)? {
            Head::Branch(name) => of_text(name.as_str()),
            Head::Detached(_) => Value::Null,
        };
        out.push(vec![of_text("HEAD"), of_text(id.to_string()), of_text("commit"), target]);
    }
    for one in list(shared, "refs/")? {
        let kind = shared.repo.kind(&one.id).map_err(boxed)?;
        out.push(vec![
            of_text(one.name.as_str()),
            of_text(one.id.to_string()),
            of_text(kind.to_string()),
            one.symbolic.map_or(Value::Null, |name| of_text(name.as_str())),
        ]);
    }
    Ok(out)
}
