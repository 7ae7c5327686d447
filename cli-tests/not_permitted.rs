//! Folders, files and file systems that cannot be written: what can be read is read, and messages say what stands in the way.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::database::{make, sql};
use crate::env::{Outcome, TestEnvironment, wait};

/// Runs what comes after it as a user that owns nothing, if it is root that runs it: root may write anywhere.
const AS_NOBODY: &str = "import os, sys
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.execv(sys.argv[1], sys.argv[1:])";

/// Files and folders that nobody may write until this goes.
pub struct Protected(Vec<(PathBuf, fs::Permissions)>);

impl Protected {
    /// Protects a file, or a folder with everything in it.
    pub fn new(path: &Path) -> Self {
        let mut all = Vec::new();
        collect(path, &mut all);
        let protect = |path: PathBuf| {
            let before = fs::metadata(&path).expect("it is there").permissions();
            let mode = if path.is_dir() { 0o555 } else { 0o444 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            (path, before)
        };
        Self(all.into_iter().map(protect).collect())
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        for (path, before) in &self.0 {
            fs::set_permissions(path, before.clone()).ok();
        }
    }
}

fn collect(path: &Path, all: &mut Vec<PathBuf>) {
    all.push(path.to_owned());
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        collect(&entry.path(), all);
    }
}

/// Runs `graft` in the worktree as a user who is not root.
pub fn as_user(env: &TestEnvironment, args: &[&str]) -> Outcome {
    env.run(as_user_command(env, args))
}

/// The command for that, not yet started.
fn as_user_command(env: &TestEnvironment, args: &[&str]) -> Command {
    fs::set_permissions(env.outside(), fs::Permissions::from_mode(0o711)).expect("a mode");
    // Where the program was built, not everybody may look.
    let program = env.outside().join("graft");
    if !program.exists() {
        fs::hard_link(env!("CARGO_BIN_EXE_graft"), &program)
            .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_graft"), &program).map(drop))
            .expect("a copy of the program");
    }
    let mut command = env.program("python3", env.repo());
    command.args(["-c", AS_NOBODY]).arg(program).args(args);
    command
}

/// Databases in both kinds of journal modes and a text, in two commits.
fn history() -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 30, "DELETE");
    make(&env.path("wal.db"), 30, "WAL");
    fs::write(env.path("notes"), "one").expect("a file");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    for name in ["app.db", "wal.db"] {
        sql(&env.path(name), "UPDATE item SET n = 1");
    }
    fs::write(env.path("notes"), "two").expect("a file");
    env.graft(["commit", "-am", "two"]).ok();
    env
}

/// Demands a refusal that speaks of permission, and none of the wrong words.
#[track_caller]
fn not_permitted(outcome: &Outcome, words: &[&str]) {
    let said = outcome.refused(words);
    for wrong in ["wait until", "logic error", "revisions stay", "os error 1)"] {
        assert!(!said.contains(wrong), "{outcome}");
    }
    assert!(said.contains("ls -l"), "{outcome}");
}

#[test]
fn a_repository_of_somebody_else_s_is_read_and_not_changed() {
    let env = history();
    let protected = Protected::new(env.repo());
    for args in [&["status"][..], &["log"], &["diff", "HEAD~1"], &["fsck"], &["ls-files"]] {
        as_user(&env, args).ok();
    }
    let changes: [&[&str]; 9] = [
        &["add", "-A"],
        &["commit", "--allow-empty", "-m", "x"],
        &["tag", "x"],
        &["switch", "-c", "x"],
        &["reset", "--hard", "HEAD~1"],
        &["stash"],
        &["undo"],
        &["config", "set", "a.b", "c"],
        &["remote", "add", "origin", "/nowhere"],
    ];
    for args in changes {
        not_permitted(&as_user(&env, args), &["ermission denied"]);
    }
    drop(protected);
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
}

#[test]
fn databases_in_folders_that_cannot_be_written_are_read() {
    let env = history();
    let _protected = Protected::new(env.repo());
    for name in ["app.db", "wal.db"] {
        for args in [&["sql", "--db", name][..], &["sql", "--readonly", "--db", name]] {
            let query = [args, &["SELECT sum(n) FROM item"]].concat();
            assert_eq!(as_user(&env, &query).ok(), "30\n", "{query:?}");
        }
        let outcome = as_user(&env, &["sql", "--db", name, "INSERT INTO item (id) VALUES (100)"]);
        outcome.expect(1);
        let said = outcome.stderr();
        assert!(
            said.contains("readonly database") && said.contains(&format!("you may not write '{name}'")),
            "{outcome}"
        );
        let outcome = as_user(&env, &["sql", "--readonly", "--db", name, "INSERT INTO item (id) VALUES (100)"]);
        assert!(outcome.expect(1).stderr().contains("--readonly"), "{outcome}");
        let script = env.outside().join("script.sql");
        fs::write(&script, env.graft(["diff", "--sql", "HEAD~1", name]).ok()).expect("a script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).expect("a mode");
        not_permitted(&as_user(&env, &["apply", script.to_str().expect("UTF-8"), name]), &[name, "permission denied"]);
    }
    assert!(!env.path("wal.db-wal").exists() && !env.path("wal.db-shm").exists());
}

#[test]
fn rows_in_a_log_that_cannot_be_read_are_not_left_out() {
    let env = history();
    let folder = crate::database::generated();
    crate::database::copy_database(&folder.join("wal_uncheckpointed.db"), &env.path("live.db"));
    fs::remove_file(env.path("live.db-shm")).ok();
    assert!(fs::metadata(env.path("live.db-wal")).expect("a WAL").len() > 0);
    let _protected = Protected::new(env.repo());
    as_user(&env, &["sql", "--db", "live.db", "SELECT 1"]).refused(&["live.db", "live.db-wal", "read-only folder"]);
    as_user(&env, &["sql", "--readonly", "--db", "live.db", "SELECT 1"]).refused(&["live.db-wal"]);
}

/// Leaves a database as a program does that dies in the middle of a transaction, some of which is in the file already.
const DIE: &str = "import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('CREATE TABLE t (x)')
db.execute('BEGIN')
db.executemany('INSERT INTO t VALUES (?)', [('committed' + 'x' * 800,)] * 500)
db.execute('COMMIT')
db.execute('PRAGMA cache_size = 5')
db.execute('BEGIN')
db.execute(\"UPDATE t SET x = replace(x, 'committed', 'never')\")
os._exit(0)";

#[test]
fn rows_of_a_transaction_that_never_ended_are_not_shown() {
    let env = TestEnvironment::init();
    fs::create_dir(env.path("data")).expect("a folder");
    let made = env.program("python3", env.repo()).args(["-c", DIE, "data/x.db"]).status();
    assert!(made.expect("python3 runs").success());
    assert!(fs::metadata(env.path("data/x.db-journal")).expect("a hot journal").len() > 0);
    assert!(String::from_utf8_lossy(&fs::read(env.path("data/x.db")).expect("bytes")).contains("never"));
    // Where the folder can be written, a session that only reads finishes nothing either.
    let said = env.graft(["sql", "--readonly", "--db", "data/x.db", "SELECT count(*) FROM t"]);
    assert!(said.expect(128).stderr().contains("read-only session"), "{said}");
    let _protected = Protected::new(&env.path("data"));
    for options in [&["--readonly"][..], &[]] {
        let args = [&["sql"], options, &["--db", "data/x.db", "SELECT count(*) FROM t"]].concat();
        let outcome = as_user(&env, &args);
        outcome.expect(128);
        assert!(outcome.stderr().contains("x.db-journal"), "{options:?}: {}", outcome.stderr());
    }
}

/// Lets the user read some rows, then the owner commits and checkpoints, then the user goes on; returns how that ended.
fn changed_meanwhile(rest: &str) -> Outcome {
    let env = TestEnvironment::init();
    fs::create_dir(env.path("data")).expect("a folder");
    let db = env.path("data/wal.db");
    make(&db, 2000, "WAL");
    let protected = Protected::new(&env.path("data"));
    let mut command = as_user_command(&env, &["sql", "--db", "data/wal.db"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    writeln!(input, "SELECT sum(n), count(body) FROM item WHERE id <= 1000;").expect("it reads");
    let mut first = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    output.read_line(&mut first).expect("a row");
    assert_eq!(first, "0|1000\n");
    drop(protected);
    sql(&db, "UPDATE item SET n = 1; PRAGMA wal_checkpoint(TRUNCATE)");
    writeln!(input, "{rest}").expect("it reads");
    drop(input);
    std::io::copy(&mut output, &mut std::io::sink()).expect("it can be read");
    wait(child, format!("graft sql: {rest}"))
}

#[test]
fn a_database_that_its_owner_changes_meanwhile_is_not_read_on() {
    for rest in ["SELECT sum(n) FROM item;", ".dump item", ".tables"] {
        let outcome = changed_meanwhile(rest);
        let said = outcome.expect(1).stderr();
        for words in ["wal.db was replaced or overwritten by another program", "\nhelp: discard what was read"] {
            assert!(said.contains(words), "{rest}: {outcome}");
        }
    }
}

#[test]
fn files_that_cannot_be_written_are_named() {
    let env = history();
    // The folder and the repository are the user's; the databases are not.
    if as_user(&env, &["status"]).code() == 0 {
        let mut all = Vec::new();
        collect(env.repo(), &mut all);
        for path in &all {
            let mode = if path.is_dir() { 0o777 } else { 0o666 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        }
    }
    let _protected = ["app.db", "wal.db"].map(|name| Protected::new(&env.path(name)));
    for name in ["app.db", "wal.db"] {
        for args in [&["checkout", "HEAD~1", "--", name][..], &["checkout", "-f", "HEAD~1", "--", name]] {
            not_permitted(&as_user(&env, args), &[name, "permission denied"]);
        }
        let outcome = as_user(&env, &["sql", "--db", name, "CREATE TABLE x (a)"]);
        assert!(outcome.expect(1).stderr().contains(&format!("you may not write '{name}'")), "{outcome}");
    }
    assert_eq!(env.graft(["branch", "--show-current"]).ok(), "main\n");
}

#[test]
fn a_repository_is_no_remote_and_the_way_there_is_told() {
    let env = history();
    let place = env.outside().join("place");
    fs::create_dir(&place).expect("a folder");
    let (top, dir) = (env.repo().display().to_string(), env.dot_graft().display().to_string());
    for url in [&top, &dir] {
        let said = env.graft_in(&env.outside(), ["clone", url, "copy"]).refused(&["is a repository, not a remote"]);
        assert!(!env.outside().join("copy").exists());
        // The advice, taken by the word.
        let advice = said.split("'graft ").nth(1).and_then(|rest| rest.split('\'').next()).expect("a command");
        let args: Vec<String> =
            advice.split(' ').map(|word| word.replace("<FOLDER>", &place.to_string_lossy())).collect();
        env.graft_in(&env.outside(), &args).ok();
        env.graft_in(&env.outside(), ["clone", &place.to_string_lossy(), "copy"]).ok();
        assert_eq!(fs::read_to_string(env.outside().join("copy/notes")).expect("a file"), "two");
        fs::remove_dir_all(env.outside().join("copy")).expect("it goes");
    }
    env.graft(["remote", "add", "other", &top]).ok();
    for args in [["fetch", "other"], ["push", "other"]] {
        env.graft(args).refused(&["is a repository, not a remote"]);
    }
}

#[test]
fn a_full_disk_is_told_with_a_way_out() {
    let env = history();
    // Room for so many blocks of 512 bytes in any one file.
    for blocks in [0, 1, 8] {
        for args in [
            "sql --db app.db 'UPDATE item SET body = hex(hex(body))'",
            "sql --db wal.db 'UPDATE item SET body = hex(hex(body))'",
            "export HEAD:app.db -o copy",
        ] {
            let graft = env!("CARGO_BIN_EXE_graft");
            let mut shell = env.program("sh", env.repo());
            shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec '{graft}' {args}")]);
            let outcome = env.run(shell);
            assert_ne!(outcome.code(), 0, "{outcome}");
            assert!(outcome.stderr().contains("\nhelp: "), "{outcome}");
        }
    }
    let mut shell = env.program("sh", env.repo());
    shell.args(["-c", &format!("'{}' log > /dev/full", env!("CARGO_BIN_EXE_graft"))]);
    env.run(shell).refused(&["cannot write the results", "make room"]);
}

/// Containers like to mount single files. Nothing else makes a name busy, so this needs a mount namespace.
#[test]
fn a_file_that_is_mounted_by_itself() {
    let env = history();
    let mut probe = Command::new("unshare");
    probe.args(["-rm", "sh", "-c", "mount --bind \"$0\" \"$0\""]).arg(env.path("notes"));
    let probed = probe.output().expect("unshare belongs to every Linux");
    assert!(
        probed.status.success(),
        "this test needs a mount namespace ('unshare -rm'): {}",
        String::from_utf8_lossy(&probed.stderr)
    );
    sql(&env.path("app.db"), "PRAGMA page_size = 8192; VACUUM");
    env.graft(["commit", "-am", "three"]).ok();
    fs::create_dir(env.outside().join("mounted")).expect("a folder");
    let mounts = ["app.db", "notes", "wal.db"].map(|name| {
        let from = env.outside().join("mounted").join(name);
        fs::copy(env.path(name), &from).expect("a copy");
        format!("mount --bind '{}' '{}'; ", from.display(), env.path(name).display())
    });
    let run = |graft: &str| {
        let mut command = env.program("unshare", env.repo());
        let graft = format!("exec '{}' {graft}", env!("CARGO_BIN_EXE_graft"));
        command.args(["-rm", "sh", "-c", &format!("{}{graft}", mounts.concat())]);
        env.run(command)
    };
    run("checkout HEAD~2 -- wal.db").ok();
    assert_eq!(
        crate::database::number(&env.outside().join("mounted/wal.db"), "SELECT sum(n) FROM item"),
        0,
        "in place"
    );
    for args in ["checkout HEAD~2 -- notes", "checkout HEAD~1 -- app.db", "rm -f notes", "switch -f --detach HEAD~2"] {
        run(args).refused(&["cannot be replaced or removed: it is mounted there by itself", "mount the folder"]);
    }
    run("mv notes moved").refused(&["notes", "mount the folder"]);
    // The folder as a whole is no hindrance, though a file cannot be moved there from outside.
    fs::create_dir(env.path("sub")).expect("a folder");
    fs::write(env.path("sub/text"), "one").expect("a file");
    env.graft(["add", "sub"]).ok();
    env.graft(["commit", "-m", "sub"]).ok();
    let mut command = env.program("unshare", env.repo());
    let script = "mount --bind sub sub; echo changed > sub/text; exec \"$0\" restore -f sub/text";
    command.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_graft")]);
    env.run(command).ok();
    assert_eq!(fs::read_to_string(env.path("sub/text")).expect("a file"), "one");
}
