//! Values of databases in JSON, as docs/json.md describes them.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Value;

/// A value in JSON: blobs, text that is not UTF-8 and infinite numbers as objects that name their type.
pub struct Typed<'a>(pub &'a Value);

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let tagged = |s: S, tag: &str, text: &str| {
            let mut map = s.serialize_map(Some(1))?;
            map.serialize_entry(tag, text)?;
            map.end()
        };
        match self.0 {
            Value::Null => s.serialize_none(),
            Value::Integer(n) => s.serialize_i64(*n),
            Value::Real(n) if n.is_infinite() => tagged(s, "$real", if *n > 0.0 { "Infinity" } else { "-Infinity" }),
            Value::Real(n) => s.serialize_f64(*n),
            Value::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => s.serialize_str(text),
                Err(_) => tagged(s, "$text", &base64(bytes)),
            },
            Value::Blob(bytes) => tagged(s, "$blob", &base64(bytes)),
        }
    }
}

/// Values by the names of their columns, in column order.
pub struct Named<'a>(pub Vec<(&'a str, &'a Value)>);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(name, value)| (name, Typed(value))))
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let n = group.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}
