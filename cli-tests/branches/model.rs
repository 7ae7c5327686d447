//! Random commands, outside writes and kills against a model that keeps plain copies.

use std::path::Path;

use crate::database::python;

/// A short run of `model.py`, which is for 500 steps per seed by hand.
#[test]
fn no_work_is_lost() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/branches/model.py");
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    // A fixed seed that has found faults before, and one that may find new ones; a failure names it.
    for first in ["1", &seed.to_string()] {
        eprintln!("{}", python(&script, &[env!("CARGO_BIN_EXE_graft"), "--first", first, "--steps", "120"]));
    }
}
