//! Files of the worktree and what is stored of them: looking, taking in, comparing, and writing out without losing unsaved work.

pub(in crate::repo) mod attributes;
pub mod beside;
pub mod capture;
pub mod checkout;
pub mod clean;
pub mod diff;
pub mod export;
pub mod heal;
pub mod ignore_rules;
pub mod materialize;
pub(in crate::repo) mod moves;
mod place;
pub mod recording;
pub mod staging;
pub mod status;
pub mod unmaterialized;
