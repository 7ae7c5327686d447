//! Git-like operations over the storage log: refs, index, revspecs, status, commit, checkout and the rest.

pub mod config;
pub mod fingerprint;
pub mod index;
pub mod monitor;
pub mod objects;
pub mod reflog;
pub mod refs;
#[cfg(test)]
pub mod testing;
pub mod types;
