//! Small languages that users type, which know nothing of a repository: dates, patterns, pathspecs.

pub mod date;
pub mod pathspec;
pub mod wildmatch;
