//! What `graft sql` sees of a repository: databases at revisions, and the tables about its own state.

pub mod revisions;
pub mod tables;
