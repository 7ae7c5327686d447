//! Writing as a new file: byte-exact, and never with another state's sidecars beside it.

use super::*;
use crate::sqlite::header::Header;
use crate::sqlite::holders::sidecar;
use crate::sqlite::materialize::WriteOptions;
use crate::sqlite::{DatabaseError, MaterializeError, export, export_to, write_in_place, write_new};

fn write_options(tmp: &Path) -> WriteOptions<'_> {
    WriteOptions { busy_timeout: Duration::from_millis(300), ..WriteOptions::new(tmp) }
}

#[test]
fn every_database_is_replaced_by_another_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    generate(dir.path(), None);
    let state = fs::read(fixtures().join("chinook.sqlite")).unwrap();
    for path in databases(dir.path()) {
        let written = write_new(&path, &Memory(state.clone()), &write_options(other.path())).unwrap();
        assert_eq!(written.moved_aside, []);
        assert!(fs::read(&path).unwrap() == state);
        for suffix in ["-wal", "-shm", "-journal"] {
            assert!(!sidecar(&path, suffix).exists(), "{}{suffix}", path.display());
        }
        assert_sound(&path);
        assert!(fs::read(&path).unwrap() == state);
    }
    assert_eq!(listing(other.path()), [], "no temporary file is left");
}

/// A state of nearly 16 TiB, which nobody wants to see written.
struct Enormous;

impl PageSource for Enormous {
    fn byte_len(&self) -> u64 {
        u64::from(u32::MAX) * PAGE_SIZE as u64
    }

    fn read_pages(&self, _: PageIdx, _: &mut [u8]) -> Result<(), SourceError> {
        Err(SourceError::from("it was read"))
    }
}

#[test]
fn what_there_is_no_room_for_is_not_begun() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    fs::write(&path, b"as it was").unwrap();
    let error = write_new(&path, &Enormous, &write_options(dir.path())).unwrap_err();
    assert!(
        matches!(&error, MaterializeError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"as it was");
    assert_eq!(listing(dir.path()).len(), 1, "no temporary file is left");
}

#[test]
fn exports_are_exact() {
    let dir = tempfile::tempdir().unwrap();
    for len in [0, 1, 4095, 4096, 4097, (1 << 20) + 5] {
        let state: Vec<u8> = (0..len).map(|i| ((i * 31) >> 3) as u8).collect();
        let out = dir.path().join("out");
        export(&Memory(state.clone()), &out, &write_options(dir.path())).unwrap();
        assert!(fs::read(&out).unwrap() == state);
        let mut stream = Vec::new();
        assert_eq!(export_to(&Memory(state.clone()), &out, &mut stream).unwrap(), len as u64);
        assert!(stream == state);
    }
}

#[test]
fn a_stale_wal_or_journal_is_never_applied() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), Some("wal_uncheckpointed,hot_journal"));
    for (name, suffix) in [("wal_uncheckpointed.db", "-wal"), ("hot_journal.db", "-journal")] {
        let path = dir.path().join(name);
        let log = fs::read(sidecar(&path, suffix)).unwrap();
        // The state that the log would change most: its own database.
        let state = fs::read(&path).unwrap();
        for round in 1..=2 {
            fs::remove_file(&path).unwrap();
            fs::write(sidecar(&path, suffix), &log).unwrap();
            let written = write_new(&path, &Memory(state.clone()), &write_options(dir.path())).unwrap();
            let (from, to) = &written.moved_aside[0];
            assert_eq!(*from, sidecar(&path, suffix));
            assert!(to.to_str().unwrap().ends_with(if round == 1 { ".orphan" } else { ".orphan-2" }));
            assert!(fs::read(to).unwrap() == log, "what was moved aside is still there");
            assert!(!from.exists() && fs::read(&path).unwrap() == state);
        }
    }
    // A file that only has such a name belongs to somebody else.
    let (diary, journal) = (dir.path().join("diary"), dir.path().join("diary-journal"));
    fs::write(&journal, "Monday: rain.").unwrap();
    let written = write_new(&diary, &Memory(b"Dear".to_vec()), &write_options(dir.path())).unwrap();
    assert_eq!(written.moved_aside, []);
    assert_eq!(fs::read(&journal).unwrap(), b"Monday: rain.");
}

#[test]
fn what_was_moved_aside_is_back_after_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), Some("wal_uncheckpointed"));
    let path = dir.path().join("wal_uncheckpointed.db");
    fs::remove_file(&path).unwrap();
    let log = fs::read(sidecar(&path, "-wal")).unwrap();
    // A folder in the place of the file makes the last step fail.
    let in_the_way = || fs::create_dir(&path).is_ok();
    let options = WriteOptions { still_expected: &in_the_way, ..write_options(dir.path()) };
    write_new(&path, &Memory(b"new".to_vec()), &options).expect_err("a folder is in the way");
    assert!(path.is_dir(), "the failure came after the sidecars were looked at");
    assert!(fs::read(sidecar(&path, "-wal")).unwrap() == log);
    assert!(!sidecar(&path, "-wal.orphan").exists());
}

#[test]
fn users_of_the_old_file_are_waited_for_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let state = fs::read(fixtures().join("chinook.sqlite")).unwrap();
    let cases: [(&str, &[&str]); 4] = [
        ("delete", &["BEGIN", "SELECT * FROM t"]),
        ("delete", &["BEGIN IMMEDIATE"]),
        ("wal", &["SELECT * FROM t"]),
        ("wal", &["BEGIN IMMEDIATE", "INSERT INTO t VALUES (2)"]),
    ];
    for (i, (mode, statements)) in cases.into_iter().enumerate() {
        let path = dir.path().join(format!("{i}.db"));
        open(&path)
            .execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (x); INSERT INTO t VALUES (1)"))
            .unwrap();
        let before = fs::read(&path).unwrap();
        let other = OtherProcess::start(&path, statements);
        match write_new(&path, &Memory(state.clone()), &write_options(dir.path())) {
            Err(MaterializeError::Database(e @ DatabaseError::Locked { .. })) => {
                assert!(e.to_string().contains(&format!("pid {}", other.0.id())), "{e}");
            }
            other => panic!("{other:?}"),
        }
        assert!(fs::read(&path).unwrap() == before);
        assert_eq!(number(&open(&path), "SELECT x FROM t"), 1);
        other.finish();
        write_new(&path, &Memory(state.clone()), &write_options(dir.path())).unwrap();
        assert!(fs::read(&path).unwrap() == state);
    }
}

#[test]
fn an_unexpected_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), Some("wal_uncheckpointed,not_a_database"));
    for name in ["wal_uncheckpointed.db", "not_a_database.db", "missing.db"] {
        let path = dir.path().join(name);
        let before = listing(dir.path());
        let opts = WriteOptions { still_expected: &|| false, ..write_options(dir.path()) };
        match write_new(&path, &Memory(vec![1]), &opts) {
            Err(MaterializeError::ChangedMeanwhile { .. }) => {}
            other => panic!("{other:?}"),
        }
        assert!(name == "wal_uncheckpointed.db" || listing(dir.path()) == before);
    }
    assert_sound(&dir.path().join("wal_uncheckpointed.db"));
}

/// The page that holds byte 2^30 is never used: reads as zeros, and must not be written.
#[test]
fn databases_beyond_the_lock_byte_page() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.db");
    let conn = open(&path);
    conn.execute_batch("PRAGMA page_size = 65536; CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    drop(conn);
    // Grown by hand to three pages beyond the lock byte, all free; a sparse file.
    let pages = (1u32 << 30) / 65536 + 4;
    let file = File::options().read(true).write(true).open(&path).unwrap();
    file.set_len(u64::from(pages) * 65536).unwrap();
    file.write_all_at(&pages.to_be_bytes(), 28).unwrap();
    file.write_all_at(&[7; 65536 * 2], (1 << 30) + 65536).unwrap();
    drop(file);
    let mut first = [0; 4096];
    OnDisk(File::open(&path).unwrap()).read_pages(PageIdx::FIRST, &mut first).unwrap();
    assert_eq!(Header::parse(&first).unwrap().lock_byte_page(), pages - 3);
    let mut lens = (0, 0);
    let original = OnDisk(File::open(&path).unwrap());
    let mut old = vec![0; crate::sqlite::capture::CHUNK_LEN];
    scan(&path, &options(), &mut |chunk| {
        match chunk {
            ScanChunk::Start { byte_len, .. } => lens.0 = byte_len,
            ScanChunk::Pages { first, bytes } => {
                let old = &mut old[..bytes.len()];
                original.read_pages(first, old).unwrap();
                assert!(old == bytes.as_slice());
                lens.1 += bytes.len() as u64;
            }
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(lens, (original.byte_len(), original.byte_len()));
    // From a state without those pages, in place.
    let small = dir.path().join("small.db");
    let conn = open(&small);
    conn.execute_batch("PRAGMA page_size = 65536; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)").unwrap();
    drop(conn);
    let (small_state, lock_page) = (fs::read(&small).unwrap(), 1 << 30);
    let mut changed = PageSet::first(32);
    changed.insert_range(PageIdx::of_offset(lock_page).unwrap()..=PageIdx::of_offset(lock_page + 65536 * 3).unwrap());
    write_in_place(&path, &Memory(small_state.clone()), Some(&changed), &write_options(dir.path())).unwrap();
    assert_same_state(&captured(&path).unwrap(), &small_state, "shrunk");
    assert_sound(&path);
}
