//! Transactions of a session on a worktree file: each storage commit has the bytes that the file had after that transaction.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::model::{FileKind, PAGE_SIZE, PageIdx, PageSource, RepoPath};
use crate::repo::testing::{Random, seeds};
use crate::repo::worktree::recording::SessionRecorder;
use crate::sqlite::capture::{ScanChunk, ScanOptions, scan};
use crate::sqlite::header::same_but_volatile;
use crate::sqlite::sql::{Cells, RunError, Session, Sink, Target};

/// Forgets rows.
struct Nowhere;

impl Sink for Nowhere {
    fn begin(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }
    fn row(&mut self, _: &Cells<'_>) -> io::Result<()> {
        Ok(())
    }
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs statements one by one; an error ends them.
fn run(session: &Session, mut text: &str) -> Result<(), RunError> {
    while !text.trim().is_empty() {
        let end = session.run_first(text, &mut Nowhere)?;
        text = &text[end..];
    }
    Ok(())
}

pub(super) fn open(path: &Path, repo: Option<&Arc<Repository>>) -> Session {
    let mut session = Session::open(Target::File { path, read_only: false, create: true }, TIMEOUT).unwrap();
    if let Some(repo) = repo {
        session.record(Box::new(SessionRecorder::new(repo)));
    }
    session
}

/// The bytes that a scan sees.
pub(super) fn bytes(path: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    let scanned = scan(path, &ScanOptions { busy_timeout: TIMEOUT, on_wait: &|_| {} }, &mut |chunk| {
        if let ScanChunk::Pages { bytes, .. } = chunk {
            all.extend_from_slice(bytes);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    all.truncate(scanned.byte_len as usize);
    all
}

/// Tells whether two states differ in nothing but volatile fields.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    let page1 = |bytes: &[u8]| {
        let mut page = [0; PAGE_SIZE];
        let len = bytes.len().min(PAGE_SIZE);
        page[..len].copy_from_slice(&bytes[..len]);
        page
    };
    a.len() == b.len() && same_but_volatile(&page1(a), &page1(b)) && a.get(PAGE_SIZE..) == b.get(PAGE_SIZE..)
}

/// The states of all storage commits of a file, oldest first.
pub(super) fn stored(repo: &Repository, path: &str) -> Vec<Vec<u8>> {
    let entry = repo.index().unwrap().get(&RepoPath::new(path).unwrap()).unwrap().clone();
    let log = repo.store().storage_log().unwrap();
    let mut all: Vec<_> = log.of_volume(entry.volume).iter().map(|c| (c.commit.log, c.commit.lsn)).collect();
    all.sort();
    all.into_iter()
        .map(|(id, lsn)| {
            let open = repo.store().open_snapshot(log.state(id, lsn, FileKind::Sqlite).unwrap()).unwrap();
            let mut out = vec![0; (open.snapshot().byte_len as usize).next_multiple_of(PAGE_SIZE)];
            if !out.is_empty() {
                open.read_pages(PageIdx::FIRST, &mut out).unwrap();
            }
            out.truncate(open.snapshot().byte_len as usize);
            out
        })
        .collect()
}

/// A repository with one database of some settings, added.
fn database(settings: &str) -> (Scratch, Arc<Repository>) {
    let s = Scratch::new();
    let session = open(&s.path("app.db"), None);
    run(&session, settings).unwrap();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY, body); CREATE INDEX ti ON t (length(body))").unwrap();
    run(
        &session,
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300) INSERT INTO t SELECT i, randomblob(200) FROM c",
    )
    .unwrap();
    drop(session);
    s.add("app.db");
    let repo = Arc::new(Repository::open(s.dir.path(), Settings::default()).unwrap());
    (s, repo)
}

/// A statement at random, or a few that make one transaction; what must fail, fails everywhere.
fn statement(random: &mut Random, wal: bool) -> String {
    let n = random.below(400);
    let small = random.below(3000);
    match random.below(if wal { 17 } else { 19 }) {
        0..=3 => format!("INSERT OR REPLACE INTO t VALUES ({n}, randomblob({small}))"),
        4 => format!("UPDATE t SET body = zeroblob({small}) WHERE id % 7 = {}", n % 7),
        5 => format!("DELETE FROM t WHERE id BETWEEN {n} AND {n} + 60"),
        6 => format!("BEGIN; INSERT OR REPLACE INTO t VALUES ({n}, 'x'); DELETE FROM t WHERE id < {n} / 4; COMMIT"),
        7 => "BEGIN; DELETE FROM t; ROLLBACK".to_owned(),
        8 => format!(
            "BEGIN; PRAGMA cache_size = 5; UPDATE t SET body = randomblob({small} / 4 + 1); ROLLBACK; PRAGMA cache_size = -2000"
        ),
        9 => format!(
            "SAVEPOINT a; INSERT OR REPLACE INTO t VALUES ({n}, 1); SAVEPOINT b; DELETE FROM t; ROLLBACK TO b; RELEASE a"
        ),
        10 => format!("CREATE TABLE IF NOT EXISTS u{} (x, y PRIMARY KEY) WITHOUT ROWID", n % 5),
        11 => format!("DROP TABLE IF EXISTS u{}", n % 5),
        12 => format!("INSERT OR IGNORE INTO u{} SELECT id, body FROM t WHERE id % 3 = 0", n % 5),
        13 => "PRAGMA incremental_vacuum(3)".to_owned(),
        14 => "VACUUM".to_owned(),
        15 => format!("PRAGMA user_version = {n}"),
        16 => {
            "PRAGMA cache_size = 5; UPDATE t SET body = body || 'x'; DELETE FROM t WHERE id % 2; PRAGMA cache_size = -2000"
                .to_owned()
        }
        17 => format!("PRAGMA journal_mode = {}", random.pick(&["DELETE", "TRUNCATE", "PERSIST", "MEMORY"])),
        _ => format!("PRAGMA page_size = {}; VACUUM", random.pick(&[512, 1024, 4096, 8192, 32768])),
    }
}

fn every_transaction_is_a_storage_commit(settings: &str, seed: u64) {
    let (s, repo) = database(settings);
    let path = s.path("app.db");
    let mut random = Random(seed);
    let session = open(&path, Some(&repo));
    let mut wanted = stored(&repo, "app.db");
    let mut told = Vec::new();
    let mut current = wanted[0].clone();
    for n in 0..60 {
        let text = match n {
            59 => "INSERT OR REPLACE INTO t VALUES (1, 'the end')".to_owned(),
            _ => statement(&mut random, settings.contains("WAL")),
        };
        let mut rest = text.as_str();
        while !rest.trim().is_empty() {
            match session.run_first(rest, &mut Nowhere) {
                Ok(end) => rest = &rest[end..],
                Err(_) => break,
            }
            if session.in_transaction() {
                continue;
            }
            let now = bytes(&path);
            // What was rolled back may stay in pages that nobody uses; it is no transaction.
            if !same(&current, &now) && !text.contains("; ROLLBACK;") {
                wanted.push(now.clone());
                told.push(text.clone());
            }
            current = now;
        }
        if session.in_transaction() {
            run(&session, "ROLLBACK").unwrap();
        }
    }
    let failed = session.close();
    assert!(failed.is_empty(), "{failed:?}");
    let mut found = stored(&repo, "app.db");
    // A transaction that wrote what was there already is one, too.
    found.dedup_by(|b, a| same(a, b));
    for (n, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        let context = || format!("{settings}, seed {seed}: state {n} after {:?}", n.checked_sub(1).map(|n| &told[n]));
        assert_eq!(found.len(), wanted.len(), "{}", context());
        for (i, (a, b)) in found.chunks(PAGE_SIZE).zip(wanted.chunks(PAGE_SIZE)).enumerate().skip(1) {
            assert!(a == b, "page {}: {}", i + 1, context());
        }
        assert!(same(found, wanted), "page 1: {}", context());
    }
    assert_eq!(found.len(), wanted.len(), "{settings}, seed {seed}");

    // The index takes the newest state as it is, without another look at the file, and then all is clean.
    let last = repo.last_state(repo.index().unwrap().get(&RepoPath::new("app.db").unwrap()).unwrap().volume).unwrap();
    if fs::metadata(&path).unwrap().len() >= 1 << 20 {
        assert!(last.fingerprint.is_some(), "{settings}: the file was looked at when it was settled");
    }
    let before = repo.store().storage_log().unwrap().all().count();
    s.add("app.db");
    let entry = repo.index().unwrap().get(&RepoPath::new("app.db").unwrap()).unwrap().clone();
    assert_eq!(repo.snapshot(&entry.snapshot).unwrap(), last.snapshot, "{settings}");
    assert_eq!(repo.store().storage_log().unwrap().all().count(), before, "nothing was stored again");
    assert_eq!(s.unstaged(), []);
    // And a scan agrees.
    fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    assert_eq!(s.unstaged(), [], "{settings}, seed {seed}");
}

#[test]
fn transactions_in_every_journal_mode() {
    for seed in 0..seeds(1) {
        for settings in [
            "PRAGMA page_size = 4096",
            "PRAGMA page_size = 512; PRAGMA auto_vacuum = FULL",
            "PRAGMA page_size = 1024; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = PERSIST",
            "PRAGMA page_size = 65536; PRAGMA encoding = 'UTF-16'",
            "PRAGMA journal_mode = WAL",
            "PRAGMA page_size = 1024; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL",
            "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL",
        ] {
            every_transaction_is_a_storage_commit(settings, seed);
        }
    }
}

#[test]
fn changes_of_the_journal_mode_lose_nothing() {
    for seed in 0..seeds(1) {
        let (s, repo) = database("PRAGMA page_size = 1024");
        let path = s.path("app.db");
        let mut random = Random(seed);
        let session = open(&path, Some(&repo));
        let mut wanted = stored(&repo, "app.db");
        for n in 0..60 {
            let text = match n % 10 {
                3 => "PRAGMA journal_mode = WAL".to_owned(),
                6 => "PRAGMA wal_checkpoint(TRUNCATE)".to_owned(),
                9 => "PRAGMA journal_mode = DELETE".to_owned(),
                _ => format!("INSERT OR REPLACE INTO t VALUES ({}, randomblob(900))", random.below(400)),
            };
            run(&session, &text).unwrap();
            wanted.push(bytes(&path));
        }
        assert!(session.close().is_empty());
        let found = stored(&repo, "app.db");
        let mut left = wanted.iter();
        for (n, found) in found.iter().enumerate() {
            assert!(left.any(|state| same(state, found)), "state {n} is none that the file had, or comes too late");
        }
        assert!(found.len() >= 30, "{} of 42 transactions", found.len());
        s.add("app.db");
        let newest = stored(&repo, "app.db").pop().unwrap();
        assert!(same(&newest, wanted.last().unwrap()));
        fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
        assert_eq!(s.unstaged(), []);
    }
}

#[test]
fn somebody_else_writes_at_the_same_time() {
    for settings in ["PRAGMA page_size = 4096", "PRAGMA journal_mode = WAL"] {
        let (s, repo) = database(settings);
        let path = s.path("app.db");
        let tables = "CREATE TABLE a (n INTEGER PRIMARY KEY, x); CREATE TABLE b (n INTEGER PRIMARY KEY, x)";
        run(&open(&path, None), tables).unwrap();
        s.add("app.db");
        const EACH: usize = 60;
        let insert = |session: &Session, table: &str| {
            for n in 1..=EACH {
                run(session, &format!("INSERT INTO {table} VALUES ({n}, randomblob(300))")).unwrap();
                if table == "b" {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| insert(&open(&path, None), "b"));
            let session = open(&path, Some(&repo));
            insert(&session, "a");
            assert!(session.close().is_empty());
        });
        s.add("app.db");
        let states = stored(&repo, "app.db");
        assert!(states.len() > 5, "{settings}: {} states", states.len());
        let scratch = s.path("state.db");
        let (mut last, whole) = (vec![0, 0], "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)");
        for (n, state) in states.iter().enumerate().skip(2) {
            fs::write(&scratch, state).unwrap();
            assert_eq!(sample::query(&scratch, "PRAGMA integrity_check").unwrap(), [["ok"]], "{settings}: state {n}");
            let rows = sample::query(
                &scratch,
                "SELECT coalesce(max(n), 0) FROM a UNION ALL SELECT coalesce(max(n), 0) FROM b",
            );
            let most: Vec<usize> = rows.unwrap().iter().map(|r| r[0].parse().unwrap()).collect();
            let counts = &sample::query(&scratch, whole).unwrap()[0];
            let counts: Vec<usize> = counts.iter().map(|n| n.parse().unwrap()).collect();
            assert_eq!(most, counts, "{settings}: state {n} lacks rows of before");
            assert!(counts[0] >= last[0] && counts[1] >= last[1], "{settings}: state {n} goes back");
            last = counts;
            for suffix in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(s.path(&format!("state.db{suffix}")));
            }
        }
        assert_eq!(last, [EACH, EACH], "{settings}: nothing is lost");
        assert_eq!(s.unstaged(), []);
    }
}
