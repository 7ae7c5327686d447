//! Stops the build with a clear message when SQLite would be compiled without the parts Graft needs.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBSQLITE3_FLAGS");
    let flags = std::env::var("LIBSQLITE3_FLAGS").unwrap_or_default();
    for needed in ["SQLITE_ENABLE_DBPAGE_VTAB", "SQLITE_ENABLE_SESSION"] {
        assert!(
            flags.contains(needed),
            "SQLite would be built without {needed}. Build inside the source tree, where .cargo/config.toml sets \
             LIBSQLITE3_FLAGS, or set it yourself:\n  LIBSQLITE3_FLAGS=\"-DSQLITE_ENABLE_DBPAGE_VTAB \
             -DSQLITE_ENABLE_SESSION -DSQLITE_ENABLE_PREUPDATE_HOOK -DSQLITE_ENABLE_MATH_FUNCTIONS\""
        );
    }
}
