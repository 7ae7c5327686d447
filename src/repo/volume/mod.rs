//! Volumes of a repository: the look-up by name, tag or path, and their exchange with remotes.

pub mod autosync;
pub mod replicate;
pub mod volumes;
