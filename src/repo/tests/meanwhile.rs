//! Programs that write to files of the worktree while a move is still busy with other ones.

use std::sync::Mutex;

use rusqlite::Connection;

use super::*;
use crate::repo::ops::reset::ResetMode;
use crate::sqlite::DatabaseError;

/// Does something, once, when the move begins to write a certain file.
struct Meddler {
    file: &'static str,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl monitor::Monitor for Meddler {
    fn start(&self, what: &str, _: Option<u64>) {
        if what.starts_with("Writing")
            && what.ends_with(self.file)
            && let Some(act) = self.act.lock().unwrap().take()
        {
            act();
        }
    }
}

/// What kind of file is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Database(&'static str),
    Opaque,
}

fn write(kind: Kind, path: &Path, what: &str) {
    match kind {
        Kind::Opaque => fs::write(path, what).unwrap(),
        Kind::Database(mode) => {
            let db = Connection::open(path).unwrap();
            let setup = "CREATE TABLE IF NOT EXISTS t (x)";
            db.execute_batch(&format!("PRAGMA journal_mode = {mode}; {setup}")).unwrap();
            db.execute("INSERT INTO t VALUES (?1)", [what]).unwrap();
        }
    }
}

/// Makes two commits, which `changes` tells to differ in `a` or not; both differ in `z`. Then goes back to the first one, while a
/// program writes to `a` as soon as that has been dealt with and `z` is next.
fn written_during_a_move(kind: Kind, changes: bool) -> Scratch {
    let s = Scratch::new();
    let commit = |message: &str| {
        s.add(".");
        let message = Some(message.to_owned());
        let options = CommitOptions { message, cwd: s.dir.path().to_owned(), ..CommitOptions::default() };
        s.repo.commit_index(&options).unwrap().id
    };
    write(kind, &s.path("a"), "one");
    write(Kind::Database("DELETE"), &s.path("z"), "one");
    let first = commit("one");
    if changes {
        write(kind, &s.path("a"), "two");
    }
    write(Kind::Database("DELETE"), &s.path("z"), "two");
    commit("two");
    assert_eq!(s.unstaged(), []);

    let path = s.path("a");
    let act = move || {
        write(kind, &path, "precious");
        // So long ago that its time stamps could be trusted.
        std::thread::sleep(Duration::from_millis(30));
    };
    let meddler = Meddler { file: "z", act: Mutex::new(Some(Box::new(act))) };
    let settings = Settings { monitor: Arc::new(meddler), ..Settings::default() };
    let repo = Repository::open(s.dir.path(), settings).unwrap();
    repo.reset(Some(first), "reset: moving", ResetMode::Hard).unwrap();
    s
}

#[test]
fn what_is_written_during_a_move_shows_as_unsaved() {
    for kind in [Kind::Database("DELETE"), Kind::Database("WAL"), Kind::Database("PERSIST"), Kind::Opaque] {
        for changes in [true, false] {
            let s = written_during_a_move(kind, changes);
            assert_eq!(s.unstaged(), [ChangeKind::Modified], "{kind:?}, changed by the move: {changes}");
        }
    }
}

#[test]
fn a_database_that_lost_its_bytes_is_not_staged_unasked() {
    let s = Scratch::new();
    write(Kind::Database("DELETE"), &s.path("a"), "one");
    s.add("a");
    fs::write(s.path("a"), "").unwrap();
    let options = |opaque| AddOptions {
        pathspecs: vec!["a".into()],
        cwd: s.dir.path().to_owned(),
        opaque,
        ..AddOptions::default()
    };
    let refused = s.repo.add(&options(false)).unwrap_err();
    assert!(
        matches!(&refused, RepoError::Database(DatabaseError::Emptied { path }) if path.ends_with("a")),
        "{refused}"
    );
    assert_eq!(s.unstaged(), [ChangeKind::TypeChanged]);
    assert_eq!(s.repo.add(&options(true)).unwrap().files[0].byte_len, 0, "asked for, it is");
    // What a command overwrites is kept whatever it is.
    let options = CheckoutPaths {
        source: Source::Index,
        pathspecs: vec!["a".into()],
        cwd: s.dir.path().to_owned(),
        staged: false,
        worktree: true,
        force: true,
        no_overlay: false,
    };
    fs::write(s.path("a"), "other").unwrap();
    assert!(s.repo.checkout_paths(&options).unwrap().files[0].saved.is_some());
}
