//! Programs that keep reading and writing while branches are switched under them.

use std::path::Path;

use crate::database::python;

/// A short run of `live.py`, which is for 1,000 switches by hand.
fn run(mode: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/branches/live.py");
    eprintln!("{}", python(&script, &[env!("CARGO_BIN_EXE_graft"), "--switches", "60", "--mode", mode]));
}

#[test]
fn a_program_in_rollback_mode_never_sees_a_mixed_state() {
    run("DELETE");
}

#[test]
fn a_program_in_wal_mode_never_sees_a_mixed_state() {
    run("WAL");
}

/// A short run of `soak.py`, which is for 10,000 rows by hand.
#[test]
fn no_acknowledged_row_is_lost_in_moves() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/branches/soak.py");
    eprintln!("{}", python(&script, &[env!("CARGO_BIN_EXE_graft"), "--rows", "800"]));
}
