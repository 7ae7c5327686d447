//! Paths for people and scripts: relative to where the user stands, quoted as in Git where they must be.

/// Which characters make a path quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// Control characters, `"` and `\`.
    People,
    /// Those and everything beyond ASCII: Git's default for scripts (`core.quotePath`).
    Scripts,
}

/// Quotes a path as a C string if it holds characters that need it; returns it unchanged otherwise.
pub fn quoted(path: &str, quote: Quote) -> String {
    let plain = |b: u8| b >= 0x20 && b != 0x7f && b != b'"' && b != b'\\' && (b < 0x80 || quote == Quote::People);
    if path.bytes().all(plain) {
        return path.to_owned();
    }
    let mut out = vec![b'"'];
    for b in path.bytes() {
        match b {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0b => out.extend_from_slice(b"\\v"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            b if plain(b) => out.push(b),
            b => out.extend_from_slice(format!("\\{b:03o}").as_bytes()),
        }
    }
    out.push(b'"');
    String::from_utf8(out).expect("bytes beyond ASCII are copied whole or written in octal")
}

/// Returns `path` as seen from the folder `from`, both relative to the top of the worktree with `/` between parts.
///
/// `from` is empty at the top.
pub fn relative(path: &str, from: &str) -> String {
    if from.is_empty() {
        return path.to_owned();
    }
    let mut here = from.split('/').peekable();
    let mut rest = path;
    while let Some(part) = here.peek() {
        match rest.strip_prefix(part).and_then(|r| r.strip_prefix('/')) {
            Some(below) => rest = below,
            None => break,
        }
        here.next();
    }
    let up = "../".repeat(here.count());
    if up.is_empty() && rest.is_empty() { "./".to_owned() } else { format!("{up}{rest}") }
}

/// Returns `path` as seen from the folder `from`, quoted if it must be.
pub fn seen(path: &str, from: &str, quote: Quote) -> String {
    quoted(&relative(path, from), quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_gits() {
        assert_eq!(quoted("a b.db", Quote::Scripts), "a b.db");
        assert_eq!(quoted("a\"b\\c\n\x01", Quote::People), "\"a\\\"b\\\\c\\n\\001\"");
        assert_eq!(quoted("é.db", Quote::People), "é.db");
        assert_eq!(quoted("é.db", Quote::Scripts), "\"\\303\\251.db\"");
        assert_eq!(quoted("é\t", Quote::People), "\"é\\t\"");
    }

    #[test]
    fn paths_are_seen_from_where_the_user_stands() {
        for (path, from, seen) in [
            ("a/b.db", "", "a/b.db"),
            ("a/b.db", "a", "b.db"),
            ("b.db", "a", "../b.db"),
            ("a/b.db", "a/c", "../b.db"),
            ("ab/x", "a", "../ab/x"),
            ("a/", "a", "./"),
            ("x/y/", "x/z/w", "../../y/"),
        ] {
            assert_eq!(relative(path, from), seen, "{path} from {from}");
        }
    }
}
