//! Writing in place: the right state, under the eyes of connected applications.

use super::*;
use crate::sqlite::holders::sidecar;
use crate::sqlite::materialize::WriteOptions;
use crate::sqlite::{DatabaseError, MaterializeError, Unsuited, write_in_place};

fn write_options(tmp: &Path) -> WriteOptions<'_> {
    WriteOptions { busy_timeout: Duration::from_millis(300), ..WriteOptions::new(tmp) }
}

/// Returns the 4 KiB pages in which two states differ.
pub(super) fn differing(a: &[u8], b: &[u8]) -> PageSet {
    let page = |s: &[u8], i: usize| {
        let mut page = s.get(i * PAGE_SIZE..).unwrap_or_default().to_vec();
        page.resize(page.len().min(PAGE_SIZE), 0);
        page.resize(PAGE_SIZE, 0);
        page
    };
    (0..a.len().max(b.len()).div_ceil(PAGE_SIZE))
        .filter(|i| page(a, *i) != page(b, *i))
        .filter_map(|i| PageIdx::new(i as u32 + 1))
        .collect()
}

#[test]
fn every_database_goes_to_another_state_and_back() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), None);
    let mut in_place = 0;
    for (seed, path) in databases(dir.path()).into_iter().enumerate() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let other = dir.path().join(format!("other-{name}"));
        copy(&path, &other);
        mutate(&other, seed as u32, 40);
        let states = [captured(&path).unwrap(), captured(&other).unwrap()];
        for (target, hint) in [(1, true), (0, true), (1, false), (0, false)] {
            let changed = hint.then(|| differing(&captured(&path).unwrap(), &states[target]));
            let source = Memory(states[target].clone());
            match write_in_place(&path, &source, changed.as_ref(), &write_options(dir.path())) {
                Ok(done) => {
                    in_place += 1;
                    assert_eq!(done.byte_len, states[target].len() as u64);
                    let now = captured(&path).unwrap();
                    assert_same_state(&now, &states[target], &name);
                    assert_sound(&path);
                    // Nothing is left to do.
                    let again = write_in_place(&path, &source, None, &write_options(dir.path())).unwrap();
                    assert_eq!(again.pages, 0, "{name}");
                }
                Err(MaterializeError::Unsuited { reason: Unsuited::Length, .. }) if name == "legacy_format.db" => {}
                Err(MaterializeError::Unsuited { reason: Unsuited::AutoVacuum, .. }) if name.starts_with("auto") => {}
                Err(e) => panic!("{name}: {e}"),
            }
        }
    }
    assert!(in_place > 180, "{in_place} written in place");
}

#[test]
fn connected_applications_see_the_new_state() {
    for mode in ["delete", "wal", "persist", "truncate"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        let app = open(&path);
        app.execute_batch(&format!(
            "PRAGMA journal_mode = {mode}; CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
             FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n"
        ))
        .unwrap();
        let small = captured(&path).unwrap();
        app.execute_batch("INSERT INTO t SELECT x + 5000 FROM t; UPDATE t SET x = 0 WHERE x = 1").unwrap();
        let large = captured(&path).unwrap();
        let other = OtherProcess::start(&path, &["SELECT count(*) FROM t"]);
        let mut select = app.prepare("SELECT count(*) || ' ' || min(x) FROM t").unwrap();
        for (state, expected) in [(&small, "5000 1"), (&large, "10000 0"), (&small, "5000 1")] {
            write_in_place(&path, &Memory(state.clone()), None, &write_options(dir.path())).unwrap();
            assert_eq!(select.query_row([], |r| r.get::<_, String>(0)).unwrap(), expected, "{mode}");
            assert_eq!(app.query_row("PRAGMA journal_mode", [], |r| r.get::<_, String>(0)).unwrap(), mode);
            assert_same_state(&captured(&path).unwrap(), state, mode);
        }
        other.finish();
        app.execute_batch("INSERT INTO t VALUES (-1)").unwrap();
        drop(select);
        drop(app);
        assert_sound(&path);
    }
}

#[test]
fn a_schema_that_changes_under_an_equal_cookie_is_noticed() {
    for mode in ["delete", "wal"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        let app = open(&path);
        app.execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE a (x); INSERT INTO a VALUES (1)"))
            .unwrap();
        let base = captured(&path).unwrap();
        app.execute_batch("CREATE TABLE b (y); INSERT INTO b VALUES ('b')").unwrap();
        let one = captured(&path).unwrap();
        let write =
            |state: &[u8]| write_in_place(&path, &Memory(state.to_vec()), None, &write_options(dir.path())).unwrap();
        write(&base);
        // The same number of changes of the schema from the same state, so the same cookie in another history.
        let elsewhere = dir.path().join("elsewhere.db");
        fs::write(&elsewhere, &base).unwrap();
        open(&elsewhere).execute_batch("CREATE TABLE c (z, zz); INSERT INTO c VALUES ('c', 'c')").unwrap();
        let two = captured(&elsewhere).unwrap();
        assert_eq!(header::be32(&one, header::COOKIE_AT), header::be32(&two, header::COOKIE_AT));
        for _ in 0..2 {
            write(&one);
            assert_eq!(app.query_row("SELECT y FROM b", [], |r| r.get::<_, String>(0)).unwrap(), "b", "{mode}");
            write(&two);
            let gone = app.query_row("SELECT y FROM b", [], |_| Ok(()));
            assert!(gone.unwrap_err().to_string().contains("no such table"), "{mode}");
            assert_eq!(app.query_row("SELECT z FROM c", [], |r| r.get::<_, String>(0)).unwrap(), "c", "{mode}");
            app.execute_batch("INSERT INTO c VALUES (1, 2); DELETE FROM c WHERE z = 1").unwrap();
        }
        drop(app);
        assert_sound(&path);
    }
}

#[test]
fn nothing_is_written_when_the_file_is_not_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), Some("page_4096,page_1024,utf16le,shop"));
    let path = dir.path().join("page_4096.db");
    let before = fs::read(&path).unwrap();
    let state = |name: &str| Memory(fs::read(dir.path().join(name)).unwrap());
    let opts = WriteOptions { still_expected: &|| false, ..write_options(dir.path()) };
    let reason = |e| match e {
        Err(MaterializeError::Unsuited { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        write_in_place(&path, &state("shop.db"), None, &opts),
        Err(MaterializeError::ChangedMeanwhile { .. })
    ));
    let opts = write_options(dir.path());
    assert_eq!(reason(write_in_place(&path, &state("page_1024.db"), None, &opts)), Unsuited::Layout);
    assert_eq!(reason(write_in_place(&path, &state("utf16le.db"), None, &opts)), Unsuited::Layout);
    assert_eq!(reason(write_in_place(&path, &Memory(vec![1; 8192]), None, &opts)), Unsuited::NotADatabase);
    assert_eq!(reason(write_in_place(&dir.path().join("none"), &state("shop.db"), None, &opts)), Unsuited::Missing);
    assert!(fs::read(&path).unwrap() == before);
    fs::write(&path, b"").unwrap();
    assert_eq!(reason(write_in_place(&path, &state("shop.db"), None, &opts)), Unsuited::Empty);
    fs::write(&path, b"text").unwrap();
    assert_eq!(reason(write_in_place(&path, &state("shop.db"), None, &opts)), Unsuited::NotADatabase);
}

#[test]
fn full_auto_vacuum_does_not_move_pages_of_the_new_state() {
    let dir = tempfile::tempdir().unwrap();
    let (full, none) = (dir.path().join("full.db"), dir.path().join("none.db"));
    let fill = "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) \
                INSERT INTO t SELECT zeroblob(5000) FROM n";
    open(&full).execute_batch(&format!("PRAGMA auto_vacuum = FULL; {fill}")).unwrap();
    open(&none).execute_batch(&format!("{fill}; DELETE FROM t WHERE rowid % 2 = 0")).unwrap();
    let states = [fs::read(&full).unwrap(), fs::read(&none).unwrap()];
    match write_in_place(&full, &Memory(states[1].clone()), None, &write_options(dir.path())) {
        Err(MaterializeError::Unsuited { reason: Unsuited::AutoVacuum, .. }) => {}
        other => panic!("{other:?}"),
    }
    // The other way round is possible.
    write_in_place(&none, &Memory(states[0].clone()), None, &write_options(dir.path())).unwrap();
    assert_same_state(&captured(&none).unwrap(), &states[0], "full");
    assert_sound(&none);
}

#[test]
fn readers_and_writers_are_waited_for_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    open(&path).execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    let old = fs::read(&path).unwrap();
    open(&path).execute_batch("INSERT INTO t VALUES (2), (zeroblob(20000))").unwrap();
    let before = fs::read(&path).unwrap();
    for (statements, lock) in [
        (["BEGIN IMMEDIATE", "SELECT 1"], crate::sqlite::LockKind::Reserved),
        (["BEGIN", "SELECT * FROM t"], crate::sqlite::LockKind::Shared),
    ] {
        let other = OtherProcess::start(&path, &statements);
        match write_in_place(&path, &Memory(old.clone()), None, &write_options(dir.path())) {
            Err(MaterializeError::Database(DatabaseError::Locked { holders, .. })) => {
                assert_eq!((holders.0[0].pid, holders.0[0].lock), (other.0.id(), lock));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(number(&open(&path), "SELECT count(*) FROM t"), 3, "readers are let in again");
        other.finish();
        assert!(fs::read(&path).unwrap() == before);
    }
    // A reader that goes in time delays the commit, truncation included.
    let other = OtherProcess::start(&path, &["BEGIN", "SELECT * FROM t"]);
    let going = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        other.finish();
    });
    let opts = WriteOptions { busy_timeout: Duration::from_secs(5), ..write_options(dir.path()) };
    write_in_place(&path, &Memory(old.clone()), None, &opts).unwrap();
    assert_same_state(&fs::read(&path).unwrap(), &old, "after waiting");
    assert_sound(&path);
    going.join().unwrap();
}

#[test]
fn a_lock_is_seen_among_many_that_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    open(&path).execute_batch("CREATE TABLE t (x)").unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let come_and_go = |thread: usize| {
        let file = |i| fs::File::create(dir.path().join(format!("{thread}-{i}"))).unwrap();
        let files: Vec<fs::File> = (0..200).map(file).collect();
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            files.iter().for_each(|file| file.lock().unwrap());
            files.iter().for_each(|file| file.unlock().unwrap());
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| come_and_go(1));
        let other = OtherProcess::start(&path, &["BEGIN IMMEDIATE"]);
        scope.spawn(|| come_and_go(2));
        let missed = (0..500).filter(|_| {
            let holders = crate::sqlite::LockHolders::of(&path);
            holders.0.first().map(|h| (h.pid, h.lock)) != Some((other.0.id(), crate::sqlite::LockKind::Reserved))
        });
        let missed = missed.count();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(missed, 0);
    });
}

#[test]
fn a_look_counts_only_if_nobody_wrote_before_it() {
    for mode in ["DELETE", "PERSIST", "WAL"] {
        for (meddles, connected) in [(false, false), (true, false), (false, true), (true, true)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("app.db");
            open(&path).execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (x)")).unwrap();
            let wanted = dir.path().join("wanted.db");
            copy(&path, &wanted);
            open(&wanted).execute_batch("INSERT INTO t VALUES (1)").unwrap();
            let app = connected.then(|| open(&path));
            let looks_like = || {
                let meta = fs::metadata(&path).unwrap();
                let log = fs::metadata(sidecar(&path, "-wal")).map_or(0, |m| m.len());
                (meta.len(), meta.modified().unwrap(), log)
            };
            let seen = std::cell::Cell::new(None);
            let look = || {
                if meddles {
                    let other = OtherProcess::start(&path, &["INSERT INTO t VALUES (2)"]);
                    other.finish();
                }
                seen.set(Some(looks_like()));
            };
            let options = WriteOptions { look: Some(&look), ..write_options(dir.path()) };
            let source = Memory(captured(&wanted).unwrap());
            let done = write_in_place(&path, &source, None, &options).unwrap();
            let what = format!("{mode}, meddles: {meddles}, connected: {connected}");
            assert_eq!(done.was_seen, !meddles, "{what}");
            if !meddles {
                assert_eq!(seen.get(), Some(looks_like()), "{what}: closing leaves it as it was seen");
            }
            drop(app);
            assert_eq!(number(&open(&path), "SELECT sum(x) FROM t"), if meddles { 3 } else { 1 }, "{what}");
        }
    }
}
