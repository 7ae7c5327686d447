//! Writes the differing pages into an existing database, in one transaction of SQLite's.
//!
//! SQLite journals the transaction, honours everybody's locks and tells open connections, so an application may stay
//! connected. Two fields of the first page stay the file's own: the journal mode, and the schema cookie, by which
//! connections notice that their idea of the schema is out of date. The cookie only grows: a value that came back with
//! another schema would make an application use root pages that belong to other tables by now.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use rusqlite::{Statement, params};

use super::{MaterializeError, WriteOptions};
use crate::model::{PAGE_SIZE, PageIdx, PageSet, PageSource};
use crate::sqlite::attach::{Attached, Purpose, READ};
use crate::sqlite::capture::{ScanChunk, Scanned, scan_transaction};
use crate::sqlite::detect::{Detected, classify};
use crate::sqlite::error::{CaptureError, DatabaseError};
use crate::sqlite::header::{self, Header};
use crate::util::interrupt;

/// Bytes of the state to write that are read at a time; a multiple of every page size.
const RUN_LEN: usize = 256 << 10;

/// What was written in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InPlace {
    /// SQLite pages written.
    pub pages: u32,
    /// Bytes of the database now.
    pub byte_len: u64,
    /// It was looked at, and no other program had changed it by then.
    pub was_seen: bool,
}

/// Why a file cannot be written in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsuited {
    /// There is no file.
    Missing,
    /// The file has no bytes.
    Empty,
    /// The file or the state to write is not an SQLite database.
    NotADatabase,
    /// The page sizes, reserved bytes or text encodings differ.
    Layout,
    /// The file or the state to write has bytes behind its last page, or a header that does not know its size.
    Length,
    /// SQLite would move pages of the new state by itself, as the file is in full auto-vacuum mode.
    AutoVacuum,
}

impl fmt::Display for Unsuited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no file",
            Self::Empty => "the file is empty",
            Self::NotADatabase => "not an SQLite database",
            Self::Layout => "another page size or text encoding",
            Self::Length => "the header does not tell the length of the database",
            Self::AutoVacuum => "the file is in full auto-vacuum mode",
        })
    }
}

/// Brings a database into the state `source`, writing only SQLite pages that differ.
///
/// `changed` names the 4 KiB pages to look at; `None` looks at all. The caller promises that the others are equal, and
/// `still_expected` must check that promise. Waits for locks as `opts` says. A crash leaves the old or the new state,
/// which SQLite recovers by itself.
pub fn write_in_place(
    path: &Path,
    source: &dyn PageSource,
    changed: Option<&PageSet>,
    opts: &WriteOptions<'_>,
) -> Result<InPlace, MaterializeError> {
    target_header(path, source)?;
    let locked = Locked::lock(path, opts)?;
    if !(opts.still_expected)() {
        locked.release();
        return Err(MaterializeError::ChangedMeanwhile { path: path.into() });
    }
    locked.write(source, changed, opts)
}

/// A database in a write transaction of ours: others can read it, but not write.
///
/// While it lives nothing in this process may open and close the file, which would drop SQLite's locks.
pub struct Locked {
    path: PathBuf,
    db: Attached,
}

impl Locked {
    /// Begins the transaction; waits for locks as `opts` says.
    pub fn lock(path: &Path, opts: &WriteOptions<'_>) -> Result<Self, MaterializeError> {
        let unsuited = |reason| MaterializeError::Unsuited { path: path.into(), reason };
        match classify(path) {
            Ok(Detected::Sqlite(_)) => {}
            Ok(Detected::Empty) => return Err(unsuited(Unsuited::Empty)),
            Ok(Detected::Other) => return Err(unsuited(Unsuited::NotADatabase)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(unsuited(Unsuited::Missing)),
            Err(e) => return Err(DatabaseError::io(path, e).into()),
        }
        let db = Attached::begin(path, Purpose::Write, "BEGIN IMMEDIATE", opts.busy())?;
        Ok(Self { path: path.to_owned(), db })
    }

    /// Streams what the database holds, which nobody can change now.
    pub fn scan(&mut self, sink: &mut dyn FnMut(ScanChunk<'_>) -> ControlFlow<()>) -> Result<Scanned, CaptureError> {
        scan_transaction(&self.db, &self.path, sink)
    }

    /// Brings the database into the state `source`, as [`write_in_place`] does.
    pub fn write(
        self,
        source: &dyn PageSource,
        changed: Option<&PageSet>,
        opts: &WriteOptions<'_>,
    ) -> Result<InPlace, MaterializeError> {
        let result = target_header(&self.path, source).and_then(|target| {
            let mut writer = Writer::begin(&self.db, &self.path, source, opts, target)?;
            writer.write(changed)?;
            writer.commit(opts)
        });
        if result.is_err() {
            // Closing would roll back as well; this keeps the order plain.
            let _ = self.db.conn().execute_batch("ROLLBACK");
        }
        self.release();
        result
    }

    /// Ends the transaction and changes nothing.
    pub fn release(self) {
        self.db.close();
    }
}

/// Returns the header of the state to write, if that is a database which can be written in place.
fn target_header(path: &Path, source: &dyn PageSource) -> Result<Header, MaterializeError> {
    let unsuited = |reason| MaterializeError::Unsuited { path: path.into(), reason };
    let mut first = [0; PAGE_SIZE];
    read(path, source, 0, &mut first)?;
    let target = Header::parse(&first).ok_or(unsuited(Unsuited::NotADatabase))?;
    match target.byte_len() == Some(source.byte_len()) {
        true => Ok(target),
        false => Err(unsuited(Unsuited::Length)),
    }
}

struct Writer<'a> {
    db: &'a Attached,
    path: &'a Path,
    source: &'a dyn PageSource,
    on_progress: &'a dyn Fn(u64),
    /// The header to write.
    target: Header,
    /// The file's own first page.
    page1: Vec<u8>,
    /// SQLite pages that the file has, and shall have.
    pages: u32,
    target_pages: u32,
    schema_pages: BTreeSet<u32>,
    schema_differs: bool,
    written: u32,
}

impl<'a> Writer<'a> {
    /// Looks at the file in the write transaction that is open.
    fn begin(
        db: &'a Attached,
        path: &'a Path,
        source: &'a dyn PageSource,
        opts: &WriteOptions<'a>,
        target: Header,
    ) -> Result<Self, MaterializeError> {
        let page1: Vec<u8> = db
            .conn()
            .query_row("SELECT data FROM sqlite_dbpage WHERE schema = 'g' AND pgno = 1", [], |row| row.get(0))
            .map_err(|e| db.error(e))?;
        let page_size = db.page_size()?;
        let pages = db.page_count()?;
        let reason = match Header::parse(&page1) {
            None => Some(Unsuited::NotADatabase),
            Some(h) => unsuited(&h, &target, page_size).or_else(|| {
                let has_tail =
                    !h.wal && fs::metadata(path).is_ok_and(|m| m.len() != u64::from(pages) * u64::from(page_size));
                has_tail.then_some(Unsuited::Length)
            }),
        };
        if let Some(reason) = reason {
            return Err(MaterializeError::Unsuited { path: path.into(), reason });
        }
        Ok(Self {
            db,
            path,
            source,
            on_progress: opts.on_progress,
            target,
            page1,
            pages,
            target_pages: (source.byte_len() / u64::from(page_size)) as u32,
            schema_pages: schema_pages(db).map_err(|e| db.error(e))?,
            schema_differs: false,
            written: 0,
        })
    }

    fn write(&mut self, changed: Option<&PageSet>) -> Result<(), MaterializeError> {
        let db = self.db;
        let mut select = db
            .conn()
            .prepare("SELECT data FROM sqlite_dbpage WHERE schema = 'g' AND pgno = ?1")
            .map_err(|e| db.error(e))?;
        let mut insert = db
            .conn()
            .prepare("INSERT INTO sqlite_dbpage (pgno, data, schema) VALUES (?1, ?2, 'g')")
            .map_err(|e| db.error(e))?;
        let mut buf = Vec::new();
        for run in self.runs(changed) {
            interrupt::check()?;
            buf.resize((run.end - run.start) as usize, 0);
            read(self.path, self.source, run.start, &mut buf)?;
            let page_size = self.target.page_size as usize;
            let first = (run.start / page_size as u64) as u32 + 1;
            for (n, bytes) in (first..=self.target_pages).zip(buf.chunks_exact(page_size)) {
                self.write_page(n, bytes, &mut select, &mut insert)?;
            }
            (self.on_progress)(run.end - run.start);
        }
        // Checks the schema cookie, which must not change while this statement is used.
        drop(select);
        self.write_first(&mut insert)?;
        if self.target_pages < self.pages {
            // Cuts off this page and all behind it; any later write would call that off.
            insert.execute(params![self.target_pages + 1, None::<&[u8]>]).map_err(|e| db.error(e))?;
            self.written += 1;
        }
        Ok(())
    }

    fn write_page(
        &mut self,
        n: u32,
        bytes: &[u8],
        select: &mut Statement<'_>,
        insert: &mut Statement<'_>,
    ) -> Result<(), MaterializeError> {
        // The first page comes last; one write to the lock-byte page would spoil the whole transaction.
        if n == 1 || n == self.target.lock_byte_page() {
            return Ok(());
        }
        let error = |e| self.db.error(e);
        if n <= self.pages {
            let mut rows = select.query([n]).map_err(error)?;
            if let Some(row) = rows.next().map_err(error)?
                && row.get_ref(0).map_err(error)?.as_blob().is_ok_and(|old| old == bytes)
            {
                return Ok(());
            }
        }
        insert.execute(params![n, bytes]).map_err(error)?;
        self.written += 1;
        self.schema_differs |= self.schema_pages.contains(&n);
        Ok(())
    }

    fn write_first(&mut self, insert: &mut Statement<'_>) -> Result<(), MaterializeError> {
        let mut new = vec![0; self.page1.len().max(PAGE_SIZE)];
        read(self.path, self.source, 0, &mut new)?;
        new.truncate(self.page1.len());
        self.schema_differs |= new[header::HEADER_LEN..] != self.page1[header::HEADER_LEN..];
        let file_cookie = header::be32(&self.page1, header::COOKIE_AT);
        let cookie = match self.schema_differs {
            true => file_cookie.max(self.target.schema_cookie).wrapping_add(1),
            false => file_cookie,
        };
        new[header::JOURNAL_MODE].copy_from_slice(&self.page1[header::JOURNAL_MODE]);
        new[header::COOKIE_AT..header::COOKIE_AT + 4].copy_from_slice(&cookie.to_be_bytes());
        let (mut old_masked, mut new_masked) = (self.page1.clone(), new.clone());
        header::mask(&mut old_masked);
        header::mask(&mut new_masked);
        if cookie != file_cookie || old_masked != new_masked {
            insert.execute(params![1, new]).map_err(|e| self.db.error(e))?;
            self.written += 1;
        }
        Ok(())
    }

    fn commit(self, opts: &WriteOptions<'_>) -> Result<InPlace, MaterializeError> {
        let end = if self.written == 0 { "ROLLBACK" } else { "COMMIT" };
        let version = opts.look.and_then(|_| self.version());
        self.db.execute(end, opts.busy())?;
        let was_seen = opts.look.is_some_and(|look| version.is_some() && self.was_seen(version, look));
        Ok(InPlace { pages: self.written, byte_len: self.source.byte_len(), was_seen })
    }

    /// Returns a number that changes when another connection commits.
    fn version(&self) -> Option<i64> {
        self.db.conn().query_row("PRAGMA g.data_version", [], |row| row.get(0)).ok()
    }

    /// Looks at the database and tells whether nobody has changed it since the transaction, in which `version` was read. What goes
    /// wrong here costs only the knowledge, as the state is written.
    fn was_seen(&self, version: Option<i64>, look: &dyn Fn()) -> bool {
        // Closing the last connection would do so as well, and the file would look otherwise then.
        if self.db.conn().query_row("PRAGMA g.wal_checkpoint(TRUNCATE)", [], |_| Ok(())).is_err() {
            return false;
        }
        look();
        let begun = self.db.conn().execute_batch(READ).is_ok();
        let same = begun && self.version() == version && self.db.is_in_place();
        let _ = self.db.conn().execute_batch("ROLLBACK");
        same
    }

    /// Returns the byte ranges to look at, cut so that each holds whole pages of both sizes.
    fn runs(&self, changed: Option<&PageSet>) -> Vec<Range<u64>> {
        let unit = u64::from(self.target.page_size).max(PAGE_SIZE as u64);
        let end = self.source.byte_len().next_multiple_of(unit);
        let grown = u64::from(self.pages) * u64::from(self.target.page_size) / unit * unit;
        let mut runs: Vec<Range<u64>> = Vec::new();
        let mut add = |start: u64, stop: u64| match runs.last_mut() {
            Some(last) if last.end >= start => last.end = last.end.max(stop),
            _ => runs.push(start..stop),
        };
        match changed {
            None => add(0, end),
            Some(set) => {
                for run in set.runs() {
                    let start = run.start().byte_offset() / unit * unit;
                    let stop = (run.end().byte_offset() + PAGE_SIZE as u64).next_multiple_of(unit);
                    if start < end.min(grown) {
                        add(start, stop.min(end));
                    }
                }
                // What lies beyond the file's end has to be written even where it is all zeros.
                if grown < end {
                    add(grown, end);
                }
            }
        }
        runs.iter().flat_map(|r| cut(r.clone())).collect()
    }
}

fn cut(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = range.end;
    range.step_by(RUN_LEN).map(move |start| start..end.min(start + RUN_LEN as u64))
}

fn unsuited(file: &Header, target: &Header, page_size: u32) -> Option<Unsuited> {
    if (page_size, file.reserved, file.encoding) != (target.page_size, target.reserved, target.encoding) {
        return Some(Unsuited::Layout);
    }
    // On commit SQLite would take the new state's free pages for its own to remove.
    (file.auto_vacuum && !file.incremental_vacuum && target.free_pages > 0).then_some(Unsuited::AutoVacuum)
}

/// Finds the pages that hold the file's own schema.
fn schema_pages(db: &Attached) -> rusqlite::Result<BTreeSet<u32>> {
    db.conn()
        .prepare("SELECT pageno FROM dbstat WHERE schema = 'g' AND name = 'sqlite_schema'")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Reads bytes of the state to write; `offset` and the length are multiples of 4096.
fn read(path: &Path, source: &dyn PageSource, offset: u64, out: &mut [u8]) -> Result<(), MaterializeError> {
    let first = PageIdx::of_offset(offset).expect("a source never holds more than 16 TiB");
    source.read_pages(first, out).map_err(|source| MaterializeError::Source { path: path.into(), source })
}
