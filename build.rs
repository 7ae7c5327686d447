//! Stops the build with a clear message when SQLite would be compiled without the parts Graft needs.

const NEEDED: [&str; 2] = ["SQLITE_ENABLE_DBPAGE_VTAB", "SQLITE_ENABLE_SESSION"];
const FLAGS: &str =
    "-DSQLITE_ENABLE_DBPAGE_VTAB -DSQLITE_ENABLE_SESSION -DSQLITE_ENABLE_PREUPDATE_HOOK -DSQLITE_ENABLE_MATH_FUNCTIONS";

#[allow(clippy::print_stderr, reason = "what a build script says to whoever builds")]
fn main() {
    println!("cargo:rerun-if-env-changed=LIBSQLITE3_FLAGS");
    let flags = std::env::var("LIBSQLITE3_FLAGS").unwrap_or_default();
    if let Some(missing) = NEEDED.iter().find(|needed| !flags.contains(*needed)) {
        eprintln!(
            "SQLite would be built without {missing}, which Graft needs. Graft itself is built inside its source tree, where \
             .cargo/config.toml asks for it; a crate that depends on Graft needs the same lines in a .cargo/config.toml of its own:\n\n\
             [env]\nLIBSQLITE3_FLAGS = \"{FLAGS}\"\n"
        );
        std::process::exit(1);
    }
}
