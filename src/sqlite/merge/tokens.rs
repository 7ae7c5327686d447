//! The words of a definition: what counts when two texts are compared, and where one can be taken apart.

/// Splits SQL into its tokens, whitespace and comments aside.
pub(super) fn tokens(sql: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            c if c.is_whitespace() => {
                rest = rest.trim_start();
                continue;
            }
            '-' if rest.starts_with("--") => {
                rest = rest.find('\n').map_or("", |end| &rest[end..]);
                continue;
            }
            '/' if rest.starts_with("/*") => {
                rest = rest[2..].find("*/").map_or("", |end| &rest[2 + end + 2..]);
                continue;
            }
            'x' | 'X' if rest[1..].starts_with('\'') => 1 + quoted_len(&rest[1..], '\''),
            '\'' | '"' | '`' => quoted_len(rest, first),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            c if c.is_alphabetic() || c == '_' => len_while(rest, |c| c.is_alphanumeric() || c == '_' || c == '$'),
            c if c.is_ascii_digit() => len_while(rest, |c| c.is_alphanumeric() || c == '_' || c == '.'),
            c => {
                const LONG: [&str; 11] = ["->>", "||", "<=", ">=", "<>", "!=", "==", "<<", ">>", "->", "::"];
                LONG.iter().find(|op| rest.starts_with(**op)).map_or(c.len_utf8(), |op| op.len())
            }
        };
        let (token, after) = rest.split_at(len);
        found.push(token);
        rest = after;
    }
    found
}

/// Returns the length of what is quoted at the start of `text`, where a doubled quote stands for one.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn len_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Returns a name without its quotes.
pub(super) fn unquoted(token: &str) -> String {
    let inner = |quote: &str| {
        let text = token.strip_prefix(quote).unwrap_or(token);
        text.strip_suffix(quote).unwrap_or(text).replace(&quote.repeat(2), quote)
    };
    match token.chars().next() {
        Some('"') => inner("\""),
        Some('`') => inner("`"),
        Some('\'') => inner("'"),
        Some('[') => token[1..].strip_suffix(']').unwrap_or(&token[1..]).to_owned(),
        _ => token.to_owned(),
    }
}

/// Returns a token as it is compared: literals as they are, all else without quotes and in lower case.
pub(super) fn folded(token: &str) -> String {
    match token.starts_with('\'') {
        true => token.to_owned(),
        false => unquoted(token).to_ascii_lowercase(),
    }
}

/// Returns all tokens of a text as they are compared.
pub(super) fn folded_all(sql: &str) -> Vec<String> {
    tokens(sql).into_iter().map(folded).collect()
}

/// Tells whether SQLite may take a name for a keyword if it is not quoted.
pub(super) fn is_keyword(name: &str) -> bool {
    let sql = format!("CREATE TABLE t ({name})");
    rusqlite::Connection::open_in_memory().and_then(|conn| conn.execute_batch(&sql)).is_err()
}

/// Splits the tokens between the first pair of parentheses at its commas; returns the parts and what follows.
pub(super) fn parts<'t, 's>(tokens: &'t [&'s str]) -> Option<(Vec<&'t [&'s str]>, &'t [&'s str])> {
    let open = tokens.iter().position(|t| *t == "(")?;
    let (mut depth, mut from) = (0usize, open + 1);
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match *token {
            "(" => depth += 1,
            ")" => {
                depth -= 1;
                if depth == 0 {
                    found.push(&tokens[from..i]);
                    return Some((found, &tokens[i + 1..]));
                }
            }
            "," if depth == 1 => {
                found.push(&tokens[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_count_is_left_out() {
        let a = "CREATE TABLE \"n\" ( [id] integer primary key , v text /* new */ DEFAULT 'It''s' -- why\n, b DEFAULT x'0A')";
        let b = "create table n(id INTEGER PRIMARY KEY,v TEXT DEFAULT 'It''s',`b` default X'0A')";
        assert_eq!(folded_all(a), folded_all(b));
        assert_ne!(folded_all("DEFAULT 'a'"), folded_all("DEFAULT 'A'"));
        assert_eq!(tokens("a->>'$.x' || b<=1.5e3"), ["a", "->>", "'$.x'", "||", "b", "<=", "1.5e3"]);
        assert_eq!(unquoted("\"a \"\"b\"\", c\""), "a \"b\", c");
        assert_eq!(tokens("'open"), ["'open"]);
    }

    #[test]
    fn parts_are_split_at_the_outer_commas() {
        let all = tokens("CREATE TABLE t(a, b CHECK (b IN (1, 2)), PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID");
        let (found, after) = parts(&all).expect("parentheses");
        assert_eq!(found.iter().map(|p| p.len()).collect::<Vec<_>>(), [1, 11, 7]);
        assert_eq!(after, ["STRICT", ",", "WITHOUT", "ROWID"]);
        assert!(parts(&tokens("CREATE TABLE t(a")).is_none());
    }
}
