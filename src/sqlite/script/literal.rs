//! Values as SQL that SQLite reads back as exactly the same values.

use std::cell::Cell;
use std::fmt::Write;

use crate::model::Value;

/// How a database stores text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    /// Reads SQLite's name for it.
    fn parse(name: &str) -> Self {
        match name {
            "UTF-16le" => Self::Utf16Le,
            "UTF-16be" => Self::Utf16Be,
            _ => Self::Utf8,
        }
    }
}

/// Writes values for databases of one encoding.
pub(in crate::sqlite) struct Literals {
    encoding: Encoding,
    depend: Cell<bool>,
}

impl Literals {
    /// Writes values for databases of the encoding that SQLite calls `name`.
    pub fn for_encoding(name: &str) -> Self {
        Self { encoding: Encoding::parse(name), depend: Cell::new(false) }
    }

    /// Tells whether any value was written in a form that other encodings read as another value.
    pub fn depend_on_encoding(&self) -> bool {
        self.depend.get()
    }

    /// Appends a value.
    pub fn put(&self, out: &mut String, value: &Value) {
        match value {
            Value::Null => out.push_str("NULL"),
            Value::Integer(n) => {
                let _ = write!(out, "{n}");
            }
            Value::Real(n) => out.push_str(&real(*n)),
            Value::Blob(bytes) => hex(out, bytes),
            Value::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => put_text(out, text),
                text => {
                    // A cast takes the bytes as text in the encoding of the database.
                    let units = || text.unwrap_or_default().encode_utf16();
                    let stored = match (self.encoding, text.is_ok()) {
                        (Encoding::Utf16Le, true) => units().flat_map(u16::to_le_bytes).collect(),
                        (Encoding::Utf16Be, true) => units().flat_map(u16::to_be_bytes).collect(),
                        _ => bytes.clone(),
                    };
                    self.depend.set(true);
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
}

/// Appends a text without a NUL. The shell of SQLite drops a carriage return at the end of a line, and programs that read
/// a file as text change others, so none is written as it is.
fn put_text(out: &mut String, text: &str) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    if !text.contains('\r') {
        out.push_str(&quoted(text));
        return;
    }
    let mut marks = std::iter::once("\\r".to_owned()).chain((1u64..).map(|n| format!("(\\r{n})")));
    let mark = marks.find(|mark| !text.contains(mark.as_str())).expect("a text does not hold all of them");
    let _ = write!(out, "replace({}, '{mark}', char(13))", quoted(&text.replace('\r', &mark)));
}

fn real(n: f64) -> String {
    if n.is_infinite() {
        return if n > 0.0 { "9e999" } else { "-9e999" }.to_owned();
    }
    let shortest = format!("{n:?}");
    if reads_right(&shortest) { shortest } else { exact(n) }
}

/// Tells whether every version of SQLite reads a decimal right. Older ones divide in 64 bits of precision and round the
/// quotient a second time to 53, which goes wrong where the first rounding ends in the middle of two numbers.
fn reads_right(decimal: &str) -> bool {
    let Some((whole, fraction)) = decimal.trim_start_matches('-').split_once('.') else { return false };
    let fraction = if fraction == "0" { "" } else { fraction };
    if whole.len() + fraction.len() > 15 {
        return false;
    }
    let Ok(digits) = format!("{whole}{fraction}").parse::<u128>() else { return false };
    if digits == 0 || fraction.is_empty() {
        return true;
    }
    let (numerator, divisor) = (digits << digits.leading_zeros(), 10u128.pow(fraction.len() as u32));
    let (quotient, rest) = (numerator / divisor, numerator % divisor);
    // What follows the first 53 bits, as far as 64 bits hold it, and whether there is anything behind.
    let bits = 128 - quotient.leading_zeros();
    let tail = (quotient >> (bits - 64)) & 0x7ff;
    let exact = rest == 0 && quotient & ((1 << (bits - 64)) - 1) == 0;
    exact || !(0x3ff..=0x400).contains(&tail)
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
    if whole == 0 {
        return if n.is_sign_negative() { "-0.0" } else { "0.0" }.to_owned();
    }
    let mut power = exponent - 1075;
    let mut out = format!("({}{whole}", if n.is_sign_negative() { "-" } else { "" });
    if power == 0 {
        out.push_str("*1.0");
    }
    while power != 0 {
        let step = power.abs().min(40);
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

    use rusqlite::Connection;

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
            "[\\r\\n\\\\r(1)']{0,9}".prop_map(|s| Value::Text(s.into_bytes())),
            "['\"\0é𝄞]{0,4}".prop_map(|s| Value::Text(s.into_bytes())),
            proptest::collection::vec(any::<u8>(), 0..9).prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(v in values()) {
            for name in ["UTF-8", "UTF-16le", "UTF-16be"] {
                let conn = Connection::open_in_memory().expect("memory");
                conn.execute_batch(&format!("PRAGMA encoding = '{name}'; CREATE TABLE t (x)")).expect("a setting");
                let literal = Literals::for_encoding(name).text(&v);
                prop_assert!(!literal.contains('\r'), "{literal:?}");
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
    fn what_old_versions_round_twice_is_not_written_as_a_decimal() {
        assert!(!reads_right("-981.944132730023"));
        for decimal in ["0.0", "-0.0", "1.5", "12.99", "100.0", "0.125", "-7.1"] {
            assert!(reads_right(decimal), "{decimal}");
        }
        for decimal in ["1e-20", "0.30000000000000004", "inf"] {
            assert!(!reads_right(decimal), "{decimal}");
        }
    }

    #[test]
    fn a_carriage_return_is_never_written_as_it_is() {
        let text = |text: &str| Literals::for_encoding("UTF-8").text(&Value::Text(text.into()));
        assert_eq!(text("Dear Sir,\r\nit's"), "replace('Dear Sir,\\r\nit''s', '\\r', char(13))");
        assert_eq!(text("\\r\r(\\r1)"), "replace('\\r(\\r2)(\\r1)', '(\\r2)', char(13))");
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let conn = Connection::open_in_memory().expect("memory");
        let v = Value::Text(vec![b'a', 0xff, 0, b'b']);
        let literal = Literals::for_encoding("UTF-8").text(&v);
        assert!(read(&conn, &literal).is_same(&v), "{literal}");
    }
}
