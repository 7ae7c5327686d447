//! Files that other programs replace or write over while they are added.

use std::path::Path;

use crate::database::python;

/// A short run of `replaced.py`, which is for 1,000 adds by hand.
#[test]
fn what_is_staged_is_one_state_that_the_file_had() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/commands/replaced.py");
    eprintln!("{}", python(&script, &[env!("CARGO_BIN_EXE_graft"), "--adds", "20"]));
}
