//! Transactions of a session on files, handed on one by one to whoever keeps the states of these files.
//!
//! What a transaction wrote is told by the layer that its files are opened through (`vfs_shim`); the pages are read after
//! it, in a read transaction of the same connection. They count only if no other connection has committed since the state that they
//! are added to: SQLite's `data_version` says so, within that read transaction. Otherwise what is kept is forgotten, and taken up again
//! by looking at the whole file, or not at all; what the file holds is the truth either way.
//!
//! Nothing of this can make a statement fail, and while a transaction is open nothing is done at all.

use std::cell::RefCell;
use std::ffi::CString;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::Session;
use super::recorded::{Pages, Reader};
use crate::model::page::ZERO_PAGE;
use crate::model::{PAGE_SIZE, PageBuf, PageIdx, PageSet, SourceError, page};
use crate::sqlite::header::same_but_volatile;
use crate::sqlite::holders::sidecar;
use crate::sqlite::vfs_shim::{self, Written};

/// Files of up to this many bytes are looked at as a whole again, after somebody else has written to them.
const LOOK_AGAIN: u64 = 16 << 20;

/// A state seen this recently is not asked for again before a statement: the look after it tells as well, only that what others did
/// meanwhile and the statement itself then are one change.
const RECENT: Duration = Duration::from_millis(10);

/// Keeps states of files.
pub trait Recorder {
    /// Returns who keeps the states of a file; `None` if nobody does.
    fn of(&self, file: &Path) -> Result<Option<Box<dyn Recording>>, SourceError>;
}

/// A run of whole pages, as it is handed on. The receiver may break off.
pub type TakePages<'a> = dyn FnMut(PageIdx, Vec<u8>) -> ControlFlow<()> + 'a;

/// Keeps the states of one file.
///
/// Must not open the file: closing it again would drop SQLite's locks.
pub trait Recording {
    /// Tells whether the state that the file has now is one that is kept, by a look from outside; goes on from that one. A read
    /// transaction is open meanwhile.
    fn knows_state(&mut self) -> Result<bool, SourceError>;

    /// Takes the state that the file has now, all of its pages.
    fn take_all(
        &mut self,
        byte_len: u64,
        pages: &mut dyn FnMut(&mut TakePages<'_>) -> Result<(), SourceError>,
    ) -> Result<(), SourceError>;

    /// Takes a transaction: the pages it wrote, in order, and how long the file is.
    fn commit(
        &mut self,
        byte_len: u64,
        pages: &mut dyn Iterator<Item = Result<(PageIdx, PageBuf), SourceError>>,
    ) -> Result<(), SourceError>;

    /// Makes what was taken so far findable.
    fn flush(&mut self) -> Result<(), SourceError>;

    /// Tells whether a state was taken that is not yet remembered.
    fn is_ahead(&self) -> bool;

    /// Waits, a few milliseconds at the most, until a write from now on would show on the file.
    fn settle(&self);

    /// Looks at the file from outside. It has the state that was taken last, and a read transaction is open.
    fn look(&mut self);

    /// Forgets that look: the file has been written to since that state.
    fn forget_look(&mut self);

    /// Remembers the state taken last together with that look, if the file still looks like that but for a log that is gone.
    fn remember(&mut self) -> Result<(), SourceError>;
}

/// The transactions of a session.
pub(super) struct Transactions {
    recorder: Box<dyn Recorder>,
    files: RefCell<Vec<Followed>>,
    failures: RefCell<Vec<Failed>>,
}

/// A file whose transactions could not be kept.
#[derive(Debug)]
pub struct Failed {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub why: SourceError,
}

/// A database of the session.
struct Followed {
    schema: CString,
    file: PathBuf,
    written: Arc<Written>,
    recording: Option<Box<dyn Recording>>,
    known: Option<Known>,
    /// When that was last seen.
    seen: Option<Instant>,
    /// What the file looked like after the last write of this session; what does not respect SQLite's locks shows in nothing else.
    stamp: Option<Stamp>,
    /// It looked like that before the statement that runs.
    is_own: bool,
    /// The whole file has been looked at.
    looked: bool,
}

/// What a file and its log look like from outside: length, modification, inode and its change.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp([Option<[i64; 7]>; 2]);

impl Stamp {
    fn of(file: &Path) -> Self {
        Self(["", "-wal"].map(|suffix| {
            let m = std::fs::metadata(sidecar(file, suffix)).ok()?;
            Some([m.len() as i64, m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec(), m.ino() as i64, m.dev() as i64])
        }))
    }
}

/// A state that is kept.
struct Known {
    data_version: i64,
    page_count: u32,
    page1: Box<PageBuf>,
    /// Pages that may have been written without being kept.
    doubtful: PageSet,
}

impl Session {
    /// Hands the transactions of the session on.
    pub fn record(&mut self, recorder: Box<dyn Recorder>) {
        self.transactions = Some(Transactions { recorder, files: RefCell::default(), failures: RefCell::default() });
    }

    /// Makes the transactions so far findable: before somebody asks for them, and before the session waits for the user.
    pub fn flush_transactions(&self, at_rest: bool) {
        let Some(transactions) = self.transactions.as_ref().filter(|_| !self.in_transaction()) else { return };
        if at_rest {
            transactions.look(&self.conn);
        }
        transactions.each(|followed| match followed.recording.as_mut().filter(|r| r.is_ahead()) {
            Some(recording) if at_rest => recording.remember(),
            Some(recording) => recording.flush(),
            None => Ok(()),
        });
    }

    /// Returns the files whose transactions could not be kept, once.
    pub fn failed_recordings(&self) -> Vec<Failed> {
        self.transactions.as_ref().map(|t| t.failures.take()).unwrap_or_default()
    }

    /// Ends the session. Returns the files whose transactions could not be kept.
    pub fn close(mut self) -> Vec<Failed> {
        let Some(transactions) = self.transactions.take() else { return Vec::new() };
        if !self.in_transaction() {
            transactions.checkpoint(&self.conn);
            transactions.look(&self.conn);
        }
        // Closing the last connection of a database in WAL mode takes the log away, so the last look is after that.
        drop(self);
        transactions.each(|followed| match followed.recording.as_mut().filter(|r| r.is_ahead()) {
            Some(recording) => recording.remember(),
            None => Ok(()),
        });
        transactions.failures.take()
    }

    /// Before a statement: what it writes is to be added to a known state.
    pub(super) fn before(&self, statement: &str, reads_only: bool) {
        let Some(transactions) = &self.transactions else { return };
        if !self.in_transaction() && (!reads_only || begins(statement)) {
            transactions.find_states(&self.conn);
        }
    }

    /// After a statement: a transaction that it ended is handed on.
    pub(super) fn after(&self) {
        let Some(transactions) = &self.transactions else { return };
        if self.in_transaction() {
            return;
        }
        if transactions.files.borrow().iter().any(|f| f.known.is_some() && !f.written.is_empty()) {
            // Whoever stands in the way is writing, and then it is no longer the state known.
            let _ = self.conn.busy_timeout(Duration::ZERO);
            transactions.hand_on(&self.conn);
            let _ = self.conn.busy_timeout(self.busy.get());
        }
        for followed in transactions.files.borrow_mut().iter_mut() {
            // A checkpoint, say, writes to the file without changing its state.
            if std::mem::take(&mut followed.is_own) && followed.known.is_some() {
                followed.stamp = Some(Stamp::of(&followed.file));
            }
        }
    }
}

/// Tells whether a statement opens a transaction in which others may write.
fn begins(statement: &str) -> bool {
    let start = super::split::skip_space(statement);
    let word: String = statement[start..].chars().take_while(char::is_ascii_alphabetic).take(10).collect();
    word.eq_ignore_ascii_case("begin") || word.eq_ignore_ascii_case("savepoint")
}

/// Asks for a number by a statement that will be needed again.
pub(super) fn one(conn: &Connection, sql: &str) -> rusqlite::Result<i64> {
    conn.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

fn run(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.raw_execute().map(drop)
}

/// The databases of a connection whose writes are noted.
fn databases(conn: &Connection) -> Vec<(CString, Arc<Written>)> {
    let names = (0..).map_while(|n| conn.db_name(n).ok()).filter_map(|name| CString::new(name).ok());
    names.filter_map(|name| vfs_shim::written(conn, &name).map(|written| (name, written))).collect()
}

impl Transactions {
    /// Does something with every file; one with which it fails is not followed any more.
    fn each(&self, mut work: impl FnMut(&mut Followed) -> Result<(), SourceError>) {
        for followed in self.files.borrow_mut().iter_mut() {
            if let Err(why) = work(followed) {
                self.give_up(followed, why);
            }
        }
    }

    fn give_up(&self, followed: &mut Followed, why: SourceError) {
        (followed.recording, followed.known) = (None, None);
        self.failures.borrow_mut().push(Failed { file: followed.file.clone(), why });
    }

    /// Finds out for every database of the connection which state it has, unless that is known.
    fn find_states(&self, conn: &Connection) {
        for (schema, written) in databases(conn) {
            let mut files = self.files.borrow_mut();
            let place = files.iter().position(|f| f.schema == schema && Arc::ptr_eq(&f.written, &written));
            let place = place.unwrap_or_else(|| {
                let file = PathBuf::from(conn.path_of(&schema).unwrap_or_default());
                let recording = match self.recorder.of(&file) {
                    Ok(recording) => recording,
                    Err(why) => {
                        self.failures.borrow_mut().push(Failed { file: file.clone(), why });
                        None
                    }
                };
                files.push(Followed {
                    schema,
                    file,
                    written,
                    recording,
                    known: None,
                    seen: None,
                    stamp: None,
                    is_own: false,
                    looked: false,
                });
                files.len() - 1
            });
            let followed = &mut files[place];
            if followed.recording.is_some()
                && let Err(why) = followed.find_state(conn)
            {
                self.give_up(followed, why);
            }
        }
    }

    fn hand_on(&self, conn: &Connection) {
        self.each(|followed| match followed.written.take_committed() {
            true => followed.hand_on(conn),
            false => {
                followed.set_aside();
                Ok(())
            }
        });
    }

    /// Has what is in a write-ahead log written to the file, as closing would.
    fn checkpoint(&self, conn: &Connection) {
        self.each(|followed| {
            if followed.is_ahead() && followed.written.has_log() {
                if followed.stamp != Some(Stamp::of(&followed.file)) {
                    followed.known = None;
                    return Ok(());
                }
                let schema = followed.quoted();
                // A log that stays is looked at as well.
                let _ = conn.execute_batch(&format!("PRAGMA {schema}.wal_checkpoint(PASSIVE)"));
                followed.stamp = Some(Stamp::of(&followed.file));
            }
            Ok(())
        });
    }

    /// Looks at the files whose newest state is not remembered yet.
    fn look(&self, conn: &Connection) {
        self.each(|followed| {
            if !followed.is_ahead() || followed.known.is_none() {
                return Ok(());
            }
            if let Some(recording) = &mut followed.recording {
                // Takes a part of the time that settling needs.
                recording.flush()?;
                recording.settle();
            }
            followed.reading(conn, |followed, data_version| {
                // A transaction that was rolled back can leave other bytes in pages that nobody uses.
                let is_state = |k: &Known| {
                    k.data_version == data_version && k.doubtful.max().is_none_or(|last| last == PageIdx::FIRST)
                };
                let unchanged = |stamp: Option<Stamp>, file: &Path| stamp == Some(Stamp::of(file));
                if followed.known.as_ref().is_some_and(is_state)
                    && followed.written.is_empty()
                    && !vfs_shim::has_moved(conn, &followed.schema)
                    && let Some(recording) = &mut followed.recording
                {
                    recording.look();
                    if !unchanged(followed.stamp, &followed.file) {
                        recording.forget_look();
                    }
                }
                Ok(())
            })
        });
    }
}

impl Followed {
    fn is_ahead(&self) -> bool {
        self.recording.as_ref().is_some_and(|r| r.is_ahead())
    }

    fn quoted(&self) -> String {
        crate::sqlite::diff::side::quoted(&self.schema.to_string_lossy())
    }

    /// Does something in a read transaction; nothing if a lock is in the way.
    fn reading(
        &mut self,
        conn: &Connection,
        work: impl FnOnce(&mut Self, i64) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let schema = self.quoted();
        if run(conn, "BEGIN").is_err() {
            return Ok(());
        }
        // Begins to read, and says which state that is.
        let begun = one(conn, &format!("PRAGMA {schema}.data_version"));
        let done = match begun {
            Ok(version) => work(self, version),
            Err(_) => Ok(()),
        };
        // Nothing was written, so there is nothing that could fail.
        let _ = run(conn, "COMMIT");
        done
    }

    /// What was written without a commit may be there, or not; it belongs to no transaction.
    fn set_aside(&mut self) {
        match (self.written.take(), &mut self.known) {
            (Some(pages), Some(known)) => known.doubtful.union_with(&pages),
            _ => self.known = None,
        }
    }

    fn find_state(&mut self, conn: &Connection) -> Result<(), SourceError> {
        if self.stamp.is_none_or(|stamp| stamp != Stamp::of(&self.file)) {
            self.known = None;
        }
        self.is_own = true;
        if self.known.is_some() && self.seen.is_some_and(|seen| seen.elapsed() < RECENT) {
            return Ok(());
        }
        self.reading(conn, |followed, data_version| {
            if followed.known.as_ref().is_some_and(|k| k.data_version == data_version) {
                followed.seen = Some(Instant::now());
                return Ok(());
            }
            followed.known = None;
            let stamp = Stamp::of(&followed.file);
            if vfs_shim::has_moved(conn, &followed.schema) {
                return Ok(());
            }
            let reader = Reader::new(conn, &followed.schema, followed.written.has_log())?;
            let Some(byte_len) = reader.byte_len(&followed.file) else { return Ok(()) };
            let Some(recording) = &mut followed.recording else { return Ok(()) };
            if !recording.knows_state()? {
                if followed.looked && byte_len > LOOK_AGAIN {
                    return Ok(());
                }
                followed.looked = true;
                recording.take_all(byte_len, &mut |take| reader.all(byte_len, take))?;
            }
            // What was written before is part of this state.
            followed.written.take();
            followed.written.take_committed();
            let mut page1 = ZERO_PAGE;
            reader.page(PageIdx::FIRST, &mut page1)?;
            let page_count = page::pages_for(byte_len).unwrap_or(u32::MAX);
            // Somebody may have put another file in its place meanwhile.
            if vfs_shim::has_moved(conn, &followed.schema) || stamp != Stamp::of(&followed.file) {
                return Ok(());
            }
            followed.stamp = Some(stamp);
            // Stored as it is with the first change, whatever of it does not count as one.
            let doubtful = PageSet::first(1);
            followed.known = Some(Known { data_version, page_count, page1: Box::new(page1), doubtful });
            Ok(())
        })
    }

    fn hand_on(&mut self, conn: &Connection) -> Result<(), SourceError> {
        if self.written.is_empty() || self.known.is_none() {
            return Ok(());
        }
        let before = self.known.take();
        self.reading(conn, |followed, data_version| {
            let (Some(mut known), Some(recording)) = (before, &mut followed.recording) else { return Ok(()) };
            let Some(mut pages) = followed.written.take() else { return Ok(()) };
            if known.data_version != data_version || vfs_shim::has_moved(conn, &followed.schema) {
                // Somebody else has committed, before, after, or in between; or it is another file by now.
                return Ok(());
            }
            let reader = Reader::new(conn, &followed.schema, followed.written.has_log())?;
            let Some(byte_len) = reader.byte_len(&followed.file) else { return Ok(()) };
            let page_count = page::pages_for(byte_len).unwrap_or(u32::MAX);
            pages.union_with(&known.doubtful);
            if let (Some(first), Some(last)) = (PageIdx::new(known.page_count + 1), PageIdx::new(page_count))
                && first <= last
            {
                pages.insert_range(first..=last);
            }
            // A file that was cut within a page has zeros behind its end.
            if byte_len % PAGE_SIZE as u64 != 0 {
                pages.extend(PageIdx::new(page_count));
            }
            pages.truncate(page_count);
            let mut page1 = ZERO_PAGE;
            reader.page(PageIdx::FIRST, &mut page1)?;
            let only_page1 = pages.iter().all(|p| p == PageIdx::FIRST) && page_count == known.page_count;
            if only_page1 && same_but_volatile(&known.page1, &page1) {
                // Another journal mode, say: stored with the next change.
                known.doubtful = pages;
            } else {
                recording.commit(byte_len, &mut Pages::new(&reader, &pages))?;
                known = Known { page_count, doubtful: PageSet::new(), ..known };
            }
            *known.page1 = page1;
            (followed.known, followed.seen) = (Some(known), Some(Instant::now()));
            Ok(())
        })
    }
}

/// What [`Connection::path`] says, for any database of a connection.
trait PathOf {
    fn path_of(&self, schema: &CString) -> Option<String>;
}

impl PathOf for Connection {
    fn path_of(&self, schema: &CString) -> Option<String> {
        let mut statement = self.prepare("SELECT file FROM pragma_database_list WHERE name = ?1").ok()?;
        statement.query_row([schema.to_str().ok()?], |row| row.get(0)).ok()
    }
}
