//! Row diff against the oracle: the changes equal those of `generate.py diff` in every identity mode.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::*;
use crate::model::{CellChange, RowChange, RowIdentity, Value};
use crate::sqlite::diff::{Compared, Diff, DiffError, DiffOptions, Identity, TablePair};

pub(super) const MODES: [(&str, Identity); 3] =
    [("auto", Identity::Auto), ("pk", Identity::Bag), ("rowid", Identity::Rowid)];

/// Copies a database, changes the copy at random, and writes down what the oracle says; or only the latter.
const ORACLE: &str = r"
import sys, os, shutil, json
sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True
import generate as g
g.INLINE_LIMIT = 1 << 40
a, b, seed, n = sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
if seed >= 0:
    g._copy_db(a, b)
    g.mutate(b, seed, n)
for mode in sys.argv[6:]:
    with open(b + '.' + mode + '.json', 'w') as f: f.write(g.oracle_diff(a, b, mode))
";

/// Returns what the oracle says in some modes.
fn oracle(a: &Path, b: &Path, mutate: Option<(u32, u32)>, modes: &[(&'static str, Identity)]) -> Vec<Json> {
    let (seed, n) = mutate.map_or(("-1".to_owned(), 0), |(seed, n)| (seed.to_string(), n));
    let (fixtures, n) = (fixtures(), n.to_string());
    let mut args = vec!["-c", ORACLE, fixtures.to_str().unwrap(), a.to_str().unwrap(), b.to_str().unwrap(), &seed, &n];
    args.extend(modes.iter().map(|(mode, _)| mode));
    python(&args);
    let read = |mode: &str| fs::read(super::super::holders::sidecar(b, &format!(".{mode}.json"))).unwrap();
    modes.iter().map(|(mode, _)| normalized(serde_json::from_slice(&read(mode)).unwrap())).collect()
}

/// Sorts what has no order.
fn normalized(mut diff: Json) -> Json {
    diff.as_object_mut().unwrap().remove("format");
    for table in diff["tables"].as_array_mut().unwrap() {
        for list in ["inserts", "deletes", "updates"] {
            table[list].as_array_mut().unwrap().sort_by_cached_key(Json::to_string);
        }
    }
    diff
}

fn cell(value: &Value) -> Json {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    match value {
        Value::Null => Json::Null,
        Value::Integer(n) => json!(n),
        Value::Real(n) => json!({ "real": hex(&n.to_bits().to_be_bytes()) }),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({ "text": hex(bytes) }),
        },
        Value::Blob(bytes) => json!({ "blob": hex(bytes) }),
    }
}

fn cells(values: &[Value]) -> Json {
    values.iter().map(cell).collect()
}

/// Writes a diff down as the oracle does.
fn ours(a: Vec<u8>, b: Vec<u8>, identity: Identity, differing: Option<PageSet>, max_descents: usize) -> Json {
    let options = DiffOptions { identity, ..DiffOptions::default() };
    let diff = Diff::open_with(Arc::new(Memory(a)), Arc::new(Memory(b)), differing, options, max_descents).unwrap();
    let (mut tables, mut skipped, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    let mut counts = [0u64; 3];
    for pair in diff.tables() {
        match pair.compared {
            Compared::Rows => match table(&diff, pair, &mut counts) {
                Ok(table) => tables.extend(table),
                Err(DiffError::Unreadable { .. }) => unreadable.push(pair.name.clone()),
                Err(e) => panic!("{}: {e:?}", pair.name),
            },
            Compared::NoContent | Compared::Shadow => skipped.push(pair.name.clone()),
            Compared::Unreadable => unreadable.push(pair.name.clone()),
        }
    }
    let settings = diff.settings().unwrap();
    let pragmas: serde_json::Map<_, _> = (settings.iter())
        .filter(|s| ["user_version", "application_id", "encoding"].contains(&s.name))
        .map(|s| (s.name.to_owned(), json!([cell(&s.old), cell(&s.new)])))
        .collect();
    let schema: Vec<Json> = (diff.schema().unwrap().into_iter())
        .map(|c| {
            let change = match (&c.old_sql, &c.new_sql) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "changed",
            };
            json!({ "type": c.kind, "name": c.name, "change": change, "old": c.old_sql, "new": c.new_sql })
        })
        .collect();
    let sequence: serde_json::Map<_, _> = (diff.sequences().unwrap().iter())
        .map(|s| {
            let name = match &s.name {
                Value::Text(name) => String::from_utf8_lossy(name).into_owned(),
                other => cell(other).to_string(),
            };
            let side = |v: &Option<Value>| v.as_ref().map_or(Json::Null, cell);
            (name, json!([side(&s.old), side(&s.new)]))
        })
        .collect();
    normalized(json!({
        "pragmas": pragmas, "schema": schema, "sequence": sequence, "tables": tables, "skipped": skipped,
        "unreadable": unreadable, "counts": { "inserts": counts[0], "updates": counts[1], "deletes": counts[2] },
    }))
}

fn table(diff: &Diff, pair: &TablePair, counts: &mut [u64; 3]) -> Result<Option<Json>, DiffError> {
    let header = diff.table_changes(pair)?;
    let (mut inserts, mut deletes, mut updates) = (Vec::new(), Vec::new(), Vec::new());
    let mut mine = [0; 3];
    let bag = header.identity == RowIdentity::Bag;
    let row = |key: &[Value], row: &[Value], count: u64| match bag {
        true => json!({ "row": cells(row), "n": count }),
        false => json!({ "key": cells(key), "row": cells(row) }),
    };
    let (old, new) = (&header.old_columns, &header.new_columns);
    diff.rows(pair, &mut |change| {
        match change {
            RowChange::Insert { key, row: values, count } => {
                mine[0] += count;
                inserts.push(row(&key, &values, count));
            }
            RowChange::Delete { key, row: values, count } => {
                mine[2] += count;
                deletes.push(row(&key, &values, count));
            }
            RowChange::Update { key, mut cells } => {
                mine[1] += 1;
                cells.sort_by_key(|c| c.old.is_none());
                let cells: Json = cells.iter().map(|c| update_cell(c, new.as_ref().unwrap())).collect();
                updates.push(json!({ "key": self::cells(&key), "cells": cells }));
            }
        }
        ControlFlow::Continue(())
    })?;
    (0..3).for_each(|i| counts[i] += mine[i]);
    if mine == [0; 3] && old.is_some() && old == new {
        return Ok(None);
    }
    let mut out = json!({
        "name": header.name, "identity": match header.identity {
            RowIdentity::Key => "pk",
            RowIdentity::Rowid => "rowid",
            RowIdentity::Bag => "bag",
        },
        "key": header.key, "inserts": inserts, "deletes": deletes, "updates": updates,
    });
    if old == new {
        out["columns"] = json!(old);
    } else {
        (out["columns_a"], out["columns_b"]) = (json!(old), json!(new));
    }
    Ok(Some(out))
}

fn update_cell(change: &CellChange, columns: &[String]) -> Json {
    let old = change.old.as_ref().map_or(json!({ "absent": true }), cell);
    json!([columns[change.column], old, cell(&change.new)])
}

/// Says where two diffs part.
fn assert_equal(what: &str, ours: &Json, oracle: &Json) {
    if ours == oracle {
        return;
    }
    let shorten = |j: &Json| j.to_string().chars().take(1500).collect::<String>();
    for (part, theirs) in oracle.as_object().unwrap() {
        if part == "tables" {
            let by_name = |diff: &Json| -> BTreeMap<String, Json> {
                diff["tables"].as_array().unwrap().iter().map(|t| (t["name"].to_string(), t.clone())).collect()
            };
            let (mine, theirs) = (by_name(ours), by_name(oracle));
            for name in mine.keys().chain(theirs.keys()).filter(|n| mine.get(*n) != theirs.get(*n)) {
                for (field, value) in theirs.get(name).or(mine.get(name)).unwrap().as_object().unwrap() {
                    let (x, y) = (mine.get(name).map(|t| &t[field]), theirs.get(name).map(|t| &t[field]));
                    assert!(
                        x == y,
                        "{what}: table {name} {field} {value:.0}:\nours   {}\noracle {}",
                        x.map_or("-".into(), shorten),
                        y.map_or("-".into(), shorten)
                    );
                }
            }
        } else {
            assert!(
                ours[part] == *theirs,
                "{what}: {part}:\nours   {}\noracle {}",
                shorten(&ours[part]),
                shorten(theirs)
            );
        }
    }
    panic!("{what}: differs");
}

/// Compares two databases in some modes, with every way of finding what to look at.
pub(super) fn check(what: &str, a: &Path, b: &Path, mutate: Option<(u32, u32)>, modes: &[(&'static str, Identity)]) {
    let expected = oracle(a, b, mutate, modes);
    let states = [a, b].map(|path| match classify(path).unwrap() {
        Detected::Empty => Vec::new(),
        _ => captured(path).unwrap(),
    });
    let differing = super::in_place::differing(&states[0], &states[1]);
    for ((mode, identity), expected) in modes.iter().zip(&expected) {
        for (how, hint, max_descents) in
            [("in full", None, 0), ("by descent", Some(&differing), usize::MAX), ("by walking", Some(&differing), 0)]
        {
            let what = format!("{what} {mode} {how}");
            let found = ours(states[0].clone(), states[1].clone(), *identity, hint.cloned(), max_descents);
            assert_equal(&what, &found, expected);
        }
    }
}

fn seeds() -> u32 {
    std::env::var("GRAFT_DIFF_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

#[test]
fn random_changes_to_every_database() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), None);
    let mut paths = databases(dir.path());
    paths.extend(databases(&fixtures()));
    assert!(paths.len() > 55);
    for (i, path) in paths.into_iter().enumerate() {
        for seed in 0..seeds() {
            let mode = MODES[(i + seed as usize) % MODES.len()];
            let b = dir.path().join("changed");
            check(&format!("{} seed {seed}", path.display()), &path, &b, Some((seed, 20 + 30 * seed)), &[mode]);
            let _ = fs::remove_file(&b);
        }
    }
}

#[test]
fn real_releases() {
    let at = |name: &str| fixtures().join(name);
    let dir = tempfile::tempdir().unwrap();
    for (a, b) in [
        ("mendeleev-0.18.1.db", "mendeleev-0.20.1.db"),
        ("mendeleev-0.20.1.db", "mendeleev-1.0.0.db"),
        ("gnucash-invoices-1.gnucash", "gnucash-invoices-2.gnucash"),
        ("chinook.sqlite", "gnucash-invoices-2.gnucash"),
    ] {
        let to = dir.path().join("b");
        fs::copy(at(b), &to).unwrap();
        check(&format!("{a} {b}"), &at(a), &to, None, &MODES);
    }
}
