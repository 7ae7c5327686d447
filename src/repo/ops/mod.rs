//! What a user asks for by name: one operation per file, an `impl Repository` block each.
//!
//! An operation returns a value and prints nothing. Here operations may use each other; no room below knows them.

pub mod add;
pub mod ahead;
pub mod branch;
pub mod clone;
pub mod commit;
pub mod commit_tree;
pub mod configure;
pub mod fsck;
pub mod glance;
mod hydrate;
pub mod init;
pub mod merge;
pub mod pick;
pub mod pull;
pub mod remove;
pub mod reset;
pub mod sign_off;
pub mod stash;
pub mod switch;
pub mod tag;
pub mod three_way;
pub mod undo;
pub mod update_ref;
