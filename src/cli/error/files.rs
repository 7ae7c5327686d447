//! What to do about errors of files: of the worktree, of databases, of paths as typed.

use std::path::Path;

use super::explain::{DISK, FSCK, io_help};
use crate::cli::suggest;
use crate::repo::ops::add::AddError;
use crate::repo::ops::remove::RemoveError;
use crate::repo::text::pathspec::PathspecError;
use crate::repo::worktree::beside::BesideError;
use crate::repo::worktree::diff::FileDiffError;
use crate::repo::worktree::ignore_rules::UntrackableError;
use crate::sqlite::diff::DiffError;
use crate::sqlite::error::DatabaseError;
use crate::sqlite::materialize::MaterializeError;

/// Returns what helps where a database cannot be opened or read.
pub(super) fn database(error: &DatabaseError) -> Option<String> {
    let help = match error {
        DatabaseError::Locked { .. } => {
            "wait until they have finished, or wait longer with --busy-timeout <MILLISECONDS>"
        }
        DatabaseError::Truncated { .. }
        | DatabaseError::Malformed { .. }
        | DatabaseError::NotADatabase { .. }
        | DatabaseError::Emptied { .. } => {
            "'graft restore --force <file>' brings back the last added state; 'graft add --opaque <file>' takes it byte for byte as it is"
        }
        DatabaseError::Overwritten { .. } => "wait until the program that writes it has finished, and try again",
        DatabaseError::Empty { .. } => "'graft add --opaque <file>' tracks any file byte for byte",
        DatabaseError::NotPermitted { .. } => "check who owns the file and its folder ('ls -l')",
        DatabaseError::NeedsRecovery { .. } => {
            "open it once with 'sqlite3' where the folder is writable, or copy it there with the files beside it"
        }
        DatabaseError::Io { source, .. } => return io_help(source),
        DatabaseError::Disk { .. } => DISK,
        DatabaseError::Sqlite { .. } | DatabaseError::Interrupted(_) => return None,
    };
    Some(help.to_owned())
}

/// Returns what helps where a file of the worktree cannot be written.
pub(super) fn materialize(error: &MaterializeError) -> Option<String> {
    match error {
        MaterializeError::ChangedMeanwhile { .. } => Some("look at 'graft status' and try again".to_owned()),
        MaterializeError::Open { .. } => Some("close the database there and try again".to_owned()),
        MaterializeError::Mounted { .. } => {
            Some("mount the folder that holds it instead of the file, as containers allow".to_owned())
        }
        MaterializeError::Source { .. } => Some(FSCK.to_owned()),
        MaterializeError::Io { source, .. } => io_help(source),
        _ => None,
    }
}

/// Returns what helps where nothing can be added.
pub(super) fn add(error: &AddError) -> String {
    match error {
        AddError::NothingSpecified => "maybe you wanted 'graft add .'?".to_owned(),
        AddError::NoMatch(path) => near_file(path),
        AddError::Ignored(path) => format!("'graft add -f {path}' adds it all the same"),
    }
}

/// Returns what helps where files beside a database are in the way.
pub(super) fn beside(error: &BesideError) -> String {
    match error {
        BesideError::Unfinished { sidecar, .. } => format!(
            "close the program that uses it, so that its work comes into the file; or give up what is in '{}' with --force",
            sidecar.display()
        ),
        BesideError::OtherName { other, .. } => {
            format!("close the program that uses '{}'; let programs open one and the same name", other.display())
        }
    }
}

/// Returns what helps where files cannot be compared.
pub(super) fn file_diff(error: &FileDiffError) -> Option<String> {
    match error {
        FileDiffError::NoMatch { path, known } => {
            let typed = path.to_string_lossy();
            Some(match suggest::nearest(&typed, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => near_file(path),
            })
        }
        FileDiffError::Rows { source: DiffError::Source(_) | DiffError::Sqlite(_), .. } => Some(FSCK.to_owned()),
        FileDiffError::Rows { .. } => None,
    }
}

/// Returns what helps where a path is of no use.
pub(super) fn pathspec(error: &PathspecError) -> Option<String> {
    let help = match error {
        PathspecError::Outside { .. } => "only files below the folder with .graft in it belong to the repository",
        PathspecError::BeyondSymlink { .. } => "name the file by its real path",
        PathspecError::NotUtf8(_) => "rename the file",
        PathspecError::Magic { .. } => "put ':(literal)' before a path that begins with ':'",
        PathspecError::Reserved { .. } => "what lies in '.graft' and '.git' belongs to Graft and Git themselves",
        PathspecError::Empty => "name a file, or '.' for the folder you stand in",
    };
    Some(help.to_owned())
}

/// Returns what helps where a file cannot be tracked.
pub(super) fn untrackable(error: &UntrackableError) -> Option<String> {
    let help = match error {
        UntrackableError::Symlink(_) => "add the file that it leads to",
        UntrackableError::NestedRepository(_) => "work in it with 'graft -C <DIR>'",
        UntrackableError::Sidecar(_) => "add the database; what is in the files beside it comes with it",
        UntrackableError::Unreadable { source, .. } => return io_help(source),
        UntrackableError::Special(_) => "only files have a content to keep; name others in .graftignore",
    };
    Some(help.to_owned())
}

/// Returns what helps where files cannot be removed or moved.
pub(super) fn remove(error: &RemoveError) -> Option<String> {
    let help = match error {
        RemoveError::NoMatch(path) => return Some(near_tracked(path)),
        RemoveError::Folder(_) => "'graft rm -r <folder>' removes what is tracked in it",
        RemoveError::LocalChanges(_) => "'graft rm --cached' keeps the file, -f removes it all the same",
        RemoveError::StagedChanges(_) => "'graft rm --cached' keeps the file, -f removes it all the same",
        RemoveError::InUse { .. } => "close the program that has it open",
        RemoveError::BehindLink(_) => {
            "remove the link and put the folder back, or 'graft rm --cached' to stop tracking what was there"
        }
        RemoveError::DestinationExists(_) => "-f overwrites it",
        RemoveError::NotAFolder(_) => "make the folder first",
        RemoveError::Path(_) | RemoveError::IntoItself(_) => return None,
    };
    Some(help.to_owned())
}

/// Names a file that may have been meant where only tracked ones count.
pub(super) fn near_tracked(path: &Path) -> String {
    match path.exists() {
        true => format!("'graft add {}' tracks it", path.display()),
        false => near_file(path),
    }
}

/// Names a file that may have been meant.
pub(super) fn near_file(path: &Path) -> String {
    match suggest::file_like(path) {
        Some(near) => format!("did you mean '{}'?", near.display()),
        None => "'graft ls-files' lists what is tracked, 'graft status' what is not".to_owned(),
    }
}
