//! Values as SQL that SQLite reads back as exactly the same values.

use std::fmt::Write;

use rusqlite::Connection;

use crate::model::Value;

/// How a database stores text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    /// Reads SQLite's name for it.
    pub fn parse(name: &str) -> Self {
        match name {
            "UTF-16le" => Self::Utf16Le,
            "UTF-16be" => Self::Utf16Be,
            _ => Self::Utf8,
        }
    }
}

/// Writes values for databases of one encoding.
pub(super) struct Literals<'c> {
    /// A connection to ask how SQLite reads a number.
    pub conn: &'c Connection,
    pub encoding: Encoding,
}

impl Literals<'_> {
    /// Appends a value.
    pub fn put(&self, out: &mut String, value: &Value) {
        match value {
            Value::Null => out.push_str("NULL"),
            Value::Integer(n) => {
                let _ = write!(out, "{n}");
            }
            Value::Real(n) => out.push_str(&self.real(*n)),
            Value::Blob(bytes) => hex(out, bytes),
            Value::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => {
                    out.push('\'');
                    out.push_str(&text.replace('\'', "''"));
                    out.push('\'');
                }
                text => {
                    // A cast takes the bytes as text in the encoding of the database.
                    let units = || text.unwrap_or_default().encode_utf16();
                    let stored = match (self.encoding, text.is_ok()) {
                        (Encoding::Utf16Le, true) => units().flat_map(u16::to_le_bytes).collect(),
                        (Encoding::Utf16Be, true) => units().flat_map(u16::to_be_bytes).collect(),
                        _ => bytes.clone(),
                    };
                    out.push_str("CAST(");
                    hex(out, &stored);
                    out.push_str(" AS TEXT)");
                }
            },
        }
    }

    /// Returns a value.
    pub fn text(&self, value: &Value) -> String {
        let mut out = String::new();
        self.put(&mut out, value);
        out
    }

    fn real(&self, n: f64) -> String {
        if n.is_infinite() {
            return if n > 0.0 { "9e999" } else { "-9e999" }.to_owned();
        }
        let shortest = format!("{n:?}");
        let digits = shortest.bytes().take_while(|b| *b != b'e').filter(u8::is_ascii_digit).count();
        // Any program reads 15 digits right; whether SQLite does so with more, it is asked.
        if digits <= 15 || self.reads_as(&shortest, n) {
            return shortest;
        }
        let long = format!("{n:.25e}");
        if self.reads_as(&long, n) { long } else { exact(n) }
    }

    fn reads_as(&self, literal: &str, n: f64) -> bool {
        let read = self.conn.query_row(&format!("SELECT {literal}"), [], |row| row.get::<_, f64>(0));
        read.is_ok_and(|read| read.to_bits() == n.to_bits())
    }
}

/// Returns a number as a whole number times or divided by powers of two, each step of which is exact.
fn exact(n: f64) -> String {
    let bits = n.abs().to_bits();
    let (mut exponent, mut whole) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    if exponent == 0 {
        exponent = 1;
    } else {
        whole |= 1 << 52;
    }
    let mut power = exponent - 1075;
    let mut out = format!("({}{whole}.0", if n.is_sign_negative() { "-" } else { "" });
    while power != 0 {
        let step = power.abs().min(50);
        let _ = write!(out, "{}{}.0", if power > 0 { "*" } else { "/" }, 1u64 << step);
        power -= step * power.signum();
    }
    out + ")"
}

fn hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 * bytes.len() + 3);
    out.push_str("x'");
    for b in bytes {
        out.push(char::from(DIGITS[usize::from(b >> 4)]));
        out.push(char::from(DIGITS[usize::from(b & 15)]));
    }
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sqlite::diff::side::value;

    fn read(conn: &Connection, sql: &str) -> Value {
        conn.query_row(&format!("SELECT {sql}"), [], |row| Ok(value(row.get_ref(0)?))).expect("a literal")
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Value::Integer),
            any::<f64>().prop_filter("SQLite has no NaN", |n| !n.is_nan()).prop_map(Value::Real),
            prop_oneof![Just(-0.0), Just(5e-324), Just(f64::MAX), Just(0.1 + 0.2)].prop_map(Value::Real),
            ".*".prop_map(|s| Value::Text(s.into_bytes())),
            "['\"\0é𝄞]{0,4}".prop_map(|s| Value::Text(s.into_bytes())),
            proptest::collection::vec(any::<u8>(), 0..9).prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(v in values()) {
            for (name, encoding) in [("UTF-8", Encoding::Utf8), ("UTF-16le", Encoding::Utf16Le), ("UTF-16be", Encoding::Utf16Be)] {
                let conn = Connection::open_in_memory().expect("memory");
                conn.execute_batch(&format!("PRAGMA encoding = '{name}'; CREATE TABLE t (x)")).expect("a setting");
                let literal = Literals { conn: &conn, encoding }.text(&v);
                prop_assert!(read(&conn, &literal).is_same(&v), "{literal}");
            }
        }

        #[test]
        fn powers_of_two_are_exact(n in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let conn = Connection::open_in_memory().expect("memory");
            prop_assert!(read(&conn, &exact(n)).is_same(&Value::Real(n)), "{}", exact(n));
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let conn = Connection::open_in_memory().expect("memory");
        let v = Value::Text(vec![b'a', 0xff, 0, b'b']);
        let literal = Literals { conn: &conn, encoding: Encoding::Utf8 }.text(&v);
        assert!(read(&conn, &literal).is_same(&v), "{literal}");
    }
}
