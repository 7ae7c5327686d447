//! Capture: byte-exact, undisturbing, and clear about what it cannot read.

use std::io::Seek;
use std::time::SystemTime;

use super::*;
use crate::sqlite::holders::sidecar;
use crate::sqlite::pin::Unlocked;
use crate::sqlite::{DatabaseError, LockKind};

/// Folds the sidecars of a copy in, as a fresh connection does.
fn folded(path: &Path, dir: &Path) -> Vec<u8> {
    let to = dir.join("folded.db");
    for suffix in ["", "-wal", "-journal", "-shm"] {
        let _ = fs::remove_file(sidecar(&to, suffix));
    }
    copy(path, &to);
    let conn = open(&to);
    number(&conn, "SELECT count(*) FROM sqlite_schema");
    let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    drop(conn);
    fs::read(to).unwrap()
}

#[test]
fn every_database_is_captured_byte_for_byte_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    generate(dir.path(), None);
    for entry in fs::read_dir(fixtures()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
        fs::copy(&entry, dir.path().join(entry.file_name().unwrap())).unwrap();
    }
    let all = databases(dir.path());
    assert!(all.len() > 55, "{} databases", all.len());
    for path in all {
        let expected = folded(&path, scratch.path());
        let before = listing(dir.path());
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let wal = fs::read(sidecar(&path, "-wal")).ok();
        let bytes = captured(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(bytes == expected, "{}", path.display());
        if path.ends_with("hot_journal.db") {
            continue;
        }
        assert_eq!(listing(dir.path()), before, "{}", path.display());
        assert_eq!(fs::read(sidecar(&path, "-wal")).ok(), wal);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified, "{}", path.display());
        if wal.is_none() && !sidecar(&path, "-journal").exists() {
            assert!(bytes == fs::read(&path).unwrap(), "{}", path.display());
        }
    }
}

#[test]
fn what_is_no_database_is_named() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), Some("truncated,not_a_database,empty_zero_bytes,page_4096,timeseries"));
    let at = |name: &str| dir.path().join(name);
    match captured(&at("truncated.db")) {
        Err(DatabaseError::Truncated { expected, found, .. }) => assert!(found == 57344 && expected > found),
        other => panic!("{:?}", other.map(|b| b.len())),
    }
    assert!(matches!(captured(&at("not_a_database.db")), Err(DatabaseError::NotADatabase { .. })));
    assert!(matches!(captured(&at("empty_zero_bytes.db")), Err(DatabaseError::Empty { .. })));
    assert!(matches!(captured(&at("none.db")), Err(DatabaseError::Io { .. })));
    assert!(matches!(captured(dir.path()), Err(DatabaseError::Io { .. })));
    // SQLite itself does not notice that a part of the last page is missing.
    let file = File::options().write(true).open(at("page_4096.db")).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len - 1).unwrap();
    match captured(&at("page_4096.db")) {
        Err(DatabaseError::Truncated { expected, found, .. }) => assert_eq!((expected, found), (len, len - 1)),
        other => panic!("{:?}", other.map(|b| b.len())),
    }
    let mut file = File::options().write(true).open(at("timeseries.db")).unwrap();
    file.seek(std::io::SeekFrom::Start(100)).unwrap();
    file.write_all(&[0xff; 400]).unwrap();
    assert!(matches!(captured(&at("timeseries.db")), Err(DatabaseError::Malformed { .. })));
}

#[test]
fn bytes_behind_the_last_page_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), Some("page_512,page_4096"));
    for name in ["page_512.db", "page_4096.db"] {
        let path = dir.path().join(name);
        // They begin and end anywhere, and may be more than what is handed out at a time.
        for len in [70_001, 512, 512, 900_000] {
            let tail: Vec<u8> = (0..len).map(|n: u32| (n.wrapping_mul(n) >> 5) as u8).collect();
            File::options().append(true).open(&path).unwrap().write_all(&tail).unwrap();
            assert!(captured(&path).unwrap() == fs::read(&path).unwrap(), "{name} and {len} bytes");
        }
    }
}

#[test]
fn a_writer_neither_blocks_nor_leaks_into_the_capture() {
    for mode in ["delete", "wal"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        let app = open(&path);
        app.execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (x); INSERT INTO t VALUES (1)"))
            .unwrap();
        let before = captured(&path).unwrap();
        app.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").unwrap();
        let other = OtherProcess::start(&path, &["SELECT * FROM t"]);
        assert!(captured(&path).unwrap() == before, "{mode}");
        app.execute_batch("COMMIT").unwrap();
        let after = captured(&path).unwrap();
        assert!(after != before);
        fs::write(dir.path().join("copy.db"), &after).unwrap();
        assert_eq!(number(&open(&dir.path().join("copy.db")), "SELECT sum(x) FROM t"), 3);
        assert_eq!(sidecar(&path, "-wal").exists(), mode == "wal", "the application's WAL stays");
        other.finish();
        app.execute_batch("INSERT INTO t VALUES (3)").unwrap();
        assert_eq!(number(&app, "SELECT sum(x) FROM t"), 6);
    }
}

#[test]
fn a_wal_left_by_an_open_connection_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    let other =
        OtherProcess::start(&path, &["PRAGMA journal_mode = wal", "CREATE TABLE t (x)", "INSERT INTO t VALUES (1)"]);
    let before = listing(dir.path());
    assert_eq!(before.len(), 3);
    captured(&path).unwrap();
    assert_eq!(listing(dir.path()), before);
    // Killed, it leaves its sidecars behind; they stay as well.
    drop(other);
    captured(&path).unwrap();
    assert_eq!(listing(dir.path()), before);
    assert_eq!(number(&open(&path), "SELECT x FROM t"), 1);
}

#[test]
fn an_exclusive_lock_is_waited_for_and_its_holder_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    open(&path).execute_batch("CREATE TABLE t (x)").unwrap();
    let other = OtherProcess::start(&path, &["BEGIN EXCLUSIVE"]);
    match captured(&path) {
        Err(e @ DatabaseError::Locked { .. }) => {
            let DatabaseError::Locked { holders, waited, .. } = &e else { unreachable!() };
            assert!(*waited >= Duration::from_millis(300) && *waited < Duration::from_millis(900), "{waited:?}");
            assert_eq!(holders.0.len(), 1);
            assert_eq!((holders.0[0].pid, holders.0[0].lock), (other.0.id(), LockKind::Exclusive));
            assert!(e.to_string().contains("python3"), "{e}");
        }
        other => panic!("{:?}", other.map(|b| b.len())),
    }
    let told = std::cell::Cell::new(0);
    let opts = ScanOptions { busy_timeout: Duration::from_secs(5), on_wait: &|_| told.set(told.get() + 1) };
    let letting_go = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        other.finish();
    });
    scan(&path, &opts, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(told.get(), 1);
    letting_go.join().unwrap();
}

#[test]
fn the_receiver_may_stop_and_may_keep_buffers() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), Some("shop"));
    let path = dir.path().join("shop.db");
    let mut kept = Vec::new();
    let scanned = scan(&path, &options(), &mut |chunk| match chunk {
        ScanChunk::Start { .. } => ControlFlow::Continue(()),
        ScanChunk::Pages { bytes, .. } => {
            kept.push(std::mem::take(bytes));
            if kept.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    })
    .unwrap();
    assert!(!scanned.complete);
    assert!(kept.concat() == fs::read(&path).unwrap()[..3 * super::super::capture::CHUNK_LEN]);
}

/// Captures a database and meddles with it when the first pages have been handed out.
fn captured_while(path: &Path, meddle: &dyn Fn()) -> Result<Vec<u8>, CaptureError> {
    let (mut all, mut len, mut done) = (Vec::new(), 0, false);
    let scanned = scan(path, &options(), &mut |chunk| {
        match chunk {
            ScanChunk::Start { byte_len, .. } => len = byte_len,
            ScanChunk::Pages { bytes, .. } => {
                all.append(bytes);
                if !std::mem::replace(&mut done, true) {
                    meddle();
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    assert!(scanned.complete && done);
    all.truncate(len as usize);
    Ok(all)
}

/// Makes a database of some 1.2 MB whose rows carry a mark.
fn marked(path: &Path, mark: &str, rows: u32, mode: &str) {
    let db = open(path);
    db.execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (mark, x)")).unwrap();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO t SELECT '{mark}', randomblob(3000) FROM n"
    );
    db.execute_batch(&fill).unwrap();
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_gives_the_old_one() {
    for mode in ["DELETE", "WAL"] {
        for rows in [40, 400, 1600] {
            let dir = tempfile::tempdir().unwrap();
            let (path, other) = (dir.path().join("app.db"), dir.path().join("other.db"));
            marked(&path, "a", 400, mode);
            marked(&other, "b", rows, mode);
            let before = fs::read(&path).unwrap();
            let read = captured_while(&path, &|| fs::rename(&other, &path).unwrap()).unwrap();
            assert!(read == before, "{mode}, replaced by {rows} rows");
        }
    }
}

#[test]
fn a_file_that_is_overwritten_while_it_is_read_is_refused() {
    for settled in [true, false] {
        for rows in [40, 400, 1600] {
            let dir = tempfile::tempdir().unwrap();
            let (path, other) = (dir.path().join("app.db"), dir.path().join("other.db"));
            marked(&path, "a", 400, "DELETE");
            marked(&other, "b", rows, "DELETE");
            let bytes = fs::read(&other).unwrap();
            let set_modified = |to| File::options().write(true).open(&path).unwrap().set_modified(to).unwrap();
            // However long the test takes until then, the file was written just now.
            let modified = SystemTime::now() + Duration::from_secs(1);
            if settled {
                std::thread::sleep(Duration::from_millis(30));
            } else {
                set_modified(modified);
            }
            let result = captured_while(&path, &|| {
                fs::write(&path, &bytes).unwrap();
                if !settled {
                    // As if all of that had happened within one tick of the clock.
                    set_modified(modified);
                }
            });
            assert!(
                matches!(result, Err(DatabaseError::Overwritten { .. } | DatabaseError::Malformed { .. })),
                "{rows} rows, settled: {settled}: {:?}",
                result.map(|bytes| bytes.len())
            );
        }
    }
}

#[test]
fn a_checkpoint_while_it_is_read_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    marked(&path, "a", 400, "WAL");
    // Other processes all of them: closing a descriptor here would drop the locks of a connection here.
    let with =
        |statements: &[&str]| OtherProcess::start(&path, &[&["PRAGMA wal_autocheckpoint = 0"], statements].concat());
    let bytes = || Command::new("cat").arg(&path).output().unwrap().stdout;
    let app = with(&["UPDATE t SET mark = 'b'"]);
    std::thread::sleep(Duration::from_millis(30));
    let before = captured(&path).unwrap();
    let main = bytes();
    let read = captured_while(&path, &|| {
        with(&["INSERT INTO t VALUES ('c', 1)", "PRAGMA wal_checkpoint(PASSIVE)"]).finish();
    });
    assert!(read.unwrap() == before);
    assert!(bytes() != main, "the log was copied into the file");

    // The same bytes again, but by a program that knows nothing of locks.
    let copy = dir.path().join("copy");
    fs::write(&copy, bytes()).unwrap();
    with(&["UPDATE t SET mark = 'd'"]).finish();
    std::thread::sleep(Duration::from_millis(30));
    let result = captured_while(&path, &|| {
        let of = format!("of={}", path.display());
        let args = [&format!("if={}", copy.display()), &of, "conv=notrunc"];
        assert!(Command::new("dd").args(args).output().unwrap().status.success());
    });
    assert!(matches!(result, Err(DatabaseError::Overwritten { .. })), "{:?}", result.map(|bytes| bytes.len()));
    app.finish();
}

#[test]
fn a_database_that_is_read_without_locks_is_watched() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("app.db"), dir.path().join("other.db"));
    let is_overwritten = |watch: &Unlocked| matches!(watch.check(), Err(DatabaseError::Overwritten { .. }));
    for mode in ["DELETE", "WAL"] {
        fs::remove_file(&path).ok();
        marked(&path, "a", 40, mode);
        std::thread::sleep(Duration::from_millis(30));
        let watch = Unlocked::new(&path).unwrap();
        assert!(watch.check().is_ok(), "{mode}");
        let app = OtherProcess::start(&path, &["UPDATE t SET mark = 'b'"]);
        assert!(is_overwritten(&watch), "{mode}: by a row in the file or in a log beside it");
        if mode == "WAL" {
            assert!(matches!(Unlocked::new(&path), Err(DatabaseError::NeedsRecovery { .. })));
        }
        app.finish();
        assert!(is_overwritten(&watch), "{mode}: the log is gone, but the file is another");
        let watch = Unlocked::new(&path).unwrap();
        fs::copy(&path, &other).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(is_overwritten(&watch), "{mode}: another file");
    }
}
