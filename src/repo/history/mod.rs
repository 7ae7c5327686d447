//! Commits in their order: walks, names of revisions, changes between trees.

pub mod changes;
pub mod describe;
pub mod expire;
pub mod ref_list;
pub mod revspec;
pub mod walk;
