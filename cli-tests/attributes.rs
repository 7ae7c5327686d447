//! Owner, group, permissions and extended attributes: what a file has stays when Graft writes it anew or brings it back.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::database::{make, sql};
use crate::env::TestEnvironment;

/// A user that owns nothing, on any system.
const NOBODY: u32 = 65534;

/// What a file has: owner, group, permissions and one extended attribute.
type Has = (u32, u32, u32, String);

/// Runs one line of Python, which must succeed.
#[track_caller]
fn python(line: &str, args: &[&str]) -> String {
    let output =
        Command::new("python3").args(["-c", line]).args(args).output().expect("python3 is needed by these tests");
    assert!(output.status.success(), "{line} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn is_root() -> bool {
    python("import os; print(os.geteuid())", &[]) == "0"
}

/// Gives a file what new files do not have; to another owner only where the system lets us.
fn dress(path: &Path, mode: u32) -> Has {
    if is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
    python("import os, sys; os.setxattr(sys.argv[1], 'user.note', b'mine')", &[path.to_str().expect("UTF-8")]);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    has(path)
}

fn has(path: &Path) -> Has {
    let meta = fs::metadata(path).expect("a file");
    let note = python(
        "import os, sys; print('user.note' in os.listxattr(sys.argv[1]) and os.getxattr(sys.argv[1], 'user.note').decode())",
        &[path.to_str().expect("UTF-8")],
    );
    (meta.uid(), meta.gid(), meta.mode() & 0o7777, note)
}

/// A database of another layout in each of two commits, and a text, all with attributes of their own.
fn dressed() -> (TestEnvironment, [(&'static str, Has); 3]) {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 50, "DELETE");
    make(&env.path("wal.db"), 50, "WAL");
    fs::write(env.path("notes"), "one").expect("a file");
    let wanted = [("app.db", 0o600), ("notes", 0o640), ("wal.db", 0o660)]
        .map(|(name, mode)| (name, dress(&env.path(name), mode)));
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    for name in ["app.db", "wal.db"] {
        sql(&env.path(name), "PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; UPDATE item SET n = 1");
    }
    fs::write(env.path("notes"), "two").expect("a file");
    env.graft(["commit", "-am", "two"]).ok();
    (env, wanted)
}

#[track_caller]
fn all_have(env: &TestEnvironment, wanted: &[(&str, Has)], when: &str) {
    for (name, wanted) in wanted {
        assert_eq!(has(&env.path(name)), *wanted, "{name} after {when}");
    }
}

#[test]
fn a_replaced_file_has_what_it_had() {
    let (env, wanted) = dressed();
    all_have(&env, &wanted, "the commits");
    for args in [["checkout", "HEAD~1", "--", "."], ["checkout", "HEAD", "--", "."]] {
        let outcome = env.graft(args);
        assert_eq!(outcome.expect(0).stderr(), "Updated 3 paths\n");
        all_have(&env, &wanted, &args.join(" "));
    }
    env.graft(["switch", "--detach", "HEAD~1"]).ok();
    all_have(&env, &wanted, "switch");
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
}

#[test]
fn a_file_that_was_gone_has_again_what_it_had() {
    let (env, wanted) = dressed();
    let gone = || ["app.db", "notes", "wal.db"].map(|name| fs::remove_file(env.path(name)).expect("it goes"));
    gone();
    env.graft(["restore", "."]).ok();
    all_have(&env, &wanted, "restore");
    // Gone by Graft's own hand, and back.
    env.graft(["switch", "--orphan", "empty"]).ok();
    assert!(!env.path("app.db").exists());
    env.graft(["switch", "main"]).ok();
    all_have(&env, &wanted, "a switch to and fro");
    env.graft(["rm", "app.db", "notes", "wal.db"]).ok();
    env.graft(["undo"]).ok();
    all_have(&env, &wanted, "rm and undo");
    // What a file has now counts, not what it had once.
    fs::set_permissions(env.path("notes"), fs::Permissions::from_mode(0o644)).expect("a mode");
    fs::write(env.path("notes"), "three").expect("a file");
    env.graft(["commit", "-am", "three"]).ok();
    gone();
    env.graft(["restore", "."]).ok();
    assert_eq!(has(&env.path("notes")).2, 0o644);
}

#[test]
fn permission_to_execute_is_the_tree_s_and_the_rest_the_file_s() {
    let env = TestEnvironment::init();
    fs::write(env.path("tool"), "#!/bin/sh\n").expect("a file");
    fs::set_permissions(env.path("tool"), fs::Permissions::from_mode(0o750)).expect("a mode");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    fs::set_permissions(env.path("tool"), fs::Permissions::from_mode(0o640)).expect("a mode");
    fs::write(env.path("tool"), "two").expect("a file");
    env.graft(["commit", "-am", "two"]).ok();
    env.graft(["checkout", "HEAD~1", "--", "tool"]).ok();
    assert_eq!(has(&env.path("tool")).2, 0o750);
    env.graft(["checkout", "HEAD", "--", "tool"]).ok();
    assert_eq!(has(&env.path("tool")).2, 0o640);
}

/// Whoever may write into a folder may replace a file of another's there, but not give the new one away.
#[test]
fn what_cannot_be_kept_is_told() {
    if !is_root() {
        // Only root can make a file of another's; what an ordinary user can lose is an attribute that only the system sets,
        // for which a unit test has to do.
        return a_replaced_file_has_what_it_had();
    }
    let (env, _) = dressed();
    python(
        "import os, sys
for top, folders, files in os.walk(sys.argv[1]):
    os.chown(top, 65534, 65534)
    for name in files: os.chown(os.path.join(top, name), 65534, 65534)
os.chmod(sys.argv[2], 0o711)",
        &[env.repo().to_str().expect("UTF-8"), env.outside().to_str().expect("UTF-8")],
    );
    std::os::unix::fs::chown(env.path("notes"), Some(1), Some(1)).expect("root may");
    fs::set_permissions(env.path("notes"), fs::Permissions::from_mode(0o644)).expect("a mode");
    let drop =
        "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])";
    let mut command = env.program("python3", env.repo());
    command.args(["-c", drop, env!("CARGO_BIN_EXE_graft"), "checkout", "HEAD~1", "--", "notes"]);
    let outcome = env.run(command);
    let said = outcome.expect(0).stderr();
    assert!(said.contains("could not be given back its owner 1") && said.contains("its group 1"), "{outcome}");
    assert_eq!(fs::read_to_string(env.path("notes")).expect("a file"), "one");
}
