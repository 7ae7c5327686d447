//! `--format` of lists of refs: `%(refname:short) %(objectname) %(subject)`; the fields are Git's.

mod blocks;

use blocks::{Builder, Piece};

use super::render::date::DateFormat;
use super::render::pretty::{body, subject};
use crate::model::{ObjectId, ObjectKind, RefName, Signature};
use crate::repo::history::revspec::Resolver;
use crate::repo::history::walk;
use crate::repo::state::objects::{ObjectReader, ReadError};
use crate::repo::state::refs::Ref;
use crate::repo::{RepoError, Repository};

/// A format, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct RefFormat(Vec<Piece>);

/// `%(name:option)`, or `%(*name)` for what a tag leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    target: bool,
    name: String,
    option: Option<String>,
}

/// The names of fields.
const NAMES: [&str; 31] = [
    "refname",
    "symref",
    "upstream",
    "push",
    "HEAD",
    "objectname",
    "objecttype",
    "objectsize",
    "tree",
    "parent",
    "numparent",
    "object",
    "type",
    "tag",
    "subject",
    "body",
    "contents",
    "author",
    "authorname",
    "authoremail",
    "authordate",
    "committer",
    "committername",
    "committeremail",
    "committerdate",
    "tagger",
    "taggername",
    "taggeremail",
    "taggerdate",
    "creator",
    "creatordate",
];

/// What fields are answered from.
pub struct Scope<'a> {
    /// The repository.
    pub repo: &'a Repository,
    /// Its names.
    pub revs: &'a Resolver<'a>,
    /// The branch that HEAD is on.
    pub head: Option<RefName>,
    /// The time now.
    pub now: jiff::ZonedDateTime,
    /// Colours are wanted.
    pub colored: bool,
}

impl RefFormat {
    /// Parses a format; fails with what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut plain) = (Builder::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            plain += &rest[..at];
            let after = &rest[at + 1..];
            if let Some(inner) = after.strip_prefix('(') {
                let (code, tail) = inner.split_once(')').ok_or_else(|| format!("'%({inner}' has no ')'"))?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.code(code)?;
                rest = tail;
            } else if let Some(tail) = after.strip_prefix('%') {
                plain.push('%');
                rest = tail;
            } else if let Some(byte) = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                plain.push(char::from(byte));
                rest = &after[2..];
            } else {
                plain.push('%');
                rest = after;
            }
        }
        plain += rest;
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces.finish()?))
    }

    /// Writes one ref.
    pub fn render(&self, one: &Ref, scope: &Scope<'_>) -> Result<String, RepoError> {
        let mut line = blocks::render(&self.0, one, scope)?;
        if scope.colored && blocks::leaves_color(&self.0) {
            line += &anstyle::Reset.to_string();
        }
        Ok(line)
    }
}

impl Field {
    fn parse(text: &str) -> Result<Self, String> {
        let (target, rest) = text.strip_prefix('*').map_or((false, text), |rest| (true, rest));
        let (name, option) = rest.split_once(':').map_or((rest, None), |(n, o)| (n, Some(o.to_owned())));
        if !NAMES.contains(&name) {
            return Err(format!("there is no field '{name}'"));
        }
        Ok(Self { target, name: name.to_owned(), option })
    }

    fn value(&self, one: &Ref, scope: &Scope<'_>) -> Result<String, RepoError> {
        let option = self.option.as_deref();
        match self.name.as_str() {
            "refname" => return self.ref_name(Some(&one.name), scope),
            "symref" => return self.ref_name(one.symbolic.as_ref(), scope),
            "HEAD" => return Ok(if scope.head.as_ref() == Some(&one.name) { "*" } else { " " }.to_owned()),
            "upstream" => return self.tracking(one, scope, &|branch| scope.revs.upstream_of(branch)),
            "push" => return self.tracking(one, scope, &|branch| scope.revs.push_of(branch)),
            _ => {}
        }
        let id = match (self.target, scope.repo.kind(&one.id)?) {
            (false, _) => one.id,
            (true, ObjectKind::Tag) => scope.repo.peel_tags(&one.id)?.id(),
            (true, _) => return Ok(String::new()),
        };
        if self.name == "objectname" {
            return Ok(match option {
                Some("short") => scope.revs.abbreviate(&id, None),
                Some(text) => match text.strip_prefix("short=").and_then(|n| n.parse().ok()) {
                    Some(digits) => scope.revs.abbreviate(&id, Some(digits)),
                    None => id.to_string(),
                },
                None => id.to_string(),
            });
        }
        self.of_object(id, scope)
    }

    fn of_object(&self, id: ObjectId, scope: &Scope<'_>) -> Result<String, RepoError> {
        let raw = scope.repo.raw(&id)?;
        match self.name.as_str() {
            "objecttype" => return Ok(raw.kind().to_string()),
            "objectsize" => return Ok(raw.body().len().to_string()),
            _ => {}
        }
        let is = |name: &str| self.name == name;
        Ok(match raw.kind() {
            ObjectKind::Commit => {
                let commit = scope.repo.commit(&id)?;
                match self.name.as_str() {
                    "tree" => commit.tree.to_string(),
                    "parent" => commit.parents.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                    "numparent" => commit.parents.len().to_string(),
                    _ => self
                        .person("author", &commit.author, scope)
                        .or_else(|| self.person("committer", &commit.committer, scope))
                        .or_else(|| self.person("creator", &commit.committer, scope))
                        .unwrap_or_else(|| self.message(&commit.message)),
                }
            }
            ObjectKind::Tag => {
                let tag = scope.repo.tag(&id)?;
                match self.name.as_str() {
                    "object" => tag.target.to_string(),
                    "type" => scope.repo.kind(&tag.target)?.to_string(),
                    "tag" => tag.name.clone(),
                    _ => self
                        .person("tagger", &tag.tagger, scope)
                        .or_else(|| self.person("creator", &tag.tagger, scope))
                        .unwrap_or_else(|| self.message(&tag.message)),
                }
            }
            ObjectKind::Tree if is("tree") => id.to_string(),
            _ => String::new(),
        })
    }

    fn message(&self, message: &str) -> String {
        match (self.name.as_str(), self.option.as_deref()) {
            ("subject", _) | ("contents", Some("subject")) => subject(message),
            ("body", _) | ("contents", Some("body")) => body(message).to_owned(),
            ("contents", Some(option)) => match option.strip_prefix("lines=").and_then(|n| n.parse().ok()) {
                Some(count) => message.lines().take(count).collect::<Vec<_>>().join("\n    "),
                None => message.to_owned(),
            },
            ("contents", None) => message.to_owned(),
            _ => String::new(),
        }
    }

    /// Answers `author`, `authorname`, `authoremail`, `authordate` and the like.
    fn person(&self, role: &str, who: &Signature, scope: &Scope<'_>) -> Option<String> {
        let date = || {
            let format = self.option.as_deref().map_or(Ok(DateFormat::DEFAULT), DateFormat::parse);
            format.unwrap_or(DateFormat::DEFAULT).render(who.time, who.offset, &scope.now)
        };
        let zone = |minutes: i32| {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
        };
        Some(match self.name.strip_prefix(role)? {
            "" => format!("{who} {} {}", who.time, zone(who.offset)),
            "name" => who.name.clone(),
            "email" if self.option.as_deref() == Some("trim") => who.email.clone(),
            "email" => format!("<{}>", who.email),
            "date" => date(),
            _ => return None,
        })
    }

    fn ref_name(&self, name: Option<&RefName>, scope: &Scope<'_>) -> Result<String, RepoError> {
        let Some(name) = name else { return Ok(String::new()) };
        let Some(option) = self.option.as_deref() else { return Ok(name.to_string()) };
        if option == "short" {
            return Ok(scope.revs.shorten(name)?);
        }
        let parts: Vec<&str> = name.as_str().split('/').collect();
        let (side, n) = option.split_once('=').unwrap_or((option, "1"));
        // A negative number says how many parts stay.
        let cut = match n.parse::<isize>() {
            Ok(n) if n < 0 => parts.len().saturating_sub(n.unsigned_abs()),
            Ok(n) => n.unsigned_abs(),
            Err(_) => 0,
        };
        Ok(match side {
            "lstrip" | "strip" => parts[cut.min(parts.len())..].join("/"),
            "rstrip" => parts[..parts.len().saturating_sub(cut)].join("/"),
            _ => name.to_string(),
        })
    }

    /// Answers `upstream` and `push`, whose ref `of` gives.
    fn tracking(
        &self,
        one: &Ref,
        scope: &Scope<'_>,
        of: &dyn Fn(&str) -> Option<RefName>,
    ) -> Result<String, RepoError> {
        let Some(upstream) = one.name.as_branch().and_then(of) else {
            return Ok(String::new());
        };
        let Some(option) = self.option.as_deref().filter(|o| o.starts_with("track")) else {
            return match self.option.as_deref() {
                Some("remotename") => {
                    let remote = upstream.as_str().strip_prefix("refs/remotes/").and_then(|r| r.split('/').next());
                    Ok(remote.unwrap_or(".").to_owned())
                }
                _ => self.ref_name(Some(&upstream), scope),
            };
        };
        let distance = distance(scope.repo, one.id, &upstream)?;
        Ok(match option {
            "trackshort" => match distance {
                None => String::new(),
                Some((0, 0)) => "=".to_owned(),
                Some((_, 0)) => ">".to_owned(),
                Some((0, _)) => "<".to_owned(),
                Some(_) => "<>".to_owned(),
            },
            "track,nobracket" => track(distance),
            _ => match track(distance) {
                text if text.is_empty() => text,
                text => format!("[{text}]"),
            },
        })
    }
}

/// Returns how many commits a branch is ahead of its upstream and behind it; `None` if that is gone.
pub fn distance(repo: &Repository, id: ObjectId, upstream: &RefName) -> Result<Option<(usize, usize)>, RepoError> {
    let Some(theirs) = repo.refs().resolve(upstream)? else { return Ok(None) };
    match (repo.peel(&id, ObjectKind::Commit), repo.peel(&theirs, ObjectKind::Commit)) {
        (Ok(ours), Ok(theirs)) => Ok(Some(walk::ahead_behind(repo, ours, theirs)?)),
        (Err(ReadError::Peel { .. }), _) | (_, Err(ReadError::Peel { .. })) => Ok(None),
        (Err(error), _) | (_, Err(error)) => Err(error.into()),
    }
}

/// `ahead 2, behind 1`; nothing if both are the same.
pub fn track(distance: Option<(usize, usize)>) -> String {
    match distance {
        None => "gone".to_owned(),
        Some((0, 0)) => String::new(),
        Some((ahead, 0)) => format!("ahead {ahead}"),
        Some((0, behind)) => format!("behind {behind}"),
        Some((ahead, behind)) => format!("ahead {ahead}, behind {behind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_taken_apart() {
        let format = RefFormat::parse("a%%b%0a%(refname:short) %(*objectname)%").unwrap();
        let field = |target, name: &str, option: Option<&str>| {
            Piece::Field(Field { target, name: name.into(), option: option.map(str::to_owned) })
        };
        let text = |text: &str| Piece::Text(text.into());
        let pieces = [
            text("a%b\n"),
            field(false, "refname", Some("short")),
            text(" "),
            field(true, "objectname", None),
            text("%"),
        ];
        assert_eq!(format.0, pieces);
        assert!(RefFormat::parse("%(nonsense)").is_err());
        assert!(RefFormat::parse("%(refname").is_err());
        for wrong in
            ["%(if)x%(end)", "%(then)", "%(if)x%(then)", "%(else)", "%(align)x%(end)", "%(align:5)x", "%(color:no)"]
        {
            assert!(RefFormat::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn distances_are_written_as_git_does() {
        assert_eq!(track(None), "gone");
        assert_eq!(track(Some((0, 0))), "");
        assert_eq!(track(Some((2, 1))), "ahead 2, behind 1");
    }
}
