//! A repository of a newer format is refused by name and left alone; one of version 1 opens for ever.

use crate::database::{fixture, make, python, sql};
use crate::env::TestEnvironment;
use crate::tree::{copy_tree, files_under};

#[test]
fn a_newer_format_is_refused_by_every_command() {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 10, "DELETE");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "x"]).ok();
    std::fs::write(env.dot_graft().join("format"), "graft 2\n").expect("a newer format");
    let contents = || -> Vec<_> {
        let files = files_under(&env.dot_graft());
        files.iter().map(|file| std::fs::read(env.dot_graft().join(file)).expect("a file")).collect()
    };
    let before = contents();
    for args in [
        vec!["status"],
        vec!["add", "app.db"],
        vec!["commit", "--allow-empty", "-m", "y"],
        vec!["log"],
        vec!["checkout", "--", "app.db"],
        vec!["export", "HEAD:app.db", "-o", "out.db"],
        vec!["fsck"],
        vec!["fsck", "--rebuild-index"],
        vec!["init"],
        vec!["rm", "app.db"],
    ] {
        env.graft(args).refused(&["format", "2", "newer"]);
    }
    assert!(before == contents(), "a refused command wrote into the repository");
}

/// The repository in `cli-tests/fixtures/repository-v1` was written by the first release; its `expected` file says which
/// bytes each file of each commit has.
#[test]
fn a_repository_of_version_1_opens_for_ever() {
    let env = TestEnvironment::empty();
    let frozen = fixture("repository-v1");
    copy_tree(&frozen.join("graft"), &env.dot_graft());
    env.graft(["fsck"]).ok();
    let expected = std::fs::read_to_string(frozen.join("expected")).expect("the expected files");
    let exports = env.outside().join("exports");
    std::fs::create_dir(&exports).expect("a folder");
    let mut wanted = Vec::new();
    for (at, line) in expected.lines().enumerate() {
        let [commit, path, hash] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("an odd line: {line}") };
        let out = exports.join(format!("{at:04}"));
        env.graft(["export", &format!("{commit}:{path}"), "-o", out.to_str().expect("UTF-8")]).ok();
        wanted.push(hash.to_owned());
    }
    assert!(wanted.len() > 50, "only {} files are checked", wanted.len());
    let hashes = env.outside().join("hashes.py");
    std::fs::write(&hashes, HASHES).expect("a script");
    let found = python(&hashes, &[exports.to_str().expect("UTF-8")]);
    assert!(found.lines().eq(wanted.iter()), "other bytes than the first release wrote");

    // History, staged change and writing go on.
    let log = env.graft(["log", "--oneline", "--", "data/points.gpkg"]).ok();
    assert!(log.ends_with("Moved, and smaller pages\n"), "{log}");
    assert!(env.graft(["status", "--porcelain", "data/wal.db"]).ok().starts_with('M'));
    env.graft(["checkout", "--", "."]).ok();
    env.graft(["commit", "-m", "the staged change"]).ok();
    sql(&env.path("data/wal.db"), "UPDATE t SET n = -2");
    env.graft(["commit", "-am", "a new change"]).ok();
    env.graft(["fsck"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
}

const HASHES: &str = "
import hashlib, os, sys
for name in sorted(os.listdir(sys.argv[1])):
    print(hashlib.blake2b(open(os.path.join(sys.argv[1], name), 'rb').read(), digest_size=20).hexdigest())
";
