//! Sets of commits: `A..B`, `A...B`, `^A`, `--not`, `A^@`, `A^!`, `A^-n`, `--all` and the like.

use super::{Resolver, RevError, Wanted};
use crate::model::{ObjectId, ObjectKind, RefName};
use crate::repo::history::walk;
use crate::repo::state::refs::Ref;
use crate::repo::text::wildmatch::{self, Flags};

/// One revision of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevItem {
    /// The object as named, which may be a tag.
    pub id: ObjectId,
    /// Whether it and all its ancestors are left out.
    pub exclude: bool,
    /// The text that named it; `None` for what was worked out, such as a merge base.
    pub name: Option<String>,
    /// Whether it is one of the many that an option such as `--tags` stands for.
    pub is_one_of_many: bool,
}

/// What a command line names: commits to begin with and commits to leave out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevSet {
    /// In the order given.
    pub items: Vec<RevItem>,
}

/// Two ends: `A..B` or `A...B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'t> {
    /// The left end as typed; `HEAD` if left out.
    pub from: &'t str,
    /// The right end as typed; `HEAD` if left out.
    pub to: &'t str,
    /// Whether there are three dots.
    pub symmetric: bool,
}

impl<'t> Range<'t> {
    /// Splits a range; `None` if the text is none. `..` alone is the folder above.
    pub fn parse(text: &'t str) -> Option<Self> {
        let (from, to) = text.split_once("..")?;
        let (to, symmetric) = to.strip_prefix('.').map_or((to, false), |to| (to, true));
        let or_head = |text: &'t str| if text.is_empty() { "HEAD" } else { text };
        let is_folder = from.is_empty() && to.is_empty() && !symmetric;
        (!is_folder).then(|| Self { from: or_head(from), to: or_head(to), symmetric })
    }
}

/// Which parents of a commit `A^@`, `A^!` and `A^-n` stand for.
enum Parents {
    /// All of them, without the commit.
    Only,
    /// The commit without any of them.
    None,
    /// The commit without this one, from 1.
    Without(usize),
}

impl RevSet {
    /// Returns the commits to begin with and those to leave out, tags followed. Of many refs, those that lead to no commit
    /// are passed over.
    pub fn commits(&self, resolver: &Resolver<'_>) -> Result<(Vec<ObjectId>, Vec<ObjectId>), RevError> {
        let (mut tips, mut hidden) = (Vec::new(), Vec::new());
        for item in &self.items {
            let text = item.name.clone().unwrap_or_else(|| item.id.to_string());
            let commit = match resolver.peeled(&text, &item.id, ObjectKind::Commit) {
                Err(RevError::Kind { .. }) if item.is_one_of_many => continue,
                result => result?,
            };
            if item.exclude { hidden.push(commit) } else { tips.push(commit) }
        }
        Ok((tips, hidden))
    }

    fn push(&mut self, id: ObjectId, exclude: bool, name: impl Into<Option<String>>) {
        self.items.push(RevItem { id, exclude, name: name.into(), is_one_of_many: false });
    }

    fn push_ref(&mut self, id: ObjectId, exclude: bool, name: String) {
        self.items.push(RevItem { id, exclude, name: Some(name), is_one_of_many: true });
    }
}

impl Resolver<'_> {
    /// Resolves words of a command line, `--not`, `--all`, `--branches`, `--tags`, `--remotes`, `--glob=<pattern>`
    /// and `--exclude=<pattern>` among them.
    pub fn set<T: AsRef<str>>(&self, words: &[T]) -> Result<RevSet, RevError> {
        let mut set = RevSet::default();
        let mut flip = false;
        let mut excluded: Vec<String> = Vec::new();
        for word in words {
            let word = word.as_ref();
            if word == "--not" {
                flip = !flip;
            } else if let Some(pattern) = word.strip_prefix("--exclude=") {
                excluded.push(pattern.to_owned());
            } else if let Some((folder, pattern)) = group(word) {
                let patterns = std::mem::take(&mut excluded);
                for one in self.refs_of(folder, pattern, &patterns)? {
                    set.push_ref(one.id, flip, one.name.to_string());
                }
                if word == "--all"
                    && let Some(id) = self.refs.resolve(&RefName::head())?
                {
                    set.push_ref(id, flip, "HEAD".to_owned());
                }
            } else {
                self.add(word, flip, &mut set)?;
            }
        }
        Ok(set)
    }

    fn add(&self, word: &str, flip: bool, set: &mut RevSet) -> Result<(), RevError> {
        let Some(range) = Range::parse(word) else { return self.add_one(word, flip, set) };
        match self.add_range(&range, flip, set) {
            // The dots may belong to something else, as in `:/wait...`.
            Err(error) if error.is_unknown() => self.add_one(word, flip, set).map_err(|_| error),
            result => result,
        }
    }

    fn add_range(&self, range: &Range<'_>, flip: bool, set: &mut RevSet) -> Result<(), RevError> {
        let from = self.get(range.from, Wanted::Commitish)?;
        let to = self.get(range.to, Wanted::Commitish)?;
        let ends =
            [self.peeled(range.from, &from, ObjectKind::Commit)?, self.peeled(range.to, &to, ObjectKind::Commit)?];
        set.push(to, flip, range.to.to_owned());
        set.push(from, flip == range.symmetric, range.from.to_owned());
        if range.symmetric {
            for base in walk::merge_bases(self.objects, ends[0], &ends[1..])? {
                set.push(base, !flip, None);
            }
        }
        Ok(())
    }

    fn add_one(&self, word: &str, flip: bool, set: &mut RevSet) -> Result<(), RevError> {
        let (rest, exclude) = word.strip_prefix('^').map_or((word, flip), |rest| (rest, !flip));
        let Some((text, parents)) = with_parents(rest) else {
            set.push(self.get(rest, Wanted::Commitish)?, exclude, rest.to_owned());
            return Ok(());
        };
        let id = self.get(text, Wanted::Commitish)?;
        let all = self.objects.commit(&self.peeled(text, &id, ObjectKind::Commit)?)?.parents;
        let chosen: &[ObjectId] = match parents {
            Parents::Without(n) => match all.get(n - 1) {
                Some(parent) => std::slice::from_ref(parent),
                None => {
                    return Err(RevError::NoParent { text: text.to_owned(), wanted: n, found: all.len() });
                }
            },
            Parents::Only | Parents::None => &all,
        };
        let only = matches!(parents, Parents::Only);
        if !only {
            set.push(id, exclude, text.to_owned());
        }
        for parent in chosen {
            set.push(*parent, exclude == only, None);
        }
        Ok(())
    }

    /// Returns the refs in a folder whose names match a pattern and none of `excluded`.
    fn refs_of(&self, folder: &str, pattern: Option<&str>, excluded: &[String]) -> Result<Vec<Ref>, RevError> {
        let whole = |pattern: &str| match pattern.starts_with("refs/") {
            true => pattern.to_owned(),
            false => format!("{folder}{pattern}"),
        };
        let pattern = pattern.map(|text| match wildmatch::is_pattern(text) {
            true => whole(text),
            false => format!("{}/*", whole(text).trim_end_matches('/')),
        });
        // As in Git, exclusions are for names below the folder, but for whole names where all refs are meant.
        let cut = if folder == "refs/" { 0 } else { folder.len() };
        let fits = |pattern: &str, name: &str| wildmatch::matches(pattern, name, Flags::default());
        let mut refs = self.refs.list(folder)?.refs;
        refs.retain(|r| {
            let name = r.name.as_str();
            pattern.as_ref().is_none_or(|p| fits(p, name)) && !excluded.iter().any(|p| fits(p, &name[cut..]))
        });
        Ok(refs)
    }
}

/// Tells whether a word stands for several revisions: a range, or a commit with or without its parents.
pub fn is_set(word: &str) -> bool {
    Range::parse(word).is_some() || with_parents(word).is_some()
}

/// Recognises the options that stand for many refs: their folder and their pattern.
fn group(word: &str) -> Option<(&'static str, Option<&str>)> {
    let (option, pattern) = word.split_once('=').map_or((word, None), |(o, p)| (o, Some(p)));
    let folder = match (option, pattern) {
        ("--all", None) | ("--glob", Some(_)) => "refs/",
        ("--branches", _) => "refs/heads/",
        ("--tags", _) => "refs/tags/",
        ("--remotes", _) => "refs/remotes/",
        _ => return None,
    };
    Some((folder, pattern))
}

/// Splits off `^@`, `^!`, `^-` or `^-<n>` from the end.
fn with_parents(text: &str) -> Option<(&str, Parents)> {
    if let Some(text) = text.strip_suffix("^@") {
        return Some((text, Parents::Only));
    }
    if let Some(text) = text.strip_suffix("^!") {
        return Some((text, Parents::None));
    }
    let (text, n) = text.rsplit_once("^-")?;
    match n {
        "" => Some((text, Parents::Without(1))),
        digits => Some((text, Parents::Without(digits.parse().ok().filter(|n| *n > 0)?))),
    }
}
