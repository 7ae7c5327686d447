//! What helps against errors about moving through history: checkout, switch, merge, stash, undo.

use super::files::{near_file, near_tracked};
use crate::repo::ops::merge::MergeError;
use crate::repo::ops::pick::PickError;
use crate::repo::ops::stash::StashError;
use crate::repo::ops::switch::SwitchError;
use crate::repo::ops::undo::UndoError;
use crate::repo::worktree::checkout::CheckoutError;

/// Returns what helps where files cannot be written.
pub(super) fn checkout(error: &CheckoutError) -> String {
    match error {
        CheckoutError::NoMatch { path, .. } => near_file(path),
        CheckoutError::Unsaved(_) => {
            "commit them or set them aside with 'graft stash' first, or overwrite them with --force \
                                      (what they hold now is kept in the repository)"
                .to_owned()
        }
        CheckoutError::Untracked(_) => "move them away or add them first, or overwrite them with --force".to_owned(),
        CheckoutError::FolderInTheWay(_) => "move the folder away first".to_owned(),
        CheckoutError::FileInTheWay { parent, .. } => format!("move '{parent}' away first"),
    }
}

/// Returns what helps where nothing can be switched.
pub(super) fn switch(error: &SwitchError) -> String {
    match error {
        SwitchError::NotABranch(name) => {
            format!("'graft switch --detach {name}' goes there, 'graft switch -c <name> {name}' makes a branch")
        }
        SwitchError::SeveralRemotes { .. } => "name one, as in 'graft switch -c <name> <remote>/<name>'".to_owned(),
    }
}

/// Returns what helps where nothing can be merged.
pub(super) fn merge(error: &MergeError) -> String {
    match error {
        MergeError::Diverged { name, .. } => {
            format!("'graft log --graph HEAD {name}' shows both; without --ff-only they are merged")
        }
        MergeError::Unrelated { .. } => {
            "--allow-unrelated-histories merges them all the same: rows that both have are equal or in conflict"
                .to_owned()
        }
        MergeError::CrissCross { name, .. } => format!(
            "this cannot be merged yet; 'graft log --graph HEAD {name}' shows where they crossed, and 'graft merge-file' merges single files"
        ),
        MergeError::Rows { .. } => "'graft merge-file' merges single files; nothing was changed".to_owned(),
    }
}

/// Returns what helps where commits cannot be done once more, or taken back.
pub(super) fn pick(error: &PickError) -> String {
    match error {
        PickError::NoCommit => "make the first commit with 'graft commit'",
        PickError::NeedsMainline(_) | PickError::NoSuchParent { .. } => {
            "-m says which parent it is compared with: '-m 1' is the branch that was merged into; 'graft show' lists them"
        }
        PickError::Empty(_) => "leave it out of the list, or '--empty=drop' of 'graft cherry-pick' does",
    }
    .to_owned()
}

/// Returns what helps against an error about the stash.
pub(super) fn stash(error: &StashError) -> String {
    let help = match error {
        StashError::NoCommit => "make the first commit with 'graft commit'",
        StashError::NoEntry { .. } => "'graft stash list' shows what there is",
        StashError::NoMatch(path) => return near_tracked(path),
        StashError::NotAnEntry(_) => "'graft stash list' shows the entries",
        StashError::Conflicts(_) => {
            "commit or stash what they hold now and go to the commit that the entry was made on: 'graft switch --detach stash^1'"
        }
    };
    help.to_owned()
}

/// Returns what helps where an operation cannot be reversed.
pub(super) fn undo(error: &UndoError) -> Option<&'static str> {
    match error {
        UndoError::NothingToUndo | UndoError::NothingToRedo => None,
        UndoError::RefMoved { .. } => {
            Some("'graft reflog' shows what it was; 'graft reset' and 'graft branch -f' set it")
        }
        UndoError::IndexChanged { .. } => Some("'graft restore --staged <file>' takes it out of the index"),
        UndoError::MoveBlocked { .. } => Some("move the file out of the way, or use 'graft mv'"),
    }
}
