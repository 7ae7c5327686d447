//! The files of `.graft` that are Git's side of a repository: objects, refs, reflogs, index, configuration, logs and marks.

pub mod config;
pub mod fingerprint;
pub mod identity;
pub mod index;
pub(in crate::repo) mod last_state;
pub mod monitor;
pub mod objects;
pub mod operations;
pub mod pending;
pub mod reflog;
pub mod refs;
pub mod shallow;
pub mod trust;
pub mod types;
