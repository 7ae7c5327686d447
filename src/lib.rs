//! Graft: Git for SQLite database files.
//!
//! The program `graft` is the main thing; this crate is what it is made of, in storeys of which each uses those below it:
//!
//! * [`cli`]: commands, words and layouts of the program.
//! * [`repo`]: a repository in a folder `.graft`: index, commits, branches, row diffs, moves of live databases. [`Repository`].
//! * [`store`]: the storage log: volumes of 4 KiB pages, each transaction with an LSN. Knows nothing of SQLite. [`Store`], [`Volume`].
//! * [`sqlite`]: databases as SQLite sees them: capture, materialization, comparison of rows, sessions.
//! * [`model`] and [`util`]: values that are stored or handed around, and small helpers.
//!
//! SQLite is compiled in with parts that its Rust package leaves out, which only a variable of the environment can ask for. A crate
//! that depends on this one needs these lines in its `.cargo/config.toml`; the build says so where they are missing:
//!
//! ```toml
//! [env]
//! LIBSQLITE3_FLAGS = "-DSQLITE_ENABLE_DBPAGE_VTAB -DSQLITE_ENABLE_SESSION -DSQLITE_ENABLE_PREUPDATE_HOOK -DSQLITE_ENABLE_MATH_FUNCTIONS"
//! ```
//!
//! # A repository
//!
//! Any program writes the database; Graft takes in its states and tells what differs between them.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use graft::model::{RowChange, Value};
//! use graft::repo::ops::{add::AddOptions, commit::CommitOptions, init::InitOptions};
//! use graft::repo::worktree::diff::{DiffRequest, Opened, Target};
//! use graft::sqlite::diff::DiffOptions;
//! use graft::{Repository, Settings};
//!
//! let folder = tempfile::tempdir()?;
//! let top = folder.path();
//! let settings = Settings {
//!     // Who commits; the user's configuration is read only where it is named.
//!     overrides: vec!["user.name=Ada".into(), "user.email=ada@example.org".into()],
//!     ..Settings::default()
//! };
//! let app = rusqlite::Connection::open(top.join("app.db"))?;
//! app.execute_batch("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO item VALUES (1, 'pen'), (2, 'ink')")?;
//!
//! Repository::init(top, &InitOptions::default(), &settings)?;
//! let repo = Repository::open(top, settings)?;
//! repo.add(&AddOptions { all: true, cwd: top.into(), ..AddOptions::default() })?;
//! let first = repo.commit_index(&CommitOptions { message: Some("first".into()), ..CommitOptions::default() })?;
//!
//! app.execute_batch("UPDATE item SET name = 'pencil' WHERE id = 1; INSERT INTO item VALUES (3, 'paper')")?;
//! let request = DiffRequest {
//!     target: Target::CommitToWorktree(first.id),
//!     pathspecs: Vec::new(),
//!     cwd: top.into(),
//!     reverse: false,
//! };
//! let mut changes = Vec::new();
//! for file in repo.diff_files(&request)? {
//!     if let Opened::Rows(rows) = repo.open_diff(&file, DiffOptions::default())? {
//!         for table in rows.diff.tables() {
//!             rows.diff.rows(table, &mut |change| {
//!                 changes.push(change);
//!                 ControlFlow::Continue(())
//!             })?;
//!         }
//!     }
//! }
//! assert!(matches!(&changes[0], RowChange::Update { key, .. } if *key == [Value::Integer(1)]));
//! assert!(matches!(&changes[1], RowChange::Insert { key, .. } if *key == [Value::Integer(3)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The storage log by itself
//!
//! ```
//! use graft::model::PAGE_SIZE;
//! use graft::{Lsn, PageIdx, Store, StoreOptions, Volume};
//!
//! let folder = tempfile::tempdir()?;
//! let store = Store::create(folder.path(), StoreOptions::default())?;
//! let volume = Volume::create(&store)?;
//! volume.tag("hello")?;
//!
//! // A transaction: pages count from 1, and a page beyond the end makes the volume longer.
//! let page = PageIdx::new(1000).expect("from 1");
//! let mut writer = volume.writer()?;
//! writer.write_page(page, &[b'a'; PAGE_SIZE]);
//! let first = writer.commit()?;
//! assert_eq!((first.lsn(), first.page_count()), (Lsn::new(1), 1000));
//!
//! let mut writer = volume.writer()?;
//! writer.write_page(page, &[b'b'; PAGE_SIZE]);
//! writer.commit()?;
//!
//! // Every LSN can be read, and a fork goes its own way from there without a copy.
//! let volume = Volume::find(&store, "hello")?;
//! let before = volume.reader_at(Lsn::new(1).expect("from 1"))?;
//! assert_eq!(before.read_page(page)?, [b'a'; PAGE_SIZE]);
//! assert_eq!(volume.reader()?.read_page(page)?, [b'b'; PAGE_SIZE]);
//! let fork = before.fork()?;
//! assert_eq!(fork.reader()?.read_page(page)?, [b'a'; PAGE_SIZE]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cli;
#[cfg(test)]
mod layers;
pub mod model;
pub mod repo;
pub mod sqlite;
pub mod store;
pub mod util;

pub use model::{LogId, Lsn, ObjectId, PageIdx, RefName, RepoPath, Snapshot, VolumeId};
pub use repo::{RepoError, Repository, Settings};
pub use store::{Store, StoreError, StoreOptions, Volume, VolumeError, VolumeReader, VolumeWriter};
