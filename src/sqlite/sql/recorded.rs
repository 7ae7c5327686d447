//! Reads the pages of a database as a read transaction of a session sees them: 4096 bytes each, whatever SQLite's page size is.
//!
//! Without a write-ahead log they are read from the file, by SQLite's own descriptor. SQLite's cache would not do: a page that was
//! changed and then freed within a transaction is never written, but stays in the cache as it was changed.

use std::ffi::CStr;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;

use super::recording::{TakePages, one};
use crate::model::page::ZERO_PAGE;
use crate::model::{PAGE_SIZE, PageBuf, PageIdx, PageSet, SourceError};
use crate::sqlite::attach::has_frames;
use crate::sqlite::capture::CHUNK_LEN;
use crate::sqlite::diff::side::quoted;
use crate::sqlite::vfs_shim;

/// Reads a database within an open read transaction.
pub struct Reader<'c> {
    conn: &'c Connection,
    schema: &'c CStr,
    has_log: bool,
    page_size: u64,
    database_len: u64,
}

impl<'c> Reader<'c> {
    /// Reads a database of a connection, from the file or through its log.
    pub fn new(conn: &'c Connection, schema: &'c CStr, has_log: bool) -> Result<Self, SourceError> {
        let name = quoted(&schema.to_string_lossy());
        let number = |what: &str| one(conn, &format!("PRAGMA {name}.{what}"));
        let (size, count) = (u64::try_from(number("page_size")?)?, u64::try_from(number("page_count")?)?);
        Ok(Self { conn, schema, has_log, page_size: size, database_len: size * count })
    }

    /// Returns the bytes of the state; `None` if there are any that are not SQLite's, behind the last page.
    pub fn byte_len(&self, file: &Path) -> Option<u64> {
        let has_only_pages = has_frames(file) || fs::metadata(file).is_ok_and(|meta| meta.len() == self.database_len);
        (has_only_pages && self.database_len > 0).then_some(self.database_len)
    }

    /// Reads one page; zeros fill what the database lacks.
    pub fn page(&self, idx: PageIdx, out: &mut PageBuf) -> Result<(), SourceError> {
        self.read(idx.byte_offset(), out)
    }

    /// Hands out all pages.
    pub fn all(&self, byte_len: u64, take: &mut TakePages<'_>) -> Result<(), SourceError> {
        let mut offset = 0;
        while offset < byte_len {
            let len = (byte_len - offset).min(CHUNK_LEN as u64) as usize;
            let mut bytes = vec![0; len.next_multiple_of(PAGE_SIZE)];
            self.read(offset, &mut bytes)?;
            let first = PageIdx::of_offset(offset).ok_or("the database is too large")?;
            offset += len as u64;
            if take(first, bytes) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), SourceError> {
        out.fill(0);
        let len = (self.database_len.saturating_sub(offset)).min(out.len() as u64) as usize;
        if !self.has_log {
            let lock_page = lock_page(self.page_size);
            if !vfs_shim::read(self.conn, self.schema, offset, &mut out[..len]) {
                return Err("SQLite cannot read the file".into());
            }
            // As capture has it, whatever is there.
            let (start, end) = (lock_page.start.max(offset), lock_page.end.min(offset + len as u64));
            if start < end {
                out[(start - offset) as usize..(end - offset) as usize].fill(0);
            }
            return Ok(());
        }
        let schema = self.schema.to_str()?;
        let mut statement = self.conn.prepare_cached("SELECT data FROM sqlite_dbpage(?1) WHERE pgno = ?2")?;
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let within = (at % self.page_size) as usize;
            let part = statement.query_row((schema, (at / self.page_size + 1) as i64), |row| {
                let page = row.get_ref(0)?.as_blob()?;
                let part = (page.len() - within).min(len - done);
                out[done..done + part].copy_from_slice(&page[within..within + part]);
                Ok(part)
            })?;
            done += part;
        }
        Ok(())
    }
}

/// Returns the bytes of the page that SQLite locks instead of using it.
fn lock_page(page_size: u64) -> std::ops::Range<u64> {
    let start = (1 << 30) / page_size * page_size;
    start..start + page_size
}

/// Pages of a set, read one after the other.
pub struct Pages<'r, 'c> {
    reader: &'r Reader<'c>,
    pages: Box<dyn Iterator<Item = PageIdx> + 'r>,
}

impl<'r, 'c> Pages<'r, 'c> {
    /// Reads the pages of a set.
    pub fn new(reader: &'r Reader<'c>, set: &'r PageSet) -> Self {
        Self { reader, pages: Box::new(set.iter()) }
    }
}

impl Iterator for Pages<'_, '_> {
    type Item = Result<(PageIdx, PageBuf), SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let idx = self.pages.next()?;
        let mut page = ZERO_PAGE;
        Some(self.reader.page(idx, &mut page).map(|()| (idx, page)))
    }
}
