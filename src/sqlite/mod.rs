//! Everything that knows SQLite: capture, materialize, the virtual file system, pages and rows.

pub mod apply;
pub mod attach;
pub mod capture;
pub mod changeset;
pub mod detect;
pub mod diff;
pub mod error;
pub mod file_source;
#[cfg(test)]
mod fuzz;
pub mod header;
pub mod holders;
pub mod materialize;
pub mod merge;
#[allow(unsafe_code)]
mod pin;
pub mod sample;
pub mod script;
#[allow(unsafe_code)]
mod session;
pub mod sidecars;
pub mod sql;
#[cfg(test)]
mod tests;
#[allow(unsafe_code)]
pub mod vfs;
#[allow(unsafe_code)]
mod vfs_collations;
#[allow(unsafe_code)]
mod vfs_shim;
#[allow(unsafe_code)]
mod vfs_volume;

pub use capture::{ScanChunk, ScanOptions, Scanned, scan};
pub use detect::{Detected, classify};
pub use error::{CaptureError, DatabaseError};
pub use holders::{LockHolder, LockHolders, LockKind};
pub use materialize::{
    InPlace, MaterializeError, Unsuited, WriteOptions, Written, export, export_to, write_in_place, write_new,
};
pub use pin::FileId;
