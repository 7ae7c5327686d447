//! Values as bytes which sort like the values and keep them exactly, for pairing rows in a temporary database.
//!
//! Null is 0. A number is 1, eight bytes that sort by size, then 0 and the integer or 1 and the real. Text is 2 and a
//! blob 3, each zero byte followed by 255, ended by two zeros. So a sequence of values decodes without lengths.

use crate::model::Value;

const NULL: u8 = 0;
const NUMBER: u8 = 1;
const TEXT: u8 = 2;
const BLOB: u8 = 3;

/// Appends a value.
pub(in crate::sqlite) fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(NULL),
        Value::Integer(n) => {
            put_size(out, *n as f64);
            out.push(0);
            out.extend_from_slice(&(*n as u64 ^ 1 << 63).to_be_bytes());
        }
        Value::Real(n) => {
            put_size(out, *n);
            out.push(1);
            out.extend_from_slice(&n.to_bits().to_be_bytes());
        }
        Value::Text(bytes) => put_bytes(out, TEXT, bytes),
        Value::Blob(bytes) => put_bytes(out, BLOB, bytes),
    }
}

/// Returns the values in their order.
pub(in crate::sqlite) fn encode<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<u8> {
    let mut out = Vec::new();
    values.into_iter().for_each(|v| put(&mut out, v));
    out
}

/// Reads back what [`encode`] wrote; `None` if it did not.
pub(in crate::sqlite) fn decode(mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while let Some((&kind, rest)) = bytes.split_first() {
        let (value, rest) = match kind {
            NULL => (Value::Null, rest),
            NUMBER => take_number(rest)?,
            TEXT => take_bytes(rest).map(|(b, rest)| (Value::Text(b), rest))?,
            BLOB => take_bytes(rest).map(|(b, rest)| (Value::Blob(b), rest))?,
            _ => return None,
        };
        values.push(value);
        bytes = rest;
    }
    Some(values)
}

fn put_size(out: &mut Vec<u8>, n: f64) {
    let bits = n.to_bits();
    let sorting = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    out.push(NUMBER);
    out.extend_from_slice(&sorting.to_be_bytes());
}

fn put_bytes(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    for part in bytes.split_inclusive(|b| *b == 0) {
        out.extend_from_slice(part);
        if part.ends_with(&[0]) {
            out.push(255);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

fn take_number(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let (exact, rest) = bytes.get(8..)?.split_at_checked(9)?;
    let bits = u64::from_be_bytes(exact[1..].try_into().ok()?);
    let value = if exact[0] == 0 { Value::Integer((bits ^ 1 << 63) as i64) } else { Value::Real(f64::from_bits(bits)) };
    Some((value, rest))
}

fn take_bytes(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let zero = at + bytes.get(at..)?.iter().position(|b| *b == 0)?;
        out.extend_from_slice(&bytes[at..zero]);
        match bytes.get(zero + 1)? {
            255 => out.push(0),
            _ => return Some((out, &bytes[zero + 2..])),
        }
        at = zero + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let bytes = proptest::collection::vec(prop_oneof![Just(0u8), Just(255), any::<u8>()], 0..6);
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            (-9..9i64).prop_map(Value::Integer),
            any::<f64>().prop_filter("SQLite has no NaN", |n| !n.is_nan()).prop_map(Value::Real),
            bytes.clone().prop_map(Value::Text),
            bytes.prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn rows_round_trip_and_sort(a in proptest::collection::vec(values(), 0..5), b in proptest::collection::vec(values(), 0..5)) {
            let (x, y) = (encode(&a), encode(&b));
            prop_assert_eq!(decode(&x), Some(a.clone()));
            let same = a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.is_same(b));
            prop_assert_eq!(x == y, same);
            match (&a[..], &b[..]) {
                ([Value::Integer(i), ..], [Value::Integer(j), ..]) if i != j => prop_assert_eq!(x < y, i < j),
                ([Value::Text(i), ..], [Value::Text(j), ..]) if i != j => prop_assert_eq!(x < y, i < j),
                _ => {}
            }
        }
    }
}
