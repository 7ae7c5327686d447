//! Cuts a text into SQL statements where SQLite itself would: at semicolons outside of texts, names, comments and triggers.
//!
//! The rule for triggers is that of `sqlite3_complete`: `CREATE [TEMP] TRIGGER` ends only with `; END ;`.

/// How far a text is from being a whole statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Nothing but spaces and comments.
    Empty,
    /// The last statement has no semicolon yet.
    Open,
    /// A semicolon ends it, outside of everything.
    Complete,
}

/// Where `sqlite3_complete` stands between two words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Normal,
    Explain,
    Create,
    Trigger,
    Semicolon,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Semicolon,
    Space,
    Other,
    Explain,
    Create,
    Temp,
    Trigger,
    End,
}

impl State {
    fn after(self, token: Token) -> Self {
        use Token as T;
        match (self, token) {
            (state, T::Space) => state,
            (Self::Start | Self::Normal | Self::Explain | Self::Create | Self::End, T::Semicolon) => Self::Start,
            (Self::Trigger | Self::Semicolon, T::Semicolon) => Self::Semicolon,
            (Self::Start, T::Explain) => Self::Explain,
            (Self::Explain, T::Other) => Self::Explain,
            (Self::Start | Self::Explain, T::Create) => Self::Create,
            (Self::Create, T::Temp) => Self::Create,
            (Self::Create, T::Trigger) => Self::Trigger,
            (Self::Semicolon, T::End) => Self::End,
            (Self::Trigger | Self::Semicolon | Self::End, _) => Self::Trigger,
            _ => Self::Normal,
        }
    }
}

/// Returns the end of the token at the beginning of a text that is not empty, and what it is.
/// A text, name or comment without an end is `None`.
fn token(text: &[u8]) -> Option<(usize, Token)> {
    let until = |end: u8| text[1..].iter().position(|b| *b == end).map(|at| (at + 2, Token::Other));
    match text[0] {
        b';' => Some((1, Token::Semicolon)),
        b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => Some((1, Token::Space)),
        b'/' if text.get(1) == Some(&b'*') => {
            let end = text[2..].windows(2).position(|w| w == b"*/")?;
            Some((end + 4, Token::Space))
        }
        b'-' if text.get(1) == Some(&b'-') => {
            let end = text.iter().position(|b| *b == b'\n').map_or(text.len(), |at| at + 1);
            Some((end, Token::Space))
        }
        b'[' => until(b']'),
        quote @ (b'\'' | b'"' | b'`') => until(quote),
        first if is_word(first) => {
            let end = text.iter().position(|b| !is_word(*b)).unwrap_or(text.len());
            let word = text[..end].to_ascii_lowercase();
            let token = match word.as_slice() {
                b"explain" => Token::Explain,
                b"create" => Token::Create,
                b"temp" | b"temporary" => Token::Temp,
                b"trigger" => Token::Trigger,
                b"end" => Token::End,
                _ => Token::Other,
            };
            Some((end, token))
        }
        _ => Some((1, Token::Other)),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// Returns the length of the first statement of a text with its semicolon and all that stands before it; the whole length
/// if it has none.
pub fn first(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut state) = (0, State::Start);
    while at < bytes.len() {
        let Some((len, token)) = token(&bytes[at..]) else { break };
        at += len;
        let next = state.after(token);
        if token == Token::Semicolon && next == State::Start {
            return at;
        }
        state = next;
    }
    bytes.len()
}

/// Returns what ends a statement that has no semicolon yet: one on a line of its own where a comment would swallow it.
pub(in crate::sqlite) fn terminator(sql: &str) -> &'static str {
    let mut rest = sql.as_bytes();
    let mut end = ";";
    while !rest.is_empty() {
        let Some((len, _)) = token(rest) else { return if rest.starts_with(b"/*") { "*/;" } else { ";" } };
        end = if rest.starts_with(b"--") && !rest[..len].ends_with(b"\n") { "\n;" } else { ";" };
        rest = &rest[len..];
    }
    end
}

/// Tells whether a text has only whole statements, as a prompt has to know.
pub fn completeness(text: &str) -> Completeness {
    let bytes = text.as_bytes();
    let (mut at, mut state, mut ended) = (0, State::Start, false);
    while at < bytes.len() {
        let Some((len, token)) = token(&bytes[at..]) else { return Completeness::Open };
        at += len;
        state = state.after(token);
        ended |= token == Token::Semicolon;
    }
    match state {
        State::Start if ended => Completeness::Complete,
        State::Start => Completeness::Empty,
        _ => Completeness::Open,
    }
}

/// Returns where the first thing that is neither space nor comment begins.
pub fn skip_space(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match token(&bytes[at..]) {
            Some((len, Token::Space)) => at += len,
            _ => break,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use proptest::prelude::*;
    use rusqlite::ffi;

    use super::*;

    fn all(text: &str) -> Vec<&str> {
        let mut rest = text;
        let mut out = Vec::new();
        while !rest.is_empty() {
            let (one, after) = rest.split_at(first(rest));
            out.push(one);
            rest = after;
        }
        out
    }

    #[test]
    fn statements_end_at_semicolons_that_count() {
        assert_eq!(all("select 1; select ';' -- ;\n;x"), ["select 1;", " select ';' -- ;\n;", "x"]);
        let trigger = "create temp trigger t after insert on x begin select 1; select 2; end;";
        assert_eq!(all(&format!("{trigger} select 3;")), [trigger, " select 3;"]);
        assert_eq!(all("select [a;b], \"c;\", `d;` /* ; */;"), ["select [a;b], \"c;\", `d;` /* ; */;"]);
        assert_eq!(all("select 'open; select 2;"), ["select 'open; select 2;"]);
        assert_eq!(skip_space(" -- x\n/* y */ z"), 14);
    }

    #[test]
    fn no_comment_swallows_the_semicolon() {
        for (sql, end) in [
            ("SELECT 1", ";"),
            ("SELECT 1 -- one", "\n;"),
            ("SELECT 1 -- one\n", ";"),
            ("SELECT '--' /* -- */", ";"),
            ("SELECT '--', \"--", ";"),
            ("SELECT 1 /* one", "*/;"),
            ("SELECT 1 -- /* one", "\n;"),
        ] {
            assert_eq!(terminator(sql), end, "{sql}");
            assert!(sql.ends_with("\"--") || completeness(&format!("{sql}{end}")) == Completeness::Complete, "{sql}");
        }
    }

    #[test]
    fn a_prompt_knows_when_to_go_on() {
        assert_eq!(completeness(" -- nothing\n"), Completeness::Empty);
        assert_eq!(completeness("select 1"), Completeness::Open);
        assert_eq!(completeness("select 1; -- done"), Completeness::Complete);
        assert_eq!(completeness("create trigger t after insert on x begin select 1;"), Completeness::Open);
        assert_eq!(completeness("/* open"), Completeness::Open);
    }

    fn pieces() -> impl Strategy<Value = String> {
        let words = [
            "select", "create", "temp", "trigger", "end", "explain", "begin", ";", " ", "\n", "'a;b'", "\"x\"", "[;]",
            "--;\n", "/*;*/", "'", "a", "(", "ö", "query", "plan", "table",
        ];
        proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..14).prop_map(|w| w.join(" "))
    }

    proptest! {
        #[test]
        #[allow(unsafe_code)]
        fn it_agrees_with_sqlite(text in pieces()) {
            let c = CString::new(text.clone()).expect("no NUL");
            // SAFETY: the text is a C string that lives through the call.
            let wanted = unsafe { ffi::sqlite3_complete(c.as_ptr()) } == 1;
            // SQLite calls an empty text incomplete, and so is ours: nothing to run.
            let ours = completeness(&text) == Completeness::Complete;
            let blank = completeness(&text) == Completeness::Empty;
            prop_assert!(ours == wanted || blank, "{text:?}: {ours} {wanted}");
        }
    }
}
