//! Three-way merges: the engine against an oracle that computes by brute force, and the command.

mod command;

use crate::database::{fixture, python};

/// Runs `check.py`, which fails if anything differs from the oracle.
fn check(args: &[&str]) {
    let graft = env!("CARGO_BIN_EXE_graft");
    let args: Vec<&str> = [graft].into_iter().chain(args.iter().copied()).collect();
    let script = fixture("merge/check.py");
    let output = std::process::Command::new("python3")
        .arg(&script)
        .args(&args)
        .output()
        .expect("python3 is needed by these tests");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_oracle_agrees_with_its_situations() {
    python(&fixture("merge/run_cases.py"), &[]);
}

#[test]
fn situations() {
    check(&["cases"]);
}

#[test]
fn tiny_databases_that_collide() {
    check(&["small", "0", "120"]);
}

#[test]
fn generated_databases() {
    check(&["generated", "0", "1"]);
}

mod at_length {
    use super::check;
    use crate::database::{CORPUS, fixture};

    #[test]
    #[ignore = "takes minutes: cli-tests/run --all"]
    fn many_tiny_databases() {
        check(&["small", "1000", "2000"]);
    }

    #[test]
    #[ignore = "takes minutes: cli-tests/run --all"]
    fn many_generated_databases() {
        check(&["generated", "10", "8"]);
    }

    #[test]
    #[ignore = "takes minutes: cli-tests/run --all"]
    fn the_corpus() {
        let files: Vec<String> = CORPUS.iter().map(|name| fixture(name).display().to_string()).collect();
        let args: Vec<&str> = ["files", "0", "3"].into_iter().chain(files.iter().map(String::as_str)).collect();
        check(&args);
    }
}
