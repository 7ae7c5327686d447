//! Which commits a command line names: `rev`, `A..B`, `^A` and paths, told apart as Git does.

use std::path::{Path, PathBuf};

use super::error::Failure;
use super::{revs, suggest};
use crate::model::ObjectId;
use crate::repo::Repository;
use crate::repo::history::revspec;

/// Commits to begin with, and commits to leave out with their ancestors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Where to begin.
    pub tips: Vec<ObjectId>,
    /// Where to end.
    pub hidden: Vec<ObjectId>,
}

impl Range {
    /// Adds what one word names: a revision, a range, or an option such as `--all` that stands for many refs.
    pub fn add(&mut self, repo: &Repository, word: &str) -> Result<(), Failure> {
        let (tips, hidden) = revs::with(repo, |revs| revs.set(&[word])?.commits(revs))?;
        self.tips.extend(tips);
        self.hidden.extend(hidden);
        Ok(())
    }

    /// Adds what one word names the other way round: leaves it out.
    pub fn add_not(&mut self, repo: &Repository, word: &str) -> Result<(), Failure> {
        let (tips, hidden) = revs::with(repo, |revs| revs.set(&["--not", word])?.commits(revs))?;
        self.tips.extend(tips);
        self.hidden.extend(hidden);
        Ok(())
    }
}

/// Tells whether a word means several commits rather than one.
pub fn is_range(word: &str) -> bool {
    word.starts_with('^') || revspec::is_set(word)
}

/// Splits words without `--` into revisions and paths: the first word that is no revision begins the paths, which must
/// exist or be patterns.
pub fn split(
    words: Vec<PathBuf>,
    check: &dyn Fn(&str) -> Result<(), Failure>,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<(Vec<String>, Vec<PathBuf>), Failure> {
    let mut revs = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.peek() {
        let text = word.to_str().filter(|t| !t.starts_with(':') || t.starts_with(":/"));
        let checked = text.map(check);
        match (text, checked) {
            (Some(text), Some(Ok(()))) if exists(word) && !text.contains(':') => {
                return Err(Failure::new(format!("'{text}' is both a revision and a file"))
                    .help(format!("put '--' between revisions and paths: '{text} --' or '-- {text}'")));
            }
            (Some(text), Some(Ok(()))) => {
                revs.push(text.to_owned());
                words.next();
            }
            (_, complaint) => {
                let is_pattern = word.to_string_lossy().contains(['*', '?', '[', ':']);
                return match complaint {
                    Some(Err(failure)) if !exists(word) && !is_pattern => Err(neither(word, failure)),
                    _ => Ok((revs, words.collect())),
                };
            }
        }
    }
    Ok((revs, Vec::new()))
}

/// Says that a word is neither a revision nor a file, unless more is known of it.
fn neither(word: &Path, failure: Failure) -> Failure {
    let unknown = Failure::new(format!("unknown revision '{}'", word.display()));
    if !failure.says_the_same_as(&unknown) {
        return failure;
    }
    let failure = failure.reword(format!("'{}' is neither a revision nor a file", word.display()));
    match suggest::file_like(word) {
        Some(near) if !failure.asks_back() => failure.help(format!("did you mean '{}'?", near.display())),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_apart(words: &[&str]) -> Result<(Vec<String>, Vec<PathBuf>), Failure> {
        let check = |word: &str| match word {
            "main" | "v1" | "both" | "HEAD:a.db" => Ok(()),
            _ => Err(Failure::new(format!("unknown revision '{word}'"))),
        };
        let exists = |path: &Path| ["both", "a.db", "b.db"].contains(&path.to_string_lossy().as_ref());
        split(words.iter().map(PathBuf::from).collect(), &check, &exists)
    }

    #[test]
    fn revisions_come_before_paths() {
        let both = |revs: &[&str], paths: &[&str]| {
            Ok((revs.iter().map(|r| (*r).to_owned()).collect(), paths.iter().map(PathBuf::from).collect()))
        };
        assert_eq!(told_apart(&[]), both(&[], &[]));
        assert_eq!(told_apart(&["main", "v1"]), both(&["main", "v1"], &[]));
        assert_eq!(told_apart(&["main", "a.db", "v1"]), both(&["main"], &["a.db", "v1"]));
        assert_eq!(told_apart(&["*.db", "v1"]), both(&[], &["*.db", "v1"]));
        assert_eq!(told_apart(&["HEAD:a.db"]), both(&["HEAD:a.db"], &[]));
        assert!(told_apart(&["mian"]).is_err());
        assert!(told_apart(&["both"]).is_err(), "a word that is both needs '--'");
    }
}
