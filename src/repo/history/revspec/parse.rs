//! The grammar of a revision that names one object; Git's, read from the right end as Git does.

use super::RevError;
use crate::model::ObjectKind;

/// A revision, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// Anything without a path.
    Object(Expr),
    /// `<rev>:<path>`
    Path {
        /// The text before the colon.
        rev: String,
        /// What it means.
        of: Expr,
        /// The path as typed; empty for the tree itself.
        path: String,
    },
    /// `:<path>` and `:<n>:<path>`
    Staged {
        /// 0, or 1 to 3 during a merge.
        stage: u8,
        /// The path as typed.
        path: String,
    },
    /// `:/<text>`: the newest commit that any ref reaches whose message matches.
    Message(String),
}

/// The part of a revision that leads to a commit, or to any object by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// A name or an id.
    Name(Name),
    /// `<name>@{<n>}`, `<name>@{<date>}`
    Reflog(Name, At),
    /// `<rev>^<n>`; 0 for the commit itself.
    Parent(Box<Step>, usize),
    /// `<rev>~<n>`
    Ancestor(Box<Step>, usize),
    /// `<rev>^{<kind>}`
    Peel(Box<Step>, Peel),
    /// `<rev>^{/<text>}`: the newest ancestor whose message matches.
    Search(Box<Step>, String),
}

/// A revision that another one starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// As typed.
    pub text: String,
    /// What it means.
    pub expr: Expr,
}

/// What stands at the beginning of every revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Where it starts.
    pub base: Base,
    /// Whether `@{upstream}`, `@{u}` or `@{push}` follows.
    pub follows: Option<Follows>,
}

/// What a branch has on a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// What it follows.
    Upstream,
    /// Where it is pushed to.
    Push,
}

/// The beginning of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// A ref or an id; `HEAD` for `@`, empty for nothing before `@{…}`.
    Plain(String),
    /// `@{-<n>}`: where HEAD was `n` switches ago.
    Previous(usize),
}

/// Which entry of a reflog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// So many changes ago.
    Back(usize),
    /// At a moment, Unix seconds.
    Second(i64),
    /// At a moment, as people write it.
    Date(String),
}

/// Where to stop following tags and commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peel {
    /// At the first object that is no tag.
    NoTag,
    /// At once; the object must only exist.
    Any,
    /// At an object of this kind.
    Kind(ObjectKind),
}

/// Takes a revision apart.
pub fn parse(text: &str) -> Result<Spec, RevError> {
    if let Some(rest) = text.strip_prefix(":/").filter(|rest| !rest.is_empty()) {
        return Ok(Spec::Message(rest.to_owned()));
    }
    if let Some(rest) = text.strip_prefix(':') {
        let staged = rest.split_once(':').and_then(|(n, path)| Some((n.parse().ok().filter(|n| *n <= 3)?, path)));
        let (stage, path) = staged.filter(|_| rest.as_bytes()[1] == b':').unwrap_or((0, rest));
        return Ok(Spec::Staged { stage, path: path.to_owned() });
    }
    match colon(text) {
        Some(at) => {
            let rev = &text[..at];
            Ok(Spec::Path { rev: rev.to_owned(), of: expr(rev)?, path: text[at + 1..].to_owned() })
        }
        None => Ok(Spec::Object(expr(text)?)),
    }
}

/// Finds the colon before a path: one outside of braces.
fn colon(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// Takes a revision without a path apart.
pub fn expr(text: &str) -> Result<Expr, RevError> {
    let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
    if let Some(before) = head.strip_suffix(['^', '~']) {
        let n = match &text[head.len()..] {
            "" => 1,
            digits => digits
                .parse::<i32>()
                .map_err(|_| RevError::Malformed { text: text.to_owned(), reason: "the number is too large" })?,
        } as usize;
        let step = step(before)?;
        return Ok(if head.ends_with('^') { Expr::Parent(step, n) } else { Expr::Ancestor(step, n) });
    }
    if let Some(inner) = text.strip_suffix('}')
        && let Some(at) = inner.rfind("^{")
        && at > 0
    {
        return peeled(text, &inner[..at], &inner[at + 2..]);
    }
    Ok(named(text))
}

fn step(text: &str) -> Result<Box<Step>, RevError> {
    Ok(Box::new(Step { text: text.to_owned(), expr: expr(text)? }))
}

/// `<before>^{<what>}`
fn peeled(text: &str, before: &str, what: &str) -> Result<Expr, RevError> {
    let peel = match what {
        "" => Peel::NoTag,
        "object" => Peel::Any,
        // Git's word for the contents of a file.
        "blob" => Peel::Kind(ObjectKind::Snapshot),
        _ => match what.strip_prefix('/') {
            Some("") => Peel::Kind(ObjectKind::Commit),
            Some(pattern) => return Ok(Expr::Search(step(before)?, pattern.to_owned())),
            None => Peel::Kind(what.parse().map_err(|()| RevError::Malformed {
                text: text.to_owned(),
                reason: "in ^{…} stands commit, tree, snapshot, tag, object, nothing, or /text",
            })?),
        },
    };
    Ok(Expr::Peel(step(before)?, peel))
}

/// A name, perhaps with `@{…}` behind it.
fn named(text: &str) -> Expr {
    if let Some(inner) = text.strip_suffix('}')
        && let Some(at) = inner.rfind("@{")
        && let what = &inner[at + 2..]
        && !what.is_empty()
        && !what.starts_with('-')
        && follows(what).is_none()
    {
        return Expr::Reflog(name(&text[..at]), moment(what));
    }
    Expr::Name(name(text))
}

/// All digits count entries, unless they are so many that they must be Unix seconds.
fn moment(text: &str) -> At {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return At::Date(text.to_owned());
    }
    match text.parse::<i64>() {
        Ok(n) if n < 100_000_000 => At::Back(n as usize),
        Ok(seconds) => At::Second(seconds),
        Err(_) => At::Date(text.to_owned()),
    }
}

fn follows(what: &str) -> Option<Follows> {
    match what.to_ascii_lowercase().as_str() {
        "u" | "upstream" => Some(Follows::Upstream),
        "push" => Some(Follows::Push),
        _ => None,
    }
}

fn name(text: &str) -> Name {
    let split = text.strip_suffix('}').and_then(|t| t.rsplit_once("@{"));
    let marked = split.and_then(|(base, what)| Some((base, follows(what)?)));
    let base = marked.map_or(text, |(base, _)| base);
    let previous = base.strip_prefix("@{-").and_then(|t| t.strip_suffix('}')).and_then(|n| n.parse().ok());
    let base = match previous {
        Some(n @ 1..) => Base::Previous(n),
        _ if base == "@" => Base::Plain("HEAD".to_owned()),
        _ => Base::Plain(base.to_owned()),
    };
    Name { base, follows: marked.map(|(_, follows)| follows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Name {
        Name { base: Base::Plain(text.to_owned()), follows: None }
    }

    #[test]
    fn suffixes_apply_from_left_to_right() {
        let Ok(Spec::Path { rev, of, path }) = parse("v1^{/a:b}~2^:d/x:y") else { panic!("has a path") };
        assert_eq!((rev.as_str(), path.as_str()), ("v1^{/a:b}~2^", "d/x:y"));
        let Expr::Parent(step, 1) = of else { panic!("{of:?}") };
        let Expr::Ancestor(step, 2) = step.expr else { panic!("{step:?}") };
        let Expr::Search(step, text) = step.expr else { panic!("{step:?}") };
        assert_eq!((text.as_str(), step.expr), ("a:b", Expr::Name(plain("v1"))));
    }

    #[test]
    fn what_stands_in_braces_decides() {
        let expr = |text: &str| expr(text).unwrap();
        assert_eq!(expr("@"), Expr::Name(plain("HEAD")));
        assert_eq!(expr("@{3}"), Expr::Reflog(plain(""), At::Back(3)));
        assert_eq!(expr("@@{3}"), Expr::Reflog(plain("HEAD"), At::Back(3)));
        assert_eq!(expr("m@{1700000000}"), Expr::Reflog(plain("m"), At::Second(1_700_000_000)));
        assert_eq!(expr("m@{2 days ago}"), Expr::Reflog(plain("m"), At::Date("2 days ago".into())));
        let previous = Name { base: Base::Previous(2), follows: Some(Follows::Upstream) };
        assert_eq!(expr("@{-2}@{U}@{0}"), Expr::Reflog(previous, At::Back(0)));
        assert_eq!(expr("a@b@{upstream}"), Expr::Name(Name { follows: Some(Follows::Upstream), ..plain("a@b") }));
        assert_eq!(expr("@{Push}"), Expr::Name(Name { follows: Some(Follows::Push), ..plain("") }));
        assert_eq!(expr("@{}"), Expr::Name(plain("@{}")));
        assert!(matches!(parse("a^{commmit}"), Err(RevError::Malformed { .. })));
        assert!(matches!(parse("a~9999999999"), Err(RevError::Malformed { .. })));
    }

    #[test]
    fn colons() {
        let staged = |stage, path: &str| Ok(Spec::Staged { stage, path: path.to_owned() });
        for (text, wanted) in [(":a", staged(0, "a")), (":2:a", staged(2, "a")), (":4:a", staged(0, "4:a"))] {
            assert_eq!(parse(text).map_err(|e| e.to_string()), wanted, "{text}");
        }
        assert_eq!(parse(":").map_err(|e| e.to_string()), staged(0, ""));
        assert_eq!(parse(":/fix").map_err(|e| e.to_string()), Ok(Spec::Message("fix".to_owned())));
    }
}
