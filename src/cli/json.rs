//! `--json`: one object per answer, or one per line of a stream, each naming its schema.
//!
//! A schema's fields are only ever added. Ids are hexadecimal text, times RFC 3339 with the offset they were written in.

use std::io::{self, Write};

use serde::Serialize;

#[derive(Serialize)]
struct Tagged<'a, T> {
    schema: &'a str,
    #[serde(flatten)]
    value: &'a T,
}

/// Writes `value`, a struct or map, as one line with `"schema": "graft.<name>"` in front.
pub fn write<T: Serialize>(out: &mut dyn Write, name: &str, value: &T) -> io::Result<()> {
    let schema = format!("graft.{name}");
    serde_json::to_writer(&mut *out, &Tagged { schema: &schema, value })?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_stands_first() {
        #[derive(Serialize)]
        struct Answer {
            count: u32,
        }
        let mut out = Vec::new();
        write(&mut out, "answer/1", &Answer { count: 2 }).expect("memory");
        assert_eq!(String::from_utf8_lossy(&out), "{\"schema\":\"graft.answer/1\",\"count\":2}\n");
    }
}
