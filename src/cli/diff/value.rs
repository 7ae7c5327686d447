//! Values of databases for people and for JSON.

use std::fmt::Write;

use crate::cli::render::size;
use crate::model::Value;
pub use crate::model::value_json::{Named, Typed};

/// Longest text shown whole, in characters; of longer ones the beginning.
const SHOWN: usize = 120;

/// Writes a value: `NULL`, `42`, `1.5`, `'text'` with control characters escaped, a blob as its size and the start of its hash.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Real(n) => real(*n),
        Value::Blob(bytes) => format!("blob({}, {})", size::bytes(bytes.len() as u64), hash(bytes)),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => shortened(text),
            Err(_) => format!("text({}, not UTF-8, {})", size::bytes(bytes.len() as u64), hash(bytes)),
        },
    }
}

/// Writes a value as [`text`] does, but a long text whole.
pub fn whole(value: &Value) -> String {
    match value {
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("'{}'", escaped(text)),
            Err(_) => self::text(value),
        },
        other => self::text(other),
    }
}

/// Writes a number so that it reads back as the same.
pub fn real(n: f64) -> String {
    if n.is_infinite() { if n > 0.0 { "Infinity".into() } else { "-Infinity".into() } } else { format!("{n:?}") }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..8].to_owned()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => format!("'{}'", escaped(text)),
        Some((end, _)) => format!("'{}'… ({} characters)", escaped(&text[..end]), text.chars().count()),
    }
}

/// Escapes control characters, the backslash and the quote.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            // Also those that turn the direction of what follows.
            c if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Writes a name as it is if it is a plain word, else as a quoted identifier with control characters escaped.
pub fn name(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", escaped(name).replace("\\'", "'").replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_for_people() {
        assert_eq!(text(&Value::Real(1e-20)), "1e-20");
        assert_eq!(text(&Value::Real(-0.0)), "-0.0");
        assert_eq!(text(&Value::Real(f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(text(&Value::Integer(i64::MIN)), "-9223372036854775808");
        assert_eq!(text(&Value::Text(b"it's\n\x1b[1m\0".to_vec())), "'it\\'s\\n\\u{1b}[1m\\u{0}'");
        assert_eq!(text(&Value::Text(vec![0xff])), "text(1 B, not UTF-8, 99d44d37)");
        assert!(text(&Value::Blob(vec![])).starts_with("blob(0 B, "));
        assert!(text(&Value::Text("é".repeat(200).into_bytes())).ends_with("é'… (200 characters)"));
        assert_eq!((name("größe"), name(""), name("a \"b")), ("größe".into(), "\"\"".into(), "\"a \"\"b\"".into()));
    }

    #[test]
    fn values_in_json() {
        let json = |v: &Value| serde_json::to_string(&Typed(v)).expect("plain data");
        assert_eq!(json(&Value::Integer(i64::MAX)), "9223372036854775807");
        assert_eq!(json(&Value::Real(1.0)), "1.0");
        assert_eq!(json(&Value::Real(f64::INFINITY)), "{\"$real\":\"Infinity\"}");
        assert_eq!(json(&Value::Text(vec![0x80])), "{\"$text\":\"gA==\"}");
        assert_eq!(json(&Value::Blob(b"any carnal pleas".to_vec())), "{\"$blob\":\"YW55IGNhcm5hbCBwbGVhcw==\"}");
        assert_eq!(json(&Value::Blob(b"abc".to_vec())), "{\"$blob\":\"YWJj\"}");
        assert_eq!(json(&Value::Blob(vec![])), "{\"$blob\":\"\"}");
    }
}
