//! `clean`: what goes, what stays, and whom it asks first. Git tells what of plain files goes.

use std::path::Path;

use crate::app::App;
use crate::database::{make, sql};
use crate::env::TestEnvironment;

/// A worktree of plain files, tracked, untracked and ignored, in folders of all kinds; for Git and Graft alike.
fn files(top: &Path) {
    for folder in ["t", "u/v", "e/f", "ig", "ign", "ige", "o"] {
        std::fs::create_dir_all(top.join(folder)).expect("a folder");
    }
    for file in ["t/a", "t/b", "u/x", "u/v/y", "ig/z", "ig/k.log", "u/k.log", "o/k.log", "ign/q", "top"] {
        std::fs::write(top.join(file), file).expect("a file");
    }
    std::fs::write(top.join(".gitignore"), "*.log\n/ign/\n/ige/\n").expect("a file");
}

#[test]
fn what_goes_is_what_git_removes() {
    let env = TestEnvironment::init();
    let (ours, theirs) = (env.repo().to_owned(), env.outside().join("git"));
    std::fs::create_dir(&theirs).expect("a folder");
    let git = |args: &[&str], dir: &Path| {
        let mut command = env.program("git", dir);
        command.args(args);
        env.run(command).ok()
    };
    git(&["init", "-q"], &theirs);
    files(&ours);
    files(&theirs);
    git(&["add", "t/a", ".gitignore"], &theirs);
    env.graft(["add", "t/a", ".gitignore"]).ok();
    let asked: [&[&str]; 17] = [
        &["-n"],
        &["-n", "-d"],
        &["-n", "-x"],
        &["-n", "-d", "-x"],
        &["-n", "u"],
        &["-n", "u/v"],
        &["-n", "u/x"],
        &["-n", "t"],
        &["-n", "-d", "u"],
        &["-n", "-X"],
        &["-n", "-d", "-X"],
        &["-n", "-d", "--", ":!u"],
        &["-n", "-x", "ig"],
        &["-n", "*.log"],
        &["-n", "-d", "-x", "*.log"],
        &["-n", "nowhere"],
        &["-n", "-d", "u/v", "e"],
    ];
    for dir in ["", "t", "u"] {
        // Where the folder that one stands in would go, Git says so in a way of its own.
        for args in asked.iter().filter(|args| dir != "u" || !args.contains(&"-x")) {
            let args = [&["clean"], *args].concat();
            assert_eq!(env.graft_in(&ours.join(dir), &args).ok(), git(&args, &theirs.join(dir)), "{args:?} in {dir:?}");
        }
    }
    let said = env.graft_in(&ours.join("u"), ["clean", "-n", "-d", "-x"]).ok();
    assert_eq!(said, "Would remove k.log\nWould remove v/\nWould remove x\n");
    for args in [&["clean", "-f"][..], &["clean", "-fd"], &["clean", "-fdX"], &["clean", "-fdx"]] {
        assert_eq!(env.graft(args).ok(), git(args, &theirs), "{args:?}");
        let tree = |top: &Path| {
            let mut command = env.program("find", top);
            command.args([".", "-not", "-path", "./.g*/*", "-not", "-name", ".graft", "-not", "-name", ".git"]);
            let mut lines: Vec<String> = env.run(command).ok().lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(tree(&ours), tree(&theirs), "{args:?}");
    }
}

#[test]
fn databases_go_with_their_sidecars_unless_somebody_has_them_open() {
    let env = TestEnvironment::init();
    make(&env.path("kept.db"), 10, "WAL");
    env.graft(["add", "kept.db"]).ok();
    for name in ["idle.db", "wal.db", "free.db"] {
        make(&env.path(name), 10, "DELETE");
    }
    sql(&env.path("wal.db"), "PRAGMA journal_mode = WAL");
    env.graft(["clean"]).refused(&["-f", "-n"]);
    // Neither program holds a lock on the file itself.
    let (mut idle, mut wal) = (App::open(&env.path("idle.db")), App::open(&env.path("wal.db")));
    idle.sql("SELECT count(*) FROM item");
    wal.sql("UPDATE item SET n = n + 1");
    let mut kept = App::open(&env.path("kept.db"));
    kept.sql("UPDATE item SET n = n + 1");
    let said = env.graft(["clean", "-f"]).refused(&["idle.db", "wal.db", "databases are in use"]);
    assert!(said.contains(&format!("pid {}", idle.pid())) && said.contains(&format!("pid {}", wal.pid())), "{said}");
    assert!(env.path("free.db").exists() && env.path("idle.db").exists());
    env.graft(["clean", "-f", "--", ":!idle.db", ":!wal.db"]).ok();
    assert!(!env.path("free.db").exists());
    drop(idle);
    // What a program leaves behind that ends without closing.
    wal.kill();
    assert!(env.path("wal.db-wal").exists());
    let json = env.graft(["clean", "-f", "--json"]).json();
    assert_eq!(json["files"], serde_json::json!(["idle.db", "wal.db"]));
    assert!(!env.path("wal.db").exists() && !env.path("wal.db-wal").exists() && !env.path("wal.db-shm").exists());
    // A tracked database keeps what it has beside it, even while it is away.
    assert!(env.path("kept.db-wal").exists());
    std::fs::rename(env.path("kept.db"), env.outside().join("kept.db")).expect("moved");
    assert_eq!(env.graft(["clean", "-fdx"]).ok(), "");
    assert!(env.path("kept.db-wal").exists());
}

#[test]
fn nothing_but_untracked_files_goes() {
    let env = TestEnvironment::init();
    std::fs::create_dir_all(env.path("inner/.graft")).expect("a folder");
    std::fs::create_dir_all(env.path("other/.git")).expect("a folder");
    for file in ["inner/x", "other/x", "plain"] {
        std::fs::write(env.path(file), "x").expect("a file");
    }
    std::os::unix::fs::symlink("plain", env.path("link")).expect("a link");
    assert_eq!(env.graft(["clean", "-q", "-fdx"]).ok(), "");
    assert!(!env.path("plain").exists() && env.path("inner/x").exists() && env.path("other/x").exists());
    assert!(env.path("link").symlink_metadata().is_ok() && env.dot_graft().join("HEAD").exists());
    // Git's setting.
    std::fs::write(env.path("plain"), "x").expect("a file");
    env.graft(["config", "set", "clean.requireForce", "false"]).ok();
    assert_eq!(env.graft(["clean"]).ok(), "Removing plain\n");
}
