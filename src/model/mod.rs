//! Pure values: ids, pages, page sets, storage commits, snapshots, trees, commits and their canonical encoding.
//!
//! Nothing here does I/O, reads a clock or looks at the environment.

pub mod cbor;
pub mod commit;
pub mod content;
pub mod gid;
pub mod hash;
pub mod id;
pub mod limits;
pub mod links;
pub mod object;
pub mod page;
pub mod page_map;
pub mod page_set;
pub mod pages;
pub mod path;
pub mod refname;
pub mod row_change;
pub mod snapshot;
pub mod storage_commit;
pub mod tag;
pub mod tree;
pub mod value_json;

pub use commit::{Commit, Signature};
pub use gid::{LogId, SegmentId, VolumeId};
pub use hash::{ChunkId, CommitHash, ContentHash, PageHash, PageMapId};
pub use id::{IdPrefix, ObjectId};
pub use object::{Object, ObjectKind, RawObject};
pub use page::{Lsn, PAGE_SIZE, PageBuf, PageIdx};
pub use page_set::PageSet;
pub use pages::{PageSource, SourceError};
pub use path::{RepoPath, is_reserved};
pub use refname::RefName;
pub use row_change::{
    CellChange, ColumnChange, RowChange, RowCounts, RowIdentity, RowOp, SchemaChange, SequenceChange, SettingChange,
    Value,
};
pub use snapshot::{FileKind, LogRange, Snapshot};
pub use storage_commit::StorageCommit;
pub use tag::Tag;
pub use tree::{FileMode, Tree, TreeEntry};
