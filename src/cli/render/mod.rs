//! Rendering: values in, text out. Nothing here reads a file, a clock or the environment.

pub mod change;
pub mod conflicts;
pub mod date;
pub mod graph;
pub mod object;
pub mod path;
pub mod pretty;
pub mod size;
pub mod snapshot;
pub mod status;
pub mod tracking;
pub mod traffic;
pub mod view;
