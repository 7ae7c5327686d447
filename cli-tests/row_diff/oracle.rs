//! `diff`, `diff --sql`, `diff --changeset` and `apply` against a brute-force comparison of other making.

use std::path::Path;

use crate::database::python;

fn compare(args: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/row_diff/oracle.py");
    python(&script, &[&[env!("CARGO_BIN_EXE_graft")], args].concat())
}

#[test]
fn some_databases_and_random_changes() {
    let only = "gnucash-invoices-1.gnucash,types,overflow,null_keys,without_rowid,utf16le,alter,fts5,rowids,odd_names,wide_300,unknown_collation";
    let said = compare(&["--seeds", "2", "--only", only]);
    assert!(said.contains(" 0 wrong;"), "{said}");
}

/// What only `cli-tests/run --all` runs.
mod at_length {
    use super::*;

    #[test]
    #[ignore = "takes half an hour: cli-tests/run --all"]
    fn all_databases_and_many_random_changes() {
        let said = compare(&["--seeds", "20"]);
        assert!(said.contains(" 0 wrong;"), "{said}");
        eprintln!("{said}");
    }
}
