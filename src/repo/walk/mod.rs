//! Walks over the commit graph.

mod ancestry;
mod nodes;

pub use ancestry::{ahead_behind, is_ancestor, merge_bases};

#[cfg(test)]
mod tests;
