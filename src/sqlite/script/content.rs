//! The content of a table in one number, by which a script tells whether a database still holds what it takes away.

use rusqlite::{Connection, Error, ffi};

use crate::sqlite::diff::encode;
use crate::sqlite::diff::side::{quoted, value};
use crate::util::interrupt;

/// Rows between two looks at whether the user asked to stop.
const ROWS_PER_LOOK: u64 = 4096;

/// Returns how many rows a table has, and a sum of their hashes. The order of the rows does not count, nor do rowids.
pub(in crate::sqlite) fn fingerprint(conn: &Connection, table: &str) -> rusqlite::Result<(u64, String)> {
    let mut statement = conn.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")?;
    let names: Vec<String> = statement.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let columns: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    let mut statement = conn.prepare(&format!("SELECT {} FROM main.{}", columns.join(", "), quoted(table)))?;
    let mut rows = statement.raw_query();
    let (mut count, mut high, mut low) = (0u64, 0u128, 0u128);
    while let Some(row) = rows.next()? {
        if count % ROWS_PER_LOOK == 0 && interrupt::check().is_err() {
            return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERRUPT), None));
        }
        let values = (0..columns.len()).map(|i| row.get_ref(i).map(value)).collect::<rusqlite::Result<Vec<_>>>()?;
        let hash = blake3::hash(&encode(&values));
        let (a, b) = hash.as_bytes().split_at(16);
        let number = |bytes: &[u8]| bytes.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
        (high, low) = (high.wrapping_add(number(a)), low.wrapping_add(number(b)));
        count += 1;
    }
    Ok((count, format!("{high:032x}{low:032x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_rows_hold_counts() {
        let of = |sql: &str| {
            let conn = Connection::open_in_memory().expect("memory");
            conn.execute_batch(sql).expect("a table");
            fingerprint(&conn, "t").expect("a fingerprint")
        };
        let one = of("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (2, 'y')");
        assert_eq!(one.0, 3);
        assert_eq!(
            one,
            of("CREATE TABLE t (a, b); INSERT INTO t (rowid, a, b) VALUES (9, 2, 'y'), (7, 1, 'x'), (8, 2, 'y')")
        );
        for other in [
            "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
            "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'y')",
            "INSERT INTO t VALUES ('1', 'x'), (2, 'y'), (2, 'y')",
            "INSERT INTO t VALUES (1, x'78'), (2, 'y'), (2, 'y')",
        ] {
            assert_ne!(one, of(&format!("CREATE TABLE t (a, b); {other}")), "{other}");
        }
    }
}
