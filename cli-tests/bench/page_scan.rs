//! The yardstick of the benchmark: sums the length of every page with Graft's own SQLite, as any reader of pages must.

use rusqlite::{Connection, OpenFlags};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: page_scan DATABASE")?;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let bytes: i64 = connection.query_row("SELECT sum(length(data)) FROM sqlite_dbpage", [], |row| row.get(0))?;
    #[expect(clippy::print_stdout, reason = "the answer of this program")]
    {
        println!("{bytes}");
    }
    Ok(())
}
