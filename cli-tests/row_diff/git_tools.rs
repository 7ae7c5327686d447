//! Databases in a Git repository: textconv and external diff, called by the real Git.

use crate::database::sql;
use crate::env::TestEnvironment;

/// A Git repository with a database and a text file, both changed since the commit.
struct Repo(TestEnvironment);

impl Repo {
    fn new() -> Self {
        let mut env = TestEnvironment::empty();
        let bin = std::path::Path::new(env!("CARGO_BIN_EXE_graft")).parent().expect("a folder").to_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        env.set("PATH", format!("{}:{path}", bin.display()));
        let repo = Self(env);
        repo.git(&["init", "-q"]);
        repo.git(&["config", "user.name", "Ada"]);
        repo.git(&["config", "user.email", "ada@example.org"]);
        std::fs::write(repo.0.path(".gitattributes"), "*.db diff=graft\n").expect("a file");
        std::fs::write(repo.0.path("readme.txt"), "one\n").expect("a file");
        sql(
            &repo.0.path("app.db"),
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
        );
        repo.git(&["add", "."]);
        repo.git(&["commit", "-qm", "one"]);
        sql(&repo.0.path("app.db"), "UPDATE t SET n = 'z' WHERE id = 2; INSERT INTO t VALUES (7, 'it''s')");
        std::fs::write(repo.0.path("readme.txt"), "one\ntwo\n").expect("a file");
        repo
    }

    fn git(&self, args: &[&str]) -> String {
        let mut command = self.0.program("git", self.0.repo());
        command.args(["--no-pager"]).args(args);
        self.0.run(command).ok()
    }
}

#[test]
fn textconv_shows_rows_as_lines() {
    let repo = Repo::new();
    repo.git(&["config", "diff.graft.textconv", "graft diff --textconv"]);
    let text = repo.git(&["diff"]);
    let changed: Vec<&str> =
        text.lines().filter(|l| l.starts_with(['+', '-']) && !l.starts_with("+++") && !l.starts_with("---")).collect();
    assert_eq!(changed, ["-t id=2 n='b'", "+t id=2 n='z'", "+t id=7 n='it\\'s'", "+two"], "{text}");
    repo.git(&["commit", "-qam", "two"]);
    let log = repo.git(&["log", "-p", "-1", "--", "app.db"]);
    assert!(log.contains("+t id=2 n='z'"), "{log}");
    // Where only the layout differs, nothing is shown.
    sql(&repo.0.path("app.db"), "PRAGMA page_size = 8192; VACUUM");
    let text = repo.git(&["diff"]);
    assert!(!text.contains("@@"), "{text}");
}

#[test]
fn the_external_diff_shows_rows_and_leaves_the_rest_to_git() {
    let mut repo = Repo::new();
    repo.git(&["config", "diff.graft.command", "graft difftool-helper"]);
    let text = repo.git(&["diff"]);
    assert!(text.contains("~id=2 n: 'b' → 'z'\n+id=7 n='it\\'s'\n"), "{text}");
    assert!(text.contains("diff --graft a/app.db b/app.db") && text.contains("+two"), "{text}");
    repo.git(&["config", "--unset", "diff.graft.command"]);
    repo.0.set("GIT_EXTERNAL_DIFF", "graft difftool-helper");
    let text = repo.git(&["diff"]);
    assert!(text.contains("~id=2 n: 'b' → 'z'") && text.contains("+two"), "{text}");
    repo.git(&["add", "."]);
    repo.git(&["mv", "app.db", "moved.db"]);
    sql(&repo.0.path("new.db"), "CREATE TABLE x (y); INSERT INTO x VALUES (1)");
    repo.git(&["add", "."]);
    let text = repo.git(&["diff", "--cached", "-M10%"]);
    assert!(text.contains("rename from app.db\nrename to moved.db"), "{text}");
    assert!(text.contains("new file mode 100644\ntable x created"), "{text}");
    let gone = repo.git(&["diff", "HEAD", "--", "moved.db", "app.db"]);
    assert!(gone.contains("id=7"), "{gone}");
}
