//! Black-box tests of the `graft` binary: what the command line promises, checked from outside.
//!
//! They know nothing of the crate's inside: each test runs the binary in a hermetic environment
//! ([`env::TestEnvironment`]) and judges databases with an independent SQLite (Python's). One file
//! knows the inside: `remotes/contract.rs` tests what the library asks of a place for a remote.
//!
//! What needs servers stands in modules `on_servers` and what takes long in modules `at_length`; a
//! plain `cargo test` ignores both, `cli-tests/run` runs the first and `cli-tests/run --all` the second, too.

#![allow(clippy::print_stderr, reason = "figures for `cargo test -- --nocapture`")]

mod aliases;
mod app;
mod app_undisturbed;
mod attributes;
mod bad_input;
mod branches;
mod byte_exact;
mod commands;
#[cfg(debug_assertions)]
mod crash;
#[cfg(debug_assertions)]
mod crash_points;
mod cut_short;
mod damage;
mod database;
mod documentation;
mod encrypted;
mod env;
mod format;
mod format_reader;
mod format_version;
mod growth;
mod hard_links;
mod hooks;
mod links;
mod lost_names;
mod merge;
mod not_permitted;
mod processes;
mod read_only;
mod remotes;
mod replication;
mod row_diff;
mod servers;
mod sql;
mod tree;
mod trust;
mod volume;
mod walk;
