//! States of files as `show` describes them.

use std::fmt::Write;

use serde::Serialize;

use super::size::{bytes, count};
use crate::cli::style::Theme;
use crate::model::page::PAGE_SIZE;
use crate::model::{FileKind, ObjectId, Snapshot};
use crate::sqlite::header::Header;

/// A snapshot and what the first page of its file says.
pub struct Description<'a> {
    /// Its id.
    pub id: ObjectId,
    /// Its contents.
    pub snapshot: &'a Snapshot,
    /// The header, if it is a database.
    pub header: Option<Header>,
}

/// Describes a snapshot for people; `name` is what it was asked for by.
pub fn text(name: &str, described: &Description<'_>, theme: &Theme) -> String {
    let Description { id, snapshot, header } = described;
    let style = theme.id;
    let named = if *name == id.to_string() { String::new() } else { format!(" {name}") };
    let mut lines: Vec<(&str, String)> = Vec::new();
    lines.push((
        "Kind:",
        match snapshot.kind {
            FileKind::Sqlite => "SQLite database".to_owned(),
            FileKind::Opaque => "file, byte for byte".to_owned(),
        },
    ));
    lines.push(("Size:", format!("{} ({} bytes)", bytes(snapshot.byte_len), snapshot.byte_len)));
    if let Some(header) = header {
        lines.push(("SQLite:", sqlite(header, snapshot.byte_len)));
        if header.user_version != 0 {
            lines.push(("Version:", header.user_version.to_string()));
        }
    }
    lines.push(("Pages:", format!("{} of {PAGE_SIZE} bytes", snapshot.page_count)));
    lines.push(("Volume:", snapshot.volume.to_string()));
    for range in &snapshot.ranges {
        lines.push(("Log:", format!("{} {}..{}", range.log, range.start, range.end)));
    }
    let mut out = format!("{style}snapshot {id}{style:#}{named}\n");
    for (label, value) in lines {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{label:<8} {value}");
    }
    out
}

/// Writes `261 pages of 4096 bytes, UTF-8, WAL mode, 3 pages free`.
fn sqlite(header: &Header, byte_len: u64) -> String {
    let pages = header.page_count.map_or(byte_len / u64::from(header.page_size), u64::from);
    let mode = if header.wal { "WAL" } else { "rollback journal" };
    let free = match header.free_pages {
        0 => String::new(),
        n => format!(", {} free", count(n.into(), "page")),
    };
    format!("{} of {} bytes, {}, {mode}{free}", count(pages, "page"), header.page_size, header.encoding.pragma())
}

/// A snapshot as JSON.
#[derive(Debug, Serialize)]
pub struct View {
    id: String,
    kind: &'static str,
    bytes: u64,
    pages: u32,
    volume: String,
    sqlite: Option<SqliteView>,
    ranges: Vec<RangeView>,
}

#[derive(Debug, Serialize)]
struct SqliteView {
    page_size: u32,
    pages: Option<u32>,
    free_pages: u32,
    encoding: &'static str,
    wal: bool,
    user_version: i32,
    application_id: i32,
}

#[derive(Debug, Serialize)]
struct RangeView {
    log: String,
    start: u64,
    end: u64,
    commits: Vec<String>,
}

/// Describes a snapshot for scripts.
pub fn view(described: &Description<'_>) -> View {
    let Description { id, snapshot, header } = described;
    View {
        id: id.to_string(),
        kind: super::object::kind(snapshot),
        bytes: snapshot.byte_len,
        pages: snapshot.page_count,
        volume: snapshot.volume.to_string(),
        sqlite: header.map(|h| SqliteView {
            page_size: h.page_size,
            pages: h.page_count,
            free_pages: h.free_pages,
            encoding: h.encoding.pragma(),
            wal: h.wal,
            user_version: h.user_version,
            application_id: h.application_id,
        }),
        ranges: snapshot
            .ranges
            .iter()
            .map(|r| RangeView {
                log: r.log.to_string(),
                start: r.start.get(),
                end: r.end.get(),
                commits: r.commits.iter().map(ToString::to_string).collect(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommitHash, LogId, LogRange, Lsn, VolumeId};
    use crate::sqlite::header::Encoding;

    fn sample() -> Snapshot {
        Snapshot {
            volume: VolumeId::new(1, [2; 9]),
            kind: FileKind::Sqlite,
            page_count: 3,
            byte_len: 11_264,
            ranges: vec![LogRange {
                log: LogId::new(1, [2; 9]),
                start: Lsn::FIRST,
                end: Lsn::FIRST,
                commits: vec![CommitHash::from_bytes([5; 32])],
            }],
        }
    }

    #[test]
    fn a_database_is_described_by_its_header() {
        let header = Header {
            page_size: 1024,
            reserved: 0,
            wal: true,
            change_counter: 1,
            page_count: Some(11),
            free_pages: 1,
            schema_cookie: 1,
            auto_vacuum: false,
            incremental_vacuum: false,
            encoding: Encoding::Utf16le,
            user_version: 7,
            application_id: 0,
        };
        let made = sample();
        let described = Description { id: ObjectId::from_bytes([1; 32]), snapshot: &made, header: Some(header) };
        let (id, log) = ("01".repeat(32), made.ranges[0].log);
        assert_eq!(
            text("HEAD:app.db", &described, &Theme::plain()),
            format!(
                "snapshot {id} HEAD:app.db\nKind:    SQLite database\nSize:    11 KiB (11264 bytes)\nSQLite:  11 pages of 1024 \
                 bytes, UTF-16le, WAL, 1 page free\nVersion: 7\nPages:   3 of 4096 bytes\nVolume:  {}\nLog:     {log} 1..1\n",
                made.volume
            )
        );
        let json = serde_json::to_value(view(&described)).expect("plain data");
        assert_eq!((&json["sqlite"]["page_size"], &json["ranges"][0]["end"]), (&1024.into(), &1.into()));
    }

    #[test]
    fn any_other_file_has_a_size_and_pages() {
        let made = Snapshot { kind: FileKind::Opaque, ..sample() };
        let id = ObjectId::from_bytes([1; 32]);
        let text = text(&id.to_string(), &Description { id, snapshot: &made, header: None }, &Theme::plain());
        assert!(text.starts_with(&format!("snapshot {id}\nKind:    file, byte for byte\nSize:")), "{text}");
        assert!(!text.contains("SQLite"), "{text}");
    }
}
