//! What single pages of a database hold, for diagnostics.

use std::sync::Arc;

use crate::model::{PAGE_SIZE, PageBuf, PageIdx, PageSource, SourceError};
use crate::sqlite::vfs::{Mount, open_mounted};
use crate::sqlite::vfs_collations::accept_any_collation;

/// One SQLite page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUse {
    /// SQLite's number of it.
    pub number: u32,
    /// `leaf`, `internal`, `overflow`, or `free` for what no table or index uses: free pages and SQLite's own bookkeeping.
    pub kind: String,
    /// The table or index it belongs to.
    pub owner: Option<String>,
}

/// Returns the SQLite pages that lie in, or around, one page of 4096 bytes. Walks the whole database.
pub fn uses(source: Arc<dyn PageSource>, page: PageIdx) -> Result<Vec<PageUse>, SourceError> {
    let mount = Mount::new(source)?;
    let conn = open_mounted(&mount)?;
    accept_any_collation(&conn)?;
    let size: u32 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let (start, end) = (page.byte_offset(), page.byte_offset() + PAGE_SIZE as u64);
    let (first, last) = (start / u64::from(size) + 1, (end - 1) / u64::from(size) + 1);
    let mut found: Vec<PageUse> = (first..=last)
        .filter_map(|n| Some(PageUse { number: u32::try_from(n).ok()?, kind: "free".to_owned(), owner: None }))
        .collect();
    let mut statement = conn.prepare("SELECT pageno, pagetype, name FROM dbstat WHERE pageno BETWEEN ?1 AND ?2")?;
    let mut rows = statement.query([first as i64, last as i64])?;
    while let Some(row) = rows.next()? {
        let number: u32 = row.get(0)?;
        if let Some(one) = found.iter_mut().find(|u| u.number == number) {
            (one.kind, one.owner) = (row.get(1)?, row.get(2)?);
        }
    }
    Ok(found)
}

/// Takes the header of a database apart: names as in the description of SQLite's file format, and values.
pub fn header_fields(page: &PageBuf) -> Vec<(&'static str, String)> {
    let number = |at: usize| u32::from_be_bytes(page[at..at + 4].try_into().expect("4 bytes")).to_string();
    let size = match u16::from_be_bytes([page[16], page[17]]) {
        1 => 65536,
        n => u32::from(n),
    };
    let journal = |byte: u8| match byte {
        1 => "1 (rollback journal)".to_owned(),
        2 => "2 (WAL)".to_owned(),
        n => n.to_string(),
    };
    let encoding = match page[59] {
        1 => "1 (UTF-8)".to_owned(),
        2 => "2 (UTF-16le)".to_owned(),
        3 => "3 (UTF-16be)".to_owned(),
        n => n.to_string(),
    };
    vec![
        ("magic", String::from_utf8_lossy(&page[..15]).escape_debug().to_string()),
        ("page_size", size.to_string()),
        ("write_version", journal(page[18])),
        ("read_version", journal(page[19])),
        ("reserved_bytes", page[20].to_string()),
        ("change_counter", number(24)),
        ("page_count", number(28)),
        ("first_freelist_page", number(32)),
        ("freelist_pages", number(36)),
        ("schema_cookie", number(40)),
        ("schema_format", number(44)),
        ("cache_size", number(48)),
        ("largest_root", number(52)),
        ("encoding", encoding),
        ("user_version", number(60)),
        ("incremental_vacuum", number(64)),
        ("application_id", number(68)),
        ("version_valid_for", number(92)),
        ("sqlite_version", number(96)),
    ]
}
