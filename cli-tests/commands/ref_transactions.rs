//! `update-ref --stdin` beside Git's: the same commands, the same answers, the same refs.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::env::{TestEnvironment, shown, wait};

/// Four commits in Git and in Graft, tagged `c0` to `c3`.
struct Both {
    env: TestEnvironment,
}

impl Both {
    fn new() -> Self {
        let both = Self { env: TestEnvironment::init() };
        std::fs::create_dir(both.git_dir()).expect("a folder");
        both.git(&["init", "-q", "-b", "main"], "");
        for n in 0..4 {
            for dir in [both.env.repo().to_owned(), both.git_dir()] {
                std::fs::write(dir.join("file"), n.to_string()).expect("a file");
            }
            let message = format!("commit {n}");
            for args in [&["add", "file"][..], &["commit", "-q", "-m", &message], &["tag", &format!("c{n}")]] {
                both.env.graft(args).ok();
                both.git(args, "");
            }
        }
        both
    }

    fn git_dir(&self) -> std::path::PathBuf {
        self.env.outside().join("git")
    }

    fn feed(&self, program: &str, dir: &Path, args: &[&str], input: &str) -> (bool, String) {
        let mut command = self.env.program(program, dir);
        command.args(args).env("GIT_AUTHOR_NAME", "A").env("GIT_AUTHOR_EMAIL", "a@b");
        command.env("GIT_COMMITTER_NAME", "A").env("GIT_COMMITTER_EMAIL", "a@b");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = shown(&command);
        let mut child = command.spawn().expect("a program");
        // Whoever refuses the first line need not read the rest.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let outcome = wait(child, shown);
        (outcome.code() == 0, outcome.stdout())
    }

    fn git(&self, args: &[&str], input: &str) -> (bool, String) {
        self.feed("git", &self.git_dir(), args, input)
    }

    fn same(&self, input: &str) {
        let args: &[&str] =
            if input.contains('\0') { &["update-ref", "--stdin", "-z"] } else { &["update-ref", "--stdin"] };
        let ours = self.feed(env!("CARGO_BIN_EXE_graft"), self.env.repo(), args, input);
        let (theirs, state) = (self.git(args, input), self.state());
        assert_eq!(state.0, state.1, "{input:?}");
        assert_eq!(ours.0, theirs.0, "{input:?}");
        // Git may have said some of it before it fails.
        if ours.0 {
            assert_eq!(ours.1, theirs.1, "{input:?}");
        }
    }

    /// The refs of both, by what their commits say.
    fn state(&self) -> (String, String) {
        let args = ["for-each-ref", "--format=%(refname) %(subject) %(symref)"];
        let head = ["rev-parse", "--symbolic-full-name", "HEAD"];
        let ours = self.env.graft(args).ok() + &self.env.graft(head).ok();
        (ours, self.git(&args, "").1 + &self.git(&head, "").1)
    }
}

#[test]
fn transactions_are_gits() {
    let both = Both::new();
    let zero = "0".repeat(64);
    for input in [
        "create refs/heads/a c0\n",
        "create refs/heads/a c1\n",
        "update refs/heads/b c1\nupdate refs/heads/a c1 c0\n",
        "update refs/heads/b c2\nupdate refs/heads/a c2 c0\n",
        "verify refs/heads/a c1\nupdate refs/heads/b c3 c1\n",
        "verify refs/heads/a c2\nupdate refs/heads/b c0\n",
        "verify refs/heads/new\ncreate refs/heads/other c0\n",
        "verify refs/heads/a\nupdate refs/heads/b c0\n",
        "start\nupdate refs/heads/b c0\ncommit\n",
        "start\nupdate refs/heads/b c1\nabort\n",
        "start\nupdate refs/heads/b c1\n",
        "start\nupdate refs/heads/b c1\nprepare\ncommit\nstart\nupdate refs/heads/b c2\nprepare\nabort\n",
        "start\nprepare\nupdate refs/heads/b c2\ncommit\n",
        "start\nstart\n",
        "update refs/heads/b c2\nprepare\n",
        "update refs/heads/b c2\ncommit\n",
        "commit\nupdate refs/heads/b c3\n",
        "abort\n",
        "start\ncommit\nstart\ncreate refs/heads/two c2\ncommit\n",
        "update refs/heads/b c3\nupdate refs/heads/b c1\n",
        "update refs/heads/b nope\n",
        "update refs/heads/b\n",
        "update refs/heads/b c1 c3 c2\n",
        "delete refs/heads/two c1\n",
        "delete refs/heads/two c2\n",
        "delete refs/heads/two\n",
        "delete refs/heads/nope c2\n",
        "nonsense refs/heads/b c1\n",
        "\n",
        "",
        "option no-deref\nupdate HEAD c1\n",
        "update HEAD c2\n",
        "option nonsense\n",
        "update refs/heads/q \"c1\"\n",
        "update \"refs/heads/q\" \"c2\" \"c1\"\n",
        "update refs/heads/q \"c1\n",
        "update refs/heads/z\0c1\0\0",
        "update refs/heads/z\0c2\0c1\0create refs/heads/y\0c0\0",
        "update refs/heads/z\0c3\0c1\0",
        "delete refs/heads/z\0c2\0delete refs/heads/y\0\0verify refs/heads/q\0c2\0",
        "start\0update refs/heads/z\0c3\0\0commit\0",
        "update refs/heads/z\0c1",
        "create refs/heads/last c1",
    ] {
        both.same(input);
    }
    // Zeros are as long as ids are.
    let graft =
        |input: &str| both.feed(env!("CARGO_BIN_EXE_graft"), both.env.repo(), &["update-ref", "--stdin"], input).0;
    assert!(graft(&format!("update refs/heads/zero c1 {zero}\n")));
    assert!(!graft(&format!("update refs/heads/zero c2 {zero}\n")));
    assert!(!graft(&format!("create refs/heads/other {zero}\n")));
    assert!(graft(&format!("update refs/heads/zero {zero} c1\n")));
    assert!(both.env.graft(["rev-parse", "--verify", "-q", "refs/heads/zero"]).code() != 0);
    // What the reflog says, and that a branch names commits.
    let (done, _) = both.feed(
        env!("CARGO_BIN_EXE_graft"),
        both.env.repo(),
        &["update-ref", "-m", "by a script", "--stdin"],
        "update refs/heads/a c0\nsymref-update HEAD refs/heads/a\n",
    );
    assert!(done && both.env.graft(["reflog", "a", "-n", "1"]).ok().contains("by a script"));
    assert_eq!(both.env.graft(["branch", "--show-current"]).ok(), "a\n");
    assert!(!graft("update refs/heads/a c1^{tree}\n"));
}
