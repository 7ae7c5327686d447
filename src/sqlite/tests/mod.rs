//! Tests of capture and materialize on generated databases, and what they share.

mod capture;
mod diff;
mod diff_traps;
mod hostile_scripts;
mod in_place;
mod replace;
mod selected;
mod vfs;

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::detect::Detected;
use super::{CaptureError, ScanChunk, ScanOptions, classify, header, scan};
use crate::model::{PAGE_SIZE, PageIdx, PageSet, PageSource, SourceError};

/// A state held in memory.
struct Memory(Vec<u8>);

impl PageSource for Memory {
    fn byte_len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
        out.fill(0);
        let rest = self.0.get(first.byte_offset() as usize..).unwrap_or_default();
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        Ok(())
    }
}

/// Counts the pages that are read.
struct Counted(Memory, Arc<AtomicUsize>);

impl PageSource for Counted {
    fn byte_len(&self) -> u64 {
        self.0.byte_len()
    }

    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
        self.1.fetch_add(out.len() / PAGE_SIZE, Ordering::Relaxed);
        self.0.read_pages(first, out)
    }
}

/// A state held in a file without sidecars.
struct OnDisk(File);

impl PageSource for OnDisk {
    fn byte_len(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }

    fn read_pages(&self, first: PageIdx, mut out: &mut [u8]) -> Result<(), SourceError> {
        out.fill(0);
        let mut at = first.byte_offset();
        loop {
            match self.0.read_at(out, at)? {
                0 => return Ok(()),
                n => {
                    at += n as u64;
                    out = &mut out[n..];
                }
            }
        }
    }
}

fn options() -> ScanOptions<'static> {
    ScanOptions { busy_timeout: Duration::from_millis(300), on_wait: &|_| {} }
}

/// Captures a database into memory.
fn captured(path: &Path) -> Result<Vec<u8>, CaptureError> {
    let mut all = Vec::new();
    let mut len = None;
    let scanned = scan(path, &options(), &mut |chunk| {
        match chunk {
            ScanChunk::Start { byte_len, .. } => assert!(len.replace(byte_len).is_none()),
            ScanChunk::Pages { first, bytes } => {
                assert_eq!(first.byte_offset(), all.len() as u64, "in order and without gaps");
                assert_eq!(bytes.len() % PAGE_SIZE, 0);
                all.append(bytes);
            }
        }
        ControlFlow::Continue(())
    })?;
    assert!(scanned.complete);
    assert_eq!(len, Some(scanned.byte_len));
    assert_eq!(all.len() as u64, scanned.byte_len.next_multiple_of(PAGE_SIZE as u64));
    all.truncate(scanned.byte_len as usize);
    Ok(all)
}

/// Compares two states with their volatile header fields aside.
fn assert_same_state(a: &[u8], b: &[u8], what: &str) {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    header::mask(&mut a);
    header::mask(&mut b);
    assert_eq!(a.len(), b.len(), "{what}: length");
    let differing: PageSet = (a.chunks(PAGE_SIZE).zip(b.chunks(PAGE_SIZE)).enumerate())
        .filter(|(_, (a, b))| a != b)
        .filter_map(|(i, _)| PageIdx::new(i as u32 + 1))
        .collect();
    assert!(differing.is_empty(), "{what}: pages {differing} differ");
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/fixtures")
}

fn python(args: &[&str]) -> String {
    let out = Command::new("python3").args(args).output().expect("python3 is installed");
    assert!(out.status.success(), "python3 {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Generates databases into `dir`: those named, separated by commas, or all.
fn generate(dir: &Path, only: Option<&str>) {
    let script = fixtures().join("generate.py");
    let mut args = vec![script.to_str().unwrap(), "make", dir.to_str().unwrap()];
    args.extend(only.iter().flat_map(|names| ["--only", names]));
    python(&args);
}

/// Changes rows and schema of a database at random.
fn mutate(db: &Path, seed: u32, n: u32) {
    let script = fixtures().join("generate.py");
    let (seed, n) = (seed.to_string(), n.to_string());
    python(&[script.to_str().unwrap(), "mutate", db.to_str().unwrap(), "--seed", &seed, "-n", &n, "--no-log"]);
}

/// Copies a database and what lies beside it.
fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-journal"] {
        let from = super::holders::sidecar(from, suffix);
        if from.exists() {
            fs::copy(from, super::holders::sidecar(to, suffix)).unwrap();
        }
    }
}

/// Lists the valid databases of a folder.
fn databases(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = (fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()))
        .filter(|p| p.is_file() && !["-wal", "-shm", "-journal"].iter().any(|s| p.to_str().unwrap().ends_with(s)))
        .filter(|p| !p.ends_with("truncated.db") && matches!(classify(p), Ok(Detected::Sqlite(_))))
        .collect();
    found.sort();
    found
}

/// Returns the names and sizes of a folder's files.
fn listing(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut all: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap()).map(|e| (e.path(), e.metadata().unwrap().len())).collect();
    all.sort();
    all
}

fn open(path: &Path) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.busy_timeout(Duration::ZERO).unwrap();
    conn
}

fn number(conn: &Connection, sql: &str) -> i64 {
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn assert_sound(path: &Path) {
    let conn = open(path);
    let said = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap_or_else(|e| e.to_string());
    // A collation that only the application has keeps SQLite from checking the order of keys.
    assert!(said == "ok" || said.contains("no such collation"), "{}: {said}", path.display());
}

/// Another process with a connection to a database, that has run some statements.
struct OtherProcess(Child);

impl OtherProcess {
    fn start(path: &Path, statements: &[&str]) -> Self {
        let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                      for s in sys.argv[2:]: c.execute(s).fetchall()\nprint('ready', flush=True)\nsys.stdin.readline()";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(path)
            .args(statements)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    /// Lets the process end as a program does that closes its connection.
    fn finish(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
