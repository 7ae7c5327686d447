//! Tells without reading values that two records hold different rows (SQLite file format, section 2.1).
//!
//! Only what is beyond doubt counts: SQLite may store one number in several ways, so where the kinds of two numbers
//! differ, or a number is one that another could be taken for, the answer is that it cannot be told.

use super::btree::varint;

/// Type codes of a record: from this on they are blobs and texts.
const FIRST_BLOB: u64 = 12;

/// Tells whether the rows that two records hold surely differ in a column other than the one that stands for the rowid.
/// Texts count only if they are in UTF-8: SQLite converts others. Records may be cut off at their ends.
pub(super) fn surely_differ(a: &[u8], b: &[u8], rowid_column: Option<usize>, utf8: bool) -> bool {
    let (Some(mut a), Some(mut b)) = (Fields::of(a), Fields::of(b)) else { return false };
    let mut column = 0;
    while let (Some((s, x)), Some((t, y))) = (a.next(), b.next()) {
        if Some(column) != rowid_column && differ((s, x), (t, y), utf8) {
            return true;
        }
        column += 1;
    }
    false
}

fn differ((s, a): (u64, &[u8]), (t, b): (u64, &[u8]), utf8: bool) -> bool {
    if s >= FIRST_BLOB || t >= FIRST_BLOB {
        let text = (s >= FIRST_BLOB && s % 2 == 1) || (t >= FIRST_BLOB && t % 2 == 1);
        return (s != t || a != b) && (utf8 || !text);
    }
    match (s, t) {
        // Integers of 48 bits are exact as real numbers too.
        (1..=5, 1..=5) if s == t => a != b,
        (8 | 9, 8 | 9) => s != t,
        // What is not a number is read as NULL.
        (7, 7) => a != b && [a, b].into_iter().all(|bytes| bytes.first().is_some_and(|first| first & 0x7f != 0x7f)),
        (0, 1..=6 | 8 | 9) | (1..=6 | 8 | 9, 0) => true,
        _ => false,
    }
}

/// The type codes of a record and the bytes that belong to them.
struct Fields<'r> {
    codes: &'r [u8],
    body: &'r [u8],
}

impl<'r> Fields<'r> {
    fn of(record: &'r [u8]) -> Option<Self> {
        let (len, at) = varint(record, 0)?;
        let len = usize::try_from(len).ok()?;
        Some(Self { codes: record.get(at..len)?, body: record.get(len..)? })
    }
}

impl<'r> Iterator for Fields<'r> {
    type Item = (u64, &'r [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (code, len) = varint(self.codes, 0)?;
        self.codes = self.codes.get(len..)?;
        let len = match code {
            1..=4 => code as usize,
            5 => 6,
            6 | 7 => 8,
            FIRST_BLOB.. => usize::try_from((code - FIRST_BLOB) / 2).ok()?,
            _ => 0,
        };
        let (bytes, body) = self.body.split_at_checked(len)?;
        self.body = body;
        Some((code, bytes))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::side::value;
    use super::*;

    /// Returns the record of the only row of a table.
    fn record(conn: &Connection) -> Vec<u8> {
        let page: Vec<u8> = conn
            .query_row("SELECT data FROM sqlite_dbpage WHERE pgno = 2", [], |row| row.get(0))
            .expect("the root of the table");
        let node = super::super::btree::Node::parse(2, &page, page.len()).expect("a leaf");
        node.cell(0).expect("a row").payload.to_vec()
    }

    #[test]
    fn a_difference_is_told_only_where_the_values_differ() {
        let values = [
            "NULL",
            "0",
            "1",
            "1.0",
            "0.0",
            "-0.0",
            "2",
            "127",
            "128",
            "-1",
            "70000",
            "3000000000",
            "1e300",
            "9e18",
            "9223372036854775807",
            "''",
            "'a'",
            "'A'",
            "'ab'",
            "x''",
            "x'61'",
            "x'6162'",
            "'1'",
            "0.5",
            "1e999",
        ];
        for affinity in ["", "INTEGER", "REAL", "TEXT", "NUMERIC", "BLOB"] {
            let rows = values.map(|text| {
                let conn = Connection::open_in_memory().expect("SQLite");
                let row = format!("CREATE TABLE t (k {affinity}, v); INSERT INTO t VALUES ({text}, 'same')");
                conn.execute_batch(&row).expect("a row");
                let stored = conn.query_row("SELECT k FROM t", [], |row| Ok(value(row.get_ref(0)?))).expect("the row");
                (record(&conn), stored)
            });
            let mut told = 0;
            for (a, x) in &rows {
                for (b, y) in &rows {
                    let differ = surely_differ(a, b, None, true);
                    assert!(!differ || !x.is_same(y), "{affinity}: {x:?} {y:?}");
                    assert!(!surely_differ(a, b, Some(0), true), "{affinity}: {x:?} {y:?}");
                    told += usize::from(differ);
                }
            }
            // Nearly all pairs differ, and for most of them it can be told.
            assert!(told > rows.len() * rows.len() / 2, "{affinity}: {told}");
        }
    }

    #[test]
    fn what_is_cut_off_is_not_told() {
        let whole = [3, 23, 23, b'a', b'b', b'c', b'd', b'e', b'f', b'g', b'h', b'i', b'x'];
        assert!(!surely_differ(&whole[..7], &whole, None, true));
        assert!(!surely_differ(&[], &whole, None, true));
        assert!(!surely_differ(&[0xff; 9], &whole, None, true));
    }
}
