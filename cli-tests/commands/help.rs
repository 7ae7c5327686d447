//! `help`, `--version`, `completions`, `demo`.

use crate::database::{copy_database, fixture};
use crate::env::TestEnvironment;

/// The commands of the first release.
const COMMANDS: [&str; 20] = [
    "init",
    "add",
    "rm",
    "mv",
    "status",
    "commit",
    "log",
    "show",
    "checkout",
    "restore",
    "export",
    "ls-files",
    "rev-parse",
    "cat-file",
    "ls-tree",
    "config",
    "fsck",
    "demo",
    "completions",
    "help",
];

#[test]
fn help_knows_every_command() {
    let env = TestEnvironment::empty();
    let overview = env.graft(["help"]).ok();
    assert_eq!(overview, env.graft(["--help"]).ok());
    for command in COMMANDS {
        assert!(overview.contains(&format!("\n  {command} ")), "{command} in {overview}");
        let long = env.graft(["help", command]).ok();
        assert_eq!(long, env.graft([command, "--help"]).ok(), "{command}");
        assert!(long.contains("Usage: graft "), "{long}");
        assert!(env.graft([command, "-h"]).ok().len() <= long.len(), "{command}");
    }
    env.graft(["help", "nonsense"]).expect(2);
    let nothing = env.graft([] as [&str; 0]);
    nothing.expect(2);
    assert!(nothing.stderr().contains("Usage") || nothing.stdout().contains("Usage"), "{nothing}");
}

#[test]
fn help_fits_a_terminal_and_leaks_no_internals() {
    let env = TestEnvironment::empty();
    for command in COMMANDS {
        let help = env.graft(["help", command]).ok();
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{command}: a line of {} columns: {line}", line.chars().count());
        }
        for inner in ["PathBuf", "Option<", "Vec<", "::", "OsString"] {
            let documented = help.contains("graft::"); // module names of GRAFT_LOG
            assert!(!help.contains(inner) || (inner == "::" && documented), "{command}: {inner} in {help}");
        }
    }
}

#[test]
fn version_is_the_packages() {
    let env = TestEnvironment::empty();
    assert_eq!(env.graft(["--version"]).ok(), format!("graft {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(env.graft(["-V"]).ok(), env.graft(["--version"]).ok());
}

#[test]
fn completions_are_accepted_by_the_shell() {
    let env = TestEnvironment::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = env.graft(["completions", shell]).ok();
        for word in ["graft", "checkout", "busy-timeout"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
    std::fs::write(env.path("graft.bash"), env.graft(["completions", "bash"]).ok()).expect("a file");
    let mut bash = env.program("bash", env.repo());
    bash.args(["-n", "graft.bash"]);
    assert_eq!(env.run(bash).ok(), "");
    env.graft(["completions", "csh"]).expect(2);
}

#[test]
fn the_demo_runs_in_a_folder_of_its_own() {
    let env = TestEnvironment::empty();
    let built_in = env.graft(["demo"]);
    for word in ["graft init", "graft add", "graft commit", "graft log", "graft checkout", "graft export"] {
        assert!(built_in.ok().contains(word), "{word} in {built_in}");
    }
    assert!(!env.dot_graft().exists(), "the demo made a repository where the user stands");

    let mine = env.path("mine.sqlite");
    copy_database(&fixture("chinook.sqlite"), &mine);
    let before = std::fs::read(&mine).expect("the file");
    env.graft(["demo", "mine.sqlite"]).ok();
    assert_eq!(std::fs::read(&mine).expect("the file"), before, "the demo changed the user's file");
    env.graft(["demo", "nowhere.db"]).refused(&["nowhere.db"]);
}
