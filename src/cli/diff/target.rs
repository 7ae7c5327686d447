//! Which two states `graft diff` is asked to compare: revisions and paths as typed.

use std::path::{Path, PathBuf};

use crate::cli::error::{Failure, exit};
use crate::cli::{revs, suggest};
use crate::model::{ObjectId, ObjectKind};
use crate::repo::history::revspec::RevError;
use crate::repo::history::walk::merge_bases;
use crate::repo::state::objects::ObjectReader;
use crate::repo::worktree::diff::{DiffRequest, FileDiff, FileDiffError, Side, Target, snapshot_and_file, snapshots};
use crate::repo::{RepoError, Repository};

/// What is to be compared.
pub enum Asked {
    /// The files of two states.
    Files(DiffRequest),
    /// One file in two states, named as `<rev>:<path>`, or as a file of the worktree if it is the second one.
    Snapshots(Box<FileDiff>),
}

impl Asked {
    /// Tells whether databases are read that programs may want to write.
    pub fn reads_worktree(&self) -> bool {
        match self {
            Self::Files(r) => matches!(r.target, Target::IndexToWorktree | Target::CommitToWorktree(_)),
            Self::Snapshots(file) => !matches!(file.new, Side::Stored(_)),
        }
    }
}

/// Reads `[A [B] | A..B | A...B] [paths]`; words after `--` are paths.
pub fn read(
    repo: &Repository,
    cwd: &Path,
    words: &[String],
    paths: &[PathBuf],
    staged: bool,
) -> Result<Asked, Failure> {
    let mut words = words.iter().map(String::as_str).peekable();
    let mut commits = Vec::new();
    let mut named = Vec::new();
    let mut range = None;
    while let Some(word) = words.peek().copied().filter(|_| commits.len() < 2 && range.is_none()) {
        if commits.is_empty() && word.contains("..") && !cwd.join(word).exists() {
            range = Some(ends(repo, word)?);
        } else {
            match revs::object(repo, word) {
                Ok(_) if paths.is_empty() && !word.contains(':') && cwd.join(word).symlink_metadata().is_ok() => {
                    let help = format!("write '{word} --' for the revision, '-- {word}' for the file");
                    return Err(Failure::usage(format!("'{word}' is both a revision and a file")).help(help));
                }
                Ok(id) if repo.kind(&id).map_err(RepoError::from)? == ObjectKind::Snapshot => named.push((word, id)),
                Ok(_) => commits.push(revs::commit(repo, word)?),
                Err(_) if let Some(failure) = no_revision(repo, cwd, word) => return Err(failure),
                Err(e) if !paths.is_empty() => return Err(e),
                Err(_) => break,
            }
        }
        words.next();
    }
    let left: Vec<&Path> = words.clone().map(Path::new).chain(paths.iter().map(PathBuf::as_path)).collect();
    match (named.as_slice(), words.peek()) {
        ([], _) => {}
        ([(_, old)], _)
            if let [file] = left.as_slice()
                && commits.is_empty()
                && range.is_none()
                && !staged =>
        {
            return Ok(Asked::Snapshots(Box::new(snapshot_and_file(repo, *old, cwd, file)?)));
        }
        ([(_, old), (path, new)], None) if commits.is_empty() && range.is_none() && paths.is_empty() && !staged => {
            let path = path.split_once(':').map_or(*path, |(_, path)| path);
            return Ok(Asked::Snapshots(Box::new(snapshots(repo, path, *old, *new)?)));
        }
        _ => {
            let help = "as in 'graft diff v1:app.db v2:app.db' or 'graft diff v1:app.db other.db'; for one file between commits, 'graft diff v1 v2 -- app.db'";
            return Err(Failure::usage("a state of a file is compared with another one, or with a file").help(help));
        }
    }
    let mut pathspecs: Vec<PathBuf> = words.map(PathBuf::from).collect();
    pathspecs.extend_from_slice(paths);
    let target = match (range, commits.as_slice(), staged) {
        (Some((old, new)), [], false) => Target::CommitToCommit(Some(old), new),
        (None, [old, new], false) => Target::CommitToCommit(Some(*old), *new),
        (None, [old], false) => Target::CommitToWorktree(*old),
        (None, [], false) => Target::IndexToWorktree,
        (None, [old], true) => Target::CommitToIndex(Some(*old)),
        (None, [], true) => Target::CommitToIndex(repo.head_commit()?),
        _ => {
            let help = "leave out --staged to compare commits with each other";
            return Err(Failure::usage("--staged compares the index with one commit").help(help));
        }
    };
    Ok(Asked::Files(DiffRequest { target, pathspecs, cwd: cwd.to_owned(), reverse: false }))
}

/// Explains a word that is a revision, though not one that can be read: of a branch without commits, or of one that is damaged.
fn no_revision(repo: &Repository, cwd: &Path, word: &str) -> Option<Failure> {
    let error = repo.resolver(cwd).object(word).err()?;
    matches!(error, RevError::Unborn { .. } | RevError::Dangling { .. } | RevError::Ref(_) | RevError::Read(_))
        .then(|| Failure::from(error))
}

/// Reads `A..B` or `A...B`; what is left out is HEAD.
fn ends(repo: &Repository, range: &str) -> Result<(ObjectId, ObjectId), Failure> {
    let or_head = |text: &str| revs::commit(repo, if text.is_empty() { "HEAD" } else { text });
    let Some((old, new)) = range.split_once("...") else {
        let (old, new) = range.split_once("..").expect("two dots were seen");
        return Ok((or_head(old)?, or_head(new)?));
    };
    let (a, b) = (or_head(old)?, or_head(new)?);
    match merge_bases(repo, a, &[b]).map_err(RepoError::from)?.first() {
        Some(base) => Ok((*base, b)),
        None => Err(Failure::new(format!("'{range}': the two have no commit in common"))
            .help(format!("'{}' compares them with each other", range.replacen("...", "..", 1)))),
    }
}

/// Explains a word that is neither a revision nor a tracked file.
pub fn unknown_word(repo: &Repository, error: &RepoError, words: &[String]) -> Option<Failure> {
    let RepoError::Diff(FileDiffError::NoMatch { path, known }) = error else { return None };
    let word = words.iter().find(|w| Path::new(w.as_str()) == path)?;
    let refs = repo.refs().list("refs/").map(|l| l.refs).unwrap_or_default();
    let names = refs.iter().map(|r| r.name.short()).chain(known.iter().map(String::as_str));
    let failure = Failure::new(format!("'{word}' is neither a revision nor a tracked file")).exit(exit::FAILED);
    Some(match suggest::nearest(word, names) {
        Some(near) => failure.help(format!("did you mean '{near}'?")),
        None => failure.help("'graft ls-files' lists the tracked files, 'graft log --oneline' the commits"),
    })
}
