//! Encrypted databases, and whatever else a program uses as a database and Graft takes for bytes: their `-wal`, `-shm` and `-journal`.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::app::App;
use crate::database::{beside, make};
use crate::env::{TestEnvironment, script};

const PORCELAIN: [&str; 2] = ["status", "--porcelain"];

/// Makes the header unreadable, as encryption does. The program that has the file open in WAL mode goes by the page in the WAL.
fn encrypt(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("the database");
    file.write_all_at(b"\x8f\x12\xaa\x01\x77\xe0\x5cK\x9d\x03\xfe\x41\xb2\x6a\xc8\x55", 0).expect("written");
}

/// A repository with `s.db` and `vault` in two commits, which only their own programs can read, and one other file.
fn encrypted() -> TestEnvironment {
    let env = TestEnvironment::init();
    for name in ["s.db", "vault"] {
        make(&env.path(name), 50, "WAL");
        encrypt(&env.path(name));
    }
    fs::write(env.path("notes"), "one").expect("a file");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    for name in ["s.db", "vault"] {
        let file = fs::File::options().write(true).open(env.path(name)).expect("the database");
        file.write_all_at(b"other rows", 5000).expect("written");
    }
    env.graft(["commit", "-am", "two"]).ok();
    env
}

/// Gives a database the working files of a connected program that has committed to its WAL.
fn connect(env: &TestEnvironment, name: &str) -> App {
    let path = env.path(name);
    let plain = fs::read(&path).expect("the database");
    fs::remove_file(&path).expect("it goes");
    make(&path, 50, "WAL");
    let mut app = App::open(&path);
    app.sql("PRAGMA wal_autocheckpoint = 0");
    app.sql("CREATE TABLE secret (id)");
    app.sql("INSERT INTO secret VALUES (1)");
    // The bytes that Graft knows, in the file that the program has open.
    fs::write(&path, plain).expect("written");
    assert!(fs::metadata(beside(&path, "-wal")).expect("a WAL").len() > 32);
    app
}

fn all_said(env: &TestEnvironment, args: &[&str], words: &[&str]) {
    let outcome = env.graft(args);
    let text = outcome.expect(0).stderr();
    for word in words {
        assert!(text.contains(word), "{word:?} is not said by {outcome}");
    }
}

#[test]
fn working_files_are_never_tracked_nor_listed() {
    let env = TestEnvironment::init();
    for name in ["s.db", "vault"] {
        let _app = {
            fs::write(env.path(name), "x").expect("a file");
            connect(&env, name)
        };
        assert_eq!(env.graft(PORCELAIN).ok(), format!("?? {name}\n"));
        for args in [&["add", "."][..], &["add", "-A"], &["add", "-f", "."]] {
            env.graft(args).ok();
            assert_eq!(env.graft(["ls-files"]).ok(), format!("{name}\n"), "{args:?}");
        }
        for suffix in ["-wal", "-shm"] {
            env.graft(["add", "-f", &format!("{name}{suffix}")]).refused(&["working file", name]);
        }
        // What is left when the file itself is gone is no file of its own either.
        fs::remove_file(env.path(name)).expect("it goes");
        assert_eq!(env.graft(PORCELAIN).ok(), format!("AD {name}\n"));
        env.graft(["rm", "--cached", name]).ok();
        for suffix in ["-wal", "-shm"] {
            fs::remove_file(beside(&env.path(name), suffix)).expect("it goes");
        }
    }
}

#[test]
fn files_beside_an_empty_one_are_files_like_others() {
    let env = TestEnvironment::init();
    fs::write(env.path("diary"), "").expect("a file");
    for name in ["diary-journal", "diary-wal", "diary-shm"] {
        fs::write(env.path(name), format!("my {name}")).expect("a file");
    }
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "?? diary\n?? diary-journal\n?? diary-shm\n?? diary-wal\n");
    env.graft(["clean", "-f", "diary"]).ok();
    assert!(!env.path("diary").exists());
    for name in ["diary-journal", "diary-wal", "diary-shm"] {
        assert_eq!(fs::read_to_string(env.path(name)).expect("it was not named"), format!("my {name}"));
    }
}

#[test]
fn files_that_are_only_named_so_are_tracked() {
    let env = TestEnvironment::init();
    for name in ["notes", "notes-wal", "notes-journal", "notes-shm"] {
        fs::write(env.path(name), format!("my {name}")).expect("a file");
    }
    env.graft(["add", "."]).ok();
    assert_eq!(env.graft(["ls-files"]).ok(), "notes\nnotes-journal\nnotes-shm\nnotes-wal\n");
    let outcome = env.graft(["status"]);
    assert_eq!(outcome.expect(0).stderr(), "");
    env.graft(["commit", "-m", "one"]).ok();
    fs::write(env.path("notes"), "changed").expect("a file");
    env.graft(["commit", "-am", "two"]).ok();
    env.graft(["switch", "--detach", "HEAD~1"]).ok();
    assert_eq!(fs::read_to_string(env.path("notes-journal")).expect("a file"), "my notes-journal");
}

#[test]
fn work_in_the_wal_is_told_wherever_the_file_is_taken() {
    let env = encrypted();
    for name in ["s.db", "vault"] {
        let wal = format!("'{name}-wal' holds work that is not in '{name}' itself");
        let _app = connect(&env, name);
        all_said(&env, &["status"], &[&wal]);
        all_said(&env, &["status", "--porcelain"], &[&wal]);
        // Once more, now that it is known to be unchanged.
        all_said(&env, &["add", name], &[&wal]);
        all_said(&env, &["add", "-n", "."], &[&wal]);
        all_said(&env, &["commit", "--allow-empty", "-am", "all"], &[&wal]);
        for args in [["status", "--json"], ["add", "--json"]] {
            let answer = env.graft(args.iter().chain(&[name])).json();
            let warnings = answer["warnings"].as_array().expect("warnings").clone();
            assert!(warnings.iter().any(|w| w.as_str().is_some_and(|w| w.contains(&wal))), "{answer}");
        }
    }
}

#[test]
fn a_hook_that_looks_first_keeps_no_warning_back() {
    let env = encrypted();
    let _app = connect(&env, "s.db");
    let wal = "'s.db-wal' holds work that is not in 's.db' itself";
    for code in [0, 1] {
        script(&env.dot_graft().join("hooks/pre-commit"), &format!("#!/bin/sh\nexit {code}\n"));
        let outcome = env.graft(["commit", "--allow-empty", "-am", "all"]);
        assert!(outcome.stderr().contains(wal), "the hook's code {code}: {}", outcome.stderr());
    }
}

#[test]
fn a_file_in_use_is_not_replaced() {
    let moves: [&[&str]; 8] = [
        &["checkout", "HEAD~1", "--", "NAME"],
        &["restore", "--source", "HEAD~1", "NAME"],
        &["switch", "--detach", "HEAD~1"],
        &["reset", "--keep", "HEAD~1"],
        &["rm", "NAME"],
        &["mv", "NAME", "moved"],
        &["checkout", "-f", "HEAD~1", "--", "NAME"],
        &["reset", "--hard", "HEAD~1"],
    ];
    for name in ["s.db", "vault"] {
        let env = encrypted();
        let mut app = connect(&env, name);
        let (bytes, wal) =
            (fs::read(env.path(name)).expect("read"), fs::read(env.path(format!("{name}-wal"))).expect("read"));
        for args in moves {
            let args: Vec<&str> = args.iter().map(|arg| if *arg == "NAME" { name } else { *arg }).collect();
            let forced = args.iter().any(|arg| ["-f", "--hard"].contains(arg));
            let outcome = env.graft(&args);
            match forced {
                true => outcome.refused(&[name, "open in", &app.pid().to_string()]),
                false => {
                    outcome.refused(&[name, &format!("{name}-wal"), if args[0] == "mv" { "close" } else { "--force" }])
                }
            };
            assert!(fs::read(env.path(name)).expect("read") == bytes, "{args:?} wrote");
            assert!(fs::read(env.path(format!("{name}-wal"))).expect("read") == wal, "{args:?} touched the WAL");
            assert_eq!(env.graft(PORCELAIN).ok(), "", "after {args:?}");
        }
        app.sql("INSERT INTO secret VALUES (2)");
        assert_eq!(app.number("SELECT count(*) FROM secret"), 2, "the program goes on");
        assert!(!env.path(format!("{name}-wal.orphan")).exists());
    }
}

#[test]
fn what_was_done_before_a_program_came_is_not_taken_back_under_it() {
    let env = encrypted();
    env.graft(["restore", "--source", "HEAD~1", "vault"]).ok();
    let _app = connect(&env, "vault");
    let bytes = fs::read(env.path("vault")).expect("read");
    env.graft(["undo"]).refused(&["vault-wal", "--force"]);
    env.graft(["undo", "--force"]).refused(&["vault", "open in"]);
    assert!(fs::read(env.path("vault")).expect("read") == bytes);
}

#[test]
fn unsaved_work_of_a_file_in_use_is_not_set_aside() {
    let env = encrypted();
    let _app = connect(&env, "vault");
    let file = fs::File::options().write(true).open(env.path("vault")).expect("the database");
    file.write_all_at(b"mine", 4000).expect("written");
    let mine = fs::read(env.path("vault")).expect("read");
    env.graft(["stash"]).refused(&["vault-wal"]);
    assert!(fs::read(env.path("vault")).expect("read") == mine);
    assert_eq!(env.graft(["stash", "list"]).ok(), "");
}

#[test]
fn the_log_of_a_program_that_has_gone_is_given_up_by_force_alone() {
    let env = encrypted();
    for name in ["s.db", "vault"] {
        connect(&env, name).kill();
        let (bytes, wal) =
            (fs::read(env.path(name)).expect("read"), fs::read(env.path(format!("{name}-wal"))).expect("read"));
        env.graft(["checkout", "HEAD~1", "--", name]).refused(&[&format!("{name}-wal"), "--force"]);
        env.graft(["rm", name]).refused(&[&format!("{name}-wal"), "--force"]);
        assert!(fs::read(env.path(name)).expect("read") == bytes);
        all_said(&env, &["checkout", "-f", "HEAD~1", "--", name], &[&format!("{name}-wal.orphan")]);
        assert!(fs::read(env.path(format!("{name}-wal.orphan"))).expect("kept") == wal);
        assert!(!env.path(format!("{name}-wal")).exists() && !env.path(format!("{name}-shm")).exists());
        env.graft(["checkout", "HEAD", "--", name]).ok();
        fs::remove_file(env.path(format!("{name}-wal.orphan"))).expect("it goes");
    }
    assert_eq!(env.graft(PORCELAIN).ok(), "");
}

#[test]
fn a_hot_journal_is_told_and_one_at_rest_is_nothing() {
    let env = encrypted();
    let journal = env.path("vault-journal");
    let magic = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7";
    fs::write(&journal, [&magic[..], &[7; 1016]].concat()).expect("a journal");
    assert_eq!(env.graft(PORCELAIN).ok(), "");
    all_said(&env, &["status"], &["'vault' may be half written", "vault-journal"]);
    all_said(&env, &["add", "."], &["'vault' may be half written"]);
    env.graft(["switch", "--detach", "HEAD~1"]).refused(&["vault", "vault-journal", "--force"]);
    fs::write(&journal, [0; 1024]).expect("a journal");
    assert_eq!(env.graft(["status"]).expect(0).stderr(), "");
    env.graft(["switch", "--detach", "HEAD~1"]).ok();
    env.graft(["rm", "vault"]).ok();
    assert!(!journal.exists(), "what holds nothing goes along");
}

/// Encryption in rollback mode, and DuckDB, LMDB and log files: nothing lies beside them, but a program has them open to write.
#[test]
fn a_file_that_a_program_may_write_into_is_not_replaced() {
    let env = encrypted();
    fs::write(env.path("notes"), "two").expect("a file");
    env.graft(["commit", "-am", "three"]).ok();
    let (notes, vault) = (env.path("notes"), env.path("vault"));
    let writer = fs::File::options().append(true).open(&notes).expect("open");
    let reader = fs::File::open(&vault).expect("open");
    // The files have to be open in another process than Graft's: here they are.
    let refused =
        env.graft(["switch", "--detach", "HEAD~2"]).refused(&["notes", "open in", &std::process::id().to_string()]);
    assert!(!refused.contains("vault"), "{refused}");
    env.graft(["rm", "-f", "notes"]).refused(&["notes", "open in"]);
    env.graft(["checkout", "-f", "HEAD~1", "--", "notes"]).refused(&["notes", "open in"]);
    drop(writer);
    env.graft(["switch", "--detach", "HEAD~2"]).ok();
    drop(reader);
}

#[test]
fn clean_takes_working_files_along_and_spares_what_is_open() {
    let env = encrypted();
    fs::write(env.path("other.bin"), "x").expect("a file");
    let app = connect(&env, "other.bin");
    env.graft(["clean", "-f"]).refused(&["other.bin", &app.pid().to_string()]);
    app.kill();
    env.graft(["clean", "-f"]).ok();
    for name in ["other.bin", "other.bin-wal", "other.bin-shm"] {
        assert!(!env.path(name).exists(), "{name} is left");
    }
}

#[test]
fn a_working_file_that_was_tracked_before_is_named() {
    let env = TestEnvironment::init();
    fs::write(env.path("vault-wal"), b"\x37\x7f\x06\x82 and more").expect("a file");
    env.graft(["add", "."]).ok();
    fs::write(env.path("vault"), "encrypted").expect("a file");
    all_said(
        &env,
        &["status"],
        &["'vault-wal' is tracked, but is a working file of 'vault'", "graft rm --cached vault-wal"],
    );
}
