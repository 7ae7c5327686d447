//! What of a comparison is selected: tables, kinds of rows, rows for which a condition holds, and not too many of them.

use super::*;
use crate::model::{RowChange, RowCounts, Value};
use crate::sqlite::diff::{
    Beyond, Diff, DiffError, DiffOptions, Identity, RowKinds, Selected, Selection, Stopped, TablePair, TablePattern,
    TableRows,
};

/// Compares two databases, the second one made from the first by `change`.
fn diff(before: &str, change: &str, identity: Identity) -> (Diff, Arc<AtomicUsize>) {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.db"), dir.path().join("b.db"));
    open(&a).execute_batch(before).unwrap();
    copy(&a, &b);
    open(&b).execute_batch(change).unwrap();
    let read = Arc::new(AtomicUsize::new(0));
    let [old, new] = [a, b].map(|file| Arc::new(Counted(Memory(fs::read(file).unwrap()), read.clone())));
    (Diff::open(old, new, None, DiffOptions { identity, ..DiffOptions::default() }).unwrap(), read)
}

fn pair<'d>(diff: &'d Diff, name: &str) -> &'d TablePair {
    diff.tables().iter().find(|pair| pair.name == name).unwrap()
}

/// Returns the first values of the rows that are handed out, and what is said of the table.
fn handed(diff: &Diff, table: &str, beyond: Beyond, selection: &Selection) -> (Vec<Value>, TableRows) {
    let mut first = Vec::new();
    let selected = Selected { diff, selection };
    let rows = selected.rows(pair(diff, table), beyond, &mut |_, change| -> Result<(), DiffError> {
        first.push(match change {
            RowChange::Insert { row, .. } | RowChange::Delete { row, .. } => row[0].clone(),
            RowChange::Update { key, .. } => key[0].clone(),
        });
        Ok(())
    });
    (first, rows.map_err(Stopped::into_error).unwrap())
}

fn counts(inserted: u64, deleted: u64, updated: u64) -> RowCounts {
    RowCounts { inserted, deleted, updated }
}

const BEFORE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 'x'), (2, 'x'), (3, 'y'); \
                      CREATE TABLE other (b); CREATE INDEX ta ON t (a); INSERT INTO other VALUES (1)";
const CHANGE: &str = "UPDATE t SET a = 'z' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (4, 'x'), (5, 'y'); \
                      DELETE FROM other; CREATE INDEX tb ON other (b); PRAGMA user_version = 3";

#[test]
fn rows_are_chosen_by_kind_and_condition() {
    let (diff, _) = diff(BEFORE, CHANGE, Identity::Auto);
    let ids = |selection: Selection| {
        let (first, rows) = handed(&diff, "t", Beyond::Count, &selection);
        // What counts rows agrees with what hands them out.
        assert_eq!(Selected { diff: &diff, selection: &selection }.count(pair(&diff, "t")).unwrap(), rows.counts);
        let ids: Vec<i64> =
            first.iter().map(|v| if let Value::Integer(n) = v { *n } else { panic!("{v:?}") }).collect();
        (ids, rows.counts)
    };
    let none = RowKinds { inserted: false, deleted: false, updated: false };
    let condition = Some("a = 'x'".to_owned());
    assert_eq!(ids(Selection::default()), (vec![1, 2, 4, 5], counts(2, 1, 1)));
    let kinds = RowKinds { deleted: true, updated: true, ..none };
    assert_eq!(ids(Selection { kinds, ..Selection::default() }), (vec![1, 2], counts(0, 1, 1)));
    // The row as it was or as it is.
    assert_eq!(
        ids(Selection { condition: condition.clone(), ..Selection::default() }),
        (vec![1, 2, 4], counts(1, 1, 1))
    );
    let kinds = RowKinds { inserted: true, ..none };
    assert_eq!(ids(Selection { condition, kinds, ..Selection::default() }), (vec![4], counts(1, 0, 0)));
    // A condition that only another table can have means none of these rows; one that none can have is a mistake.
    let of = |text: &str| Selection { condition: Some(text.to_owned()), ..Selection::default() };
    assert_eq!(ids(of("b = 1")), (vec![], counts(0, 0, 0)));
    assert_eq!(Selected { diff: &diff, selection: &of("b = 1") }.check_condition(), Ok(()));
    assert_eq!(
        Selected { diff: &diff, selection: &of("c = 1") }.check_condition(),
        Err("no such column: c".to_owned())
    );
}

#[test]
fn what_is_narrowed_leaves_out_what_is_beside() {
    let (diff, _) = diff(BEFORE, CHANGE, Identity::Auto);
    let seen = |selection: &Selection| {
        let selected = Selected { diff: &diff, selection };
        let tables: Vec<String> = selected.tables().map(|pair| pair.name.clone()).collect();
        let objects: Vec<String> = selected.schema().unwrap().into_iter().map(|c| c.name).collect();
        (tables.join(" "), objects.join(" "), selected.settings().unwrap().len(), selected.differs().unwrap())
    };
    assert_eq!(seen(&Selection::default()), ("other t".to_owned(), "tb".to_owned(), 1, true));
    let tables = TablePattern::parse("OTH*").ok();
    assert_eq!(seen(&Selection { tables, ..Selection::default() }), ("other".to_owned(), "tb".to_owned(), 0, true));
    let rows = |text: &str| Selection { condition: Some(text.to_owned()), ..Selection::default() };
    assert_eq!(seen(&rows("a = 'z'")), ("other t".to_owned(), String::new(), 0, true));
    assert_eq!(seen(&rows("a = 'no'")), ("other t".to_owned(), String::new(), 0, false));
}

#[test]
fn beyond_the_limit_rows_are_counted_or_not_looked_for() {
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
                INSERT INTO t SELECT i, 'row ' || i FROM n";
    let (diff, read) = diff("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", many, Identity::Auto);
    let shown = |limit: u64, beyond: Beyond| {
        let (first, rows) = handed(&diff, "t", beyond, &Selection { limit: Some(limit), ..Selection::default() });
        (first.len(), rows.counts.inserted, rows.omitted, rows.table.is_some())
    };
    let before = read.load(Ordering::Relaxed);
    assert_eq!(shown(3, Beyond::Stop), (3, 3, 0, true));
    assert_eq!(shown(0, Beyond::Stop), (0, 0, 0, false));
    let few = read.load(Ordering::Relaxed) - before;
    assert!(few < 20, "{few} pages read");
    assert_eq!(shown(3, Beyond::Count), (3, 20_000, 19_997, true));
    assert_eq!(shown(0, Beyond::Count), (0, 20_000, 20_000, true));
    assert_eq!(shown(20_000, Beyond::Count), (20_000, 20_000, 0, true));
}

#[test]
fn equal_rows_of_a_bag_are_omitted_or_not_together() {
    let before = "CREATE TABLE t (a); INSERT INTO t VALUES ('gone'), ('gone'), ('gone')";
    let (diff, _) = diff(before, "DELETE FROM t; INSERT INTO t VALUES ('new'), ('new')", Identity::Bag);
    let omitted = |limit: u64| {
        let selection = Selection { limit: Some(limit), ..Selection::default() };
        let (first, rows) = handed(&diff, "t", Beyond::Count, &selection);
        assert_eq!(rows.counts, counts(2, 3, 0));
        let left = if first.contains(&Value::Text(b"new".to_vec())) { 3 } else { 2 };
        (first.len(), rows.omitted, left)
    };
    let (handed_out, not, left) = omitted(1);
    assert_eq!((handed_out, not), (1, left));
    assert_eq!((omitted(2).0, omitted(2).1), (2, 0));
}

#[test]
fn whoever_takes_rows_may_fail() {
    let (diff, _) = diff(BEFORE, CHANGE, Identity::Auto);
    let (selection, mut calls) = (Selection::default(), 0);
    let failed = Selected { diff: &diff, selection: &selection }.rows(pair(&diff, "t"), Beyond::Count, &mut |_, _| {
        calls += 1;
        if calls == 2 { Err("full") } else { Ok(()) }
    });
    assert!(matches!(failed, Err(Stopped::Sink("full"))));
    assert_eq!(calls, 2);
}
