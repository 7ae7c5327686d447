//! Rows in the layout of the merged definition.

use crate::model::Value;
use crate::sqlite::diff::encode::{decode, put};

/// What a row holds in one column of the merged definition.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// A value.
    Value(Value),
    /// Nothing yet: a column that the row's state has not, with a default that only the insertion gives.
    Absent,
    /// What is equal to nothing: a cell on which the bases of a criss-cross merge disagree.
    Undecided,
}

/// A row in the layout of the merged definition.
pub(super) type Row = Vec<Cell>;

const ABSENT: u8 = 0xfe;
const UNDECIDED: u8 = 0xff;

impl Cell {
    /// Tells whether two cells are the same by storage class and bytes.
    pub fn is_same(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Value(a), Self::Value(b)) if a.is_same(b))
    }

    /// Tells whether there is nothing yet.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns the value, if there is one.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Undecided => None,
        }
    }
}

/// Tells whether two rows are the same, or neither is there; what is absent is the same as anything.
pub(super) fn same_row(a: Option<&Row>, b: Option<&Row>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.iter().zip(b).all(|(x, y)| x.is_absent() || y.is_absent() || x.is_same(y)),
        (None, None) => true,
        _ => false,
    }
}

/// Writes a row as bytes.
pub(super) fn pack(row: &Row) -> Vec<u8> {
    let mut out = Vec::new();
    for cell in row {
        match cell {
            Cell::Value(value) => put(&mut out, value),
            Cell::Absent => out.push(ABSENT),
            Cell::Undecided => out.push(UNDECIDED),
        }
    }
    out
}

/// Reads what [`pack`] wrote.
pub(super) fn unpack(mut bytes: &[u8]) -> Row {
    let mut row = Row::new();
    while let Some(first) = bytes.first() {
        match *first {
            ABSENT => row.push(Cell::Absent),
            UNDECIDED => row.push(Cell::Undecided),
            _ => {
                let (value, rest) = decode_one(bytes);
                row.push(Cell::Value(value));
                bytes = rest;
                continue;
            }
        }
        bytes = &bytes[1..];
    }
    row
}

/// Reads the first of several values.
fn decode_one(bytes: &[u8]) -> (Value, &[u8]) {
    let len = match bytes[0] {
        0 => 1,
        1 => 18,
        _ => {
            let mut at = 1;
            loop {
                let zero = at + bytes[at..].iter().position(|b| *b == 0).expect("it ends with two zeros");
                at = zero + 2;
                if bytes[zero + 1] != 255 {
                    break at;
                }
            }
        }
    };
    let (value, rest) = bytes.split_at(len);
    (decode(value).expect("it was encoded").swap_remove(0), rest)
}

/// Returns the integer that a key begins with, such as a rowid.
pub(super) fn integer_key(key: &[u8]) -> Option<i64> {
    match decode(key)?.first()? {
        Value::Integer(n) => Some(*n),
        _ => None,
    }
}

/// Returns values as cells.
pub(super) fn cells(values: &[Value]) -> Row {
    values.iter().cloned().map(Cell::Value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let row = vec![
            Cell::Value(Value::Integer(-7)),
            Cell::Absent,
            Cell::Value(Value::Text(b"a\0b".to_vec())),
            Cell::Undecided,
            Cell::Value(Value::Null),
            Cell::Value(Value::Blob(vec![0, 0, 255])),
            Cell::Value(Value::Real(-0.0)),
        ];
        let again = unpack(&pack(&row));
        assert_eq!(again.len(), row.len());
        assert_eq!(pack(&again), pack(&row));
        assert!(!Cell::Undecided.is_same(&Cell::Undecided));
        assert!(same_row(Some(&vec![Cell::Absent]), Some(&cells(&[Value::Null]))));
    }
}
