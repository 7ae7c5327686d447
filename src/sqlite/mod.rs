//! Everything that knows SQLite: capture, materialize, the virtual file system, pages and rows.
