//! The values of one row, as SQLite holds them.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::model::Value;
use crate::sqlite::diff::side::value;
use crate::sqlite::script::literal::Literals;

/// A value that SQLite holds; the bytes of a text are UTF-8 as far as whoever wrote them took care.
pub type Cell<'a> = ValueRef<'a>;

/// The values of one row.
pub struct Cells<'a> {
    row: &'a Row<'a>,
    count: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn new(row: &'a Row<'a>, count: usize) -> Self {
        Self { row, count }
    }

    /// Returns the number of columns.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Tells whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Iterates over the values.
    pub fn iter(&self) -> impl Iterator<Item = Cell<'_>> {
        (0..self.count).map(|i| self.row.get_ref(i).expect("the statement has so many columns"))
    }
}

/// Copies a value.
pub fn to_value(cell: Cell<'_>) -> Value {
    value(cell)
}

/// Writes a value as SQL that SQLite reads back as the same, in a database of UTF-8.
pub fn sql_literal(value: &Value) -> String {
    Literals::for_encoding("UTF-8").text(value)
}

/// Writes a number as SQLite does where a text is wanted: 15 digits, with a point.
pub fn real_text(n: f64) -> String {
    if n.is_infinite() {
        return if n > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    if n == 0.0 {
        return "0.0".to_owned();
    }
    // 15 significant digits, rounded once and exactly; then laid out by the rules of C's %g with '!'.
    let scientific = format!("{:.14e}", n.abs());
    let (digits, exponent) = scientific.split_once('e').expect("scientific notation has an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let sign = if n < 0.0 { "-" } else { "" };
    if !(-4..15).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}.{rest}e{mark}{:02}", exponent.abs());
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    match digits.len() > whole {
        true => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
        false => format!("{sign}{digits}{}.0", "0".repeat(whole - digits.len())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn numbers_look_as_in_the_shell_of_sqlite() {
        let shown = |n: f64| real_text(n);
        assert_eq!(shown(2.5), "2.5");
        assert_eq!(shown(0.1 + 0.2), "0.3");
        assert_eq!(shown(1e300), "1.0e+300");
        assert_eq!(shown(-1.5e-7), "-1.5e-07");
        assert_eq!(shown(100_000_000_000_000.0), "100000000000000.0");
        assert_eq!(shown(1e15), "1.0e+15");
        assert_eq!(shown(0.0001), "0.0001");
        assert_eq!(shown(f64::NEG_INFINITY), "-Inf");
        assert_eq!(shown(-0.0), "0.0");
    }

    proptest! {
        #[test]
        fn it_agrees_with_printf_of_sqlite(n in any::<f64>().prop_filter("a number", |n| n.is_normal())) {
            let conn = Connection::open_in_memory().expect("memory");
            let wanted: String = conn.query_row("SELECT printf('%!.15g', ?1)", [n], |row| row.get(0)).expect("a text");
            let ours = real_text(n);
            // SQLite's own decimal may be off by one in the last of 15 digits.
            let near = |a: &str, b: &str| {
                let (a, b): (f64, f64) = (a.parse().expect("a number"), b.parse().expect("a number"));
                (a - b).abs() <= b.abs() * 2e-15
            };
            prop_assert!(ours == wanted || near(&ours, &wanted), "{ours} {wanted}");
        }
    }
}
