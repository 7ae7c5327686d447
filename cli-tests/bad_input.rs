//! Input that is wrong gives the documented result, or an error that names the file, the reason and the way
//! out, with exit code 128; the repository stays as it was.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::database::{copy_database, generated, make, number, sql};
use crate::env::TestEnvironment;

/// A repository with one committed database, and what it looked like then.
struct Settled {
    env: TestEnvironment,
    before: String,
}

impl Settled {
    fn new() -> Self {
        let env = TestEnvironment::init();
        make(&env.path("app.db"), 50, "DELETE");
        env.graft(["add", "app.db"]).ok();
        env.graft(["commit", "-m", "first"]).ok();
        let before = public_state(&env);
        Self { env, before }
    }

    /// Demands that the repository is as it was and sound.
    #[track_caller]
    fn untouched(&self) {
        assert_eq!(public_state(&self.env), self.before, "the repository changed");
        self.env.graft(["fsck"]).ok();
    }
}

/// What a user can see of a repository: the index, the history and the refs.
fn public_state(env: &TestEnvironment) -> String {
    let refs = std::fs::read_to_string(env.dot_graft().join("refs/heads/main")).unwrap_or_default();
    let head = std::fs::read_to_string(env.dot_graft().join("HEAD")).expect("HEAD");
    format!("{head}{refs}{}{}", env.graft(["ls-files", "-s"]).ok(), env.graft(["log"]).ok())
}

#[test]
fn a_truncated_database_is_refused_with_a_way_out() {
    let at = Settled::new();
    copy_database(&generated().join("truncated.db"), &at.env.path("cut.db"));
    at.env.graft(["add", "cut.db"]).refused(&["cut.db", "--opaque"]);
    at.untouched();
    at.env.graft(["add", "."]).refused(&["cut.db", "--opaque"]);
    at.untouched();
    at.env.graft(["add", "--opaque", "cut.db"]).ok();
    at.env.graft(["commit", "-m", "as it is"]).ok();
    at.env.graft(["export", "HEAD:cut.db", "-o", "out"]).ok();
    let wanted = std::fs::read(generated().join("truncated.db")).expect("the original");
    assert_eq!(std::fs::read(at.env.path("out")).expect("exported"), wanted);
}

#[test]
fn a_tracked_database_that_breaks_is_reported_by_name() {
    let at = Settled::new();
    let path = at.env.path("app.db");
    let sound = std::fs::read(&path).expect("the database");
    for length in [sound.len() / 2, 4096 + 17, 100, 50] {
        std::fs::write(&path, &sound[..length]).expect("a broken database");
        at.env.graft(["add", "app.db"]).refused(&["app.db"]);
        at.untouched();
        at.env.graft(["restore", "-f", "app.db"]).ok();
        assert_eq!(std::fs::read(&path).expect("restored"), sound);
    }
    // A header whose page size is impossible.
    let mut broken = sound.clone();
    broken[16..18].copy_from_slice(&[0x12, 0x34]);
    std::fs::write(&path, &broken).expect("a broken database");
    at.env.graft(["add", "app.db"]).refused(&["app.db"]);
    at.untouched();
    at.env.graft(["checkout", "-f", "HEAD", "--", "app.db"]).ok();
    assert_eq!(std::fs::read(&path).expect("restored"), sound);
    assert_eq!(at.env.graft(["status", "--porcelain"]).ok(), "");
}

#[test]
fn no_database_named_db_is_tracked_as_a_plain_file() {
    let at = Settled::new();
    copy_database(&generated().join("not_a_database.db"), &at.env.path("not.db"));
    let added = at.env.graft(["add", "not.db"]);
    added.ok();
    assert!(added.stderr().contains("not.db"), "no warning: {added}");
    at.env.graft(["commit", "-m", "opaque"]).ok();
    assert_eq!(at.env.graft(["status", "--porcelain"]).ok(), "");
    at.env.graft(["export", "HEAD:not.db", "-o", "out"]).ok();
    let wanted = std::fs::read(generated().join("not_a_database.db")).expect("the original");
    assert_eq!(std::fs::read(at.env.path("out")).expect("exported"), wanted);
    at.env.graft(["fsck"]).ok();
}

#[test]
fn a_file_of_no_bytes_is_tracked_and_may_become_a_database() {
    let at = Settled::new();
    let path = at.env.path("new.db");
    std::fs::write(&path, b"").expect("an empty file");
    at.env.graft(["add", "new.db"]).ok();
    at.env.graft(["commit", "-m", "empty"]).ok();
    assert_eq!(at.env.graft(["status", "--porcelain"]).ok(), "");
    make(&path, 10, "WAL");
    assert_eq!(at.env.graft(["status", "--porcelain"]).ok(), " T new.db\n");
    at.env.graft(["commit", "-am", "filled"]).ok();
    at.env.graft(["checkout", "HEAD~1", "--", "new.db"]).ok();
    assert_eq!(crate::database::serialize(&path).len(), 0);
    at.env.graft(["checkout", "HEAD", "--", "new.db"]).ok();
    assert_eq!(crate::database::number(&path, "SELECT count(*) FROM item"), 10);
    at.env.graft(["fsck"]).ok();
}

#[test]
fn a_folder_means_what_lies_in_it() {
    let at = Settled::new();
    std::fs::create_dir_all(at.env.path("data/deep")).expect("folders");
    std::fs::create_dir_all(at.env.path("nothing")).expect("a folder");
    make(&at.env.path("data/a.db"), 5, "DELETE");
    make(&at.env.path("data/deep/b.db"), 5, "WAL");
    at.env.graft(["add", "data"]).ok();
    assert_eq!(at.env.graft(["status", "--porcelain"]).ok(), "A  data/a.db\nA  data/deep/b.db\n");
    at.env.graft(["add", "nothing"]).ok();
    assert_eq!(at.env.graft(["status", "--porcelain"]).ok(), "A  data/a.db\nA  data/deep/b.db\n");
}

#[test]
fn a_missing_path_is_an_error() {
    let at = Settled::new();
    at.env.graft(["add", "nowhere.db"]).refused(&["nowhere.db"]);
    at.env.graft(["add", "app.db", "nowhere.db"]).refused(&["nowhere.db"]);
    at.env.graft(["checkout", "HEAD", "--", "nowhere.db"]).refused(&["nowhere.db"]);
    at.env.graft(["export", "HEAD:nowhere.db", "-o", "out"]).refused(&["nowhere.db"]);
    assert!(!at.env.path("out").exists());
    at.env.graft(["rm", "nowhere.db"]).refused(&["nowhere.db"]);
    at.env.graft(["mv", "nowhere.db", "b.db"]).refused(&["nowhere.db"]);
    at.env.graft(["show", "HEAD:nowhere.db"]).refused(&["nowhere.db"]);
    at.untouched();
}

#[test]
fn a_symlink_is_refused_by_name_and_skipped_in_a_folder() {
    let at = Settled::new();
    std::fs::create_dir(at.env.path("data")).expect("a folder");
    make(&at.env.path("data/real.db"), 5, "DELETE");
    symlink("../app.db", at.env.path("data/link.db")).expect("a link");
    symlink("data", at.env.path("folder")).expect("a link");
    symlink("missing", at.env.path("dangling.db")).expect("a link");
    at.env.graft(["add", "data/link.db"]).refused(&["data/link.db", "symbolic link"]);
    at.env.graft(["add", "dangling.db"]).refused(&["dangling.db", "symbolic link"]);
    at.env.graft(["add", "folder/real.db"]).refused(&["folder"]);
    at.untouched();
    at.env.graft(["add", "data"]).ok();
    assert_eq!(at.env.graft(["ls-files"]).ok(), "app.db\ndata/real.db\n");
}

#[test]
fn what_is_neither_file_nor_folder_is_refused() {
    let at = Settled::new();
    let mut mkfifo = at.env.program("mkfifo", at.env.repo());
    mkfifo.arg("pipe.db");
    at.env.run(mkfifo).ok();
    at.env.graft(["add", "pipe.db"]).refused(&["pipe.db"]);
    at.untouched();
    at.env.graft(["status", "--porcelain"]).ok();
    at.env.graft(["add", "."]).ok();
    assert_eq!(at.env.graft(["ls-files"]).ok(), "app.db\n");
}

#[test]
fn a_path_outside_the_repository_is_refused() {
    let at = Settled::new();
    make(&at.env.outside().join("other.db"), 5, "DELETE");
    at.env.graft(["add", "../other.db"]).refused(&["../other.db", "outside"]);
    let absolute = at.env.outside().join("other.db");
    at.env.graft([OsStr::new("add"), absolute.as_os_str()]).refused(&["other.db", "outside"]);
    at.env.graft(["add", ".graft/config.toml"]).refused(&[".graft"]);
    at.untouched();
    let inside = at.env.path("app.db");
    sql(&inside, "DELETE FROM item WHERE id = 1");
    at.env.graft([OsStr::new("add"), inside.as_os_str()]).ok();
    assert_eq!(at.env.graft(["status", "--porcelain"]).ok(), "M  app.db\n");
}

#[test]
fn paths_are_relative_to_where_the_user_stands() {
    let at = Settled::new();
    let deep = at.env.path("data/deep");
    std::fs::create_dir_all(&deep).expect("folders");
    make(&deep.join("b.db"), 5, "DELETE");
    at.env.graft_in(&deep, ["add", "b.db"]).ok();
    assert_eq!(at.env.graft(["status", "--porcelain"]).ok(), "A  data/deep/b.db\n");
    at.env.graft_in(&deep, ["commit", "-m", "deep"]).ok();
    sql(&at.env.path("app.db"), "DELETE FROM item");
    at.env.graft_in(&deep, ["checkout", "-f", "HEAD", "--", "../../app.db"]).ok();
    assert_eq!(crate::database::number(&at.env.path("app.db"), "SELECT count(*) FROM item"), 50);
    at.env.graft_in(&at.env.outside(), ["-C", "repo/data", "ls-files"]).ok();
}

#[test]
fn a_path_that_is_not_utf8_is_named_and_spoils_nothing() {
    let at = Settled::new();
    let name = OsStr::from_bytes(b"caf\xe9.db");
    make(&at.env.path("tmp.db"), 5, "DELETE");
    std::fs::rename(at.env.path("tmp.db"), at.env.path(name)).expect("a file name in Latin-1");
    at.env.graft([OsStr::new("add"), name]).refused(&["caf", "UTF-8"]);
    at.untouched();
    at.env.graft(["status", "--porcelain"]).ok();
    at.env.graft(["status"]).ok();
    make(&at.env.path("b.db"), 5, "DELETE");
    at.env.graft(["add", "b.db"]).ok();
    let all = at.env.graft(["add", "."]);
    assert!(all.stderr().contains("caf"), "the skipped file is not named: {all}");
    assert_eq!(at.env.graft(["ls-files"]).ok(), "app.db\nb.db\n");
    at.env.graft(["commit", "-am", "others"]).ok();
}

#[test]
fn odd_but_valid_names_work() {
    let at = Settled::new();
    let names =
        ["a b.db", "-dash.db", "zürich 東京.db", "new\nline.db", "quote\"'.db", "HEAD", "star*.db", ":colon.db"];
    for name in names {
        make(&at.env.path("tmp"), 3, "DELETE");
        std::fs::rename(at.env.path("tmp"), at.env.path(name)).expect("a file");
    }
    // A path that begins with a colon would be a pattern with magic, as in Git.
    let typed = names.iter().map(|name| if name.starts_with(':') { format!("./{name}") } else { (*name).to_owned() });
    at.env.graft(["add", "--"].map(str::to_owned).into_iter().chain(typed)).ok();
    at.env.graft(["commit", "-m", "odd names"]).ok();
    assert_eq!(at.env.graft(["status", "--porcelain"]).ok(), "");
    for name in names {
        std::fs::remove_file(at.env.path(name)).expect("the file");
    }
    at.env.graft(["checkout", "HEAD", "--", "."]).ok();
    for name in names {
        assert_eq!(crate::database::number(&at.env.path(name), "SELECT count(*) FROM item"), 3, "{name}");
    }
    let json = at.env.graft(["ls-files", "--json"]);
    for name in ["zürich 東京.db", "new\\nline.db"] {
        assert!(json.ok().contains(name), "{name} in {json}");
    }
}

#[test]
fn unknown_and_ambiguous_revisions_are_explained() {
    let at = Settled::new();
    for args in [
        vec!["show", "nonsense"],
        vec!["log", "nonsense"],
        vec!["rev-parse", "nonsense"],
        vec!["checkout", "nonsense", "--", "app.db"],
        vec!["export", "nonsense:app.db", "-o", "out"],
        vec!["cat-file", "-p", "nonsense"],
        vec!["ls-tree", "nonsense"],
    ] {
        at.env.graft(args).refused(&["nonsense"]);
    }
    at.env.graft(["rev-parse", "HEAD~5"]).refused(&["HEAD~5"]);
    at.env.graft(["rev-parse", "mian"]).refused(&["mian", "main"]);
    at.env.graft(["log", &"0".repeat(64)]).refused(&["0000"]);
    at.env.graft(["rev-parse", &"f".repeat(65)]).refused(&["ffff"]);
    for odd in
        ["", "HEAD^{nothing}", "HEAD@{", "..", "HEAD:", "^", "~", "@{99}", "HEAD~99999999999999999999", "-x", "a\nb"]
    {
        let outcome = at.env.graft(["rev-parse", "--", odd]);
        assert!([0, 2, 128].contains(&outcome.code()), "{odd:?}: {outcome}");
    }
    at.untouched();
}

#[test]
fn a_repository_inside_a_repository_keeps_to_itself() {
    let at = Settled::new();
    std::fs::create_dir(at.env.path("inner")).expect("a folder");
    at.env.graft(["init", "inner"]).ok();
    make(&at.env.path("inner/own.db"), 5, "DELETE");
    at.env.graft(["add", "."]).ok();
    assert_eq!(at.env.graft(["ls-files"]).ok(), "app.db\n", "add . walked into another repository");
    at.env.graft(["add", "inner/own.db"]).refused(&["inner", "repository"]);
    at.untouched();
    at.env.graft_in(&at.env.path("inner"), ["add", "own.db"]).ok();
    assert_eq!(at.env.graft_in(&at.env.path("inner"), ["ls-files"]).ok(), "own.db\n");
    at.untouched();
}

#[test]
fn outside_of_any_repository_the_way_in_is_named() {
    let env = TestEnvironment::empty();
    for args in [vec!["status"], vec!["add", "x"], vec!["log"], vec!["commit", "-m", "x"], vec!["fsck"]] {
        env.graft(args).refused(&["graft init"]);
    }
    assert!(!env.dot_graft().exists());
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    let at = Settled::new();
    at.env.graft(["no-such-command"]).expect(2);
    at.env.graft(["status", "--no-such-flag"]).expect(2);
    at.env.graft(["cat-file"]).expect(2);
    at.env.graft(["--busy-timeout", "soon", "status"]).expect(2);
    let typo = at.env.graft(["stauts"]);
    assert!(typo.expect(2).stderr().contains("status"), "no suggestion: {typo}");
    at.untouched();
}

/// Lets a test see permissions: the superuser ignores them, so the command runs as nobody.
pub fn unprivileged(env: &TestEnvironment, args: &[&str]) -> Command {
    let root = env.outside();
    if std::fs::metadata("/proc/self").expect("this process").uid() != 0 {
        return env.command(args);
    }
    let binary = root.join("graft-for-nobody");
    if !binary.exists() {
        // Not by this process: another test may start a program meanwhile, which would hold the copy open for writing.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_graft")).arg(&binary).status();
        assert!(copied.expect("cp starts").success(), "no copy of the binary");
    }
    std::fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).expect("a mode");
    let mut command = env.program(&binary, env.repo());
    command.args(args).uid(65534).gid(65534);
    command
}

/// Gives everything under `path` to nobody, if the tests run as the superuser.
pub fn give_away(path: &Path) {
    if std::fs::metadata(path).expect("metadata").uid() == 0 {
        std::os::unix::fs::lchown(path, Some(65534), Some(65534)).expect("a new owner");
    }
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            give_away(&entry.expect("an entry").path());
        }
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let at = Settled::new();
    make(&at.env.path("secret.db"), 5, "DELETE");
    give_away(&at.env.outside().join("home"));
    give_away(at.env.repo());
    std::fs::set_permissions(at.env.path("secret.db"), PermissionsExt::from_mode(0o000)).expect("a mode");
    at.env.run(unprivileged(&at.env, &["add", "secret.db"])).refused(&["secret.db", "permission"]);
    at.env.run(unprivileged(&at.env, &["add", "."])).refused(&["secret.db", "permission"]);
    at.untouched();
    at.env.run(unprivileged(&at.env, &["status", "--porcelain"])).ok();
}

#[test]
fn a_read_only_worktree_can_be_read() {
    let at = Settled::new();
    let original = std::fs::read(at.env.path("app.db")).expect("the database");
    sql(&at.env.path("app.db"), "DELETE FROM item WHERE id = 3");
    give_away(&at.env.outside());
    set_modes(at.env.repo(), 0o555, 0o444);
    let run = |args: &[&str]| at.env.run(unprivileged(&at.env, args));
    assert_eq!(run(&["status", "--porcelain"]).ok(), " M app.db\n");
    run(&["log"]).ok();
    run(&["show"]).ok();
    run(&["ls-files", "-s"]).ok();
    run(&["fsck"]).ok();
    let out = at.env.outside().join("out.db");
    run(&["export", "HEAD:app.db", "-o", out.to_str().expect("UTF-8")]).ok();
    assert_eq!(std::fs::read(&out).expect("exported"), original);
    run(&["add", "app.db"]).refused(&["permission"]);
    run(&["commit", "-am", "x"]).refused(&["permission"]);
    run(&["checkout", "-f", "HEAD", "--", "app.db"]).refused(&["permission"]);
    set_modes(at.env.repo(), 0o755, 0o644);
    run(&["commit", "-am", "now"]).ok();
    run(&["fsck"]).ok();
}

/// Sets the modes of everything under `path`.
pub fn set_modes(path: &Path, folder: u32, file: u32) {
    let mode = if path.is_dir() { 0o755 } else { file };
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            set_modes(&entry.expect("an entry").path(), folder, file);
        }
        std::fs::set_permissions(path, PermissionsExt::from_mode(folder)).expect("a mode");
    }
}

/// A file whose header says a schema format that SQLite does not know concerns only itself.
#[test]
fn a_schema_format_of_the_future() {
    let env = TestEnvironment::init();
    for name in ["x.db", "y.db"] {
        make(&env.path(name), 10, "DELETE");
    }
    std::fs::write(env.path("n"), "1").expect("a file");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    let file = std::fs::OpenOptions::new().write(true).open(env.path("x.db")).expect("the database");
    std::os::unix::fs::FileExt::write_all_at(&file, &[99], 47).expect("another format");
    std::fs::write(env.path("n"), "2").expect("a file");
    let add = env.graft(["add", "x.db", "n"]);
    assert!(add.code() != 0 && add.stderr().contains("x.db"), "{add}");
    let status = env.graft(["status", "--porcelain"]).ok();
    assert!(status.contains(" M n\n") && status.contains("x.db"), "{status}");
    env.graft(["add", "--opaque", "x.db", "n"]).ok();
    env.graft(["commit", "-m", "two"]).ok();
    env.graft(["switch", "--detach", "HEAD~1"]).ok();
    assert_eq!(std::fs::read(env.path("n")).expect("the file"), b"1");
    assert_eq!(number(&env.path("x.db"), "SELECT count(*) FROM item"), 10);
    env.graft(["switch", "main"]).ok();
    assert_eq!(std::fs::read(env.path("n")).expect("the file"), b"2");
    assert_eq!(std::fs::read(env.path("x.db")).expect("the file")[47], 99);
    env.graft(["reset", "--hard", "HEAD~1"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
    assert!(!env.dot_graft().join("moving").exists());
}
