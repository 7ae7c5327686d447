//! What to do about each error of the storeys below: the command that mends it, or the fact that explains it.

use std::io;

use super::{Failure, exit, files, moving};
use crate::repo::RepoError;
use crate::repo::ops::add::AddError;
use crate::repo::ops::branch::BranchError;
use crate::repo::ops::commit::CommitError;
use crate::repo::ops::init::InitError;
use crate::repo::ops::pick::PickError;
use crate::repo::ops::reset::ResetError;
use crate::repo::ops::stash::StashError;
use crate::repo::ops::tag::TagError;
use crate::repo::ops::undo::UndoError;
use crate::repo::state::config::ConfigError;
use crate::repo::state::identity::IdentityError;
use crate::repo::state::index::IndexError;
use crate::repo::state::objects::ReadError;
use crate::repo::state::reflog::ReflogError;
use crate::repo::state::refs::RefError;
use crate::repo::worktree::clean::CleanError;
use crate::repo::worktree::diff::FileDiffError;
use crate::repo::worktree::export::ExportError;
use crate::sqlite::diff::DiffError;
use crate::sqlite::error::DatabaseError;
use crate::sqlite::materialize::MaterializeError;
use crate::sqlite::merge::{FileMergeError, RowMergeError};
use crate::store::remote::RemoteError;
use crate::store::replica::ReplicaError;
use crate::store::{StoreError, VolumeError};
use crate::util::lock::LockError;

const NEW_HEAD: &str = "'graft init -b <branch>' makes HEAD anew, on that branch, and leaves everything else as it is; '.graft/logs/HEAD' says where it was";
/// What helps where something that is stored cannot be read.
pub(super) const FSCK: &str = "run 'graft fsck' to see what is affected; the rest of the history still reads";
const REBUILD: &str = "run 'graft fsck --rebuild-index'; it is made from the other files and holds nothing of its own";
const NEWER: &str = "use a newer graft; nothing was changed";
/// What helps where the disk is full or fails.
pub const DISK: &str = "the disk may be full or failing ('df -h' says how full); make room and try again";
const WAIT_FOR_GRAFT: &str = "wait until it has finished, or wait longer with --lock-timeout <SECONDS>";

impl From<RepoError> for Failure {
    fn from(error: RepoError) -> Self {
        if is_interrupted(&error) {
            return Self::silent(exit::INTERRUPTED);
        }
        if is_broken_pipe(&error) {
            return Self::silent(exit::BROKEN_PIPE);
        }
        let failure = described(&error).exit(code(&error));
        if let Some(below) = left_behind(&error) {
            return failure.help(store(below).unwrap_or_default());
        }
        match repo(&error).or_else(|| below_help(&error).map(str::to_owned)) {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<VolumeError> for Failure {
    fn from(error: VolumeError) -> Self {
        let failure = described(&error);
        match volume(&error).or_else(|| below_help(&error)) {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

/// Returns the help for an error of a volume.
pub fn volume(error: &VolumeError) -> Option<&'static str> {
    match error {
        VolumeError::Store(e) => store(e),
        VolumeError::NotFound(_) => Some("'graft volume list' lists them"),
        VolumeError::Ambiguous { .. } => Some("give more of the id"),
        VolumeError::Taken(_) => Some("-f moves it"),
        VolumeError::Moved(_) => Some("read it again, then write"),
        VolumeError::Name(_) | VolumeError::TooLarge => None,
    }
}

impl From<ReplicaError> for Failure {
    fn from(error: ReplicaError) -> Self {
        RepoError::from(error).into()
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = described(&error);
        match config(&error) {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<FileMergeError> for Failure {
    fn from(error: FileMergeError) -> Self {
        match error {
            FileMergeError::Database(e) => RepoError::from(e).into(),
            FileMergeError::Write(e) => RepoError::from(e).into(),
            FileMergeError::Merge(RowMergeError::Interrupted(_) | RowMergeError::Diff(DiffError::Interrupted(_))) => {
                Self::silent(exit::INTERRUPTED)
            }
            other => described(&other),
        }
    }
}

/// Returns the error, anywhere below this one, of a part that a lazy clone left on its remote.
fn left_behind<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e StoreError> {
    let mut next = Some(error);
    while let Some(error) = next {
        let found = error.downcast_ref::<StoreError>().filter(|e| matches!(e, StoreError::NotHere { .. }));
        if found.is_some() {
            return found;
        }
        next = error.source();
    }
    None
}

/// Returns the help where a part is missing that a lazy clone left on its remote.
pub fn left_behind_help(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    left_behind(error).and_then(store)
}

/// Says what failed and why, without advice.
fn described(error: &dyn std::error::Error) -> Failure {
    let failure = Failure::new(error.to_string());
    match error.source() {
        Some(source) => failure.because(source),
        None => failure,
    }
}

fn is_interrupted(error: &RepoError) -> bool {
    matches!(
        error,
        RepoError::Interrupted(_)
            | RepoError::Remote(RemoteError::Interrupted(_))
            | RepoError::Replica(ReplicaError::Remote(RemoteError::Interrupted(_)))
            | RepoError::Diff(FileDiffError::Rows { source: DiffError::Interrupted(_), .. })
            | RepoError::Database(DatabaseError::Interrupted(_))
            | RepoError::Materialize(
                MaterializeError::Interrupted(_) | MaterializeError::Database(DatabaseError::Interrupted(_))
            )
    )
}

/// Tells whether the reader of standard output has gone while an operation wrote to it.
fn is_broken_pipe(error: &RepoError) -> bool {
    match error {
        RepoError::Materialize(MaterializeError::Io { source, .. }) => source.kind() == io::ErrorKind::BrokenPipe,
        _ => false,
    }
}

/// Returns 1 where the answer is "no" rather than a failure.
fn code(error: &RepoError) -> u8 {
    match error {
        RepoError::Commit(CommitError::NothingToCommit | CommitError::AmendToEmpty | CommitError::EmptyMessage) => {
            exit::NO
        }
        RepoError::Branch(BranchError::NotFound(_) | BranchError::Unmerged { .. }) => exit::NO,
        RepoError::Tag(TagError::NotFound(_)) => exit::NO,
        RepoError::Replica(ReplicaError::Moved { .. } | ReplicaError::Diverged { .. }) => exit::NO,
        RepoError::Undo(UndoError::NothingToUndo | UndoError::NothingToRedo) => exit::NO,
        RepoError::Stash(StashError::Conflicts(_)) => exit::NO,
        RepoError::Pick(PickError::Empty(_)) => exit::NO,
        RepoError::Commit(CommitError::PathsWithAll) | RepoError::Add(AddError::NothingSpecified) => exit::USAGE,
        _ => exit::FAILED,
    }
}

fn repo(error: &RepoError) -> Option<String> {
    let text = |help: &str| Some(help.to_owned());
    match error {
        RepoError::Remote(e) => super::remote::remote(e),
        RepoError::Sync(e) => super::remote::sync(e),
        RepoError::Shallow(e) => Some(super::remote::shallow(e)),
        RepoError::Replica(e) => super::remote::replica(e),
        RepoError::Store(e) => store(e).map(str::to_owned),
        RepoError::Volume(e) => volume(e).map(str::to_owned),
        RepoError::Read(ReadError::Store { source, .. }) => {
            source.downcast_ref::<StoreError>().and_then(store).map(str::to_owned)
        }
        RepoError::Read(ReadError::Missing(_) | ReadError::Object(_)) | RepoError::Object(_) | RepoError::Source(_) => {
            text(FSCK)
        }
        RepoError::Read(ReadError::Peel { .. }) => None,
        RepoError::Ref(e) => refs(e).map(str::to_owned),
        RepoError::Index(IndexError::Damaged { .. }) => text(
            "move it away; 'graft fsck --rebuild-index' makes a new one from the last commit, and 'graft add' stages again",
        ),
        RepoError::Index(IndexError::Version { .. }) => text(NEWER),
        RepoError::Index(IndexError::Io { source, .. }) => io_help(source),
        RepoError::Database(e) | RepoError::Materialize(MaterializeError::Database(e)) => files::database(e),
        RepoError::Materialize(e) => files::materialize(e),
        RepoError::Lock(LockError::Held { .. }) => text(WAIT_FOR_GRAFT),
        RepoError::Lock(LockError::Io { source, .. }) | RepoError::File { source, .. } => io_help(source),
        RepoError::Init(InitError::InsideGraft(_)) => text("change to a folder outside of it"),
        RepoError::Init(InitError::Branch(_)) => text("choose another name with 'graft init -b <name>'"),
        RepoError::Add(e) => Some(files::add(e)),
        RepoError::Beside(e) => Some(files::beside(e)),
        RepoError::Commit(e) => Some(commit(e)),
        RepoError::Config(e) => config(e),
        RepoError::Identity(IdentityError::Empty { .. }) => {
            text("'graft config set user.name <name>' and user.email say who you are")
        }
        RepoError::Identity(IdentityError::Date(_)) => text("as in 2026-11-21, '2026-11-21 14:30 +0100', @1700000000"),
        RepoError::Checkout(e) => Some(moving::checkout(e)),
        RepoError::Pathspec(e) => files::pathspec(e),
        RepoError::Untrackable(e) => files::untrackable(e),
        RepoError::Remove(e) => files::remove(e),
        RepoError::Clean(CleanError::InUse(_)) => {
            Some("nothing was removed; close it, or leave it out as in 'graft clean -f -- . :!app.db'".to_owned())
        }
        RepoError::Rev(e) => super::revision::help(e),
        RepoError::Branch(e) => super::revision::branch(e),
        RepoError::Tag(e) => super::revision::tag(e),
        RepoError::Reset(ResetError::NoMatch(path)) => Some(files::near_file(path)),
        RepoError::Export(ExportError::Exists(_)) => text("overwrite it with --force, or choose another name"),
        RepoError::Export(ExportError::IsFolder(_)) => text("name a file in it"),
        RepoError::Diff(e) => files::file_diff(e),
        RepoError::NotARepository(_) => {
            text("make one with 'graft init', or go into one with 'cd' or 'graft -C <DIR>'")
        }
        RepoError::NewerFormat { .. } => text(NEWER),
        RepoError::KeepsChanging(_) => text("pause the program that writes it and try again"),
        RepoError::Revision(_) => text("'graft ls-files' says what is tracked as a database"),
        RepoError::HalfMoved { .. } => {
            text("free the file, then run any graft command, such as 'graft status': it puts back what was written")
        }
        RepoError::Switch(e) => Some(moving::switch(e)),
        RepoError::Merge(e) => Some(moving::merge(e)),
        RepoError::Pick(e) => Some(moving::pick(e)),
        RepoError::LinkInside(_) => text("put the file or folder itself there; '.graft' as a whole may be a link"),
        RepoError::Stash(e) => Some(moving::stash(e)),
        RepoError::Undo(e) => moving::undo(e).map(str::to_owned),
        RepoError::UpdateRef(_) | RepoError::Pattern(_) | RepoError::Interrupted(_) => None,
    }
}

pub(super) fn store(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Io { source, .. } if is_permission(source) => {
            Some("the repository must be readable, and writable for changes")
        }
        StoreError::Lock(LockError::Io { source, .. }) => system_help(source),
        StoreError::Io { source, .. } => system_help(source),
        StoreError::TooLarge { .. } => None,
        StoreError::NewerVersion { .. } => Some(NEWER),
        StoreError::Lock(_) | StoreError::IndexBusy { .. } => Some(WAIT_FOR_GRAFT),
        StoreError::Index { .. } => Some(REBUILD),
        StoreError::NotHere { .. } => Some(
            "it was left on the remote by a lazy clone; try again when that can be reached, and 'graft hydrate' to have all of it here",
        ),
        _ => Some(FSCK),
    }
}

fn refs(error: &RefError) -> Option<&'static str> {
    match error {
        RefError::Damaged { name, .. } if name == "HEAD" => Some(NEW_HEAD),
        RefError::NoHead { .. } => Some(NEW_HEAD),
        RefError::Damaged { .. } | RefError::DamagedPacked { .. } | RefError::Lost { .. } => {
            Some("run 'graft fsck' to see what is damaged; the reflog under .graft/logs knows earlier values")
        }
        RefError::Reflog(ReflogError::Damaged { .. }) => Some(
            "run 'graft fsck' to see what is damaged; the ref itself is sound, and what the reflog lost at its end is cut off when the ref changes next",
        ),
        RefError::Moved { .. } => Some("another graft moved it; look at 'graft status' and try again"),
        RefError::Exists { .. } | RefError::Nested { .. } => Some("choose another name"),
        _ => None,
    }
}

fn commit(error: &CommitError) -> String {
    match error {
        CommitError::NothingToCommit => "'graft add <file>' stages changes, 'graft status' shows them".to_owned(),
        CommitError::EmptyMessage => "give one with -m, or use --allow-empty-message".to_owned(),
        CommitError::AmendToEmpty => {
            "'--allow-empty' makes it all the same; 'graft reset HEAD~1' removes the commit".to_owned()
        }
        CommitError::NothingToAmend => "leave --amend out to make the first commit".to_owned(),
        CommitError::NoMatch(path) => files::near_tracked(path),
        CommitError::PathsWithAll => "leave out the one or the other".to_owned(),
        CommitError::HeadMoved => "look at 'graft log' and 'graft status', then commit again".to_owned(),
    }
}

fn config(error: &ConfigError) -> Option<String> {
    let help = match error {
        ConfigError::Io { source, .. } => return io_help(source),
        ConfigError::Syntax { .. } | ConfigError::Shape { .. } => {
            "correct the file in an editor; it is TOML: [section] and name = \"value\""
        }
        ConfigError::Key(_) => "as in 'graft config set user.name Ada'",
        ConfigError::Value { .. } => "'graft config set <key> <value>' changes it",
        ConfigError::Several { .. } => "'graft config unset <key>' removes them all",
    };
    Some(help.to_owned())
}

fn is_permission(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Returns what helps against an error of the system.
pub(super) fn io_help(error: &io::Error) -> Option<String> {
    system_help(error).map(str::to_owned)
}

/// Returns what helps against a failure of the system somewhere below an error.
pub(super) fn below_help(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(help) = error.downcast_ref().and_then(system_help) {
            return Some(help);
        }
        next = error.source();
    }
    None
}

/// Returns what helps against a failure of the system.
pub(super) fn system_help(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        io::ErrorKind::PermissionDenied => "check who owns it and its folder ('ls -l')",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on the disk and try again; nothing was changed"
        }
        io::ErrorKind::ReadOnlyFilesystem => "nothing can be written there: the file system is mounted read-only",
        io::ErrorKind::FileTooLarge => {
            "files may not grow that large here: see 'ulimit -f' and what the file system allows"
        }
        io::ErrorKind::ResourceBusy => "it is mounted there by itself; mount the folder that holds it instead",
        io::ErrorKind::NotFound => "check the spelling, and that no program removed it meanwhile",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::plain;
    use super::*;
    use crate::util::interrupt::Interrupted;
    use std::path::PathBuf;

    #[test]
    fn an_error_says_what_failed_why_and_what_helps() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = RepoError::File { action: "read", path: PathBuf::from("x/app.db"), source };
        assert_eq!(
            plain(&error.into()),
            "error: cannot read x/app.db\ncause: permission denied\nhelp: check who owns it and its folder ('ls -l')\n"
        );
        let error = RepoError::NotARepository(PathBuf::from("/somewhere"));
        assert_eq!(
            plain(&error.into()),
            "error: not a graft repository (or any of the parent directories): /somewhere\nhelp: make one with 'graft init', or \
             go into one with 'cd' or 'graft -C <DIR>'\n"
        );
    }

    #[test]
    fn interruption_is_silent_wherever_it_was_noticed() {
        for error in [
            RepoError::Interrupted(Interrupted),
            RepoError::Database(DatabaseError::Interrupted(Interrupted)),
            RepoError::Materialize(MaterializeError::Interrupted(Interrupted)),
        ] {
            assert_eq!(Failure::from(error), Failure::silent(exit::INTERRUPTED));
        }
    }

    #[test]
    fn a_mistyped_file_is_answered_with_the_one_beside_it() {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::write(dir.path().join("chinook.db"), b"").expect("write");
        let typed = dir.path().join("chinok.db");
        let text = plain(&RepoError::from(AddError::NoMatch(typed)).into());
        assert!(text.ends_with("/chinook.db'?\n"), "{text}");
    }
}
