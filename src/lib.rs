//! Graft: Git for SQLite database files.

pub mod cli;
#[cfg(test)]
mod layers;
pub mod model;
pub mod repo;
pub mod sqlite;
pub mod store;
pub mod util;
