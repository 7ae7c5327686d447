//! Walks over the commit graph: the log, and what two commits have in common.

mod ancestry;
mod follow;
mod log;
mod nodes;

pub use ancestry::{OnlyIn, ahead_behind, is_ancestor, merge_bases, only_in, reached, reaching};
pub use log::{Order, Pattern, PatternError, Walk, WalkEntry, WalkOptions};
pub(super) use nodes::{Node, Nodes};

#[cfg(test)]
mod tests;
