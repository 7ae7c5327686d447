//! What written files look like, as far as that is known of just the content that was written.
//!
//! A program may write to a file as soon as its locks are released. So a fingerprint is kept only if the file was looked at while
//! it can be shown that nobody had written to it; never one that was taken later. Without one, `status` reads the file once.

use std::cell::Cell;
use std::path::Path;

use crate::model::RepoPath;
use crate::repo::now_ns;
use crate::repo::state::fingerprint::Fingerprint;
use crate::repo::state::operations::FileState;
use crate::repo::worktree::checkout::Written;
use crate::sqlite::FileId;
use crate::sqlite::materialize::{InPlace, Published};
use crate::util::stamp::{self, WORTH_WAITING};

/// The files of a move, their new states, and what they look like in them.
pub(super) type Prints = Vec<(RepoPath, FileState, Option<Fingerprint>)>;

/// A file that was brought into its state.
pub(super) struct Done {
    /// How.
    pub how: Written,
    /// What it looked like in that state.
    pub print: Option<Fingerprint>,
}

impl Done {
    /// Describes a database that was written in place, and perhaps looked at.
    pub fn in_place(written: &InPlace, seen: Option<&Seen<'_>>) -> Self {
        let print = seen.and_then(|seen| seen.print.get()).filter(|_| written.was_seen);
        Self { how: Written::InPlace { pages: written.pages }, print }
    }
}

/// A look at a database that is written in place, before it is closed.
pub(super) struct Seen<'f> {
    file: &'f Path,
    print: Cell<Option<Fingerprint>>,
}

impl<'f> Seen<'f> {
    /// Prepares a look at a file, if that will have so many bytes that the look costs less than reading it later.
    pub fn if_worth(file: &'f Path, byte_len: u64) -> Option<Self> {
        (byte_len >= WORTH_WAITING).then(|| Self { file, print: Cell::new(None) })
    }

    /// Looks at the file; waits until a later write would show.
    pub fn look(&self) {
        let look = || {
            let taken = now_ns();
            Fingerprint::stat_only(self.file).ok().flatten().map(|print| (print, print.is_racy(taken)))
        };
        let mut found = look();
        if let Some((print, true)) = found {
            stamp::wait(print.settles_at());
            found = look();
        }
        self.print.set(found.filter(|(_, racy)| !racy).map(|(print, _)| print));
    }
}

/// Tells whether a fingerprint is that of a file as it was written, to which nobody has written since it got its name.
pub(super) fn shows_the_new_file(print: &Fingerprint, new: &Published) -> bool {
    let is_it = FileId { dev: print.dev, inode: print.inode } == new.file && print.mtime_ns == new.mtime_ns;
    let would_show = stamp::settles_at(new.mtime_ns) <= new.at_ns;
    is_it && would_show && print.wal.is_none() && print.journal.is_none()
}
